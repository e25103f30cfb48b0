"""Matroska and WebM (RFC 9559, on EBML, RFC 8794): element lengths against the file, CRC-32
elements where they are written, the clusters that the index names, the declared duration.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from longplay.audio.integrity.structure import MAX_RESYNCS, WINDOW, Notebook, Structure, Window

MAX_ELEMENTS = 5_000_000
"""Elements walked: a day of blocks of 20 ms is 4.3 million."""

MAX_PLACES = 500_000
"""Places kept of top-level elements, and of what the index names: clusters hold seconds, so these
are weeks."""

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_INFO, _SEEK_HEAD, _CUES = 0x1549A966, 0x114D9B74, 0x1C53BB6B
_TOP = {
    _SEEK_HEAD: "SeekHead",
    _INFO: "Info",
    0x1654AE6B: "Tracks",
    _CLUSTER: "Cluster",
    _CUES: "Cues",
    0x1941A469: "Attachments",
    0x1043A770: "Chapters",
    0x1254C367: "Tags",
    0xEC: "Void",
    0xBF: "CRC-32",
}
_CRC, _VOID = 0xBF, 0xEC
_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP = 0xE7, 0xA3, 0xA0
_IN_CLUSTER = {_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP, 0x5854, 0xA7, 0xAB, 0xAF, _VOID, _CRC}
_SCALE, _DURATION = 0x2AD7B1, 0x4489
_SEEK, _SEEK_POSITION = 0x4DBB, 0x53AC
_CUE_POINT, _CUE_POSITIONS, _CUE_CLUSTER = 0xBB, 0xB7, 0xF1


@dataclass(frozen=True, slots=True)
class _Element:
    """One element: `end` is where it ends, clipped to the file; `known` tells a declared length."""

    ident: int
    offset: int
    body: int
    end: int
    known: bool


@dataclass(slots=True)
class _Seen:
    """What passed by in the segment."""

    base: int
    clusters: int = 0
    checked: int = 0
    elements: int = 0
    blocks: int = 0
    starts: set[int] = field(default_factory=set)
    named: list[int] = field(default_factory=list)
    scale: int = 1_000_000
    duration: float = 0.0
    time: int = 0


def examine(window: Window, start: int, end: int) -> Structure:
    """Walk the segment between `start` and `end`; every element must end where it says."""
    book = Notebook("matroska")
    head = _element(window, start, end)
    segment: _Element | None = None
    if head is None or head.ident != _EBML:
        book.find(f"no EBML header at byte {start}")
        at = window.search(_SEGMENT.to_bytes(4, "big"), start, min(end, start + WINDOW))
        segment = _element(window, at, end) if at >= 0 else None
    else:
        segment = _element(window, head.end, end)
    if segment is None or segment.ident != _SEGMENT:
        book.find("no Segment behind the EBML header")
        return book.close()
    if not segment.known:
        book.note("the Segment's length is not declared (a live recording)")
    seen = _Seen(segment.body)
    _segment(window, book, segment, seen)
    if segment.end < end:
        book.note(f"{end - segment.end} bytes after the Segment")
    _index(book, seen)
    if seen.duration > 0:
        book.expected_ms = int(seen.duration * seen.scale / 1e6)
    if not book.damages:
        book.prove(f"all element lengths agree with the file, {seen.blocks} blocks")
        if seen.clusters and seen.checked == seen.clusters:
            book.prove(f"CRC-32 of all {seen.clusters} clusters")
            book.checksum = "Matroska CRC-32"
    return book.close()


def _element(window: Window, offset: int, end: int) -> _Element | None:
    """The element at `offset`, None where the bytes are none; its length may reach past `end`."""
    head = window.read(offset, min(12, max(0, end - offset)))
    if not head or head[0] < 0x10:
        return None
    width = 9 - head[0].bit_length()
    if len(head) <= width or not head[width]:
        return None
    ident = int.from_bytes(head[:width], "big")
    length_width = 9 - head[width].bit_length()
    body = width + length_width
    if len(head) < body:
        return None
    mask = (1 << 7 * length_width) - 1
    length = int.from_bytes(head[width:body], "big") & mask
    known = length != mask
    return _Element(ident, offset, offset + body, offset + body + length if known else end, known)


def _children(
    window: Window, book: Notebook, parent: _Element, seen: _Seen, name: str
) -> Iterator[_Element]:
    offset, end = parent.body, min(parent.end, window.size)
    while offset < end and seen.elements < MAX_ELEMENTS:
        seen.elements += 1
        element = _element(window, offset, end)
        if element is None or (element.known and element.end > end):
            missing = f", {element.end - end} bytes are missing" if element else ""
            book.find(f"{name} at byte {parent.offset} is broken at byte {offset}{missing}")
            return
        yield element
        offset = element.end


def _segment(window: Window, book: Notebook, segment: _Element, seen: _Seen) -> None:
    """Walk the top level; damaged bytes are skipped to the next cluster."""
    end = min(segment.end, window.size)
    if segment.end > end:
        book.find(f"the Segment declares {segment.end - end} bytes more than there are")
    offset, lost = segment.body, 0
    while offset < end and seen.elements < MAX_ELEMENTS and len(seen.starts) < MAX_PLACES:
        seen.elements += 1
        element = _element(window, offset, end)
        name = _TOP.get(element.ident, "") if element else ""
        if element is None or not name or (element.known and element.end > end):
            lost += 1
            if name and element:
                book.find(
                    f"{name} at byte {offset} declares {element.end - end} bytes "
                    "more than there are"
                )
                if element.ident == _CLUSTER:
                    _cluster(window, book, element, seen)
            else:
                book.find(f"no element of a Segment at byte {offset}")
            marker = _CLUSTER.to_bytes(4, "big")
            offset = window.search(marker, offset + 1, end) if lost < MAX_RESYNCS else -1
            if offset < 0:
                return
            continue
        offset = _top(window, book, element, seen, name)


def _top(window: Window, book: Notebook, element: _Element, seen: _Seen, name: str) -> int:
    """Read one whole element of the Segment; returns where the next begins."""
    if element.ident == _CLUSTER:
        return _cluster(window, book, element, seen)
    if not element.known:
        book.find(f"{name} at byte {element.offset} has no length")
        return element.end
    _holds(window, book, element, name)
    if element.ident == _INFO:
        _info(window, book, element, seen)
    elif element.ident in (_SEEK_HEAD, _CUES):
        _named(window, book, element, seen)
        seen.starts.add(element.offset)
    else:
        seen.starts.add(element.offset)
    return element.end


def _cluster(window: Window, book: Notebook, cluster: _Element, seen: _Seen) -> int:
    """Walk a cluster's blocks; one without a length ends where the next top element begins."""
    seen.clusters += 1
    seen.starts.add(cluster.offset)
    if cluster.known and cluster.end <= window.size and _holds(window, book, cluster, "Cluster"):
        seen.checked += 1
    offset, end, timed = cluster.body, min(cluster.end, window.size), False
    while offset < end and seen.elements < MAX_ELEMENTS:
        seen.elements += 1
        element = _element(window, offset, end)
        if element and not cluster.known and element.ident in _TOP and element.ident > 0xFF:
            return offset
        if element is None or element.ident not in _IN_CLUSTER or element.end > end:
            book.find(f"the Cluster at byte {cluster.offset} is broken at byte {offset}")
            break
        if element.ident == _TIMESTAMP:
            time = window.number(element.body, min(8, element.end - element.body))
            if time < seen.time:
                book.find(f"time runs backwards in the Cluster at byte {cluster.offset}")
            seen.time, timed = time, True
        elif element.ident in (_SIMPLE_BLOCK, _BLOCK_GROUP):
            seen.blocks += 1
        offset = element.end
    if not timed:
        book.find(f"the Cluster at byte {cluster.offset} has no timestamp")
    return end


def _holds(window: Window, book: Notebook, element: _Element, name: str) -> bool:
    """Whether an element begins with a CRC-32 element and agrees with it (RFC 8794, 11.3.1)."""
    first = window.read(element.body, 6)
    if len(first) < 6 or first[0] != _CRC or first[1] != 0x84:
        return False
    offset, crc = element.body + 6, 0
    while offset < element.end:
        data = window.read(offset, min(WINDOW, element.end - offset))
        if not data:
            break
        crc = zlib.crc32(data, crc)
        offset += len(data)
    if crc != int.from_bytes(first[2:], "little"):
        book.find(f"{name} at byte {element.offset}: its CRC-32 does not hold")
        return False
    return True


def _info(window: Window, book: Notebook, parent: _Element, seen: _Seen) -> None:
    seen.starts.add(parent.offset)
    for element in _children(window, book, parent, seen, "Info"):
        width = element.end - element.body
        if element.ident == _SCALE and 0 < width <= 8:
            seen.scale = window.number(element.body, width)
        elif element.ident == _DURATION and width in (4, 8):
            data = window.read(element.body, width)
            if len(data) == width:
                value = struct.unpack(">f" if width == 4 else ">d", data)[0]
                seen.duration = value if 0 < value < 1e15 else 0.0


def _named(window: Window, book: Notebook, parent: _Element, seen: _Seen) -> None:
    """The positions that a SeekHead or the Cues name, relative to the Segment."""
    for outer in _children(window, book, parent, seen, _TOP[parent.ident]):
        if outer.ident not in (_SEEK, _CUE_POINT):
            continue
        for inner in _children(window, book, outer, seen, "index entry"):
            width = inner.end - inner.body
            if inner.ident == _SEEK_POSITION and 0 < width <= 8:
                _name(seen, window.number(inner.body, width))
            elif inner.ident == _CUE_POSITIONS:
                for cue in _children(window, book, inner, seen, "cue"):
                    width = cue.end - cue.body
                    if cue.ident == _CUE_CLUSTER and 0 < width <= 8:
                        _name(seen, window.number(cue.body, width))


def _name(seen: _Seen, position: int) -> None:
    if len(seen.named) < MAX_PLACES:
        seen.named.append(position)


def _index(book: Notebook, seen: _Seen) -> None:
    """What the index names must stand where it says."""
    if len(seen.starts) >= MAX_PLACES:
        book.find(f"more than {MAX_PLACES} elements at the top of the Segment")
        return
    missing = sum(1 for position in seen.named if position + seen.base not in seen.starts)
    if missing:
        book.find(f"{missing} of {len(seen.named)} places that the index names hold nothing")
    if not seen.clusters:
        book.find("the Segment has no Cluster: there is no sound in it")
