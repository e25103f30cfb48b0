"""`catalogue import --format discogs`: the monthly dumps become a layer."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from lxml import etree

from longplay.catalogue import imports, licences, schema
from longplay.catalogue.importers.discogs import reading, records
from longplay.catalogue.importers.discogs.reading import Kind
from longplay.catalogue.imports import Imported, Staged
from longplay.catalogue.staging import Staging
from longplay.errors import InputError, UsageError

BATCH, BATCH_LETTERS = 32_768, 32 * 2**20
"""Rows that are staged at once, and letters in them: long rows wait in smaller numbers."""

MAX_REJECTED = 1_000_000
"""Records of one file without use after which, if there are no more good ones, it is no dump."""

MAX_REMEMBERED = 2**26
"""Ids up to which what was seen is remembered, one or two bytes each; Discogs has 2^24. An artist
beyond is staged again with each release, which costs time only."""

MAX_KEPT = 300
"""Characters that are kept of a rejected record."""

OTHERS = 2**30
"""Where the tracks of releases begin that do not stand for their master: after those that do."""

Row = dict[str, Any]


def import_discogs(
    folder: Path,
    source: str,
    paths: Sequence[Path],
    *,
    licence: str | None = None,
    declared: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None],
) -> Imported:
    """Replace the layer of `source` in the catalogue `folder` by the dumps in `paths`: any of
    artists, labels, masters and releases, gzipped or not, in any order.

    `progress` gets bytes read and their total. Raises InputError for what is no dump, is damaged,
    cut short or not well-formed, declares entities, or has no record of use; nothing changes then.
    `declared` is the number of rows by table that the source says there are.
    """
    if not paths:
        raise UsageError("no dump to import", hint="name discogs_…_releases.xml.gz")

    def fill(stage: Staging) -> Staged:
        kinds = [(reading.kind(path), path) for path in paths]
        order = list(reading.RECORDS)
        kinds.sort(key=lambda found: order.index(found[0]))
        work = _Work(stage, albums_of_masters=all(kind != "releases" for kind, _ in kinds))
        total, done = sum(path.stat().st_size for path in paths), 0

        def count(length: int) -> None:
            nonlocal done
            done += length
            progress(min(done, total), total)

        for kind, path in kinds:
            work.read(kind, path, count)
        work.flush()
        return Staged(work.tracks + work.rejected, {})

    return imports.run(
        folder,
        source,
        fill,
        kind="discogs",
        licence=licence or licences.DEFAULTS["discogs"],
        declared=declared,
        origin=paths,
        may_be_empty=True,  # of tracks: masters alone are albums
    )


@dataclass(slots=True)
class _Work:
    """The rows on their way, and what later files need of earlier ones. `seen` are the artists that
    were staged, `passing` those of the present record that are not remembered."""

    stage: Staging
    albums_of_masters: bool
    tracks: int = 0
    rejected: int = 0
    seen: bytearray = field(default_factory=bytearray)
    years: array[int] = field(default_factory=lambda: array("H"))
    rows: dict[str, list[Row]] = field(
        default_factory=lambda: {
            name: [] for name in ("artists", "albums", "main", "other", "rejects")
        }
    )
    letters: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    passing: set[int] = field(default_factory=set)
    places: dict[str, int] = field(default_factory=lambda: {"main": 0, "other": OTHERS})

    def read(self, kind: Kind, path: Path, count: Callable[[int], None]) -> None:
        """Take one dump. Raises InputError where nothing in it can be used."""
        held, place, problem = 0, 0, ""
        for place, element in enumerate(reading.records(path, kind, count), 1):
            reason = self._record(kind, element)
            if not reason:
                held += 1
                continue
            problem = problem or reason
            self._reject(element, f"{path.name}:{reading.RECORDS[kind]} {place}", reason)
            if place - held > max(held, MAX_REJECTED):
                raise _of_no_use(path, f"only {held} of its first {place}", problem)
        if not place:
            raise InputError("has no record in it", where=str(path), hint="nothing was imported")
        if not held:
            raise _of_no_use(path, f"none of its {place}", problem)

    def _record(self, kind: Kind, element: etree._Element) -> str:
        """Take one record; returns why it cannot be used, or nothing."""
        self.passing.clear()
        id_ = records.number(element.get("id") or element.findtext("id"))
        if id_ is None:
            return "no id"
        if kind == "artists":
            self._artist(id_, records.plain_name(records.text(element, "name")))
        elif kind == "masters":
            self._master(id_, element)
        elif kind == "releases":
            release = records.release(element, id_)
            if len(release.tracks) > records.MAX_TRACKS:
                return f"lists more than {records.MAX_TRACKS} tracks"
            self._release(release)
        return ""

    def flush(self) -> None:
        """Stage what is left."""
        for name in self.rows:
            self._stage(name)

    def _add(self, name: str, row: Row, letters: int) -> None:
        self.rows[name].append(row)
        self.letters[name] += letters
        if len(self.rows[name]) >= BATCH or self.letters[name] >= BATCH_LETTERS:
            self._stage(name)

    def _stage(self, name: str) -> None:
        rows, self.rows[name], self.letters[name] = self.rows[name], [], 0
        if not rows:
            return
        if name == "artists":
            self.stage.artists(_table(rows, schema.ARTISTS))
        elif name == "albums":
            self.stage.albums(_table(rows, schema.ALBUMS))
        elif name == "rejects":
            self.stage.rejects(_table(rows, schema.LAYER["rejects"]))
        else:
            self.stage.tracks(_table(rows, schema.TRACKS), place=self.places[name])
            self.places[name] += 1

    def _reject(self, element: etree._Element, place: str, reason: str) -> None:
        self.rejected += 1
        said = records.text(element, "name") or records.text(element, "title")
        own_id = (element.get("id") or element.findtext("id") or "")[:MAX_KEPT]
        self._add(
            "rejects",
            {"place": place, "own_id": own_id, "reason": reason, "content": said[:MAX_KEPT]},
            len(said),
        )

    def _artist(self, ref: int, name: str, own_id: str | None = None) -> None:
        if 0 <= ref < MAX_REMEMBERED:
            if ref >= len(self.seen):
                self.seen.extend(bytes(ref + 2**20 - len(self.seen)))
            if self.seen[ref]:
                return
            self.seen[ref] = 1
        elif ref in self.passing:
            return
        else:
            self.passing.add(ref)
        self._add("artists", {"ref": ref, "own_id": own_id or str(ref), "name": name}, len(name))

    def _credits(self, credits: Sequence[records.Credit]) -> list[int]:
        for credit in credits:
            self._artist(credit.ref, credit.name, credit.own_id)
        return [credit.ref for credit in credits]

    def _master(self, id_: int, element: etree._Element) -> None:
        year = records.date(records.text(element, "year"))
        if year and id_ < MAX_REMEMBERED:
            if id_ >= len(self.years):
                self.years.extend(array("H", bytes(2 * (id_ + 2**20 - len(self.years)))))
            self.years[id_] = int(year[:4])
        if self.albums_of_masters:
            said = records.release(element, id_)
            self._add(
                "albums",
                {
                    "ref": id_,
                    "own_id": f"master {id_}",
                    "title": said.title,
                    "artist_refs": self._credits(said.credits),
                    "release_date": year,
                },
                len(said.title),
            )

    def _year(self, master: int | None) -> str | None:
        known = master is not None and master < len(self.years) and self.years[master]
        return f"{known:04d}" if known else None

    def _release(self, release: records.Release) -> None:
        when = release.date or self._year(release.master)
        self._add(
            "albums",
            {
                "ref": release.id,
                "own_id": str(release.id),
                "title": release.title,
                "artist_refs": self._credits(release.credits),
                "release_date": when,
                "upc": release.upc,
                "label": release.label,
            },
            len(release.title) + len(release.label or ""),
        )
        genres = list(release.genres)
        shared = sum(map(len, genres))
        for track in release.tracks:
            self.tracks += 1
            self._add(
                "main" if release.is_main else "other",
                {
                    "title": track.title,
                    "disc_number": track.disc_number,
                    "track_number": track.track_number,
                    "own_id": f"{release.id}-{track.index}",
                    "artist_refs": self._credits(track.credits),
                    "album_ref": release.id,
                    "duration_ms": track.duration_ms,
                    "isrcs": list(track.isrcs),
                    "release_date": when,
                    "genres": genres,
                },
                shared + len(track.title) + sum(map(len, track.isrcs)) + 8 * len(track.credits),
            )


def _of_no_use(path: Path, how_many: str, problem: str) -> InputError:
    return InputError(
        f"{how_many} records can be used: {problem}",
        where=str(path),
        hint="is it whole? nothing was imported",
    )


def _table(rows: list[Row], columns: schema.Columns) -> pa.Table:
    given = {name for row in rows[:1] for name in row}
    kept = {name: kind for name, kind in columns.items() if name in given}
    return pa.Table.from_pylist(rows, schema=schema.arrow(kept))
