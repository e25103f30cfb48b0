"""Which part of a track a line is, compiled: whether a certain byte of the track, its mark, was in
what was sent.

Where the mark of a track is follows from the track's hash, under the log's key: nobody who asks for
tracks can know it. So a track counts when its mark is sent, once for all the pieces in which it is
asked for, whatever their number and order, and who takes a third of a track takes it in one of
three cases. Marks lie behind the first eighth, which is what those hear who skip.

Parts are written as HTTP has them (RFC 9110, 14.1.2 and 14.4): `bytes 0-499/1234`, `bytes=500-`,
several with commas; without `bytes` they may be of any unit.
"""

from __future__ import annotations

import numpy as np

from longplay.catalogue.compiled import compiled
from longplay.catalogue.compiled import whole as whole_number
from longplay.guard.events import MARKED, UNMARKED, UNTOLD
from longplay.guard.reading.values import Bytes, digits
from longplay.guard.state import TAKEN_BYTES

FREE_SHARE = 1 / 8
"""Of a track, from its beginning: what who skips has heard of it counts for nothing."""

SLACK, SLACK_RANGE = 4096, 512
"""Bytes that may be sent beyond the ranges of an answer, and beyond each (heads, RFC 9110, 14.6).
With more, the ranges that were asked for are not what was sent, but all of the file."""

MOST_RANGES = 16
"""Ranges of an answer whose heads are allowed for: else thousands of them excuse a megabyte."""

MOST = 2**53
"""Bytes of a file; who says more says nothing."""

SPACE, COMMA, DASH, SLASH, EQUALS, B = 32, 44, 45, 47, 61, 98


@compiled
def mark_of(track: np.uint64, of: int) -> int:
    """Where the mark of a track is that has so many bytes, or other units."""
    mixed = track * np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> np.uint64(32)
    share = np.float64((mixed * np.uint64(0xFF51AFD7ED558CCD)) >> np.uint64(11)) / 2.0**53
    return min(whole_number((FREE_SHARE + (1 - FREE_SHARE) * share) * of), of - 1)


@compiled
def _trimmed(data: Bytes, start: int, end: int) -> tuple[int, int]:
    while start < end and data[start] <= SPACE:
        start += 1
    while end > start and data[end - 1] <= SPACE:
        end -= 1
    return start, end


@compiled
def _span(data: Bytes, start: int, end: int, of: int) -> tuple[int, int]:
    """First and last of a range; (0, -1) for one that is none."""
    dash = start
    while dash < end and data[dash] != DASH:
        dash += 1
    before, dash_before = _trimmed(data, start, dash)
    after, end_after = _trimmed(data, dash + 1, end)
    first, last = digits(data, before, dash_before), digits(data, after, end_after)
    if dash == end or (first < 0 and dash_before > before) or (last < 0 and end_after > after):
        return 0, -1
    if first < 0:
        return (max(of - last, 0), of - 1) if last > 0 else (0, -1)
    last = of - 1 if last < 0 else min(last, of - 1)
    return (first, last) if first <= last else (0, -1)


@compiled
def part_of(data: Bytes, start: int, end: int, track: np.uint64, sent: int, whole: int) -> int:
    """Whether a line's part of a track has its mark. `sent` are the bytes that were sent, `whole`
    those that the file has (below 0: not told). With an empty part what was sent is the beginning.
    Of files of so few bytes that they are pages or covers nothing is told."""
    start, end = _trimmed(data, start, end) if start >= 0 else (0, 0)
    in_bytes, claimed = end > start and data[start] == B, False
    while start < end and data[start] != DASH and not 48 <= data[start] <= 57:
        claimed |= data[start] == EQUALS  # a request's, which no server wrote
        start += 1
    in_bytes |= claimed
    stop = start
    while stop < end and data[stop] != SLASH:
        stop += 1
    after, end_after = _trimmed(data, stop + 1, end)
    told = digits(data, after, end_after)
    of = told if told > 0 and not claimed else whole
    if not 0 < of <= MOST or (of < TAKEN_BYTES and (in_bytes or stop == start)):
        return UNTOLD
    mark = mark_of(track, of)
    # Where the part does not say what was sent: the length that the server told goes first.
    file = mark_of(track, min(whole, MOST)) if whole >= TAKEN_BYTES else mark
    left = sent if in_bytes and sent >= 0 else np.int64(2**62)
    marked, spans, asked = False, 0, np.int64(0)
    rising, before = True, -1
    while start < stop:
        comma = start
        while comma < stop and data[comma] != COMMA:
            comma += 1
        first, last = _span(data, start, comma, of)
        if last >= first:
            got = min(last - first + 1, left)
            if first <= mark < first + got:
                marked = True
            left -= got
            asked = min(asked + last - first + 1, np.int64(2**60))
            spans += 1
            rising = rising and first > before
            before = last
        start = comma + 1
    if not spans:
        return UNTOLD if whole <= 0 or sent < 0 else (MARKED if file < sent else UNMARKED)
    heads = SLACK + SLACK_RANGE * min(spans, MOST_RANGES)
    if in_bytes and sent >= 0 and (not rising or sent - asked > heads):
        return MARKED if file < sent else UNMARKED
    return MARKED if marked else UNMARKED
