"""What texts in tags and tables say of rights: a known statement, or why it is none.

Everything reads downward only: words that might mean less than a licence make the text unknown.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from longplay.rights import gnu
from longplay.rights.statements import (
    AGREEMENT,
    AMBIGUOUS,
    CC,
    CC0,
    CODES,
    CONTRADICTORY,
    IN_COPYRIGHT,
    LEGAL_DEPOSIT,
    PDM,
    PERSONAL,
    PORTS,
    RIGHTS_STATEMENTS,
    RS,
    TERMS,
    UNKNOWN,
    licence_uri,
    spdx_ids,
)

MAX_CHARACTERS = 4096
"""A statement is a line or two. In a longer text, any word may take back what another gave."""

Reason = Literal["nothing", "notice", "unknown", "ambiguous", "contradictory", "no-such"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why a text is no statement.

    `nothing`: it is empty; `notice`: it names a rights holder and no terms; `ambiguous`: a licence
    without its version; `contradictory`: several licences, or words against one; `no-such`: the
    URI of a Creative Commons licence or a RightsStatements.org statement that does not exist.
    """

    reason: Reason
    words: str

    @property
    def uri(self) -> str:
        """The statement that stands for it where it was found instead of a licence."""
        return {"ambiguous": AMBIGUOUS, "contradictory": CONTRADICTORY}.get(self.reason, UNKNOWN)


@lru_cache(maxsize=65_536)
def read_statement(text: str) -> str | Unknown:
    """The canonical URI of the one statement that `text` makes, in whatever spelling.

    Reads URIs (also http, www, deeds and legal codes, ports), SPDX ids, names in full or short,
    our own words, and "all rights reserved" (In Copyright).
    """
    if len(text) > MAX_CHARACTERS:
        return Unknown("unknown", f"longer than {MAX_CHARACTERS} characters")
    plain = _DASHES.sub("-", " ".join(unicodedata.normalize("NFKC", text).casefold().split()))
    if not plain:
        return Unknown("nothing", "an empty text")
    ours = _OURS.get(plain)
    if ours is not None:
        return ours
    software = gnu.read(plain)
    if software is not None:
        return software
    found = _Found()
    rest = _names(_uris(plain, found), found)
    if found.bad:
        return Unknown("no-such", f"no such statement: {found.bad[0]}")
    return _settle(found.uris, found.versionless, rest)


@dataclass(slots=True)
class _Found:
    """What one text names: statements, licences without a version, and what does not exist."""

    uris: set[str] = field(default_factory=set)
    versionless: set[str] = field(default_factory=set)
    bad: list[str] = field(default_factory=list)


def _settle(found: set[str], versionless: set[str], rest: str) -> str | Unknown:
    """One statement from all that was found in a text, or why there is none; `rest` is the text
    without what was found."""
    rest = _SLOGANS.sub(" ", rest)
    reserved = _RESERVED.search(rest)
    # "CC BY" beside the URI of CC BY 3.0 adds nothing; beside that of CC BY-SA it contradicts.
    named = {_element_code(uri) for uri in found}
    loose = {code for code in versionless if code not in named}
    if len(found) + len(loose) + bool(reserved) > 1:
        return Unknown("contradictory", "says more than one thing")
    if found and _against(next(iter(found)), rest):
        return Unknown("contradictory", "a licence, and words against it")
    if found:
        return found.pop()
    if loose:
        return Unknown("ambiguous", f"CC {loose.pop().upper()} without its version")
    if reserved:
        return IN_COPYRIGHT
    if _NOTICE.search(rest) and not _OTHERS.search(rest):
        return Unknown("notice", "names a rights holder and no terms")
    return Unknown("unknown", "not a statement that the gate knows")


def _against(uri: str, rest: str) -> bool:
    """Whether words beside a licence name another one, or may take back what it gives."""
    dedicated = uri in (CC0, PDM)
    others = [word for word in _OTHERS.findall(rest) if not (dedicated and word.startswith("pub"))]
    elements = {_element(word) for word in _ASKS.findall(rest)}
    asked_beside = elements - set(_element_code(uri).split("-"))
    return bool(others or asked_beside or _LIMITS.search(rest))


def looks_like_uri(text: str) -> bool:
    """Whether a text means to be one URI, well written or not."""
    stripped = text.strip()
    return bool(_URI_LIKE.match(stripped)) and len(stripped.split()) == 1


_OURS = {
    spelling: uri
    for uri in (PERSONAL, AGREEMENT, LEGAL_DEPOSIT)
    for spelling in (uri, uri.partition(":")[2], uri.partition(":")[2].replace("-", " "))
}
_DASHES = re.compile("[\u2010-\u2015\u2212_]")
_URI_LIKE = re.compile(r"[a-z][a-z0-9+.-]*:|//|www\.|(?:creativecommons|rightsstatements)\.", re.I)
_URI = re.compile(
    r"(?<![\w./-])(?:https?:/*)?(?:www\.)?(creativecommons|rightsstatements)\.org(?::\d+)?"
    r"([/\w.%+~-]*)(?:[?#][\w=&.%-]*)?"
)
_LICENCE_PATH = re.compile(
    r"/licen[sc]es/([a-z-]+)/(\d+\.\d+)(?:/([a-z]+))??/?(?:/(?:deed|legalcode|rdf)[\w.-]*/?)?"
)
_LICENCE_WITHOUT_VERSION = re.compile(r"/licen[sc]es/([a-z-]+)/?")
_RETIRED_PATH = re.compile(
    r"/licen[sc]es/(?:publicdomain|(?:nc-)?sampling\+?|devnations|l?gpl|mit|bsd|sa|nc|nd|nd-nc|nc-sa)"
    r"(?:/.*)?"
)
_MARK_PATH = re.compile(r"/publicdomain/(zero|mark)/1\.0/?(?:[\w./-]*)")
_STATEMENT_PATH = re.compile(r"/(?:vocab|page)/([a-z-]+)/1\.0/?")
_STATEMENT_CODES = {code.casefold(): f"{RS}{code}/1.0/" for code in RIGHTS_STATEMENTS}

_RESERVED = re.compile(r"\ball rights? reserved\b|\balle rechte vorbehalten\b|\btous droits r")
_SLOGANS = re.compile(r"\b(?:some|no) rights reserved\b")
_NOTICE = re.compile(r"©|℗|\(c\)|\(p\)|\bcopyright\b|^[\w .,&'-]*\b(?:19|20)\d\d\b")
_OTHERS = re.compile(
    r"\b(?:l?gpl|agpl|gfdl|gnu|mit|bsd|apache|odbl|eupl|artistic|sampling|proprietary|royalty)"
    r"(?:v?[-\d.+]*)\b|\bpublic domain\b"
)
_ASKS = re.compile(r"\b(?:sa|nc|nd|share[ -]?alike|non[ -]?commercial|no[ -]?deriv(?:ative)?s?)\b")
_LIMITS = re.compile(
    r"\b(?:not|never|nor|cannot|except\w*|exclud\w*|only|unless|until|before|former\w*"
    r"|previous\w*|no longer|some|parts?|portions?|expire[sd]?|revoked|terminated|permission"
    r"|prohibit\w*|forbidden|was|were|without|nicht|kein\w*|nur|außer|ausser|sauf|pas|salvo"
    r"|excepto)\b|n['’]t\b"
)


def _uris(text: str, found: _Found) -> str:
    """Add the statements named by URI to `found`; returns the text without those URIs."""

    def read(match: re.Match[str]) -> str:
        path = match[2].rstrip(".-")
        uri = _cc_path(path) if match[1] == "creativecommons" else _rs_path(path)
        bare = _LICENCE_WITHOUT_VERSION.fullmatch(path)
        if uri is not None:
            found.uris.add(uri)
        elif bare and bare[1] in CODES:
            found.versionless.add(bare[1])
        elif _RETIRED_PATH.fullmatch(path):
            return " sampling "
        elif path.startswith(("/licen", "/publicdomain", "/vocab", "/page", ".")):
            found.bad.append(match[0])
        return " "

    return _URI.sub(read, text)


def _cc_path(path: str) -> str | None:
    if match := _LICENCE_PATH.fullmatch(path):
        return licence_uri(match[1], match[2], match[3] or "")
    if match := _MARK_PATH.fullmatch(path):
        return CC0 if match[1] == "zero" else PDM
    return None


def _rs_path(path: str) -> str | None:
    match = _STATEMENT_PATH.fullmatch(path)
    return _STATEMENT_CODES.get(match[1]) if match else None


_ELEMENT = (
    r"(?:by|sa|nc|nd|attribution|share[ -]?alike|non[ -]?commercial"
    r"|no[ -]?deriv(?:ative)?s?(?: works?)?)"
)
_CC_NAME = re.compile(
    rf"\b(?:cc|creative commons)(?: licen[cs]ed?)?[ (:-]*(?:{_ELEMENT}\b[ ,_+/-]*)+"
    r"(?:licen[cs]e[ ,-]*)?(?:\(?(?:v\.?|version|ver\.?)? ?(\d(?:\.\d)?)(?![\d])\)?)?"
    r"(?:[ -]*(?:unported|international|generic|licen[cs]e))*"
    r"(?:[ -]([a-z]{2,13})\b)?"
)
_SHORT = {"attribution": "by", "sharealike": "sa", "noncommercial": "nc"}
_ZERO = re.compile(r"\b(?:cc[ -]?0|cc[ -]zero|creative commons zero)\b(?:[ -]*v?(\d\.\d))?")
_MARK = re.compile(r"\b(?:cc[ -]?)?(?:public domain mark|pdm)\b(?:[ -]*v?(\d\.\d))?")
_SPDX = spdx_ids()
_COUNTRIES = {
    "austria": "at",
    "australia": "au",
    "france": "fr",
    "germany": "de",
    "italy": "it",
    "japan": "jp",
    "netherlands": "nl",
    "poland": "pl",
    "spain": "es",
    "switzerland": "ch",
    "taiwan": "tw",
    "england": "uk",
}


def _names(text: str, found: _Found) -> str:
    """Add the statements named in words to `found`; returns the text without them."""
    if text.strip() in _SPDX:
        found.uris.add(_SPDX[text.strip()])
        return ""
    for pattern, uri in ((_ZERO, CC0), (_MARK, PDM)):
        for match in pattern.finditer(text):
            if match[1] in (None, "1.0"):
                found.uris.add(uri)
            else:
                found.bad.append(match[0])
        text = pattern.sub(" ", text)
    for match in _CC_NAME.finditer(text):
        code = _code(match[0])
        version = match[1] and (match[1] if "." in match[1] else f"{match[1]}.0")
        if version is None:
            found.versionless.add(code)
            continue
        licence = licence_uri(code, version, _port(version, match[2] or ""))
        if licence is None:
            found.bad.append(match[0].strip())
        else:
            found.uris.add(licence)
    # The word that may be a port stays: it may as well be "not".
    return _CC_NAME.sub(lambda match: f" {match[2] or ''} ", text)


def _code(name: str) -> str:
    """`by-nc-sa` from "creative commons attribution-noncommercial-sharealike …"."""
    elements = {_element(word) for word in re.findall(rf"\b{_ELEMENT}\b", name)}
    return "-".join(element for element in ("by", "nc", "nd", "sa") if element in elements)


def _element(word: str) -> str:
    joined = re.sub(r"[ -]", "", word)
    return "nd" if joined.startswith("noderiv") else _SHORT.get(joined, joined)


def _port(version: str, word: str) -> str:
    word = _COUNTRIES.get(word, word)
    return word if word in PORTS.get(version, ()) else ""


def _element_code(uri: str) -> str:
    if not uri.startswith(f"{CC}licenses/"):
        return uri
    return "-".join(sorted(TERMS[uri].uri.split("/")[4].split("-")))
