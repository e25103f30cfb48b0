"""One range of a plan on a worker of a cluster: opened, adopted, captured, given back."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from longplay.archive import Archive, open_archive
from longplay.capture import journal, pipeline
from longplay.capture.crew import Crew
from longplay.capture.due import Item
from longplay.capture.orders import take
from longplay.capture.pipeline import Job, Work
from longplay.capture.totals import Totals
from longplay.engine import cluster
from longplay.errors import ArchiveError, LeaseLostError
from longplay.ledger import database, leases, tables
from longplay.ledger.postponing import Postponed
from longplay.settings import SETTINGS_FILE, Settings
from longplay.vault.bucket import SCHEME

IDLE_SECONDS = 60.0
"""How long a worker's processes wait for another range before they go."""


@dataclass(frozen=True, slots=True)
class Range:
    """A range of plan ordinals (both ends included) that was leased under the name `granter`, or
    files that had been put off and are claimed under it, with what the catalogue and the sources
    say of them. `workers` is the number of processes that decode, None for as many as the worker
    has threads; `limit` how many files to try; with `retry` refused ones are tried again."""

    folder: str
    settings: Settings
    plan: str
    total: int
    granter: str
    span: tuple[int, int] | None
    items: tuple[Item, ...]
    claimed: tuple[Postponed, ...]
    workers: int | None
    limit: int | None
    retry: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What was done of a range by this run. `lost` says that another has taken it over."""

    totals: Totals
    lost: bool = False


def capture(task: Range) -> Done:
    """Capture what is due of a range. May be repeated, also while an earlier run of it is still at
    work: that one commits nothing more. Raises LongplayError for what a next try may mend."""
    with _bench.crew(task) as (archive, crew):
        places = archive.places
        places.prepare()
        with places.sharing():
            journal.settle(crew.leftovers)
            if task.span is None:
                work = Work(None, crew.me, _still_claimed(archive, task), task.granter)
                return Done(pipeline.capture_range(places, _job(archive, task), crew, work, NONE))
            return _leased(archive, crew, task, task.span)


NONE = Totals()


def _leased(archive: Archive, crew: Crew, task: Range, span: tuple[int, int]) -> Done:
    """Capture a range under a name of this run alone, while the lease lasts."""
    ledger, first, run = archive.ledger, span[0], leases.token()
    try:
        leases.adopt(ledger, task.plan, first, task.granter, run)
        job, work = _job(archive, task), Work(span, run)
        totals = pipeline.capture_range(archive.places, job, crew, work, NONE)
    except LeaseLostError:
        _bench.dismiss()
        return Done(NONE, lost=True)
    if leases.give_back(ledger, task.plan, first, run):
        _bench.dismiss()  # it was stopped, and may still be busy with what nobody waits for
    return Done(totals)


def _job(archive: Archive, task: Range) -> Job:
    items = {item.ordinal: item for item in task.items}
    return Job(
        plan=task.plan,
        total=task.total,
        load=lambda ordinals: [items[one] for one in ordinals if one in items],
        folders={one.name: one.location for one in task.settings.sources if one.kind == "folder"},
        settings=task.settings,
        workers=task.workers or cluster.cores(),
        retry=task.retry,
        limit=task.limit,
        folder=archive.folder,
    )


def _still_claimed(archive: Archive, task: Range) -> tuple[Postponed, ...]:
    """What an earlier run of the same task has not settled."""
    p = tables.postponed.c
    with archive.ledger.read() as connection:
        mine = set(
            connection.scalars(
                sa.select(p.ordinal).where(p.plan == task.plan, p.holder == task.granter)
            )
        )
    return tuple(row for row in task.claimed if row.ordinal in mine)


class _Bench:
    """The archive and the crew of this worker process: they stay for the next range."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._key: object = None
        self._open: tuple[Archive, Crew] | None = None
        self._timer: threading.Timer | None = None

    @contextmanager
    def crew(self, task: Range) -> Iterator[tuple[Archive, Crew]]:
        """Those for a task, which has them alone; opened anew after an exception."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            key = (task.folder, task.settings, task.workers)
            if key != self._key:
                self.dismiss()
            if self._open is None:
                self._open, self._key = _opened(task), key
            try:
                yield self._open
            except BaseException:
                self.dismiss()
                raise
            self._timer = threading.Timer(IDLE_SECONDS, self._leave)
            self._timer.daemon = True
            self._timer.start()

    def _leave(self) -> None:
        with self._lock:
            if self._open is not None:
                journal.clear(self._open[1].leftovers)
                self.dismiss()

    def dismiss(self) -> None:
        """Let the crew go, at once."""
        with self._lock:
            if self._open is None:
                return
            archive, crew = self._open
            self._open = self._key = None
            crew.__exit__(LeaseLostError)
            archive.__exit__()


_bench = _Bench()


def _opened(task: Range) -> tuple[Archive, Crew]:
    archive = _archive(task)
    try:
        archive.places.prepare()
        workers = task.workers or cluster.cores()
        crew = Crew(archive.places, task.settings, archive.folder, take, workers)
    except BaseException:
        archive.__exit__()
        raise
    return archive, crew.__enter__()


def _archive(task: Range) -> Archive:
    """The archive, where this machine sees its folder; else what it is made of, with a folder of
    this machine for what is on its way. Raises ArchiveError where neither can be."""
    folder = Path(task.folder)
    if (folder / SETTINGS_FILE).is_file():
        return open_archive(folder)
    settings = task.settings
    if settings.ledger.startswith("sqlite") or not settings.objects.startswith(SCHEME):
        raise ArchiveError(
            f"is not to be seen from {os.uname().nodename}",
            where=task.folder,
            hint="share the folder at the same path, or use a database server and a bucket:"
            " docs/scale.md",
        )
    digest = hashlib.sha256(f"{settings.ledger}\n{settings.objects}".encode()).hexdigest()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    own = Path(home) / "longplay" / digest[:16]
    for name in ("evidence", "quarantine"):
        (own / name).mkdir(parents=True, exist_ok=True)
    return Archive(own, settings, database.open_ledger(settings.ledger, own))
