"""How much is preserved, counted for its pictures: a few hundred figures however large the archive.

Counting passes over the listens of every recording and over the log, which takes seconds where
there are millions: so it is done beside the answers, once for each snapshot and head of the log,
and what was counted last is shown meanwhile. Nothing in it names a work.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import sqlalchemy as sa

from longplay import clock
from longplay.access.beside import Beside
from longplay.access.known import SHARE, Known
from longplay.archive import Archive
from longplay.catalogue import corrections, imports
from longplay.catalogue.search.candidates import Keys
from longplay.catalogue.snapshot import Snapshot
from longplay.errors import LongplayError
from longplay.ledger import batches, tables
from longplay.workflows import listened, tallying
from longplay.workflows.tallying import Totals

WAIT_SECONDS = 0.5
"""How long a page waits for figures that are being counted."""

AT_ONCE, ENTRIES = 250_000, 20_000
"""Recordings, and entries of the log, that are looked at in one go."""

MOST_POINTS = 200
"""Points of the line of growth: beyond it every other one is left out."""

EDGES = tuple(base * 10**power for power in range(11) for base in (1, 2, 5))
"""Listens from which each bar but the first begins."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Recordings with at least `low` listens and fewer than the next bar's, and how many of them
    are held."""

    low: int
    recordings: int
    held: int


@dataclass(frozen=True, slots=True)
class Point:
    """How much had been taken in by a time (UTC, ISO 8601), of all that ever was."""

    time: str
    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Covered:
    """Of a source the rows held, those it declares, and the share of them; None where it declares
    none."""

    source: str
    table: str
    rows: int
    declared: int | None
    share: float | None


@dataclass(frozen=True, slots=True)
class Preserved:
    """The figures of one snapshot and one head of the log, and the seconds that they took."""

    snapshot: int
    head: int
    totals: Totals
    heard: tuple[Bar, ...]
    growth: tuple[Point, ...]
    sources: tuple[Covered, ...]
    seconds: float
    at: float


@dataclass(slots=True)
class Growth:
    """What batches brought, read from the log as it grows: `seen` is the last entry read. Every
    `each`th batch leaves a point, and so does the last."""

    seen: int = 0
    each: int = 1
    batches: int = 0
    last: Point = Point("", 0, 0)
    points: list[Point] = field(default_factory=list)

    def add(self, time: str, objects: int, size: int) -> None:
        """Count a batch."""
        self.last = Point(time, self.last.objects + objects, self.last.bytes + size)
        self.batches += 1
        if self.batches % self.each == 0:
            self.points.append(self.last)
        if len(self.points) > MOST_POINTS:
            self.points = self.points[1::2]
            self.each *= 2

    def line(self) -> tuple[Point, ...]:
        """The points up to now."""
        rest = [self.last] if self.batches % self.each else []
        return (*self.points, *rest)


@dataclass(slots=True)
class Counting:
    """What was counted last, for all threads of a process."""

    archive: Archive
    _found: Preserved | None = None
    _growth: Growth = field(default_factory=Growth)
    _counting: Beside = field(default_factory=lambda: Beside("counting"))

    def now(self, known: Known) -> Preserved | None:
        """The figures of today; those of before while counting takes longer than a moment, and None
        where there are none yet."""
        found = self._found
        if found and (found.snapshot, found.head) == (known.snapshot.number, known.head):
            return found
        if found is None or self._is_due(found):
            self._counting.begin(partial(self._count, known)).join(WAIT_SECONDS)
        return self._found

    def _is_due(self, found: Preserved) -> bool:
        """Whether to count again; else the figures of before have to do."""
        rested = clock.monotonic() >= found.at + found.seconds / SHARE
        return rested and not self._counting.is_busy

    def close(self) -> None:
        """Wait for what is being counted, but not for ever."""
        self._counting.close()

    def _count(self, known: Known) -> None:
        """What fails here is tried again by the next who asks."""
        with suppress(LongplayError, OSError):
            started = clock.monotonic()
            totals = tallying.totals(self.archive)
            _read_growth(self.archive, self._growth)
            heard = _heard(self.archive, known.snapshot, known.held)
            done = clock.monotonic()
            self._found = Preserved(
                known.snapshot.number,
                known.head,
                totals,
                heard,
                self._growth.line(),
                _covered(known.snapshot),
                done - started,
                done,
            )


def _heard(archive: Archive, snapshot: Snapshot, held: Keys) -> tuple[Bar, ...]:
    """Recordings by their listens, from the least to the most listened-to that there are."""
    listening = listened.opened(archive, listened.key(archive, snapshot))
    if listening is None or not listening.known:
        return ()
    every = np.zeros(len(EDGES) + 1, np.int64)
    kept = np.zeros_like(every)
    for first in range(0, len(listening.recordings), AT_ONCE):
        keys = np.asarray(listening.recordings[first : first + AT_ONCE])
        bars = np.searchsorted(EDGES, listening.listens[first : first + AT_ONCE], "right")
        every += np.bincount(bars, minlength=len(every))
        at = np.searchsorted(held, keys).clip(0, max(len(held) - 1, 0))
        if len(held):
            kept += np.bincount(bars[held[at] == keys], minlength=len(every))
    filled = np.flatnonzero(every)
    if not len(filled):
        return ()
    return tuple(
        Bar((0, *EDGES)[at], int(every[at]), int(kept[at]))
        for at in range(filled[0], filled[-1] + 1)
    )


def _read_growth(archive: Archive, growth: Growth) -> None:
    """Read the batches that the log has since."""
    c = tables.log.c
    while True:
        with archive.ledger.read() as connection:
            last = connection.scalar(sa.select(sa.func.max(c.number))) or 0
            end = min(last, growth.seen + ENTRIES)
            query = sa.select(c.time, c.detail).where(
                c.number > growth.seen, c.number <= end, c.event == batches.EVENT
            )
            rows = connection.execute(query.order_by(c.number)).all()
        growth.seen = end
        for row in rows:
            detail = json.loads(row.detail)
            growth.add(row.time, int(detail["objects"]), int(detail["bytes"]))
        if end == last:
            return


def _covered(snapshot: Snapshot) -> tuple[Covered, ...]:
    return tuple(
        Covered(
            name,
            layer.subject,
            layer.rows(layer.subject),
            layer.declared.get(layer.subject),
            imports.coverage(layer),
        )
        for name, layer in sorted(snapshot.manifest.layers.items())
        if name != corrections.SOURCE
    )
