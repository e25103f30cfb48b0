"""Column maps: which column of somebody's table is which of ours, as TOML and then as SQL.

`docs/catalogue.md` documents the format; `catalogue/maps/` has examples.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from longplay import files
from longplay.catalogue import schema
from longplay.catalogue.database import identifier, quoted
from longplay.catalogue.importers.relation_map import RelationMap
from longplay.errors import InputError
from longplay.settings import Model

MAX_MAP_BYTES = 1024 * 1024
"""A person writes a map; a megabyte is far more than anybody types."""

MAX_DURATION_MS = 2**31 - 1
"""24 days: what fits the column. Nothing longer is one piece of music."""

Name = Literal[
    "id", "title", "artists", "artist_ids", "album", "album_id", "album_artists", "disc_number",
    "track_number", "duration_ms", "isrc", "recording_mbid", "album_mbid", "upc", "label",
    "release_date", "genres", "explicit", "popularity", "listens", "licence",
]  # fmt: skip
Format = Literal["csv", "tsv", "jsonl", "parquet", "sqlite"]

SPACES = " \t\r\n\v\f\u00a0\u2002\u2003\u2009\u200b\u3000\ufeff"
"""What is taken off both ends of a cell: tables are typed, and pasted from web pages."""

LISTS = {"artists", "artist_ids", "album_artists", "genres", "isrc"}
DEFAULT_NAMES: tuple[Name, ...] = (
    "id", "title", "artists", "album", "album_artists", "disc_number", "track_number",
    "duration_ms", "isrc", "upc", "release_date", "genres", "explicit", "popularity", "listens",
    "licence",
)  # fmt: skip
"""Columns of these names need no map."""


class Column(Model):
    """Where one of our columns comes from. Several columns are taken together, as ids may be."""

    column: str | tuple[str, ...]
    separator: str = Field(";", min_length=1)
    form: Literal["separated", "python-list"] = "separated"
    unit: Literal["ms", "s", "m:ss"] = "ms"
    replace: dict[str, str] = Field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's columns."""
        return (self.column,) if isinstance(self.column, str) else self.column


class TableMap(Model):
    """A column map. `count_listens` makes the number of rows with one id its listens."""

    format: Format | None = None
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    table: str | None = None
    nulls: tuple[str, ...] = ("",)
    count_listens: bool = False
    columns: dict[Name, str | tuple[str, ...] | Column]

    def column(self, name: Name) -> Column | None:
        """Where `name` comes from, or None."""
        found = self.columns.get(name)
        return found if found is None or isinstance(found, Column) else Column(column=found)

    @property
    def wanted(self) -> list[str]:
        """All columns of the source that the map names, each once."""
        used = [c for name in self.columns if (c := self.column(name))]
        return list(dict.fromkeys(column for each in used for column in each.columns))


def load(path: Path) -> TableMap | RelationMap:
    """Read a map, of one table or of several (`tables`). Raises InputError."""
    try:
        document = tomllib.loads(files.read_bounded(path, MAX_MAP_BYTES).decode())
        if "tables" in document:
            return RelationMap.model_validate(document)
        found = TableMap.model_validate(document)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(error), where=str(path), hint="correct that line") from error
    except ValidationError as error:
        # A column may be written in several ways: the way that it went furthest in is meant.
        deepest = max(error.errors(), key=lambda each: len(each["loc"]))
        key = ".".join(str(part) for part in deepest["loc"]) or "the map"
        raise InputError(f"{key}: {deepest['msg']}", where=str(path), hint="correct it") from error
    if "id" not in found.columns:
        raise InputError(
            "the map names no column for `id`",
            where=str(path),
            hint="several together will do: id = ['artist', 'title']",
        )
    return found


def default(present: Sequence[str] | None) -> TableMap:
    """The map of a table whose columns have our names (None: they are not known beforehand)."""
    names = [name for name in DEFAULT_NAMES if present is None or name in present]
    return TableMap(columns={name: name for name in names})


def select(table: TableMap, ordinal: int) -> str:
    """The query that turns the table `raw` (`problem`, and the source's columns as text, in file
    order) into rows of `schema.STAGED`. `ordinal` is the file's place among the source's files."""
    cells = {
        name: _text(column, table.nulls)
        for name in table.columns
        if (column := table.column(name)) is not None
    }
    columns = ", ".join(
        f"{_expression(name, cells, table)}::{kind} AS {name}"
        for name, kind in schema.STAGED.items()
        if name not in ("record", "reason", "content")
    )
    shown = ", ".join(f"{quoted(name)}: {cell(name)}" for name in table.wanted)
    return (
        "SELECT * EXCLUDE (cells), CASE WHEN reason IS NOT NULL"
        " THEN left(to_json(cells)::VARCHAR, 2000) END"
        f" AS content FROM (SELECT ({ordinal}::BIGINT << 40) + rowid + 1 AS record, {columns},"
        f" {_reason(cells, table)} AS reason, {{{shown}}} AS cells FROM raw"
        " WHERE problem IS DISTINCT FROM '')"
    )


_RENAMED = {"own_id": "id", "isrcs": "isrc"}


def cell(name: str) -> str:
    """A source's column as it is called in `raw`, where no name of theirs can meet one of ours."""
    return identifier(f"c:{name}")


def _text(column: Column, nulls: Sequence[str]) -> str:
    """A cell without surrounding space, NULL where the source means nothing by it."""
    missing = ", ".join(quoted(word) for word in {*nulls, ""})
    cells = []
    for name in column.columns:
        text = f"trim({cell(name)}, {quoted(SPACES)})"
        for old, new in column.replace.items():
            text = f"replace({text}, {quoted(old)}, {quoted(new)})"
        cells.append(f"CASE WHEN {text} NOT IN ({missing}) THEN {text} END")
    if len(cells) == 1:
        return f"({cells[0]})"
    together = ", ".join(f"coalesce({each}, '')" for each in cells)
    nothing = " AND ".join(f"{each} IS NULL" for each in cells)
    return f"(CASE WHEN NOT ({nothing}) THEN concat_ws(chr(31), {together}) END)"


def _expression(made: str, cells: Mapping[Name, str], table: TableMap) -> str:
    name = _RENAMED.get(made, made)
    cell = next((sql for each, sql in cells.items() if each == name), None)
    if cell is None:
        return "NULL"
    if name in LISTS:
        return _list(cell, _column(table, name))
    if name in ("disc_number", "track_number"):
        return f"TRY_CAST(split_part({cell}, '/', 1) AS INTEGER)"
    if name == "duration_ms":
        duration = _milliseconds(cell, table)
        return f"CASE WHEN {_in_range(duration)} THEN nullif(round({duration})::INTEGER, 0) END"
    if name == "popularity":
        return f"TRY_CAST({cell} AS FLOAT)"
    if name == "listens":
        return f"TRY_CAST({cell} AS DOUBLE)"
    if name == "explicit":
        return (
            f"CASE WHEN lower({cell}) IN ('true', 't', 'yes', 'y', '1', 'explicit') THEN true"
            f" WHEN lower({cell}) IN ('false', 'f', 'no', 'n', '0', 'clean') THEN false END"
        )
    if name == "release_date":
        # Years alone are dates, and so are years with unknown months ("1999-00-00").
        known = (
            rf"regexp_extract({cell}, '^[0-9]{{4}}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')"
        )
        return f"CASE WHEN {known}[1:4] NOT IN ('', '0000') THEN {known} END"
    return cell


def _column(table: TableMap, name: str) -> Column:
    return next(c for each in table.columns if each == name and (c := table.column(each)))


def _list(cell: str, column: Column) -> str:
    if column.form == "python-list":
        literal = r"""'([^''\\]|\\.)*''|"([^"\\]|\\.)*"'""".replace("'(", "'''(", 1)
        items = f"list_transform(regexp_extract_all({cell}, {literal}), lambda x: x[2:-2])"
    else:
        items = f"string_split({cell}, {quoted(column.separator)})"
    # Lists of JSON and Parquet arrive as JSON text. Objects, there or instead, are no names.
    listed = f"TRY(from_json({cell}, '[\"JSON\"]'))"
    named = f"list_filter({listed}, lambda x: json_type(x) NOT IN ('OBJECT', 'ARRAY', 'NULL'))"
    unpacked = f"list_transform({named}, lambda x: json_extract_string(x, '$'))"
    return (
        f"CASE WHEN {cell}[1:1] = '[' AND {listed} IS NOT NULL THEN {_whole(unpacked)}"
        f" WHEN {cell}[1:1] = '{{' AND json_valid({cell}) THEN [] ELSE {_whole(items)} END"
    )


def _whole(items: str) -> str:
    """A list's items without surrounding space, those that are left."""
    return f"list_filter(list_transform({items}, lambda x: trim(x)), lambda x: x <> '')"


def _milliseconds(cell: str, table: TableMap) -> str:
    unit = _column(table, "duration_ms").unit
    if unit == "m:ss":
        parts = f"string_split({cell}, ':')"
        return (
            f"(CASE WHEN regexp_matches({cell}, '^([0-9]+:){{0,2}}[0-9]+([.][0-9]+)?$') THEN"
            f" list_reduce(list_transform({parts}, lambda x: TRY_CAST(x AS DOUBLE)),"
            " lambda a, b: a * 60 + b) * 1000 END)"
        )
    return f"(TRY_CAST({cell} AS DOUBLE) * {1000 if unit == 's' else 1})"


def _in_range(duration: str) -> str:
    return f"{duration} BETWEEN 0 AND {MAX_DURATION_MS}"


def _reason(cells: Mapping[Name, str], table: TableMap) -> str:
    """Why a row is rejected, NULL for a good one."""
    cases = ["WHEN problem IS NOT NULL THEN problem", f"WHEN {cells['id']} IS NULL THEN 'no id'"]
    checks = [
        ("popularity", "TRY_CAST(CELL AS DOUBLE) BETWEEN 0 AND 100", "is not between 0 and 100"),
        ("listens", "TRY_CAST(CELL AS DOUBLE) BETWEEN 0 AND 1e18", "is not a count"),
    ]
    if "duration_ms" in cells:
        duration = _in_range(_milliseconds(cells["duration_ms"], table))
        checks.append(("duration_ms", duration, "is not a duration"))
    for name, good, reason in checks:
        cell = next((sql for each, sql in cells.items() if each == name), None)
        if cell is not None:
            cases.append(
                f"WHEN {cell} IS NOT NULL AND ({good.replace('CELL', cell)}) IS NOT TRUE"
                f" THEN '{name}: ' || left({cell}, 40) || ' {reason}'"
            )
    return f"CASE {' '.join(cases)} END"
