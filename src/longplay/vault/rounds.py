"""Rounds of fixity checks: what to read now, so that nothing goes unread for longer than it may.

A round takes the copies whose last check lies furthest back, until both of these are met:

1. Everything that would be late before the next round but one is in it. Rounds are taken to come
   once a day, or as far apart as this one is from the last.
2. Its bytes are the share of all bytes that the time since the last round is of the time that this
   leaves, so that what came in on one day is not due on one day.

A copy counts as read when it was written. Nothing here reads a clock or a disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

USUAL = timedelta(days=1)
"""How far apart rounds are taken to be, at least."""

MARGIN = 2
"""Rounds that may still come before something is late: one of them may be missed."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of an object: in the archive itself (`replica` empty) or in a replica."""

    root: bytes
    size: int
    replica: str
    checked: datetime | None


@dataclass(frozen=True, slots=True)
class Round:
    """What to read now; `overdue` of them are late already."""

    copies: tuple[Copy, ...]
    bytes: int
    overdue: int


def plan(
    copies: Iterable[Copy], total: int, *, now: datetime, last: datetime | None, period: timedelta
) -> Round:
    """The round for this moment out of all copies, given the oldest check first and never checked
    ones before them; `total` is their bytes, `last` when the last round began."""
    since = min(max(now - last, timedelta()), period) if last else min(USUAL, period)
    age = period - MARGIN * max(since, USUAL)
    enough = total * (since / max(age, since)) if since else 0
    chosen: list[Copy] = []
    size = overdue = 0
    for copy in copies:
        urgent = copy.checked is None or copy.checked <= now - age
        if not urgent and size >= enough:
            break
        chosen.append(copy)
        size += copy.size
        overdue += copy.checked is None or copy.checked < now - period
    return Round(tuple(chosen), size, overdue)
