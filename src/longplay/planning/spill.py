"""Rows of a Parquet file in another order, with little memory: partition to disk, then sort parts.

One pass over the file deals its rows out to parts by their new place; each part is small enough
to be put in order in memory. Parts are Arrow IPC files in a temporary folder, removed at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from longplay.planning import candidates

PART = 1 << 22
"""Rows of a part: some hundred MB when it is put in order."""

_LEFT_OUT = np.uint32(0xFFFFFFFF)


def in_order(
    source: Path, columns: Sequence[str], order: NDArray[np.int64], scratch: Path, size: int
) -> Iterator[pa.Table]:
    """The rows `order` of `source`, in that order, at most `size` at a time.

    `scratch` is the folder for temporary files. A row may be named once only.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".spill-") as name:
        folder = Path(name)
        _deal(source, columns, order, folder)
        for index in range(-(-len(order) // PART)):
            yield from _part(folder / str(index), size)


def _deal(source: Path, columns: Sequence[str], order: NDArray[np.int64], folder: Path) -> None:
    place = np.full(candidates.row_count(source), _LEFT_OUT, np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    writers: dict[int, pa.RecordBatchFileWriter] = {}
    start = 0
    with ExitStack() as stack:
        for batch in candidates.batches(source, columns):
            here = place[start : start + batch.num_rows]
            start += batch.num_rows
            wanted = np.argsort(here, kind="stable")[: int((here != _LEFT_OUT).sum())]
            goal = here[wanted]
            dealt = batch.take(pa.array(wanted)).append_column("place", pa.array(goal))
            cuts = np.flatnonzero(np.diff(goal // PART, prepend=-1)).tolist()
            for begin, end in zip(cuts, [*cuts[1:], len(goal)], strict=True):
                part = int(goal[begin]) // PART
                if part not in writers:
                    sink = stack.enter_context(pa.OSFile(str(folder / str(part)), "wb"))
                    plain = _plain(dealt.schema)
                    writers[part] = stack.enter_context(pa.ipc.new_file(sink, plain))
                writers[part].write_table(
                    pa.table(dealt.slice(begin, end - begin)).cast(writers[part].schema)
                )


def _plain(schema: pa.Schema) -> pa.Schema:
    # Dictionaries grow from batch to batch, and IPC files hold one for all: plain text instead.
    return pa.schema(
        [
            field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
            for field in schema
        ]
    )


def _part(path: Path, size: int) -> Iterator[pa.Table]:
    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as reader:
        table = reader.read_all()
        order = np.argsort(table.column("place").to_numpy())
        table = table.drop_columns("place").combine_chunks()
        for start in range(0, len(order), size):
            yield table.take(pa.array(order[start : start + size]))
    path.unlink()
