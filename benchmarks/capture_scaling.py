"""What a capture costs beside its own pure functions, and on one worker, two, a cluster, a bucket.

What: `longplay capture` of a folder of audio that is imported and planned already, through the
command line into a fresh archive, beside a bare loop: two processes that read each file and call
the same functions (hashes, decoding with loudness, true peak and fingerprint, integrity, tags) with
no archive, no isolation and nothing written. Then the same capture with one worker, on a Dask
cluster of one worker process with two children, and into a real S3 server (Swift, if it is
installed). Runs take turns; the median counts. Memory is the peak of each process, as the kernel
tells it.

    python -m benchmarks.capture_scaling [--audio FOLDER] [--repeat 3]
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests import swift
from tests.dask_cluster import dask_cluster

from benchmarks.data import AUDIO

OURS = "capture, two workers"


@dataclass(slots=True)
class Way:
    """One way to do it: its work, and what came of it."""

    work: Callable[[Path], None]
    walls: list[float] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=dict)

    @property
    def wall(self) -> float:
        return statistics.median(self.walls)


def bare(name: str) -> None:
    """All that is computed of one file, and nothing kept of it."""
    from longplay.audio.describe import describe
    from longplay.audio.tags import read_tags
    from longplay.settings import Limits
    from longplay.torrent.merkle import ObjectHasher

    data = Path(name).read_bytes()
    hasher = ObjectHasher(256 * 1024)
    hasher.update(data)
    hasher.finish()
    with suppress(Exception):
        describe(io.BytesIO(data), len(data), Limits())
        read_tags(io.BytesIO(data), len(data), name, Limits())


def bare_loop(files: list[Path]) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for _ in pool.imap_unordered(bare, map(str, files), chunksize=1):
            pass


def longplay(*words: object, archive: Path, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "longplay", *map(str, words), "--json"],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "LONGPLAY_ARCHIVE": str(archive), **environment},
    )
    return dict(json.loads(done.stdout)) if done.stdout.startswith(b"{") else {}


def prepared(folder: Path, audio: Path) -> Path:
    """An archive that knows the files and has captured none."""
    archive = folder / "prepared"
    longplay("init", archive, archive=archive)
    words = ("source", "add", "audio", "folder", audio, "--rights", "personal")
    longplay(*words, archive=archive)
    longplay("source", "refresh", archive=archive)
    longplay("plan", archive=archive)
    return archive


def captured(template: Path, *, workers: int, **settings: str) -> Callable[[Path], None]:
    """Captures a copy of the template; `engine`, `objects` and environment as given."""
    environment = {key: value for key, value in settings.items() if key.isupper()}
    keys = {key: value for key, value in settings.items() if key.islower()}

    def work(folder: Path) -> None:
        archive = folder / "archive"
        longplay("capture", "--workers", workers, archive=archive, **environment)

    def prepare(folder: Path) -> None:
        archive = folder / "archive"
        shutil.copytree(template, archive)
        text = (archive / "longplay.toml").read_text()
        lines = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
        (archive / "longplay.toml").write_text(lines + text)

    work.prepare = prepare  # type: ignore[attr-defined]
    return work


@contextmanager
def watched(peaks: dict[str, int], extra: list[int]) -> Iterator[None]:
    """Note the peak memory of every process below this one, by what it is."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            for pid in [*descendants(os.getpid()), *(d for e in extra for d in descendants(e))]:
                with suppress(OSError, IndexError, StopIteration):
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                    worker = any(b"spawn_main" in word for word in words)
                    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                    peak = next(int(x.split()[1]) for x in lines if x.startswith("VmHWM"))
                    name = "worker" if worker else "its parent"
                    peaks[name] = max(peaks.get(name, 0), peak * 1024)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def descendants(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def run(ways: dict[str, Way], repeat: int, extra: list[int]) -> None:
    for _ in range(repeat):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory(prefix="longplay-bench-") as folder:
                getattr(way.work, "prepare", lambda _: None)(Path(folder))
                with watched(way.peaks, extra):
                    started = time.perf_counter()
                    way.work(Path(folder))
                    way.walls.append(time.perf_counter() - started)
            print(f"  {name}: {way.walls[-1]:.1f} s", file=sys.stderr)


def show(ways: dict[str, Way], files: int) -> None:
    ours = ways[OURS].wall
    print(f"{'':28}{'wall s':>8}{'ms a file':>11}{'beside ours':>13}   peak memory")
    for name, way in ways.items():
        peaks = ", ".join(f"{who} {size / 1e6:.0f} MB" for who, size in sorted(way.peaks.items()))
        print(f"{name:28}{way.wall:8.1f}{1000 * way.wall / files:11.0f}{way.wall / ours:12.2f}x"
              f"   {peaks}")  # fmt: skip
    bare_wall = ways["bare loop, two processes"].wall
    print(f"speed of the whole beside the bare loop: {bare_wall / ours:.3f} (goal 0.9)")
    one = ways["capture, one worker"].wall
    print(f"two workers beside one: {one / ours:.2f} times as fast")
    if "capture, Dask" in ways:
        over = ways["capture, Dask"].wall / ours - 1
        print(f"Dask costs {100 * over:+.1f} % of a file (goal: under 5 %)")
    if "capture, S3 (Swift)" in ways:
        print(f"S3 beside local: {ways['capture, S3 (Swift)'].wall / ours:.2f} times the time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, default=AUDIO)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    audio = options.audio.resolve()
    files = sorted(path for path in audio.iterdir() if path.is_file() and path.suffix != ".tsv")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in a worker
    with tempfile.TemporaryDirectory(prefix="longplay-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        template = prepared(folder, audio)
        ways = {
            "bare loop, two processes": Way(lambda _: bare_loop(files)),
            OURS: Way(captured(template, workers=2)),
            "capture, one worker": Way(captured(template, workers=1)),
        }
        cluster = stack.enter_context(dask_cluster(folder / "dask", workers=1))
        ways["capture, Dask"] = Way(captured(template, workers=2, engine=cluster.address))
        extra = [worker.pid for worker in cluster.workers]
        if all(shutil.which(program) for program in swift.PROGRAMS):
            server = stack.enter_context(swift.running())
            server.make_bucket("bench")
            bucket = captured(
                template, workers=2, objects="s3://bench/archive", **server.environment()
            )
            ways["capture, S3 (Swift)"] = Way(bucket)
        else:
            print("Swift is not installed: no S3 to compare with")
        run(ways, options.repeat, extra)
        show(ways, len(files))


if __name__ == "__main__":
    main()
