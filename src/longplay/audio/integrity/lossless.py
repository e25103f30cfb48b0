"""Monkey's Audio, WavPack and True Audio: lossless formats with proofs of their own.

Sources: the published format descriptions of WavPack 4 and 5, of TTA1 and of Monkey's Audio.
"""

from __future__ import annotations

import hashlib
import zlib

from longplay.audio.integrity.structure import MAX_RESYNCS, WINDOW, Notebook, Structure, Window

MAX_TTA_FRAMES = 16 << 20
"""Frames in a TTA file: each holds a second, and files end at 2**32 samples."""


def examine_ape(window: Window, start: int, end: int) -> Structure:
    """Monkey's Audio: from version 3.98 a descriptor with all lengths and an MD5 of the file."""
    book = Notebook("ape")
    head = window.read(start, 52)
    version = int.from_bytes(head[4:6], "little")
    if len(head) < 52:
        book.find("the file ends inside its header")
        return book.close()
    if version < 3980:
        book.note("Monkey's Audio before 3.98 declares no lengths")
        return book.close()
    fields = [int.from_bytes(head[at : at + 4], "little") for at in range(8, 36, 4)]
    descriptor, header, seek, wave, frames, frames_high, tail = fields
    data = frames | frames_high << 32
    total = descriptor + header + seek + wave + data + tail
    if start + total > end:
        book.find(f"{start + total - end} of {total} declared bytes are missing")
        return book.close()
    if start + total < end:
        book.note(f"{end - start - total} bytes after the declared end")
    _ape_samples(window, book, start + descriptor, header)
    book.prove("all declared lengths agree with the file")
    if any(head[36:52]):
        # The MD5 runs over what follows the seek table, then over the header and the seek table.
        first = start + descriptor
        digest = hashlib.md5(usedforsecurity=False)
        middle = first + header + seek
        for begin, stop in ((middle, start + total), (first, middle)):
            for at in range(begin, stop, WINDOW):
                digest.update(window.read(at, min(WINDOW, stop - at)))
        if digest.digest() == head[36:52]:
            book.prove("MD5 of the whole file")
            book.checksum = "Monkey's Audio MD5"
        else:
            book.find("the MD5 in the header does not hold")
    return book.close()


def _ape_samples(window: Window, book: Notebook, offset: int, length: int) -> None:
    head = window.read(offset, 24)
    if length < 24 or len(head) < 24:
        return
    blocks, last, count = (int.from_bytes(head[at : at + 4], "little") for at in (4, 8, 12))
    rate = int.from_bytes(head[20:24], "little")
    if count and rate:
        book.expected_samples, book.exact = (count - 1) * blocks + last, True
        book.expected_ms = book.expected_samples * 1000 // rate


def examine_wavpack(window: Window, start: int, end: int) -> Structure:
    """WavPack: blocks chained to the end, their samples numbered without a gap up to the total."""
    book = Notebook("wavpack")
    offset, blocks, reached, lost = start, 0, 0, 0
    total: int | None = None
    dsd = False
    while offset < end and lost < MAX_RESYNCS:
        head = window.read(offset, 32)
        size = 8 + int.from_bytes(head[4:8], "little")
        if len(head) < 32 or head[:4] != b"wvpk" or size < 32:
            lost += 1
            again = window.search(b"wvpk", offset + 1, end)
            stop = end if again < 0 else again
            book.find(f"bytes {offset} to {stop} are no WavPack block")
            offset = stop
            continue
        if offset + size > end:
            book.find(f"the block at byte {offset} is cut off: {offset + size - end} bytes missing")
            break
        count = int.from_bytes(head[20:24], "little")
        index = int.from_bytes(head[16:20], "little") | head[10] << 32
        if count:
            dsd = dsd or bool(head[27] & 0x80)
            if total is None and head[12:16] != b"\xff\xff\xff\xff":
                total = int.from_bytes(head[12:16], "little") | head[11] << 32
            if index != reached and head[25] & 8:  # the first block of a multichannel set
                book.find(f"the block at byte {offset} starts at sample {index}, not {reached}")
            reached = index + count
        blocks += 1
        offset += size
    if total is not None and reached != total:
        book.find(f"{total} samples are declared, the blocks hold {reached}")
    if total is not None and not dsd:
        book.expected_samples, book.exact = total, True
    if not book.damages and blocks:
        book.prove(f"{blocks} WavPack blocks chained to the end")
    return book.close()


def examine_tta(window: Window, start: int, end: int) -> Structure:
    """True Audio: CRC-32 of the header, of the seek table and of every frame."""
    book = Notebook("tta")
    head = window.read(start, 22)
    if len(head) < 22 or zlib.crc32(head[:18]) != int.from_bytes(head[18:22], "little"):
        book.find("the header's CRC-32 does not hold")
        return book.close()
    rate, samples = (int.from_bytes(head[at : at + 4], "little") for at in (10, 14))
    each = 256 * rate // 245
    count = -(-samples // each) if each else 0
    table = start + 22
    frames = table + 4 * count + 4
    if not count or count > MAX_TTA_FRAMES or frames > end:
        book.find("the seek table is missing or cut off")
        return book.close()
    offset, crc = frames, 0
    for index in range(count):
        entry = window.read(table + 4 * index, 4)
        crc = zlib.crc32(entry, crc)
        size = int.from_bytes(entry, "little")
        if offset + size > end:
            book.find(f"{count - index} of {count} frames are missing or cut off")
            break
        if not _tta_frame(window, offset, size):
            book.find(f"the frame at byte {offset}: its CRC-32 does not hold")
        offset += size
    else:
        if crc != window.number(table + 4 * count, 4, little=True):
            book.find("the seek table's CRC-32 does not hold")
    book.expected_samples, book.exact = samples, True
    book.expected_ms = samples * 1000 // rate
    if not book.damages:
        book.prove(f"CRC-32 of all {count} TTA frames")
        book.checksum = "TTA CRC-32"
    return book.close()


def _tta_frame(window: Window, offset: int, size: int) -> bool:
    if not 4 < size <= WINDOW:
        return False
    data = window.read(offset, size)
    return zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
