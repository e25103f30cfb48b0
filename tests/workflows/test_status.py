"""How it goes on: the rate, the next stage, who works, which hosts wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from longplay import clock
from longplay.archive import Archive, create, open_archive, set_objects
from longplay.ledger import log, tables
from longplay.ledger.activity import Host, Rate
from longplay.planning import table
from longplay.workflows import status as statuses
from longplay.workflows import tallying
from longplay.workflows.tallying import Totals

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    with create(tmp_path / "archive", secrets=tmp_path / "keys") as made:
        yield made


def batch(archive: Archive, seconds_ago: float, files: int, size: int) -> None:
    time = clock.text_of(NOW - timedelta(seconds=seconds_ago))
    detail = {"batch": 1, "files": files, "quarantined": 1, "bytes": size}
    with archive.ledger.write() as connection:
        log.append(connection, "capture", "plan", detail, time=time)


def test_the_rate_is_that_of_the_last_minutes(archive: Archive) -> None:
    assert statuses.status(archive).rate == Rate(0.0, 0.0, 0.0)
    batch(archive, 4000, 63, 10**9)  # an older capture
    batch(archive, 100, 63, 10**9)  # the moment from which on the others are counted
    assert statuses.status(archive).rate == Rate(0.0, 0.0, 0.0)
    batch(archive, 60, 63, 5_000_000)
    batch(archive, 20, 31, 3_000_000)
    assert statuses.status(archive).rate == Rate(0.96, 80_000.0, 100.0)


def plan(archive: Archive, listens: list[float]) -> None:
    rows = [
        pa.array(listens, pa.float32())
        if field.name == "listens"
        else pa.nulls(len(listens), field.type)
        for field in table.SCHEMA
    ]
    archive.plans.mkdir(exist_ok=True)
    pq.write_table(
        pa.table(rows, schema=table.SCHEMA), archive.plans / "p.parquet", row_group_size=3
    )
    document = json.dumps({"plan": "p", "entries": len(listens), "bytes": 0})
    with archive.ledger.write() as connection:
        connection.execute(
            tables.plans.insert().values(id="p", number=1, time="", document=document)
        )


@pytest.mark.parametrize(
    ("held", "due", "expected"),
    [
        (0.0, 10, (1, 0.5, 2.0)),  # the first two have 55 of 100 listens, a file a second
        (55.0, 8, (2, 0.8, 4.0)),
        (81.0, 4, (3, 0.95, 3.0)),
        (100.0, 0, None),
        (0.0, 0, (1, 0.5, None)),  # nothing is due, and that does not reach it
    ],
)
def test_when_the_next_stage_is_complete(
    archive: Archive,
    monkeypatch: pytest.MonkeyPatch,
    held: float,
    due: int,
    expected: tuple[int, float, float | None] | None,
) -> None:
    plan(archive, [30, 25, 10, 7, 5, 4, 4, 5, 5, 5])
    found = Totals(0, 0, 0, due, held, 100.0, {})
    monkeypatch.setattr(tallying, "totals", lambda _: found)
    batch(archive, 100, 0, 0)
    batch(archive, 50, 99, 0)
    stage = statuses.status(archive).next_stage
    assert (stage and (stage.stage, stage.share, stage.eta_s)) == expected


def test_workers_and_hosts(archive: Archive) -> None:
    later, before = (clock.text_of(NOW + timedelta(seconds=s)) for s in (30, -30))
    leases = [
        ("elsewhere:7:1", 0, later, 0),
        ("lost:7:1", 64, before, 0),
        ("done:7:1", 128, later, 1),
    ]
    with archive.ledger.write() as connection:
        for holder, first, expires, done in leases:
            connection.execute(
                tables.leases.insert().values(
                    plan="p", first=first, last=first + 63, holder=holder, granter=holder,
                    expires=expires, done=done,
                )
            )  # fmt: skip
        for slot, expires in enumerate((later, later, before)):
            row = {"host": "a.org", "slot": slot, "holder": "elsewhere:7:1", "expires": expires}
            connection.execute(tables.host_slots.insert().values(**row))
        for ordinal, host in enumerate(("b.org", "b.org", "a.org")):
            connection.execute(
                tables.postponed.insert().values(
                    plan="p", ordinal=ordinal, host=host, until=later, tries=1, reason="503 busy"
                )
            )
    found = statuses.status(archive)
    assert [(one.holder, one.first, one.alive) for one in found.workers] == [
        ("elsewhere:7:1", 0, True), ("lost:7:1", 64, False),
    ]  # fmt: skip
    assert found.hosts == (
        Host("a.org", 2, 1, later, "503 busy"), Host("b.org", 0, 2, later, "503 busy"),
    )  # fmt: skip
    assert found.postponed == 3


def test_reasons_of_refusals_are_counted(archive: Archive) -> None:
    with archive.ledger.write() as connection:
        for number in range(5):
            reason = "no sound" if number else "a trap"
            connection.execute(
                tables.quarantine.insert().values(
                    source="a",
                    path=b"%d" % number,
                    reason=reason,
                    size=1,
                    mtime_ns=0,
                    mode=0,
                    time="",
                )
            )
    assert statuses.refusals(archive) == (("no sound", 4), ("a trap", 1))


def test_the_disk_that_counts_is_the_one_where_objects_arrive(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        statuses, "free", lambda folder: 7 if folder.is_relative_to(tmp_path / "big disk") else 8
    )
    assert statuses.status(archive).disk_free == 8
    set_objects(archive.folder, str(tmp_path / "big disk" / "objects"))
    with open_archive(archive.folder) as moved:
        assert statuses.status(moved).disk_free == 7
