"""Rows of a Parquet file in another order, with little memory: partition to disk, then sort parts.

One pass over the file deals its rows out to parts by their new place; each part is small enough
to be put in order in memory. Parts are Arrow IPC files in a temporary folder, removed at the end.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from longplay.planning import candidates

PART = 1 << 22
"""Rows of a part: some hundred MB when it is put in order."""

PREFIX = ".spill-"

_LEFT_OUT = np.uint32(0xFFFFFFFF)


def in_order(
    source: Path, columns: Sequence[str], order: NDArray[np.int64], scratch: Path, size: int
) -> Iterator[pa.Table]:
    """The rows `order` of `source`, in that order, at most `size` at a time.

    `scratch` is the folder for temporary files, with no other writer: what a killed run left there
    is removed. A row may be named once only.
    """
    for left in scratch.glob(f"{PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=PREFIX) as name:
        folder, words = Path(name), _Words({})
        _deal(source, columns, order, folder, words)
        for index in range(-(-len(order) // PART)):
            for table in _part(folder / str(index), size):
                yield words.read(table)


@dataclass(frozen=True, slots=True)
class _Words:
    """Repeated texts, by column, as numbers: each batch brings a dictionary of its own."""

    known: dict[str, dict[str | None, int]]

    def write(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with numbers in its dictionary columns' place."""
        for index, field in enumerate(batch.schema):
            if pa.types.is_dictionary(field.type):
                column = batch.column(index)
                codes = self.known.setdefault(field.name, {None: -1})
                texts = column.dictionary.to_pylist()
                number = [codes.setdefault(text, len(codes) - 1) for text in texts] + [-1]
                place = column.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
                numbers = pa.array(np.array(number, np.int32)[place])
                batch = batch.set_column(index, field.name, numbers)
        return batch

    def read(self, table: pa.Table) -> pa.Table:
        """The table with its texts again, as dictionary columns."""
        for name, codes in self.known.items():
            index = table.schema.get_field_index(name)
            numbers = table.column(index).combine_chunks()
            numbers = pc.if_else(pc.equal(numbers, -1), None, numbers)
            texts = pa.array([text for text in codes if text is not None], pa.string())
            column = pa.DictionaryArray.from_arrays(numbers, texts)
            table = table.set_column(index, name, column)
        return table


def _deal(
    source: Path, columns: Sequence[str], order: NDArray[np.int64], folder: Path, words: _Words
) -> None:
    place = np.full(candidates.row_count(source), _LEFT_OUT, np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    writers: dict[int, pa.RecordBatchFileWriter] = {}
    start = 0
    with ExitStack() as stack:
        for batch in candidates.batches(source, columns):
            here = place[start : start + batch.num_rows]
            start += batch.num_rows
            wanted = np.argsort(here)[: int((here != _LEFT_OUT).sum())]
            goal = here[wanted]
            dealt = words.write(batch).take(pa.array(wanted))
            dealt = dealt.append_column("place", pa.array(goal))
            part = (goal // PART).astype(np.int64)
            cuts = np.flatnonzero(np.diff(part, prepend=-1)).tolist()
            for begin, end in zip(cuts, [*cuts[1:], len(goal)], strict=True):
                number = int(part[begin])
                if number not in writers:
                    sink = stack.enter_context(pa.OSFile(str(folder / str(number)), "wb"))
                    writers[number] = stack.enter_context(pa.ipc.new_file(sink, dealt.schema))
                writers[number].write_batch(dealt.slice(begin, end - begin))


def _part(path: Path, size: int) -> Iterator[pa.Table]:
    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as reader:
        table = reader.read_all()
        order = np.argsort(table.column("place").to_numpy())
        table = table.drop_columns("place").combine_chunks()
        for start in range(0, len(order), size):
            yield table.take(pa.array(order[start : start + size]))
    path.unlink()
