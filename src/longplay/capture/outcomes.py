"""What comes of the files of a range: fetched, taken by a worker, refused, or put off."""

from __future__ import annotations

import heapq
import queue
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

from longplay import clock
from longplay.capture import fetchers
from longplay.capture.crew import Crew, Event
from longplay.capture.fetchers import Brought, Due
from longplay.capture.orders import Order, Taken
from longplay.engine import Failure
from longplay.files import escape

RETRIED = ("timeout", "crash", "memory")
"""Failures of decoding, after which a file's bytes are still taken, into quarantine."""

GIVE_WAY_SECONDS = 2.0
"""Seconds that the workers may have nothing to do in one range, before the files that wait for
their hosts are put off and the next range begins."""

LOOK_SECONDS = 0.25
"""How often something is looked for that nobody tells of."""


@dataclass(frozen=True, slots=True)
class Later:
    """Why a file is put off, and for how many seconds; `tries` counts how often it failed."""

    host: str
    reason: str
    seconds: float
    tries: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a source refuses a file for good."""

    reason: str


Outcome = Taken | Failure | Later | Refusal


@dataclass(slots=True)
class Prepared:
    """What a range has to do: orders for workers, files to be fetched, and what a capture that
    died had finished already."""

    orders: list[Order] = field(default_factory=list)
    fetches: list[Due] = field(default_factory=list)
    done: list[tuple[Order, Taken]] = field(default_factory=list)


def outcomes(
    crew: Crew, prepared: Prepared, more: bool, stop: Callable[[], bool] = lambda: False
) -> Generator[tuple[Order, Outcome] | None, None, None]:
    """The outcome of each file, as they come, those first in the plan asked for first; None every
    moment that nothing comes.

    Of a file that broke its worker the bytes alone are taken, and why. Where `more` ranges follow,
    files whose host is busy do not hold them up. Once `stop` says so nothing more is begun, and
    what the workers have in hand still comes: the crew is idle when this ends.
    """
    flow = _Flow(crew, prepared)
    yield from prepared.done
    while True:
        if stop():
            flow.wind_down()
        flow.feed()
        if flow.is_idle():
            if not flow.try_again():
                break
            continue
        event = flow.next_event()
        if more and flow.starved >= GIVE_WAY_SECONDS:
            yield from _withdrawn(crew)
        found = flow.take(event) if event is not None else None
        if found is not None or event is None:
            yield found
    crew.fetchers.give_back()


class _Flow:
    """The files of a range on their way through the crew. `starved` counts the seconds in which the
    workers had nothing to do."""

    def __init__(self, crew: Crew, prepared: Prepared) -> None:
        self.crew, self.starved = crew, 0.0
        self._waiting = [(order.ordinal, order) for order in prepared.orders]
        heapq.heapify(self._waiting)
        self._again: list[tuple[int, Order]] = []
        self._broken: dict[int, str] = {}
        self._brought: set[int] = set()
        self._under_way = 0
        self._ending = False
        crew.fetchers.add(prepared.fetches)

    def wind_down(self) -> None:
        """Begin nothing more; what has been fetched stays for another capture."""
        if not self._ending:
            self._ending = True
            self.crew.fetchers.withdraw()
            self.crew.fetchers.interrupt()
            for ordinal, _ in self._waiting:
                self._leave(ordinal)
            self._waiting.clear()
            self._again.clear()

    def feed(self) -> None:
        """Give the workers what they can take."""
        while self._waiting and self._under_way < 2 * self.crew.workers:
            self.crew.pool.submit(heapq.heappop(self._waiting)[1])
            self._under_way += 1

    def is_idle(self) -> bool:
        """Whether nothing is on its way."""
        return not self._under_way and not self.crew.fetchers.pending and self.crew.events.empty()

    def try_again(self) -> bool:
        """Turn to the files that broke their worker; whether there are any."""
        self._waiting, self._again = self._again, []
        heapq.heapify(self._waiting)
        return bool(self._waiting)

    def next_event(self) -> Event | None:
        """What has come; None when nothing does for a moment."""
        before, busy = clock.monotonic(), self._under_way > 0
        try:
            event = self.crew.events.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            event = None
        self.starved += 0.0 if busy else clock.monotonic() - before
        return event

    def take(self, event: Event) -> tuple[Order, Outcome] | None:
        """The outcome that an event is; None where the file is still on its way."""
        if isinstance(event, Brought):
            return self._take_brought(event)
        self._under_way -= 1
        order, outcome = event
        if isinstance(outcome, Failure) and _try_again(order, outcome) and not self._ending:
            self._broken[order.ordinal] = outcome.reason
            self._again.append((order.ordinal, replace(order, listen=False)))
            return None
        self._leave(order.ordinal)
        return order, _with_reason(outcome, self._broken.get(order.ordinal))

    def _take_brought(self, event: Brought) -> tuple[Order, Outcome] | None:
        order = event.due.order
        if event.fetched is None:
            return None if self._ending else (order, _not_brought(self.crew, event))
        self._brought.add(order.ordinal)
        if self._ending:
            self._leave(order.ordinal)
        else:
            order = replace(order, size=event.fetched.hashes.size)
            heapq.heappush(self._waiting, (order.ordinal, order))
        return None

    def _leave(self, ordinal: int) -> None:
        """A fetched file no longer waits in the spool for a worker."""
        if ordinal in self._brought:
            self._brought.remove(ordinal)
            self.crew.fetchers.decoded()


def _try_again(order: Order, failure: Failure) -> bool:
    """Remove what a worker that failed left in the spool, but for what was fetched; whether the
    file's bytes alone are worth a try."""
    spool = Path(order.spool)
    for stray in spool.parent.glob(f"{spool.name}-*"):
        if order.fetched is None or stray != order.fetched.spool:
            stray.unlink(missing_ok=True)
    return failure.kind in RETRIED and order.listen


def _with_reason(outcome: Taken | Failure, reason: str | None) -> Taken | Failure:
    """The outcome of a second try, with what broke the first."""
    if reason is None:
        return outcome
    if isinstance(outcome, Failure):
        return Failure("error", f"{reason}; {outcome.reason}")
    return replace(outcome, refusal=reason)


def _not_brought(crew: Crew, event: Brought) -> Later | Refusal | Failure:
    assert event.error is not None
    error, order = event.error, event.due.order
    words = str(error).removeprefix(f"{escape(order.path)}: ")
    if fetchers.is_final(error):
        return Refusal(words)
    host = (event.due.giver or crew.source(order.source)).limit(order.path).host
    return Later(host, words, event.pause, event.due.tries + event.tried)


def _withdrawn(crew: Crew) -> Generator[tuple[Order, Later], None, None]:
    for host, due in crew.fetchers.withdraw():
        yield due.order, Later(host, "its host was busy", 0.0, due.tries)
