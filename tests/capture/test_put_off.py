"""Files that are put off, hosts that fail side by side, and a ledger that is away for a moment."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from longplay.archive import Archive
from longplay.capture import fetchers
from longplay.capture.fetchers import Brought, Due, Fetchers
from longplay.capture.fetching import Listed
from longplay.capture.journal import Leftovers
from longplay.capture.pipeline import capture
from longplay.capture.sources import Limit, Stream, Wanted
from longplay.errors import LedgerError, UnavailableError
from longplay.ledger import hosts, postponing
from longplay.ledger.postponing import Postponed
from tests.capture.giving import Giving, order
from tests.capture.jobs import NAMES, is_clean, job


def test_a_file_whose_time_has_not_come_is_not_asked_for_and_counted_once(
    archive: Archive,
    giving: Giving,
) -> None:
    with archive.ledger.write() as connection:
        postponing.put_off(connection, "p", [Postponed(3, "host", "2999", 2, "is down")])
    totals = capture(archive.places, job(archive, NAMES))
    assert NAMES[3] not in {path for path, _ in giving.asked}
    assert (totals.offered, totals.captured, totals.failed) == (30, 29, 1)
    assert totals.failures == ("003.txt: is down",)
    with archive.ledger.write() as connection:
        postponing.put_off(connection, "p", [Postponed(3, "host", "2000", 2, "is down")])
    totals = capture(archive.places, job(archive, NAMES))
    assert (totals.offered, totals.captured, totals.failed) == (30, 1, 0)
    assert is_clean(archive)


def test_files_of_a_dead_claimant_are_taken_over_at_once(archive: Archive) -> None:
    ledger, dead = archive.ledger, f"{os.uname().nodename}:4194304:1"
    rows = [Postponed(n, "host", "2000", 0, "busy") for n in range(3)]
    with ledger.write() as connection:
        postponing.put_off(connection, "p", rows)
    assert len(postponing.claim(ledger, "p", 2, dead)) == 2
    assert [row.ordinal for row in postponing.claim(ledger, "p", 9, "elsewhere:1:1")] == [0, 1, 2]
    assert postponing.claim(ledger, "p", 9, "elsewhere:2:2") == []


@contextmanager
def fetching(
    archive: Archive,
    source: Giving,
) -> Iterator[tuple[Fetchers, list[Brought], threading.Semaphore]]:
    brought: list[Brought] = []
    came = threading.Semaphore(0)

    def note(one: Brought) -> None:
        brought.append(one)
        came.release()

    with Fetchers(archive.ledger, "me:1:1", lambda _: source, Leftovers(), note) as made:
        yield made, brought, came


def dues(spool: Path, names: list[bytes]) -> list[Due]:
    return [Due(order(spool, name, at), Listed()) for at, name in enumerate(names)]


def test_failures_side_by_side_count_once(
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetchers, "FIRST_PAUSE", 1000.0)
    together = threading.Barrier(8, timeout=60)

    class Failing(Giving):
        @contextmanager
        def open(self, wanted: Wanted) -> Iterator[Stream]:
            together.wait()
            raise UnavailableError("is down", where=wanted.path.decode())
            yield

    names = [b"%d" % number for number in range(8)]
    source = Failing(
        dict.fromkeys(names, b""), {name: Limit("h", 8, 1e6) for name in [*names, b"late"]}
    )
    with fetching(archive, source) as (made, brought, came):
        made.add(dues(tmp_path, names))
        assert all(came.acquire(timeout=60) for _ in names)
        assert max(one.pause for one in brought) <= 2000.0
        made.add(dues(tmp_path, [b"late"])[:1])
        assert came.acquire(timeout=60)
    assert not brought[-1].tried
    assert brought[-1].pause <= 1000.0  # not doubled by each of the eight


def test_a_ledger_that_is_away_for_a_moment_kills_no_fetcher(
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: Counter[str] = Counter()
    real = hosts.hold

    def hold(*arguments: object) -> int:
        asked["hold"] += 1
        if asked["hold"] <= 2:
            raise LedgerError("is away")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(hosts, "hold", hold)
    monkeypatch.setattr(fetchers, "SLOT_SECONDS", 0.05)
    source = Giving({name: name for name in NAMES})
    with fetching(archive, source) as (made, brought, came):
        made.add(dues(tmp_path, NAMES))
        assert all(came.acquire(timeout=60) for _ in range(fetchers.AHEAD))
        for _ in range(fetchers.AHEAD):
            made.decoded()
        assert all(came.acquire(timeout=60) for _ in range(len(NAMES) - fetchers.AHEAD))
    assert all(one.fetched is not None for one in brought)
    assert asked["hold"] >= 3


def test_a_file_that_is_no_more_does_not_speak_against_its_host(
    archive: Archive,
    tmp_path: Path,
) -> None:
    source = Giving({b"9": b"here"})
    with fetching(archive, source) as (made, brought, came):
        made.add(dues(tmp_path, [b"%d" % number for number in range(10)]))
        assert all(came.acquire(timeout=60) for _ in range(10))
    assert sum(fetchers.is_final(one.error) for one in brought if one.error) == 9
    assert [one.due.order.path for one in brought if one.fetched] == [b"9"]


def test_sources_that_share_no_host_do_not_share_misfortune(
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetchers, "FIRST_PAUSE", 1000.0)
    nowhere = Limit("", 4, 1e6)
    good = Giving({b"good": b"here"}, {b"good": nowhere})
    bad = Giving({}, dict.fromkeys(NAMES, Limit("", 1, 1e6)), down={""})
    brought: list[Brought] = []
    came = threading.Semaphore(0)

    def note(one: Brought) -> None:
        brought.append(one)
        came.release()

    sources = {"good": good, "bad": bad}
    with Fetchers(archive.ledger, "me:1:1", sources.__getitem__, Leftovers(), note) as made:
        failing = [
            replace(one, order=replace(one.order, source="bad")) for one in dues(tmp_path, NAMES)
        ]
        made.add(failing)
        assert all(came.acquire(timeout=60) for _ in NAMES)
        last = Due(replace(order(tmp_path, b"good", 99), source="good"), Listed())
        made.add([last])
        assert came.acquire(timeout=60)
    assert brought[-1].fetched is not None
    assert len(bad.asked) < len(NAMES)
