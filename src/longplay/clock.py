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


def monotonic() -> float:
    """Seconds from an arbitrary start; only differences mean something."""
    return time.monotonic()
