"""Captures from sources: slow, broken and lying hosts, in plan order, and nothing lost."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from longplay.archive import Archive
from longplay.capture import pipeline
from longplay.capture.fetching import Listed
from longplay.capture.pipeline import capture
from longplay.capture.sources import Limit, Wanted
from longplay.ledger import hosts, postponing, tables
from tests.capture.giving import Giving
from tests.capture.jobs import NAMES, held, is_clean, job, reasons


def test_everything_is_fetched_once_and_held(archive: Archive, giving: Giving) -> None:
    totals = capture(archive.places, job(archive, NAMES))
    assert (totals.offered, totals.captured) == (30, 30)
    assert totals.fetched == giving.given == sum(map(len, giving.files.values()))
    assert is_clean(archive)
    again = capture(archive.places, job(archive, NAMES))
    assert (again.already_held, again.fetched) == (30, 0)


def test_what_is_refused_is_quarantined_until_its_listing_changes(
    archive: Archive, giving: Giving
) -> None:
    del giving.files[NAMES[3]]
    bad = Listed(checksum="md5:" + "0" * 32)
    assert capture(archive.places, job(archive, NAMES)).quarantined == 1
    assert capture(archive.places, job(archive, NAMES[:1], bad, plan="q")).captured == 0
    assert "is not there" in reasons(archive)[NAMES[3]]
    assert capture(archive.places, job(archive, NAMES)).quarantined == 1
    giving.files[NAMES[3]] = b"here now"
    assert capture(archive.places, job(archive, NAMES[3:4], plan="same")).quarantined == 1
    fixed = Listed(version="another")
    totals = capture(archive.places, job(archive, [NAMES[3]], fixed, plan="r"))
    assert totals.captured == 1
    assert reasons(archive) == {}
    assert is_clean(archive)


def test_what_was_refused_is_asked_for_again_where_that_is_wanted(
    archive: Archive, giving: Giving
) -> None:
    whole = giving.files.pop(NAMES[3])
    assert capture(archive.places, job(archive, NAMES)).quarantined == 1
    giving.files[NAMES[3]] = whole
    again = capture(archive.places, job(archive, NAMES, retry=True))
    assert (again.captured, again.already_held, again.quarantined) == (1, 29, 0)
    assert is_clean(archive)


def test_a_host_that_is_down_holds_up_its_own_files_alone(archive: Archive, giving: Giving) -> None:
    giving.limits = {name: Limit("bad", 2, 1e6) for name in NAMES[::3]}
    giving.down = {"bad"}
    totals = capture(archive.places, job(archive, NAMES))
    assert (totals.captured, totals.failed, totals.offered) == (20, 10, 30)
    assert any("is down" in words for words in totals.failures)
    tried = Counter(path for path, _ in giving.asked if path in NAMES[::3])
    assert sum(tried.values()) < 60
    giving.down = set()
    time.sleep(0.2)
    with archive.ledger.write() as connection:
        connection.execute(tables.postponed.update().values(until="2000"))
    totals = capture(archive.places, job(archive, NAMES))
    assert (totals.captured, totals.failed) == (10, 0)
    assert held(archive) == set(NAMES)
    assert postponing.count(archive.ledger, "p") == 0
    assert is_clean(archive)


def test_a_host_that_comes_back_is_tried_again_in_the_same_run(
    archive: Archive, giving: Giving
) -> None:
    giving.down = {"host"}
    threading.Timer(1.5, giving.down.clear).start()
    totals = capture(archive.places, job(archive, NAMES))
    assert (totals.captured, totals.failed) == (30, 0)
    assert is_clean(archive)


def test_no_more_files_at_a_time_and_a_second_than_a_host_allows(
    archive: Archive, giving: Giving
) -> None:
    giving.limits = {name: Limit("slow", 2, 20.0) for name in NAMES}
    moments: list[float] = []
    under_way, most = [0], [0]
    lock = threading.Lock()

    def watch(_wanted: Wanted, chunks: Iterator[bytes]) -> Iterator[bytes]:
        with lock:
            moments.append(time.monotonic())
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.12)
        yield from chunks
        with lock:
            under_way[0] -= 1

    giving.behaviour = dict.fromkeys(NAMES, watch)
    capture(archive.places, job(archive, NAMES))
    assert most[0] == 2
    for first, eleventh in zip(moments, moments[10:], strict=False):
        assert eleventh - first >= 10 / 20.0 - 0.1


def test_a_slow_host_gives_way_and_the_plans_order_is_kept_among_the_rest(
    archive: Archive, giving: Giving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.leases, "MAX_RANGE", 10)
    slow = set(NAMES[0:4])
    giving.limits = {name: Limit("slow", 1, 0.3) for name in slow}
    order: list[bytes] = []

    def note(wanted: Wanted, chunks: Iterator[bytes]) -> Iterator[bytes]:
        order.append(wanted.path)
        yield from chunks

    giving.behaviour = dict.fromkeys(NAMES, note)
    totals = capture(archive.places, job(archive, NAMES))
    assert totals.captured == 30
    quick = [name for name in order if name not in slow]
    assert quick.index(NAMES[29]) < 26
    assert order.index(NAMES[29]) < order.index(NAMES[3])
    assert [name for name in order if name in slow] == NAMES[0:4]
    assert is_clean(archive)


def test_slots_are_shared_and_those_of_the_dead_are_taken_over(archive: Archive) -> None:
    ledger = archive.ledger
    host = os.uname().nodename
    assert hosts.hold(ledger, "h", 3, f"elsewhere:{os.getpid()}:1") == 3
    assert hosts.hold(ledger, "h", 3, f"{host}:1:1") == 0
    hosts.release(ledger, f"elsewhere:{os.getpid()}:1")
    assert hosts.hold(ledger, "h", 2, f"{host}:4194304:1") == 2  # a process that is not there
    assert hosts.hold(ledger, "h", 2, "elsewhere:2:2") == 2
    hosts.renew(ledger, "elsewhere:2:2")
    assert hosts.hold(ledger, "h", 2, "elsewhere:3:3") == 0
    assert hosts.hold(ledger, "h", 3, "elsewhere:3:3") == 1


def test_files_that_are_the_same_everywhere_are_kept_once(archive: Archive, giving: Giving) -> None:
    names = [f"same-{number}".encode() for number in range(300)]
    giving.files = dict.fromkeys(names, b"the same words")
    totals = capture(archive.places, job(archive, names))
    assert totals.captured == 300
    assert totals.bytes == len(b"the same words")
    assert is_clean(archive)


def test_a_capture_that_is_interrupted_leaves_what_came_for_the_next(
    archive: Archive, giving: Giving
) -> None:
    def interrupt(totals: pipeline.Totals) -> None:
        if totals.captured >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(archive.places, job(archive, NAMES, progress=interrupt))
    totals = capture(archive.places, job(archive, NAMES))
    assert totals.already_held + totals.captured == 30
    assert totals.already_held >= 4
    assert is_clean(archive)


def test_an_empty_text_is_kept_as_it_is(archive: Archive, giving: Giving) -> None:
    giving.files = {b"empty.txt": b""}
    totals = capture(archive.places, job(archive, [b"empty.txt"]))
    assert (totals.captured, totals.quarantined, totals.failed) == (1, 0, 0)
    assert is_clean(archive)
