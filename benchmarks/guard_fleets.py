"""Many accounts that act as one, among listeners: how much of the catalogue has left before they
are stopped?

    python -m benchmarks.guard_fleets [--count 100000] [--size 1000] [--kind charts|anywhere]

The same traffic is judged twice: as `guard scan` does, afterwards, and live, as `guard run` does,
event by event in order of time, with a look for groups every six hours (`guard run` looks every 20
seconds).
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.guard import Result, listeners, run, training
from benchmarks.guard_traffic import (
    CATALOGUE,
    DAY,
    START,
    Kit,
    lengths,
    like_a_person,
    mix,
    uniform,
)
from longplay.guard import coordination
from longplay.guard.baseline import Baseline
from longplay.guard.events import Events
from longplay.guard.judging import Accounts, take
from longplay.guard.scan import CROWD, Member, enter
from longplay.guard.state import LAST, NEW
from longplay.guard.verdict import SCRAPER

FIRST = 10**7
TRACKS_EACH = 600
LOOK = 6 * 3600


def fleet(size: int, kind: str, kit: Kit) -> list[Events]:
    """A list dealt out among accounts, each of which lives two weeks of a person."""
    total = TRACKS_EACH * size
    ranks = np.arange(1, total + 1) if kind == "charts" else uniform(total, kit.dice)
    dealt = kit.dice.permutation(ranks)
    return [like_a_person(FIRST + at, dealt[at::size], kit, days=14) for at in range(size)]


def live(blocks: list[Events], baseline: Baseline) -> Result:
    """Judge traffic as it comes. Each block is in order of time."""
    accounts, members = Accounts.none(), dict[int, Member]()
    first = min(int(one["time"][0]) for one in blocks)
    last = max(int(one["time"][-1]) for one in blocks)
    for start in range(first, last + 1, LOOK):
        parts = []
        for one in blocks:
            begin, end = np.searchsorted(one["time"], [start, start + LOOK])
            parts.append(one[begin:end])
        slab = np.concatenate(parts)
        if len(slab):
            take(
                accounts,
                slab[np.argsort(slab["time"], kind="stable")],
                None,
                baseline.vector(),
            )
            look(accounts, members)
    return _result(accounts, members)


def look(accounts: Accounts, members: dict[int, Member]) -> None:
    rows = np.flatnonzero(accounts.candidate >= 0)
    if not len(rows):
        return
    candidates = accounts.only(rows)
    drawn = accounts.only(np.argsort(accounts.hashes, kind="stable")[:CROWD])
    group = coordination.find(candidates, drawn, int(candidates.numbers[:, LAST].max()))
    if group is not None:
        enter(members, candidates, group)


def _result(accounts: Accounts, members: dict[int, Member]) -> Result:
    hashes = accounts.hashes.tolist()
    odds = dict(zip(hashes, accounts.odds.tolist(), strict=True))
    tracks = dict(zip(hashes, accounts.numbers[:, NEW].tolist(), strict=True))
    decided = {}
    for row in np.flatnonzero(accounts.decided >= 0).tolist():
        decided[hashes[row]] = int(accounts.decided[row])
        tracks[hashes[row]] = float(accounts.tracks[row])
    for account, member in members.items():
        if account not in decided or member.decided < decided[account]:
            decided[account], tracks[account] = member.decided, member.tracks
        odds[account] = max(odds[account], member.odds)
    return Result(odds, decided, tracks, {h: one.group for h, one in members.items()})


def told(result: Result, size: int, count: int) -> dict[str, Any]:
    fleet_ones = [int(mix(np.uint64(FIRST + at))) for at in range(size)]
    honest = [int(mix(np.uint64(at))) for at in range(count)]
    leaked = sum(result.tracks.get(one, 0.0) for one in fleet_ones)
    days = [(result.decided[one] - START) / DAY for one in fleet_ones if one in result.decided]
    return {
        "stopped": len(days),
        "in_groups": sum(one in result.group for one in fleet_ones),
        "leaked": round(leaked),
        "share_of_catalogue": leaked / CATALOGUE,
        "median_day": round(float(np.median(days)), 1) if days else None,
        "honest_stopped": sum(result.odds.get(one, -8.0) >= SCRAPER for one in honest),
        "honest_in_groups": len(set(result.group) & set(honest)),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--kind", default="charts", choices=["charts", "anywhere"])
    asked = parser.parse_args()
    crowd_of, baseline = training()
    kit = Kit(crowd_of, lengths(crowd_of), np.random.default_rng(9))
    made = np.concatenate(fleet(asked.size, asked.kind, kit))
    made = made[np.argsort(made["time"], kind="stable")]

    def blocks() -> Iterable[Events]:
        yield from listeners(crowd_of, 0, asked.count, 7)
        yield made

    document = {
        "kind": asked.kind,
        "accounts": asked.size,
        "listeners": asked.count,
        "scan": told(run(blocks(), baseline), asked.size, asked.count),
        "live": told(live(list(blocks()), baseline), asked.size, asked.count),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
