"""`status`: what is held, due, published, how much of listening that is, and how it goes on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.archive import Archive
from longplay.files import free
from longplay.ledger import activity, queries, tables
from longplay.ledger.activity import Host, Rate, Worker
from longplay.workflows import stocking, tallying
from longplay.workflows.tallying import Totals


@dataclass(frozen=True, slots=True)
class NextStage:
    """The stage (counted from 1) that is captured now, the share of listens that completes it, and
    in how many seconds that is, at the present rate; None where nothing comes in, or where what the
    plan still lists does not reach it."""

    stage: int
    share: float
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """The figures of `status --json`; `due` counts what the plan lists and nobody holds yet,
    `postponed` those of them that wait for their host, `disk_free` the bytes that are free where
    objects arrive."""

    objects: int
    bytes: int
    recordings: int
    due: int
    quarantined: int
    share_of_listens: float
    releases: int
    by_access_class: dict[str, int]
    rate: Rate
    next_stage: NextStage | None
    workers: tuple[Worker, ...]
    hosts: tuple[Host, ...]
    postponed: int
    disk_free: int


def status(archive: Archive) -> Status:
    """Gather the figures."""
    found = tallying.totals(archive)
    with archive.ledger.read() as connection:
        quarantined = queries.count(connection, tables.quarantine)
        releases = queries.count(connection, tables.releases)
        postponed = queries.count(connection, tables.postponed)
        rate = activity.rate(connection)
        workers, hosts = activity.workers(connection), activity.hosts(connection)
    return Status(
        objects=found.objects,
        bytes=found.bytes,
        recordings=found.recordings,
        due=found.due,
        quarantined=quarantined,
        share_of_listens=found.share_of_listens,
        releases=releases,
        by_access_class=found.by_access_class,
        rate=rate,
        next_stage=_next_stage(archive, found, rate),
        workers=workers,
        hosts=hosts,
        postponed=postponed,
        disk_free=free(archive.store.spool),
    )


def refusals(archive: Archive) -> tuple[tuple[str, int], ...]:
    """Why files are in quarantine, most frequent first."""
    with archive.ledger.read() as connection:
        return activity.refusals(connection)


def _next_stage(archive: Archive, found: Totals, rate: Rate) -> NextStage | None:
    """The first stage that the held recordings do not fill, and when they will."""
    share = found.share_of_listens
    stages = archive.settings.policy.stages
    left = [(at, end) for at, end in enumerate(stages, 1) if end > share + 1e-9]
    if not left or not found.all_listens:
        return None
    stage, end = left[0]
    files = _files_to(archive, found, end * found.all_listens - found.listens)
    eta = round(files / rate.files, 1) if files is not None and rate.files else None
    return NextStage(stage, end, eta)


def _files_to(archive: Archive, found: Totals, listens: float) -> int | None:
    """How many files further down the plan so many listens are reached: it is captured in its
    order, so what is due is its end. None where it does not reach them."""
    with archive.ledger.read() as connection:
        plan = queries.latest_plan(connection)
    if plan is None:
        return None
    from longplay.planning import table

    stocking.bring_plan(archive, str(plan["plan"]))
    first, count = max(0, int(plan["entries"]) - found.due), 0
    for part in table.read_listens(archive.plans / f"{plan['plan']}.parquet", first):
        heard = np.cumsum(part, dtype=np.float64)
        if len(heard) and heard[-1] >= listens:
            return count + int(np.searchsorted(heard, listens)) + 1
        listens -= float(heard[-1]) if len(heard) else 0.0
        count += len(part)
    return None
