"""Planning at scale: time, peak memory and the gap to the bound, each size in its own process.

What: candidates, one file per recording, as an Arrow table (beyond 20 million, where they would
not fit, as a Parquet file); the plan under a budget of a quarter of their bytes, written as the
plan's Parquet file. Distribution: 70 % of popularity 0, the rest exponential; durations log-normal
(median 3.5 minutes); MP3 at four bit rates and one FLAC in ten. `input_gb` is the memory before
planning begins.

    python -m benchmarks.plan                          1, 10 and 50 million
    python -m benchmarks.plan --recordings 186000000   all recordings of the largest catalogues
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from longplay import planning
from longplay.planning import candidates
from longplay.planning.candidates import SCHEMA
from longplay.planning.table import IN_MEMORY_ROWS
from longplay.settings import Policy

SEED = 20261123
BATCH = 1 << 20
BUDGET_EACH = 2_000_000
"""Bytes of budget per recording: about a quarter of what the originals take."""
SIZES = (1_000_000, 10_000_000, 50_000_000)


def write_candidates(path: Path, recordings: int) -> None:
    generator = np.random.default_rng(SEED)
    with pq.ParquetWriter(path, SCHEMA, compression="zstd", compression_level=1) as writer:
        for start in range(0, recordings, BATCH):
            rows = min(BATCH, recordings - start)
            writer.write_batch(synthetic(generator, start, rows), row_group_size=BATCH // 4)


def synthetic(generator: np.random.Generator, start: int, rows: int) -> pa.RecordBatch:
    ids = (np.arange(start, start + rows, dtype=np.uint64) << np.uint64(30)) + np.uint64(7)
    popular = generator.random(rows) >= 0.7
    popularity = np.where(popular, np.ceil(generator.exponential(14, rows)), 0).clip(0, 100)
    duration = np.exp(generator.normal(np.log(210_000), 0.4, rows)).astype(np.int64)
    flac = generator.random(rows) < 0.1
    rate = np.where(flac, 900_000, generator.choice([128_000, 192_000, 256_000, 320_000], rows))
    size = duration * rate // 8000
    few = pa.DictionaryArray.from_arrays
    columns: dict[str, Any] = {
        "recording": pa.array(ids),
        "track": pa.array(ids + np.uint64(1)),
        "album": pa.array(ids // np.uint64(11)),
        "source": few(pa.array(np.zeros(rows, np.int8)), pa.array(["archive"])).cast(pa.string()),
        "path": paths(start, rows),
        "kind": few(pa.array(np.zeros(rows, np.int8)), pa.array(["audio"])).cast(pa.string()),
        "bytes": pa.array(size, mask=generator.random(rows) < 0.05),
        "duration_ms": pa.array(duration),
        "codec": few(pa.array(flac.astype(np.int8)), pa.array(["mp3", "flac"])).cast(pa.string()),
        "bit_rate": pa.array(rate),
        "lossless": pa.array(flac),
        "popularity": pa.array(popularity.astype(np.float32)),
        "listens": pa.nulls(rows, pa.float64()),
        "keep_all": pa.array(np.zeros(rows, bool)),
        "damaged": pa.array(generator.random(rows) < 0.001),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def paths(start: int, rows: int) -> pa.Array:
    """`music/0000000123.music` and so on, made digit by digit: formatting would take minutes."""
    name = np.frombuffer(b"music/0000000000.music", np.uint8)
    letters = np.tile(name, (rows, 1))
    numbers = np.arange(start, start + rows)
    for digit in range(10):
        letters[:, 15 - digit] += (numbers // 10**digit % 10).astype(np.uint8)
    offsets = np.arange(0, len(name) * rows + 1, len(name), dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(letters)]
    return pa.Array.from_buffers(pa.binary(), rows, buffers)


def measure(path: str, folder: str, budget: int, found: Any) -> None:
    source: candidates.Source = Path(path)
    if candidates.row_count(source) <= IN_MEMORY_ROWS:
        source = pq.read_table(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    planned = planning.make_plan(source, Policy(), budget=budget)
    decided = time.perf_counter()
    written = planning.write(planned, Path(folder))
    end = time.perf_counter()
    found.send(
        {
            "decide_s": round(decided - start, 2),
            "write_s": round(end - decided, 2),
            "seconds": round(end - start, 2),
            "cpu_s": round(time.process_time() - cpu, 2),
            "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
            "input_gb": round(before / 2**20, 2),
            "plan_mb": round(written.stat().st_size / 1e6),
            "share_of_listens": round(planned.plan.share_of_listens, 5),
            "kept": planned.plan.recordings,
            "opus": planned.plan.opus,
            "gap": planned.plan.gap,
        }
    )


def run(recordings: int, folder: Path) -> dict[str, Any]:
    offers = folder / f"candidates-{recordings}.parquet"
    write_candidates(offers, recordings)
    budget = recordings * BUDGET_EACH
    context = multiprocessing.get_context("spawn")
    found, child = context.Pipe()
    process = context.Process(target=measure, args=(str(offers), str(folder), budget, child))
    process.start()
    child.close()
    result: dict[str, Any] = found.recv()
    process.join()
    for path in folder.iterdir():
        path.unlink()
    return {"recordings": recordings} | result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recordings", type=int, action="append")
    parser.add_argument("--folder", type=Path, help="where the temporary files go")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="longplay-plan-", dir=arguments.folder))
    try:
        for recordings in arguments.recordings or SIZES:
            print(json.dumps(run(recordings, folder)), flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
