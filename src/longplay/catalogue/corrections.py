"""What curators corrected: a layer over all sources, to which rows are added and never taken away.

Of each thing (a field of an id, a pair of tracks) the last row stands. Joins and splits are between
tracks, whose ids last through every import; `curation` adds rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay.catalogue import ids
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Manifest
from longplay.errors import ArchiveError

SOURCE = "corrections"
"""The layer's name, and that of its table and format; no source can be called so."""

Act = Literal["edit", "join", "split", "alike", "apart", "undo"]

LIKENESS = "near_duplicate"
"""The field of a pair of tracks that has nothing to do with whether they are one recording."""

SCHEMA = pa.schema(
    [
        ("ordinal", pa.uint32()),
        ("subject", pa.string()),
        ("act", pa.string()),
        ("field", pa.string()),
        ("value", pa.string()),
        ("other", pa.string()),
        ("who", pa.string()),
        ("why", pa.string()),
        ("at", pa.string()),
    ]
)
"""`subject` and `other` are ids as text, `value` is JSON; an undo has the `field` or the `other` of
what it undoes; `alike` and `apart` have both, the field being LIKENESS. In a pair, the smaller id
is the subject."""

Pairs = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Constraints:
    """The curator's word on tracks, by key: pairs (rows of two) that are one recording whatever
    else speaks against it, and pairs that never are, whatever they share."""

    forced: Pairs
    forbidden: Pairs


@dataclass(frozen=True, slots=True)
class Edits:
    """The values that stand: for each kind of id and field, the keys in ascending order and the
    value of each."""

    values: Mapping[tuple[str, str], tuple[Hashes, list[Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subjects:
    """Whose fields a table shows: the kind of id, the column of its keys, and which column shows
    which field (`columns[field]`)."""

    prefix: str
    keys: str
    columns: Mapping[str, str]


def load(folder: Path, manifest: Manifest) -> pa.Table:
    """All corrections, oldest first, as `SCHEMA`. Raises ArchiveError."""
    layer = manifest.layers.get(SOURCE)
    tables = [SCHEMA.empty_table()]
    for part in layer.tables[SOURCE] if layer else ():
        try:
            tables.append(pq.read_table(folder / part.file, schema=SCHEMA))
        except (pa.ArrowException, OSError) as error:
            raise ArchiveError(
                "the corrections are missing or damaged",
                where=str(folder / part.file),
                hint="bring the file back from a backup",
            ) from error
    return pa.concat_tables(tables)


def standing(corrections: pa.Table) -> pa.Table:
    """The rows that no later row overrides or undoes."""
    last = corrections.group_by(["subject", "field", "other"]).aggregate([("ordinal", "max")])
    rows = corrections.take(last["ordinal_max"].sort())
    return rows.filter(pc.not_equal(rows["act"], "undo"))


def constraints(folder: Path, manifest: Manifest) -> Constraints:
    """What curators said of pairs of tracks."""
    rows = standing(load(folder, manifest))
    return Constraints(_pairs(rows, "join"), _pairs(rows, "split"))


def _pairs(rows: pa.Table, act: Act) -> Pairs:
    some = rows.filter(pc.equal(rows["act"], act))
    sides = [keys_of(some[column].to_pylist()) for column in ("subject", "other")]
    return np.stack(sides, axis=1)


def keys_of(identities: Sequence[str]) -> Hashes:
    """The keys of ids that were written by us."""
    return np.array([ids.parse(each)[1] for each in identities], np.uint64)


def edits(corrections: pa.Table, successors: Mapping[int, int] | None = None) -> Edits:
    """The values that stand, ready to be applied.

    `successors` says which recordings have become others: what was said of them holds of those,
    unless something was said later.
    """
    rows = standing(corrections)
    rows = rows.filter(pc.equal(rows["act"], "edit"))
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for subject, name, value in zip(
        *(rows[column].to_pylist() for column in ("subject", "field", "value")), strict=True
    ):
        prefix, key = ids.parse(subject)
        if prefix == "rec" and successors:
            key = successors.get(key, key)
        found.setdefault((prefix, name), {})[key] = json.loads(value)
    values = {}
    for at, by_key in found.items():
        ordered = sorted(by_key)
        values[at] = np.array(ordered, np.uint64), [by_key[key] for key in ordered]
    return Edits(values)


def apply(table: pa.Table, edited: Edits, subjects: Sequence[Subjects]) -> pa.Table:
    """The table with corrected values where there are some; of several subjects the later win.

    A column of texts shows the first of a field's list; null keys are never corrected.
    """
    for subject in subjects:
        for name, column in subject.columns.items():
            values = edited.values.get((subject.prefix, name))
            if values and column in table.column_names:
                table = _applied(table, subject.keys, column, *values)
    return table


def _applied(
    table: pa.Table, keys: str, column: str, edited: Hashes, values: list[Any]
) -> pa.Table:
    here = pc.index_in(table[keys].cast(pa.uint64()), value_set=pa.array(edited))
    rows = np.flatnonzero(here.is_valid().to_numpy())
    if not len(rows):
        return table
    place = table.schema.get_field_index(column)
    kind = table.schema.field(place).type
    chosen = [values[each] for each in here.take(pa.array(rows)).to_pylist()]
    fresh = pa.array([_as(kind, value) for value in chosen], kind)
    before = table[column].combine_chunks()
    sources = np.arange(len(before))
    sources[rows] = len(before) + np.arange(len(rows))
    chunks = before.chunks if isinstance(before, pa.ChunkedArray) else [before]
    merged = pa.chunked_array([*chunks, fresh]).take(pa.array(sources))
    return table.set_column(place, table.schema.field(place), merged)


def _as(kind: pa.DataType, value: Any) -> Any:
    """A field's value as its column shows it."""
    if isinstance(value, list) and not pa.types.is_list(kind):
        return value[0] if value else None
    return value


def history(corrections: pa.Table, identity: str) -> list[dict[str, Any]]:
    """Everything that was said of an id, oldest first, and whether it still stands."""
    either = pc.or_kleene(
        pc.equal(corrections["subject"], identity),
        pc.fill_null(pc.equal(corrections["other"], identity), False),
    )
    stands = set(standing(corrections)["ordinal"].to_pylist())
    return [
        {**row, "value": None if row["value"] is None else json.loads(row["value"])}
        | {"stands": row["ordinal"] in stands}
        for row in corrections.filter(either).to_pylist()
    ]
