"""What a capture costs beside its own pure functions, and on one worker, two, a cluster, a bucket.

What: `longplay capture` of a folder of audio that is imported and planned already, through the
command line into a fresh archive, beside a bare loop: two processes that read each file and call
the same functions (hashes, decoding with loudness, true peak, fingerprint and landmarks, integrity,
tags) with no archive, no isolation and nothing written. Then the same capture with one worker, on a
Dask cluster of one worker process with two children, and into a real S3 server (Swift, if it is
installed). Runs take turns; the median counts. CPU is that of all our processes, the cluster's
worker among them, which on a busy machine tells more than the clock; memory the peak of each
process, as the kernel tells it. At last the CPU time of one process over the same functions, by
function.

A command has a start and an end, which a long run has once: `--files` takes so many, the same real
ones again and again with other tags, so that their objects differ.

    python -m benchmarks.capture_scaling [--audio FOLDER] [--files N] [--repeat 3] [--ways WORD,…]
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import multiprocessing
import os
import resource
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

import pyarrow.parquet as pq
from tests import swift
from tests.dask_cluster import dask_cluster

from benchmarks.capture import shares
from benchmarks.data import AUDIO
from benchmarks.many_files import RETAGGED, retag

BARE, OURS, ONE = "bare loop, two processes", "capture, two workers", "capture, one worker"
DASK, S3 = "capture, Dask", "capture, S3 (Swift)"

MEASURED = 75
"""Files whose functions are told apart."""


@dataclass(slots=True)
class Way:
    """One way to do it: its work, and what came of it."""

    work: Callable[[Path], None]
    walls: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=dict)

    @property
    def wall(self) -> float:
        return statistics.median(self.walls)

    @property
    def cpu(self) -> float:
        return statistics.median(self.spent)


def bare(name: str) -> None:
    """All that is computed of one file, and nothing kept of it."""
    from longplay.audio.describe import describe
    from longplay.audio.tags import read_tags
    from longplay.errors import MediaError
    from longplay.settings import Limits
    from longplay.torrent.merkle import ObjectHasher

    def hash_(data: bytes) -> None:
        hasher = ObjectHasher(256 * 1024)
        hasher.update(data)
        hasher.finish()

    data = Path(name).read_bytes()
    hash_(data)
    with suppress(MediaError):
        describe(io.BytesIO(data), len(data), Limits())
        for picture in read_tags(io.BytesIO(data), len(data), name, Limits()).pictures:
            hash_(picture.data)


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


def planned(archive: Path, audio: Path) -> list[Path]:
    """The files that a capture takes, in its order: of a recording in several encodings that is
    not all of them."""
    (plan,) = (archive / "plans").glob("*.parquet")
    return [audio / os.fsdecode(path) for path in pq.read_table(plan)["path"].to_pylist()]


def captured(
    template: Path, files: int, *, workers: int, **settings: str
) -> Callable[[Path], None]:
    """Captures a copy of the template, which plans so many files; `engine`, `objects` and
    environment as given."""
    environment = {key: value for key, value in settings.items() if key.isupper()}
    keys = {key: value for key, value in settings.items() if key.islower()}

    def work(folder: Path) -> None:
        archive = folder / "archive"
        done = longplay("capture", "--workers", workers, archive=archive, **environment)
        if (done["offered"], done["failed"], done["already_held"]) != (files, 0, 0):
            sys.exit(f"the capture did not take {files} files: {done}")

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
                    started = (b"spawn_main", b"forkserver")
                    worker = any(name in word for name in started for word in words)
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


def cpu_seconds(workers: list[int]) -> float:
    """CPU of the processes that ended below this one, and of running workers with theirs."""
    total = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    for pid in (found for worker in workers for found in [worker, *descendants(worker)]):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def run(ways: dict[str, Way], repeat: int, extra: list[int]) -> None:
    for _ in range(repeat):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory(prefix="longplay-bench-") as folder:
                getattr(way.work, "prepare", lambda _: None)(Path(folder))
                with watched(way.peaks, extra):
                    started, before = time.perf_counter(), cpu_seconds(extra)
                    way.work(Path(folder))
                    way.walls.append(time.perf_counter() - started)
                    way.spent.append(cpu_seconds(extra) - before)
            told = f"{way.walls[-1]:.1f} s, CPU {way.spent[-1]:.1f} s"
            print(f"  {name}: {told}", file=sys.stderr)


def show(ways: dict[str, Way], files: int) -> None:
    ours = ways[OURS].wall
    columns = f"{'wall s':>8}{'CPU s':>8}{'ms a file':>11}{'beside ours':>13}   peak memory"
    print(f"{files} files\n{'':28}{columns}")
    for name, way in ways.items():
        peaks = ", ".join(f"{who} {size / 1e6:.0f} MB" for who, size in sorted(way.peaks.items()))
        a_file, beside = 1000 * way.wall / files, way.wall / ours
        figures = f"{way.wall:8.1f}{way.cpu:8.1f}{a_file:11.0f}{beside:12.2f}x"
        print(f"{name:28}{figures}   {peaks}")
    if BARE in ways:
        whole, cpu = ways[BARE].wall / ours, ways[BARE].cpu / ways[OURS].cpu
        print(f"speed of the whole beside the bare loop: {whole:.3f} (goal 0.9); by CPU {cpu:.3f}")
    if ONE in ways:
        print(f"two workers beside one: {ways[ONE].wall / ours:.2f} times as fast")
    if DASK in ways:
        over, cpu = ways[DASK].wall / ours - 1, ways[DASK].cpu / ways[OURS].cpu - 1
        print(f"Dask costs {100 * over:+.1f} % of a file (goal: under 5 %); CPU {100 * cpu:+.1f} %")


def copy(folder: Path, audio: Path, count: int) -> None:
    """Copy the files of a folder, or `count` that all differ: the same in turn, with other tags
    each time."""
    real = sorted(path for path in audio.iterdir() if path.is_file() and path.suffix != ".tsv")
    chosen = [(0, path) for path in real[: count or None]]
    tagged = [path for path in real if path.suffix in RETAGGED]
    again = ((turn, path) for turn in itertools.count(1) for path in tagged)
    chosen += itertools.islice(again, max(0, count - len(real)))
    for number, (turn, path) in enumerate(chosen):
        place = folder / f"{turn:04}" / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        if turn:
            retag(place, f"Piece {number}", f"Album {turn}")


def show_shares(files: list[Path]) -> None:
    """What each function has of the CPU time of one process."""
    spent, _ = shares(files)
    total = sum(spent.values())
    print(f"\nCPU of one process over {len(files)} of the files: {total:.1f} s")
    for name, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {name:20} {100 * seconds / total:5.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, default=AUDIO)
    parser.add_argument("--files", type=int, default=0, help="how many; all that there are")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ways", default="bare,two,one,dask,s3,shares", help="some of these")
    options = parser.parse_args()
    wanted = {"two", *options.ways.split(",")}
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in a worker
    with tempfile.TemporaryDirectory(prefix="longplay-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        copy(folder / "audio", options.audio.resolve(), options.files)
        template = prepared(folder, folder / "audio")
        files = planned(template, folder / "audio")
        count = len(files)
        ways = {}
        if "bare" in wanted:
            ways[BARE] = Way(lambda _: bare_loop(files))
        ways[OURS] = Way(captured(template, count, workers=2))
        if "one" in wanted:
            ways[ONE] = Way(captured(template, count, workers=1))
        extra = []
        if "dask" in wanted:
            cluster = stack.enter_context(dask_cluster(folder / "dask", workers=1))
            ways[DASK] = Way(captured(template, count, workers=2, engine=cluster.address))
            extra = [worker.pid for worker in cluster.workers]
        if "s3" in wanted and not all(shutil.which(program) for program in swift.PROGRAMS):
            print("Swift is not installed: no S3 to compare with")
        elif "s3" in wanted:
            server = stack.enter_context(swift.running())
            server.make_bucket("bench")
            bucket = captured(
                template, count, workers=2, objects="s3://bench/archive", **server.environment()
            )
            ways[S3] = Way(bucket)
        run(ways, options.repeat, extra)
        show(ways, count)
        if "shares" in wanted:
            show_shares(files[:MEASURED])


if __name__ == "__main__":
    main()
