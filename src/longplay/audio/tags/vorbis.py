"""Vorbis comments, in FLAC's blocks and Ogg's packets (RFC 9639, RFC 3533, RFC 7845).

Read here rather than by mutagen because a comment header may claim millions of entries, and
because text that is not UTF-8 should stay readable instead of turning into question marks.
"""

from __future__ import annotations

import io
import struct

from longplay.audio.tags import clean
from longplay.audio.tags.bounded import Bounded
from longplay.audio.tags.gather import MAX_ENTRIES, MAX_SECONDS, Gather, Sound
from longplay.audio.tags.pictures import Readable, from_base64, picture, read_flac_picture

MAX_BLOCKS = 1_000
"""FLAC metadata blocks of one file; real ones have under ten."""

_OGG_CODECS = ((b"\x01vorbis", 7), (b"OpusHead", 8), (b"Speex   ", 0), (b"\x7fFLAC", 4))
"""How each codec's first packet starts, and the bytes before the comments in its second one."""

TAIL = 128 * 1024
"""Bytes at the end of an Ogg file that are searched for its last page (which has up to 64 KiB)."""


def read_comments(source: Readable, gather: Gather) -> bool:
    """One Vorbis comment header (https://xiph.org/vorbis/doc/v-comment.html) from `source`.

    False when it was malformed; `source` then stands anywhere.
    """
    try:
        _take(source, gather.limits.text_bytes)
        (count,) = struct.unpack("<I", source.read(4))
        old_cover: dict[str, bytes] = {}
        for _ in range(min(count, MAX_ENTRIES)):
            entry = _take(source, gather.limits.tag_bytes)
            key, equals, value = entry.partition(b"=")
            if not equals:
                gather.problem("a comment without a name")
                continue
            _note(clean.decode(key), value, gather, old_cover)
    except (struct.error, ValueError):
        gather.problem("Vorbis comment is cut short or malformed")
        return False
    if count > MAX_ENTRIES:
        gather.problem(f"{count} comments claimed, {MAX_ENTRIES} looked at")
    if "COVERART" in old_cover:
        data = from_base64(old_cover["COVERART"])
        if data is None:
            gather.problem("COVERART is not base64")
        else:
            gather.picture(picture(data, clean.decode(old_cover.get("COVERARTMIME", b""))))
    return True


def _take(source: Readable, limit: int) -> bytes:
    (length,) = struct.unpack("<I", source.read(4))
    if length > limit:
        raise ValueError(length)
    data = source.read(length)
    if len(data) < length:
        raise ValueError(length)
    return data


def _note(key: str, value: bytes, gather: Gather, old_cover: dict[str, bytes]) -> None:
    name = key.upper()
    if name in ("COVERART", "COVERARTMIME"):
        old_cover[name] = value
    elif name == "METADATA_BLOCK_PICTURE":
        data = from_base64(value)
        if data is None:
            gather.problem("METADATA_BLOCK_PICTURE is not base64")
        else:
            read_flac_picture(io.BytesIO(data), gather)
    else:
        gather.add(key, clean.decode(value))


def read_flac(file: Bounded, start: int, gather: Gather) -> Sound:
    """Tags and STREAMINFO of a FLAC stream whose `fLaC` marker lies at `start`."""
    sound = Sound("flac", lossless=True)
    position, last = start + 4, False
    for _ in range(MAX_BLOCKS):
        header = file.at(position, 4)
        if last or len(header) < 4 or header[0] & 0x7F == 127:
            break
        last, kind = bool(header[0] & 0x80), header[0] & 0x7F
        length = int.from_bytes(header[1:], "big")
        if kind == 0 and sound.duration_ms is None:
            sound = flac_sound(file.read(min(length, 34)), file.size - position)
        sensible = True
        if kind == 4:
            sensible = read_comments(file, gather)
        elif kind == 6:
            sensible = read_flac_picture(file, gather)
        # Pictures beyond 16 MiB overflow the length, and some writers get it wrong (libFLAC reads
        # those files all the same); what was read then counts.
        end = position + 4 + length
        position = max(end, file.tell()) if sensible else end
    return sound


def flac_sound(info: bytes, size: int) -> Sound:
    """What STREAMINFO (RFC 9639, 8.2) says of `size` bytes of FLAC."""
    if len(info) < 18:
        return Sound("flac", lossless=True)
    packed = int.from_bytes(info[10:18], "big")
    rate, samples = packed >> 44, packed & (2**36 - 1)
    return with_rate(Sound("flac", lossless=True), samples, rate, size)


def with_rate(sound: Sound, samples: int, rate: int, size: int) -> Sound:
    """`sound` with the duration of `samples` at `rate` Hz, and the bit rate of `size` bytes."""
    if samples <= 0 or rate <= 0 or samples / rate > MAX_SECONDS:
        return sound
    milliseconds = round(samples * 1000 / rate)
    bit_rate = round(size * 8 * rate / samples) or None
    return Sound(sound.container, milliseconds, bit_rate, sound.lossless)


def read_ogg(file: Bounded, start: int, gather: Gather) -> Sound | None:
    """Tags of the first audio stream in an Ogg file, or None where it has none that we know."""
    position = start
    for _ in range(MAX_BLOCKS):
        page = _page(file, position)
        if page is None or not page[0] & 2:
            return None
        _, serial, _, head, position = page
        if head.startswith(tuple(magic for magic, _ in _OGG_CODECS)):
            _ogg_comments(file, position, serial, head, gather)
            return _ogg_sound(file, serial, head)
    return None


def _page(file: Bounded, position: int) -> tuple[int, int, bytes, bytes, int] | None:
    """An Ogg page: flags, serial, lacing values, body, and where the next one starts."""
    header = file.at(position, 27)
    if len(header) < 27 or header[:4] != b"OggS":
        return None
    lacing = file.read(header[26])
    body = file.read(sum(lacing))
    serial = int.from_bytes(header[14:18], "little")
    return header[5], serial, lacing, body, position + 27 + len(lacing) + sum(lacing)


def _ogg_comments(file: Bounded, position: int, serial: int, head: bytes, gather: Gather) -> None:
    """Find the second packet of the stream and read the comments that it starts with."""
    parts, size = [], 0
    for _ in range(MAX_BLOCKS * 10):
        page = _page(file, position)
        if page is None:
            gather.problem("Ogg comment packet is cut short")
            break
        _, found, lacing, body, position = page
        if found != serial:
            continue
        used = 0
        for value in lacing:
            used += value
            if value < 255:
                break
        parts.append(body[:used])
        size += used
        if (lacing and min(lacing) < 255) or size > gather.limits.tag_bytes:
            break
    marker = next(length for magic, length in _OGG_CODECS if head.startswith(magic))
    read_comments(io.BytesIO(b"".join(parts)[marker:]), gather)


def _ogg_sound(file: Bounded, serial: int, head: bytes) -> Sound:
    """Duration from the last page's granule position (RFC 7845, 4; Vorbis I, A.2)."""
    tail_at = max(file.size - TAIL, 0)
    tail = file.at(tail_at, TAIL)
    mark = serial.to_bytes(4, "little")
    granule, at = -1, len(tail)
    while granule < 0 and (at := tail.rfind(b"OggS", 0, at)) >= 0:
        if tail[at + 14 : at + 18] == mark:
            granule = int.from_bytes(tail[at + 6 : at + 14], "little", signed=True)
    size = file.size
    if head.startswith(b"\x01vorbis"):
        rate = int.from_bytes(head[12:16], "little")
        return with_rate(Sound("ogg", lossless=False), granule, rate, size)
    if head.startswith(b"OpusHead"):
        skip = int.from_bytes(head[10:12], "little")
        return with_rate(Sound("ogg", lossless=False), granule - skip, 48_000, size)
    if head.startswith(b"Speex"):
        rate = int.from_bytes(head[36:40], "little")
        return with_rate(Sound("ogg", lossless=False), granule, rate, size)
    info = flac_sound(head[17:51], size)
    return Sound("ogg", info.duration_ms, info.bit_rate, lossless=True)
