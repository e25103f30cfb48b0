"""Text from tags made safe and comparable: encodings, controls, identifiers, numbers."""

from __future__ import annotations

import re

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]|[\ud800-\udfff]")
_ISRC = re.compile("[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_MBID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"\s*([0-9]{1,6})(?!\S*-)(?:\s*(?:/|of)\s*([0-9]{1,6}))?", re.IGNORECASE)
_CC = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/[^\s\"'<>)\]]+"
)


def decode(data: bytes) -> str:
    """Text of unknown encoding: UTF-8 if it is that, else Windows-1252, which leaves no gaps."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            return data.decode("latin-1")


def mend(text: str) -> str:
    """Undo the commonest damage: UTF-8 or Windows-1252 bytes that were declared as Latin-1."""
    if text.isascii():
        return text
    try:
        return decode(text.encode("latin-1"))
    except UnicodeEncodeError:
        return text


def clean(text: str, limit: int) -> str:
    """`text` without controls (line breaks stay), trimmed, and cut to `limit` bytes of UTF-8."""
    text = _CONTROLS.sub("", text[:limit].replace("\r\n", "\n").replace("\r", "\n")).strip()
    data = text.encode()
    return text if len(data) <= limit else data[:limit].decode(errors="ignore")


def isrc(text: str) -> str | None:
    """An ISRC (ISO 3901) as its twelve characters, or None if it is none."""
    code = re.sub(r"[\s\-‐-―.]", "", text).upper().removeprefix("ISRC").lstrip(":")
    return code if _ISRC.fullmatch(code) else None


def mbid(text: str) -> str | None:
    """A MusicBrainz identifier in lower case, or None if it is none."""
    match = _MBID.search(text.lower())
    return match[0] if match and len(text) < 120 else None


def upc(text: str) -> str | None:
    """A barcode (UPC, EAN, GTIN) as its digits, leading zeros kept, or None if it is none."""
    digits = re.sub(r"[\s\-]", "", text)
    return digits if re.fullmatch("[0-9]{8,14}", digits) else None


def number_of(text: str) -> tuple[int | None, int | None]:
    """`3/12` as (3, 12), `3` as (3, None); 0 is how players write that there is none."""
    match = _NUMBER.match(text)
    if match is None:
        return None, None
    return int(match[1]) or None, int(match[2] or 0) or None


def cc_links(text: str) -> list[str]:
    """Links to Creative Commons licences and marks inside a longer text."""
    return [link.rstrip(".,;:") for link in _CC.findall(text)]
