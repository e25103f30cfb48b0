"""Blocks of lines to rows of `events.EVENT`, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled
from longplay.guard.events import UNTOLD
from longplay.guard.reading.lines import (
    GOOD,
    SLOW,
    Spans,
    common_line,
    csv_line,
    json_line,
    line_end,
    names_of,
)
from longplay.guard.reading.mapping import FIELDS
from longplay.guard.reading.parts import part_of
from longplay.guard.reading.values import (
    NO_TIME,
    Bytes,
    ending_number,
    hash_of,
    number_of,
    time_of,
)

PLAIN, PATH, PREFIX, QUERY = 0, 1, 2, 3
JSON, CSV, COMMON = 0, 1, 2

SPANS = 2 * len(FIELDS)
"""Where each field of a line begins and ends."""

MOST_SECONDS = 2**31 - 1
MOST_BYTES = 2**53


@compiled
def action_of(data: Bytes, start: int, end: int) -> int:
    """The action whose name this is; what is called otherwise is a play unless it only looks."""
    if start < 0 or end - start < 4:
        return 0
    first, second = data[start] | 32, data[start + 1] | 32
    if first == 115 and second == 107:  # sk(ip)
        return 1
    if first == 100:  # d(ownload)
        return 2
    if first == 115 and second == 101:  # se(arch)
        return 3
    if first == 98:  # b(rowse)
        return 4
    return 0


@compiled
def url_part(data: Bytes, start: int, end: int, kind: int, word: Bytes) -> tuple[int, int]:
    """Where in a URL or a request line the track stands; start -1: nowhere."""
    first = start
    while first < end and data[first] != 47:  # what is before the path: `GET `, `https:`
        first += 1
    last = first
    while last < end and data[last] > 32:
        last += 1
    path = first
    while path < last and data[path] != 63:  # ?
        path += 1
    size = len(word)
    if kind == PATH:
        return (first, path) if path > first else (start, end)
    if kind == PREFIX:
        for at in range(first, path - size):
            if np.all(data[at : at + size] == word):
                stop = at + size
                while stop < path and data[stop] not in (46, 47):
                    stop += 1
                return (at + size, stop) if stop > at + size else (-1, -1)
        return -1, -1
    for at in range(path, last - size - 1):
        named = data[at] in (38, 63) and data[at + 1 + size] == 61
        if named and np.all(data[at + 1 : at + 1 + size] == word):
            stop = at + 2 + size
            while stop < last and data[stop] != 38:
                stop += 1
            return at + 2 + size, stop
    return -1, -1


@compiled
def furniture(data: Bytes, start: int, end: int) -> bool:
    """Whether a path names what pages are made of (styles, scripts, pictures): not looked for."""
    at = end - 1
    while at > start and end - at < 6 and data[at] != 46:
        at -= 1
    if data[at] != 46:
        return False
    ending = 0
    for place in range(at + 1, end):
        ending = ending * 256 + (data[place] | 32)
    return ending in (
        *(0x637373, 0x6A73, 0x706E67, 0x6A7067, 0x6A706567, 0x676966, 0x69636F, 0x737667),
        *(0x776F6666, 0x77656270, 0x78626D, 0x747466),
    )


@compiled
def fill(
    data: Bytes, spans: Spans, kind: int, word: Bytes, key: np.uint64, row: Any, at: int
) -> bool:
    """Write one event from the places of its fields. False: it is none, for want of a time, an
    account, or a track that is taken. Where nobody is named the address stands for the account,
    in `spans` too."""
    if spans[2] < 0:
        spans[2], spans[3] = spans[4], spans[5]
    if spans[0] < 0 or spans[2] < 0 or spans[3] <= spans[2]:
        return False
    time = time_of(data, spans[0], spans[1])
    if time == NO_TIME:
        return False
    action = action_of(data, spans[12], spans[13])
    first, last = spans[6], spans[7]
    if first >= 0 and kind != PLAIN:
        first, last = url_part(data, first, last, kind, word)
        if kind == PATH and spans[12] < 0 and furniture(data, first, last):
            action = 4
    if first < 0 and action < 3:
        return False
    row[at].account = hash_of(data, spans[2], spans[3], key)
    row[at].time = time
    row[at].track = hash_of(data, first, last, key) if first >= 0 else np.uint64(0)
    row[at].number = ending_number(data, first, last) if first >= 0 else -1
    row[at].address = np.uint64(0)
    if spans[4] >= 0:
        row[at].address = hash_of(data, spans[4], spans[5], key)
    row[at].bytes = -1
    if spans[8] >= 0:
        row[at].bytes = min(number_of(data, spans[8], spans[9]), MOST_BYTES)
    row[at].listened = -1
    if spans[10] >= 0:
        row[at].listened = min(number_of(data, spans[10], spans[11]), MOST_SECONDS)
    row[at].action = action
    row[at].mark = UNTOLD
    whole = number_of(data, spans[16], spans[17]) if spans[16] >= 0 else -1
    # Fewer bytes than the file has, and no word of which part they are, may be any part of it.
    if action < 3 and (spans[14] >= 0 or row[at].bytes >= whole):
        row[at].mark = part_of(data, spans[14], spans[15], row[at].track, row[at].bytes, whole)
    return True


@compiled
def line_feeds(data: Bytes) -> int:
    """How many there are; in steps that the compiler can take sixteen at a time."""
    count = 0
    for at in range(len(data)):
        count += data[at] == 10
    return count


@compiled
def fill_block(
    data: Bytes,
    form: int,
    names: Bytes,
    places: Spans,
    separator: int,
    kind: int,
    word: Bytes,
    key: np.uint64,
    rows: Any,
    accounts: Spans,
    slow: Spans,
) -> tuple[int, int, int, int]:
    """Read all lines of a block (it ends with a line feed).

    Writes events into `rows`, where their accounts' names stand into `accounts` (start and end by
    turns), and the start and end of lines for the slow way into `slow`. Answers how many lines,
    events, slow lines, and lines that are no event there are; empty lines are not counted.
    """
    spans = np.empty(SPANS, np.int64)
    fields = names_of(names, places) if form == JSON else np.empty(0, np.uint64)
    lines = found = slowly = 0
    start = 0
    size = len(data)
    while start < size:
        end = line_end(data, start)
        following = end + 1
        if end > start and data[end - 1] == 13:
            end -= 1
        if end > start:
            lines += 1
            if form == JSON:
                answer = json_line(data, start, end, fields, spans)
            elif form == CSV:
                answer = csv_line(data, start, end, places, separator, spans)
            else:
                answer = common_line(data, start, end, places, spans)
            if answer == SLOW:
                slow[2 * slowly] = start
                slow[2 * slowly + 1] = end
                slowly += 1
            elif answer == GOOD and fill(data, spans, kind, word, key, rows, found):
                accounts[2 * found] = spans[2]
                accounts[2 * found + 1] = spans[3]
                found += 1
        start = following
    return lines, found, slowly, lines - found - slowly


@compiled
def first_met(
    rows: Any, found: int, seen: npt.NDArray[np.uint64], places: npt.NDArray[np.int64]
) -> int:
    """The events whose account is not the one last met in its place of `seen`: those whose name is
    to be noted. A small table, so that a name is noted a few times at most, not once an event."""
    met = 0
    mask = np.uint64(len(seen) - 1)
    for at in range(found):
        account = rows[at].account
        place = account & mask
        if seen[place] != account:
            seen[place] = account
            places[met] = at
            met += 1
    return met
