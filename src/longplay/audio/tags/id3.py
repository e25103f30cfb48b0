"""ID3 tags (https://id3.org): split into frames here, each frame understood by mutagen.

mutagen alone would copy the rest of the tag for every frame, unpack a compressed frame to
whatever size it has, and follow chapters inside chapters; so it gets the frames that matter,
bounded, in small tags of their own.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from mutagen import id3

from longplay.audio.tags import clean
from longplay.audio.tags.bounded import MUTAGEN_FAILS, Bounded
from longplay.audio.tags.gather import Gather
from longplay.audio.tags.pictures import read_id3_picture

MAX_FRAMES = 5_000
"""Frames of one tag; a box set's have some hundred."""

_TOGETHER = re.compile("T(?!XX)[A-Z0-9]{2,3}")
"""Frames that are understood together, because a year and a day make one date."""

MAX_TOGETHER = 2**20
"""Bytes of frames that mutagen gets at once; it copies the rest of them for each one."""

SLACK = 1024
"""Bytes of a frame beside its text: encoding, language, description."""

_ALONE = re.compile("TXXX?|W[A-Z0-9]{2,3}|COMM?|USLT|ULT|UFID?|APIC|PIC|RVA2|RVA")
_IDENTIFIER = re.compile(b"[A-Z][A-Z0-9]{2,3}")
_UNSYNCHRONISED = 0x0002
_UNSAFE = re.compile(b"\xff[\xe0-\xff]")


def id3v2_size(head: bytes) -> int | None:
    """Bytes that an ID3v2 tag starting with these ten claims, header included, or None."""
    if len(head) < 10 or head[:3] != b"ID3" or head[3] == 0xFF or max(head[6:10]) > 0x7F:
        return None
    return 10 + _syncsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)


def _syncsafe(data: bytes) -> int:
    return (data[0] & 127) << 21 | (data[1] & 127) << 14 | (data[2] & 127) << 7 | data[3] & 127


def read_id3_tag(file: Bounded, start: int, room: int, gather: Gather) -> int:
    """Read the ID3v2 tag at `start`, if there is one; returns the bytes that it takes up.

    `room` is how many bytes it can have there; a tag that claims more is read as far as it goes.
    """
    head = file.at(start, 10)
    claimed = id3v2_size(head)
    if claimed is None:
        return 0
    if claimed > room:
        gather.problem(f"ID3 tag claims {claimed} bytes where {room} can be")
    if min(claimed, room) > gather.limits.tag_bytes:
        gather.problem(f"ID3 tag of {claimed} bytes: the start was looked at")
    body = file.read(min(claimed - 10, room - 10, gather.limits.tag_bytes))
    _read_body(head, body, gather)
    return min(claimed, room)


def _read_body(head: bytes, body: bytes, gather: Gather) -> None:
    version, flags = head[3], head[5]
    if version not in (2, 3, 4):
        gather.problem(f"ID3 version 2.{version} is unknown")
        return
    if flags & 0x80 and version < 4:
        body, flags = body.replace(b"\xff\x00", b"\xff"), flags & 0x7F
    if flags & 0x40 and version == 2:
        gather.problem("ID3v2.2 compression was never defined")
        return
    if flags & 0x40:
        extra = _syncsafe(body[:4]) if version == 4 else 4 + int.from_bytes(body[:4], "big")
        body = body[extra:] if len(body) >= 4 else b""
    together, alone, size = [], [], 0
    for name, flagged, payload in _frames(body, version, gather):
        if not (_TOGETHER.fullmatch(name) or _ALONE.fullmatch(name)):
            continue
        whole = _UNSYNCHRONISED if version == 4 and flags & 0x80 else 0
        plain = _plain(name, flagged | whole, payload, version, gather)
        if plain is None:
            continue
        if name in ("APIC", "PIC"):
            read_id3_picture(plain, gather)
            continue
        plain = _cut(name, plain, gather)
        if _TOGETHER.fullmatch(name) and size + len(plain) <= MAX_TOGETHER:
            together.append(_frame(version, name, plain))
            size += len(plain)
        else:
            alone.append(_frame(version, name, plain))
    for frames in (b"".join(together), *alone):
        _understand(version, frames, gather)


def _frames(body: bytes, version: int, gather: Gather) -> Iterator[tuple[str, int, bytes]]:
    """The frames of a tag as (name, flags, payload)."""
    header = 6 if version == 2 else 10
    position = 0
    for _ in range(MAX_FRAMES):
        head = body[position : position + header]
        if len(head) < header or not head.strip(b"\x00"):
            return
        name = head[: 3 if version == 2 else 4].rstrip(b"\x00 ")
        if not _IDENTIFIER.fullmatch(name):
            gather.problem("ID3 tag has rubbish between its frames")
            return
        size = _frame_size(body, position, head, version)
        if position + header + size > len(body):
            gather.problem(f"ID3 frame {name.decode()} claims {size} bytes, more than the tag has")
            return
        if size:
            flags = int.from_bytes(head[8:10], "big")
            yield name.decode(), flags, body[position + header : position + header + size]
        position += header + size
    gather.problem(f"more than {MAX_FRAMES} ID3 frames")


def _frame_size(body: bytes, position: int, head: bytes, version: int) -> int:
    if version == 2:
        return int.from_bytes(head[3:6], "big")
    plain = int.from_bytes(head[4:8], "big")
    if version == 3 or max(head[4:8]) > 0x7F:
        return plain
    # iTunes wrote 2.4 frames with plain sizes: believe the size behind which a frame starts.
    safe = _syncsafe(head[4:8])
    after = body[position + 10 + safe : position + 14 + safe]
    other = body[position + 10 + plain : position + 14 + plain]
    fits = _IDENTIFIER.fullmatch(after) or not after.strip(b"\x00")
    return plain if not fits and _IDENTIFIER.fullmatch(other) else safe


def _plain(name: str, flags: int, payload: bytes, version: int, gather: Gather) -> bytes | None:
    """A frame's payload without unsynchronisation and compression, None if that cannot be had."""
    compressed, encrypted, length, unsynch = {
        3: (0x0080, 0x0040, 0x0080, 0),
        4: (0x0008, 0x0004, 0x0009, _UNSYNCHRONISED),
    }.get(version, (0, 0, 0, 0))
    if flags & encrypted:
        gather.problem(f"ID3 frame {name} is encrypted")
        return None
    data = payload[4:] if flags & length else payload
    if flags & unsynch and not _UNSAFE.search(data):
        data = data.replace(b"\xff\x00", b"\xff")
    if not flags & compressed:
        return data
    limit = gather.limits.picture_bytes
    try:
        unpacked = zlib.decompressobj().decompress(data, limit + 1)
    except zlib.error:
        gather.problem(f"ID3 frame {name} cannot be unpacked")
        return None
    if len(unpacked) > limit:
        gather.problem(f"ID3 frame {name} unpacks to more than {limit} bytes")
        return None
    return unpacked


def _cut(name: str, payload: bytes, gather: Gather) -> bytes:
    """A frame's payload no longer than is kept of a text: mutagen copies what is left of it for
    each of its values. The cut falls between characters."""
    limit = gather.limits.text_bytes + SLACK
    if len(payload) <= limit:
        return payload
    gather.problem(f"ID3 frame {name} of {len(payload)} bytes: the start was looked at")
    start = 4 if name in ("COMM", "COM", "USLT", "ULT") else 1
    encoding, text = payload[0], payload[start:limit]
    if encoding == 3:
        text = text.decode("utf-8", "ignore").encode()
    elif encoding in (1, 2):
        text = text[: len(text) & ~1]
    return payload[:start] + text


def _frame(version: int, name: str, payload: bytes) -> bytes:
    """A frame with a header that has no flags; an empty one would confuse what follows it."""
    size = len(payload)
    if version == 2:
        return name.encode() + size.to_bytes(3, "big") + payload
    lengths = size.to_bytes(4, "big") if version == 3 else _as_syncsafe(size)
    return name.encode().ljust(4, b"\x00") + lengths + bytes(2) + payload


def _as_syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _understand(version: int, frames: bytes, gather: Gather) -> None:
    """Let mutagen read some frames, as a tag of their own."""
    if not frames:
        return
    # Ten zero bytes of padding settle for mutagen where the frames end.
    tag = b"ID3" + bytes([version, 0, 0]) + _as_syncsafe(len(frames) + 10) + frames + bytes(10)
    try:
        found = id3.ID3(io.BytesIO(tag), load_v1=False)
    except MUTAGEN_FAILS as error:
        gather.problem(f"ID3 frames cannot be read: {error}")
        return
    for frame in found.values():
        _note(frame, gather)


def _note(frame: Any, gather: Gather) -> None:
    name = frame.FrameID
    if name in _NOTERS:
        _NOTERS[name](frame, gather)
    elif name.startswith("W"):
        gather.add(name, clean.mend(frame.url))
    elif name.startswith("T") and hasattr(frame, "text"):
        for text in _texts(frame):
            gather.add(name, text)


def _texts(frame: Any) -> list[str]:
    texts = [str(text) for text in frame.text]
    return [clean.mend(text) for text in texts] if frame.encoding == 0 else texts


def _free_text(frame: Any, gather: Gather) -> None:
    for text in _texts(frame):
        gather.add(f"TXXX:{frame.desc}", text)


def _genres(frame: Any, gather: Gather) -> None:
    for genre in frame.genres:
        if genre == "Unknown":  # a number that no genre has
            continue
        gather.add("TCON", clean.mend(genre) if frame.encoding == 0 else genre)


def _comment(frame: Any, gather: Gather) -> None:
    for text in _texts(frame):
        gather.add(f"COMM:{frame.desc}:{frame.lang}", text)


def _lyrics(frame: Any, gather: Gather) -> None:
    text = clean.mend(frame.text) if frame.encoding == 0 else frame.text
    gather.add(f"USLT:{frame.desc}:{frame.lang}", text)


def _identifier(frame: Any, gather: Gather) -> None:
    gather.add(f"UFID:{frame.owner}", clean.decode(frame.data))


def _link(frame: Any, gather: Gather) -> None:
    gather.add(f"WXXX:{frame.desc}", clean.mend(frame.url))


def _people(frame: Any, gather: Gather) -> None:
    """TIPL and TMCL: pairs of a part and who took it."""
    for part, person in frame.people:
        gather.add(f"{frame.FrameID}:{part}", person)


def _volume(frame: Any, gather: Gather) -> None:
    """ReplayGain as ID3v2.4 frames; the master volume is the one that counts."""
    which = {"track": "TRACK", "album": "ALBUM"}.get(frame.desc.lower())
    if which and frame.channel == 1:
        gather.add(f"TXXX:REPLAYGAIN_{which}_GAIN", f"{frame.gain:+.2f} dB")
        gather.add(f"TXXX:REPLAYGAIN_{which}_PEAK", f"{frame.peak:.6f}")


_NOTERS: dict[str, Callable[[Any, Gather], None]] = {
    "TXXX": _free_text,
    "TCON": _genres,
    "COMM": _comment,
    "USLT": _lyrics,
    "UFID": _identifier,
    "WXXX": _link,
    "RVA2": _volume,
    "TIPL": _people,
    "TMCL": _people,
}


def read_id3v1(file: Bounded, gather: Gather) -> bool:
    """The 128 bytes at the end of an MP3 that ID3v1 takes; True when they are there."""
    if file.size < 128:
        return False
    tag = file.at(file.size - 128, 128)
    if not tag.startswith(b"TAG"):
        return False
    frames = id3.ParseID3v1(tag)
    for frame in (frames or {}).values():
        _note(frame, gather)
    return True
