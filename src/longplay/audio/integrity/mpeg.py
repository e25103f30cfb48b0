"""MPEG audio layers I to III: headers chained to the end of the file, the frame count of a Xing,
Info or VBRI header, and the CRC-16 over all music that LAME and FFmpeg write into the Info frame.

Sources: ISO/IEC 11172-3 and 13818-3 (frame headers); the LAME project's "Mp3 Info Tag revision 1";
Fraunhofer's VBRI header.
"""

from __future__ import annotations

from dataclasses import dataclass

from longplay.audio.integrity.crc import crc16_mirrored
from longplay.audio.integrity.structure import (
    MAX_RESYNCS,
    WINDOW,
    Notebook,
    Structure,
    Window,
)
from longplay.audio.integrity.tags import padding

CHAIN = 3
"""Frames that must follow one another before bytes count as MPEG audio."""

MAX_LEAD = 64 << 10
"""Bytes searched for the first frame, and for the next one after lost synchronisation."""

_BITRATES = {  # kbit/s by (MPEG-1?, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
_SAME = 0xFE0C  # header bits that every frame of a stream shares: version, layer, sample rate


def _frame_length(second: int, third: int) -> int:
    """Bytes of the frame whose header has these two middle bytes; 0 where none may have them."""
    version, layer_bits = second >> 3 & 3, second >> 1 & 3
    index, rate_index = third >> 4, third >> 2 & 3
    if second < 0xE0 or version == 1 or not layer_bits or index in (0, 15) or rate_index == 3:
        return 0
    layer = 4 - layer_bits
    bitrate = _BITRATES[version == 3, layer][index - 1] * 1000
    rate = _RATES[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    padded = third >> 1 & 1
    if layer == 1:
        return (12 * bitrate // rate + padded) * 4
    return (72 if layer == 3 and version != 3 else 144) * bitrate // rate + padded


_LENGTHS = tuple(_frame_length(key >> 8, key & 0xFF) for key in range(1 << 16))


@dataclass(frozen=True, slots=True)
class _Info:
    """What a Xing, Info or VBRI header says of the file around it."""

    name: str
    frames: int | None
    bytes: int | None
    delay: int
    padding: int
    music_length: int | None
    music_crc: int | None
    holds: bool = True


def looks(window: Window, offset: int, end: int) -> bool:
    """Whether `CHAIN` frames follow one another from `offset`, or fewer reach `end` exactly."""
    head = window.read(offset, 4)
    if len(head) < 4 or head[0] != 0xFF:
        return False
    kind = (head[1] << 8 | head[2]) & _SAME
    for _ in range(CHAIN):
        length = _at(window, offset, kind)
        if not length:
            return False
        offset += length
        if offset >= end:
            return offset == end
    return True


def find_first(window: Window, start: int, end: int) -> int:
    """The first offset from `start` at which frames chain; -1 where none do nearby."""
    offset = start
    limit = min(end, start + MAX_LEAD)
    while 0 <= offset < limit:
        if looks(window, offset, end):
            return offset
        offset = window.search(b"\xff", offset + 1, limit)
    return -1


def examine(window: Window, start: int, end: int) -> Structure:
    """Walk all frames between the tags at `start` and `end`."""
    book = Notebook("mp3")
    first = start if looks(window, start, end) else find_first(window, start, end)
    if first < 0:
        book.find(f"no chain of MPEG audio frames after byte {start}")
        return book.close()
    if first > start and not padding(window, book, start, first):
        book.find(f"bytes {start} to {first} are no MPEG audio frame")
    head = window.read(first, 4)
    info = _info(window, first, head)
    frames, stop = _walk(window, book, first, end)
    if not book.damages:
        book.prove(f"{frames} MPEG audio frame headers chained to the end")
    _expect(book, head, info, frames)
    if info is not None:
        _against(window, book, info, frames=frames, first=first, stop=stop)
    return book.close()


def _at(window: Window, offset: int, kind: int) -> int:
    """The length of the frame of this kind at `offset`, 0 where none stands there."""
    head = window.read(offset, 3)
    if len(head) < 3 or head[0] != 0xFF:
        return 0
    key = head[1] << 8 | head[2]
    return _LENGTHS[key] if key & _SAME == kind else 0


def _walk(window: Window, book: Notebook, first: int, end: int) -> tuple[int, int]:
    """Follow the chain from `first`; returns the frames seen and where the chain ends."""
    head = window.read(first, 4)
    kind = (head[1] << 8 | head[2]) & _SAME
    frames = lost = 0
    offset = first
    while offset < end:
        data = window.read(offset, min(WINDOW, end - offset))
        at, last = 0, len(data) - 3
        while at <= last and data[at] == 0xFF:
            key = data[at + 1] << 8 | data[at + 2]
            length = _LENGTHS[key]
            if not length or key & _SAME != kind:
                break
            at += length
            frames += 1
        offset += at
        if offset > end:
            book.find(f"the last frame is cut off: {offset - end} bytes of it are missing")
            return frames, end
        if at > last >= 0 and offset + 3 <= end:
            continue
        if offset == end or padding(window, book, offset, end):
            break
        lost += 1
        again = _again(window, offset, end, kind) if lost < MAX_RESYNCS else -1
        if again < 0:
            book.find(f"{end - offset} bytes from byte {offset} to the end are no MPEG audio frame")
            break
        book.find(f"bytes {offset} to {again} are no MPEG audio frame")
        offset = again
    return frames, offset


def _again(window: Window, offset: int, end: int, kind: int) -> int:
    """Where a chain of frames of this kind goes on after `offset`; -1 where it does not."""
    limit = min(end, offset + MAX_LEAD)
    while True:
        offset = window.search(b"\xff", offset + 1, limit)
        if offset < 0:
            return -1
        length = _at(window, offset, kind)
        if length and (offset + length == end or _at(window, offset + length, kind)):
            return offset


def _side_info(head: bytes) -> int:
    """Bytes of layer III side information: the Info header stands behind it."""
    mono = head[3] >> 6 == 3
    if head[1] >> 3 & 3 == 3:
        return 17 if mono else 32
    return 9 if mono else 17


def _info(window: Window, offset: int, head: bytes) -> _Info | None:
    """Read a Xing, Info or VBRI header in the frame at `offset`."""
    frame = window.read(offset, _LENGTHS[head[1] << 8 | head[2]])
    vbri = frame[36:54]
    if vbri[:4] == b"VBRI" and len(vbri) == 18:
        count, size = int.from_bytes(vbri[14:18], "big"), int.from_bytes(vbri[10:14], "big")
        return _Info("VBRI", count, size, 0, 0, None, None)
    at = 4 + _side_info(head)
    name = frame[at : at + 4]
    if name not in (b"Xing", b"Info") or len(frame) < at + 8:
        return None
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    at += 8
    values: list[int | None] = [None, None]
    for bit in range(2):
        if flags >> bit & 1:
            values[bit] = int.from_bytes(frame[at : at + 4], "big")
            at += 4
    at += (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    lame = frame[at : at + 36]
    known = lame[:4] in (b"LAME", b"Lavf", b"Lavc", b"L3.9", b"GOGO")
    if len(lame) < 36 or not known:
        return _Info(name.decode(), values[0], values[1], 0, 0, None, None)
    crc_at = at + 34
    crc = int.from_bytes(frame[crc_at : crc_at + 2], "big")
    # FFmpeg takes the CRC over 190 bytes always, with zeros where the CRC will stand.
    padded = frame[:crc_at] + bytes(max(0, 190 - crc_at))
    holds = crc in (crc16_mirrored(frame[:crc_at]), crc16_mirrored(padded))
    gap = int.from_bytes(lame[21:24], "big")
    return _Info(
        name.decode(),
        values[0],
        values[1],
        gap >> 12,
        gap & 0xFFF,
        int.from_bytes(lame[28:32], "big"),
        int.from_bytes(lame[32:34], "big"),
        holds,
    )


def _expect(book: Notebook, head: bytes, info: _Info | None, frames: int) -> None:
    """How much sound the frames hold, less the encoder's delay and padding."""
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    rate = _RATES[head[2] >> 2 & 3] >> {3: 0, 2: 1, 0: 2}[version]
    each = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    sound = frames - (1 if info else 0)
    trimmed = info.delay + info.padding if info else 0
    book.expected_samples = max(0, sound * each - trimmed)
    book.expected_ms = book.expected_samples * 1000 // rate


def _against(
    window: Window, book: Notebook, info: _Info, *, frames: int, first: int, stop: int
) -> None:
    """The Info header against the frames: their number, their bytes, their CRC-16."""
    music = frames - 1
    if info.frames is not None:
        # Some writers count the Info frame itself.
        if info.frames in (music, frames):
            book.prove(f"the {info.frames} frames that the {info.name} header declares are there")
        else:
            book.find(f"the {info.name} header declares {info.frames} frames, there are {music}")
    if not info.holds:
        book.find(f"the {info.name} header's own CRC-16 does not hold")
    # The Xing field may count tags; it is needed only where frames are not counted.
    length = info.music_length or (info.bytes if info.frames is None else None)
    if length and first + length > stop:
        book.find(f"{first + length - stop} bytes of the declared {length} are missing")
    elif info.music_length and info.music_crc:
        _music_crc(window, book, info, first, first + info.music_length)


def _music_crc(window: Window, book: Notebook, info: _Info, first: int, stop: int) -> None:
    """The CRC-16 of everything from the second frame to the end of the music."""
    head = window.read(first, 4)
    offset, crc = first + _LENGTHS[head[1] << 8 | head[2]], 0
    while offset < stop:
        data = window.read(offset, min(WINDOW, stop - offset))
        crc = crc16_mirrored(data, crc)
        offset += len(data)
    if crc == info.music_crc:
        book.prove("CRC-16 of all music, as the LAME tag has it")
        book.checksum = "LAME music CRC-16"
    elif _regained(window, first, stop):
        book.note("the loudness was changed after encoding (MP3GAIN tags), and the CRC-16 with it")
    else:
        book.find(f"the music's CRC-16 is {crc:04x}, the LAME tag says {info.music_crc:04x}")


def _regained(window: Window, first: int, stop: int) -> bool:
    """Whether tags say that mp3gain rewrote the gain of every frame, which breaks LAME's CRC."""
    around = window.read(0, first) + window.read(stop, window.size - stop)
    return b"MP3GAIN_" in around.upper()
