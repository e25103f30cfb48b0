"""A corpus heard entry by entry: plain files together, then shards one after another.

Whatever is heard or unpacked is done by confined workers; what an entry cannot give is told of it,
and the rest goes on.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from longplay import engine
from longplay.audio import CODECS
from longplay.engine import Failure
from longplay.errors import InputError
from longplay.files import escape
from longplay.identify import corpus
from longplay.identify.corpus import Member, Refused, Rows
from longplay.identify.listening import Heard, Sound, listen
from longplay.settings import Limits


@dataclass(frozen=True, slots=True)
class Entry:
    """What came of an entry of a corpus: it was heard, or `why` it was not; neither where it claims
    to be no sound. A `part` is one of a table, all of whose rows have been told before it."""

    name: str
    heard: Heard | None = None
    why: str = ""
    part: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """How a corpus is heard: within which limits, by how many workers, with AcoustID's fingerprint
    or without, with the dense one of questions of so many seconds at most; compressed tars are laid
    out in a folder of `scratch`."""

    limits: Limits
    workers: int
    scratch: Path
    chromaprint: bool = False
    printed_s: float = math.inf


def entries(where: Path, way: Way, known: Container[str] = ()) -> Iterator[Entry]:
    """What comes of all entries but those that are known, and the parts that are. Raises
    InputError where there is no corpus."""
    yield from _Walk(way, known).walk(where)


class _Walk:
    def __init__(self, way: Way, known: Container[str]) -> None:
        self._way, self._known = way, known
        self._shards: list[Path] = []
        self._told: list[Entry] = []  # what was seen while workers were given something to hear

    def walk(self, where: Path) -> Iterator[Entry]:
        yield from self._hear(self._plain(where))
        for shard in self._shards:
            name = escape(bytes(shard))
            try:
                yield from self._shard(shard, name)
            except InputError as error:
                yield from self._drained()
                yield _refused(name, str(error))

    def _plain(self, where: Path) -> Iterator[Sound]:
        for path in corpus.files(where):
            if isinstance(path, Refused):
                self._told.append(_refused(path.name, path.why))
            elif corpus.is_shard(path):
                self._shards.append(path)
            elif (name := escape(bytes(path))) not in self._known:
                if corpus.is_plain_sound(path):
                    yield self._sound(name, path)
                else:
                    self._told.append(Entry(name))

    def _sound(self, name: str, path: Path, start: int = 0, length: int | None = None) -> Sound:
        way = self._way
        return Sound(
            name,
            path,
            way.limits,
            start,
            length,
            chromaprint=way.chromaprint,
            printed_s=way.printed_s,
        )

    def _shard(self, path: Path, name: str) -> Iterator[Entry]:
        lower = path.name.lower()
        if lower.endswith(corpus.TABLES):
            yield from self._table(path, name)
        elif lower.endswith(corpus.COMPRESSED):
            with tempfile.TemporaryDirectory(dir=self._way.scratch) as folder:
                yield from self._tar(corpus.laid_out(path, Path(folder)), name)
        elif lower.endswith(corpus.TARS):
            yield from self._tar(path, name)
        else:
            raise InputError("is packed in a way that is not read: unpack it")

    def _tar(self, path: Path, name: str) -> Iterator[Entry]:
        members: list[Member] = self._confined(corpus.members, path, path.stat().st_size)

        def sounds() -> Iterator[Sound]:
            seen: Counter[str] = Counter()
            for one in members:
                seen[one.name] += 1
                again = f" ({seen[one.name]})" if seen[one.name] > 1 else ""
                entry = f"{name}/{one.name}{again}"
                if one.why:
                    self._told.append(_refused(entry, one.why))
                elif entry in self._known:
                    continue
                elif corpus.is_sound(one, path):
                    yield self._sound(entry, path, one.start, one.length)
                else:
                    self._told.append(Entry(entry))

        yield from self._hear(sounds())

    def _hear(self, sounds: Iterable[Sound]) -> Iterator[Entry]:
        for sound, outcome in self._run(listen, sounds):
            yield from self._drained()
            if isinstance(outcome, Failure):
                yield _refused(sound.name, outcome.reason)
            else:
                yield Entry(sound.name, outcome)
        yield from self._drained()

    def _drained(self) -> Iterator[Entry]:
        told, self._told = self._told, []
        yield from told

    def _table(self, path: Path, name: str) -> Iterator[Entry]:
        way = self._way
        count: int = self._confined(corpus.parts, path, path.stat().st_size)
        whole = Rows(
            name, path, 0, way.limits, chromaprint=way.chromaprint, printed_s=way.printed_s
        )
        parts = [part for part in range(count) if f"{name}/{part}" not in self._known]
        yield from self._hear_rows([replace(whole, part=part) for part in parts])

    def _hear_rows(self, tasks: list[Rows]) -> Iterator[Entry]:
        for rows, outcome in self._run(corpus.hear_rows, tasks):
            name = f"{rows.name}/{rows.part}"
            if isinstance(outcome, Failure) and rows.row is None and outcome.kind != "error":
                # One row may have done that: each gets a worker to itself.
                count = self._confined(corpus.count_rows, rows, rows.size)
                yield from self._hear_rows([replace(rows, row=at) for at in range(count)])
            elif isinstance(outcome, Failure):
                yield _refused(name if rows.row is None else f"{name}/{rows.row}", outcome.reason)
                continue
            else:
                for row, heard in outcome:
                    yield _refused(row, heard) if isinstance(heard, str) else Entry(row, heard)
            if rows.row is None:
                yield Entry(name, part=True)

    def _run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        limits = self._way.limits
        return engine.run(
            function,
            tasks,
            workers=self._way.workers,
            seconds=lambda one: limits.file_seconds + limits.file_seconds_per_mb * one.size / 2**20,
            memory_mb=limits.worker_memory_mb,
            imports=CODECS,
        )

    def _confined(self, function: Callable[[Any], Any], task: Any, size: int) -> Any:
        """What a confined worker says of one thing. Raises InputError where it fails."""
        limits = self._way.limits
        seconds = limits.file_seconds + limits.file_seconds_per_mb * size / 2**20
        outcomes = engine.run(
            function, [task], workers=1, seconds=lambda _: seconds,
            memory_mb=limits.worker_memory_mb, imports=CODECS,
        )  # fmt: skip
        for _, outcome in outcomes:
            if isinstance(outcome, Failure):
                raise InputError(outcome.reason)
            return outcome
        raise InputError("cannot be read")


def _refused(name: str, why: str) -> Entry:
    return Entry(name, why=why.removeprefix(f"{name}: "))
