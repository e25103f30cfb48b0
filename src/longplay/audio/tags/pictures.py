"""Pictures inside tags: FLAC picture blocks, bare images, and what kind of image bytes are."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Protocol

from longplay.audio.tags import clean
from longplay.audio.tags.gather import Gather
from longplay.audio.tags.names import PICTURE_ROLES
from longplay.model import Picture

MAX_WORDS = 64 * 1024
"""Bytes that a picture's type or description may claim; more is a wrong length."""


class Readable(Protocol):
    """Anything that bytes can be read from in order."""

    def read(self, count: int = ..., /) -> bytes:
        """Up to `count` bytes."""


def image_mime(data: bytes) -> str:
    """The media type of image bytes by their magic, empty if they are none that we know."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"BM"):
        return "image/bmp"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith((b"II*\x00", b"MM\x00*")):
        return "image/tiff"
    if data[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return "image/avif" if data[8:12] == b"avif" else "image/heic"
    if data.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")):
        return "image/jxl"
    return ""


def picture(data: bytes, mime: str = "", role: int = 3, description: str = "") -> Picture:
    """A picture from its parts; its own magic outranks the type that the tag claims."""
    name = PICTURE_ROLES[role] if 0 <= role < len(PICTURE_ROLES) else "other"
    return Picture(image_mime(data) or mime.strip("\x00 ").lower(), name, description, data)


def read_flac_picture(source: Readable, gather: Gather) -> bool:
    """One FLAC PICTURE block (RFC 9639, 8.8) from `source`.

    False when it was cut or absurd, which is noted as a problem; `source` then stands anywhere.
    """
    try:
        role, mime = struct.unpack(">I", source.read(4))[0], _words(source)
        description = _words(source)
        length = struct.unpack(">IIIII", source.read(20))[4]
        if length > gather.limits.picture_bytes:
            gather.problem(f"picture claims {length} bytes: left out")
            return False
        data = source.read(length)
    except (struct.error, ValueError):
        gather.problem("picture block cannot be read")
        return False
    if len(data) < length:
        gather.problem("picture is cut short")
        return False
    if mime == b"-->":
        gather.add("PICTURE_LINK", clean.decode(data))
    else:
        gather.picture(picture(data, clean.decode(mime), role, clean.decode(description)))
    return True


def _words(source: Readable) -> bytes:
    (length,) = struct.unpack(">I", source.read(4))
    if length > MAX_WORDS:
        raise ValueError(length)
    return source.read(length)


_ID3_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")


def read_id3_picture(payload: bytes, gather: Gather) -> None:
    """An APIC frame (ID3v2.4, 4.14) or its older form PIC, without its header.

    Read here because mutagen walks through a description character by character, and one without
    an end is as long as the picture.
    """
    old = len(payload) > 4 and payload[1:4] in (b"JPG", b"PNG", b"-->") and payload[4] < 21
    end = 4 if old else payload.find(b"\x00", 1, MAX_WORDS)
    encoding = payload[0] if payload else len(_ID3_ENCODINGS)
    if end < 0 or end + 1 >= len(payload) or encoding >= len(_ID3_ENCODINGS):
        gather.problem("ID3 picture cannot be read")
        return
    mime, role = payload[1:end], payload[end if old else end + 1]
    start = end + (1 if old else 2)
    wide = 2 if encoding in (1, 2) else 1
    stop = start
    while wide == 2 and stop < start + MAX_WORDS and payload[stop : stop + 2] not in _ENDS:
        stop += 2
    if wide == 1:
        stop = payload.find(b"\x00", start, start + MAX_WORDS)
    words = payload[start:stop] if stop >= 0 else b""
    data = payload[stop + wide :] if stop >= 0 else payload[start:]
    if mime == b"-->":
        gather.add("PICTURE_LINK", clean.decode(data[:MAX_WORDS]))
    else:
        text = words.decode(_ID3_ENCODINGS[encoding], "replace")
        gather.picture(picture(data, clean.decode(mime), role, text))


_ENDS = (b"\x00\x00", b"\x00", b"")


def from_base64(text: bytes) -> bytes | None:
    """Bytes of base64 as taggers write it (line breaks, missing padding), or None."""
    text = b"".join(text.split()).rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None
