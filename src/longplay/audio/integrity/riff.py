"""WAV, RF64/BW64, Wave64 and AIFF/AIFC: the lengths that chunks declare against what is there.

Sources: Microsoft's RIFF and multichannel WAVE, EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64), Sony's
Wave64, Apple's AIFF 1.3 and AIFF-C. None of them carries a checksum.
"""

from __future__ import annotations

from dataclasses import dataclass

from longplay.audio.integrity.structure import Notebook, Structure, Window

MAX_CHUNKS = 100_000
"""Chunks walked; real files have tens."""

_UNKNOWN = (0, 0xFFFFFFFF)  # what a writer that could not seek back leaves as a length
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_W64 = 16  # bytes of a Wave64 chunk's GUID; its lengths count the 24-byte header too
_AIFC_PCM = {
    b"NONE",
    b"sowt",
    b"twos",
    b"fl32",
    b"FL32",
    b"fl64",
    b"FL64",
    b"in24",
    b"in32",
    b"raw ",
}


@dataclass(slots=True)
class _Sound:
    """What the format chunk says and where the samples lie."""

    rate: int = 0
    align: int = 0
    pcm: bool = False
    frames: int | None = None
    data_offset: int = -1
    declared: int = 0
    present: int = 0


def examine_wav(window: Window, start: int, end: int) -> Structure:
    """WAV, RF64 and BW64."""
    head = window.read(start, 12)
    wide = head[:4] in (b"RF64", b"BW64")
    book = Notebook("rf64" if wide else "wav")
    sound = _Sound()
    declared = int.from_bytes(head[4:8], "little")
    data64 = -1
    offset, stop = start + 12, end
    if wide:
        block = window.read(offset, 36)
        if block[:4] == b"ds64" and len(block) == 36:
            declared = int.from_bytes(block[8:16], "little")
            data64 = int.from_bytes(block[16:24], "little")
        else:
            book.find("the ds64 chunk with the real lengths is missing")
    if declared in _UNKNOWN:
        book.note("the length of the whole is not declared (a recording that was not closed)")
    elif start + 8 + declared > end:
        # A last odd chunk's padding byte is often counted and not written.
        missing = start + 8 + declared - end
        (book.note if missing == 1 else book.find)(f"{missing} bytes of the declared are missing")
    else:
        stop = start + 8 + declared
        if end - stop > 1:
            book.note(f"{end - stop} bytes after the declared end")
    _chunks(window, book, sound, offset, stop, data64=data64)
    return _close(book, sound)


def _chunks(
    window: Window, book: Notebook, sound: _Sound, offset: int, stop: int, *, data64: int
) -> None:
    for _ in range(MAX_CHUNKS):
        head = window.read(offset, min(8, stop - offset))
        if len(head) < 8:
            if any(head):
                book.find(f"{len(head)} bytes at byte {offset} are too few for a chunk")
            return
        name, size = head[:4], int.from_bytes(head[4:], "little")
        body = offset + 8
        if not _named(name):
            # Behind the samples nothing can be lost but remarks; before them the samples are.
            tell = book.find if sound.data_offset < 0 else book.note
            tell(f"no chunk at byte {offset}, where one must begin")
            return
        if name == b"data":
            if data64 >= 0 and size == 0xFFFFFFFF:
                size = data64
            elif size in _UNKNOWN:
                size = stop - body
                book.note("the length of the samples is not declared")
            _data(book, sound, body, size, stop)
        elif body + size > stop + 1:
            missing = body + size - stop
            book.find(f"chunk {name.decode()} at byte {offset}: {missing} bytes are missing")
        elif name == b"fmt ":
            _format(window.read(body, min(size, 40)), sound)
        elif name == b"fact" and size >= 4:
            sound.frames = window.number(body, 4, little=True)
        offset = body + size
        # Odd chunks are padded; some writers forget to.
        offset += size % 2 and not _named(window.read(offset, 4))


def _named(name: bytes) -> bool:
    return len(name) == 4 and name.isascii() and name.decode().isprintable()


def _format(data: bytes, sound: _Sound) -> None:
    if len(data) < 16:
        return
    tag = int.from_bytes(data[0:2], "little")
    if tag == _EXTENSIBLE and len(data) >= 26:
        tag = int.from_bytes(data[24:26], "little")
    sound.pcm = tag in (_PCM, _FLOAT)
    sound.rate = int.from_bytes(data[4:8], "little")
    sound.align = int.from_bytes(data[12:14], "little")


def _data(book: Notebook, sound: _Sound, body: int, size: int, stop: int) -> None:
    if sound.data_offset >= 0:
        book.note(f"a second chunk of samples at byte {body}")
        return
    sound.data_offset, sound.declared = body, size
    sound.present = max(0, min(size, stop - body))
    if size > sound.present:
        book.find(f"{size - sound.present} of {size} bytes of samples are missing")


def _close(book: Notebook, sound: _Sound) -> Structure:
    """Lengths in samples, once every chunk was seen."""
    if sound.data_offset < 0:
        book.find("there is no chunk of samples")
    elif sound.pcm and sound.align:
        counted = sound.declared // sound.align
        if sound.frames and book.container in ("aiff", "aifc") and sound.frames != counted:
            book.find(f"{sound.frames} samples are declared, the chunk holds {counted}")
        book.expected_samples, book.exact = counted, True
        if sound.declared % sound.align:
            book.find(f"{sound.declared % sound.align} bytes of a sample at the end")
    elif sound.frames:
        book.expected_samples = sound.frames
    if book.expected_samples is not None and sound.rate:
        book.expected_ms = book.expected_samples * 1000 // sound.rate
    if not book.damages:
        book.prove(f"all chunk lengths agree with the file, {sound.declared} bytes of samples")
    return book.close()


def examine_w64(window: Window, start: int, end: int) -> Structure:
    """Sony Wave64: 16-byte names, 64-bit lengths that count their own header, 8-byte alignment."""
    book = Notebook("w64")
    sound = _Sound()
    declared = window.number(start + _W64, 8, little=True)
    if start + declared > end:
        book.find(f"{start + declared - end} bytes of the declared are missing")
    offset = start + 40
    for _ in range(MAX_CHUNKS):
        head = window.read(offset, min(24, end - offset))
        if len(head) < 24:
            break
        name, size = head[:4], int.from_bytes(head[16:], "little")
        if size < 24 or not name.isascii():
            book.find(f"no chunk at byte {offset}, where one must begin")
            break
        body = offset + 24
        if name == b"fmt ":
            _format(window.read(body, min(size - 24, 40)), sound)
        elif name == b"data":
            _data(book, sound, body, size - 24, end)
        elif body + size - 24 > end:
            book.find(f"chunk at byte {offset}: {body + size - 24 - end} bytes are missing")
        offset += size + -size % 8
    return _close(book, sound)


def examine_aiff(window: Window, start: int, end: int) -> Structure:
    """AIFF and AIFC: big-endian chunks, the number of samples in COMM."""
    compressed = window.read(start + 8, 4) == b"AIFC"
    book = Notebook("aifc" if compressed else "aiff")
    sound = _Sound()
    declared = window.number(start + 4, 4)
    missing = start + 8 + declared - end
    if missing > 0:
        (book.note if missing == 1 else book.find)(f"{missing} bytes of the declared are missing")
    elif missing < -1:
        book.note(f"{-missing} bytes after the declared end")
    offset, stop = start + 12, min(end, start + 8 + declared)
    for _ in range(MAX_CHUNKS):
        head = window.read(offset, min(8, stop - offset))
        if len(head) < 8:
            break
        name, size = head[:4], int.from_bytes(head[4:], "big")
        body = offset + 8
        if name == b"COMM" and size >= 18:
            _common(window.read(body, min(size, 22)), sound, compressed)
        elif name == b"SSND":
            # Offset and block size come first; the samples behind them are what counts.
            lead = 8 + max(0, window.number(body, 4))
            _data(book, sound, body + lead, max(0, size - lead), stop)
        elif not name.decode("latin-1").isprintable():
            book.find(f"no chunk at byte {offset}, where one must begin")
            break
        elif body + size > stop + 1:
            book.find(f"chunk at byte {offset}: {body + size - stop} bytes are missing")
        offset = body + size + size % 2
    if sound.data_offset < 0 and sound.frames == 0:
        book.note("there are no samples, and none are declared")
    return _close(book, sound)


def _common(data: bytes, sound: _Sound, compressed: bool) -> None:
    if len(data) < 18:
        return
    channels, bits = int.from_bytes(data[0:2], "big"), int.from_bytes(data[6:8], "big")
    sound.frames = int.from_bytes(data[2:6], "big")
    exponent = int.from_bytes(data[8:10], "big") & 0x7FFF
    mantissa = int.from_bytes(data[10:18], "big")
    # An 80-bit float; rates outside 1 Hz to 16 MHz are nonsense and stay 0.
    shift = 16383 + 63 - exponent
    sound.rate = mantissa >> shift if 40 <= shift <= 63 else 0
    sound.pcm = not compressed or data[18:22] in _AIFC_PCM
    sound.align = channels * ((bits + 7) // 8)
