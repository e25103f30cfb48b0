"""What comes of the files of a range: fetched, taken by a worker, refused, or put off."""

from __future__ import annotations

import heapq
import queue
from collections.abc import Generator
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
    crew: Crew, prepared: Prepared, more: bool
) -> Generator[tuple[Order, Outcome] | None, None, None]:
    """The outcome of each file, as they come, those first in the plan asked for first; None every
    moment that nothing comes.

    Of a file that broke its worker the bytes alone are taken, and why. Where `more` ranges follow,
    files whose host is busy do not hold them up.
    """
    yield from prepared.done
    waiting = [(order.ordinal, order) for order in prepared.orders]
    heapq.heapify(waiting)
    crew.fetchers.add(prepared.fetches)
    broken: dict[int, str] = {}
    again: list[Order] = []
    under_way, starved = 0, 0.0
    while True:
        while waiting and under_way < 2 * crew.workers:
            crew.pool.submit(heapq.heappop(waiting)[1])
            under_way += 1
        if not under_way and not crew.fetchers.pending and crew.events.empty():
            if not again:
                break
            waiting, again = [(order.ordinal, order) for order in again], []
            continue
        before, busy = clock.monotonic(), under_way > 0
        event = _next_event(crew)
        starved += 0.0 if busy else clock.monotonic() - before
        if more and starved >= GIVE_WAY_SECONDS:
            yield from _withdrawn(crew)
        if event is None:
            yield None
            continue
        if isinstance(event, Brought):
            if event.fetched is None:
                yield event.due.order, _not_brought(crew, event)
            else:
                order = replace(event.due.order, size=event.fetched.hashes.size)
                heapq.heappush(waiting, (order.ordinal, order))
            continue
        under_way -= 1
        order, outcome = event
        if isinstance(outcome, Failure) and _try_again(order, outcome):
            broken[order.ordinal] = outcome.reason
            again.append(replace(order, listen=False))
            continue
        if order.fetched is not None:
            crew.fetchers.decoded()
        yield order, _with_reason(outcome, broken.get(order.ordinal))
    crew.fetchers.give_back()


def _next_event(crew: Crew) -> Event | None:
    try:
        return crew.events.get(timeout=LOOK_SECONDS)
    except queue.Empty:
        return None


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
    return Later(host, words, event.pause, event.due.tries + 1)


def _withdrawn(crew: Crew) -> Generator[tuple[Order, Later], None, None]:
    for host, due in crew.fetchers.withdraw():
        yield due.order, Later(host, "its host was busy", 0.0, due.tries)
