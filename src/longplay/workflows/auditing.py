"""`audit`: which archived recordings are in somebody's corpus. Nothing of the corpus is kept.

What was heard is noted entry by entry in a journal, so that an audit that was stopped goes on; the
journal goes when the audit is done. Formats and layouts: docs/identify.md
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from longplay import engine
from longplay.archive import Archive
from longplay.engine.cluster import Cluster
from longplay.errors import InputError
from longplay.files import writer_lock
from longplay.identify import matching
from longplay.identify.listening import Heard
from longplay.identify.matching import Hearing, Passage
from longplay.model import ObjectKey
from longplay.workflows import hearing, identifying, indexing
from longplay.workflows.hearing import Entry, Way
from longplay.workflows.identifying import Index, Match, Names

AUDITS = "audits"
"""Folder of the journals, within that of the index."""

JOURNAL = 2
"""Version of the journals' lines; those of another are not gone on with."""

NAMED_AT_ONCE = 1000
"""Entries whose recordings are looked up together: to open the catalogue takes longer than that."""

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
    cluster: Cluster | None = None,
    progress: Progress,
) -> tuple[Index, Audit]:
    """Audit a folder, a list, or shards; `thorough` as `identify` asks single files. The corpus is
    heard here; a cluster's workers ask the index. Raises InputError, StoreError, LockedError,
    EngineError."""
    opened = identifying.open_index(archive, workers=workers, progress=progress)
    opened.cluster = cluster
    absolute = where.absolute()
    how = f"{absolute}\0{opened.version}\0{thorough}\0{JOURNAL}"
    name = hashlib.sha256(how.encode(errors="surrogateescape"))
    folder = indexing.folder_of(archive) / AUDITS
    path = folder / f"{name.hexdigest()[:24]}.jsonl"
    with writer_lock(path.with_suffix(".lock"), "audit of this corpus"):
        journal = _Journal(path)
        count = workers or engine.default_workers()
        printed_s = math.inf if thorough else matching.SHORT_S
        way = Way(archive.settings.limits, count, folder, printed_s=printed_s)
        entries = hearing.entries(absolute, way, journal.known)
        try:
            with journal:
                _Asking(opened, journal, count, thorough).ask(entries, progress)
        except InputError:
            if not journal.known:  # there is no corpus
                path.unlink()
                path.with_suffix(".lock").unlink()
            raise
        done = _summed(absolute, journal.lines(), opened.names)
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


class _Asking:
    """Asks the index of what is heard, in threads of this process, and notes all in order."""

    def __init__(self, opened: Index, journal: _Journal, workers: int, thorough: bool) -> None:
        self._opened, self._journal = opened, journal
        self._workers, self._thorough = workers, thorough

    def ask(self, entries: Iterable[Entry], progress: Progress) -> None:
        """Ask of all entries."""
        waiting: deque[tuple[Entry, Future[list[Passage]] | None]] = deque()
        done = len(self._journal.known)
        with ThreadPoolExecutor(self._workers, thread_name_prefix="matching") as threads:
            for entry in entries:
                heard = entry.heard
                waiting.append((entry, threads.submit(self._match, heard) if heard else None))
                while waiting and (len(waiting) > 2 * self._workers or _is_done(waiting[0][1])):
                    self._note(*waiting.popleft())
                done += 1
                progress(done, done, "files")
            for one in waiting:
                self._note(*one)

    def _match(self, heard: Heard) -> list[Passage]:
        return self._opened.passages(heard, quick=not self._thorough)

    def _note(self, entry: Entry, found: Future[list[Passage]] | None) -> None:
        line: Line = {"entry": entry.name}
        if entry.heard and found:
            line |= {"seconds": entry.heard.seconds, "passages": _written(found.result())}
        elif entry.why:
            line["why"] = entry.why
        else:
            line["part" if entry.part else "ignored"] = True
        self._journal.note(line)


def _is_done(found: Future[list[Passage]] | None) -> bool:
    return found is None or found.done()


def _written(passages: Iterable[Passage]) -> list[Line]:
    """Passages as a journal has them."""
    return [{**asdict(one), "object": [one.object.root.hex(), one.object.size]} for one in passages]


def _read(line: Line) -> list[Passage]:
    """The passages of a line of a journal."""
    found = []
    for one in line.get("passages", ()):
        root, size = one["object"]
        key = ObjectKey(bytes.fromhex(root), size)
        found.append(Passage(**{**one, "object": key, "hearing": Hearing(**one["hearing"])}))
    return found


def _summed(where: Path, lines: Iterable[Line], names: Names) -> Audit:
    done = Audit(str(where))
    waiting = iter(lines)
    while some := list(itertools.islice(waiting, NAMED_AT_ONCE)):
        read = [_read(line) for line in some]
        names.look_up({one.object for passages in read for one in passages})
        for line, passages in zip(some, read, strict=True):
            _add(done, line, names.matches(passages))
    done.matches.sort(key=lambda one: (one.file, one.match.start_s))
    done.unreadable.sort()
    return done


def _add(done: Audit, line: Line, matches: Sequence[Match]) -> None:
    if line.get("part"):
        return
    if line.get("ignored"):
        done.ignored += 1
        return
    done.files += 1
    if "why" in line:
        done.unreadable.append((line["entry"], line["why"]))
        return
    done.seconds += line["seconds"]
    done.matched_files += bool(matches)
    for match in matches:
        done.matches.append(Found(line["entry"], line["seconds"], match))
        done.matched_s += match.end_s - match.start_s
