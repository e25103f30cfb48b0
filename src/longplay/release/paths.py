"""Names inside a torrent: readable, and safe on every file system that may receive them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

NAME_BYTES = 120
"""UTF-8 bytes of one component: file systems take 255, and some add to a name while writing."""

UNNAMED = "Unknown"

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _()',&!+-]*[A-Za-z0-9)!]")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")

Row = tuple[
    str | None, list[str] | None, str | None, int | None, int | None, str | None, bytes, str
]
"""(album artist, artists, album, disc number, track number, title, root, suffix)."""


def safe(text: str) -> str:
    """One component made from any text: NFC, nothing that a file system refuses or hides."""
    if len(text) <= NAME_BYTES and _PLAIN.fullmatch(text) and not _RESERVED.fullmatch(text):
        return text
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    text = _UNSAFE.sub("_", text).strip().lstrip(".").rstrip(". ")
    text = text.encode()[:NAME_BYTES].decode(errors="ignore").rstrip(". ")
    if not text:
        return UNNAMED
    return f"_{text}" if _RESERVED.fullmatch(text) else text


_folder = lru_cache(maxsize=65_536)(safe)


def paths(rows: Iterable[Row]) -> Iterator[tuple[bytes, ...]]:
    """`Artist/Album/01 Title.ogg` for each object, as UTF-8 components.

    Two that would be one path where capitals do not count get the first digits of their roots.
    """
    taken: set[str] = set()
    for album_artist, artists, album, disc, track, title, root, suffix in rows:
        artist = _folder(album_artist or (artists[0] if artists else "") or UNNAMED)
        folder = _folder(album or "Singles")
        name = safe(f"{_number(disc, track)}{title or UNNAMED}")
        path = f"{artist}/{folder}/{name}{suffix}"
        key = _fold(path)
        if key in taken:
            path = f"{artist}/{folder}/{name} [{root.hex()[:16]}]{suffix}"
            key = _fold(path)
        taken.add(key)
        yield tuple(path.encode().split(b"/"))


def _fold(path: str) -> str:
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path.casefold())


def _number(disc: int | None, track: int | None) -> str:
    if not track:
        return ""
    return f"{disc}-{track:02} " if disc and disc > 1 else f"{track:02} "
