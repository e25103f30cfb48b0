"""Capture in plan order: leased ranges, worker processes, a commit per batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from longplay import clock, telemetry
from longplay.capture import journal
from longplay.capture.batch import Batch, Committed, Grant
from longplay.capture.crew import Crew
from longplay.capture.due import DueItem, Item, State, is_same, sort_out
from longplay.capture.fetchers import Due
from longplay.capture.fetching import Listed
from longplay.capture.held import HeldSource
from longplay.capture.journal import Step
from longplay.capture.orders import Fetched, Order, Taken, take
from longplay.capture.outcomes import LOOK_SECONDS, Later, Outcome, Prepared, Refusal, outcomes
from longplay.capture.places import Places
from longplay.capture.tidying import merge_evidence, sweep
from longplay.capture.totals import FAILURES_TOLD, Totals
from longplay.engine import Failure
from longplay.files import escape
from longplay.ledger import leases, postponing
from longplay.ledger.leases import Heartbeat
from longplay.ledger.postponing import Postponed
from longplay.settings import Settings

BATCH_FILES = 64
BATCH_SECONDS = 5.0
"""A batch is committed when either is reached. What a crash finds uncommitted stands in the
journal; a machine that is lost takes no more with it."""

CLAIMED = 256
"""Files that had been put off which are taken up with one range."""

PUT_OFF_MOST = 10_000
"""Files put off, beyond which busy hosts give way no more: else hosts which are slow throughout
would put off the whole plan."""

WAITING_MOST = 1_000_000
"""Files put off, beyond which no new range begins: those of hosts that are down are put off
whatever their number, and are tried first."""

WAIT_SECONDS = 120.0
"""How long a capture that has nothing else to do waits for files that were put off."""

Progress = Callable[[Totals], None]
Load = Callable[[Sequence[int]], Iterable[Item]]


@dataclass(frozen=True, slots=True)
class Job:
    """A capture of plan `plan` with `total` ordinals. `load(ordinals)` gives their items, `folders`
    the location of each source that is a folder, `enough(totals)` says when to stop early;
    with `retry` what sources refused is asked for again."""

    plan: str
    total: int
    load: Load
    folders: dict[str, str]
    settings: Settings
    workers: int
    retry: bool = False
    limit: int | None = None
    progress: Progress = lambda _: None
    enough: Callable[[Totals], bool] = lambda _: False
    folder: Path = Path()


def capture(places: Places, job: Job) -> Totals:
    """Take what the plan lists and nobody has taken yet; returns what this run did.

    Stops at `limit` files, when `enough` says so, or when nothing is left that may be tried within
    two minutes. Safe to kill and to repeat: what was committed is found as already held.
    """
    totals = Totals()
    places.prepare()
    with (
        places.sharing() as sharing,
        Crew(places, job.settings, job.folder, take, job.workers) as crew,
    ):
        if sharing.alone():
            sweep(places, crew.leftovers.missing)
            sharing.share()
        journal.settle(crew.leftovers)
        leases.begin_pass(places.ledger, job.plan, job.total)
        while not _finished(job, totals):
            span = None
            if postponing.count(places.ledger, job.plan) < WAITING_MOST:
                span = leases.acquire(places.ledger, job.plan, job.total, crew.me, leases.MAX_RANGE)
            claimed = postponing.claim(places.ledger, job.plan, CLAIMED, crew.me)
            if span is None and not claimed:
                if not wait_for_hosts(places, job):
                    break
                continue
            totals = capture_range(places, job, crew, Work(span, crew.me, tuple(claimed)), totals)
        postponing.release(places.ledger, job.plan, crew.me)
        if not _finished(job, totals):
            totals += put_off(places, job)
            journal.clear(crew.leftovers)
        if sharing.alone():
            sweep(places)
            merge_evidence(places)
    return totals


@dataclass(frozen=True, slots=True)
class Work:
    """A range of ordinals (both ends included) that `holder` has the lease on, and files that had
    been put off and are claimed now, by the crew where nobody is named as `claimant`."""

    span: tuple[int, int] | None
    holder: str
    claimed: tuple[Postponed, ...] = ()
    claimant: str | None = None


def capture_range(places: Places, job: Job, crew: Crew, work: Work, totals: Totals) -> Totals:
    """Take the files of one range; returns `totals` with what was done added.

    Raises LedgerError when the lease was lost to somebody else: then nothing more is committed.
    """
    first, last = work.span or (-1, -1)  # of files that had been put off alone
    with telemetry.span("range", first=first, last=last, claimed=len(work.claimed)):
        found = _capture_range(places, job, crew, work, totals)
    telemetry.files("failed", found.failed - totals.failed)
    telemetry.files("skipped", found.skipped - totals.skipped)
    telemetry.fetched(found.fetched - totals.fetched, again=found.again - totals.again)
    return found


def _capture_range(places: Places, job: Job, crew: Crew, work: Work, totals: Totals) -> Totals:
    run = _Run(places, job, crew, work, totals)
    tries = {row.ordinal: row.tries for row in work.claimed}
    own: set[int] = set()
    if work.span:
        own = {*range(work.span[0], work.span[1] + 1)}
        own -= postponing.among(places.ledger, job.plan, *work.span)  # their time has not come
    items = {item.ordinal: item for item in job.load(sorted({*tries, *own}))}
    due, counted = sort_out(places.ledger, job.folders, items.values(), job.retry)
    settled = set(tries) - {one.item.ordinal for one in due}
    run.batch.settled |= settled
    run.totals += counted
    allowed = len(due) if job.limit is None else max(0, job.limit - totals.tried)
    due.sort(key=lambda one: one.item.ordinal)
    prepared = run.prepare(due[:allowed], tries)
    more = work.span is not None and work.span[1] < job.total - 1
    more = more and postponing.count(places.ledger, job.plan) < PUT_OFF_MOST
    before = _seen(crew)
    stopped = False
    with run.leased() as heart:

        def stop() -> bool:
            nonlocal stopped
            stopped = stopped or heart.stopped or job.enough(run.totals)
            return stopped

        with closing(outcomes(crew, prepared, more, stop)) as found:
            try:
                for one in found:
                    if one is not None:
                        order, outcome = one
                        run.note(items[order.ordinal], order, outcome, order.ordinal in tries)
                    if run.is_full():
                        run.commit(done=False)
            except KeyboardInterrupt:
                run.finish(done=False)
                raise
        run.finish(done=allowed >= len(due) and not stopped)
    return run.totals + _traffic(crew, before)


class _Run:
    """One range on its way: the batch that is being filled, and the one that is being committed."""

    def __init__(self, places: Places, job: Job, crew: Crew, work: Work, totals: Totals) -> None:
        self.places, self.job, self.crew, self.totals = places, job, crew, totals
        first = work.span[0] if work.span else None
        self.grant = Grant(job.plan, first, work.holder, work.claimant or crew.me)
        self.batch, self.started = Batch(), clock.monotonic()
        self.pending: Future[Committed] | None = None

    def prepare(self, due: list[DueItem], tries: dict[int, int]) -> Prepared:
        """Orders for what is due; what dead captures had finished is not asked for again."""
        prepared = Prepared()
        for one in due:
            item, state, original = one.item, one.state, one.original
            order = self._order(item, state)
            if original is not None:
                order = replace(order, derived_from=original.key.root)
            found = self._recovered(item, state)
            if isinstance(found, Taken):
                prepared.done.append((order, found))
            elif isinstance(found, Fetched):
                size = found.hashes.size
                prepared.orders.append(replace(order, fetched=found, size=size))
            elif original is not None:
                listed = Listed(checksum=original.checksum, mtime_ns=state[1])
                giver = HeldSource(self.places.store, original)
                prepared.fetches.append(Due(order, listed, giver=giver))
            elif item.carried.source in self.job.folders:
                prepared.orders.append(order)
            else:
                listed = item.listed or Listed()
                prepared.fetches.append(Due(order, listed, tries.get(item.ordinal, 0)))
        return prepared

    def note(self, item: Item, order: Order, outcome: Outcome, claimed: bool) -> None:
        """Put one file's outcome into the batch, and count it."""
        name = escape(item.path)
        if isinstance(outcome, Later):
            telemetry.files("postponed", 1)
            until = clock.text_of(clock.now() + timedelta(seconds=outcome.seconds))
            self.batch.put_off.append(
                Postponed(order.ordinal, outcome.host, until, outcome.tries, outcome.reason)
            )
            return
        if claimed:
            self.batch.settled.add(order.ordinal)
        if isinstance(outcome, Failure):
            reason = outcome.reason.removeprefix(f"{name}: ")
            self.totals += Totals(offered=1, failed=1, failures=(f"{name}: {reason}",))
        elif isinstance(outcome, Refusal):
            self.batch.refused.append((order, item.carried, None, outcome.reason))
            self.totals += Totals(offered=1, quarantined=1)
        elif outcome.refusal is not None:
            self.batch.refused.append((order, item.carried, outcome, outcome.refusal))
            self.totals += Totals(offered=1, quarantined=1)
        else:
            step = Step(order.source, order.path, order.action, order.version, outcome)
            journal.note(order.spool, ".taken", step)
            self.batch.taken.append((order, item.carried, outcome))
            self.batch.expected += item.expected_bytes
            self.totals += Totals(offered=1, captured=1)
        self.job.progress(self.totals)

    @contextmanager
    def leased(self) -> Iterator[Heartbeat]:
        """Keep the lease alive, where there is one."""
        if self.grant.first is None:
            yield Heartbeat()
            return
        plan, first, name = self.grant.plan, self.grant.first, self.grant.holder
        with leases.kept(self.places.ledger, plan, first, name) as heart:
            yield heart

    def is_full(self) -> bool:
        """Whether it is time to commit."""
        late = clock.monotonic() - self.started >= BATCH_SECONDS
        return len(self.batch) >= BATCH_FILES or (late and len(self.batch) > 0)

    def commit(self, *, done: bool) -> None:
        """Commit the batch while the next one is filled; at most one is on its way."""
        self._settle()
        # An interrupt from here on finds an empty batch: nothing is committed twice.
        ready, self.batch, self.started = self.batch, Batch(), clock.monotonic()
        self.pending = self.crew.commit(ready, self.grant, done=done)

    def finish(self, *, done: bool) -> None:
        """Commit what is left, and wait for it."""
        self.commit(done=done)
        self._settle()

    def _settle(self) -> None:
        if self.pending is None:
            return
        committed = self.pending.result()
        self.pending = None
        self.totals += Totals(
            bytes=committed.bytes,
            expected_bytes=committed.expected,  # with them: the two are compared while it goes on
            captured=-committed.collided - committed.forgotten,
            quarantined=committed.collided,
            skipped=committed.forgotten,
        )

    def _recovered(self, item: Item, state: State) -> Fetched | Taken | None:
        """What a capture that died had finished of a file, if it is still what is asked for."""
        left = self.crew.leftovers
        for steps in (left.taken, left.fetched):
            step = steps.pop(item.name, None)
            if step is None or step.action != item.action:
                continue
            done = step.done
            if isinstance(done, Taken):
                then: State = (done.source_size, done.mtime_ns, step.version)
            else:
                then = (done.hashes.size, None, step.version)
            if is_same(state, then):
                self.totals += Totals(recovered=1)
                return done
        return None

    def _order(self, item: Item, state: State) -> Order:
        size, time, version = state
        spool = self.places.store.spool / journal.fresh()
        return Order(
            ordinal=item.ordinal,
            source=item.carried.source,
            folder=self.job.folders.get(item.carried.source, ""),
            path=item.path,
            action=item.action,
            spool=str(spool),
            size=size or 0,
            settings=self.job.settings,
            version=version,
            kind=item.kind,
            mtime_ns=time or 0,
        )


def _finished(job: Job, totals: Totals) -> bool:
    over = job.limit is not None and totals.tried >= job.limit
    return over or job.enough(totals)


def wait_for_hosts(places: Places, job: Job) -> bool:
    """Wait a little for a file that was put off; False where that would take too long."""
    soonest = postponing.soonest(places.ledger, job.plan)
    if soonest is None or soonest > clock.text_of(clock.now() + timedelta(seconds=WAIT_SECONDS)):
        return False
    time.sleep(LOOK_SECONDS)
    return True


def put_off(places: Places, job: Job) -> Totals:
    """Files that are still due, because their hosts gave nothing."""
    count = postponing.count(places.ledger, job.plan)
    rows = postponing.waiting(places.ledger, job.plan, FAILURES_TOLD)
    names = {item.ordinal: escape(item.path) for item in job.load([row.ordinal for row in rows])}
    words = tuple(f"{names.get(row.ordinal, row.host)}: {row.reason}" for row in rows)
    return Totals(offered=count, failed=count, failures=words)


def _traffic(crew: Crew, before: tuple[int, int, int]) -> Totals:
    fetched, again, rehashed = _seen(crew)
    return Totals(
        fetched=fetched - before[0], again=again - before[1], rehashed=rehashed - before[2]
    )


def _seen(crew: Crew) -> tuple[int, int, int]:
    traffic = crew.fetchers.traffic
    return traffic.received, traffic.again, traffic.rehashed
