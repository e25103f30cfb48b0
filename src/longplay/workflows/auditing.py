"""`audit`: which archived recordings are in somebody's corpus. Nothing of the corpus is kept.

What was heard is noted entry by entry in a journal, so that an audit that was stopped goes on; the
journal goes when the audit is done. Formats and layouts: docs/identify.md
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from longplay import engine
from longplay.archive import Archive
from longplay.engine import Failure
from longplay.errors import InputError
from longplay.files import escape, writer_lock
from longplay.identify import corpus, matching
from longplay.identify.corpus import Member, Refused, Rows
from longplay.identify.listening import Heard, Sound, listen
from longplay.identify.matching import Passage
from longplay.identify.prints import items_of
from longplay.workflows import identifying, indexing
from longplay.workflows.identifying import Index, Match

AUDITS = "audits"
"""Folder of the journals, within that of the index."""

Progress = Callable[[int, int, str], None]
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A passage of a file of the corpus, of `seconds`, that is an archived recording's."""

    file: str
    seconds: float
    match: Match


@dataclass(slots=True)
class Audit:
    """What an audit found. `seconds` is all sound that was heard, `matched_s` what of it is of the
    archive; `ignored` counts files that claim to be no sound."""

    corpus: str
    files: int = 0
    seconds: float = 0.0
    matched_s: float = 0.0
    matched_files: int = 0
    matches: list[Found] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    ignored: int = 0
    resumed: int = 0
    thorough: bool = False


def audit(
    archive: Archive,
    where: Path,
    *,
    workers: int | None = None,
    thorough: bool = False,
    progress: Progress,
) -> tuple[Index, Audit]:
    """Audit a folder, a list, or shards; `thorough` as `identify` asks single files. Raises
    InputError, StoreError, LockedError."""
    opened = identifying.open_index(archive, workers=workers, progress=progress)
    absolute = where.absolute()
    how = f"{absolute}\0{opened.version}\0{thorough}"
    name = hashlib.sha256(how.encode(errors="surrogateescape"))
    folder = indexing.folder_of(archive) / AUDITS
    path = folder / f"{name.hexdigest()[:24]}.jsonl"
    with writer_lock(path.with_suffix(".lock"), "audit of this corpus"):
        journal = _Journal(path)
        with journal:
            count = workers or engine.default_workers()
            _Walk(archive, opened, journal, count, thorough, progress).walk(absolute)
        done = _summed(absolute, journal.lines())
        done.thorough = thorough
        done.resumed = journal.resumed
        path.unlink()
    with suppress(OSError):
        path.with_suffix(".lock").unlink()
    return opened, done


class _Journal:
    """What is known of each entry, a JSON line each, by name. A line that was torn counts not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.known: set[str] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = 0
        if path.is_file():
            with path.open("rb") as source:
                for line in source:
                    if not line.endswith(b"\n"):
                        break
                    try:
                        self.known.add(str(json.loads(line)["entry"]))
                    except (ValueError, KeyError, TypeError):
                        break
                    whole += len(line)
        self.resumed = len(self.known)
        self._out = path.open("ab")
        self._out.truncate(whole)

    def __enter__(self) -> _Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()

    def note(self, line: Line) -> None:
        """Keep what came of an entry; once."""
        if line["entry"] in self.known:
            return
        self.known.add(line["entry"])
        self._out.write(json.dumps(line, ensure_ascii=True).encode() + b"\n")
        self._out.flush()

    def lines(self) -> Iterator[Line]:
        """All that was noted."""
        with self._path.open("rb") as source:
            for line in source:
                yield json.loads(line)


class _Walk:
    """Goes through a corpus: plain files together, shards one after another."""

    def __init__(
        self,
        archive: Archive,
        opened: Index,
        journal: _Journal,
        workers: int,
        thorough: bool,
        progress: Progress,
    ) -> None:
        self._archive, self._opened, self._journal = archive, opened, journal
        self._workers, self._thorough, self._progress = workers, thorough, progress
        self._limits = archive.settings.limits
        self._printed_s = math.inf if thorough else matching.SHORT_S
        self._shards: list[Path] = []

    def walk(self, where: Path) -> None:
        """Hear all that was not heard yet."""
        self._hear(self._plain(where))
        for shard in self._shards:
            name = escape(bytes(shard))
            try:
                self._shard(shard, name)
            except InputError as error:
                self._refuse(name, str(error))

    def _plain(self, where: Path) -> Iterator[Sound]:
        for path in corpus.files(where):
            if isinstance(path, Refused):
                self._refuse(path.name, path.why)
            elif corpus.is_shard(path):
                self._shards.append(path)
            elif (name := escape(bytes(path))) not in self._journal.known:
                if corpus.is_plain_sound(path):
                    yield Sound(name, path, self._limits, printed_s=self._printed_s)
                else:
                    self._journal.note({"entry": name, "ignored": True})

    def _shard(self, path: Path, name: str) -> None:
        lower = path.name.lower()
        if lower.endswith(corpus.TABLES):
            self._table(path, name)
        elif lower.endswith(corpus.COMPRESSED):
            with tempfile.TemporaryDirectory(dir=self._scratch()) as folder:
                self._tar(corpus.laid_out(path, Path(folder)), name)
        elif lower.endswith(corpus.TARS):
            self._tar(path, name)
        else:
            raise InputError("is packed in a way that is not read: unpack it")

    def _scratch(self) -> Path:
        folder = indexing.folder_of(self._archive) / AUDITS
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _tar(self, path: Path, name: str) -> None:
        members: list[Member] = self._confined(corpus.members, path, path.stat().st_size)

        def sounds() -> Iterator[Sound]:
            seen: Counter[str] = Counter()
            for one in members:
                seen[one.name] += 1
                again = f" ({seen[one.name]})" if seen[one.name] > 1 else ""
                entry = f"{name}/{one.name}{again}"
                if one.why:
                    self._refuse(entry, one.why)
                elif entry in self._journal.known:
                    continue
                elif corpus.is_sound(one, path):
                    yield Sound(
                        entry,
                        path,
                        self._limits,
                        one.start,
                        one.length,
                        printed_s=self._printed_s,
                    )
                else:
                    self._journal.note({"entry": entry, "ignored": True})

        self._hear(sounds())

    def _table(self, path: Path, name: str) -> None:
        count: int = self._confined(corpus.parts, path, path.stat().st_size)
        tasks = [
            Rows(name, path, part, self._limits, printed_s=self._printed_s)
            for part in range(count)
            if f"{name}/{part}" not in self._journal.known
        ]
        self._hear_rows(tasks)

    def _hear_rows(self, tasks: list[Rows]) -> None:
        for rows, outcome in self._run(corpus.hear_rows, tasks):
            if isinstance(outcome, Failure) and rows.row is None and outcome.kind != "error":
                # One row may have done that: each gets a worker to itself.
                count = self._confined(corpus.count_rows, rows, rows.size)
                self._hear_rows([replace(rows, row=at) for at in range(count)])
            elif isinstance(outcome, Failure):
                row = "" if rows.row is None else f"/{rows.row}"
                self._refuse(f"{rows.name}/{rows.part}{row}", outcome.reason)
                continue
            else:
                for name, heard in outcome:
                    if isinstance(heard, str):
                        self._refuse(name, heard)
                    else:
                        self._note(name, heard, self._match(heard))
            if rows.row is None:
                self._journal.note({"entry": f"{rows.name}/{rows.part}", "part": True})

    def _hear(self, sounds: Iterable[Sound]) -> None:
        """Workers decode, threads of this process ask the index, and this one notes."""
        waiting: list[tuple[str, Heard, Future[list[Passage]]]] = []
        done = len(self._journal.known)
        with ThreadPoolExecutor(self._workers, thread_name_prefix="matching") as threads:
            for sound, outcome in self._run(listen, sounds):
                if isinstance(outcome, Failure):
                    self._refuse(sound.name, outcome.reason)
                else:
                    future = threads.submit(self._match, outcome)
                    waiting.append((sound.name, outcome, future))
                while waiting and (len(waiting) > 2 * self._workers or waiting[0][2].done()):
                    name, heard, found = waiting.pop(0)
                    self._note(name, heard, found.result())
                done += 1
                self._progress(done, done, "files")
            for name, heard, found in waiting:
                self._note(name, heard, found.result())

    def _match(self, heard: Heard) -> list[Passage]:
        return matching.identify(
            self._opened.shards,
            heard.landmarks,
            heard.frames,
            items=items_of(heard.items),
            quick=not self._thorough,
        )

    def _run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        limits = self._limits
        return engine.run(
            function,
            tasks,
            workers=self._workers,
            seconds=lambda one: limits.file_seconds + limits.file_seconds_per_mb * one.size / 2**20,
            memory_mb=limits.worker_memory_mb,
        )

    def _confined(self, function: Callable[[Any], Any], task: Any, size: int) -> Any:
        """What a confined worker says of one thing. Raises InputError where it fails."""
        limits = self._limits
        seconds = limits.file_seconds + limits.file_seconds_per_mb * size / 2**20
        outcomes = engine.run(
            function, [task], workers=1, seconds=lambda _: seconds,
            memory_mb=limits.worker_memory_mb,
        )  # fmt: skip
        for _, outcome in outcomes:
            if isinstance(outcome, Failure):
                raise InputError(outcome.reason)
            return outcome
        raise InputError("cannot be read")

    def _refuse(self, name: str, why: str) -> None:
        self._journal.note({"entry": name, "why": why.removeprefix(f"{name}: ")})

    def _note(self, name: str, heard: Heard, passages: list[Passage]) -> None:
        matches = [asdict(one) for one in self._opened.names.matches(passages)]
        self._journal.note({"entry": name, "seconds": heard.seconds, "matches": matches})


def _summed(where: Path, lines: Iterable[Line]) -> Audit:
    done = Audit(str(where))
    for line in lines:
        if line.get("part"):
            continue
        if line.get("ignored"):
            done.ignored += 1
            continue
        done.files += 1
        if "why" in line:
            done.unreadable.append((line["entry"], line["why"]))
            continue
        done.seconds += line["seconds"]
        done.matched_files += bool(line["matches"])
        for one in line["matches"]:
            lists = ("artists", "rights", "rights_holders")
            match = Match(**{**one, **{name: tuple(one[name]) for name in lists}})
            done.matches.append(Found(line["entry"], line["seconds"], match))
            done.matched_s += match.end_s - match.start_s
    done.matches.sort(key=lambda one: (one.file, one.match.start_s))
    done.unreadable.sort()
    return done
