"""Lines to the places of their fields, compiled: flat JSON objects, CSV, and the Common Log Format.

Each function writes the start and end of every field of `mapping.FIELDS` into `spans` (start -1:
the line lacks it) and says whether the line is an event, none, or one for the slow way.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled
from longplay.guard.reading.values import Bytes, hash_of

GOOD, BAD, SLOW = 0, 1, 2

Spans = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

NAMES = np.uint64(0x2545F4914F6CDD1D)
"""The key under which fields' names are hashed: who can write names into a log can write any."""

QUOTE, BACKSLASH, COLON, COMMA = 34, 92, 58, 44
OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = 123, 125, 91, 93
SPACE, LINE_FEED = 32, 10

STRIDE = 16
"""Bytes that are looked at together for the end of a line."""


@compiled
def line_end(data: Bytes, at: int) -> int:
    """The place of the next line feed, or the end."""
    size = len(data)
    while at + STRIDE <= size:
        there = False
        for place in range(STRIDE):  # of a fixed length: one step of the machine
            there |= data[np.uint64(at + place)] == LINE_FEED
        if there:
            break
        at += STRIDE
    while at < size and data[np.uint64(at)] != LINE_FEED:
        at += 1
    return at


@compiled
def past_space(data: Bytes, at: int, end: int) -> int:
    """The next place that holds no space."""
    while at < end and data[np.uint64(at)] <= SPACE:
        at += 1
    return at


@compiled
def past_string(data: Bytes, at: int, end: int) -> tuple[int, bool]:
    """The place of the quote that closes the string whose text begins at `at` (`end`: none does),
    and whether the text has escapes."""
    while at < end:
        sign = data[np.uint64(at)]
        if sign == QUOTE:
            return at, False
        if sign == BACKSLASH:
            return past_escapes(data, at, end), True
        at += 1
    return end, False


@compiled
def past_escapes(data: Bytes, at: int, end: int) -> int:
    """The same place, for a string with escapes."""
    while at < end and data[at] != QUOTE:
        at += 2 if data[at] == BACKSLASH else 1
    return min(at, end)


@compiled
def past_value(data: Bytes, at: int, end: int) -> int:
    """The place behind a number, a word, or a whole object or list; -1 for a broken one."""
    if data[at] in (OPEN, OPEN_LIST):
        return past_nested(data, at, end)
    first = at
    while at < end:
        sign = data[np.uint64(at)]
        if sign <= SPACE or sign in (COMMA, CLOSE, CLOSE_LIST, QUOTE):
            break
        at += 1
    return at if at > first else -1


@compiled
def past_nested(data: Bytes, at: int, end: int) -> int:
    """The place behind an object or a list; -1 for a broken one."""
    depth = 0
    while at < end:
        sign = data[at]
        if sign == QUOTE:
            at, _ = past_string(data, at + 1, end)
        elif sign in (OPEN, OPEN_LIST):
            depth += 1
        elif sign in (CLOSE, CLOSE_LIST):
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return -1


@compiled
def names_of(names: Bytes, ends: Spans) -> Hashes:
    """The hashes of fields' names, which stand one after the other; 0 for one without a name."""
    found = np.zeros(len(ends) - 1, np.uint64)
    for field in range(len(found)):
        if ends[field + 1] > ends[field]:
            found[field] = hash_of(names, ends[field], ends[field + 1], NAMES)
    return found


@compiled
def field_named(fields: Hashes, name: np.uint64, after: int) -> int:
    """The first field beyond `after` whose name has this hash, or -1."""
    for field in range(after + 1, len(fields)):
        if fields[field] == name:
            return field
    return -1


@compiled
def json_line(  # noqa: PLR0912 - one pass over one line
    data: Bytes, start: int, end: int, fields: Hashes, spans: Spans
) -> int:
    """A flat JSON object; nested values are passed over. The last of equal keys counts. `fields`
    are the hashes of their names (`names_of`)."""
    spans[:] = -1
    at = past_space(data, start, end)
    if at >= end or data[at] != OPEN:
        return BAD
    at = past_space(data, at + 1, end)
    answer = GOOD
    while True:
        if at >= end or data[at] != QUOTE:
            return BAD
        first = at + 1
        last, escaped = past_string(data, first, end)
        if escaped:
            answer = SLOW
        at = past_space(data, last + 1, end)
        if at >= end or data[at] != COLON:
            return BAD
        at = past_space(data, at + 1, end)
        if at >= end:
            return BAD
        name = hash_of(data, first, last, NAMES)
        field = field_named(fields, name, -1)
        if data[at] == QUOTE:
            value = at + 1
            stop, escaped = past_string(data, value, end)
            if field >= 0 and escaped:
                answer = SLOW
            at = stop + 1
        else:
            value = at
            stop = past_value(data, at, end)
            if stop < 0:
                return BAD
            at = stop
            if data[value] == 110 or data[value] in (OPEN, OPEN_LIST):  # null, or no plain value
                value = -1
        while field >= 0:
            spans[2 * field] = value
            spans[2 * field + 1] = stop
            field = field_named(fields, name, field)
        at = past_space(data, at, end)
        if at < end and data[at] == COMMA:
            at = past_space(data, at + 1, end)
            continue
        return answer if at < end and data[at] == CLOSE else BAD


@compiled
def csv_line(
    data: Bytes, start: int, end: int, columns: Spans, separator: int, spans: Spans
) -> int:
    """A row of a table (RFC 4180) on one line; quotes inside a quoted field take the slow way."""
    spans[:] = -1
    at, column = start, 0
    answer = GOOD
    while at <= end:
        if at < end and data[at] == QUOTE:
            first = at + 1
            at = first
            while at < end and (data[at] != QUOTE or (at + 1 < end and data[at + 1] == QUOTE)):
                if data[at] == QUOTE:
                    answer = SLOW
                    at += 1
                at += 1
            if at >= end:
                return BAD
            last = at
            at += 1
            if at < end and data[at] != separator:
                return BAD
        else:
            first = at
            while at < end and data[at] != separator:
                at += 1
            last = at
        for field in range(len(columns)):
            if columns[field] == column:
                spans[2 * field] = first if last > first else -1
                spans[2 * field + 1] = last
        column += 1
        at += 1
    return answer


@compiled
def common_line(data: Bytes, start: int, end: int, columns: Spans, spans: Spans) -> int:
    """`host ident user [time] "request" status bytes`, and what may follow. An account `-` gives
    way to the address."""
    spans[:] = -1
    at, column = start, 0
    while at < end:
        at = past_space(data, at, end)
        if at >= end:
            break
        close = numba.int64(0)
        if data[at] == OPEN_LIST:
            close = numba.int64(CLOSE_LIST)
        elif data[at] == QUOTE:
            close = numba.int64(QUOTE)
        first = at + 1 if close else at
        at = first
        while at < end and (data[at] != close if close else data[at] > SPACE):
            if close == QUOTE and data[at] == BACKSLASH:
                at += 1
            at += 1
        if close and at >= end:
            return BAD
        last = min(at, end)
        empty = last == first or (last == first + 1 and data[first] == 45)
        for field in range(len(columns)):
            if columns[field] == column and not empty:
                spans[2 * field] = first
                spans[2 * field + 1] = last
        column += 1
        at = last + 1
    if spans[2] < 0:
        spans[2] = spans[4]
        spans[3] = spans[5]
    return GOOD if column >= 6 else BAD
