"""A release of a million objects from stored hashes; beside it a tool that reads the bytes.

What: `release.cut` on candidates with the gate's leave for each, and evidence in files of 30,000
objects sorted by root. Sizes are log-normal around 4 MB with a Pareto tail, so that all three size
classes occur; artists and albums are Zipf. Leaves are left empty: the cut never reads that column.
Not timed: making the candidates and the evidence. Timed: the gate, and all that is written and
synced. Beside it: `mktorrent` (Debian) on real audio, in bytes per second, page cache warm.

    python -m benchmarks.release [--objects 1000000] [--audio FOLDER]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.model import ObjectKey, Statement
from longplay.release.cut import OBJECTS, Request, cut
from longplay.rights.gate import Shareable, decide
from longplay.rights.statements import Act, licence_uri
from longplay.settings import Settings
from longplay.vault.evidence import ROW_GROUP, SCHEMAS

SEED = 20261123
FILE_ROWS = 30_000
"""Rows of an evidence file of 256 MB, its leaves included."""
AT = datetime(2026, 11, 23, tzinfo=UTC)
AUDIO = Path(__file__).parents[1] / ".." / "shared" / "data" / "audio"


def sizes_of(generator: np.random.Generator, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    usual = np.exp(generator.normal(np.log(3.6e6), 0.5, count))
    long = generator.random(count) < 0.001
    tail = 64e6 * (1 + generator.pareto(2.0, count))
    return np.where(long, np.minimum(tail, 4e9), usual).astype(np.int64)


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


def candidates(generator: np.random.Generator, roots: bytes, sizes: Any, lengths: Any) -> pa.Table:
    count = len(sizes)
    words = np.array([f"{a}{b}{c}" for a in "BDKLMéøН" for b in ("an", "or", "il") for c in "dtxn"])
    album = np.minimum(generator.zipf(1.2, count), count // 10 + 1)
    artist = album % max(1, count // 40)

    def name(number: int, lead: str) -> str:
        return f"{lead} {words[number % len(words)]} {words[number // 7 % len(words)]} {number}"

    artists = [name(int(number), "The") for number in artist]
    statement = licence_uri("by-sa", "4.0")
    columns = {
        "recording": [f"rec{number:013x}" for number in range(count)],
        "title": [name(number, "Song") for number in range(count)],
        "artists": [[one] for one in artists],
        "album": [name(int(number), "Album") for number in album],
        "album_artist": artists,
        "disc_number": pa.nulls(count, pa.int32()),
        "track_number": pa.array(generator.integers(1, 20, count).astype(np.int32)),
        "isrc": [f"XX0{number:09d}" for number in range(count)],
        "release_date": pa.nulls(count, pa.string()),
        "duration_ms": pa.array(sizes // 16),
        "listens": pa.array(np.sort(generator.pareto(1.1, count))[::-1].copy()),
        "suffix": pa.array([".ogg"] * count),
        "root": fixed(roots).cast(pa.binary()),
        "size": pa.array(sizes),
        "sha256": fixed(generator.bytes(32 * count)).cast(pa.binary()),
        "piece_length": pa.array(lengths.astype(np.int32)),
        "statement": pa.array([statement] * count),
        "evidence": pa.array(["licence tag of the file"] * count),
        "in_stage": pa.array(np.ones(count, bool)),
    }
    return pa.table([columns[field.name] for field in OBJECTS], schema=OBJECTS)


def prepare(folder: Path, count: int) -> None:
    generator = np.random.default_rng(SEED)
    settings = Settings()
    sizes = sizes_of(generator, count)
    lengths = np.array([settings.piece_length(int(size)) for size in sizes])
    roots = generator.bytes(32 * count)
    write_evidence(folder, generator, roots, sizes, lengths)
    pq.write_table(candidates(generator, roots, sizes, lengths), folder / "candidates.parquet")


class Gate:
    """The gate's judgement of each row, one after the other, and the seconds that it took."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Shareable]:
        columns = self.table.select(["root", "size", "statement", "evidence"])
        for batch in columns.to_batches(65_536):
            start = time.perf_counter()
            judged = list(self._judge(batch))
            self.seconds += time.perf_counter() - start
            yield from judged

    def _judge(self, batch: pa.RecordBatch) -> Iterator[Shareable]:
        for root, size, uri, read in zip(*(one.to_pylist() for one in batch), strict=True):
            key = ObjectKey(root, size)
            leave = decide([stated(uri, read)], Act.RELEASE, AT, subject=key)
            assert isinstance(leave, Shareable)
            yield leave


@cache
def stated(uri: str, read: str) -> Statement:
    """What a source states of all its files is one value, as in an archive."""
    return Statement("source:bench", uri, read)


def measure(folder: Path, found: Any) -> None:
    table = pq.read_table(folder / "candidates.parquet", schema=OBJECTS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, busy = time.perf_counter(), time.process_time()
    gate = Gate(table)
    evidence = tuple(sorted(folder.glob("hashes-*.parquet")))
    listens = float(np.sum(table["listens"].to_numpy()))
    request = Request("bench", 1, 1, table, gate, None, (), evidence, listens)
    release = cut(request, folder / "releases")
    done = time.perf_counter()
    assert release is not None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    padding = sum(volume.padding for volume in release.volumes)
    found.put(
        {
            "gate": gate.seconds,
            "cut": done - start - gate.seconds,
            "cpu": time.process_time() - busy,
            "peak": peak * 1024,
            "input": before * 1024,
            "objects": release.objects,
            "bytes": release.bytes,
            "torrents": len(release.volumes),
            "padding": padding / (release.bytes + padding),
        }
    )


def release_of(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="longplay-bench-") as name:
        folder = Path(name)
        prepare(folder, count)
        context = multiprocessing.get_context("spawn")
        found: Any = context.Queue()
        child = context.Process(target=measure, args=(folder, found))
        child.start()
        answer: dict[str, float] = found.get()
        child.join()
        files = [path for path in (folder / "releases").rglob("*") if path.is_file()]
        torrents = [path.stat().st_size for path in files if path.suffix == ".torrent"]
        answer["written"] = sum(path.stat().st_size for path in files)
        answer["largest"] = max(torrents)
    return answer


def mktorrent_rate(audio: Path, rounds: int = 5) -> float | None:
    program = shutil.which("mktorrent")
    if program is None or not audio.is_dir():
        return None
    total = sum(path.stat().st_size for path in audio.rglob("*") if path.is_file())
    best = float("inf")
    with tempfile.TemporaryDirectory() as name:
        for number in range(rounds):
            target = str(Path(name) / f"{number}.torrent")
            command = [program, "-l", "18", "-t", "2", "-o", target, str(audio)]
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            best = min(best, time.perf_counter() - start)
    return total / best


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--audio", type=Path, default=AUDIO)
    chosen = parser.parse_args(arguments)
    found = release_of(chosen.objects)
    seconds = found["gate"] + found["cut"]
    if os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        print(f"this machine is busy (load {os.getloadavg()[0]:.1f}): seconds are too many")
    print(f"{found['objects']:,.0f} objects, {found['bytes'] / 1e12:.2f} TB:")
    parts = f"gate {found['gate']:.1f}, cut {found['cut']:.1f}"
    print(f"  {seconds:.1f} s ({parts}); {found['cpu']:.1f} s of CPU")
    print(f"  peak memory {found['peak'] / 1e9:.2f} GB, {found['input'] / 1e9:.2f} of it the input")
    print(f"  {found['torrents']:.0f} torrents, the largest {found['largest']:,.0f} bytes")
    print(
        f"  {found['written'] / 1e9:.2f} GB written; padding {found['padding']:.2%} of the v1 view"
    )
    rate = mktorrent_rate(chosen.audio)
    if rate is None:
        print("mktorrent: not measured (no program or no audio)")
        return
    print(f"mktorrent, v1 only, 2 threads: {rate / 1e6:,.0f} MB/s of real audio, from memory")
    print(f"  the same release would take it {found['bytes'] / rate:,.0f} s at that rate")
    print(f"  crossover: {seconds * rate / found['objects'] / 1e3:,.0f} kB an object")


if __name__ == "__main__":
    main()
