"""How many accounts took each track in the last weeks, for a guard that does not know how a log
ends, and what share of its tracks each account takes alone by that.

Two sketches (`crowd`): of the present period, and of the one before. A period ends after two weeks,
or when its sketch is too full to tell tracks apart; the next then has four times as many cells. An
account's share is told from the sample of its tracks, so that what others take later counts as
well: it is as of now, whenever the account came.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled, inlined
from longplay.guard.baseline import ALONE_A, ALONE_B, Vector
from longplay.guard.crowd import Sketch, count_in, empty, place, tag_of
from longplay.guard.events import Events
from longplay.guard.judging import Accounts, judge
from longplay.guard.state import ALONE, FIRST, SAMPLED_SECONDS, SINCE_NEW, Numbers
from longplay.guard.verdict import SIGNS

PERIOD = 14 * 86400
"""Seconds of a log that one sketch counts."""

CELLS, MOST_CELLS = 1 << 18, 1 << 24
"""Cells of a row of the first sketch (2 MB), and of the largest (128 MB)."""

FULLEST = 0.4
"""Share of cells in use from which a sketch is too full: one track in six shares both its cells."""

LEAST_SAMPLED = 14
"""Tracks of a sample, taken in these periods, from which it says something."""


@dataclass(slots=True)
class Lately:
    """Who took what. `since` and `earlier` are when the two periods began, in seconds since
    1970 by the log."""

    now: Sketch = field(default_factory=lambda: empty(CELLS))
    before: Sketch = field(default_factory=lambda: empty(1))
    since: int = 0
    earlier: int = 0
    _counted: int = field(init=False)

    def __post_init__(self) -> None:
        self._counted = int(np.count_nonzero(self.now[0]))  # what was saved is part of it

    def count(self, events: Events) -> None:
        """Count what some events take."""
        if not self.since:
            self.since = self.earlier = int(events["time"].min())
        latest, full = int(events["time"].max()), self._is_full()
        if full or latest - self.since > PERIOD:
            cells = self.now.shape[1] * (4 if full else 1)
            self.before, self.now = self.now, empty(min(cells, MOST_CELLS))
            self.earlier, self.since, self._counted = self.since, latest, 0
        count_in(self.now, events)
        self._counted += len(events)

    def _is_full(self) -> bool:
        # Cells in use are no more than events: those are counted first, which costs nothing.
        most = FULLEST * self.now.shape[1]
        if self._counted > most:
            self._counted = int(np.count_nonzero(self.now[0]))
        return bool(self._counted > most)

    def alone(self, accounts: Accounts) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """For each account how many tracks of its sample nobody else took, and of how many this is
        known."""
        hits, known = np.zeros((2, len(accounts)), np.int64)
        _count_alone(
            accounts.hashes, accounts.numbers, accounts.samples, accounts.times, self.now,
            self.before, self.earlier, hits, known,
        )  # fmt: skip
        return hits, known


def judge_alone(
    accounts: Accounts,
    hits: npt.NDArray[np.int64],
    known: npt.NDArray[np.int64],
    baseline: Vector,
) -> None:
    """Judge accounts anew by what they take alone. A sample's share is drawn towards what is usual,
    for it is small."""
    done = 0
    while done < len(accounts):
        done = _judge_from(
            done, accounts.numbers, accounts.odds, accounts.odds_at, accounts.decided,
            accounts.tracks, accounts.candidate, accounts.places, accounts.noted, accounts.used,
            hits, known, baseline,
        )  # fmt: skip
        if done < len(accounts):
            accounts.make_room()


@inlined
def _only(sketch: Sketch, track: np.uint64, tag: np.uint32) -> bool:
    """Whether nobody but the account with this tag took a track, in one period."""
    for row in range(2):
        value = sketch[row, place(sketch, row, track)]
        count = value & np.uint32(0xFFFF)
        if count == 0 or (count == 1 and value >> np.uint32(16) == tag):
            return True
    return False


@compiled
def _count_alone(
    hashes: npt.NDArray[np.uint64],
    numbers: Numbers,
    samples: npt.NDArray[np.uint32],
    times: npt.NDArray[np.uint16],
    now: Sketch,
    before: Sketch,
    first: int,
    hits: npt.NDArray[np.int64],
    known: npt.NDArray[np.int64],
) -> None:
    for row in range(len(hashes)):
        tag = tag_of(hashes[row])
        for at in range(samples.shape[1]):
            if samples[row, at] == np.uint32(0xFFFFFFFF):
                break
            if numbers[row, FIRST] + times[row, at] * SAMPLED_SECONDS < first:
                continue
            known[row] += 1
            track = np.uint64(samples[row, at]) << np.uint64(32)
            if _only(now, track, tag) and _only(before, track, tag):
                hits[row] += 1


@compiled
def _judge_from(
    first: int,
    numbers: Numbers,
    odds: npt.NDArray[np.float64],
    odds_at: npt.NDArray[np.uint32],
    decided: npt.NDArray[np.int64],
    tracks: npt.NDArray[np.float64],
    candidate: npt.NDArray[np.int64],
    places: npt.NDArray[np.int32],
    noted: Numbers,
    used: npt.NDArray[np.int64],
    hits: npt.NDArray[np.int64],
    known: npt.NDArray[np.int64],
    baseline: Vector,
) -> int:
    """Judge from the `first` row on; answers the first for which there is no room to note it."""
    nats = np.empty(SIGNS)
    a, b = baseline[ALONE_A], baseline[ALONE_B]
    for row in range(first, len(hits)):
        if used[0] == len(noted):
            return row
        if decided[row] >= 0 or known[row] < LEAST_SAMPLED:
            continue
        share = (hits[row] + a) / (known[row] + a + b)
        numbers[row, ALONE] = share * numbers[row, SINCE_NEW]
        judge(
            numbers, odds, odds_at, decided, tracks, candidate, places, noted, used,
            row, baseline, nats,
        )  # fmt: skip
    return len(hits)
