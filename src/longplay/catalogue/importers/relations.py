"""Databases in many tables: tracks, albums, artists and the links between them, from SQLite files.

Several files of one source are one import, read one after the other. Tracks are read in ranges of
rows, some at a time; their links are held for one file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue import imports
from longplay.catalogue.importers import ranges
from longplay.catalogue.importers.relation_map import NUMBERS, Entity, Link, RelationMap
from longplay.catalogue.staging import Staging
from longplay.errors import InputError

Numbers = npt.NDArray[np.int64]
Progress = Callable[[int, int, str], None]

MAX_DURATION_MS = 2**31 - 1
"""24 days: what fits the column."""

_DATE = r"^[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$"
_FILES = 1 << 12
"""Batches of one file are placed before those of the next: no file has as many ranges."""


@dataclass(frozen=True, slots=True)
class Links:
    """Which artists each track or album has, in order of credit: by its key, ascending."""

    owners: Numbers
    artists: Numbers

    def of(self, keys: Numbers) -> pa.ListArray:
        """The artists of each key."""
        starts = np.searchsorted(self.owners, keys, side="left")
        counts = np.searchsorted(self.owners, keys, side="right") - starts
        offsets = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), pa.array(self.artists[places])
        )


@dataclass(frozen=True, slots=True)
class Genres:
    """The genres of artists: by artist, ascending."""

    artists: Numbers
    lists: pa.ListArray

    def of_first(self, credited: pa.ListArray) -> pa.Array:
        """The genres of each track's first artist; null where none are known."""
        offsets = credited.offsets.to_numpy()
        has = offsets[1:] > offsets[:-1]
        firsts = np.full(len(credited), -1, np.int64)
        firsts[has] = credited.values.to_numpy()[offsets[:-1][has]]
        if not len(self.artists):
            return pa.nulls(len(credited), pa.list_(pa.string()))
        places = np.minimum(np.searchsorted(self.artists, firsts), len(self.artists) - 1)
        return self.lists.take(pa.array(places, mask=self.artists[places] != firsts))


def fill(
    stage: Staging, paths: Sequence[Path], table_map: RelationMap, progress: Progress
) -> imports.Staged:
    """Stage all rows of the files; `progress(rows, of rows, words)` says `read NAME` when a file is
    no longer needed. Raises InputError."""
    for path in paths:
        _check(path, table_map)
    genres = _genres(paths, table_map.joins.get("artist_genres"))
    totals = [len(ranges.spans(path, table_map.tables["tracks"].table)) for path in paths]
    count = 0
    said = {"artists": 0, "albums": 0}

    def counted(entity: str) -> Callable[[int], None]:
        def add(rows: int) -> None:
            said[entity] += rows

        return add

    for ordinal, path in enumerate(paths):
        reader = _Reader(stage, path, ordinal, table_map, genres)
        for entity in ("artists", "albums"):
            if entity in table_map.tables:
                reader.read(entity, counted(entity))
        done = sum(totals[:ordinal])

        def advance(rows: int, first: int = done) -> None:
            nonlocal count
            count += rows
            progress(count, 0, "")

        reader.read("tracks", advance)
        progress(count, 0, f"read {path.name}")
    if not count:
        raise InputError("has no tracks", where=str(paths[0]), hint="is this the right map?")
    declared = {entity: rows for entity, rows in said.items() if rows}
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
    """One file on its way to the staging."""

    def __init__(
        self, stage: Staging, path: Path, ordinal: int, table_map: RelationMap, genres: Genres
    ) -> None:
        self._stage = stage
        self._path = path
        self._first = ordinal * _FILES
        self._map = table_map
        self._genres = genres

    def read(self, entity: Entity, advance: Callable[[int], None]) -> None:
        """Stage a table."""
        relation = self._map.tables[entity]
        joins = {"tracks": "track_artists", "albums": "album_artists", "artists": ""}
        link = self._map.joins.get(joins[entity])  # type: ignore[call-overload]
        links = _links(self._path, link) if link else None
        names = list(relation.columns)
        wanted = [relation.key, *(relation.columns[name] for name in names)]

        def work(place: int, span: tuple[int, int]) -> int:
            batch = ranges.read(self._path, relation.table, wanted, span)
            keys = _whole(batch.column(0))
            columns = dict(zip(names, batch.columns[1:], strict=True))
            if entity == "tracks":
                self._tracks(keys, columns, links, self._first + place)
            elif entity == "albums":
                self._albums(keys, columns, links, self._first + place)
            else:
                made = {**_texts(columns), "own_id": _text(columns["id"]), "ref": keys}
                self._stage.artists(_table(made, len(keys)), place=self._first + place)
            return len(batch)

        for rows in ranges.each(ranges.spans(self._path, relation.table), work):
            advance(rows)

    def _albums(
        self, keys: pa.Array, columns: dict[str, pa.Array], links: Links | None, place: int
    ) -> None:
        made = {**_texts(columns), "own_id": _text(columns["id"]), "ref": keys}
        if "release_date" in made:
            made["release_date"] = _dates(made["release_date"])
        if links:
            made["artist_refs"] = links.of(keys.fill_null(-1).to_numpy())
        self._stage.albums(_table(made, len(keys)), place=place)

    def _tracks(
        self, keys: pa.Array, columns: dict[str, pa.Array], links: Links | None, place: int
    ) -> None:
        made = _texts(columns)
        made["own_id"] = _text(columns["id"])
        numbers = {name: _number(column) for name, column in columns.items() if name in NUMBERS}
        if "album" in numbers:
            made["album_ref"] = _whole(numbers.pop("album"))
        reasons = _reasons(made["own_id"], numbers, columns)
        made |= numbers
        if "duration_ms" in made:
            made["duration_ms"] = pc.if_else(
                pc.equal(made["duration_ms"], 0), None, made["duration_ms"]
            )
        if "release_date" in made:
            made["release_date"] = _dates(made["release_date"])
        if "explicit" in columns:
            made["explicit"] = _flags(columns["explicit"])
        if "isrc" in columns:
            made["isrcs"] = _several(_text(columns["isrc"]))
        if links:
            made["artist_refs"] = links.of(keys.fill_null(-1).to_numpy())
            made["genres"] = self._genres.of_first(made["artist_refs"])
        table = _table(made, len(keys))
        bad = reasons.is_valid()
        if pc.any(bad).as_py():
            self._reject(keys, table, reasons, bad)
            table = table.filter(pc.invert(bad))
        self._stage.tracks(table, place=place)

    def _reject(self, keys: pa.Array, table: pa.Table, reasons: pa.Array, bad: pa.Array) -> None:
        places = [f"{self._path.name}:row {key}" for key in keys.filter(bad).to_pylist()]
        self._stage.rejects(
            pa.table(
                {
                    "place": places,
                    "own_id": table["own_id"].filter(bad),
                    "reason": reasons.filter(bad),
                    "content": table["title"].filter(bad)
                    if "title" in table.column_names
                    else None,
                }
            )
        )


def _table(columns: dict[str, pa.Array], rows: int) -> pa.Table:
    """A batch of what was made, whatever the map says there is."""
    return pa.table(columns) if columns else pa.table({"own_id": pa.nulls(rows, pa.string())})


def _texts(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """The columns that are texts and are called as the staging calls them."""
    kept = ("title", "name", "mbid", "upc", "label", "release_date", "recording_mbid", "licence")
    found = {name: _text(column) for name, column in columns.items() if name in kept}
    for name in ("title", "name"):
        if name in found:
            found[name] = pc.utf8_trim_whitespace(found[name])
    return found


def _text(column: pa.Array) -> pa.Array:
    """A column as text; empty is null, and what is not UTF-8 has U+FFFD where it is not."""
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        try:
            # Through bytes, since the driver hands over whatever the file has as text.
            text = column.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:
            cells = column.cast(pa.binary()).to_pylist()
            text = pa.array(
                [None if cell is None else cell.decode("utf-8", "replace") for cell in cells],
                pa.string(),
            )
    else:
        text = column.cast(pa.string())
    empty = pc.equal(pc.binary_length(text), 0)
    return pc.if_else(empty, None, text) if pc.any(empty).as_py() else text


def _number(column: pa.Array) -> pa.Array:
    """A column as numbers; null where it is none."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column
    text = _text(column)
    good = pc.match_substring_regex(text, r"^\s*-?[0-9]{1,15}(\.[0-9]+)?\s*$")
    return pc.utf8_trim_whitespace(pc.if_else(good, text, None)).cast(pa.float64())


def _whole(column: pa.Array) -> pa.Array:
    """A column of keys."""
    found = _number(column)
    return found if found.type == pa.int64() else pc.floor(found).cast(pa.int64(), safe=False)


def _dates(texts: pa.Array) -> pa.Array:
    """Years, with months and days where they are known; null where a text is no date."""
    good = pc.and_(pc.match_substring_regex(texts, _DATE), pc.not_equal(texts, "0000"))
    return pc.if_else(good, texts, None)


def _flags(column: pa.Array) -> pa.Array:
    """Yes or no."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        flags = pc.equal(column, 1)
        return pc.if_else(pc.or_(flags, pc.equal(column, 0)), flags, None)
    text = pc.utf8_lower(_text(column))
    yes = pc.is_in(text, value_set=pa.array(["1", "true", "yes", "t", "y"]))
    no = pc.is_in(text, value_set=pa.array(["0", "false", "no", "f", "n"]))
    return pc.if_else(pc.or_(yes, no), yes, None)


def _several(texts: pa.Array) -> pa.ListArray:
    """Lists of the texts that `;` separates, empty for nulls."""
    if not pc.any(pc.match_substring(texts, ";")).as_py():
        return _singles(texts)
    return pc.coalesce(pc.split_pattern(texts, ";"), pa.scalar([], pa.list_(pa.string())))


def _singles(texts: pa.Array) -> pa.ListArray:
    """Lists of one text each, empty for nulls."""
    lengths = texts.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), texts.drop_null())


def _reasons(ids: pa.Array, numbers: dict[str, pa.Array], columns: dict[str, pa.Array]) -> pa.Array:
    """Why a row is rejected; null for a good one."""
    reasons = pc.if_else(ids.is_null(), "no id", pa.scalar(None, pa.string()))
    for name, highest, says in (
        ("duration_ms", MAX_DURATION_MS, "is not a duration"),
        ("popularity", 100, "is not between 0 and 100"),
        ("listens", 1e18, "is not a count"),
        ("disc_number", 2**31 - 1, "is no number of a disc"),
        ("track_number", 2**31 - 1, "is no number of a track"),
    ):
        if name not in numbers:
            continue
        value = numbers[name]
        outside = pc.or_kleene(pc.less(value, 0), pc.greater(value, highest))
        unread = pc.and_(columns[name].is_valid(), value.is_null())
        bad = pc.or_(pc.fill_null(outside, False), unread)
        if pc.any(bad).as_py():
            shown = pc.utf8_slice_codeunits(_text(columns[name]), 0, 40)
            told = pc.binary_join_element_wise(f"{name}:", shown, says, " ")
            reasons = pc.coalesce(reasons, pc.if_else(bad, told, None))
    return reasons


def _links(path: Path, link: Link) -> Links:
    """All links of a file."""
    owner = link.track or link.album
    assert owner
    wanted = [owner, link.artist, *([link.order] if link.order else [])]

    def work(_place: int, span: tuple[int, int]) -> tuple[Numbers, ...]:
        batch = ranges.read(path, link.table, wanted, span)
        columns = [_whole(column) for column in batch.columns]
        known = pc.and_(columns[0].is_valid(), columns[1].is_valid())
        if not pc.all(known).as_py():
            columns = [column.filter(known) for column in columns]
        return tuple(column.fill_null(0).to_numpy() for column in columns)

    found = list(ranges.each(ranges.spans(path, link.table), work))
    empty = np.zeros(0, np.int64)
    owners, artists, *order = (
        np.concatenate([empty, *(batch[i] for batch in found)]) for i in range(len(wanted))
    )
    keys = [order[0], owners] if order else [owners]
    ordered = owners[1:] > owners[:-1]
    same = owners[1:] == owners[:-1]
    if not (ordered | (same & (order[0][1:] >= order[0][:-1] if order else True))).all():
        places = np.lexsort(keys)
        owners, artists = owners[places], artists[places]
    return Links(owners, artists)


def _genres(paths: Sequence[Path], link: Link | None) -> Genres:
    """The genres of all artists of all files."""
    artists = [np.zeros(0, np.int64)]
    genres: list[pa.Array] = [pa.array([], pa.string())]
    for path in paths if link else ():
        assert link and link.genre
        wanted = [link.artist, link.genre]
        for span in ranges.spans(path, link.table):
            batch = ranges.read(path, link.table, wanted, span)
            keys, names = _whole(batch.column(0)), _text(batch.column(1))
            known = pc.and_(keys.is_valid(), names.is_valid())
            artists.append(keys.filter(known).to_numpy())
            genres.append(names.filter(known))
    owners = np.concatenate(artists)
    order = np.argsort(owners, kind="stable")
    owners = owners[order]
    names = pa.concat_arrays(genres).take(pa.array(order))
    once, starts = np.unique(owners, return_index=True)
    offsets = np.concatenate([starts, [len(owners)]]).astype(np.int32)
    return Genres(once, pa.ListArray.from_arrays(pa.array(offsets), names))
