"""A folder of files: their tags are the catalogue, and every file in it is an offer.

- Every sound file is a track, whatever its tags are worth; a CUE sheet makes one of each part.
- Everything else beside it is offered, too, linked to the album of its folder.
- Folders and links are noted, so that the folder can be made again as it was.
- Only what is no file, folder or link, or cannot be looked at, is refused, and counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from longplay import engine
from longplay.audio import CODECS
from longplay.catalogue import imports, inline, schema
from longplay.catalogue.database import Connection
from longplay.catalogue.importers import parts, rows
from longplay.catalogue.importers.folder import Entry, walk
from longplay.catalogue.importers.parts import Part
from longplay.catalogue.importers.reading import Read, Task, read_file, unread
from longplay.catalogue.staging import Staging
from longplay.files import escape
from longplay.model import Kind
from longplay.settings import Limits

BATCH = 4096
"""Rows that are held before they go to the staging tables."""

Progress = Callable[[int, int | None], None]


def _quiet(_done: int, _total: int | None) -> None:
    """Show no progress."""


def import_tags(
    folder: Path,
    source: str,
    location: Path,
    *,
    licence: str | None = None,
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Progress = _quiet,
) -> imports.Imported:
    """Import the tags of all files below `location` as the layer of `source`.

    Each file is read in a confined process; one that hangs, crashes or grows costs its own tags.
    `progress(done, total)` counts files. Raises InputError when `location` is no readable folder or
    has no sound any more (a disk that is not mounted leaves its folder behind, empty), LockedError.
    """

    def fill(stage: Staging) -> imports.Staged:
        entries = list(walk(location))
        reader = _Reader(location, limits or Limits(), workers or engine.default_workers())
        staging = _Staging(stage.connection)
        count = _stage_sound(reader, entries, staging, progress)
        staging.flush()
        refused = [entry for entry in entries if entry.kind == "refused"]
        count += len(refused)
        staging.reject(refused)
        return imports.Staged(count, {"tracks": count})

    return imports.run(
        folder,
        source,
        fill,
        kind="tags",
        licence=licence,
        may_be_empty=True,
        may_become_empty=False,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    location: Path
    limits: Limits
    workers: int

    def read(self, entries: Iterable[Entry]) -> Iterable[tuple[Entry, Read]]:
        """Each entry with what was read of it, as they finish."""
        known = {entry.path: entry for entry in entries}
        root = bytes(self.location)
        tasks = (Task(root, path, self.limits) for path in known)
        seconds = self.limits.file_seconds
        outcomes = engine.run(
            read_file,
            tasks,
            workers=self.workers,
            seconds=lambda _: seconds,
            memory_mb=self.limits.worker_memory_mb,
            imports=CODECS,
        )
        for task, outcome in outcomes:
            if isinstance(outcome, engine.Failure):
                yield known[task.path], unread(task.path, outcome.reason)
            else:
                yield known[task.path], outcome


def _stage_sound(
    reader: _Reader, entries: list[Entry], staging: _Staging, progress: Progress
) -> int:
    """Stage all offers and the tracks that they carry; returns how many tracks there are."""
    places = {entry.path: place for place, entry in enumerate(entries)}
    files = [entry for entry in entries if entry.kind == "file"]
    sheets = [entry for entry in files if _is_sheet(entry)]
    divided: dict[bytes, list[Part]] = {}
    beside: list[tuple[Entry, Read]] = []
    for entry, read in sorted(reader.read(sheets), key=lambda pair: pair[0].path):
        beside.append((entry, read))
        if read.sheet:
            parts.divide(entry.path, read.sheet, places, divided)
    albums = Albums()
    tracks = 0
    others = [entry for entry in files if not _is_sheet(entry)]
    for done, (entry, read) in enumerate(reader.read(others), len(sheets) + 1):
        if read.kind != Kind.AUDIO:
            beside.append((entry, read))
        else:
            made = rows.tracks(entry, read, divided.get(entry.path, []), places[entry.path])
            tracks += len(made)
            albums.note(entry, made)
            staging.add(entry, read, made)
        progress(done, len(files))
    for entry, read in beside:
        staging.add_beside(rows.offer(entry, read), albums.of(entry.parent))
    for entry in entries:
        if entry.kind in ("folder", "symlink"):
            staging.add_beside(rows.place(entry), None)
    return tracks


def _is_sheet(entry: Entry) -> bool:
    return entry.path.lower().endswith(b".cue")


_Album = tuple[str, str] | None


@dataclass(slots=True)
class Albums:
    """Which albums the sound of each folder is of, and one track of each album."""

    here: dict[bytes, Counter[_Album]] = field(default_factory=lambda: defaultdict(Counter))
    below: dict[bytes, set[_Album]] = field(default_factory=lambda: defaultdict(set))
    example: dict[_Album, str] = field(default_factory=dict)

    def note(self, entry: Entry, tracks: list[rows.Row]) -> None:
        """Take the tracks of one sound file into account."""
        for track in tracks:
            context = track["album_mbid"] or track["album_context"]
            album = (context, track["album"]) if track["album"] else None
            self.example[album] = min(self.example.get(album, track["own_id"]), track["own_id"])
            self.here[entry.parent][album] += 1
            for folder in _upwards(entry.parent):
                self.below[folder].add(album)

    def of(self, folder: bytes) -> str | None:
        """A track of the album that a file in `folder` belongs to: of the album that most of the
        folder's sound is of, else of the only one below it, else of the folder above it."""
        for above in _upwards(folder):
            album: _Album = None
            if above in self.here:
                album, times = max(self.here[above].items(), key=lambda item: item[1])
                album = album if 2 * times > self.here[above].total() else None
            elif len(self.below.get(above, ())) == 1:
                album = next(iter(self.below[above]))
            if album is not None or above in self.here:
                return self.example[album] if album else None
        return None


def _upwards(folder: bytes) -> Iterator[bytes]:
    """The folder, and those that it lies in, up to the topmost (empty)."""
    while folder:
        yield folder
        folder = folder.rpartition(b"/")[0]
    yield b""


class _Staging:
    """Rows on their way to the staging tables, a batch at a time."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)

    def add(self, entry: Entry, read: Read, tracks: list[rows.Row]) -> None:
        """A sound file: its tracks, what they say of rights, and the offers that carry them."""
        self.rows["staged"].extend(tracks)
        offer = rows.offer(entry, read)
        like = tracks[0]["own_id"]
        if len(tracks) == 1:
            self.rows["staged_offers"].append({**offer, "track_own_id": like, "album_like": like})
        else:
            self.rows["staged_offers"].append({**offer, "album_like": like})
            self.rows["staged_offers"].extend(
                {
                    **offer,
                    "track_own_id": track["own_id"],
                    "album_like": like,
                    "start_ms": track["start_ms"],
                    "end_ms": track["end_ms"],
                    "duration_ms": track["duration_ms"],
                    "tags_json": None,
                }
                for track in tracks
            )
        self.rows["staged_rights"].extend(rows.rights(entry, read, tracks))
        if len(self.rows["staged"]) >= BATCH:
            self.flush()

    def add_beside(self, offer: rows.Row, like: str | None) -> None:
        """Anything else, of the album that the track `like` is on."""
        self.rows["staged_offers"].append({**offer, "album_like": like})
        if len(self.rows["staged_offers"]) >= BATCH:
            self.flush()

    def reject(self, entries: list[Entry]) -> None:
        """What can be no offer."""
        self._insert(
            "rejects",
            schema.LAYER["rejects"],
            [{"place": escape(entry.path), "reason": entry.problem} for entry in entries],
        )

    def flush(self) -> None:
        """Hand all waiting rows over."""
        batch = self._table(schema.STAGED, self.rows.pop("staged", []))
        self.connection.register("batch", batch)
        inline.stage(self.connection, "SELECT * FROM batch")
        self.connection.unregister("batch")
        for table, columns in (
            ("staged_offers", inline.STAGED_OFFERS),
            ("staged_rights", inline.STAGED_RIGHTS),
        ):
            self._insert(table, columns, self.rows.pop(table, []))

    def _insert(
        self,
        table: str,
        columns: schema.Columns,
        found: list[dict[str, Any]] | list[Mapping[str, Any]],
    ) -> None:
        self.connection.register("batch", self._table(columns, found))
        self.connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM batch")
        self.connection.unregister("batch")

    @staticmethod
    def _table(columns: schema.Columns, found: Iterable[Mapping[str, Any]]) -> pa.Table:
        return pa.Table.from_pylist(list(found), schema=schema.arrow(columns))
