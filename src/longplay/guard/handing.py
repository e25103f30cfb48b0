"""Lines of access logs for somebody outside: accounts and addresses under keyed pseudonyms, and no
field that is not known. docs/formats/access-log.md"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import Any

import orjson

from longplay.errors import InputError
from longplay.files import durable, turns
from longplay.guard import record
from longplay.guard.reading.blocks import Damage, blocks

MOST_NAMES = 1 << 16
"""Pseudonyms that are kept in memory."""

MOST_TEXT = 200
"""Characters of a value: as much as `longplay serve` writes."""

FIELDS = ("time", "account", "address", "track", "bytes", "listened_s", "action", "part", "what")


@dataclass(slots=True)
class Handed:
    """What came of a log: lines that were written, that are older than asked for, and that are
    none."""

    lines: int = 0
    older: int = 0
    no_event: int = 0
    damage: Damage = field(default_factory=Damage)


@contextmanager
def opened(log: Path, lock: Path) -> Iterator[list[BufferedReader]]:
    """A log and those that it was before, the oldest first. All are opened in one turn of those who
    hold `lock`: each is here once, whatever it is called when it is read. Raises InputError."""
    with ExitStack() as stack:
        try:
            with turns(lock):
                files: list[BufferedReader] = [
                    stack.enter_context(one.open("rb")) for one in _logs_of(log)
                ]
        except OSError as error:
            words = (error.strerror or "cannot be read").lower()
            where = str(error.filename or log)
            raise InputError(words, where=where, hint="run it as who serves") from error
        yield files


def _logs_of(log: Path) -> list[Path]:
    older: list[Path] = []
    while (one := log.with_name(f"{log.name}.{len(older) + 1}")).exists():
        older.append(one)
    return [*reversed(older), *([log] if log.exists() else [])]


def hand_out(
    logs: Sequence[Path | BufferedReader],
    file: Path,
    called: Callable[[str], str],
    since: datetime | None = None,
) -> Handed:
    """Write these logs into a file, whole or not at all, in lines as `longplay serve` writes them.
    Raises InputError where there is no log, or one that cannot be opened."""
    if not logs:
        raise InputError("there is no access log yet", hint="name the logs of another service")
    counts = Handed()
    named = lru_cache(MOST_NAMES)(called)
    with durable(file) as out:
        for log in logs:
            for row in _rows(log, counts):
                moment = _moment(row.get("time"))
                if moment is None:
                    counts.no_event += 1
                elif since is not None and moment < since:
                    counts.older += 1
                else:
                    out.write(orjson.dumps(_hidden(row, named), option=orjson.OPT_APPEND_NEWLINE))
                    counts.lines += 1
    return counts


def _rows(log: Path | BufferedReader, counts: Handed) -> Iterator[dict[str, Any]]:
    for block in blocks(log, counts.damage):
        for line in block.split(b"\n"):
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                row = None
            if isinstance(row, dict):
                yield row
            else:
                counts.no_event += 1


def _hidden(row: dict[str, Any], called: Callable[[str], str]) -> dict[str, Any]:
    """A line without names. A value that is no text or number is left out: names might be in it."""
    told: dict[str, Any] = {}
    for name in FIELDS:
        value = row.get(name)
        if name in ("account", "address"):
            told[name] = None if value in (None, "") else _called(name, value, called)
        elif isinstance(value, str):
            told[name] = value[:MOST_TEXT]
        elif isinstance(value, int | float):
            told[name] = value
    return told


def _called(kind: str, value: Any, called: Callable[[str], str]) -> str:
    text = str(value)[:MOST_TEXT]
    return called(record.who_of(text) if kind == "account" else f"address:{text}")


def _moment(value: Any) -> datetime | None:
    """The time of a line; None where it has none."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None
