"""The stream of decisions: one JSON line for each change, for programs that follow what the guard
decides. docs/formats/guard.md

A change is in it once, though whoever writes may be killed at any moment: its id has the number of
the change, and what is appended are those after the last that is there whole. The file turns when
it is large, and one older is kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from longplay.guard.keeping import Kept

FILE = "decisions.log"

OLDER = f"{FILE}.1"

LOCK = "decisions.lock"
"""Held by who changes the record, and so writes here."""

MOST_BYTES = 8 * 2**20
"""After which the file turns: some 20,000 changes."""

TAIL = 64 * 1024
"""Bytes at the end of the file in which its last line is looked for first."""

LONGEST = 2**20
"""Of a line: a hundred times what reasons take."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of what is decided. `act` is what was done (`slow`, `release`, `appeal`, …),
    `detail` the rest: `by`, `verdict`, `probability`, `tracks`, `group`, `reasons` or `reason`."""

    id: str
    time: str
    act: str
    who: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Last:
    """The two parts of a change's id."""

    began: str
    number: int


def append(folder: Path, began: str, changes: list[dict[str, Any]]) -> None:
    """Write changes of the record that `began` so at the end, each once. The caller holds the
    record's lock. Raises OSError."""
    path = folder / FILE
    last = last_of(folder)
    done = last.number if last is not None and last.began == began else 0
    data = b"".join(_line(began, one) for one in changes if one["number"] > done)
    if not data:
        return
    if path.exists() and path.stat().st_size >= MOST_BYTES:
        _kept(folder, 0).shift()
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        while data:
            data = data[os.write(number, data) :]
        os.fsync(number)
    finally:
        os.close(number)


def last_of(folder: Path) -> Last | None:
    """The last change that is there whole; a line that is not is taken off. The caller holds the
    record's lock. Raises OSError."""
    return _mended(folder / FILE) or _mended(folder / OLDER)


def erase(folder: Path, days: float) -> None:
    """Erase what is older than so many days (0: nothing is). The caller holds the record's lock."""
    _kept(folder, days).tidy_in_turn()


def _kept(folder: Path, days: float) -> Kept:
    return Kept(folder / FILE, folder / LOCK, 1, days)


def changes(folder: Path) -> Iterator[Change]:
    """All changes that are kept, the oldest first. What is no line of ours is passed over."""
    with ExitStack() as opened:
        files: list[IO[bytes]] = []
        # The newer one first: it may turn into the older one between the two, and is read once.
        for name in (FILE, OLDER):
            with suppress(FileNotFoundError):
                file: IO[bytes] = opened.enter_context((folder / name).open("rb"))
                if not any(os.path.sameopenfile(file.fileno(), one.fileno()) for one in files):
                    files.insert(0, file)
        for file in files:
            while line := file.readline(LONGEST):
                one = _change(line)
                if one is not None:
                    yield one


def _line(began: str, change: dict[str, Any]) -> bytes:
    """What programs tell a change by stands first, before any text that a stranger may choose."""
    detail = {name: value for name, value in change["detail"].items() if name != "act"}
    told = {
        "time": change["time"],
        "id": f"{began}-{change['number']}",
        "act": change["event"].removeprefix("guard "),
        "who": change["who"],
    }
    return json.dumps(told | detail, separators=(",", ":")).encode() + b"\n"


def _change(line: bytes) -> Change | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
        rest = {name: row[name] for name in row if name not in ("id", "time", "act", "who")}
        return Change(str(row["id"]), str(row["time"]), str(row["act"]), str(row["who"]), rest)
    except (ValueError, KeyError, TypeError):
        return None


def _mended(path: Path) -> Last | None:
    """The last change in a file, from which a line that was not written whole is taken off."""
    try:
        number = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(number).st_size
        reach = TAIL
        while True:
            start = max(size - reach, 0)
            data = os.pread(number, reach, start)
            end = data.rfind(b"\n") + 1
            lines = data[:end].splitlines(keepends=True)
            if start:
                lines = lines[1:]  # the first may be half a line
            if lines or not start:
                break
            reach *= 4
        if start + end < size:
            os.ftruncate(number, start + end)
    finally:
        os.close(number)
    found = (_change(line) for line in reversed(lines))
    one = next((each for each in found if each is not None), None)
    if one is None:
        return None
    began, _, count = one.id.rpartition("-")
    return Last(began, int(count)) if count.isascii() and count.isdigit() else None
