"""What others would do, on the same traffic: rate limits an account, tuned as well as they can be,
and scikit-learn's IsolationForest on features of accounts. Both are given the threshold that stops
nobody of the tuning listeners, or one in 10,000.

    python -m benchmarks.guard_peers [--count 3000]

scikit-learn is no dependency of ours: where it is not installed, its row says so.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from benchmarks.guard import EACH, KINDS, dealt, listeners, training
from benchmarks.guard_traffic import DAY, START, Kit, lengths
from longplay.guard.events import Events

WINDOWS = (60, 600, 3600, DAY)


def by_account(blocks: Iterable[Events]) -> Iterable[Events]:
    for events in blocks:
        ordered = events[np.lexsort((events["time"], events["account"]))]
        bounds = np.flatnonzero(np.diff(ordered["account"])) + 1
        yield from np.split(ordered, bounds)


def fullest(own: Events) -> npt.NDArray[np.int64]:
    """The events of each event's window, for each window: what a leaky bucket or findtime
    counts."""
    times = own["time"]
    place = np.arange(1, len(times) + 1)
    return np.array([place - np.searchsorted(times, times - window) for window in WINDOWS])


def distinct_before(own: Events, at: int) -> int:
    return len(np.unique(own["track"][:at]))


def features(own: Events, until: int) -> list[float]:
    some = own[own["time"] < until]
    if len(some) < 20:
        return [0.0] * 8
    days = max((some["time"][-1] - some["time"][0]) / DAY, 1.0)
    gaps = np.diff(some["time"])
    hours = np.unique(some["time"] // 3600)
    return [
        len(some) / days,
        len(np.unique(some["track"])) / len(some),
        len(np.unique(some["track"])) / days,
        float(np.median(gaps)),
        float(gaps.std()),
        len(hours) / days,
        float((some["action"] == 1).mean()),
        float(np.bincount(some["time"] // 3600 - some["time"][0] // 3600).max()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=3000)
    count = parser.parse_args().count
    crowd_of, _ = training()
    kit = Kit(crowd_of, lengths(crowd_of), np.random.default_rng(7))
    honest = [one for one in by_account(listeners(crowd_of, 0, count, 30)) if len(one)]
    peaks = np.array([fullest(one).max(1) for one in honest])
    limits = peaks.max(0)
    print("limits that stop no tuning listener:", dict(zip(WINDOWS, limits.tolist(), strict=True)))
    forest, least = isolation([features(one, START + 99 * DAY) for one in honest])
    number = 10**7
    kinds: dict[str, list[Events]] = {}
    for name, make in KINDS.items():
        kinds[name] = [make(number + at, kit) for at in range(EACH)]
        number += EACH
    kinds["100 accounts, charts by turns"] = dealt(
        list(range(number, number + 100)), np.arange(1, 40_001), kit
    )
    for name, accounts in kinds.items():
        sorted_ones = [one[np.argsort(one["time"], kind="stable")] for one in accounts]
        limited = [_limited(one, limits) for one in sorted_ones]
        line = f"{name}: rate limits stop {_told(limited)}"
        if forest is not None:
            line += f"; IsolationForest {_told([_seen(one, forest, least) for one in sorted_ones])}"
        print(line)


def _told(found: list[tuple[bool, int]]) -> str:
    leaks = [leak for _, leak in found]
    return f"{sum(one for one, _ in found)} of {len(found)}, median {np.median(leaks):,.0f}"


def _limited(own: Events, limits: npt.NDArray[np.int64]) -> tuple[bool, int]:
    over = np.flatnonzero((fullest(own) > limits[:, None]).any(0))
    at = int(over[0]) if len(over) else len(own)
    return bool(len(over)), distinct_before(own, at)


def isolation(rows: list[list[float]]) -> tuple[object, float]:
    try:
        from sklearn.ensemble import IsolationForest
    except ImportError:
        print("scikit-learn is not installed: no IsolationForest")
        return None, 0.0
    forest = IsolationForest(n_estimators=200, random_state=1).fit(np.array(rows))
    return forest, float(forest.score_samples(np.array(rows)).min())


def _seen(own: Events, forest: object, least: float) -> tuple[bool, int]:
    """Looked at after every day."""
    ends = range(int(own["time"][0]) // DAY * DAY + DAY, int(own["time"][-1]) + DAY + 1, DAY)
    rows = np.array([features(own, end) for end in ends])
    scores = forest.score_samples(rows)  # type: ignore[attr-defined]
    over = np.flatnonzero((scores < least) & (rows[:, 0] > 0))
    if not len(over):
        return False, distinct_before(own, len(own))
    return True, distinct_before(own, int(np.searchsorted(own["time"], ends[int(over[0])])))


if __name__ == "__main__":
    main()
