"""Rounds of checks, over simulated years: nothing goes unread for longer than the period."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from longplay.vault import rounds
from longplay.vault.rounds import Copy

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Simulated:
    """Copies that come and go, and rounds that read them."""

    def __init__(self, seed: int, period: timedelta) -> None:
        self.chance = random.Random(seed)
        self.period = period
        self.copies: dict[tuple[bytes, str], Copy] = {}
        self.last: datetime | None = None
        self.longest = timedelta()
        self.read: list[int] = []

    def bring(self, now: datetime, count: int) -> None:
        for _ in range(count):
            root = self.chance.randbytes(32)
            size = int(self.chance.paretovariate(1.1) * 1000)
            for replica in ("", "second")[: self.chance.randint(1, 2)]:
                self.copies[root, replica] = Copy(root, size, replica, now)

    def lose(self, count: int) -> None:
        for key in self.chance.sample(sorted(self.copies), min(count, len(self.copies))):
            del self.copies[key]

    def round(self, now: datetime) -> None:
        oldest = sorted(self.copies.values(), key=lambda copy: (copy.checked, copy.root))
        total = sum(copy.size for copy in oldest)
        found = rounds.plan(oldest, total, now=now, last=self.last, period=self.period)
        for copy in found.copies:
            assert copy.checked is not None
            self.longest = max(self.longest, now - copy.checked)
            self.copies[copy.root, copy.replica] = replace(copy, checked=now)
        self.read.append(found.bytes)
        self.last = now


@pytest.mark.parametrize(
    ("days", "hours"), [(7, 1), (7, 24), (7, 60), (30, 6), (30, 60), (90, 24), (90, 60)]
)
def test_nothing_goes_unread_for_longer_than_the_period(days: int, hours: int) -> None:
    """Objects come in bursts and singly, and go, behind and before what waits."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    world = Simulated(seed, timedelta(days=days))
    world.bring(START, 200)
    now = START
    while now < START + 3 * world.period:
        now += timedelta(hours=hours)
        if world.chance.random() < 0.2:
            world.bring(now, world.chance.choice((1, 5, 80)))
        if world.chance.random() < 0.2:
            world.lose(world.chance.choice((1, 5, 100)))
        world.round(now)
        for copy in world.copies.values():
            assert copy.checked is not None
            assert now - copy.checked <= world.period
    assert world.longest <= world.period


def test_a_burst_is_spread_over_the_period() -> None:
    world = Simulated(5, timedelta(days=30))
    for number in range(3000):
        root = number.to_bytes(32, "big")
        world.copies[root, ""] = Copy(root, 1000, "", START)
    for day in range(1, 90):
        world.round(START + day * DAY)
    assert max(world.read) <= 3_000_000 / 28 + 1000
    assert sum(world.read[:30]) >= 3_000_000


def test_a_missed_round_makes_nothing_late() -> None:
    world = Simulated(6, timedelta(days=10))
    world.bring(START, 50)
    for day in (1, 2, 4, 5, 7, 9, 10, 12, 13, 15, 17, 18, 20, 22):
        world.round(START + day * DAY)
    assert world.longest <= world.period


def test_what_was_never_read_and_what_is_late_comes_first_and_is_counted() -> None:
    copies = [
        Copy(b"a", 5, "", None),
        Copy(b"b", 5, "", START - 40 * DAY),
        Copy(b"c", 5, "second", START - 29 * DAY),
        Copy(b"d", 5, "", START),
    ]
    found = rounds.plan(copies, 20, now=START, last=START - DAY, period=30 * DAY)
    assert [copy.root for copy in found.copies] == [b"a", b"b", b"c"]
    assert (found.bytes, found.overdue) == (15, 2)


def test_nothing_held_is_nothing_to_read() -> None:
    assert rounds.plan([], 0, now=START, last=None, period=DAY).copies == ()
