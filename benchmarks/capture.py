"""Bringing real audio in: `longplay keep`, beside tools that do the same work one by one.

What: every file of a folder of audio. Ours is `longplay keep` through the command line with two
workers into a fresh archive: import of tags, plan, decoding, EBU R128 with true peak, fingerprint
of the whole track, integrity, three hashes, durable storage, ledger. Beside it (a) the bare chain
`ffmpeg -af ebur128=peak=true`, `fpcalc -length 0` and `sha256sum`, two files at a time with xargs,
which keeps nothing; (b) beets: `beet import` and `beet fingerprint` with the chroma plugin and
look-ups off: the first 120 s of each file, no loudness, no hashes. Page cache warm; runs take
turns, and the median counts. Then the CPU time of one process over the same files, by function.

    python -m benchmarks.capture [--audio FOLDER] [--repeat 3]
"""

from __future__ import annotations

import argparse
import functools
import io
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.data import AUDIO

WORKERS = 2
CHAIN = """
ffmpeg -nostdin -i "$1" -af ebur128=peak=true -f null - >/dev/null 2>&1
fpcalc -length 0 "$1" >/dev/null 2>&1
sha256sum "$1" >/dev/null
"""
BEETS_SETTINGS = """
directory: {folder}/library
library: {folder}/library.db
plugins: chroma
import: {{copy: no, write: no, resume: no, quiet: yes, log: {folder}/log}}
chroma: {{auto: no}}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one tool: seconds of wall time and of CPU in all its processes."""

    wall: float
    cpu: float


def timed(work: Callable[[], None]) -> Run:
    def used() -> float:
        return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])

    wall, cpu = time.perf_counter(), used()
    work()
    return Run(time.perf_counter() - wall, used() - cpu)


def keep(audio: Path) -> None:
    program = Path(sys.executable).parent / "longplay"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive"
        command: list[str | Path] = [
            program,
            "keep",
            audio,
            "--archive",
            archive,
            "--workers",
            str(WORKERS),
        ]
        subprocess.run([*command, "--json"], check=True, stdout=subprocess.DEVNULL)


def chain(files: list[Path]) -> None:
    names = b"\0".join(os.fsencode(path) for path in files)
    command = ["xargs", "-0", "-n1", f"-P{WORKERS}", "sh", "-c", CHAIN, "sh"]
    subprocess.run(command, input=names, check=True)


def beets(program: str, audio: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "config.yaml"
        settings.write_text(BEETS_SETTINGS.format(folder=folder))
        environment = {**os.environ, "BEETSDIR": folder}
        for words in (["import", "-A", "-q", str(audio)], ["fingerprint"]):
            subprocess.run([program, *words], env=environment, check=True, capture_output=True)


@contextmanager
def clocked(spent: dict[str, float], parts: dict[str, tuple[Any, str]]) -> Iterator[None]:
    """Count the CPU seconds of some functions while the block runs."""

    def clock(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*arguments: Any) -> Any:
            started = time.process_time()
            try:
                return function(*arguments)
            finally:
                spent[name] += time.process_time() - started

        return run

    patches = [
        patch.object(owner, attribute, clock(name, getattr(owner, attribute)))
        for name, (owner, attribute) in parts.items()
    ]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def shares(files: list[Path]) -> tuple[dict[str, float], float]:
    """CPU seconds of one process over the files, by function, and the seconds of sound."""
    from longplay.audio import describe, fingerprint, landmarks, loudness, peaks, resample
    from longplay.audio.tags import read_tags
    from longplay.settings import Limits
    from longplay.torrent.merkle import ObjectHasher

    spent: dict[str, float] = defaultdict(float)
    parts: dict[str, tuple[Any, str]] = {
        "mixing, resampling": (resample, "_take"),
        "fingerprint": (fingerprint.Fingerprinter, "feed"),
        "landmarks": (landmarks.Lander, "feed"),
        "loudness": (loudness._Weighting, "feed"),
        "true peak": (peaks.PeakMeter, "feed"),
        "integrity": (describe, "examine"),
    }
    sound = 0.0
    started = time.process_time()
    with clocked(spent, parts):
        for path in files:
            data = path.read_bytes()
            before = time.process_time()
            hasher = ObjectHasher(256 * 1024)
            hasher.update(data)
            hasher.finish()
            hashed = time.process_time()
            described = describe.describe(io.BytesIO(data), len(data), Limits())
            after = time.process_time()
            read_tags(io.BytesIO(data), len(data), path.name, Limits())
            spent["three hashes"] += hashed - before
            spent["tags"] += time.process_time() - after
            sound += described.decoded.duration_ms / 1000
    spent["demuxing, decoding"] = time.process_time() - started - sum(spent.values())
    return spent, sound


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, default=AUDIO)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    audio = options.audio.resolve()
    if not audio.is_dir():
        sys.exit(f"no audio in {audio}: give a folder with --audio")
    files = sorted(path for path in audio.iterdir() if path.is_file() and path.suffix != ".tsv")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in a worker; NumPy is not loaded yet
    spent, sound = shares(files)
    print(f"{len(files)} files, {sound / 3600:.2f} hours of sound, {os.cpu_count()} cores")
    tools = present(audio, files)
    runs: dict[str, list[Run]] = {name: [] for name in tools}
    for _ in range(options.repeat):
        for name, work in tools.items():
            runs[name].append(timed(work))
    show(runs, len(files), sound)
    print("\nCPU of one process over the same files")
    total = sum(spent.values())
    for name, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {name:20} {seconds:7.2f} s {100 * seconds / total:5.1f} %")
    print(f"  {'all':20} {total:7.2f} s, {sound / total:.0f} times real time")


def present(audio: Path, files: list[Path]) -> dict[str, Callable[[], None]]:
    """What can be run on this machine; says what cannot."""
    tools: dict[str, Callable[[], None]] = {"longplay keep": lambda: keep(audio)}
    if shutil.which("ffmpeg") and shutil.which("fpcalc"):
        tools["ffmpeg+fpcalc+sha256sum"] = lambda: chain(files)
    else:
        print("ffmpeg or fpcalc is not installed: no chain to compare with")
    beet = os.environ.get("BEET") or shutil.which("beet")
    if beet:
        tools["beet import, chroma"] = lambda: beets(beet, audio)
    else:
        print("no beet on PATH or in BEET: no beets to compare with")
    return tools


def show(runs: dict[str, list[Run]], files: int, sound: float) -> None:
    walls = {name: statistics.median(run.wall for run in each) for name, each in runs.items()}
    ours = walls["longplay keep"]
    print(f"\n{'':26}{'wall s':>8}{'CPU s':>8}{'files/s':>9}{'x real time':>13}{'ours is':>10}")
    for name, each in runs.items():
        cpu = statistics.median(run.cpu for run in each)
        wall = walls[name]
        faster = "" if name == "longplay keep" else f"{wall / ours:8.2f} x"
        print(f"{name:26}{wall:8.1f}{cpu:8.1f}{files / wall:9.2f}{sound / wall:13.0f}{faster:>10}")


if __name__ == "__main__":
    main()
