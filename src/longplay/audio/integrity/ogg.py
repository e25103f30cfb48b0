"""Ogg (RFC 3533): every page's CRC-32, sequence numbers, granule positions, end-of-stream pages.

The CRC covers each byte of each page, so a page that holds is the page that was written.
"""

from __future__ import annotations

from dataclasses import dataclass

from longplay.audio.integrity.crc import ogg_page_holds
from longplay.audio.integrity.structure import MAX_RESYNCS, Notebook, Structure, Window

MAX_STREAMS = 4096
"""Logical streams in one file; a radio recording chains hundreds, a hostile file more."""

MAX_PAGE_SECONDS = 10
"""A first page of sound that ends later than this began later than zero: writers fill at most a few
seconds into one."""

_NO_GRANULE = -1  # RFC 3533: no packet ends on this page
_OPUS_RATE = 48_000  # RFC 7845, section 4: granules count at 48 kHz whatever the input was


@dataclass(slots=True)
class _Stream:
    """One logical stream: where it stands, and what its first packet said."""

    codec: str
    rate: int
    skip: int
    samples: int
    md5: bytes
    next_page: int
    granule: int = 0
    first: int = 0
    open_packet: bool = False
    ended: bool = False


@dataclass(slots=True)
class _Page:
    offset: int
    length: int
    flags: int
    granule: int
    serial: int
    number: int
    laces: bytes
    body: int

    @property
    def first(self) -> bool:
        return bool(self.flags & 2)

    @property
    def last(self) -> bool:
        return bool(self.flags & 4)

    @property
    def continues(self) -> bool:
        return bool(self.flags & 1)


def examine(window: Window, start: int, end: int) -> Structure:
    """Read every page between `start` and `end`; damage is told with its byte offset."""
    book = Notebook("ogg")
    streams: dict[int, _Stream] = {}
    finished: list[_Stream] = []
    pages = bad = 0
    offset = start
    while offset < end and bad < MAX_RESYNCS:
        page = _page(window, offset, end)
        if page is None and _only_junk(window, streams, offset, end):
            book.note(f"{end - offset} bytes after the last page")
            break
        if page is None or not ogg_page_holds(window.read(offset, page.length)):
            bad += 1
            offset = _resume(window, book, page, offset, end)
            continue
        pages += 1
        _follow(window, book, page, streams, finished)
        offset += page.length
    if bad >= MAX_RESYNCS:
        book.find(f"more than {MAX_RESYNCS} damaged places: the rest was not read")
    everything = [*finished, *streams.values()]
    for serial, stream in streams.items():
        if not stream.ended:
            book.find(
                f"stream {serial:08x} ({stream.codec}) has no end-of-stream page: "
                "its end is missing"
            )
    if not bad and pages:
        book.prove(f"CRC-32 of all {pages} Ogg pages")
        book.checksum = "Ogg page CRC-32"
    if not book.damages:
        book.prove("page sequence numbers without a gap, every stream ends with its last page")
    _expect(book, everything)
    return book.close()


def _page(window: Window, offset: int, end: int) -> _Page | None:
    head = window.read(offset, 27)
    if len(head) < 27 or head[:4] != b"OggS" or head[4] != 0:
        return None
    laces = window.read(offset + 27, head[26])
    length = 27 + head[26] + sum(laces)
    if len(laces) < head[26] or offset + length > end:
        return None
    return _Page(
        offset,
        length,
        head[5],
        int.from_bytes(head[6:14], "little", signed=True),
        int.from_bytes(head[14:18], "little"),
        int.from_bytes(head[18:22], "little"),
        laces,
        offset + 27 + head[26],
    )


def _only_junk(window: Window, streams: dict[int, _Stream], offset: int, end: int) -> bool:
    """Whether every stream is over and nothing from `offset` on looks like a page."""
    over = bool(streams) and all(stream.ended for stream in streams.values())
    return over and window.search(b"OggS", offset, end) < 0


def _resume(window: Window, book: Notebook, page: _Page | None, offset: int, end: int) -> int:
    """Say what is wrong at `offset` and return where to read on."""
    if page is not None:
        after = offset + page.length
        book.find(f"page at byte {offset}: its CRC-32 does not hold")
        if after == end or window.read(after, 4) == b"OggS":
            return after
    following = window.search(b"OggS", offset + 1, end)
    if page is None:
        stop = end if following < 0 else following
        if window.read(offset, 4) == b"OggS" and following < 0:
            book.find(f"the page at byte {offset} is cut off by the end of the file")
        else:
            book.find(f"bytes {offset} to {stop} are no Ogg page")
    return end if following < 0 else following


def _follow(
    window: Window,
    book: Notebook,
    page: _Page,
    streams: dict[int, _Stream],
    finished: list[_Stream],
) -> None:
    """Hold a sound page against what its stream announced."""
    stream = streams.get(page.serial)
    if page.first:
        if stream is not None:
            finished.append(stream)
            if not stream.ended:
                book.find(f"a stream restarts at byte {page.offset} before its end-of-stream page")
        stream = _stream(window.read(page.body, min(sum(page.laces), 64)), page.number)
        streams[page.serial] = stream
    elif stream is None:
        book.find(f"page at byte {page.offset} belongs to a stream that never began")
        # Followed from here on, so that one lost first page is one finding.
        stream = streams[page.serial] = _Stream("unknown", 0, 0, 0, b"", page.number)
    if len(streams) + len(finished) > MAX_STREAMS:
        raise ValueError(f"more than {MAX_STREAMS} streams")
    if stream.ended:
        book.find(f"page at byte {page.offset} comes after its stream's end")
    if page.number != stream.next_page:
        missing = page.number - stream.next_page
        book.find(
            f"{missing} pages are missing before byte {page.offset}"
            if missing > 0
            else f"page at byte {page.offset} repeats number {page.number}"
        )
    elif page.continues != stream.open_packet:
        book.find(f"a packet is broken off at byte {page.offset}")
    if page.granule != _NO_GRANULE:
        if page.granule < stream.granule:
            book.find(f"time runs backwards at byte {page.offset}")
        stream.first = stream.first or page.granule
        stream.granule = page.granule
    stream.next_page = page.number + 1 & 0xFFFFFFFF
    if page.laces:
        stream.open_packet = page.laces[-1] == 255
    stream.ended = page.last


def _stream(head: bytes, number: int) -> _Stream:
    """What a stream's first packet says of it."""
    if head.startswith(b"\x01vorbis") and len(head) >= 16:
        return _Stream("vorbis", int.from_bytes(head[12:16], "little"), 0, 0, b"", number)
    if head.startswith(b"OpusHead") and len(head) >= 12:
        skip = int.from_bytes(head[10:12], "little")
        return _Stream("opus", _OPUS_RATE, skip, 0, b"", number)
    if head.startswith(b"Speex   ") and len(head) >= 40:
        return _Stream("speex", int.from_bytes(head[36:40], "little"), 0, 0, b"", number)
    if head.startswith(b"\x7fFLAC") and len(head) >= 51:
        # RFC 9639, section 10.1: signature and counts (9 bytes), "fLaC", block header, STREAMINFO
        facts = int.from_bytes(head[27:35], "big")
        return _Stream("flac", facts >> 44, 0, facts & 0xFFFFFFFFF, head[35:51], number)
    return _Stream("other", 0, 0, 0, b"", number)


def _expect(book: Notebook, streams: list[_Stream]) -> None:
    """How much sound the granule positions promise: the links of a chain one after the other."""
    sound = [stream for stream in streams if stream.rate]
    if not sound or len({stream.codec for stream in sound}) > 1:
        return
    lengths = [max(0, stream.granule - stream.skip) for stream in sound]
    book.expected_ms = sum(
        count * 1000 // stream.rate for count, stream in zip(lengths, sound, strict=True)
    )
    if len(sound) > 1:
        book.note(f"{len(sound)} audio streams in one file")
    if any(stream.first > MAX_PAGE_SECONDS * stream.rate for stream in sound):
        book.note("the sound was cut out of a longer stream: its time does not start at zero")
        book.expected_ms = None
        return
    if len(sound) > 1:
        return
    stream = sound[0]
    book.expected_samples = lengths[0]
    if stream.codec == "flac":
        book.expected_samples = stream.samples or lengths[0]
        book.exact = True
        book.expected_pcm_md5 = stream.md5 if any(stream.md5) else None
