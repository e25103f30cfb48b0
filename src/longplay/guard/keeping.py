"""How long a log that turns is kept: by number of files, and by age, since it says what people did.

A log that is too old in front turns, though it is small; one that turned is erased when its last
line is too old. It turns after a fraction of the days (an eighth, where so many files may be kept)
and is erased as much earlier: no line is kept longer than the days are, and none shorter than what
is left of them then.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from longplay import clock
from longplay.files import turns

PARTS = 8
"""A log turns after an eighth of the days, where so many files may be kept."""

LONGEST = 1024 * 1024
"""Bytes at a log's beginning in which a time is looked for."""

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A log and its older files (`….1` the newest of them), written in turns by those who hold
    `lock`. `files` older ones are kept, and nothing longer than `days` (0: however old)."""

    path: Path
    lock: Path
    files: int
    days: float

    def turn(self, most_bytes: int) -> None:
        """Begin a new file where this one has so many bytes; of several processes one does."""
        with turns(self.lock):
            if self.path.stat().st_size >= most_bytes:
                self.shift()

    def tidy(self) -> None:
        """Turn what is old in front, and erase what is old altogether. Raises OSError."""
        if self.days and (self._is_due() or self._old()):
            with turns(self.lock):
                self.tidy_in_turn()

    def tidy_in_turn(self) -> None:
        """The same, for who holds the lock."""
        if self.days and self._is_due():
            self.shift()
        for path in self._old():
            path.unlink(missing_ok=True)

    def shift(self) -> None:
        """Begin a new file, for who holds the lock. Older ones are called `….1` (the newest), `….2`
        and so on, and the oldest goes."""
        older = [self._older(at) for at in range(1, self.files + 1)]
        if not older:
            self.path.unlink()
            return
        for at in range(len(older) - 1, 0, -1):
            with suppress(FileNotFoundError):
                older[at - 1].replace(older[at])
        self.path.replace(older[0])

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    @property
    def _span(self) -> float:
        """Seconds that lie between a file's first line and its last at most."""
        return DAY * self.days / min(self.files + 1, PARTS)

    def _is_due(self) -> bool:
        first = _first(self.path)
        return first is not None and clock.now().timestamp() - first >= self._span

    def _old(self) -> list[Path]:
        """Files to be erased, the oldest first: those that follow the log stop at a gap."""
        if not self.days:
            return []
        number = 1
        while self._older(number).exists():
            number += 1
        before = clock.now().timestamp() - DAY * self.days + self._span
        found = []
        for at in range(number - 1, 0, -1):
            path = self._older(at)
            with suppress(FileNotFoundError):
                if path.stat().st_mtime > before:
                    break
                found.append(path)
        return found


def _first(path: Path) -> float | None:
    """When the first of a log's lines that tells its time was written; where none of the leading
    ones does, when the log was written last. None for a log that is empty, or not there."""
    try:
        with path.open("rb") as file:
            facts, left = os.fstat(file.fileno()), LONGEST
            while left > 0 and (line := file.readline(left)):
                moment = _time_of(line)
                if moment is not None:
                    return moment
                left -= len(line)
    except OSError:
        return None
    return facts.st_mtime if facts.st_size else None


def _time_of(line: bytes) -> float | None:
    try:
        moment = datetime.fromisoformat(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
