"""When what is told of each recording last changed: a file beside the archive's caches.

A *generation* is one moment at which something changed; records name theirs. So a list is a walk
along (generation, recording), which costs the same on its first page and its last. What is told no
longer stays as deleted. The file can be thrown away: made anew, it takes everything that it cannot
tell apart for changed when last something was decided, so that no harvester misses a change.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from longplay import clock
from longplay.access.beside import Beside
from longplay.access.oai import gathering
from longplay.archive import Archive
from longplay.errors import LongplayError
from longplay.files import writer_lock
from longplay.workflows import withdrawing

FILE, LOCK = "cache/oai-1.sqlite3", "cache/oai.lock"

WAIT_SECONDS = 5.0
"""How long an answer waits for what changed to be written down; after that it goes by what was."""

BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (what TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS generation (number INTEGER PRIMARY KEY, time TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS record (recording INTEGER PRIMARY KEY, generation INTEGER NOT NULL,
    deleted INTEGER NOT NULL, sets TEXT NOT NULL, facts TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS record_by_time ON record (generation, recording);
CREATE TABLE IF NOT EXISTS member (name TEXT, generation INTEGER, recording INTEGER,
    PRIMARY KEY (name, generation, recording)) WITHOUT ROWID;
"""

WHOLE = ("", "access", "source")
"""Sets that every record is in."""

Connection = sqlite3.Connection

Place = tuple[int, int]
"""Generation and recording: where a list stands."""


@dataclass(frozen=True, slots=True)
class Record:
    """A recording as it is told of, or was: `time` is when that last changed (UTC, seconds)."""

    recording: int
    place: Place
    time: str
    deleted: bool
    sets: tuple[str, ...]
    facts: str


@dataclass(slots=True)
class Index:
    """The index of one archive, for all threads of a process."""

    archive: Archive
    _writing: Beside = field(default_factory=lambda: Beside("oai index"))

    def refresh(self, seconds: float = WAIT_SECONDS) -> bool:
        """Write down what has changed, and wait so long for that; whether there is an index now."""
        day = clock.now().date().isoformat()
        what = gathering.seen(self.archive, day)
        if self._seen() != what:
            self._writing.begin(partial(self._write, what)).join(seconds)
        return self._seen() is not None

    def close(self) -> None:
        """Wait for what is being written, but not for ever."""
        self._writing.close()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading."""
        with closing(self._open()) as connection:
            yield connection

    def _open(self) -> sqlite3.Connection:
        path = self.archive.folder / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _seen(self) -> str | None:
        if not (self.archive.folder / FILE).exists():
            return None
        # One that is damaged, or not made yet, has seen nothing.
        with suppress(sqlite3.DatabaseError), self.read() as connection:
            row = connection.execute("SELECT what FROM seen").fetchone()
            return str(row[0]) if row else None
        return None

    def _write(self, what: str) -> None:
        # Of several workers one writes; the others find it written, or wait for the next question.
        with (
            suppress(LongplayError, OSError),
            writer_lock(self.archive.folder / LOCK, "index of OAI-PMH"),
        ):
            try:
                self._write_once(what)
            except sqlite3.DatabaseError:  # damaged
                path = self.archive.folder / FILE
                for file in path.parent.glob(f"{path.name}*"):
                    file.unlink(missing_ok=True)
                self._write_once(what)

    def _write_once(self, what: str) -> None:
        with closing(self._open()) as connection:
            write(self.archive, connection, what)


def write(archive: Archive, connection: sqlite3.Connection, what: str) -> None:
    """Bring the index to what is told now, in one transaction."""
    connection.executescript(_SCHEMA)
    claimed = withdrawing.standing(archive)
    connection.execute("BEGIN IMMEDIATE")
    try:
        first = connection.execute("SELECT 1 FROM generation").fetchone() is None
        number = _next(connection)
        current: set[int] = set()
        batches: dict[int, list[int]] = defaultdict(list)
        for told in gathering.gather(archive, claimed):
            key = _signed(told.recording)
            current.add(key)
            row = (0, " ".join(told.sets), told.facts)
            if _changed(connection, key, row):
                _put(connection, key, number, row)
                if first:
                    batches[told.batch].append(key)
        _bury(connection, archive, current, number)
        if first:
            _dated(connection, archive, batches)
        elif connection.execute(
            "SELECT 1 FROM record WHERE generation = ? LIMIT 1", (number,)
        ).fetchone():
            # A second ahead: nobody was answered by the older state at that time, or after it.
            time = (clock.now() + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            connection.execute("INSERT INTO generation VALUES (?, ?)", (number, time))
        connection.execute("DELETE FROM seen")
        connection.execute("INSERT INTO seen VALUES (?)", (what,))
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _next(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(number) FROM generation").fetchone()
    return (last or 0) + 1


def _changed(connection: sqlite3.Connection, key: int, row: tuple[int, str, str]) -> bool:
    query = "SELECT deleted, sets, facts FROM record WHERE recording = ?"
    return bool(connection.execute(query, (key,)).fetchone() != row)


def _put(connection: sqlite3.Connection, key: int, number: int, row: tuple[int, str, str]) -> None:
    before = connection.execute(
        "SELECT generation, sets FROM record WHERE recording = ?", (key,)
    ).fetchone()
    if before is not None:
        connection.executemany(
            "DELETE FROM member WHERE name = ? AND generation = ? AND recording = ?",
            [(name, before[0], key) for name in before[1].split()],
        )
    connection.execute("REPLACE INTO record VALUES (?, ?, ?, ?, ?)", (key, number, *row))
    connection.executemany(
        "INSERT INTO member VALUES (?, ?, ?)", [(name, number, key) for name in row[1].split()]
    )


def _bury(connection: sqlite3.Connection, archive: Archive, current: set[int], number: int) -> None:
    """Of what is told no longer nothing stays but that it was, and in which sets."""
    query = "SELECT recording, sets FROM record WHERE deleted = 0"
    known = {key: sets for key, sets in connection.execute(query) if key not in current}
    for recording in gathering.gone(archive):
        key = _signed(recording)
        if key not in current and _missing(connection, key):
            known[key] = ""
    for key, sets in known.items():
        _put(connection, key, number, (1, sets, ""))


def _missing(connection: sqlite3.Connection, key: int) -> bool:
    query = "SELECT 1 FROM record WHERE recording = ?"
    return connection.execute(query, (key,)).fetchone() is None


def _dated(connection: sqlite3.Connection, archive: Archive, batches: dict[int, list[int]]) -> None:
    """The generations of an index that is made anew: as batches came, no earlier than what was
    decided last."""
    times, base = gathering.captured(archive), gathering.decided(archive)
    by_time: dict[str, list[int]] = defaultdict(list)
    for batch, keys in batches.items():
        by_time[_seconds(max(times.get(batch, ""), base))] += keys
    by_time.setdefault(_seconds(base), [])
    number = _next(connection)
    # What was put stands under `number`, which is that of the earliest time.
    for place, time in enumerate(sorted(by_time), number):
        connection.execute("INSERT INTO generation VALUES (?, ?)", (place, time))
        if place == number:
            continue
        moved = [(place, key) for key in by_time[time]]
        connection.executemany("UPDATE record SET generation = ? WHERE recording = ?", moved)
        connection.executemany("UPDATE member SET generation = ? WHERE recording = ?", moved)


def _seconds(time: str) -> str:
    """A time of the log to the second, never before it."""
    return f"{time[:19]}Z" if time else "1970-01-01T00:00:00Z"


def _signed(key: int) -> int:
    return key - (1 << 64) if key >= 1 << 63 else key


def _unsigned(key: int) -> int:
    return key + (1 << 64) if key < 0 else key


def earliest(connection: sqlite3.Connection) -> str:
    """The time of the first change that is known."""
    (time,) = connection.execute("SELECT min(time) FROM generation").fetchone()
    return time or "1970-01-01T00:00:00Z"


def span(connection: sqlite3.Connection, since: str, until: str) -> tuple[int, int]:
    """The first and the last generation of a time, both ends included; empty texts leave it
    open."""
    query = (
        "SELECT min(number), max(number) FROM generation WHERE (? = '' OR time >= ?)"
        " AND (? = '' OR time <= ?)"
    )
    first, last = connection.execute(query, (since, since, until, until)).fetchone()
    return (first or 1, last or 0)


def records(
    connection: sqlite3.Connection, after: Place, last: int, name: str, count: int
) -> list[Record]:
    """The records after a place, up to a generation, of a set or of all."""
    whole = name in WHOLE
    start = "record r" if whole else "member m JOIN record r ON r.recording = m.recording"
    key, named = ("r", "") if whole else ("m", "m.name = ? AND ")
    query = (
        f"SELECT r.recording, r.generation, g.time, r.deleted, r.sets, r.facts FROM {start}"
        f" JOIN generation g ON g.number = r.generation WHERE {named}{{0}}"
        f" ORDER BY {key}.generation, {key}.recording LIMIT ?"
    )
    of = () if whole else (name,)
    generation, recording = after
    # Two steps: compared as a pair, the rest of a generation would be walked through each time.
    same = query.format(f"{key}.generation = ? AND {key}.recording > ?")
    rows = list(connection.execute(same, (*of, generation, recording, count)))
    if len(rows) < count:
        later = query.format(f"{key}.generation > ? AND {key}.generation <= ?")
        rows += connection.execute(later, (*of, generation, last, count - len(rows)))
    return [_record(row) for row in rows]


def find(connection: sqlite3.Connection, recording: int) -> Record | None:
    """The record of one recording."""
    query = (
        "SELECT r.recording, r.generation, g.time, r.deleted, r.sets, r.facts FROM record r"
        " JOIN generation g ON g.number = r.generation WHERE r.recording = ?"
    )
    row = connection.execute(query, (_signed(recording),)).fetchone()
    return None if row is None else _record(row)


def sets(connection: sqlite3.Connection) -> list[str]:
    """Every set that some record is in, or was."""
    names: list[str] = []
    while True:  # a step to each name, however many records have it
        query = "SELECT name FROM member WHERE name > ? ORDER BY name LIMIT 1"
        row = connection.execute(query, (names[-1] if names else "",)).fetchone()
        if row is None:
            return names
        names.append(row[0])


def _record(row: tuple[int, int, str, int, str, str]) -> Record:
    key, generation, time, deleted, names, facts = row
    return Record(
        _unsigned(key), (generation, key), time, bool(deleted), tuple(names.split()), facts
    )
