"""Accounts judged event by event, compiled. The same steps run over a whole log and live.

An account is weighed after every fourth of its events, or the next that says something: a verdict
costs more than taking the event in, and comes at most three tracks later for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import Vector
from longplay.guard.crowd import Sketch, others
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
from longplay.guard.verdict import PRIOR, SCRAPER, SIGNS, Nats, weigh

EVERY = 4

CANDIDATE = -3.5
"""Log-odds from which an account may be one of a group."""

NEVER = -1
"""The time of what has not happened."""


@dataclass(slots=True)
class Accounts:
    """The states of many accounts, a row each, and the most that was thought of each so far."""

    hashes: npt.NDArray[np.uint64]
    numbers: Numbers
    filters: npt.NDArray[np.uint64]
    samples: npt.NDArray[np.uint32]
    times: npt.NDArray[np.uint32]
    under_way: npt.NDArray[np.uint32]  # the last tracks: half a hash, and the minute
    odds: npt.NDArray[np.float64]  # the highest log-odds, and …
    at_odds: Numbers  # … the account's numbers at that moment, or at its decision
    decided: npt.NDArray[np.int64]  # when it was called a scraper
    tracks: npt.NDArray[np.float64]  # different tracks that it had by then
    candidate: npt.NDArray[np.int64]  # since when it may be one of a group
    addresses: npt.NDArray[np.uint32]  # half of the last address's hash; 0: not known

    @classmethod
    def none(cls) -> Accounts:
        """No account yet."""
        return cls(
            np.zeros(0, np.uint64),
            np.zeros((0, COLUMNS)),
            np.zeros((0, FILTER_WORDS), np.uint64),
            np.zeros((0, SAMPLE), np.uint32),
            np.zeros((0, SAMPLE), np.uint32),
            np.zeros((0, UNDER_WAY), np.uint32),
            np.zeros(0),
            np.zeros((0, COLUMNS)),
            np.zeros(0, np.int64),
            np.zeros(0),
            np.zeros(0, np.int64),
            np.zeros(0, np.uint32),
        )

    def __len__(self) -> int:
        return len(self.hashes)

    def grow(self, hashes: npt.NDArray[np.uint64], firsts: npt.NDArray[np.int64]) -> None:
        """Add accounts that are met for the first time, at these times."""
        before, more = len(self), len(hashes)
        self.hashes = np.concatenate([self.hashes, hashes])
        self.numbers = np.concatenate([self.numbers, np.zeros((more, COLUMNS))])
        self.filters = np.concatenate([self.filters, np.zeros((more, FILTER_WORDS), np.uint64)])
        self.samples = np.concatenate([self.samples, np.zeros((more, SAMPLE), np.uint32)])
        self.times = np.concatenate([self.times, np.zeros((more, SAMPLE), np.uint32)])
        self.under_way = np.concatenate([self.under_way, np.zeros((more, UNDER_WAY), np.uint32)])
        self.odds = np.concatenate([self.odds, np.full(more, PRIOR)])
        self.at_odds = np.concatenate([self.at_odds, np.zeros((more, COLUMNS))])
        self.decided = np.concatenate([self.decided, np.full(more, NEVER)])
        self.tracks = np.concatenate([self.tracks, np.zeros(more)])
        self.candidate = np.concatenate([self.candidate, np.full(more, NEVER)])
        self.addresses = np.concatenate([self.addresses, np.zeros(more, np.uint32)])
        _begin_all(self.numbers, self.samples, before, firsts)

    def only(self, rows: npt.NDArray[np.int64]) -> Accounts:
        """These rows, without the filters, which only a running judgement needs."""
        return Accounts(
            self.hashes[rows],
            self.numbers[rows],
            np.zeros((0, FILTER_WORDS), np.uint64),
            self.samples[rows],
            self.times[rows],
            self.under_way[rows],
            self.odds[rows],
            self.at_odds[rows],
            self.decided[rows],
            self.tracks[rows],
            self.candidate[rows],
            self.addresses[rows],
        )


def joined(parts: list[Accounts]) -> Accounts:
    """The rows of all of them."""
    if not parts:
        return Accounts.none()
    names = Accounts.__slots__
    return Accounts(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))


def take(accounts: Accounts, events: Events, crowd: Sketch | None, baseline: Vector) -> None:
    """Judge accounts by these events, in their order. `crowd` knows how many take each track."""
    hashes, first, inverse = np.unique(events["account"], return_index=True, return_inverse=True)
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
    _take_all(
        accounts.numbers,
        accounts.filters,
        accounts.samples,
        accounts.times,
        accounts.under_way,
        accounts.odds,
        accounts.at_odds,
        accounts.decided,
        accounts.tracks,
        accounts.candidate,
        accounts.addresses,
        events,
        rows[inverse],
        np.zeros((2, 1), np.uint32) if crowd is None else crowd,
        crowd is not None,
        baseline,
    )


@compiled
def _begin_all(
    numbers: Numbers, samples: npt.NDArray[np.uint32], before: int, firsts: npt.NDArray[np.int64]
) -> None:
    for at in range(len(firsts)):
        begin(numbers, samples, before + at, firsts[at])


@compiled
def _take_all(
    numbers: Numbers,
    filters: npt.NDArray[np.uint64],
    samples: npt.NDArray[np.uint32],
    times: npt.NDArray[np.uint32],
    under_way: npt.NDArray[np.uint32],
    odds: npt.NDArray[np.float64],
    at_odds: Numbers,
    decided: npt.NDArray[np.int64],
    tracks: npt.NDArray[np.float64],
    candidate: npt.NDArray[np.int64],
    addresses: npt.NDArray[np.uint32],
    events: Any,
    rows: npt.NDArray[np.int64],
    crowd: Sketch,
    crowded: bool,
    baseline: Vector,
) -> None:
    nats = np.empty(SIGNS)
    for at in range(len(events)):
        row = rows[at]
        addresses[row] = np.uint32(events[at].address >> np.uint64(32))
        beside = others(crowd, events[at].track) if crowded else -1
        changed = step(numbers, filters, samples, times, under_way, row, events[at], beside)
        if not changed or decided[row] >= 0:
            continue
        if numbers[row, EVENTS] - numbers[row, WEIGHED] < EVERY:
            continue
        numbers[row, WEIGHED] = numbers[row, EVENTS]
        judge(numbers, odds, at_odds, decided, tracks, candidate, row, baseline, nats)


@compiled
def judge(
    numbers: Numbers,
    odds: npt.NDArray[np.float64],
    at_odds: Numbers,
    decided: npt.NDArray[np.int64],
    tracks: npt.NDArray[np.float64],
    candidate: npt.NDArray[np.int64],
    row: int,
    baseline: Vector,
    nats: Nats,
) -> None:
    """Weigh an account, and note what is thought of it if that is more than ever before."""
    now = weigh(numbers[row], baseline, nats)
    if now >= CANDIDATE and candidate[row] < 0:
        candidate[row] = np.int64(numbers[row, LAST])
    if now > odds[row]:
        odds[row] = now
        at_odds[row, :] = numbers[row, :]
        if now >= SCRAPER:
            decided[row] = np.int64(numbers[row, LAST])
            tracks[row] = numbers[row, NEW]
