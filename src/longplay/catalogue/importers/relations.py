"""Databases in many tables: tracks, albums, artists and the links between them, from SQLite files.

Several files of one source are one import, read one after the other. Tracks are read in ranges of
rows, some at a time; their links are held for one file.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue import imports
from longplay.catalogue.importers import ranges, relation_cells, relation_links
from longplay.catalogue.importers.relation_links import Genres, Links
from longplay.catalogue.importers.relation_map import NUMBERS, Entity, RelationMap
from longplay.catalogue.staging import Staging
from longplay.errors import InputError

Check = Callable[[str, str], None]
Progress = Callable[[int, int, str], None]

_JOINS = {"tracks": "track_artists", "albums": "album_artists"}


def fill(
    stage: Staging,
    paths: Sequence[Path],
    table_map: RelationMap,
    check_rights: Check,
    progress: Progress,
) -> imports.Staged:
    """Stage all rows of the files; `progress(rows, of rows, words)` says `read NAME` when a file is
    no longer needed. `check_rights(text, where)` is called once for each text of the `licence`
    column. Raises InputError, and what `check_rights` raises."""
    for path in paths:
        _check(path, table_map)
    reader = _Reader(stage, paths, table_map, check_rights)
    most = [ranges.most(path, table_map.tables["tracks"].table) for path in paths]
    count = 0
    said: dict[Entity, int] = {"artists": 0, "albums": 0}
    for ordinal, path in enumerate(paths):
        for entity in said:
            said[entity] += sum(reader.read(path, entity))
        total = count + sum(most[ordinal:])
        for rows in reader.read(path, "tracks"):
            count += rows
            progress(count, total, "")
        progress(count, count + sum(most[ordinal + 1 :]), f"read {path.name}")
    if not count:
        raise InputError("has no tracks", where=str(paths[0]), hint="is this the right map?")
    if not stage.spooled("tracks"):
        raise InputError(
            f"none of its {count} rows can be used",
            where=str(paths[0]),
            hint="is this the right map? nothing was imported",
        )
    declared: dict[str, int] = {entity: rows for entity, rows in said.items() if rows}
    return imports.Staged(count, {**declared, "tracks": count})


def _check(path: Path, table_map: RelationMap) -> None:
    """Every table and column that the map names must be there, in files that have tracks."""
    named = [(each.table, [each.key, *each.columns.values()]) for each in table_map.tables.values()]
    named += [
        (
            link.table,
            [c for c in (link.track, link.album, link.artist, link.order, link.genre) if c],
        )
        for link in table_map.joins.values()
    ]
    for table, wanted in named:
        present = ranges.columns_of(path, table)
        missing = [name for name in wanted if name not in (*present, "rowid")]
        if not present or missing:
            what = f"column {table}.{missing[0]}" if present else f"table {table}"
            raise InputError(f"has no {what}", where=str(path), hint="correct the map")


class _Reader:
    """The files of one source on their way to the staging."""

    def __init__(
        self, stage: Staging, paths: Sequence[Path], table_map: RelationMap, check_rights: Check
    ) -> None:
        self._stage = stage
        self._map = table_map
        self._genres: Genres = relation_links.genres(paths, table_map.joins.get("artist_genres"))
        self._rights = _Rights(stage, check_rights)
        # Batches are placed in the order of the files and of their ranges, however many there are.
        self._places = itertools.count()

    def read(self, path: Path, entity: Entity) -> Iterator[int]:
        """Stage a table of a file; yields the rows of each range."""
        relation = self._map.tables.get(entity)
        if relation is None:
            return
        link = self._map.joins.get(_JOINS.get(entity))  # type: ignore[call-overload]
        links = relation_links.read(path, link) if link else None
        names = list(relation.columns)
        wanted = [relation.key, *(relation.columns[name] for name in names)]
        texts = [relation.columns["id"]] if "id" in names else []

        def work(item: tuple[ranges.Span, int]) -> int:
            span, place = item
            batch = ranges.read(path, relation.table, wanted, span, texts=texts)
            keys = relation_cells.keys(batch.column(0))
            columns = dict(zip(names, batch.columns[1:], strict=True))
            if entity == "tracks":
                self._tracks(path.name, keys, columns, links, place)
            else:
                self._others(entity, keys, columns, links, place)
            return len(batch)

        spans = ranges.spans(path, relation.table)
        yield from ranges.each(zip(spans, self._places, strict=False), work)

    def _others(
        self,
        entity: Entity,
        keys: pa.Array,
        columns: dict[str, pa.Array],
        links: Links | None,
        place: int,
    ) -> None:
        """Stage artists or albums. Those without a usable id are told apart by their keys."""
        made = {**_texts(columns), "ref": keys}
        own_ids = relation_cells.ids(columns["id"]) if "id" in columns else made["ref"]
        if own_ids.null_count or "id" not in columns:
            by_key = pc.binary_join_element_wise("row", keys.cast(pa.string()), " ")
            own_ids = pc.coalesce(own_ids, by_key) if "id" in columns else by_key
        made["own_id"] = own_ids
        if "release_date" in columns:
            made["release_date"] = relation_cells.dates(columns["release_date"])
        if links:
            made["artist_refs"] = links.of(keys.fill_null(-1).to_numpy())
        table = pa.table(made)
        if keys.null_count:
            table = table.filter(keys.is_valid())
        take = self._stage.albums if entity == "albums" else self._stage.artists
        take(table, place=place)

    def _tracks(
        self,
        name: str,
        keys: pa.Array,
        columns: dict[str, pa.Array],
        links: Links | None,
        place: int,
    ) -> None:
        made = _texts(columns)
        made["own_id"] = relation_cells.ids(columns["id"])
        if "album" in columns:
            made["album_ref"] = relation_cells.keys(columns["album"])
        numbers = {
            each: relation_cells.number(each, columns[each]) for each in NUMBERS if each in columns
        }
        reasons = relation_cells.reasons(made["own_id"], numbers, columns)
        for each, values in numbers.items():
            made[each] = relation_cells.fitted(each, values)
        if "release_date" in columns:
            made["release_date"] = relation_cells.dates(columns["release_date"])
        if "explicit" in columns:
            made["explicit"] = relation_cells.flags(columns["explicit"])
        if "isrc" in columns:
            made["isrcs"] = relation_cells.several(columns["isrc"])
        if links:
            made["artist_refs"] = links.of(keys.fill_null(-1).to_numpy())
            made["genres"] = self._genres.of_first(made["artist_refs"])
        table = pa.table(made)
        bad = reasons.is_valid()
        if pc.any(bad).as_py():
            self._reject(name, keys, table, reasons, bad)
            table, keys = table.filter(pc.invert(bad)), keys.filter(pc.invert(bad))
        if "licence" in made:
            self._rights.keep(name, keys, table)
        self._stage.tracks(table, place=place)

    def _reject(
        self, name: str, keys: pa.Array, table: pa.Table, reasons: pa.Array, bad: pa.Array
    ) -> None:
        rejected = {
            "place": _places(name, keys.filter(bad)),
            "own_id": table["own_id"].filter(bad),
            "reason": reasons.filter(bad),
        }
        if "title" in table.column_names:
            rejected["content"] = table["title"].filter(bad)
        self._stage.rejects(pa.table(rejected))


class _Rights:
    """What the tracks' licences say, each text checked where it is met first."""

    def __init__(self, stage: Staging, check: Check) -> None:
        self._stage = stage
        self._check = check
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def keep(self, name: str, keys: pa.Array, table: pa.Table) -> None:
        """Check and stage the licences of a range's tracks."""
        told = table["licence"].is_valid()
        texts, places = table["licence"].filter(told), _places(name, keys.filter(told))
        for text in texts.unique().to_pylist():
            with self._lock:
                new = text not in self._seen
                self._seen.add(text)
            if new:
                self._check(text, places[pc.index(texts, text).as_py()].as_py())
        self._stage.rights(
            pa.table(
                {
                    "own_id": table["own_id"].filter(told),
                    "text": texts,
                    "field": pa.repeat("licence", len(texts)),
                    "place": places,
                }
            )
        )


def _places(name: str, keys: pa.Array) -> pa.Array:
    """Where rows stand, for people."""
    shown = keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys
    return pc.binary_join_element_wise(f"{name}:row", shown.cast(pa.string()), " ")


def _texts(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """The columns that are texts and are called as the staging calls them."""
    typed = ("title", "name", "label", "licence")
    found = {name: relation_cells.trimmed(columns[name]) for name in typed if name in columns}
    coded = ("mbid", "upc", "recording_mbid")
    return found | {name: relation_cells.texts(columns[name]) for name in coded if name in columns}
