"""Reading single elements of a message, in the words of ERN 3 and of ERN 4.

Elements have their local names. Whatever is not there is an empty text or None.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from lxml import etree

Element: TypeAlias = etree._Element

MAX_CHARACTERS = 2_000
"""Of one text that is kept: a title, a name, a ℗ line. More is no title."""

_DURATION = re.compile(
    r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,9})M)?(?:(\d{1,12}(?:\.\d{1,9})?)S)?)?"
)
_DATE = re.compile(r"(?!0000)\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?")
_NUMBER = re.compile(r"0{0,9}[1-9]\d{0,4}", re.ASCII)
_ALGORITHMS = {"md5": ("md5", 16), "sha1": ("sha1", 20), "sha": ("sha1", 20),
               "sha256": ("sha256", 32), "sha2": ("sha256", 32)}  # fmt: skip
_RATES = {"bps": 1, "kbps": 1_000, "mbps": 1_000_000}


def name(element: Element) -> str:
    """An element's local name."""
    return element.tag if isinstance(element.tag, str) else ""


def text(element: Element | None) -> str:
    """An element's text in one line, without the signs that stand for nothing."""
    raw = "" if element is None else element.text or ""
    return " ".join(raw.split())[:MAX_CHARACTERS]


def first(element: Element, *paths: str) -> str:
    """The first text found by these paths, in their order."""
    for path in paths:
        for found in element.iterfind(path):
            said = text(found)
            if said:
                return said
    return ""


def texts(element: Element, *paths: str) -> tuple[str, ...]:
    """All different texts found by these paths."""
    found = (text(one) for path in paths for one in element.iterfind(path))
    return tuple(dict.fromkeys(filter(None, found)))


def preferred(element: Element, path: str) -> Element | None:
    """Of several elements the one marked as the default, else the worldwide one, else the first."""
    found = list(element.iterfind(path))
    for marked in ("IsDefault", "ApplicableTerritoryCode"):
        for one in found:
            if one.get(marked, "") in ("true", "1", "Worldwide"):
                return one
    return found[0] if found else None


def territorial(element: Element, path: str) -> list[Element]:
    """The parts of an ERN 3 composite by territory, the worldwide one first."""
    return sorted(
        element.iterfind(path),
        key=lambda one: "Worldwide" not in texts(one, "TerritoryCode"),
    )


def seconds(said: str) -> float | None:
    """An ISO 8601 duration in seconds; None for none, and for months, whose length nobody knows."""
    found = _DURATION.fullmatch(said.strip())
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, rest = (float(one or 0) for one in found.groups())
    return days * 86_400 + hours * 3_600 + minutes * 60 + rest


def day(said: str) -> str:
    """A year, a month or a day, else nothing."""
    found = _DATE.match(said.strip())
    return found[0] if found else ""


def number(said: str) -> int | None:
    """A whole number above 0, of at most five digits."""
    return int(said) if _NUMBER.fullmatch(said) else None


def bits_per_second(element: Element | None) -> int | None:
    """A BitRate; without its unit it is in kbit/s, as the standard has it."""
    if element is None:
        return None
    try:
        rate = float(text(element)) * _RATES[element.get("UnitOfMeasure", "kbps").lower()]
    except (ValueError, KeyError):
        return None
    return int(rate) if 0 < rate < 2**31 else None


def checksum(element: Element) -> tuple[str, str]:
    """The proof that a `File` carries (`md5:…`, `sha1:…`, `sha256:…`; empty without one or in a
    kind that is not known), and what is wrong with it."""
    composite = element.find("HashSum")
    if composite is None:
        return "", ""
    said = first(composite, "HashSumValue", "HashSum") or text(composite)
    kind = first(composite, "Algorithm", "HashSumAlgorithmType") or element.get("Algorithm", "")
    algorithm = _ALGORITHMS.get(re.sub(r"[^a-z0-9]", "", kind.lower()))
    if algorithm is None:
        return "", ""
    known, size = algorithm
    digest = _digest(said, size)
    if digest is None:
        return "", f"{said[:80]!r} is no {kind[:20]}, which has {2 * size} hexadecimal digits"
    return f"{known}:{digest.hex()}", ""


def _digest(said: str, size: int) -> bytes | None:
    """A digest in hexadecimal or base64."""
    for decode in (binascii.unhexlify, lambda it: base64.b64decode(it, validate=True)):
        try:
            found = decode(said.encode("ascii"))
        except (ValueError, UnicodeEncodeError):
            continue
        if len(found) == size:
            return found
    return None


def localise(element: Element) -> None:
    """Give an element and all below it their local names."""
    for one in element.iter():
        if isinstance(one.tag, str):
            one.tag = local(one.tag)


def local(tag: str) -> str:
    """A name without its namespace, also where its prefix was never declared."""
    return tag.rpartition("}")[2].rpartition(":")[2] or "_"


def named(parties: Iterable[Element]) -> Iterator[str]:
    """The names of parties that are written out where they stand (ERN 3)."""
    for one in parties:
        said = first(one, "PartyName/FullName", "PartyName", "PartyName/KeyName")
        if said:
            yield said
