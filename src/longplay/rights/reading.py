"""Texts to statements: licence tags, © lines, table cells, settings, in the spellings they have.

- What says nothing of use (`© 2019 Ann`) is no statement.
- What is meant as one and is not known, or lacks its version, is a closed statement: dark.
- Two licences in one text contradict each other, as do a licence and `all rights reserved`.
- A table's cell that pretends to be a licence's URI and is none is malformed: RightsError.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from longplay.errors import RightsError
from longplay.model import Statement
from longplay.rights.statements import (
    AGREEMENT,
    AMBIGUOUS,
    CC0,
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
)

TEXT_LIMIT = 4096
"""Characters of a text that are read: a whole licence pasted into a tag names itself early."""

OWN = {
    "personal": PERSONAL,
    "agreement": AGREEMENT,
    "legal-deposit": LEGAL_DEPOSIT,
    "legal deposit": LEGAL_DEPOSIT,
}
ALL_PORTS = frozenset(port for ports in PORTS.values() for port in ports)

_URI = re.compile(r"(?:https?://)?(?:www\.)?creativecommons\.org/([^\s<>\"'),;]*)", re.IGNORECASE)
_RS_URI = re.compile(
    r"(?:https?://)?(?:www\.)?rightsstatements\.org/([^\s<>\"'),;]*)", re.IGNORECASE
)
_SHORT = re.compile(
    r"\bCC[\s_-]*(BY(?:[\s_-]*(?:NC|SA|ND))*)\b(?:[\s_-]*v?(\d(?:\.\d)?)\b)?(?:[\s_-]+([A-Z]{2,8})\b)?",
    re.IGNORECASE,
)
_LONG = re.compile(
    r"\bAttribution((?:[\s,_-]*(?:No[nt][\s-]*Commercial|Share[\s-]*Alike|No[\s-]*Deriv\w*))*)"
    r"(?:[\s_-]*v?(\d(?:\.\d)?)\b)?",
    re.IGNORECASE,
)
_CC0 = re.compile(r"\bCC[\s_-]*(?:0|zero)\b|\bCreative Commons Zero\b", re.IGNORECASE)
_MARK = re.compile(r"\bpublic domain mark\b|\bCC[\s_-]*PDM\b", re.IGNORECASE)
_RESERVED = re.compile(
    r"\ball rights (?:are )?reserved\b|\btous droits r[ée]serv[ée]s\b|\balle rechte vorbehalten\b"
    r"|\btodos los derechos reservados\b|\btutti i diritti riservati\b|\bunauthori[sz]ed copying\b",
    re.IGNORECASE,
)
_LINE = re.compile(r"^\s*(?:[©℗]|\([cp]\)|copyright\b|\d{4}\b)", re.IGNORECASE)
_LICENCE_WORD = re.compile(r"licen[cs]|creative\s*commons|\bCC\b", re.IGNORECASE)
_ELEMENTS = (("non", "nc"), ("not", "nc"), ("share", "sa"), ("no", "nd"))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text was read as: the canonical URI, None where it states nothing, and why."""

    uri: str | None
    why: str


def read_statement(text: str) -> Reading:
    """Read a text that stands where a licence is expected: what is not known is closed."""
    found = read_line(text)
    if found.uri is None and text.strip():
        return Reading(UNKNOWN, "not a statement that the gate knows")
    return found


def read_line(text: str) -> Reading:
    """Read a text that may be no more than a © or ℗ line, and then states nothing of use."""
    text = unicodedata.normalize("NFKC", text[:TEXT_LIMIT]).strip()
    own = OWN.get(text.lower().removeprefix("longplay:"))
    if own:
        return Reading(own, "a term of ours")
    uris = set(_licences(text))
    reserved = _RESERVED.search(text) is not None
    if len(uris - {AMBIGUOUS}) > 1 or (uris and reserved):
        return Reading(CONTRADICTORY, "more than one statement in one text")
    if uris:
        named = uris - {AMBIGUOUS} or uris
        uri = named.pop()
        return Reading(uri, "a licence without its version" if uri == AMBIGUOUS else "named")
    if reserved:
        return Reading(IN_COPYRIGHT, "all rights reserved")
    if _LICENCE_WORD.search(text) and not _LINE.match(text):
        return Reading(UNKNOWN, "not a licence that the gate knows")
    return Reading(None, "states nothing of use")


def check_text(text: str, where: str) -> None:
    """Raise RightsError for a table's cell that pretends to be a statement and is malformed."""
    text = text.strip()
    wrong = None
    if any(ord(sign) < 32 for sign in text):
        wrong = "holds control characters"
    elif "://" in text or text.lower().startswith("www."):
        wrong = _wrong_uri(text)
    elif text.lower().startswith("longplay:") and text.lower() not in TERMS:
        wrong = "is no term of ours"
    elif any(_SHORT.finditer(text)) and set(_licences(text)) == {UNKNOWN}:
        wrong = "is no Creative Commons licence that exists"
    if wrong:
        raise RightsError(
            f"the rights statement {text[:80]!r} {wrong}", where=where, hint="correct that row"
        )


def statement(
    subject: str, text: str, *, place: str, field: str, when: str, licence: bool
) -> Statement | None:
    """The statement that `text`, read at `place` in `field`, makes about `subject`, if it does.

    `licence` says that the field is meant for licences, so that whatever it holds counts.
    """
    uri = (read_statement(text) if licence else read_line(text)).uri
    if uri is None:
        return None
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    shown = " ".join(text.split())[:200]
    evidence = f"{field} of {place}, read {when}, SHA-256 {digest}: {shown}"
    return Statement(subject, uri, evidence)


def _licences(text: str) -> Iterator[str]:
    """Every public statement that a text names, AMBIGUOUS for one without version."""
    for match in _URI.finditer(text):
        yield _cc_path(match[1])
    for match in _RS_URI.finditer(text):
        yield _rs_path(match[1])
    plain = _RS_URI.sub(" ", _URI.sub(" ", text))
    if text.lower() in _BY_NAME:
        yield _BY_NAME[text.lower()]
        return
    for match in _SHORT.finditer(plain):
        elements = re.findall(r"by|nc|sa|nd", match[1].lower())
        port = (match[3] or "").lower()
        yield _licence("-".join(elements), match[2], port if port in ALL_PORTS else "")
    for match in _LONG.finditer(plain):
        words = re.findall(r"no[nt]|share|no", match[1].lower())
        elements = ["by", *(dict(_ELEMENTS)[word] for word in words)]
        yield _licence("-".join(elements), match[2], "")
    if _CC0.search(plain):
        yield CC0
    if _MARK.search(plain):
        yield PDM


def _licence(code: str, version: str | None, port: str) -> str:
    if version is None:
        return AMBIGUOUS
    version = version if "." in version else f"{version}.0"
    uri = licence_uri(code, version, port) or (port and licence_uri(code, version)) or None
    return uri or UNKNOWN


def _cc_path(path: str) -> str:
    parts = [part for part in path.lower().rstrip(".").split("/") if part]
    parts = [part for part in parts if not part.startswith(("deed", "legalcode", "rdf"))]
    match parts:
        case ["publicdomain", "zero"] | ["publicdomain", "zero", "1.0", *_]:
            return CC0
        case ["publicdomain", "mark"] | ["publicdomain", "mark", "1.0", *_]:
            return PDM
        case ["licenses" | "licences", code]:
            return AMBIGUOUS if licence_uri(code, "4.0") else UNKNOWN
        case ["licenses" | "licences", code, version]:
            return licence_uri(code, version) or UNKNOWN
        case ["licenses" | "licences", code, version, port]:
            return licence_uri(code, version, port) or UNKNOWN
    return UNKNOWN


def _rs_path(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["vocab" | "page" | "data", code, *rest] if rest in ([], ["1.0"]):
            names = {name.lower(): name for name in RIGHTS_STATEMENTS}
            name = names.get(code.lower())
            return f"{RS}{name}/1.0/" if name else UNKNOWN
    return UNKNOWN


def _wrong_uri(text: str) -> str | None:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return "is no URI"
    if len(text.split()) > 1:
        return None  # a sentence that holds a URI is read as a text
    if not host or "." not in host:
        return "is no URI"
    known = host in ("creativecommons.org", "rightsstatements.org")
    if known and set(_licences(text)) <= {UNKNOWN}:
        return "is the URI of no statement that exists"
    return None


_BY_NAME = {
    name.lower(): terms.uri
    for terms in TERMS.values()
    for name in (terms.name, terms.spdx)
    if name and not terms.uri.startswith("longplay:")
}
