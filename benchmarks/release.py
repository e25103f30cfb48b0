"""Releases of a million and of ten million objects, from stored hashes; then one that supersedes.

What: `release.cut` on rows with the gate's leave for each, and evidence in files of 30,000 objects
sorted by root. Sizes are log-normal around `--bytes` with a Pareto tail, so that all three size
classes occur; artists and albums are Zipf. The synthetic part: no object exists, hashes are random
bytes, and leaves are left empty, because the cut never reads that column. Rows come mapped from a
file, leave is judged row after row while the cut asks for it. Not timed: making rows and evidence.
Timed: the gate, and all that is written and synced. After the first release two that supersede it:
with one object in a hundred more, and with one in a thousand withdrawn, in a run as an artist's is.

    python -m benchmarks.release [--objects 1000000] [--bytes 3600000] [--folder DIR]

The programs that read bytes have a benchmark of their own: `benchmarks.torrent_peers`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay.model import ObjectKey, Statement
from longplay.release.cut import OBJECTS, Release, Request, cut
from longplay.release.describing import About
from longplay.rights.gate import Refusal, Shareable, decide_many
from longplay.rights.statements import Act, licence_uri
from longplay.settings import Settings
from longplay.vault.evidence import ROW_GROUP, SCHEMAS

SEED = 20261123
FILE_ROWS = 30_000
"""Rows of an evidence file of 256 MB, its leaves included."""
AT = datetime(2026, 11, 23, tzinfo=UTC)
ABOUT = About("bench", "2026-11-23")
ROWS = "rows.arrow"
MEAN_BYTES = 3_600_000
MORE, WITHDRAWN = 100, 1000
"""One in so many objects comes in addition, or goes."""

Sizes = np.ndarray[Any, np.dtype[np.int64]]


def sizes_of(generator: np.random.Generator, count: int, mean: int = MEAN_BYTES) -> Sizes:
    usual = np.exp(generator.normal(np.log(mean), 0.5, count))
    long = generator.random(count) < 0.001
    tail = 64e6 * (1 + generator.pareto(2.0, count))
    return np.where(long, np.minimum(tail, 4e9), usual).astype(np.int64)


def lengths_of(sizes: Sizes) -> Sizes:
    classes = Settings().size_classes
    limits = np.array([one.up_to for one in classes if one.up_to is not None])
    lengths = np.array([one.piece_length for one in classes])
    return lengths[np.searchsorted(limits, sizes, side="left")]


def blobs(generator: np.random.Generator, lengths: Any) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    data = generator.bytes(int(offsets[-1]))
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(lengths), buffers)


def write_evidence(
    folder: Path, generator: np.random.Generator, roots: bytes, sizes: Any, lengths: Any
) -> None:
    schema = SCHEMAS["hashes"]
    whole = np.frombuffer(roots, "S32")
    for first in range(0, len(sizes), FILE_ROWS):
        rows = slice(first, first + FILE_ROWS)
        order = np.argsort(whole[rows], kind="stable")
        size, length = sizes[rows][order], lengths[rows][order]
        pieces = -(-size // length)
        root = np.frombuffer(roots, np.uint8).reshape(-1, 32)[rows][order].tobytes()
        columns = {
            "batch": pa.array(np.zeros(len(size), np.int64)),
            "root": fixed(root),
            "size": pa.array(size),
            "sha256": fixed(generator.bytes(32 * len(size))),
            "piece_length": pa.array(length.astype(np.int32)),
            "leaves": pa.array([b""] * len(size), pa.binary()),
            "piece_layer": blobs(generator, np.where(pieces > 1, 32 * pieces, 0)),
            "v1_pieces": blobs(generator, 20 * pieces),
            "v1_last_bare": blobs(generator, np.full(len(size), 20)),
        }
        table = pa.table([columns[name] for name in schema.names], schema=schema)
        path = folder / f"hashes-{first:09}.parquet"
        pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP)


def fixed(data: bytes) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(32), len(data) // 32, [None, pa.py_buffer(data)])


def texts(lead: str, numbers: Any) -> pa.Array:
    """Names of two words and a number, which is what tells them apart."""
    words = pa.array([f"{a}{b}{c}" for a in "BDKLMéøН" for b in ("an", "or") for c in "dtxn"])
    one, two = (words.take(pa.array(numbers // each % len(words))) for each in (1, 7))
    return pc.binary_join_element_wise(lead, one, two, pa.array(numbers).cast(pa.string()), " ")


def candidates(generator: np.random.Generator, roots: bytes, sizes: Any, lengths: Any) -> pa.Table:
    count = len(sizes)
    numbers = np.arange(count)
    album = np.minimum(generator.zipf(1.2, count), count // 10 + 1)
    artist = texts("The", album % max(1, count // 40))
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 13, "0")

    def always(text: str, kind: pa.DataType) -> pa.Array:
        return pa.array([text]).take(pa.array(np.zeros(count, np.int8))).cast(kind)

    columns = {
        "kind": always("audio", OBJECTS.field("kind").type),
        "recording": pc.binary_join_element_wise("rec", digits, ""),
        "title": texts("Song", numbers),
        "artists": pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32), artist),
        "album": texts("Album", album),
        "album_artist": artist,
        "disc_number": pa.nulls(count, pa.int32()),
        "track_number": pa.array(generator.integers(1, 20, count).astype(np.int32)),
        "isrc": pc.binary_join_element_wise("XX0", pc.utf8_slice_codeunits(digits, 4), ""),
        "release_date": pa.nulls(count, pa.string()),
        "duration_ms": pa.array(sizes // 16),
        "listens": pa.array(np.sort(generator.pareto(1.1, count))[::-1].copy()),
        "suffix": always(".ogg", pa.string()),
        "root": fixed(roots).cast(pa.binary()),
        "size": pa.array(sizes),
        "sha256": fixed(generator.bytes(32 * count)).cast(pa.binary()),
        "piece_length": pa.array(lengths.astype(np.int32)),
        "statement": always(str(licence_uri("by-sa", "4.0")), OBJECTS.field("statement").type),
        "evidence": always("licence tag of the file", OBJECTS.field("evidence").type),
        "tdm_reserved": pa.array(np.zeros(count, bool)),
    }
    return pa.table([columns[field.name] for field in OBJECTS], schema=OBJECTS)


def prepare(folder: Path, count: int, mean: int) -> None:
    generator = np.random.default_rng(SEED)
    sizes = sizes_of(generator, count, mean)
    lengths = lengths_of(sizes)
    roots = generator.bytes(32 * count)
    write_evidence(folder, generator, roots, sizes, lengths)
    table = candidates(generator, roots, sizes, lengths).combine_chunks()
    with pa.OSFile(str(folder / ROWS), "wb") as sink, pa.ipc.new_file(sink, OBJECTS) as writer:
        writer.write_table(table)


class Gate:
    """The gate's judgement of each row, one after the other, and the seconds that it took."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Any]:
        columns = self.table.select(["root", "size", "statement", "evidence"])
        for batch in columns.to_batches(65_536):
            start = time.perf_counter()
            judged = list(self._judge(batch))
            self.seconds += time.perf_counter() - start
            yield from judged

    def _judge(self, batch: pa.RecordBatch) -> Iterator[Shareable | Refusal]:
        columns = (one.to_pylist() for one in batch)
        rows = (
            (ObjectKey(root, size), stated(uri, read), False)
            for root, size, uri, read in zip(*columns, strict=True)
        )
        return decide_many(rows, Act.RELEASE, AT)


@cache
def stated(uri: str, read: str) -> tuple[Statement, ...]:
    """What a source states of all its files is one value, as in an archive."""
    return (Statement("source:bench", uri, read),)


def measure(folder: Path, how: str, before: Release | None, found: Any) -> None:
    """One cut in a process of its own: of all rows but the last hundredth (`first`), of all rows
    (`more`), or of all without a thousandth (`withdrawn`)."""
    with pa.memory_map(str(folder / ROWS)) as source:
        table = pa.ipc.open_file(source).read_all()
        count = len(table)
        if how == "first":
            table = table.slice(0, count - count // MORE)
        elif how == "withdrawn":
            gone = count // WITHDRAWN
            table = pa.concat_tables([table.slice(0, count // 3), table.slice(count // 3 + gone)])
            table = table.unify_dictionaries().combine_chunks()
        start, busy = time.perf_counter(), time.process_time()
        gate = Gate(table)
        request = Request(
            objects=table,
            wanted={1: np.ones(len(table), bool)},
            leave=gate,
            before={1: before} if before else {},
            evidence=tuple(sorted(folder.glob("hashes-*.parquet"))),
            listens=float(np.sum(table["listens"].to_numpy())),
            about=ABOUT,
        )
        (release,) = cut(request, folder / "releases")
        done = time.perf_counter()
    fresh = [volume for volume in release.music if volume.name in release.fresh]
    padding = sum(volume.padding for volume in release.music)
    found.put(
        {
            "release": release,
            "gate": gate.seconds,
            "cut": done - start - gate.seconds,
            "cpu": time.process_time() - busy,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "fresh": len(fresh),
            "padding": padding / (release.bytes + padding),
        }
    )


def in_a_process(job: Any, *arguments: Any) -> Any:
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    child = context.Process(target=job, args=(*arguments, found))
    child.start()
    answer = found.get()
    child.join()
    return answer


def _prepare(folder: Path, count: int, mean: int, found: Any) -> None:
    prepare(folder, count, mean)
    found.put(None)


def report(what: str, folder: Path, found: Any) -> None:
    release = found["release"]
    made = folder / "releases" / release.name
    torrents = [path.stat().st_size for path in made.glob("*.torrent")]
    written = sum(path.stat().st_size for path in made.iterdir())
    seconds = found["gate"] + found["cut"]
    print(f"{what}: {release.objects:,} objects, {release.bytes / 1e12:.2f} TB")
    print(
        f"  {seconds:.1f} s (gate {found['gate']:.1f}, cut {found['cut']:.1f});"
        f" {found['cpu']:.1f} s of CPU; peak memory {found['peak'] / 1e9:.2f} GB"
    )
    print(
        f"  {found['fresh']} of {len(release.music)} volumes cut, the largest .torrent"
        f" {max(torrents, default=0):,} bytes, all {sum(torrents) / 1e6:,.1f} MB;"
        f" {written / 1e9:.2f} GB written; padding {found['padding']:.2%} of the v1 view",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--bytes", type=int, default=MEAN_BYTES, help="of a usual object")
    parser.add_argument("--folder", type=Path, help="where there is room (else the usual place)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="longplay-bench-", dir=chosen.folder) as name:
        folder = Path(name)
        in_a_process(_prepare, folder, chosen.objects, chosen.bytes)
        load = os.getloadavg()[0]
        first = in_a_process(measure, folder, "first", None)
        report("first release", folder, first)
        more = in_a_process(measure, folder, "more", first["release"])
        report("with a hundredth more", folder, more)
        gone = in_a_process(measure, folder, "withdrawn", more["release"])
        report("with a thousandth withdrawn", folder, gone)
        print(f"load of the machine beside it: {load:.1f} (of {os.cpu_count()} cores)")


if __name__ == "__main__":
    main()
