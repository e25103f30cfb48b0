"""Tags around the sound: how many bytes ID3, APE and Lyrics3 tags take at the ends of a file,
and the pictures in them that carry checksums."""

from __future__ import annotations

import zlib

from longplay.audio.integrity.structure import WINDOW, Notebook, Window

MAX_TAGS = 16
"""Tags skipped at each end; real files carry up to four."""

MAX_PNG_CHUNKS = 10_000
"""Chunks of one picture: writers cut its data into 8 KiB at the smallest."""

_PNG = b"\x89PNG\r\n\x1a\n"
_UNSYNCHRONISED = 0x80  # ID3v2 header flag: zero bytes were put into the tag


def before(window: Window) -> int:
    """Bytes of ID3v2 and APEv2 tags at the start (id3.org, ID3v2.4 section 3.1; APEv2 header)."""
    offset = 0
    for _ in range(MAX_TAGS):
        head = window.read(offset, 32)
        if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            offset += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            offset += 32 + int.from_bytes(head[12:16], "little")
        else:
            break
    return min(offset, window.size)


def behind(window: Window, start: int) -> int:
    """Where the tags at the end begin, from `start` on: ID3v1, ID3v2 footers, APE, Lyrics3."""
    end = window.size
    for _ in range(MAX_TAGS):
        size = _tag_size(window, end)
        if not size or end - size < start:
            break
        end -= size
    return end


def _tag_size(window: Window, end: int) -> int:
    """Bytes of the tag that ends at `end`, 0 where none does."""
    if end >= 128 and window.read(end - 128, 3) == b"TAG":
        extended = end >= 355 and window.read(end - 355, 4) == b"TAG+"
        return 355 if extended else 128
    tail = window.read(max(0, end - 32), min(32, end))
    if tail[:8] == b"APETAGEX":
        flags = int.from_bytes(tail[20:24], "little")
        return int.from_bytes(tail[12:16], "little") + (32 if flags & 0x80000000 else 0)
    if tail[-10:-7] == b"3DI" and max(tail[-4:]) < 0x80:
        return (tail[-4] << 21 | tail[-3] << 14 | tail[-2] << 7 | tail[-1]) + 20
    if tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
        return int(tail[-15:-9]) + 15
    return 0


def padding(window: Window, book: Notebook, start: int, end: int) -> bool:
    """Whether `start` to `end` is nothing but zeros; noted if so."""
    if start >= end:
        return True
    data = window.read(start, end - start)
    if len(data) == end - start and not any(data):
        book.note(f"{end - start} zero bytes after the last frame")
        return True
    return False


def pictures(window: Window, book: Notebook, start: int, end: int) -> None:
    """Hold the chunk CRC-32s (W3C PNG, section 5.3) of PNG pictures between `start` and `end`: the
    only picture format in tags that has any."""
    if window.read(start, 3) == b"ID3" and window.number(start + 5, 1) & _UNSYNCHRONISED:
        return
    at = window.search(_PNG, start, end)
    while at >= 0:
        offset = at + len(_PNG)
        for _ in range(MAX_PNG_CHUNKS):
            head = window.read(offset, 8)
            length = int.from_bytes(head[:4], "big")
            if len(head) < 8 or offset + 12 + length > end:
                book.find(f"the picture at byte {at} is cut off or damaged at byte {offset}")
                break
            if not _chunk_holds(window, offset + 4, length + 4):
                book.find(f"the picture at byte {at}: a CRC-32 does not hold")
                break
            offset += 12 + length
            if head[4:] == b"IEND":
                break
        at = window.search(_PNG, max(offset, at + 1), end)


def _chunk_holds(window: Window, offset: int, length: int) -> bool:
    stop, crc = offset + length, 0
    while offset < stop:
        data = window.read(offset, min(WINDOW, stop - offset))
        if not data:
            return False
        crc = zlib.crc32(data, crc)
        offset += len(data)
    return crc == window.number(stop, 4)
