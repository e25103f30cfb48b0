"""Threads that bring files from sources to the spool, each host at its own pace.

A host is asked for as many files at a time, and in a second, as its source allows, counted over all
captures of the archive (`ledger.hosts`). The file that comes first in the plan goes first among
those whose host is ready; a host that is slow, down or throttling holds up its own files alone.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from longplay import clock
from longplay.capture import journal
from longplay.capture.fetching import Listed, Traffic, fetch
from longplay.capture.journal import Leftovers
from longplay.capture.orders import Fetched, Order
from longplay.capture.sources import Limit, Source
from longplay.errors import LedgerError, LongplayError, SourceError, UnavailableError
from longplay.files import escape
from longplay.ledger import hosts
from longplay.ledger.database import Ledger

THREADS = 16
"""Files that one process fetches at a time, of all hosts together."""

AHEAD = 16
"""Files that may lie fetched and not yet taken: the spool stays small where decoding is slower."""

FIRST_PAUSE = 30.0
LONGEST_PAUSE = 3600.0
"""Seconds after which a host that gave nothing is tried again: doubled each time."""

PATIENCE = 3
"""Files in a row that a host may fail to give before it counts as down."""

SLOT_SECONDS = 5.0
"""How often a host whose slots others have is looked at again."""


@dataclass(frozen=True, slots=True)
class Due:
    """A file to be fetched: its order, what was listed of it, how often it failed before, and who
    gives it, if not its own source."""

    order: Order
    listed: Listed
    tries: int = 0
    giver: Source | None = None


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of fetching one file: `fetched`, or `error`; `pause` is for how many seconds it
    should be left alone, `tried` whether anybody was asked for it."""

    due: Due
    fetched: Fetched | None = None
    error: LongplayError | None = None
    pause: float = 0.0
    tried: bool = True


@dataclass(slots=True)
class _Host:
    """A host, or a source whose files come from nowhere that needs to be spared. `slots` may be
    asked of it at a time by this process; the ledger is asked for more (`asking`) not before
    `ask_again`."""

    limit: Limit
    slots: int = 0
    busy: int = 0
    asking: bool = False
    ask_again: float = 0.0
    ready: float = 0.0
    failures: int = 0
    down_until: float = 0.0
    waiting: list[tuple[int, Due]] = field(default_factory=list)

    def is_down(self, now: float) -> bool:
        """Whether it has failed so often that its files need not be tried now."""
        return self.failures >= PATIENCE and now < self.down_until

    def failed(self, now: float, seconds: float | None) -> None:
        """Note that it gave nothing, and when it wants to be asked again, if it said so: a source
        waits out short times itself, so that a host which names one is down until then."""
        if self.is_down(now):  # a request that had begun before that was known
            self.down_until = max(self.down_until, now + (seconds or 0.0))
            return
        self.failures = self.failures + 1 if seconds is None else max(self.failures + 1, PATIENCE)
        self.down_until = now + max(seconds or 0.0, _pause(self.failures - PATIENCE))

    @property
    def interval(self) -> float:
        """Seconds between requests of this process: its part of what the host allows."""
        share = self.limit.connections / max(1, self.slots)
        return share * self.limit.interval


class Fetchers:
    """Fetch files given to `add`; `brought(result)` is called for each by one of the threads.

    Use it as a context manager; leaving it stops the transfers, whose beginnings stay.
    """

    def __init__(
        self,
        ledger: Ledger,
        holder: str,
        source: Callable[[str], Source],
        leftovers: Leftovers,
        brought: Callable[[Brought], None],
    ) -> None:
        self.traffic = Traffic()
        self._ledger, self._holder = ledger, holder
        self._source, self._brought = source, brought
        self._leftovers = leftovers
        self._hosts: dict[str, _Host] = {}
        self._change = threading.Condition()
        self._stopping = False
        self._interrupted = 0
        self._undecoded = 0
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Fetchers:
        return self

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._stopping = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join(timeout=10)
        if self._threads:
            hosts.release(self._ledger, self._holder)

    def add(self, files: Iterable[Due]) -> None:
        """Take files to be fetched."""
        with self._change:
            for due in files:
                limit = self._giver(due).limit(due.order.path)
                # Where nobody is spared, one source that is away is not the others' misfortune.
                own = f" {due.order.source}{' (held)' if due.giver else ''}"
                host = self._hosts.setdefault(limit.host or own, _Host(limit))
                host.limit = limit
                if not limit.host:
                    host.slots = limit.connections
                heapq.heappush(host.waiting, (due.order.ordinal, due))
            wanted = min(THREADS, sum(len(host.waiting) for host in self._hosts.values()))
            while len(self._threads) < wanted:
                thread = threading.Thread(target=self._work, name="fetcher", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._change.notify_all()

    def decoded(self) -> None:
        """One of the fetched files has been taken out of the spool."""
        with self._change:
            self._undecoded -= 1
            self._change.notify_all()

    @property
    def pending(self) -> int:
        """Files that were given and have not come back."""
        with self._change:
            return sum(len(host.waiting) + host.busy for host in self._hosts.values())

    def interrupt(self) -> None:
        """Stop what is being transferred; its beginnings stay. What is added later is not."""
        with self._change:
            self._interrupted += 1

    def withdraw(self) -> list[tuple[str, Due]]:
        """Take back the files that wait for their host, as (host, file)."""
        with self._change:
            found = [
                (host.limit.host, due) for host in self._hosts.values() for _, due in host.waiting
            ]
            for host in self._hosts.values():
                host.waiting.clear()
            return found

    def give_back(self) -> None:
        """Let other captures have the hosts that nothing is wanted from now."""
        with self._change:
            idle = [
                name
                for name, host in self._hosts.items()
                if host.slots and not host.waiting and not host.busy and host.limit.host
            ]
            for name in idle:
                self._hosts[name].slots = 0
        for name in idle:
            hosts.release(self._ledger, self._holder, name)

    def _giver(self, due: Due) -> Source:
        return due.giver or self._source(due.order.source)

    def _work(self) -> None:
        while (found := self._next()) is not None:
            host, due, interrupted = found
            result = self._fetch(host, due, interrupted)
            if result.fetched is not None:
                with self._change:
                    self._undecoded += 1
            self._brought(result)  # before it stops being pending: nothing is lost between
            with self._change:
                host.busy -= 1
                self._change.notify_all()

    def _next(self) -> tuple[_Host, Due, int] | None:
        """The file that comes first in the plan among those whose host is ready; waits for one."""
        while True:
            with self._change:
                if self._stopping:
                    return None
                now = clock.monotonic()
                host, pause = self._ready(now) if self._undecoded < AHEAD else (None, SLOT_SECONDS)
                if host is None:
                    self._change.wait(timeout=max(0.01, pause))
                    continue
                if host.busy < host.slots or host.is_down(now):
                    _, due = heapq.heappop(host.waiting)
                    host.busy += 1
                    host.ready = max(host.ready, now + host.interval)
                    return host, due, self._interrupted
                host.asking = True
            self._ask_for_slots(host)

    def _ready(self, now: float) -> tuple[_Host | None, float]:
        """The host to ask next, or to ask the ledger for; None and how many seconds to wait."""
        best: _Host | None = None
        soonest = SLOT_SECONDS
        for host in self._hosts.values():
            if not host.waiting:
                continue
            if host.is_down(now):  # its files go back at once, without a request
                return host, 0
            when = host.ready
            if host.busy >= host.slots:
                if host.asking or host.slots >= host.limit.connections:
                    continue
                when = max(when, host.ask_again)
            if when > now:
                soonest = min(soonest, when - now)
            elif best is None or host.waiting[0][0] < best.waiting[0][0]:
                best = host
        return best, soonest

    def _ask_for_slots(self, host: _Host) -> None:
        """Ask the ledger, which may be busy or away: nobody else waits for that."""
        limit = host.limit
        slots: int | None = None
        with suppress(LedgerError):
            slots = hosts.hold(self._ledger, limit.host, limit.connections, self._holder)
        with self._change:
            host.asking = False
            host.slots = host.slots if slots is None else slots
            if host.slots <= host.busy:
                host.ask_again = clock.monotonic() + SLOT_SECONDS
            self._change.notify_all()

    def _fetch(self, host: _Host, due: Due, interrupted: int) -> Brought:
        now = clock.monotonic()
        if host.is_down(now):
            error = UnavailableError("its host is down")
            return Brought(due, error=error, pause=host.down_until - now, tried=False)
        order = due.order
        partial = self._leftovers.partial.pop((order.source, order.path), None)
        try:
            fetched = fetch(
                self._giver(due),
                order,
                due.listed,
                partial=partial,
                traffic=Traffic() if due.giver else self.traffic,
                stopped=lambda: self._stopping or self._interrupted != interrupted,
            )
        except LongplayError as error:
            return self._not_fetched(host, due, error)
        except Exception as error:
            words = f"{type(error).__name__}: {error}"[:300]
            where = escape(order.path)
            return self._not_fetched(host, due, UnavailableError(words, where=where))
        with self._change:
            host.failures = 0
        return Brought(replace(due, order=replace(order, fetched=fetched)), fetched)

    def _not_fetched(self, host: _Host, due: Due, error: LongplayError) -> Brought:
        """What a failure says of the host; what came of the file stays for its next try."""
        begun = journal.begun(due.order.spool)
        if begun is not None:
            self._leftovers.partial[due.order.source, due.order.path] = begun
        if is_final(error):
            with self._change:
                host.failures = 0  # it has answered
            return Brought(due, error=error)
        seconds = error.seconds if isinstance(error, UnavailableError) else None
        with self._change:
            host.failed(clock.monotonic(), seconds)
        return Brought(due, error=error, pause=max(seconds or 0.0, _pause(due.tries)))


def _pause(tries: int) -> float:
    return min(FIRST_PAUSE * 2.0 ** max(0, tries), LONGEST_PAUSE)


def is_final(error: LongplayError) -> bool:
    """Whether the source refuses the file for good."""
    return isinstance(error, SourceError) and not isinstance(error, UnavailableError)
