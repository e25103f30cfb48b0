"""A capture on a Dask cluster: this process hands out ranges of the plan and adds up what was done.

A worker that sees the archive's folder opens it there; one that does not works from what it is
given, with the ledger on a database server and the objects in a bucket. Either way it captures a
range as a capture on one machine does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from longplay import clock
from longplay.archive import Archive
from longplay.capture import journal, pipeline
from longplay.capture.due import Item
from longplay.capture.pipeline import CLAIMED, Job
from longplay.capture.tidying import merge_evidence, sweep
from longplay.capture.totals import Totals
from longplay.engine import Failure
from longplay.engine.cluster import Cluster
from longplay.errors import LedgerError
from longplay.ledger import leases, postponing
from longplay.ledger.postponing import Postponed
from longplay.settings import Settings
from longplay.workflows import ranges
from longplay.workflows.ranges import Done, Range

ATTEMPTS = 5
"""Times that a range is handed out which comes to nothing: its worker dies, or hangs. So many in
a row it may be for files that had been put off."""

CLAIMS = -1
"""Stands for what had been put off where ranges are known by their first ordinal."""

PATIENCE_SECONDS = 90.0
"""How long the ledger may be away, while a database server starts anew."""

OTHERS_SECONDS = 150.0
"""How long ranges are waited for that others have: twice as long as a dead one's lease lasts."""

LOOK_SECONDS = 2.0

Value = TypeVar("Value")


def capture(archive: Archive, job: Job, *, workers: int | None) -> Totals:
    """Take what the plan lists and nobody has taken yet, on the cluster that the settings name, as
    `pipeline.capture` does it here. `workers` is the number of processes in which each worker of
    the cluster decodes; by default as many as it has threads.

    Raises EngineError when the cluster cannot be used, or no longer.
    """
    places = archive.places
    places.prepare()
    with places.sharing() as sharing, Cluster(archive.settings.engine) as cluster:
        if sharing.alone():
            with journal.adopted(places.store.spool) as left:
                sweep(places, left.missing)
            sharing.share()
        leases.begin_pass(places.ledger, job.plan, job.total)
        office = _Office(archive, job, workers, cluster.workers())
        try:
            while True:
                for task, outcome in cluster.run(
                    ranges.capture, office.next_range, suspects=office.suspects
                ):
                    office.note(task, outcome)
                if office.is_over() or not office.wait():
                    break
        finally:
            office.close()
        if not office.is_over():
            office.totals += pipeline.put_off(places, job)
            with journal.adopted(places.store.spool) as left:
                journal.clear(left)  # what dead workers had done, others have done again
        if sharing.alone():
            sweep(places)
            merge_evidence(places)
    return office.totals


@dataclass(slots=True)
class _Office:
    """Hands out ranges, and knows who has which: by the name that each was granted under."""

    archive: Archive
    job: Job
    workers: int | None
    cluster_size: int
    totals: Totals = field(default_factory=Totals)
    out: dict[str, Range] = field(default_factory=dict)
    attempts: Counter[int] = field(default_factory=Counter)
    given_up: set[int] = field(default_factory=set)
    waited: float = 0.0

    def is_over(self) -> bool:
        """Whether as much was done as was asked for."""
        left = self._left()
        return (left is not None and left <= 0) or self.job.enough(self.totals)

    def next_range(self) -> Range | None:
        """The next range for a worker; None where there is none now."""
        left = self._left()
        if left is not None:
            left -= sum(task.limit or 0 for task in self.out.values())
        if (left is not None and left <= 0) or self.job.enough(self.totals):
            return None
        name = leases.token()
        return self._lease(name, left) or self._claim(name, left)

    def note(self, task: Range, outcome: Done | Failure) -> None:
        """Add up what came of a range; one that came to nothing is handed out again."""
        del self.out[task.granter]
        if isinstance(outcome, Done):
            self.totals += outcome.totals
            if outcome.totals.offered:
                self.waited = 0.0
            if task.claimed:
                del self.attempts[CLAIMS]
        else:
            self._patiently(self._withdraw, task, True)
            self._failed(task, outcome.reason)
        self.job.progress(self.totals)

    def suspects(self) -> Collection[Range]:
        """Ranges of which no life is seen. Those that wait are kept for their workers, and so is
        what had been put off: of who has that, nothing is seen here."""
        granted = {name: task.span[0] for name, task in self.out.items() if task.span}
        found = self._patiently(leases.keep_granted, self.archive.ledger, self.job.plan, granted)
        for name, task in self.out.items():
            if task.claimed:
                self._patiently(postponing.renew, self.archive.ledger, name)
        unseen = {name for name, task in self.out.items() if task.span is None}
        return [self.out[name] for name in found.lost | unseen]

    def wait(self) -> bool:
        """Wait a little for what others have, or what was put off; False where that takes long."""
        ledger, plan = self.archive.ledger, self.job.plan
        if self._patiently(leases.others, ledger, plan, self.given_up):
            if self.waited >= OTHERS_SECONDS:
                return False
            self.waited += LOOK_SECONDS
            time.sleep(LOOK_SECONDS)
            return True
        if CLAIMS in self.given_up:
            return False
        return self._patiently(pipeline.wait_for_hosts, self.archive.places, self.job)

    def close(self) -> None:
        """Take back what is out: who has it commits what is done, and stops."""
        for task in self.out.values():
            try:
                self._withdraw(task, False)
            except LedgerError:
                return  # what is out expires

    def _left(self) -> int | None:
        return None if self.job.limit is None else self.job.limit - self.totals.tried

    def _lease(self, name: str, left: int | None) -> Range | None:
        size = leases.range_size(self.job.total, self.cluster_size)
        span = self._patiently(
            leases.acquire,
            *(self.archive.ledger, self.job.plan, self.job.total, name),
            *(size, self.given_up),
        )
        if span is None:
            return None
        return self._put_out(name, span, (), self.job.load(range(span[0], span[1] + 1)), left)

    def _claim(self, name: str, left: int | None) -> Range | None:
        if CLAIMS in self.given_up:
            return None
        claimed = self._patiently(
            postponing.claim, self.archive.ledger, self.job.plan, CLAIMED, name
        )
        if not claimed:
            return None
        items = self.job.load([row.ordinal for row in claimed])
        return self._put_out(name, None, tuple(claimed), items, left)

    def _put_out(
        self,
        name: str,
        span: tuple[int, int] | None,
        claimed: tuple[Postponed, ...],
        items: Iterable[Item],
        left: int | None,
    ) -> Range:
        listed = tuple(items)
        task = Range(
            folder=str(self.archive.folder.resolve()),
            settings=_for_workers(self.archive.settings),
            plan=self.job.plan,
            total=self.job.total,
            granter=name,
            span=span,
            items=listed,
            claimed=claimed,
            workers=self.workers,
            limit=None if left is None else min(left, len(listed)),
            retry=self.job.retry,
        )
        self.out[name] = task
        return task

    def _withdraw(self, task: Range, at_once: bool) -> None:
        ledger, plan = self.archive.ledger, self.job.plan
        if task.span is not None:
            leases.withdraw(ledger, plan, task.span[0], task.granter, at_once=at_once)
        if task.claimed:
            postponing.release(ledger, plan, task.granter)

    def _failed(self, task: Range, reason: str) -> None:
        first = CLAIMS if task.span is None else task.span[0]
        self.attempts[first] += 1
        if self.attempts[first] < ATTEMPTS:
            return
        self.given_up.add(first)
        count = len(task.items)
        if task.span is None:  # they are counted with all that is put off still
            words = f"{count} files that were put off: {reason}"
            self.totals += Totals(failures=(words,))
            return
        words = f"{count} files from {first} in the plan: {reason}"
        self.totals += Totals(offered=count, failed=count, failures=(words,))

    def _patiently(self, question: Callable[..., Value], *given: object) -> Value:
        """Ask the ledger, which may be away for a moment."""
        started = clock.monotonic()
        while True:
            try:
                return question(*given)
            except LedgerError:
                if clock.monotonic() - started >= PATIENCE_SECONDS:
                    raise
                time.sleep(LOOK_SECONDS)


def _for_workers(settings: Settings) -> Settings:
    """The settings without what capturing does not need."""
    return settings.model_copy(update={"replicas": (), "keys": ""})
