"""Streams of frames with no header over the whole: ADTS AAC and AMR. Every frame names its length,
so a chain that reaches the end proves that nothing was lost inside; none tells a shorter stream.
"""

from __future__ import annotations

from collections.abc import Callable

from longplay.audio.integrity.structure import WINDOW, Notebook, Structure, Window
from longplay.audio.integrity.tags import padding

MAX_RESYNCS = 16
"""Places at which the next frame is looked for, byte by byte, before the rest is left unread."""

MAX_SEARCH = 8 << 10
"""Bytes searched for the next frame after lost synchronisation."""

Length = Callable[[bytes, int], int]
"""The length of the frame at an offset of a buffer, 0 where none stands there."""

_ADTS_RATES = (
    96000,
    88200,
    64000,
    48000,
    44100,
    32000,
    24000,
    22050,
    16000,
    12000,
    11025,
    8000,
    7350,
)
_AMR_NB = (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1)  # RFC 4867, section 5.3
_AMR_WB = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1)
_LEAD = 9  # bytes that `Length` may look at


def examine_adts(window: Window, start: int, end: int) -> Structure:
    """ADTS (ISO/IEC 13818-7, section 6.2): a chain of headers of one profile, rate and layout."""
    book = Notebook("adts")
    head = window.read(start, 4)

    def length(data: bytes, at: int) -> int:
        # Sync, version and layer; profile, rate and channels are those of the first frame.
        if data[at : at + 2] != head[:2] or data[at + 2] & 0xFD != head[2] & 0xFD:
            return 0
        if data[at + 3] & 0xC0 != head[3] & 0xC0:
            return 0
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        return size if size >= 7 else 0

    blocks = _chain(
        window,
        book,
        start,
        end,
        length=length,
        blocks=lambda data, at: (data[at + 6] & 3) + 1,
    )
    rate_index = head[2] >> 2 & 15
    if rate_index < len(_ADTS_RATES):
        # 1024 samples a block at the rate of the core; with SBR twice as many at twice the rate.
        book.expected_ms = blocks * 1024 * 1000 // _ADTS_RATES[rate_index]
    return book.close()


def examine_amr(window: Window, start: int, end: int) -> Structure:
    """AMR and AMR-WB files (RFC 4867, section 5): frames of 20 ms."""
    book = Notebook("amr")
    wide = window.read(start, 9) == b"#!AMR-WB\n"
    sizes = _AMR_WB if wide else _AMR_NB

    def length(data: bytes, at: int) -> int:
        return 0 if data[at] & 0x83 else sizes[data[at] >> 3 & 15]

    offset = start + (9 if wide else 6)
    frames = _chain(window, book, offset, end, length=length, blocks=lambda _data, _at: 1)
    book.expected_ms = frames * 20
    return book.close()


def _chain(
    window: Window,
    book: Notebook,
    offset: int,
    end: int,
    *,
    length: Length,
    blocks: Callable[[bytes, int], int],
) -> int:
    """Follow frames to `end`; returns the sum of their `blocks`."""
    total = frames = lost = 0
    while offset < end:
        data = window.read(offset, min(WINDOW, end - offset))
        last = offset + len(data) >= end
        limit = len(data) if last else len(data) - _LEAD
        padded = data + bytes(_LEAD)
        at, size = 0, 0
        while at < limit and (size := length(padded, at)):
            total += blocks(padded, at)
            frames += 1
            at += size
        offset += at
        if offset > end:
            book.find(f"the last frame is cut off: {offset - end} bytes of it are missing")
        if size:
            continue
        if padding(window, book, offset, end):
            break
        lost += 1
        if lost > MAX_RESYNCS:
            book.find(f"from byte {offset} on the file was not read")
            break
        again = _again(window, offset, end, length)
        book.find(f"bytes {offset} to {again} are no frame")
        offset = again
    if frames and not book.damages:
        book.prove(f"{frames} frames chained to the end")
    elif not frames:
        book.find("no frame was found")
    return total


def _again(window: Window, offset: int, end: int, length: Length) -> int:
    """Where three frames follow one another again; `end` where they do not nearby."""
    data = window.read(offset, min(MAX_SEARCH, end - offset))
    padded = data + bytes(_LEAD)
    for first in range(1, len(data)):
        at = first
        for _ in range(3):
            size = length(padded, at)
            at += size
            if not size or at >= len(data):
                break
        if size and at <= len(data):
            return offset + first
    return end
