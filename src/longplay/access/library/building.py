"""Building the library's file from what the archive is now, and making it the one that is read.

- `current.json` names the file that is read. It is swapped last, so nobody opens half a file.
- One builds at a time (the writer's lock). What a killed one left is rubbish, and the next one
  removes it; the file that was current before stays for those who still read it.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from longplay import clock, logs
from longplay.access.library import gathering, held, layout, writing
from longplay.archive import Archive
from longplay.catalogue.layout import current_number
from longplay.catalogue.snapshot import open_number
from longplay.errors import ArchiveError
from longplay.files import publish, sweep, write_json, writer_lock
from longplay.ledger import log, queries, tally
from longplay.vault import evidence
from longplay.workflows import tallying

POINTER = "current.json"
LOCK = "lock"
UNFINISHED = ".part"

MEMORY = "1GB"
"""What DuckDB may hold; beyond it joins and sorts go to disk."""


@dataclass(frozen=True, slots=True)
class State:
    """What a library depends on: the log's newest entry, the snapshot, how often rights statements
    changed, and the day, for a licence may begin or end with it."""

    head: int
    snapshot: int
    rights: int
    day: str


@dataclass(frozen=True, slots=True)
class Built:
    """The file that is current, of which state it is, how long it took, and when that was."""

    file: str
    state: State
    seconds: float
    time: str


def folder_of(archive: Archive) -> Path:
    """Where the library's files lie."""
    return archive.folder / "cache" / "library"


def state_of(archive: Archive) -> State:
    """What a library would depend on now."""
    with archive.ledger.read() as connection:
        head, rights = log.head(connection), int(tally.read(connection).get(tally.RIGHTS, 0))
    day = clock.now().date().isoformat()
    return State(head, current_number(archive.catalogue), rights, day)


def current(folder: Path) -> Built | None:
    """The file that is to be read; None where there is none, or one of another version."""
    try:
        found = json.loads((folder / POINTER).read_bytes())
        if found["version"] != layout.VERSION or not (folder / found["file"]).is_file():
            return None
        return Built(found["file"], State(**found["state"]), found["seconds"], found["time"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def build(archive: Archive) -> Built:
    """Build the library, unless it is already of this state. Raises LockedError while another
    process does."""
    folder = folder_of(archive)
    with writer_lock(folder / LOCK, "library"):
        before = current(folder)
        if before is not None and before.state == state_of(archive):
            return before
        sweep(folder, {POINTER, LOCK, *([before.file] if before else [])})
        began = clock.monotonic()
        tallying.judge(archive)
        state = state_of(archive)
        temporary = folder / f"{secrets.token_hex(8)}{UNFINISHED}"
        _write(archive, temporary, state)
        path = folder / f"library-{state.head}-{state.snapshot}-{secrets.token_hex(4)}.sqlite3"
        publish(temporary, path)
        built = Built(path.name, state, round(clock.monotonic() - began, 3), clock.timestamp())
        write_json(folder / POINTER, {"version": layout.VERSION, **asdict(built)})
        return built


def _there(archive: Archive, names: Iterable[str]) -> list[Path]:
    """Those of some evidence files that are there. Of what a lost one describes loudness and bit
    rates are not known: that is no reason to have no library. Raises StoreError when their store
    cannot be reached, or gives one that is damaged."""
    there = archive.evidence_files.names()
    found = []
    for name in names:
        if name in there:
            found.append(name)
        else:
            _go_without(archive, name, "is missing")
    return archive.evidence_files.fetch(found)


def _go_without(archive: Archive, name: str, why: str) -> None:
    logs.event(
        "the library goes without evidence",
        logs.WARNING,
        where=str(archive.evidence / name),
        why=why,
        hint="run `longplay verify --repair`, or bring it back from a copy",
    )


def _write(archive: Archive, path: Path, state: State) -> None:
    snapshot = open_number(archive.catalogue, state.snapshot)
    facts = {"head": str(state.head), "snapshot": str(state.snapshot)}
    with archive.places.sharing():  # nobody merges the evidence that is being read
        with archive.ledger.read() as connection:
            holdings = held.read(connection)
            digests = queries.evidence_digests(connection, "sounds")

        def fill(sounds: Sequence[Path]) -> None:
            with snapshot.connect(*gathering.VIEWS) as connection:
                connection.execute(f"SET memory_limit = '{MEMORY}'")
                gathering.gather(connection, snapshot, holdings, sounds)
                writing.write(connection, path, facts)

        sounds = _there(archive, digests)
        try:
            try:
                fill(sounds)
            except duckdb.Error:
                damaged = [one for one in sounds if not evidence.is_whole(one, digests[one.name])]
                if not damaged:
                    raise
                for one in damaged:
                    _go_without(archive, one.name, "is damaged")
                path.unlink(missing_ok=True)
                fill([one for one in sounds if one not in damaged])
        except (duckdb.Error, sqlite3.Error) as error:
            raise ArchiveError(
                f"the library of what is held cannot be built: {str(error).splitlines()[0]}",
                where=str(path.parent),
                hint="is the disk full? it is tried again",
            ) from error
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
