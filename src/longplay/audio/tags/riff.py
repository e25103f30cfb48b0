"""Chunked files: WAV, Broadcast WAV, RF64/BW64, Sony Wave64, AIFF, DSDIFF, and DSF.

Sources: Microsoft's RIFF (LIST INFO, cue, adtl), EBU Tech 3285 (bext), EBU Tech 3306 and ITU-R
BS.2088 (RF64, BW64, ds64), Sony's Wave64 1.0, iXML 3, Apple's AIFF 1.3, Philips' DSDIFF 1.5.
"""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from longplay.audio.tags import clean
from longplay.audio.tags.bounded import Bounded
from longplay.audio.tags.gather import Gather, Sound
from longplay.audio.tags.id3 import read_id3_tag
from longplay.audio.tags.vorbis import with_rate

MAX_CHUNKS = 10_000
"""Chunks of one file that are looked at; real ones have under a hundred."""

MAX_CHUNK = 4 * 2**20
"""Bytes of a text chunk (bext, iXML, LIST, cue) that are looked at."""

MAX_CUES = 10_000
"""Marks of one file; a day-long transfer with one each ten seconds."""

_TAG_CHUNKS = (b"id3 ", b"id32", b"ixml", b"list", b"bext", b"cue ")
"""Chunks that are read, those that say most about the music first."""

_PCM_TAGS = (1, 3)
_EXTENSIBLE = 0xFFFE


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk: its name, where its body starts, and how many bytes of it lie in the file."""

    name: bytes
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one family writes its chunks: byte order, width of names and sizes, alignment."""

    order: Literal["little", "big"]
    name: int
    width: int
    align: int
    header_counts: bool = False


RIFF = _Layout("little", 4, 4, 2)
WAVE64 = _Layout("little", 16, 8, 8, header_counts=True)
IFF = _Layout("big", 4, 4, 2)
DSDIFF = _Layout("big", 4, 8, 2)


def _chunks(file: Bounded, start: int, end: int, layout: _Layout, large: int) -> Iterator[_Chunk]:
    """The chunks from `start` to `end`; `large` is the size of RF64's data chunk, which says -1."""
    position, header = start, layout.name + layout.width
    for _ in range(MAX_CHUNKS):
        head = file.at(position, header)
        if position >= end or len(head) < header:
            return
        name = head[: layout.name]
        size = int.from_bytes(head[layout.name :], layout.order)
        size -= header if layout.header_counts else 0
        if size == 0xFFFFFFFF and name == b"data" and large:
            size = large
        if size < 0:
            return
        body = position + header
        yield _Chunk(name[:4], body, max(min(size, file.size - body), 0))
        position = body + size + -size % layout.align


def read_wave(file: Bounded, gather: Gather) -> Sound:
    """Tags of a WAV, RF64, BW64 or Wave64 file, and what its `fmt ` chunk says of the sound."""
    magic = file.at(0, 40)
    large = 0
    if magic.startswith(b"riff"):
        container, layout, start = "w64", WAVE64, 40
    else:
        container, layout, start = ("wav" if magic[:4] == b"RIFF" else "rf64"), RIFF, 12
        if magic[12:16] == b"ds64":
            large = int.from_bytes(magic[28:36], "little")
    form = b""
    data_bytes = samples = 0
    marks: dict[int, int] = {}
    labels: dict[int, str] = {}
    others = []
    for chunk in _chunks(file, start, file.size, layout, large):
        if chunk.name == b"fmt ":
            form = file.at(chunk.start, min(chunk.size, 40))
        elif chunk.name == b"data":
            data_bytes = max(data_bytes, chunk.size)
        elif chunk.name == b"fact":
            samples = int.from_bytes(file.at(chunk.start, 4), "little")
        elif chunk.name.lower() in _TAG_CHUNKS:
            others.append(chunk)
    for chunk in sorted(others, key=lambda chunk: _TAG_CHUNKS.index(chunk.name.lower())):
        gather.next_reader()
        _read_chunk(file, chunk, gather, marks, labels)
    sound, rate = _wave_sound(container, form, data_bytes, samples)
    gather.cues += [
        (round(at * 1000 / rate), labels.get(number, "")) for number, at in marks.items() if rate
    ]
    return sound


def _read_chunk(
    file: Bounded, chunk: _Chunk, gather: Gather, marks: dict[int, int], labels: dict[int, str]
) -> None:
    name = chunk.name.lower()
    if name.startswith(b"id3"):
        read_id3_tag(file, chunk.start, chunk.size, gather)
        return
    if chunk.size > MAX_CHUNK:
        gather.problem(f"{chunk.name!r} chunk of {chunk.size} bytes: the start was looked at")
    body = file.at(chunk.start, min(chunk.size, MAX_CHUNK))
    if name == b"bext":
        _bext(body, gather)
    elif name == b"ixml":
        _ixml(body, gather)
    elif name == b"cue ":
        marks.update(_cue_points(body))
    elif body[:4] == b"INFO":
        for key, value in _sub_chunks(body):
            gather.add(f"INFO:{key}", clean.decode(value.split(b"\x00", 1)[0]))
    elif body[:4] == b"adtl":
        for key, value in _sub_chunks(body):
            if key in ("labl", "note") and len(value) > 4 and len(labels) < MAX_CUES:
                number = int.from_bytes(value[:4], "little")
                text = clean.clean(clean.decode(value[4:].split(b"\x00", 1)[0]), 1_000)
                labels.setdefault(number, text)


def _sub_chunks(body: bytes) -> Iterator[tuple[str, bytes]]:
    position = 4
    while position + 8 <= len(body):
        name, size = struct.unpack_from("<4sI", body, position)
        yield name.decode("latin-1"), body[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


def _cue_points(body: bytes) -> dict[int, int]:
    """Cue points as {identifier: sample}; the last word of each is its sample offset."""
    count = min(int.from_bytes(body[:4], "little"), (len(body) - 4) // 24, MAX_CUES)
    points = (struct.unpack_from("<II4sIII", body, 4 + 24 * n) for n in range(max(count, 0)))
    return {point[0]: point[5] for point in points}


def _bext(body: bytes, gather: Gather) -> None:
    """The Broadcast Audio Extension chunk (EBU Tech 3285 v2)."""
    if len(body) < 348:
        gather.problem("bext chunk is cut short")
        return
    for name, start, size in (
        ("Description", 0, 256),
        ("Originator", 256, 32),
        ("OriginatorReference", 288, 32),
        ("OriginationDate", 320, 10),
        ("OriginationTime", 330, 8),
    ):
        value = body[start : start + size].split(b"\x00", 1)[0]
        gather.add(f"BEXT:{name}", clean.decode(value))
    (since_midnight,) = struct.unpack_from("<Q", body, 338)
    if since_midnight:
        gather.add("BEXT:TimeReference", str(since_midnight))
    version = int.from_bytes(body[346:348], "little")
    if version >= 2 and len(body) >= 422:
        names = (
            "LoudnessValue",
            "LoudnessRange",
            "MaxTruePeakLevel",
            "MaxMomentaryLoudness",
            "MaxShortTermLoudness",
        )
        for name, level in zip(names, struct.unpack_from("<5h", body, 412), strict=True):
            if level != 0x7FFF:
                gather.add(f"BEXT:{name}", f"{level / 100:.2f}")
    gather.add("BEXT:CodingHistory", clean.decode(body[602:].split(b"\x00", 1)[0]))


_IXML = {
    "PROJECT": "IXML:PROJECT",
    "SCENE": "IXML:SCENE",
    "TAKE": "IXML:TAKE",
    "TAPE": "IXML:TAPE",
    "NOTE": "IXML:COMMENT",
    "FILE_UID": "IXML:FILE_UID",
}
_IXML_USER = ("TITLE", "ARTIST", "ALBUM", "COMPOSER", "GENRE", "ISRC", "COPYRIGHT", "LABEL")


def _ixml(body: bytes, gather: Gather) -> None:
    """The iXML chunk: top-level notes, and STEINBERG/USER-style fields by their name.

    Entities are refused, because a page of them expands to gigabytes.
    """
    text = body.strip(b"\x00 \r\n\t")
    if b"<!DOCTYPE" in text[:10_000] or b"<!ENTITY" in text:
        gather.problem("iXML declares entities: left out")
        return
    try:
        # Of text in UTF-16, where those words are not seen, expat bounds what it expands to.
        root = ET.fromstring(text)  # nosec B314
    except (ET.ParseError, ValueError, LookupError):
        gather.problem("iXML is not XML")
        return
    for element in root:
        tag = element.tag.upper()
        if tag in _IXML and element.text:
            gather.add(_IXML[tag], element.text)
        elif tag in ("USER", "ASWG", "BWFXML"):
            for field in element:
                name = field.tag.upper()
                if name in _IXML_USER and field.text:
                    gather.add(f"IXML:{name}", field.text)


def _wave_sound(container: str, form: bytes, data: int, samples: int) -> tuple[Sound, int]:
    if len(form) < 16:
        return Sound(container), 0
    tag, channels, rate, byte_rate, block, _ = struct.unpack_from("<HHIIHH", form)
    if tag == _EXTENSIBLE and len(form) >= 26:
        tag = int.from_bytes(form[24:26], "little")
    lossless = tag in _PCM_TAGS
    if lossless and block and channels:
        samples = data // block
    elif not samples and byte_rate:
        samples = data * rate // byte_rate
    return with_rate(Sound(container, lossless=lossless), samples, rate, data), rate


def read_aiff(file: Bounded, gather: Gather) -> Sound:
    """Tags of an AIFF or AIFF-C file: its ID3 chunk first, then NAME, AUTH, (c) and ANNO."""
    lossless, samples, rate, data = True, 0, 0.0, 0
    plain: list[tuple[str, str]] = []
    for chunk in _chunks(file, 12, file.size, IFF, 0):
        if chunk.name in (b"ID3 ", b"id3 "):
            read_id3_tag(file, chunk.start, chunk.size, gather)
        elif chunk.name in (b"NAME", b"AUTH", b"(c) ", b"ANNO"):
            body = file.at(chunk.start, min(chunk.size, gather.limits.text_bytes))
            plain.append((f"AIFF:{chunk.name.decode('latin-1')}", clean.decode(body)))
        elif chunk.name == b"COMM":
            body = file.at(chunk.start, min(chunk.size, 22))
            if len(body) >= 18:
                samples, rate = int.from_bytes(body[2:6], "big"), _extended(body[8:18])
            lossless = body[18:22] in (b"", b"NONE", b"sowt", b"twos", b"fl32", b"FL32", b"fl64")
        elif chunk.name == b"SSND":
            data = chunk.size
    gather.next_reader()
    for key, value in plain:
        gather.add(key, value)
    return with_rate(Sound("aiff", lossless=lossless), samples, round(rate), data)


def _extended(data: bytes) -> float:
    """An 80-bit IEEE 754 number, as AIFF writes sample rates; 0 for what no rate can be."""
    exponent = int.from_bytes(data[:2], "big") & 0x7FFF
    if not 16383 <= exponent <= 16383 + 31:
        return 0.0
    return float(int.from_bytes(data[2:], "big")) * 2.0 ** (exponent - 16383 - 63)


def read_dsdiff(file: Bounded, gather: Gather) -> Sound:
    """Tags and duration of a DSDIFF file (one bit a sample)."""
    rate = channels = data = 0
    packed = False
    for chunk in _chunks(file, 16, file.size, DSDIFF, 0):
        if chunk.name == b"PROP":
            for part in _chunks(file, chunk.start + 4, chunk.start + chunk.size, DSDIFF, 0):
                if part.name == b"FS  ":
                    rate = int.from_bytes(file.at(part.start, 4), "big")
                elif part.name == b"CHNL":
                    channels = int.from_bytes(file.at(part.start, 2), "big")
        elif chunk.name in (b"DSD ", b"DST "):
            packed, data = chunk.name == b"DST ", chunk.size
        elif chunk.name == b"ID3 ":
            read_id3_tag(file, chunk.start, chunk.size, gather)
    samples = 0 if packed or not channels else data * 8 // channels
    return with_rate(Sound("dsdiff", lossless=True), samples, rate, data)


def read_dsf(file: Bounded, gather: Gather) -> Sound:
    """Tags and duration of a DSF file (Sony, 1.01): a fixed header points at an ID3 tag."""
    head = file.at(0, 80)
    if len(head) < 72:
        gather.problem("DSF header is cut short")
        return Sound("dsf", lossless=True)
    (pointer,) = struct.unpack_from("<Q", head, 20)
    channels, rate, _, samples = struct.unpack_from("<IIIQ", head, 52)
    if 0 < pointer < file.size:
        read_id3_tag(file, pointer, file.size - pointer, gather)
    return with_rate(Sound("dsf", lossless=True), samples, rate, samples * channels // 8)
