"""One recipient's copy: titles in the spellings, and rows in the order, that are drawn for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay.guard.canaries import code, spelling
from longplay.guard.canaries.code import Secret

MARKED = {"albums": ("title", "label"), "tracks": ("title",)}
"""Columns of a copy that are spelled for its recipient. Ids, ISRCs, barcodes, dates and the names
of artists, by which things are told apart, never are."""

ORDERED = ("popularity", "listens")
"""Columns by which a copy's tracks come; where these are alike a recipient has an order of its
own."""

ORDER = "order"
"""The kind of place that a track's id is."""

_SIGNS = r"""['’‐–"“…(\[-]|\.\.\."""
"""What a text must have to be looked at."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Marks what one recipient gets. The same text comes out in the same spelling every time, so
    that later copies and differences fit on the earlier ones."""

    secret: Secret
    key: bytes

    @classmethod
    def of(cls, secret: Secret, recipient: str) -> Marker:
        """The marker of a recipient."""
        return cls(secret, secret.recipient(recipient))

    def texts(self, texts: list[str]) -> list[str]:
        """These texts in the recipient's spelling."""
        read = [(at, kind) for at, text in enumerate(texts) for kind in spelling.read(text)]
        if not read:
            return texts
        plain = {at: spelling.same(texts[at]) for at, _ in read}
        where = code.places(self.secret.place(kind, plain[at]) for at, kind in read)
        wanted: dict[int, spelling.BITS] = {}
        for (at, kind), form in zip(read, code.forms(self.key, where).tolist(), strict=True):
            wanted.setdefault(at, {})[kind] = int(form)
        made = list(texts)
        for at, bits in wanted.items():
            made[at] = spelling.spell(texts[at], bits)
        return made

    def rows(self, table: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of a copy as the recipient gets it."""
        columns = {name: batch[name] for name in batch.schema.names}
        for name in MARKED.get(table, ()):
            columns[name] = self._column(columns[name])
        return pa.record_batch(list(columns.values()), schema=batch.schema)

    def ordered(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of tracks with those that are equally popular in the recipient's order."""
        if batch.num_rows < 2:
            return batch
        return batch.take(pa.array(self._order(batch)))

    def _column(self, column: pa.Array) -> pa.Array:
        told = pc.fill_null(pc.match_substring_regex(column, pattern=_SIGNS), False)
        if not pc.any(told).as_py():
            return column
        made = self.texts(column.filter(told).to_pylist())
        return pc.replace_with_mask(column, told, pa.array(made, column.type))

    def _order(self, batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
        where = code.places(self.secret.place(ORDER, one) for one in batch["id"].to_pylist())
        own = code.priorities(self.key, where)
        begins = np.zeros(batch.num_rows, bool)
        for name in ORDERED:
            # What is not known is alike, too; no number is below zero.
            values = pc.fill_null(batch[name].cast(pa.float64()), -1.0).to_numpy()
            begins[1:] |= values[1:] != values[:-1]
        order: npt.NDArray[np.int64] = np.lexsort((own, np.cumsum(begins)))
        return order
