"""Many accounts that act as one, among listeners: how much of the catalogue has left before they
are stopped?

    python -m benchmarks.guard_fleets [--count 100000] [--size 1000] [--kind charts|anywhere]
    python -m benchmarks.guard_fleets --kind replaced [--count 3000] [--size 20]

Of fleets that share a list, the same traffic is judged twice: as `guard scan` does, afterwards, and
live, as `guard run` does, event by event in order of time, with a look for groups every six hours
(`guard run` looks every 20 seconds). Those that are replaced are judged live: whoever is stopped
goes on an hour later with a new account.
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
    zipf,
)
from longplay.guard import company, grouping
from longplay.guard.baseline import Baseline
from longplay.guard.events import EVENT, Events
from longplay.guard.grouping import Member
from longplay.guard.judging import Accounts, take
from longplay.guard.scan import CROWD
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
    places = company.empty()
    company.count_in(places, accounts)
    at = int(candidates.numbers[:, LAST].max())
    grouping.look(members, candidates, drawn, places, at)


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


@dataclass
class Chain:
    """Accounts one after the other that take from one list, from one address or from new ones."""

    numbers: list[int]
    ranks: npt.NDArray[np.int64]
    address: int
    events: Events
    taken: list[float]

    def begin(self, number: int, at: int, kit: Kit) -> None:
        """The next account goes on with what is left of the list."""
        self.numbers.append(number)
        days = (at - START) // DAY
        left = self.ranks[int(sum(self.taken)) :]
        events = like_a_person(number, left, kit, days=30)
        events["time"] += days * DAY
        events["address"] = np.uint64(self.address or number) << np.uint64(32)
        self.events = events[events["time"] >= at]


def replaced(
    blocks: list[Events], size: int, same_address: bool, baseline: Baseline, kit: Kit
) -> dict[str, Any]:
    """For thirty days somebody takes a new account, an hour after one was stopped."""
    accounts, members = Accounts.none(), dict[int, Member]()
    chains = [
        Chain([], zipf(30_000, kit.dice), (at + 1) * same_address, np.empty(0, EVENT), [])
        for at in range(size)
    ]
    number = FIRST
    for chain in chains:
        chain.begin(number, START + int(kit.dice.integers(0, 3 * DAY)), kit)
        number += 1
    for start in range(START, START + 30 * DAY, LOOK):
        parts = []
        for one in [*blocks, *(chain.events for chain in chains)]:
            begin, end = np.searchsorted(one["time"], [start, start + LOOK])
            parts.append(one[begin:end])
        slab = np.concatenate(parts)
        take(accounts, slab[np.argsort(slab["time"], kind="stable")], None, baseline.vector())
        look(accounts, members)
        result = _result(accounts, members)
        for chain in chains:
            account = int(mix(np.uint64(chain.numbers[-1])))
            if account in result.decided:
                chain.taken.append(result.tracks[account])
                chain.begin(number, start + LOOK + 3600, kit)
                number += 1
    stopped = [one for chain in chains for one in chain.taken]
    later = [one for chain in chains for one in chain.taken[2:]]
    return {
        "accounts_stopped": len(stopped),
        "tracks_each_at_first": round(
            float(np.mean([chain.taken[0] for chain in chains if chain.taken]))
        ),
        "tracks_each_from_the_third": round(float(np.mean(later))) if later else None,
        "accounts_used_a_month": round(len(stopped) / size + 1, 1),
        "by_company": sum(bool(one.company) and not one.group for one in members.values()),
        "honest_stopped": len(result.decided) - len(stopped),
    }


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
    parser.add_argument("--kind", default="charts", choices=["charts", "anywhere", "replaced"])
    asked = parser.parse_args()
    crowd_of, baseline = training()
    kit = Kit(crowd_of, lengths(crowd_of), np.random.default_rng(9))
    if asked.kind == "replaced":
        some = list(listeners(crowd_of, 0, asked.count, 30))
        for same in (True, False):
            print(same, json.dumps(replaced(some, asked.size, same, baseline, kit)))
        return
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
