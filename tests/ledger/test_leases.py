"""Leases: each range of a plan is somebody's, and nobody's work counts twice."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from longplay import clock
from longplay.errors import LeaseLostError
from longplay.ledger import leases, log, tables
from longplay.ledger.database import Ledger, holder, is_gone, open_ledger
from longplay.ledger.leases import LEASE_TIME, MAX_RANGE, Standing

DEAD = holder().rsplit(":", 2)[0] + ":999999:1"
ELSEWHERE = "another-host:1:1"


def finish(ledger: Ledger, first: int, name: str) -> None:
    with ledger.write() as connection:
        leases.renew(connection, "p", first, name, done=True)


def row(ledger: Ledger, first: int = 0) -> sa.Row[tuple[object, ...]]:
    with ledger.read() as connection:
        return connection.execute(
            tables.leases.select().where(tables.leases.c.first == first)
        ).one()


def expire(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = clock.now() + LEASE_TIME + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_ranges_cover_the_plan_once(ledger: Ledger) -> None:
    total = 2 * MAX_RANGE + 7
    me = holder()
    spans = []
    while span := leases.acquire(ledger, "p", total, me):
        spans.append(span)
        finish(ledger, span[0], me)
    covered = [ordinal for first, last in spans for ordinal in range(first, last + 1)]
    assert covered == list(range(total))
    leases.begin_pass(ledger, "p", total)
    assert leases.acquire(ledger, "p", total, me) == (0, MAX_RANGE - 1)


@pytest.mark.parametrize(
    ("total", "workers", "size"),
    [(10, 2, 64), (1_000, 3, 64), (10_000, 4, 312), (10**6, 4, 1024), (86 * 10**6, 1000, 1024)],
)
def test_ranges_are_as_large_as_the_plan_and_its_workers_allow(
    total: int, workers: int, size: int
) -> None:
    assert leases.range_size(total, workers) == size


def test_a_dead_holders_range_is_taken_over_and_a_live_ones_is_not(ledger: Ledger) -> None:
    assert is_gone(DEAD)
    assert is_gone(f"run@{DEAD}")
    assert not is_gone(holder())
    assert not is_gone(leases.token())
    assert not is_gone(ELSEWHERE)
    assert leases.acquire(ledger, "p", 10, DEAD) == (0, 9)
    assert leases.acquire(ledger, "p", 10, holder()) == (0, 9)
    assert leases.acquire(ledger, "p", 10, "another-host:2:2") is None


def test_a_slow_holder_cannot_commit_what_was_taken_over(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leases.acquire(ledger, "p", 10, ELSEWHERE) == (0, 9)
    expire(monkeypatch)
    assert leases.acquire(ledger, "p", 10, holder()) == (0, 9)
    with pytest.raises(LeaseLostError, match="taken over"), ledger.write() as connection:
        log.append(connection, "capture", "p", {})
        leases.renew(connection, "p", 0, ELSEWHERE, done=False)
    with ledger.read() as connection:
        assert log.head(connection) == 0


def test_a_repeated_run_takes_over_from_the_one_before_it(ledger: Ledger) -> None:
    granter, slow, repeated = (leases.token() for _ in range(3))
    leases.acquire(ledger, "p", 10, granter)
    leases.adopt(ledger, "p", 0, granter, slow)
    leases.adopt(ledger, "p", 0, granter, repeated)
    with pytest.raises(LeaseLostError), ledger.write() as connection:
        leases.renew(connection, "p", 0, slow, done=True)
    finish(ledger, 0, repeated)
    assert row(ledger).done == 1


def test_a_run_that_was_granted_too_long_ago_adopts_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = leases.token(), leases.token()
    leases.acquire(ledger, "p", 10, first)
    expire(monkeypatch)
    leases.acquire(ledger, "p", 10, second)
    with pytest.raises(LeaseLostError):
        leases.adopt(ledger, "p", 0, first, leases.token())
    leases.adopt(ledger, "p", 0, second, leases.token())
    with pytest.raises(LeaseLostError, match="another pass"):
        leases.adopt(ledger, "p", 64, second, leases.token())


def test_while_the_granter_lives_a_dead_run_is_not_taken_over_by_a_third(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    granter = leases.token()
    leases.acquire(ledger, "p", 10, granter)
    leases.adopt(ledger, "p", 0, granter, f"run@{DEAD}")
    assert leases.acquire(ledger, "p", 10, leases.token()) is None
    expire(monkeypatch)
    assert leases.acquire(ledger, "p", 10, leases.token()) == (0, 9)


def test_what_is_given_back_is_there_at_once(ledger: Ledger) -> None:
    one, two = leases.token(), leases.token()
    leases.acquire(ledger, "p", 10, one)
    leases.give_back(ledger, "p", 0, two)  # not his to give
    assert leases.acquire(ledger, "p", 10, two) is None
    leases.give_back(ledger, "p", 0, one)
    assert leases.acquire(ledger, "p", 10, two) == (0, 9)
    finish(ledger, 0, two)
    leases.give_back(ledger, "p", 0, two)
    assert leases.acquire(ledger, "p", 10, one) is None
    assert leases.others(ledger, "p") == 0


def test_the_granter_keeps_what_waits_and_sees_what_hangs(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three, gone = (leases.token() for _ in range(4))
    granted = {one: 0, two: 10, three: 20}
    for granter, first in granted.items():
        assert leases.acquire(ledger, "p", 30, granter, 10) == (first, first + 9)
    leases.adopt(ledger, "p", 10, two, f"run@{ELSEWHERE}")
    leases.adopt(ledger, "p", 20, three, f"run@{ELSEWHERE}")
    finish(ledger, 20, f"run@{ELSEWHERE}")
    assert leases.keep_granted(ledger, "p", granted) == Standing(frozenset({one}))
    monkeypatch.setattr(leases, "LEASE_TIME", 3 * LEASE_TIME)
    leases.keep_granted(ledger, "p", granted)
    expire(monkeypatch)
    found = leases.keep_granted(ledger, "p", {**granted, gone: 10})
    assert found == Standing(frozenset({one}), frozenset({two, three, gone}))
    assert row(ledger, 0).expires > clock.timestamp()
    assert row(ledger, 10).expires < clock.timestamp()
    assert leases.others(ledger, "p", {0}) == 1
    assert leases.acquire(ledger, "p", 30, leases.token(), skip={10}) is None
    assert leases.acquire(ledger, "p", 30, leases.token()) == (10, 19)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_withdrawn_grant_is_adopted_by_nobody_and_its_holder_ends(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.01)
    granter, run, other = (leases.token() for _ in range(3))
    leases.acquire(ledger, "p", 10, granter)
    leases.adopt(ledger, "p", 0, granter, run)
    with leases.kept(ledger, "p", 0, run) as heart:
        assert not heart.stopped
        leases.withdraw(ledger, "p", 0, granter, at_once=at_once)
        wait_until(lambda: heart.stopped)
    with pytest.raises(LeaseLostError):
        leases.adopt(ledger, "p", 0, granter, other)
    if at_once:
        with pytest.raises(LeaseLostError), ledger.write() as connection:
            leases.renew(connection, "p", 0, run, done=False)
    else:
        assert leases.acquire(ledger, "p", 10, other) is None  # it commits what it has
        with ledger.write() as connection:
            leases.renew(connection, "p", 0, run, done=False)
        leases.give_back(ledger, "p", 0, run)
    assert leases.acquire(ledger, "p", 10, other) == (0, 9)


def test_what_waits_is_free_when_its_grant_is_withdrawn(ledger: Ledger) -> None:
    granter, other = leases.token(), leases.token()
    leases.acquire(ledger, "p", 10, granter)
    leases.withdraw(ledger, "p", 0, granter, at_once=False)
    assert leases.acquire(ledger, "p", 10, other) == (0, 9)


def test_a_heart_beats_while_the_run_lasts_and_stops_with_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.01)
    me = leases.token()
    leases.acquire(ledger, "p", 10, me)
    before = row(ledger).expires
    with leases.kept(ledger, "p", 0, me) as heart:
        wait_until(lambda: str(row(ledger).expires) > str(before))
        assert not heart.stopped
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_of_many_who_ask_each_gets_a_range_of_its_own(
    url: str, ledger: Ledger, tmp_path: Path
) -> None:
    got: list[tuple[int, int]] = []

    def capture() -> None:
        mine = open_ledger(url, tmp_path)
        while span := leases.acquire(mine, "p", 200, name := leases.token(), 10):
            got.append(span)
            finish(mine, span[0], name)
        mine.close()

    threads = [threading.Thread(target=capture) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [(at, at + 9) for at in range(0, 200, 10)]


def wait_until(true: object) -> None:
    """Wait for another thread; a minute is for slow machines."""
    pause = threading.Event()
    for _ in itertools.repeat(None, 6000):
        if true():  # type: ignore[operator]
            return
        pause.wait(0.01)
    raise AssertionError("did not come true")
