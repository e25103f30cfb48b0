"""Events by account, in bounded memory: parts by the account's hash, in files when they grow.

All events of an account lie in one part, in the order in which they were read; so a log of any size
is judged part by part, with the states of one part's accounts in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled
from longplay.guard.events import EVENT, Events

PARTS = 1024
"""So that a hundred million accounts make parts of 100,000, whose states take 100 MB."""

PART_SHIFT = np.uint64(54)
"""What is left of an account's hash beyond it is the number of its part."""

HELD_BYTES = 256 << 20
"""Bytes of events that are held before they are written to files."""

DEALT = 200_000
"""Events that are dealt out to parts at once (11 MB)."""

LOT = 20_000
"""Events from which parts are judged by themselves: fewer are not worth the calls."""

Lot = list[int]
"""Parts that are judged together."""

AS_BYTES = np.dtype((np.void, EVENT.itemsize))

CHUNK = 2_000_000
"""Events of a part that are read at once (about 100 MB)."""


class Spill:
    """Takes events in, and gives them back part by part. A context manager: its files go with
    it."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="longplay-guard-", dir=folder)
        self._held: list[list[Events]] = [[] for _ in range(PARTS)]
        self._waiting: list[Events] = []
        self._bytes = 0
        self._counts = np.zeros(PARTS, np.int64)

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, events: Events) -> None:
        """Take events in."""
        self._waiting.append(events)
        if sum(map(len, self._waiting)) >= DEALT:
            self._deal()

    def _deal(self) -> None:
        """Deal those that wait out to their parts."""
        if not self._waiting:
            return
        events = _joined(self._waiting)
        self._waiting.clear()
        ordered, bounds = np.empty(len(events), EVENT), np.zeros(PARTS + 1, np.int64)
        _deal_out(events, ordered, bounds)
        self._counts += np.diff(bounds)
        for at in np.flatnonzero(np.diff(bounds)).tolist():
            self._held[at].append(ordered[bounds[at] : bounds[at + 1]])
        self._bytes += events.nbytes
        if self._bytes > HELD_BYTES:
            self._write()

    def _write(self) -> None:
        for at, held in enumerate(self._held):
            if held:
                with self._file(at).open("ab") as file:
                    file.writelines(one.tobytes() for one in held)
                held.clear()
        self._bytes = 0

    def _file(self, part: int) -> Path:
        return Path(self._folder.name) / f"{part:04d}"

    def lots(self) -> list[Lot]:
        """The parts that have events, in order, as many together as have LOT events or so."""
        self._deal()
        found: list[Lot] = []
        inside = LOT
        for at in np.flatnonzero(self._counts).tolist():
            if inside >= LOT:
                found.append([])
                inside = 0
            found[-1].append(at)
            inside += int(self._counts[at])
        return found

    def chunks(self, lot: Lot) -> Iterator[Events]:
        """A lot's events, CHUNK at a time; in each, those of an account are in order of time."""
        if len(lot) > 1 and not any(self._file(part).exists() for part in lot):
            yield _in_time([piece for part in lot for piece in self._held[part]])
            return
        for part in lot:
            yield from self._chunks_of(part)

    def _chunks_of(self, part: int) -> Iterator[Events]:
        file = self._file(part)
        held = self._held[part]
        if file.exists():
            with file.open("rb") as stream:
                while block := stream.read(CHUNK * EVENT.itemsize):
                    rows = np.frombuffer(block, EVENT)
                    if len(rows) < CHUNK:  # the last of the file: what is still held joins it
                        yield _in_time([rows, *held])
                        return
                    yield _in_time([rows])
        for first in range(0, len(held), CHUNK // 1000):
            yield _in_time(held[first : first + CHUNK // 1000])


def _joined(pieces: list[Events]) -> Events:
    # As mere bytes: NumPy compares the types of rows with fields field by field.
    return np.concatenate([one.view(AS_BYTES) for one in pieces]).view(EVENT)


def _in_time(pieces: list[Events]) -> Events:
    rows = _joined(pieces)
    if _is_in_time(rows):
        return rows
    return rows[np.argsort(rows["time"], kind="stable")]


@compiled
def _deal_out(events: Any, ordered: Any, bounds: npt.NDArray[np.int64]) -> None:
    """Write events in the order of their parts; where each part begins, and the end, into `bounds`,
    which are zeros."""
    for at in range(len(events)):
        bounds[np.int64(events[at].account >> PART_SHIFT) + 1] += 1
    bounds[:] = np.cumsum(bounds)
    next_of = bounds.copy()
    for at in range(len(events)):
        part = np.int64(events[at].account >> PART_SHIFT)
        ordered[next_of[part]] = events[at]
        next_of[part] += 1


@compiled
def _is_in_time(rows: Any) -> bool:
    """Whether the events of each part are in order of time, part after part."""
    for at in range(1, len(rows)):
        one, before = rows[at], rows[at - 1]
        if one.time < before.time and one.account >> PART_SHIFT == before.account >> PART_SHIFT:
            return False
    return True


class Names:
    """What accounts are called, on disk: noted as they are met, looked up for those that matter."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(prefix="longplay-names-", dir=folder)  # noqa: SIM115

    def __enter__(self) -> Names:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, names: dict[int, bytes]) -> None:
        """Note names; a name may come again. None has a line feed in it."""
        self._file.writelines(b"%016x %s\n" % pair for pair in names.items())

    def find(self, accounts: set[int]) -> dict[int, str]:
        """The names of these accounts."""
        wanted = {b"%016x" % account: account for account in accounts}
        found: dict[int, str] = {}
        self._file.seek(0)
        for line in self._file:
            account = wanted.get(line[:16])
            if account is not None:
                found[account] = line[17:-1].decode("utf-8", "replace")
        return found
