"""The plan's file, `plans/<id>.parquet`: written in plan order, read in ranges of ordinals.

Its columns are in `SCHEMA` and its form in `docs/formats/plan.md`.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from longplay import files
from longplay.errors import PlanError
from longplay.planning import candidates, spill
from longplay.planning.knapsack import OPUS
from longplay.planning.plan import VERSION, Band, Figures, Plan, Planned, plan_document

ACTIONS = pa.array(["skip", "opus", "original"])
ROLES = pa.array(["best", "other", "companion"])
_BEST, _OTHER, _COMPANION = range(3)

_NAME = pa.dictionary(pa.int32(), pa.string())
_FEW = pa.dictionary(pa.int8(), pa.string())

SCHEMA = pa.schema(
    [
        ("ordinal", pa.int64()),
        ("recording", pa.uint64()),
        ("track", pa.uint64()),
        ("album", pa.uint64()),
        ("action", _FEW),
        ("role", _FEW),
        ("source", _NAME),
        ("path", pa.binary()),
        ("kind", _NAME),
        ("source_bytes", pa.int64()),
        ("expected_bytes", pa.int64()),
        ("listens", pa.float32()),
        ("popularity", pa.float32()),
    ]
)

COPIED = ("recording", "track", "album", "source", "path", "kind")
"""Columns that the plan takes from its candidates as they are."""

ROW_GROUP = 1 << 17
"""Rows read at least for a range of ordinals: a few MB."""

SLICE = 1 << 20
"""Rows put together at a time while writing."""

IN_MEMORY_ROWS = 20_000_000
"""Candidates in a Parquet file with more rows are put in order through temporary files."""

_META = b"longplay.plan"


def write(planned: Planned, folder: Path) -> Path:
    """Write `folder/<id>.parquet`, whole or not at all; returns its path.

    Large candidates files need temporary room beside it, about as much as the plan takes.
    """
    path = folder / f"{planned.plan.id}.parquet"
    with files.durable(path) as out, _writer(out, planned.plan) as put:
        for part in _slices(planned, folder):
            put(part)
    return path


def to_table(planned: Planned) -> pa.Table:
    """The whole plan as one Arrow table: for small archives and for tests."""
    parts = list(_slices(planned, Path()))
    return pa.concat_tables(parts) if parts else SCHEMA.empty_table()


def read_plan(path: Path) -> Plan:
    """The plan's value from its file. Raises PlanError."""
    with _opened(path) as file:
        raw = (file.schema_arrow.metadata or {}).get(_META)
    if raw is None:
        raise PlanError("is not a plan", where=str(path))
    document: dict[str, Any] = json.loads(raw)
    found = document.pop("version")
    if found != VERSION:
        newer = "by a newer Longplay" if found > VERSION else "by an older Longplay"
        raise PlanError(f"was written {newer}", where=str(path), hint="plan again")
    figures = document.pop("figures")
    frontier = tuple((row[0], row[1], row[2]) for row in figures["frontier"])
    bands = tuple(Band(**band) for band in figures["bands"])
    return Plan(**document, figures=Figures(frontier, bands))


def read_range(path: Path, first: int, last: int) -> pa.Table:
    """Rows of the ordinals `first` to `last`, both included, reading only their row groups.

    Ordinals beyond the plan are left out. Raises PlanError.
    """
    with _opened(path) as file:
        groups: list[int] = []
        start, offset = 0, 0
        for index in range(file.metadata.num_row_groups):
            end = start + file.metadata.row_group(index).num_rows
            if start <= last and end > first:
                offset = start if not groups else offset
                groups.append(index)
            start = end
        table = file.read_row_groups(groups) if groups else file.schema_arrow.empty_table()
    begin = max(first - offset, 0)
    return table.slice(begin, max(last - offset - begin + 1, 0)).replace_schema_metadata(None)


def read_rows(path: Path, ordinals: Sequence[int]) -> pa.Table:
    """Rows of these ordinals, which rise, reading only their row groups; those beyond the plan are
    left out. Raises PlanError."""
    wanted = np.asarray(ordinals, np.int64)
    found, start = [], 0
    with _opened(path) as file:
        for group in range(file.metadata.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            mine = wanted[(wanted >= start) & (wanted < end)]
            if len(mine):
                found.append(file.read_row_group(group).take(pa.array(mine - start)))
            start = end
        empty = file.schema_arrow.empty_table()
    return pa.concat_tables([*found, empty]).replace_schema_metadata(None)


def read_listens(path: Path, first: int) -> Iterator[NDArray[np.float32]]:
    """The listens of each row from the ordinal `first` on, in parts. Raises PlanError."""
    with _opened(path) as file:
        start = 0
        for index in range(file.metadata.num_row_groups):
            end = start + file.metadata.row_group(index).num_rows
            if end > first:
                column = file.read_row_group(index, ["listens"])["listens"]
                yield column.to_numpy()[max(first - start, 0) :]
            start = end


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise PlanError(
            "the plan cannot be read", where=str(path), hint="make it again: longplay plan"
        ) from error


@contextmanager
def _writer(out: Any, plan: Plan) -> Iterator[Any]:
    """Yields a function that queues a table; a thread encodes while the next is put together."""
    document = json.dumps({"version": VERSION} | plan_document(plan), sort_keys=True)
    schema = SCHEMA.with_metadata({_META: document.encode()})
    waiting: queue.Queue[pa.Table | None] = queue.Queue(maxsize=2)
    failures: list[Exception] = []
    names = ["action", "role", "source", "kind"]
    with pq.ParquetWriter(
        out, schema, compression="zstd", compression_level=1, use_dictionary=names
    ) as writer:

        def encode() -> None:
            while (table := waiting.get()) is not None:
                try:
                    if not failures:
                        writer.write_table(table, row_group_size=ROW_GROUP)
                except Exception as error:  # handed to the caller's thread
                    failures.append(error)

        thread = threading.Thread(target=encode, name="plan-writer")
        thread.start()
        try:
            yield waiting.put
        finally:
            waiting.put(None)
            thread.join()
        if failures:
            raise failures[0]


def _slices(planned: Planned, scratch: Path) -> Iterator[pa.Table]:
    """The plan's rows in order, SLICE at a time."""
    large = not isinstance(planned.source, pa.Table)
    large = large and candidates.row_count(planned.source) > IN_MEMORY_ROWS
    if large:
        copied = spill.in_order(planned.source, COPIED, _row_order(planned), scratch, SLICE)
    else:
        copied = _taken(planned)
    start = 0
    for part in copied:
        yield _rows(planned, start, part)
        start += part.num_rows


def _row_order(planned: Planned) -> NDArray[np.int64]:
    rows = planned.best.row[planned.order]
    return np.concatenate([rows, planned.extras])


def _taken(planned: Planned) -> Iterator[pa.Table]:
    source, names = planned.source, list(COPIED)
    if isinstance(source, pa.Table):
        table = source.select(names)
    else:
        table = pq.read_table(source, columns=names, read_dictionary=["source", "kind"])
    # One chunk: taking scattered rows from many chunks copies them all first, every time.
    table = _small(table).combine_chunks()
    order = _row_order(planned)
    for start in range(0, len(order), SLICE):
        yield table.take(pa.array(order[start : start + SLICE]))


def _small(table: pa.Table) -> pa.Table:
    """The same with repeated texts as numbers, which are quicker to move."""
    for name in ("source", "kind"):
        index = table.schema.get_field_index(name)
        column = table.column(index)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        table = table.set_column(index, name, column.unify_dictionaries())
    return table


def _rows(planned: Planned, start: int, copied: pa.Table) -> pa.Table:
    """Rows `start` onward: what was copied from the candidates, and what was decided on them."""
    end, n = start + copied.num_rows, len(planned.order)
    entries = planned.order[start:end]
    extras = planned.extras[max(start - n, 0) : max(end - n, 0)]
    action, size, opus = _decided(planned, entries)
    whole = planned.columns.size[extras]
    nothing = np.zeros(len(extras), np.float32)
    originals = np.full(len(extras), 2, np.int8)
    decided = {
        "ordinal": pa.array(np.arange(start, end)),
        "action": _dictionary(np.concatenate([action, originals]), ACTIONS),
        "role": _dictionary(_roles(planned, extras, len(entries)), ROLES),
        "source_bytes": pa.array(np.concatenate([size, whole])),
        "expected_bytes": pa.array(np.concatenate([np.where(action == OPUS, opus, size), whole])),
        "listens": pa.array(np.concatenate([planned.best.listens[entries], nothing])),
        "popularity": pa.array(np.concatenate([planned.best.popularity[entries], nothing])),
    }
    arrays = [
        decided[field.name] if field.name in decided else _cast(copied.column(field.name), field)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _decided(
    planned: Planned, entries: NDArray[np.uint32]
) -> tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.int64]]:
    rows = planned.best.row[entries]
    return (
        planned.action[entries].astype(np.int8),
        planned.columns.size[rows],
        planned.columns.opus[rows].astype(np.int64),
    )


def _roles(planned: Planned, extras: NDArray[np.int64], best: int) -> NDArray[np.int8]:
    tail = np.where(planned.columns.companion[extras], _COMPANION, _OTHER).astype(np.int8)
    return np.concatenate([np.full(best, _BEST, np.int8), tail])


def _dictionary(codes: NDArray[np.int8], values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), values)


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    return column if column.type == field.type else column.cast(field.type)
