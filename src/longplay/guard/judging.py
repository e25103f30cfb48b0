"""Accounts judged event by event, compiled. The same steps run over a whole log and live.

An account is weighed after every fourth of its events, or the next that says something: a verdict
costs more than taking the event in, and comes at most three tracks later for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import Vector
from longplay.guard.crowd import Sketch, others_of
from longplay.guard.events import Events
from longplay.guard.state import (
    COLUMNS,
    EVENTS,
    FILTER_WORDS,
    LAST,
    NEW,
    SAMPLE,
    UNDER_WAY,
    WEIGHED,
    Numbers,
    begin,
    step,
)
from longplay.guard.verdict import PRIOR, SCRAPER, SIGNS, WATCH, Nats, weigh

EVERY = 4

CANDIDATE = -3.5
"""Log-odds from which an account may be one of a group."""

NEVER = -1
"""The time of what has not happened, and the place of what is not noted."""

LEAST_ROOM = 64
"""Suspected accounts that there is room for at first."""


ROWS: dict[str, tuple[type[np.generic], int]] = {
    "hashes": (np.uint64, 1),
    "numbers": (np.float64, COLUMNS),
    "filters": (np.uint64, FILTER_WORDS),
    "samples": (np.uint32, SAMPLE),
    "times": (np.uint16, SAMPLE),
    "under_way": (np.uint32, UNDER_WAY),
    "odds": (np.float64, 1),
    "odds_at": (np.uint32, 1),
    "decided": (np.int64, 1),
    "tracks": (np.float64, 1),
    "candidate": (np.int64, 1),
    "addresses": (np.uint32, 1),
    "places": (np.int32, 1),
}
"""What is kept of every account: arrays of a row each, their types and columns."""

STATE_BYTES = sum(np.dtype(kind).itemsize * columns for kind, columns in ROWS.values())
"""What is kept of an account; of one that was suspected NOTED_BYTES more."""

NOTED_BYTES = COLUMNS * 8

LATEST = 2**32 - 1

NOT_COUNTED = np.zeros(0, np.int64)
"""How many others take each event's track, where that is not known."""


def _rows(name: str, count: int) -> npt.NDArray[Any]:
    kind, columns = ROWS[name]
    return np.zeros(count if columns == 1 else (count, columns), kind)


@dataclass(slots=True)
class Accounts:
    """The states of many accounts, a row each, and the most that was thought of each so far. Of
    accounts that were suspected (WATCH) `noted` has the numbers that told it, for the reasons;
    `used` is how many of its rows are in use."""

    hashes: npt.NDArray[np.uint64]
    numbers: Numbers
    filters: npt.NDArray[np.uint64]
    samples: npt.NDArray[np.uint32]
    times: npt.NDArray[np.uint16]
    under_way: npt.NDArray[np.uint32]  # the last tracks: half a hash, and the minute
    odds: npt.NDArray[np.float64]  # the highest log-odds, and …
    odds_at: npt.NDArray[np.uint32]  # … when that was
    decided: npt.NDArray[np.int64]  # when it was called a scraper
    tracks: npt.NDArray[np.float64]  # different tracks that it had by then
    candidate: npt.NDArray[np.int64]  # since when it may be one of a group
    addresses: npt.NDArray[np.uint32]  # half of the last address's hash; 0: not known
    places: npt.NDArray[np.int32]  # its row in …
    noted: Numbers  # … the numbers at its highest odds, or at its decision
    used: npt.NDArray[np.int64]

    @classmethod
    def none(cls) -> Accounts:
        """No account yet."""
        return cls.of({name: _rows(name, 0) for name in ROWS}, np.zeros((0, COLUMNS)))

    @classmethod
    def of(cls, rows: Mapping[str, npt.NDArray[Any]], noted: Numbers) -> Accounts:
        """Accounts by their ROWS, and what is noted of those that were suspected."""
        return cls(**rows, noted=noted, used=np.array([len(noted)]))

    def __len__(self) -> int:
        return len(self.hashes)

    def grow(self, hashes: npt.NDArray[np.uint64], firsts: npt.NDArray[np.int64]) -> None:
        """Add accounts that are met for the first time, at these times."""
        before, more = len(self), len(hashes)
        for name in ROWS:
            rows = _rows(name, more)
            setattr(self, name, np.concatenate([getattr(self, name), rows]) if before else rows)
        self.hashes[before:] = hashes
        self.odds[before:] = PRIOR
        self.decided[before:] = self.candidate[before:] = self.places[before:] = NEVER
        _begin_all(self.numbers, self.samples, before, firsts)

    def make_room(self) -> None:
        """Let more be noted."""
        more = np.zeros((max(len(self.noted), LEAST_ROOM), COLUMNS))
        self.noted = np.concatenate([self.noted, more])

    def told(self, row: int) -> Numbers:
        """The numbers of an account that say most against it."""
        place = self.places[row]
        numbers: Numbers = self.noted[place] if place >= 0 else self.numbers[row]
        return numbers

    def only(self, rows: npt.NDArray[np.int64], *, running: bool = False) -> Accounts:
        """These rows; the filters, which only a running judgement needs, with `running`."""
        some = {name: getattr(self, name)[rows] for name in ROWS if name != "filters"}
        some["filters"] = self.filters[rows] if running else _rows("filters", 0)
        there = some["places"] >= 0
        noted = self.noted[some["places"][there]]
        some["places"][there] = np.arange(len(noted))
        return Accounts.of(some, noted)


def joined(parts: list[Accounts]) -> Accounts:
    """The rows of all of them."""
    if not parts:
        return Accounts.none()
    every = {name: np.concatenate([getattr(one, name) for one in parts]) for name in ROWS}
    noted = np.concatenate([one.noted[: one.used[0]] for one in parts])
    shifts = np.cumsum([0, *(one.used[0] for one in parts[:-1])])
    moved = np.repeat(shifts, [len(one) for one in parts])
    every["places"] = np.where(every["places"] >= 0, every["places"] + moved, NEVER)
    every["places"] = every["places"].astype(np.int32)
    return Accounts.of(every, noted)


def take(accounts: Accounts, events: Events, crowd: Sketch | None, baseline: Vector) -> None:
    """Judge accounts by these events, in their order. `crowd` knows how many take each track."""
    hashes, first, inverse = _accounts_of(events)
    order = np.argsort(accounts.hashes, kind="stable")
    known = accounts.hashes[order]
    found = np.searchsorted(known, hashes)
    there = np.zeros(len(hashes), bool)
    inside = found < len(known)
    there[inside] = known[found[inside]] == hashes[inside]
    rows = np.empty(len(hashes), np.int64)
    rows[there] = order[found[there]]
    rows[~there] = len(accounts) + np.arange(int((~there).sum()))
    accounts.grow(hashes[~there], events["time"][first[~there]])
    # All at once: so the processor waits for the sketch's cells together, not for each.
    beside = NOT_COUNTED if crowd is None else others_of(crowd, events)
    done = 0
    while done < len(events):
        done = _take_from(
            done,
            accounts.numbers,
            accounts.filters,
            accounts.samples,
            accounts.times,
            accounts.under_way,
            accounts.odds,
            accounts.odds_at,
            accounts.decided,
            accounts.tracks,
            accounts.candidate,
            accounts.addresses,
            accounts.places,
            accounts.noted,
            accounts.used,
            events,
            rows[inverse],
            beside,
            baseline,
        )
        if done < len(events):
            accounts.make_room()


def _accounts_of(
    events: Events,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The accounts of some events in order, where each is first met, and for each event the place
    of its account among them."""
    places = np.empty(len(events), np.int64)
    firsts = np.empty(len(events), np.int64)
    firsts = firsts[: _first_met(events, places, firsts)]
    hashes = events["account"][firsts]
    order = np.argsort(hashes)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return hashes[order], firsts[order], ranks[places]


@compiled
def _first_met(events: Any, places: npt.NDArray[np.int64], firsts: npt.NDArray[np.int64]) -> int:
    """Number the accounts of some events as they are met: write the number of each event's into
    `places`, and where each account is first met into `firsts`. Answers how many accounts there
    are."""
    size = 16
    while size < 2 * len(events):
        size *= 2
    table = np.full(size, -1, np.int32)
    mask = np.uint64(size - 1)
    count = 0
    for at in range(len(events)):
        account = events[at].account
        slot = account & mask
        while table[slot] >= 0 and events[firsts[table[slot]]].account != account:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] < 0:
            table[slot] = count
            firsts[count] = at
            count += 1
        places[at] = table[slot]
    return count


@compiled
def _begin_all(
    numbers: Numbers, samples: npt.NDArray[np.uint32], before: int, firsts: npt.NDArray[np.int64]
) -> None:
    for at in range(len(firsts)):
        begin(numbers, samples, before + at, firsts[at])


@compiled
def _take_from(
    first: int,
    numbers: Numbers,
    filters: npt.NDArray[np.uint64],
    samples: npt.NDArray[np.uint32],
    times: npt.NDArray[np.uint16],
    under_way: npt.NDArray[np.uint32],
    odds: npt.NDArray[np.float64],
    odds_at: npt.NDArray[np.uint32],
    decided: npt.NDArray[np.int64],
    tracks: npt.NDArray[np.float64],
    candidate: npt.NDArray[np.int64],
    addresses: npt.NDArray[np.uint32],
    places: npt.NDArray[np.int32],
    noted: Numbers,
    used: npt.NDArray[np.int64],
    events: Any,
    rows: npt.NDArray[np.int64],
    beside: npt.NDArray[np.int64],
    baseline: Vector,
) -> int:
    """Take events from the `first` on; answers the first for which there is no room to note it."""
    nats = np.empty(SIGNS)
    for at in range(first, len(events)):
        if used[0] == len(noted):
            return at
        row = rows[at]
        addresses[row] = np.uint32(events[at].address >> np.uint64(32))
        others = beside[at] if len(beside) else -1
        changed = step(numbers, filters, samples, times, under_way, row, events[at], others)
        if not changed or decided[row] >= 0:
            continue
        if numbers[row, EVENTS] - numbers[row, WEIGHED] < EVERY:
            continue
        numbers[row, WEIGHED] = numbers[row, EVENTS]
        judge(
            numbers, odds, odds_at, decided, tracks, candidate, places, noted, used,
            row, baseline, nats,
        )  # fmt: skip
    return len(events)


@compiled
def judge(
    numbers: Numbers,
    odds: npt.NDArray[np.float64],
    odds_at: npt.NDArray[np.uint32],
    decided: npt.NDArray[np.int64],
    tracks: npt.NDArray[np.float64],
    candidate: npt.NDArray[np.int64],
    places: npt.NDArray[np.int32],
    noted: Numbers,
    used: npt.NDArray[np.int64],
    row: int,
    baseline: Vector,
    nats: Nats,
) -> None:
    """Weigh an account, and note what is thought of it if that is more than ever before. There must
    be room to note it."""
    now = weigh(numbers[row], baseline, nats)
    if now >= CANDIDATE and candidate[row] < 0:
        candidate[row] = np.int64(numbers[row, LAST])
    if now <= odds[row]:
        return
    odds[row] = now
    odds_at[row] = np.uint32(min(max(numbers[row, LAST], 0.0), LATEST))
    if now < WATCH:
        return
    if places[row] < 0:
        places[row] = used[0]
        used[0] += 1
    noted[places[row], :] = numbers[row, :]
    if now >= SCRAPER:
        decided[row] = np.int64(numbers[row, LAST])
        tracks[row] = numbers[row, NEW]
