"""One log, from file to events: blocks are read, parsed in threads, and handed on in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from longplay.guard.events import EVENT, Events, key_of
from longplay.guard.reading.blocks import Damage, blocks
from longplay.guard.reading.filling import COMMON, CSV, JSON, fill_block, first_met, line_feeds
from longplay.guard.reading.mapping import FIELDS, Format, Mapping, recognise
from longplay.guard.reading.slow import plain_line

HEAD_LINES = 100
"""Lines by which a log's format and the names of its fields are told."""

THREADS = 2

SEEN_ACCOUNTS = 1 << 20
"""Places of the table that keeps names from being noted again and again (8 MB)."""

FORMS = {Format.JSON: JSON, Format.CSV: CSV, Format.COMMON: COMMON}


@dataclass(slots=True)
class Counts:
    """What was in a log: lines, events, and lines that are none, by what is wrong with them."""

    lines: int = 0
    events: int = 0
    no_event: int = 0
    bad_encoding: int = 0
    damage: Damage = field(default_factory=Damage)


@dataclass(slots=True)
class Read:
    """The events of one block, and the names of accounts that are met in it; `key` is what names
    are hashed with."""

    key: int
    events: Events
    names: dict[int, bytes]
    lines: int
    no_event: int
    bad_encoding: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What the compiled readers need to know of a mapping."""

    mapping: Mapping
    key: np.uint64
    seen: npt.NDArray[np.uint64]


def read(
    path: Path, wishes: dict[str, str], counts: Counts, key: int | None = None
) -> Iterator[Read]:
    """The events of a log, block by block in the order of its lines. Raises InputError for a log
    that cannot be opened or whose fields are not known."""
    stream = blocks(path, counts.damage)
    first = next(stream, b"")
    mapping = recognise(first.split(b"\n", HEAD_LINES)[:HEAD_LINES], wishes, str(path))
    drawn = np.uint64(key_of(first[: 1 << 16]) if key is None else key)
    plan = Plan(mapping, drawn, np.zeros(SEEN_ACCOUNTS, np.uint64))
    if mapping.format is Format.CSV:
        first = first.partition(b"\n")[2]
    with ThreadPoolExecutor(THREADS) as pool:
        waiting: deque[Future[Read]] = deque()
        for block in chain([first], stream):
            waiting.append(pool.submit(parse, block, plan))
            if len(waiting) > THREADS:
                yield _counted(waiting.popleft().result(), counts)
        while waiting:
            yield _counted(waiting.popleft().result(), counts)


def _counted(one: Read, counts: Counts) -> Read:
    counts.lines += one.lines
    counts.events += len(one.events)
    counts.no_event += one.no_event
    counts.bad_encoding += one.bad_encoding
    return one


def parse(block: bytes, plan: Plan) -> Read:
    """The events of one block of whole lines."""
    mapping = plan.mapping
    if mapping.nested:
        block, wrong = _flattened(block.split(b"\n"), mapping)
        one = _parsed(block, _flat_mapping(mapping), plan)
        one.lines += wrong
        one.no_event += wrong
        return one
    return _parsed(block, mapping, plan)


def _parsed(block: bytes, mapping: Mapping, plan: Plan) -> Read:
    data = np.frombuffer(block, np.uint8)
    most = line_feeds(data) + 1
    rows = np.empty(most, EVENT)
    accounts, slow = np.empty(2 * most, np.int64), np.empty(2 * most, np.int64)
    names = np.frombuffer("".join(mapping.names).encode() or b" ", np.uint8)
    ends = np.cumsum([0, *(len(name.encode()) for name in mapping.names)])
    places = ends if mapping.format is Format.JSON else np.array(mapping.columns, np.int64)
    word = np.frombuffer(mapping.track_word.encode() or b" ", np.uint8)
    lines, found, slowly, wrong = fill_block(
        data,
        FORMS[mapping.format],
        names,
        places,
        ord(mapping.separator),
        mapping.track_kind.value,
        word,
        plan.key,
        rows,
        accounts,
        slow,
    )
    met = np.empty(found, np.int64)
    count = first_met(rows, found, plan.seen, met)
    known = {
        int(rows["account"][at]): block[accounts[2 * at] : accounts[2 * at + 1]]
        for at in met[:count].tolist()
    }
    one = Read(int(plan.key), rows[:found], known, lines, wrong, _badly_encoded(block))
    return _with_slow(one, block, slow[: 2 * slowly], mapping, plan) if slowly else one


def _with_slow(
    one: Read, block: bytes, slow: npt.NDArray[np.int64], mapping: Mapping, plan: Plan
) -> Read:
    """The events of the lines that took the slow way, behind those of the block."""
    lines = [block[start:end] for start, end in slow.reshape(-1, 2).tolist()]
    flat, wrong = _flattened(lines, mapping)
    more = _parsed(flat, _flat_mapping(mapping), plan)
    return Read(
        one.key,
        np.concatenate([one.events, more.events]),
        one.names | more.names,
        one.lines,
        one.no_event + more.no_event + wrong,
        one.bad_encoding,
    )


def _flattened(lines: list[bytes], mapping: Mapping) -> tuple[bytes, int]:
    """The lines in the shape that needs no map, and how many are no event."""
    full = [line for line in lines if line.strip()]
    flat = [plain_line(line, mapping) for line in full]
    good = [line for line in flat if line is not None]
    return b"\n".join(good) + b"\n", len(full) - len(good)


def _flat_mapping(mapping: Mapping) -> Mapping:
    return Mapping(
        Format.JSON, FIELDS, track_kind=mapping.track_kind, track_word=mapping.track_word
    )


def _badly_encoded(block: bytes) -> int:
    """Lines that are no UTF-8; they are read all the same, byte for byte."""
    if block.isascii():
        return 0
    try:
        block.decode()
    except UnicodeDecodeError:
        return sum(_undecodable(line) for line in block.split(b"\n"))
    return 0


def _undecodable(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return True
    return False
