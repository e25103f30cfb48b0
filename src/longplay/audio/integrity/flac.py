"""FLAC (RFC 9639): metadata blocks, every frame's header CRC-8 and body CRC-16, frame numbers and
the sample count; the MD5 of the decoded samples is left to whoever decodes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from longplay.audio.integrity.crc import crc8, crc16
from longplay.audio.integrity.structure import WINDOW, Notebook, Structure, Window
from longplay.audio.integrity.tags import pictures

MAX_METADATA_BLOCKS = 10_000
"""Metadata blocks read; real files have a handful."""

MAX_FALSE_HEADERS = 1_000_000
"""Bytes that look like a frame and are none: 32 a MiB by chance, so 30 GB of sound."""

_SYNC = re.compile(rb"\xff[\xf8\xf9]", re.DOTALL)
_HEADER = 16  # bytes: the longest frame header (RFC 9639, section 9.1)
_SHORTEST_BLOCK = 16  # samples; only the last block of a file may have fewer
_RATES = (0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
_DEPTHS = (0, 8, 12, -1, 16, 20, 24, 32)


@dataclass(frozen=True, slots=True)
class _StreamInfo:
    min_block: int
    max_block: int
    min_frame: int
    max_frame: int
    rate: int
    channels: int
    depth: int
    samples: int
    md5: bytes


@dataclass(frozen=True, slots=True)
class _Header:
    """A frame header whose CRC-8 holds. `number` counts frames, or samples if blocks vary."""

    varies: bool
    block: int
    rate_code: int
    rate: int
    channels: int
    depth: int
    number: int


def examine(window: Window, start: int, end: int) -> Structure:
    """Read the metadata and walk all frames between `start` and `end`."""
    book = Notebook("flac")
    offset = start + 4
    if window.read(start, 4) != b"fLaC":
        book.find(f"no fLaC marker at byte {start}")
    offset, info = _metadata(window, book, offset, end)
    if info is None:
        book.find("no STREAMINFO block")
    walk = _Walk(window, book, info)
    walk.run(offset, end)
    if info is not None:
        _against(book, info, walk)
    book.exact = True
    book.expected_samples = (info.samples if info else 0) or walk.samples
    rate = info.rate if info and info.rate else walk.rate
    book.expected_ms = book.expected_samples * 1000 // rate if rate else None
    if walk.frames and not book.damages:
        book.prove(f"CRC-8 and CRC-16 of all {walk.frames} FLAC frames, numbered without a gap")
        book.checksum = "FLAC frame CRC-16"
        if info and info.samples:
            book.prove(f"the frames hold the {info.samples} samples that STREAMINFO declares")
    return book.close()


def _metadata(
    window: Window, book: Notebook, offset: int, end: int
) -> tuple[int, _StreamInfo | None]:
    """Walk the metadata blocks; returns where the frames begin, and STREAMINFO."""
    info: _StreamInfo | None = None
    for index in range(MAX_METADATA_BLOCKS):
        head = window.read(offset, 4)
        if len(head) < 4 or offset + 4 > end:
            book.find(f"the file ends inside its metadata, at byte {end}")
            return end, info
        kind, length = head[0] & 0x7F, int.from_bytes(head[1:4], "big")
        if head[:2] in (b"\xff\xf8", b"\xff\xf9") or kind == 127:
            if index:
                book.find(f"metadata block {index} at byte {offset} does not end where it says")
            return offset, info
        body = offset + 4
        if body + length > end:
            book.find(f"metadata block {index} at byte {offset} runs past the end of the file")
            return body, info
        if kind == 0 and length >= 34:
            info = _stream_info(window.read(body, 34))
            if index:
                book.find("STREAMINFO is not the first metadata block")
        elif kind == 1:
            _padding(window, book, body, length)
        elif kind == 6:
            pictures(window, book, body, body + length)
        elif kind > 6:
            book.find(f"metadata block {index} at byte {offset} is of the unknown kind {kind}")
        offset = body + length
        if head[0] & 0x80:
            return offset, info
    book.find(f"more than {MAX_METADATA_BLOCKS} metadata blocks")
    return offset, info


def _stream_info(data: bytes) -> _StreamInfo:
    packed = int.from_bytes(data[10:18], "big")
    return _StreamInfo(
        int.from_bytes(data[0:2], "big"),
        int.from_bytes(data[2:4], "big"),
        int.from_bytes(data[4:7], "big"),
        int.from_bytes(data[7:10], "big"),
        packed >> 44,
        (packed >> 41 & 7) + 1,
        (packed >> 36 & 31) + 1,
        packed & 0xFFFFFFFFF,
        data[18:34],
    )


def _padding(window: Window, book: Notebook, offset: int, length: int) -> None:
    """Padding must be zeros: one that is not was hit, and tells of damage nearby."""
    while length > 0:
        data = window.read(offset, min(length, WINDOW))
        if not data:
            return
        if data.count(0) != len(data):
            book.find(f"padding near byte {offset} is not zero")
            return
        offset += len(data)
        length -= len(data)


def _header(data: bytes, info: _StreamInfo | None) -> _Header | None:
    """The frame header at the start of `data`; None unless it is legal and its CRC-8 holds."""
    if len(data) < 6 or data[3] & 1:
        return None
    block_code, rate_code = data[2] >> 4, data[2] & 15
    channel_code, depth_code = data[3] >> 4, data[3] >> 1 & 7
    if not block_code or rate_code == 15 or channel_code > 10 or depth_code == 3:
        return None
    first = data[4]
    extra = 0 if first < 0x80 else 7 - (first ^ 0xFF).bit_length()
    if first >= 0x80 and not 1 <= extra <= 6:
        return None
    number = first if first < 0x80 else first & (0x3F >> extra)
    at = 5
    for byte in data[5 : 5 + extra]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    at += extra
    wide = 1 if block_code == 6 else 2 if block_code == 7 else 0
    block_extra = int.from_bytes(data[at : at + wide], "big")
    at += wide
    rate_wide = 1 if rate_code == 12 else 2 if rate_code in (13, 14) else 0
    rate_extra = int.from_bytes(data[at : at + rate_wide], "big")
    at += rate_wide
    if len(data) <= at or crc8(data[:at]) != data[at]:
        return None
    return _Header(
        bool(data[1] & 1),
        _block_size(block_code, block_extra),
        rate_code,
        _rate(rate_code, rate_extra, info),
        channel_code + 1 if channel_code < 8 else 2,
        _DEPTHS[depth_code] or (info.depth if info else 0),
        number,
    )


def _block_size(code: int, extra: int) -> int:
    if code == 1:
        return 192
    if code < 6:
        return 144 << code
    if code < 8:
        return extra + 1
    return 1 << code


def _rate(code: int, extra: int, info: _StreamInfo | None) -> int:
    if code == 0:
        return info.rate if info else 0
    if code < 12:
        return _RATES[code]
    return extra * {12: 1000, 13: 1, 14: 10}[code]


class _Walk:
    """One pass over the frames, a window at a time.

    A frame's CRC-16 stands at its end, so the remainder over a whole frame is zero, and so is that
    over a run of whole frames: a window costs one CRC unless something in it is wrong.
    """

    def __init__(self, window: Window, book: Notebook, info: _StreamInfo | None) -> None:
        self.window, self.book, self.info = window, book, info
        self.frames = self.samples = self.rate = self.depth = self.channels = 0
        self.last_block = self.short_blocks = self.largest_block = 0
        self.largest_frame = 0
        self.smallest_frame = 0
        self.false_headers = 0
        self._like: tuple[bool, int, int, int] | None = None
        self._next = 0
        self._frame_start = 0
        self._carry = 0

    def run(self, start: int, end: int) -> None:
        """Walk from `start`, where the first frame must stand, to `end`."""
        offset = self._frame_start = start
        while offset < end and self.false_headers <= MAX_FALSE_HEADERS:
            ahead = self.window.read(offset, min(WINDOW, end - offset))
            last = offset + len(ahead) >= end
            if len(ahead) <= _HEADER and not last:
                break  # the file is shorter than it was
            chunk = ahead if last else ahead[: len(ahead) - _HEADER]
            starts = self._starts(ahead, len(chunk), offset)
            self._check(chunk, starts, offset)
            offset += len(chunk)
        self._measure(end)
        if offset < end:
            self.book.find(f"from byte {offset} on the file cannot be read as FLAC")
        if self.frames == 0:
            self.book.find(f"no FLAC frame after byte {start}")
        elif self._carry:
            self.book.find(f"the last frame, at byte {self._frame_start}, is damaged or cut off")

    def _starts(self, data: bytes, limit: int, base: int) -> list[int]:
        """Where frames begin in the first `limit` bytes of `data`."""
        starts = []
        for match in _SYNC.finditer(data, 0, min(len(data), limit + 1)):
            at = match.start()
            header = _header(data[at : at + _HEADER], self.info)
            if header is not None and self._accept(header, base + at):
                starts.append(at)
            else:
                self.false_headers += 1
                if self.false_headers > MAX_FALSE_HEADERS:
                    break
        return starts

    def _accept(self, header: _Header, offset: int) -> bool:
        like = (header.varies, header.rate_code, header.depth, header.rate)
        if self._like is None:
            self._like, self.rate = like, header.rate
            self.depth, self.channels = header.depth, header.channels
            if header.number:
                self.book.find(f"the first frame found, at byte {offset}, is not the first")
        elif like != self._like or header.number < self._next:
            return False
        if header.number > self._next and self.frames:
            self.book.find(f"frames are missing or unreadable before byte {offset}")
        self.frames += 1
        self.samples += header.block
        self.short_blocks += 0 < self.last_block < _SHORTEST_BLOCK
        self.last_block = header.block
        self.largest_block = max(self.largest_block, header.block)
        self._next = header.number + (header.block if header.varies else 1)
        return True

    def _check(self, chunk: bytes, starts: list[int], base: int) -> None:
        """Hold the CRC-16 of every frame that ends in `chunk`."""
        if not starts:
            self._carry = crc16(chunk, self._carry)
            return
        view = memoryview(chunk)
        self._measure(*(base + at for at in starts))
        if crc16(view[: starts[-1]], self._carry):
            self._locate(view, starts, base)
        elif self.frames == len(starts) and starts[0]:
            self.book.find(f"bytes {base} to {base + starts[0]} are no FLAC frame")
        self._carry = crc16(view[starts[-1] :])
        self._frame_start = base + starts[-1]

    def _measure(self, *ends: int) -> None:
        """Note the lengths of the frames that end at `ends`."""
        before = self._frame_start
        for at in ends:
            if at > before:
                self.largest_frame = max(self.largest_frame, at - before)
                self.smallest_frame = min(self.smallest_frame or at - before, at - before)
            before = at

    def _locate(self, view: memoryview, starts: list[int], base: int) -> None:
        """Name the frames that do not hold. A remainder that the next segment brings back to zero
        was no damage but a frame's own bytes looking like a header."""
        carry, before, frame = self._carry, 0, self._frame_start
        bad: int | None = None
        for at in starts:
            segment = view[before:at]
            carry = crc16(segment, carry)
            if carry and bad is not None:
                self.book.find(f"the frame at byte {bad} is damaged")
                carry = crc16(segment)
            bad = frame if carry else None
            before, frame = at, base + at
        if bad is not None:
            self.book.find(f"the frame at byte {bad} is damaged")


def _against(book: Notebook, info: _StreamInfo, walk: _Walk) -> None:
    """STREAMINFO against the frames."""
    if any(info.md5):
        book.expected_pcm_md5 = info.md5
    else:
        book.note("STREAMINFO carries no MD5 of the samples")
    if not walk.frames:
        return
    if info.samples and info.samples != walk.samples:
        book.find(f"STREAMINFO declares {info.samples} samples, the frames hold {walk.samples}")
    if not info.samples:
        book.note("STREAMINFO does not say how many samples there are")
    for what, declared, found in (
        ("a sample rate of", info.rate, walk.rate),
        ("a bit depth of", info.depth, walk.depth),
        ("a channel count of", info.channels, walk.channels),
    ):
        if declared != found:
            book.find(f"STREAMINFO declares {what} {declared}, the frames say {found}")
    if walk.largest_block > info.max_block:
        book.find(f"a block of {walk.largest_block} samples is above the declared {info.max_block}")
    if info.max_frame and walk.largest_frame > info.max_frame:
        book.find(f"a frame of {walk.largest_frame} bytes is above the declared {info.max_frame}")
    if walk.smallest_frame < info.min_frame:
        book.find(f"a frame of {walk.smallest_frame} bytes is below the declared {info.min_frame}")
    if walk.short_blocks:
        book.find(f"{walk.short_blocks} blocks are shorter than {_SHORTEST_BLOCK} samples")
