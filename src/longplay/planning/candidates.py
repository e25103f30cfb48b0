"""Offered files as columns: estimates for what is not known, the best file of each recording.

A candidates table has the columns of `SCHEMA`, one row per offered file, in any order; rows in
the order of their recordings are fastest. It is an Arrow table or, where it is too large for
memory, a Parquet file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from longplay.errors import PlanError
from longplay.settings import Policy

SCHEMA = pa.schema(
    [
        ("recording", pa.uint64()),
        ("track", pa.uint64()),
        ("album", pa.uint64()),
        ("source", pa.string()),
        ("path", pa.binary()),
        ("kind", pa.string()),
        ("bytes", pa.int64()),
        ("duration_ms", pa.int64()),
        ("codec", pa.string()),
        ("bit_rate", pa.int64()),
        ("lossless", pa.bool_()),
        ("popularity", pa.float32()),
        ("listens", pa.float64()),
        ("keep_all", pa.bool_()),
        ("damaged", pa.bool_()),
    ]
)

COUNTS_AS = "counts_as"
"""A further column that a table may have: the recording that stands for this one and its
near-duplicates, which count as one; null: it counts by itself."""

BATCH = 1 << 20
"""Rows read at a time."""

DEFAULT_MS = 240_000
"""A recording of unknown length counts as four minutes, the usual length of a song."""

LOSSLESS_RATES = {
    "alac": 900_000,
    "ape": 850_000,
    "flac": 900_000,
    "pcm": 1_411_000,
    "tta": 900_000,
    "wav": 1_411_000,
    "wavpack": 900_000,
}
LOSSY_RATES = {
    "aac": 192_000,
    "amr": 12_200,
    "mp3": 224_000,
    "opus": 112_000,
    "speex": 24_000,
    "vorbis": 160_000,
    "wma": 160_000,
}
DEFAULT_RATE = 224_000
"""Bit/s where neither the source nor the codec says: what most files in circulation are near."""

OPUS_OVERHEAD = 1.01
"""Ogg pages around constrained-VBR Opus packets: one part in a hundred."""
OPUS_HEADER_BYTES = 8 * 1024
"""Headers and tags of an Opus copy."""

_RATE_BITS, _SIZE_BITS = 23, 39
"""Bits of a rank given to the bit rate (to 8 Mbit/s) and the size (to 512 GiB)."""

Source: TypeAlias = pa.Table | Path


@dataclass(frozen=True, slots=True)
class Columns:
    """What is kept of all candidate rows, in the rows' order: bytes, and those of an Opus copy.

    `companion` marks rows without a recording.
    """

    companion: NDArray[np.bool_]
    keep_all: NDArray[np.bool_]
    size: NDArray[np.int64]
    opus: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.size)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What the choice of best files is made by, in the rows' order; not needed after it.

    `rank` is smaller for the better file: whole first, lossless first, bit rate, size. Unknown
    popularity and listens are NaN.
    """

    recording: NDArray[np.uint64]
    popularity: NDArray[np.float32]
    listens: NDArray[np.float32]
    rank: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Best:
    """One entry per recording, in the order of their ids: the row of its best file.

    `contested` are the entries that had more than one file; `others` the rows of further files
    that a source with `keep = "all"` wants kept; `digest` the SHA-256 of the recordings' ids.
    """

    row: NDArray[np.int64]
    popularity: NDArray[np.float32]
    listens: NDArray[np.float32]
    contested: NDArray[np.int64]
    others: NDArray[np.int64]
    digest: bytes

    def of(self, column: NDArray[Any]) -> NDArray[Any]:
        """A column of the candidates as one value per recording; not copied where it need not."""
        everything = len(self.row) == len(column)
        if everything and (self.row[1:] > self.row[:-1]).all():
            return column
        return column[self.row]


def row_count(source: Source) -> int:
    """How many rows there are."""
    if isinstance(source, pa.Table):
        return int(source.num_rows)
    with pq.ParquetFile(source) as file:
        return int(file.metadata.num_rows)


def column_names(source: Source) -> list[str]:
    """The columns that there are."""
    schema = source.schema if isinstance(source, pa.Table) else pq.read_schema(source)
    return list(schema.names)


def batches(source: Source, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows in their order, at most BATCH at a time. PlanError where a column is missing."""
    names = column_names(source)
    missing = [name for name in columns if name not in names]
    if missing:
        raise PlanError(
            f"candidates lack the columns {', '.join(missing)}",
            hint="docs/planning.md lists them",
        )
    if isinstance(source, pa.Table):
        yield from source.select(columns).to_batches(max_chunksize=BATCH)
        return
    texts = [name for name in ("source", "kind", "codec") if name in columns]
    with pq.ParquetFile(source, read_dictionary=texts) as file:
        yield from file.iter_batches(BATCH, columns=list(columns))


_NUMBERS = tuple(
    name for name in SCHEMA.names if name not in ("track", "album", "source", "path", "kind")
)


def load(source: Source, policy: Policy) -> tuple[Columns, Ranking]:
    """Read and complete all rows."""
    n = row_count(source)
    columns = Columns(
        np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, np.int64), np.zeros(n, np.uint32)
    )
    ranking = Ranking(
        np.zeros(n, np.uint64),
        np.zeros(n, np.float32),
        np.zeros(n, np.float32),
        np.zeros(n, np.uint64),
    )
    start = 0
    together = COUNTS_AS in column_names(source)
    for batch in batches(source, (*_NUMBERS, COUNTS_AS) if together else _NUMBERS):
        here = slice(start, start + batch.num_rows)
        start += batch.num_rows
        ranking.recording[here] = _counted(batch)
        ranking.popularity[here] = _numbers(batch, "popularity", np.nan)
        ranking.listens[here] = _numbers(batch, "listens", np.nan)
        columns.companion[here] = _nulls(batch, "recording")
        columns.keep_all[here] = _numbers(batch, "keep_all", False)
        size, duration, rate, lossless = sizes(batch)
        columns.size[here] = size
        columns.opus[here] = opus_bytes(duration, policy.opus_bit_rate)
        ranking.rank[here] = _rank(_numbers(batch, "damaged", False), lossless, rate, size)
    return columns, ranking


def _counted(batch: pa.RecordBatch) -> NDArray[np.uint64]:
    """The recording that each row counts as; 0 where it carries none."""
    recordings: NDArray[np.uint64] = _numbers(batch, "recording", 0)
    if COUNTS_AS not in batch.schema.names:
        return recordings
    alone = _nulls(batch, COUNTS_AS)
    return np.where(alone, recordings, batch.column(COUNTS_AS).fill_null(0).to_numpy())


def _rank(
    damaged: NDArray[np.bool_],
    lossless: NDArray[np.bool_],
    rate: NDArray[np.int64],
    size: NDArray[np.int64],
) -> NDArray[np.uint64]:
    """The four criteria packed into one number, smaller for the better file."""
    most_rate, most_size = (1 << _RATE_BITS) - 1, (1 << _SIZE_BITS) - 1
    rank = damaged.astype(np.uint64) << np.uint64(1)
    rank |= ~lossless
    rank <<= np.uint64(_RATE_BITS)
    rank |= (most_rate - np.clip(rate, 0, most_rate)).astype(np.uint64)
    rank <<= np.uint64(_SIZE_BITS)
    rank |= (most_size - np.clip(size, 0, most_size)).astype(np.uint64)
    return rank


def sizes(
    batch: pa.RecordBatch,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Bytes, duration (ms), bit rate (bit/s) and losslessness of each row, estimated where null.

    Size from duration and rate, duration from size and rate, the rate from size and duration, else
    by codec; a file without sound (no recording) of unknown size counts nothing.
    """
    size = _numbers(batch, "bytes", -1)
    duration = _numbers(batch, "duration_ms", -1)
    rate = _numbers(batch, "bit_rate", 0)
    usual, lossless = _by_codec(batch.column("codec"))
    stated = batch.column("lossless")
    if stated.null_count < len(stated):
        lossless = np.where(_nulls(batch, "lossless"), lossless, _numbers(batch, "lossless", False))
    with_rate = np.where(rate > 0, rate, usual)
    no_time = duration <= 0
    if no_time.any():
        guess = np.where(size > 0, size * 8000 // with_rate, DEFAULT_MS)
        duration = np.where(no_time, guess, duration)
    silent = _nulls(batch, "recording")
    unknown = size < 0
    if unknown.any():
        size = np.where(unknown, np.where(silent, 0, duration * with_rate // 8000), size)
    no_rate = rate <= 0
    if no_rate.any():
        rate = np.where(no_rate, size * 8000 // np.maximum(duration, 1), rate)
    # An empty file would be worth infinitely much a byte.
    return np.where(silent, size, np.maximum(size, 1)), duration, rate, lossless


def opus_bytes(duration_ms: NDArray[np.int64], bit_rate: int) -> NDArray[np.uint32]:
    """The bytes of an Opus copy, before it is made."""
    estimate = duration_ms * (bit_rate * OPUS_OVERHEAD / 8000) + OPUS_HEADER_BYTES
    opus: NDArray[np.uint32] = np.minimum(estimate, 2**32 - 1).astype(np.uint32)
    return opus


def _by_codec(codec: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The usual rate of each row's codec, and whether that codec is lossless."""
    if not pa.types.is_dictionary(codec.type):
        codec = codec.dictionary_encode()
    names = [str(name or "").lower() for name in codec.dictionary.to_pylist()]
    known = [_usual(name) for name in names] + [(DEFAULT_RATE, False)]
    index = pc.fill_null(codec.indices, len(names)).to_numpy(zero_copy_only=False)
    rates = np.array([rate for rate, _ in known], np.int64)
    return rates[index], np.array([lossless for _, lossless in known], bool)[index]


def _usual(codec: str) -> tuple[int, bool]:
    for rates, lossless in ((LOSSLESS_RATES, True), (LOSSY_RATES, False)):
        for name, rate in rates.items():
            if codec.startswith(name):  # pcm_s16le, wmav2, amr_nb, mp3float
                return rate, lossless
    return DEFAULT_RATE, False


def _numbers(batch: pa.RecordBatch, name: str, missing: float) -> NDArray[Any]:
    # A database gives narrower integers, in which sizes times rates would overflow.
    column = batch.column(name).cast(SCHEMA.field(name).type)
    if column.null_count:
        column = pc.fill_null(column, pa.scalar(missing, column.type))
    array: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return array


def _nulls(batch: pa.RecordBatch, name: str) -> NDArray[np.bool_]:
    column = batch.column(name)
    if not column.null_count:
        return np.zeros(len(column), bool)
    array: NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return array


def choose_best(source: Source, columns: Columns, ranking: Ranking) -> Best:
    """One best file per recording, or per recordings that count as one: whole, lossless, bit rate,
    size, then source and path."""
    rows, recording = _by_recording(columns, ranking)
    first = np.ones(len(recording), bool)
    np.not_equal(recording[1:], recording[:-1], out=first[1:])
    if first.all():
        none = np.zeros(0, np.int64)
        digest = hashlib.sha256(np.ascontiguousarray(recording).data).digest()
        alone = Best(rows, ranking.popularity, ranking.listens, none, none, digest)
        return replace(
            alone, popularity=alone.of(ranking.popularity), listens=alone.of(ranking.listens)
        )
    starts = np.flatnonzero(first)
    digest = hashlib.sha256(recording[starts].data).digest()
    del recording, first
    lengths = np.diff(np.append(starts, len(rows)))
    rank = ranking.rank[rows]
    tied = rank == np.repeat(np.minimum.reduceat(rank, starts), lengths)
    del rank
    chosen = _first_of_tied(source, rows, tied, starts, lengths)
    spare = columns.keep_all[rows]
    spare[chosen] = False
    return Best(
        row=rows[chosen],
        popularity=np.fmax.reduceat(ranking.popularity[rows], starts),
        listens=np.fmax.reduceat(ranking.listens[rows], starts),
        contested=np.flatnonzero(lengths > 1),
        others=np.sort(rows[spare]),
        digest=digest,
    )


def _by_recording(
    columns: Columns, ranking: Ranking
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Rows that carry a recording, in the order of the recordings, and those recordings."""
    rows = np.flatnonzero(~columns.companion)
    recording = ranking.recording
    recording = recording if len(rows) == len(columns) else recording[rows]
    if not (recording[1:] >= recording[:-1]).all():
        order = np.argsort(recording, kind="stable")
        rows, recording = rows[order], recording[order]
    return rows, recording


def _first_of_tied(
    source: Source,
    rows: NDArray[np.int64],
    tied: NDArray[np.bool_],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Of each group the position of its best row; equals are settled by source and path."""
    positions = np.flatnonzero(tied)
    group = np.repeat(np.arange(len(starts)), lengths)[positions]
    count = np.bincount(group, minlength=len(starts))
    if (count > 1).any():
        open_ = count[group] > 1
        names = names_of(source, rows[positions[open_]])
        keys = sorted(range(len(names)), key=names.__getitem__)
        place = np.zeros(len(positions), np.int64)
        rank = np.empty(len(names), np.int64)
        rank[keys] = np.arange(len(names))
        place[open_] = rank
        positions = positions[np.lexsort((place, group))]
        group = np.sort(group)
    firsts = np.ones(len(group), bool)
    np.not_equal(group[1:], group[:-1], out=firsts[1:])
    return positions[firsts]


def names_of(source: Source, rows: NDArray[np.int64]) -> list[tuple[str, bytes]]:
    """(source, path) of some rows, in the order given."""
    found: list[tuple[str, bytes]] = [("", b"")] * len(rows)
    order = np.argsort(rows, kind="stable")
    ascending, start, done = rows[order], 0, 0
    for batch in batches(source, ("source", "path")):
        end = int(np.searchsorted(ascending, start + batch.num_rows))
        if end > done:
            picked = batch.take(pa.array(ascending[done:end] - start))
            pairs = zip(*(column.to_pylist() for column in picked.columns), strict=True)
            for place, pair in zip(order[done:end].tolist(), pairs, strict=True):
                found[place] = pair
        start, done = start + batch.num_rows, end
    return found
