"""Capture in plan order: leased ranges, worker processes, a commit per batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from longplay import clock, engine
from longplay.capture.batch import Batch, Carried, Committed, commit, merge_evidence, sweep
from longplay.capture.orders import Order, Taken, take
from longplay.capture.places import Places
from longplay.engine import Failure
from longplay.files import escape, inside, mtime_ns
from longplay.ledger import forgetting, leases, tables
from longplay.ledger.database import Ledger, holder
from longplay.ledger.record import QUERY_ROWS
from longplay.model import Action
from longplay.settings import Settings
from longplay.vault.store import FolderStore

MB = 2**20

BATCH_FILES = 64
BATCH_SECONDS = 1.0
"""A batch is committed when either is reached: little is lost by a crash, few commits are made."""

SPARE_BYTES = 256 * 2**20
"""Bytes a worker may write to one file beyond the size of its source."""

RETRIED = ("timeout", "crash", "memory")
"""Failures of decoding, after which a file's bytes are still taken, into quarantine."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of the plan, with what the catalogue says of it."""

    ordinal: int
    path: bytes
    action: Action
    expected_bytes: int
    carried: Carried


@dataclass(frozen=True, slots=True)
class Totals:
    """What a capture did. `offered` is the sum of the next five; `bytes` were newly stored;
    `reasons` say why files were skipped."""

    offered: int = 0
    captured: int = 0
    already_held: int = 0
    skipped: int = 0
    quarantined: int = 0
    failed: int = 0
    bytes: int = 0
    expected_bytes: int = 0
    failures: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __add__(self, other: Totals) -> Totals:
        names = [name for name in self.__slots__ if name not in ("failures", "reasons")]
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Totals(
            **sums,
            failures=(self.failures + other.failures)[:FAILURES_TOLD],
            reasons=(self.reasons + other.reasons)[:FAILURES_TOLD],
        )


FAILURES_TOLD = 20
"""Failures named one by one; beyond these the count says enough."""

Progress = Callable[[Totals], None]
Load = Callable[[int, int], Iterable[Item]]


@dataclass(frozen=True, slots=True)
class Job:
    """A capture of plan `plan` with `total` ordinals. `load(first, last)` gives the items of a
    range, `folders` the location of each source, `enough(totals)` says when to stop early."""

    plan: str
    total: int
    load: Load
    folders: dict[str, str]
    settings: Settings
    workers: int
    limit: int | None = None
    progress: Progress = lambda _: None
    enough: Callable[[Totals], bool] = lambda _: False


def capture(places: Places, job: Job) -> Totals:
    """Take what the plan lists and nobody has taken yet; returns what this run did.

    Stops at `limit` files, when `enough` says so, or when nothing is left. Safe to kill and to
    repeat: what was committed is found as already held.
    """
    me = holder()
    totals = Totals()
    places.prepare()
    with places.sharing() as sharing:
        if sharing.alone():
            sweep(places)
            sharing.share()
        leases.begin_pass(places.ledger, job.plan, job.total)
        while not _finished(job, totals):
            span = leases.acquire(places.ledger, job.plan, job.total, me)
            if span is None:
                break
            totals = _capture_range(places, job, span, me, totals)
        if sharing.alone():
            sweep(places)
            merge_evidence(places)
    return totals


def _finished(job: Job, totals: Totals) -> bool:
    over = job.limit is not None and tried(totals) >= job.limit
    return over or job.enough(totals)


def _capture_range(
    places: Places, job: Job, span: tuple[int, int], me: str, totals: Totals
) -> Totals:
    items = {item.ordinal: item for item in job.load(*span)}
    due, counted = _sort_out(places, job, items)
    totals += counted
    allowed = len(due) if job.limit is None else max(0, job.limit - tried(totals))
    lease = (job.plan, span[0], me)
    batch, started = Batch(), clock.monotonic()
    with closing(_take_all(job, due[:allowed])) as outcomes:
        try:
            for order, outcome in outcomes:
                totals += _note(batch, items[order.ordinal], order, outcome)
                job.progress(totals)
                if len(batch) >= BATCH_FILES or clock.monotonic() - started >= BATCH_SECONDS:
                    # An interrupt from here on finds an empty batch: nothing is committed twice.
                    ready, batch, started = batch, Batch(), clock.monotonic()
                    totals += _stored(commit(places, ready, lease, done=False))
                    if job.enough(totals):
                        return totals
        except KeyboardInterrupt:
            commit(places, batch, lease, done=False)
            raise
    return totals + _stored(commit(places, batch, lease, done=allowed >= len(due)))


def _stored(done: Committed) -> Totals:
    return Totals(
        bytes=done.bytes,
        captured=-done.collided - done.forgotten,
        quarantined=done.collided,
        skipped=done.forgotten,
    )


def tried(totals: Totals) -> int:
    """Files that were not already held or gone: what a limit counts."""
    return totals.captured + totals.quarantined + totals.failed


def _sort_out(places: Places, job: Job, items: dict[int, Item]) -> tuple[list[Order], Totals]:
    """Which items are due; the rest are counted as held, quarantined or gone."""
    held, refused, gone = _known(places.ledger, items.values())
    due, totals = [], Totals()
    for item in items.values():
        name = (item.carried.source, item.path)
        try:
            facts = inside(Path(job.folders[name[0]]), item.path).lstat()
        except (OSError, KeyError):
            totals += Totals(offered=1, failed=1, failures=(f"{escape(item.path)}: is gone",))
            continue
        state = (facts.st_size, mtime_ns(facts))
        forgotten = [why for *then, why in gone.get(name, ()) if tuple(then) == state]
        if forgotten:
            words = f"{escape(item.path)}: was forgotten: {forgotten[0]}"
            totals += Totals(offered=1, skipped=1, reasons=(words,))
            continue
        upgrade = item.action == Action.ORIGINAL and held.get(name, ("",))[-1] == Action.OPUS
        if held.get(name, ())[:2] == state and not upgrade:
            totals += Totals(offered=1, already_held=1)
        elif refused.get(name) == state:
            totals += Totals(offered=1, quarantined=1)
        else:
            due.append(_order(places.store, job, item, facts.st_size))
    return due, totals


Name = tuple[str, bytes]


def _known(
    ledger: Ledger, items: Iterable[Item]
) -> tuple[
    dict[Name, tuple[object, ...]],
    dict[Name, tuple[int, int]],
    dict[Name, list[tuple[int, int, str]]],
]:
    """What is held, what is in quarantine, and what was forgotten, of the items' paths, with size
    and time then."""
    by_source: dict[str, list[bytes]] = {}
    for item in items:
        by_source.setdefault(item.carried.source, []).append(item.path)
    held: dict[Name, tuple[object, ...]] = {}
    refused: dict[Name, tuple[int, int]] = {}
    gone: dict[Name, list[tuple[int, int, str]]] = {}
    h, q = tables.holdings.c, tables.quarantine.c
    with ledger.read() as connection:
        for source, paths in by_source.items():
            for start in range(0, len(paths), QUERY_ROWS):
                chunk = paths[start : start + QUERY_ROWS]
                for row in connection.execute(
                    sa.select(h.path, h.source_size, h.mtime_ns, h.action).where(
                        h.source == source, h.path.in_(chunk), h.superseded == 0
                    )
                ):
                    held[source, row[0]] = tuple(row[1:])
                for path, size, time in connection.execute(
                    sa.select(q.path, q.size, q.mtime_ns).where(
                        q.source == source, q.path.in_(chunk)
                    )
                ):
                    refused[source, path] = (size, time)
                for path, then in forgetting.reasons(connection, source, chunk).items():
                    gone[source, path] = then
    return held, refused, gone


def _order(store: FolderStore, job: Job, item: Item, size: int) -> Order:
    spool = store.incoming / f"{os.getpid()}-{item.ordinal}"
    folder = job.folders[item.carried.source]
    return Order(item.ordinal, folder, item.path, item.action, str(spool), size, job.settings)


def _take_all(
    job: Job, orders: list[Order]
) -> Generator[tuple[Order, Taken | Failure], None, None]:
    """Take each; of one that broke its worker, take the bytes alone, and say why."""
    limits = job.settings.limits
    broken: dict[int, str] = {}

    def run(due: Iterable[Order]) -> Iterator[tuple[Order, Taken | Failure]]:
        return engine.run(
            take,
            due,
            workers=job.workers,
            seconds=lambda order: (
                limits.file_seconds + limits.file_seconds_per_mb * order.size / MB
            ),
            memory_mb=limits.worker_memory_mb,
            written=lambda order: order.size + SPARE_BYTES,
        )

    again = []
    for order, outcome in run(orders):
        if isinstance(outcome, Failure):
            for stray in Path(order.spool).parent.glob(f"{Path(order.spool).name}-*"):
                stray.unlink(missing_ok=True)
        if isinstance(outcome, Failure) and outcome.kind in RETRIED:
            broken[order.ordinal] = outcome.reason
            again.append(replace(order, listen=False))
        else:
            yield order, outcome
    for order, outcome in run(again) if again else ():
        reason = broken[order.ordinal]
        if isinstance(outcome, Failure):
            yield order, Failure("error", f"{reason}; {outcome.reason}")
        else:
            yield order, replace(outcome, refusal=reason)


def _note(batch: Batch, item: Item, order: Order, outcome: Taken | Failure) -> Totals:
    """Put one file's outcome into the batch, and count it."""
    if isinstance(outcome, Failure):
        name = escape(item.path)
        reason = outcome.reason.removeprefix(f"{name}: ")
        return Totals(offered=1, failed=1, failures=(f"{name}: {reason}",))
    if outcome.refusal is not None:
        batch.refused.append((order, item.carried, outcome, outcome.refusal))
        return Totals(offered=1, quarantined=1)
    batch.taken.append((order, item.carried, outcome))
    return Totals(offered=1, captured=1, expected_bytes=item.expected_bytes)
