"""MP4, M4A and QuickTime (ISO/IEC 14496-12): box lengths against the file, the index present, every
chunk that it names inside the media data, durations that agree. There is no checksum in the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from longplay.audio.integrity.structure import WINDOW, Notebook, Structure, Window

MAX_BOXES = 200_000
"""Boxes walked at one level: a day of one-second fragments is 86,400 pairs."""

MAX_INDEX = 64 << 20
"""Bytes of the index (moov): two days of AAC take 30 MB; its tables are held in memory."""

MAX_TRACKS = 64
"""Tracks held against the media data."""

_Array = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    offset: int
    body: int
    end: int


@dataclass(slots=True)
class _Track:
    """One track's tables. Offsets and lengths in bytes, times in units of `timescale`."""

    handler: bytes = b""
    timescale: int = 0
    duration: int = 0
    table_duration: int | None = None
    table_samples: int = 0
    sizes: _Array | None = None
    sample_size: int = 0
    samples: int = 0
    runs: _Array | None = None
    chunks: _Array | None = None
    number: int = 0


@dataclass(slots=True)
class _Fragments:
    """Movie fragments as they pass: the time that each track has reached."""

    count: int = 0
    clock: dict[int, int] = field(default_factory=dict)
    sample_duration: dict[int, int] = field(default_factory=dict)
    sample_size: dict[int, int] = field(default_factory=dict)
    bytes: int = 0


def examine(window: Window, start: int, end: int) -> Structure:
    """Read all boxes between `start` and `end`, and the tables of the index."""
    book = Notebook("mp4")
    media: list[_Box] = []
    tracks: list[_Track] = []
    fragments = _Fragments()
    seen: set[bytes] = set()  # kinds of four bytes, at most MAX_BOXES of them
    for box in _boxes(window, book, start, end, "file"):
        if box.kind == b"moov" and box.kind in seen:
            book.find(f"a second index (moov) at byte {box.offset}")
            continue
        seen.add(box.kind)
        if box.kind == b"mdat":
            media.append(box)
            _fill(book, fragments, box)
        elif box.kind == b"moov":
            tracks.extend(_movie(window, book, box, fragments))
        elif box.kind == b"moof":
            _fragment(window, book, box, fragments)
        elif box.kind == b"sidx":
            _segment_index(window, book, box, end)
    if b"moov" not in seen:
        book.find("the index (moov) is missing")
    if b"mdat" not in seen:
        book.find("the media data (mdat) is missing")
    for track in tracks:
        _within(book, track, media)
    _expect(book, tracks, fragments)
    if not book.damages:
        book.prove("all box lengths agree with the file")
        book.prove("every chunk that the index names lies in the media data")
    return book.close()


def _boxes(window: Window, book: Notebook, start: int, end: int, where: str) -> Iterator[_Box]:
    offset = start
    for _ in range(MAX_BOXES):
        if offset >= end:
            return
        head = window.read(offset, min(16, end - offset))
        if len(head) < 8:
            if any(head):
                book.find(f"{len(head)} bytes at byte {offset} are too few for a box")
            return
        size, kind, header = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1 and len(head) == 16:
            size, header = int.from_bytes(head[8:], "big"), 16
        elif size == 0:
            # ISO/IEC 14496-12: to the end of the file; QuickTime ends lists with four zero bytes.
            if where != "file":
                return
            if kind == bytes(4):
                book.note(f"zero bytes from byte {offset}")
                return
            size = end - offset
        name = kind.decode("latin-1")
        if size < header or not name.isprintable():
            book.find(f"no box at byte {offset} of the {where}, where one must begin")
            return
        if offset + size > end:
            missing = offset + size - end
            book.find(f"box {name} at byte {offset} declares {size} bytes, {missing} are missing")
        yield _Box(kind, offset, offset + header, min(offset + size, end))
        offset += size
    book.find(f"more than {MAX_BOXES} boxes in the {where}")


def _movie(window: Window, book: Notebook, movie: _Box, fragments: _Fragments) -> list[_Track]:
    tracks: list[_Track] = []
    if movie.end - movie.body > MAX_INDEX:
        book.find(f"the index (moov) takes {movie.end - movie.body} bytes: it was not read")
        return tracks
    for box in _boxes(window, book, movie.body, movie.end, "moov box"):
        if box.kind == b"trak" and len(tracks) < MAX_TRACKS:
            track = _Track()
            _track(window, book, box, track, b"trak")
            tracks.append(track)
        elif box.kind == b"mvex":
            for inner in _boxes(window, book, box.body, box.end, "mvex box"):
                if inner.kind == b"trex":
                    number = window.number(inner.body + 4, 4)
                    fragments.sample_duration[number] = window.number(inner.body + 12, 4)
                    fragments.sample_size[number] = window.number(inner.body + 16, 4)
    if not tracks:
        book.find("the index (moov) names no track")
    return tracks


_NESTED = {b"trak": (b"mdia",), b"mdia": (b"minf",), b"minf": (b"stbl",), b"stbl": ()}


def _track(window: Window, book: Notebook, parent: _Box, track: _Track, kind: bytes) -> None:
    """Collect what the boxes of a track say; at most four levels, each named once in `_NESTED`."""
    for box in _boxes(window, book, parent.body, parent.end, f"{kind.decode()} box"):
        body = box.body
        if box.kind in _NESTED[kind]:
            _track(window, book, box, track, box.kind)
        elif box.kind == b"tkhd":
            track.number = window.number(body + (20 if window.number(body, 1) == 1 else 12), 4)
        elif box.kind == b"hdlr":
            track.handler = track.handler or window.read(body + 8, 4)
        elif box.kind == b"mdhd":
            wide = window.number(body, 1) == 1
            track.timescale = window.number(body + (20 if wide else 12), 4)
            track.duration = window.number(body + (24 if wide else 16), 8 if wide else 4)
        elif box.kind == b"stts":
            times = _table(window, book, box, body + 8, window.number(body + 4, 4), columns=2)
            if times is not None:
                track.table_samples = int(times[0::2].sum())
                track.table_duration = int((times[0::2] * times[1::2]).sum())
        elif box.kind == b"stsc":
            track.runs = _table(window, book, box, body + 8, window.number(body + 4, 4), columns=3)
        elif box.kind == b"stsz":
            track.sample_size, track.samples = (window.number(body + at, 4) for at in (4, 8))
            if not track.sample_size:
                track.sizes = _table(window, book, box, body + 12, track.samples, columns=1)
        elif box.kind == b"stz2":
            # Sizes of 4 to 16 bits, unseen in sound: their chunks are held by where they begin.
            track.sample_size, track.samples = 1, window.number(body + 8, 4)
        elif box.kind in (b"stco", b"co64"):
            width = ">u4" if box.kind == b"stco" else ">i8"
            track.chunks = _table(
                window, book, box, body + 8, window.number(body + 4, 4), columns=1, kind=width
            )


def _table(
    window: Window,
    book: Notebook,
    box: _Box,
    offset: int,
    rows: int,
    *,
    columns: int,
    kind: str = ">u4",
) -> _Array | None:
    """The numbers of a table box, one after the other; None where it does not fit in its box."""
    width = np.dtype(kind).itemsize
    length = rows * columns * width
    name = box.kind.decode("latin-1")
    if rows < 0 or offset + length > box.end or length > MAX_INDEX:
        book.find(f"table {name} at byte {box.offset} declares {rows} rows, more than it holds")
        return None
    parts = [
        window.read(at, min(WINDOW, offset + length - at))
        for at in range(offset, offset + length, WINDOW)
    ]
    return np.frombuffer(b"".join(parts), dtype=kind).astype(np.int64)


def _within(book: Notebook, track: _Track, media: list[_Box]) -> None:
    """Every chunk of a track must lie inside the media data that is present."""
    if track.chunks is None or not len(track.chunks) or not media:
        return
    lengths = _chunk_lengths(book, track)
    if lengths is None:
        return
    starts = np.array([box.body for box in media], dtype=np.int64)
    ends = np.array([box.end for box in media], dtype=np.int64)
    home = np.searchsorted(starts, track.chunks, side="right") - 1
    inside = (home >= 0) & (track.chunks + lengths <= ends[home])
    outside = int(len(inside) - inside.sum())
    if outside:
        first = int(track.chunks[~inside][0])
        book.find(
            f"{outside} of {len(inside)} chunks lie outside the media data, "
            f"the first at byte {first}"
        )
    order = np.argsort(track.chunks, kind="stable")
    begins, stops = track.chunks[order], (track.chunks + lengths)[order]
    overlaps = int(((begins[1:] < stops[:-1]) & (begins[1:] != begins[:-1])).sum())
    if overlaps:
        book.find(f"{overlaps} chunks overlap their neighbours")


def _chunk_lengths(book: Notebook, track: _Track) -> _Array | None:
    """Bytes of every chunk, from the samples-per-chunk runs and the sample sizes."""
    assert track.chunks is not None
    count = len(track.chunks)
    if track.runs is None or (track.sizes is None and not track.sample_size):
        book.find("a track has chunks and no table of their samples")
        return None
    first, each = track.runs[0::3], track.runs[1::3]
    edges = np.append(first, count + 1)
    if not len(first) or first[0] != 1 or (np.diff(edges) <= 0).any():
        book.find("the table of samples per chunk (stsc) contradicts itself")
        return None
    per_chunk = np.repeat(each, np.diff(edges))
    total = int(per_chunk.sum())
    if total != track.samples:
        book.find(f"the chunks hold {total} samples, the table of sizes has {track.samples}")
        return None
    if track.table_duration is not None and track.table_samples != track.samples:
        book.find(
            f"the table of times has {track.table_samples} samples, that of sizes {track.samples}"
        )
    if track.sizes is None:
        # QuickTime gives uncompressed sound a nominal size of 1 whatever a sample takes.
        return per_chunk * (track.sample_size if track.sample_size > 1 else 0)
    sums = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(track.sizes)))
    last = np.cumsum(per_chunk)
    return np.asarray(sums[last] - sums[last - per_chunk], dtype=np.int64)


def _expect(book: Notebook, tracks: list[_Track], fragments: _Fragments) -> None:
    """The duration that the index declares for the first track of sound."""
    for track in tracks:
        if track.handler != b"soun" or not track.timescale > 0:
            continue
        duration = track.duration
        if fragments.count:
            duration = max(duration, fragments.clock.get(track.number, 0))
        elif abs((track.table_duration or duration) - duration) > track.timescale // 10:
            book.find(
                f"the index declares {duration / track.timescale:.3f} s of sound, "
                f"its table of times {(track.table_duration or 0) / track.timescale:.3f} s"
            )
        if 0 < duration < 1 << 60:
            book.expected_ms = duration * 1000 // track.timescale
        return


def _fragment(window: Window, book: Notebook, moof: _Box, fragments: _Fragments) -> None:
    """One movie fragment: its time must go on where the one before ended."""
    fragments.count += 1
    fragments.bytes = 0
    for traf in _boxes(window, book, moof.body, moof.end, "moof box"):
        if traf.kind != b"traf":
            continue
        number, begun, length = -1, None, 0
        each = size = 0
        for box in _boxes(window, book, traf.body, traf.end, "traf box"):
            if box.kind == b"tfhd":
                number = window.number(box.body + 4, 4)
                each, size = _defaults(window, box, number, fragments)
            elif box.kind == b"tfdt":
                wide = window.number(box.body, 1) == 1
                begun = window.number(box.body + 4, 8 if wide else 4)
            elif box.kind == b"trun":
                ticks, data = _run(window, book, box, each, size)
                length += ticks
                fragments.bytes += data
        reached = fragments.clock.get(number)
        if begun is not None and reached is not None and begun != reached:
            book.find(f"the fragment at byte {moof.offset} starts at {begun}, not at {reached}")
        fragments.clock[number] = (reached or 0 if begun is None else begun) + length


def _defaults(window: Window, box: _Box, number: int, fragments: _Fragments) -> tuple[int, int]:
    """A fragment's own defaults for the duration and size of a sample (tfhd), else the movie's."""
    flags = window.number(box.body + 1, 3)
    at = box.body + 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    each = fragments.sample_duration.get(number, 0)
    size = fragments.sample_size.get(number, 0)
    if flags & 8:
        each, at = window.number(at, 4), at + 4
    if flags & 16:
        size = window.number(at, 4)
    return each, size


def _run(window: Window, book: Notebook, box: _Box, each: int, size: int) -> tuple[int, int]:
    """The ticks and the bytes of a track run."""
    flags, count = window.number(box.body + 1, 3), window.number(box.body + 4, 4)
    at = box.body + 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    columns = sum(1 for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit)
    if count < 0 or count > MAX_INDEX:
        book.find(f"track run at byte {box.offset} declares {count} samples")
        return 0, 0
    if not columns:
        return count * each, count * size
    table = _table(window, book, box, at, count, columns=columns)
    if table is None:
        return 0, 0
    ticks = int(table[0::columns].sum()) if flags & 0x100 else count * each
    column = 1 if flags & 0x100 else 0
    data = int(table[column::columns].sum()) if flags & 0x200 else count * size
    return ticks, data


def _fill(book: Notebook, fragments: _Fragments, media: _Box) -> None:
    """The media data behind a fragment must hold what the fragment's runs declare."""
    if fragments.bytes > media.end - media.body:
        missing = fragments.bytes - (media.end - media.body)
        book.find(f"{missing} bytes of the fragment's data at byte {media.body} are missing")
    fragments.bytes = 0


def _segment_index(window: Window, book: Notebook, box: _Box, end: int) -> None:
    """A segment index names the bytes of all that follows it."""
    wide = window.number(box.body, 1) == 1
    at = box.body + (28 if wide else 20)
    offset = window.number(at - (8 if wide else 4), 8 if wide else 4)
    rows = window.number(at + 2, 2)
    table = _table(window, book, box, at + 4, rows, columns=3)
    if table is None:
        return
    reach = box.end + offset + int((table[0::3] & 0x7FFFFFFF).sum())
    if reach > end:
        book.find(f"the segment index names {reach - end} bytes beyond the end of the file")
