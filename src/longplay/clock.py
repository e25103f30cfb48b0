"""The only reader of the time. Tests replace `now` and `monotonic` here and nowhere else."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present moment in UTC, to the millisecond (what the ledger keeps)."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def timestamp() -> str:
    """The present moment as ISO 8601 text in UTC, e.g. `2026-11-23T09:30:00.123Z`."""
    return text_of(now())


def text_of(moment: datetime) -> str:
    """A moment in UTC as `timestamp` writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def of_seconds(seconds: float) -> datetime:
    """The moment in UTC that lies so many seconds after the beginning of 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def nanoseconds(moment: datetime) -> int | None:
    """A moment in nanoseconds since 1970, to the millisecond; None for one that 64 bits do not
    hold (before 1678, after 2261): whoever wrote that knows no time."""
    if not 1678 <= moment.year <= 2261:
        return None
    return int(moment.timestamp() * 1000) * 10**6


def monotonic() -> float:
    """Seconds from an arbitrary start; only differences mean something."""
    return time.monotonic()
