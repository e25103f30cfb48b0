"""Fixity: re-reading objects and proving them by their merkle roots, beside plain hashing.

What: objects of random bytes (as audio is to a hash), 4 MB on average with a long tail, in files
that are in the page cache. Ours reads each file, hashes its 16 KiB leaves, hashes the tree, and
compares leaves and root; as `longplay verify` does it, in one process and with a worker for each
core, the workers' start included. Beside it `hashlib.sha256` in one call an object over bytes that
are in memory already; `sha256sum`; and `b3sum` (BLAKE3) with one thread.

Counted is the CPU time of all processes that took part, system time included, so that GB/s are
those of one core whatever else the machine does. Runs take turns, and the median counts.

    python -m benchmarks.verify [--megabytes 2000] [--repeat 5]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from longplay import engine
from longplay.engine import forking
from longplay.model import ObjectKey
from longplay.torrent.merkle import ObjectHasher
from longplay.vault import fixity

SEED = 4
MEAN = 4_000_000
GOAL = 0.85
"""Of `hashlib.sha256`, per core."""

Row = tuple[ObjectKey, Path, bytes]


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of one run: of wall time, and of CPU in all its processes."""

    wall: float
    cpu: float


def make(folder: Path, total: int) -> list[Row]:
    """Objects of `total` bytes, or a little more."""
    import numpy as np  # not at the top: a worker imports this module too

    chance = np.random.default_rng(SEED)
    rows: list[Row] = []
    size = 0
    while size < total:
        length = int(np.clip(chance.lognormal(np.log(MEAN) - 0.32, 0.8), 20_000, 60_000_000))
        data = chance.bytes(length)
        path = folder / f"{len(rows)}.ogg"
        path.write_bytes(data)
        hasher = ObjectHasher(256 * 1024)
        hasher.update(data)
        hashes = hasher.finish()
        rows.append((hashes.key, path, hashes.leaves))
        size += length
    return rows


def cpu() -> float:
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in spent)


def timed(work: Callable[[], None]) -> Run:
    wall, busy = time.perf_counter(), cpu()
    work()
    wall = time.perf_counter() - wall
    forking.end()  # its CPU time counts from now on
    return Run(wall, cpu() - busy)


def by_hashlib(contents: list[bytes]) -> None:
    for data in contents:
        hashlib.sha256(data).digest()


def by_one_process(rows: list[Row]) -> None:
    for key, path, leaves in rows:
        assert fixity.judge(key, leaves, fixity._mapped(str(path), key.size)).sound


def by_workers(rows: list[Row]) -> None:
    found = list(fixity.check(iter(rows), workers=engine.default_workers()))
    assert len(found) == len(rows)
    assert all(one.sound for one in found)


def by_program(words: list[str], rows: list[Row]) -> None:
    paths = [str(path) for _, path, _ in rows]
    subprocess.run([*words, *paths], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="longplay-bench-") as name:
        rows = make(Path(name), chosen.megabytes * 10**6)
        measure(rows, chosen.repeat)


def measure(rows: list[Row], repeat: int) -> None:
    contents = [path.read_bytes() for _, path, _ in rows]
    total = sum(map(len, contents))
    cores = engine.default_workers()
    base = "hashlib.sha256, one call, from memory"
    tools: dict[str, Callable[[], None]] = {
        base: lambda: by_hashlib(contents),
        "fixity, one process": lambda: by_one_process(rows),
        f"fixity, {cores} workers, their start": lambda: by_workers(rows),
    }
    for program, *options in (["sha256sum"], ["b3sum", "--num-threads", "1"]):
        if shutil.which(program):
            tools[program] = lambda words=[program, *options]: by_program(words, rows)  # type: ignore[misc]
        else:
            print(f"{program} is not installed")
    runs: dict[str, list[Run]] = {name: [] for name in tools}
    for _ in range(repeat):
        for name, work in tools.items():
            runs[name].append(timed(work))
    print(f"{len(rows):,} objects, {total / 1e9:.2f} GB; load {os.getloadavg()[0]:.1f}")
    print(f"{'':40}{'GB/s a core':>12}{'of hashlib':>12}{'wall GB/s':>12}")
    own = statistics.median(run.cpu for run in runs[base])
    for name, each in runs.items():
        busy = statistics.median(run.cpu for run in each)
        wall = statistics.median(run.wall for run in each)
        print(f"{name:40}{total / busy / 1e9:12.2f}{own / busy:12.2f}{total / wall / 1e9:12.2f}")
    ratio = own / statistics.median(run.cpu for run in runs["fixity, one process"])
    print(f"goal {GOAL} of hashlib: {'reached' if ratio >= GOAL else f'{ratio / GOAL:.2f} of it'}")


if __name__ == "__main__":
    main()
