"""Containers whose only proof is the length that they declare: ASF (WMA), DSF, DSDIFF, CAF, AU, and
Musepack's packets.
"""

from __future__ import annotations

from longplay.audio.integrity.structure import Notebook, Structure, Window

MAX_PARTS = 5_000_000
"""Chunks or packets walked; Musepack has 20 packets a second at most."""

_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")


def examine_asf(window: Window, start: int, end: int) -> Structure:
    """ASF (Microsoft's "Advanced Systems Format", section 3): file size and object lengths."""
    book = Notebook("asf")
    header = window.number(start + 16, 8, little=True)
    if start + header > end:
        book.find(f"the header is cut off: {start + header - end} bytes are missing")
        return book.close()
    offset = start + 30
    for _ in range(min(MAX_PARTS, max(0, window.number(start + 24, 4, little=True)))):
        size = window.number(offset + 16, 8, little=True)
        if size < 24 or offset + size > start + header:
            book.find(f"the header object at byte {offset} is broken")
            break
        if window.read(offset, 16) == _ASF_PROPERTIES:
            _asf_properties(window, book, offset, start, end)
        offset += size
    data = start + header
    if window.read(data, 16) != _ASF_DATA:
        book.find("no data object behind the header")
    else:
        length = window.number(data + 16, 8, little=True)
        if data + length > end:
            book.find(f"{data + length - end} bytes of the data object are missing")
    return _lengths_agree(book)


def _asf_properties(window: Window, book: Notebook, offset: int, start: int, end: int) -> None:
    live = window.number(offset + 88, 4, little=True) & 1
    size = window.number(offset + 40, 8, little=True)
    if live or not size:
        book.note("the length is not declared (a live recording)")
        return
    if start + size > end:
        book.find(f"{start + size - end} of {size} declared bytes are missing")
    elif start + size < end:
        book.note(f"{end - start - size} bytes after the declared end")
    played = window.number(offset + 64, 8, little=True) // 10_000
    preroll = window.number(offset + 80, 8, little=True)
    if played > preroll:
        book.expected_ms = played - preroll


def examine_dsf(window: Window, start: int, end: int) -> Structure:
    """DSF (Sony): the file's length, the samples, the length of the data chunk."""
    book = Notebook("dsf")
    declared = window.number(start + 12, 8, little=True)
    if start + declared > end:
        book.find(f"{start + declared - end} of {declared} declared bytes are missing")
    fmt = start + window.number(start + 4, 8, little=True)
    data = fmt + window.number(fmt + 4, 8, little=True)
    if window.read(fmt, 4) != b"fmt " or window.read(data, 4) != b"data":
        book.find("the chunks do not follow one another")
        return book.close()
    rate = window.number(fmt + 28, 4, little=True)
    samples = window.number(fmt + 36, 8, little=True)
    if data + window.number(data + 4, 8, little=True) > end:
        book.find("the data chunk is cut off")
    if rate > 0:
        book.expected_ms = samples * 1000 // rate
    return _lengths_agree(book)


def examine_dsdiff(window: Window, start: int, end: int) -> Structure:
    """DSDIFF (Philips, version 1.5): 64-bit big-endian chunks in one FRM8 chunk."""
    book = Notebook("dsdiff")
    declared = window.number(start + 4, 8)
    if start + 12 + declared > end + 1:
        book.find(f"{start + 12 + declared - end} of {declared} declared bytes are missing")
    offset, stop = start + 16, min(end, start + 12 + declared)
    for _ in range(MAX_PARTS):
        if offset + 12 > stop:
            break
        name, size = window.read(offset, 4), window.number(offset + 4, 8)
        if not name.decode("latin-1").isprintable() or offset + 12 + size > stop + 1:
            book.find(f"the chunk at byte {offset} is broken or cut off")
            break
        offset += 12 + size + size % 2
    return _lengths_agree(book)


def examine_caf(window: Window, start: int, end: int) -> Structure:
    """Core Audio Format (Apple): 64-bit chunks; the data chunk may run to the end."""
    book = Notebook("caf")
    offset, sound = start + 8, False
    for _ in range(MAX_PARTS):
        if offset + 12 > end:
            if offset != end:
                book.find(f"{end - offset} bytes at byte {offset} are too few for a chunk")
            break
        name, size = window.read(offset, 4), window.number(offset + 4, 8)
        sound = sound or name == b"data"
        if name == b"data" and size == (1 << 64) - 1:
            book.note("the length of the samples is not declared")
            break
        if not name.decode("latin-1").isprintable() or offset + 12 + size > end:
            book.find(f"the chunk at byte {offset} is broken or cut off")
            break
        offset += 12 + size
    if not sound:
        book.find("there is no chunk of samples")
    return _lengths_agree(book)


def examine_au(window: Window, start: int, end: int) -> Structure:
    """Sun and NeXT audio: one header with the length of the samples."""
    book = Notebook("au")
    lead, size = window.number(start + 4, 4), window.number(start + 8, 4)
    if size == 0xFFFFFFFF:
        book.note("the length of the samples is not declared")
    elif start + lead + size > end:
        book.find(f"{start + lead + size - end} of {size} bytes of samples are missing")
    return _lengths_agree(book)


def examine_musepack(window: Window, start: int, end: int) -> Structure:
    """Musepack SV8: packets with lengths, from the stream header to the end packet."""
    book = Notebook("musepack")
    offset, closed = start + 4, False
    for _ in range(MAX_PARTS):
        if offset >= end or closed:
            break
        head = window.read(offset, 12)
        size = 0
        for byte in head[2:]:
            size = size << 7 | byte & 0x7F
            if byte < 0x80:
                break
        if not head[:2].isalpha() or not head[:2].isupper() or size < 3:
            book.find(f"no packet at byte {offset}, where one must begin")
            break
        if offset + size > end:
            book.find(f"the packet at byte {offset} is cut off")
            break
        closed = head[:2] == b"SE"
        offset += size
    if not closed:
        book.find("the end packet is missing")
    return _lengths_agree(book)


def _lengths_agree(book: Notebook) -> Structure:
    if not book.damages:
        book.prove("all declared lengths agree with the file")
    return book.close()
