"""The rights statements that the gate knows, as data: what each is called, permits and asks for.

Creative Commons: https://creativecommons.org/licenses/list.en (licences, versions, ports).
RightsStatements.org: https://rightsstatements.org/page/1.0/ (twelve statements; they describe an
item and license nothing). Short names: https://spdx.org/licenses/. Ours are terms between an
archive and its sources. Whatever is not in this table permits nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from longplay.rights import gnu


class Sort(StrEnum):
    """How a statement works beside others."""

    PUBLIC = "public"
    """A licence or mark addressed to everybody: it can open."""
    OWN = "own"
    """Terms between the archive and its source: they stand beside public statements."""
    DESCRIPTION = "description"
    """Says what is known of the copyright. It licenses nothing, and contradicts a licence."""
    CLOSED = "closed"
    """What was read is not a statement that the gate knows, or not one only, or a licence under
    which sound is not handed on."""


class Act(StrEnum):
    """What somebody wants to do with a recording."""

    RELEASE = "release"
    STREAM = "stream"
    DOWNLOAD = "download"
    DESCRIBE = "describe"


class Duty(StrEnum):
    """What a licence asks of those who share."""

    ATTRIBUTION = "attribution"
    SHARE_ALIKE = "share-alike"
    NON_COMMERCIAL = "non-commercial"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Terms:
    """One statement: its canonical URI, its name, its SPDX id where it has one, and its effect.

    `everyone` are the acts that it permits towards anybody, `signed_in` those towards signed-in
    users, `named` those that it permits only where a row's `uses` name them.
    """

    uri: str
    name: str
    sort: Sort
    spdx: str = ""
    everyone: frozenset[Act] = frozenset()
    signed_in: frozenset[Act] = frozenset()
    named: frozenset[Act] = frozenset()
    duties: tuple[Duty, ...] = ()


ALL_ACTS = frozenset(Act)
_LISTEN = frozenset({Act.STREAM, Act.DOWNLOAD})
_FACTS = frozenset({Act.DESCRIBE})

CC = "https://creativecommons.org/"
RS = "http://rightsstatements.org/vocab/"
CC0 = f"{CC}publicdomain/zero/1.0/"
PDM = f"{CC}publicdomain/mark/1.0/"
IN_COPYRIGHT = f"{RS}InC/1.0/"
PERSONAL = "longplay:personal"
AGREEMENT = "longplay:agreement"
LEGAL_DEPOSIT = "longplay:legal-deposit"
UNKNOWN = "longplay:unknown"
AMBIGUOUS = "longplay:ambiguous"
CONTRADICTORY = "longplay:contradictory"

CODES = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
VERSIONS = ("1.0", "2.0", "2.5", "3.0", "4.0")
PORTS: dict[str, tuple[str, ...]] = {
    "1.0": tuple("fi il nl".split()),
    "2.0": tuple("at au be br ca cl de es fr hr it jp kr nl pl tw uk za".split()),
    "2.1": tuple("au ca es jp".split()),
    "2.5": tuple(
        "ar au bg br ca ch cn co dk es hr hu il in it mk mt mx my nl pe pl pt scotland se si tw"
        " za".split()
    ),
    "3.0": tuple(
        "am at au az br ca ch cl cn cr cz de ec ee eg es fr ge gr gt hk hr ie igo it lu nl no"
        " nz ph pl pr pt ro rs sg th tw ug us ve vn za".split()
    ),
}
"""Jurisdictions to which each version was ported. Version 2.1 exists as ports only."""

_SPDX_PORTS = frozenset(
    "BY-2.5-AU BY-3.0-AT BY-3.0-AU BY-3.0-DE BY-3.0-IGO BY-3.0-NL BY-3.0-US BY-NC-3.0-DE"
    " BY-NC-ND-3.0-DE BY-NC-ND-3.0-IGO BY-NC-SA-2.0-DE BY-NC-SA-2.0-FR BY-NC-SA-2.0-UK"
    " BY-NC-SA-3.0-DE BY-NC-SA-3.0-IGO BY-ND-3.0-DE BY-SA-2.0-UK BY-SA-2.1-JP BY-SA-3.0-AT"
    " BY-SA-3.0-DE BY-SA-3.0-IGO".split()
)

RIGHTS_STATEMENTS = {
    "InC": "In Copyright",
    "InC-OW-EU": "In Copyright - EU Orphan Work",
    "InC-EDU": "In Copyright - Educational Use Permitted",
    "InC-NC": "In Copyright - Non-Commercial Use Permitted",
    "InC-RUU": "In Copyright - Rights-holder(s) Unlocatable or Unidentifiable",
    "NoC-CR": "No Copyright - Contractual Restrictions",
    "NoC-NC": "No Copyright - Non-Commercial Use Only",
    "NoC-OKLR": "No Copyright - Other Known Legal Restrictions",
    "NoC-US": "No Copyright - United States",
    "CNE": "Copyright Not Evaluated",
    "UND": "Copyright Undetermined",
    "NKC": "No Known Copyright",
}

_WORDS = {"by": "Attribution", "sa": "ShareAlike", "nc": "NonCommercial", "nd": "NoDerivatives"}
_DUTIES = {
    "by": Duty.ATTRIBUTION,
    "sa": Duty.SHARE_ALIKE,
    "nc": Duty.NON_COMMERCIAL,
    "nd": Duty.UNCHANGED,
}


def licence_uri(code: str, version: str, port: str = "") -> str | None:
    """The canonical URI of a Creative Commons licence, None where no such licence exists.

    `code` is one of CODES; version 1.0 spells by-nc-nd as by-nd-nc, and both are taken.
    """
    parts = code.split("-")
    code = "-".join(sorted(parts, key=("by", "nc", "nd", "sa").index)) if _is_code(parts) else ""
    exists = version in VERSIONS if not port else port in PORTS.get(version, ())
    if code not in CODES or not exists:
        return None
    spelt = "by-nd-nc" if (code, version) == ("by-nc-nd", "1.0") else code
    return f"{CC}licenses/{spelt}/{version}/{port + '/' if port else ''}"


def _is_code(parts: list[str]) -> bool:
    return len(set(parts)) == len(parts) and set(parts) <= {"by", "nc", "nd", "sa"}


def _licences() -> list[Terms]:
    found = []
    for code in CODES:
        for version in sorted({*VERSIONS, *PORTS}):
            for port in ("", *PORTS.get(version, ())):
                uri = licence_uri(code, version, port)
                if uri is not None:
                    found.append(_licence(uri, code, version, port))
    return found


def _licence(uri: str, code: str, version: str, port: str) -> Terms:
    elements = code.split("-")
    short = "-".join([code.upper(), version, *([port.upper()] if port else [])])
    words = "-".join(_WORDS[element] for element in elements)
    return Terms(
        uri=uri,
        name=f"Creative Commons {words} {version}{' ' + port.upper() if port else ''}",
        sort=Sort.PUBLIC,
        spdx=f"CC-{short}" if not port or short in _SPDX_PORTS else "",
        everyone=ALL_ACTS,
        signed_in=ALL_ACTS,
        duties=tuple(_DUTIES[element] for element in elements),
    )


def _marks() -> list[Terms]:
    rows = ((CC0, "CC0 1.0 Universal", "CC0-1.0"), (PDM, "Public Domain Mark 1.0", "CC-PDM-1.0"))
    return [Terms(uri, name, Sort.PUBLIC, spdx, ALL_ACTS, ALL_ACTS) for uri, name, spdx in rows]


def _descriptions() -> list[Terms]:
    return [
        Terms(f"{RS}{code}/1.0/", name, Sort.DESCRIPTION, everyone=_FACTS, signed_in=_FACTS)
        for code, name in RIGHTS_STATEMENTS.items()
    ]


def _ours() -> list[Terms]:
    def own(uri: str, name: str, acts: frozenset[Act], named: frozenset[Act]) -> Terms:
        return Terms(uri, name, Sort.OWN, "", _FACTS, _FACTS | acts, named)

    nothing: frozenset[Act] = frozenset()
    return [
        own(PERSONAL, "Personal: one's own music", _LISTEN, nothing),
        own(AGREEMENT, "Agreement with the rights holder", frozenset({Act.STREAM}), ALL_ACTS),
        own(LEGAL_DEPOSIT, "Legal deposit: kept by law", nothing, nothing),
    ]


def _closed() -> list[Terms]:
    rows = (
        (UNKNOWN, "Not a statement that the gate knows"),
        (AMBIGUOUS, "A licence without its version"),
        (CONTRADICTORY, "More than one licence, or words against it"),
    )
    return [Terms(uri, name, Sort.CLOSED) for uri, name in rows]


def _software() -> list[Terms]:
    return [Terms(uri, name, Sort.CLOSED, everyone=_FACTS, signed_in=_FACTS)
            for uri, name in gnu.names().items()]  # fmt: skip


TERMS: dict[str, Terms] = {
    terms.uri: terms
    for terms in (
        *_licences(),
        *_marks(),
        *_descriptions(),
        *_ours(),
        *_closed(),
        *_software(),
    )
}
"""Every statement that the gate knows, by its canonical URI."""


def spdx_ids() -> dict[str, str]:
    """Canonical URIs by SPDX id, in lower case."""
    return {terms.spdx.lower(): terms.uri for terms in TERMS.values() if terms.spdx}
