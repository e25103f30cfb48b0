"""One question among a million recordings at once: how long it takes, and what it reads.

    python -m benchmarks.identify_scale [DATA] --work DIR [--recordings 1000000] [--made 310000]
        [--shard 310000] [--json FILE]

`--made` recordings are made as in `benchmarks.identify`, merged to shards as an index does it, and
copied as files until there are `--recordings`: other pages of memory, the same statistics. Every
second real recording lies in one more shard. Clips of 10 s of all real recordings are asked, as
they are, in MP3 and under noise, of all shards: once after the kernel was told to forget their
pages, as far as it does, and three times more. Times are those after decoding, of all that
`identify` asks: of what it does not know, at 29 speeds; the share of pages
in memory is mincore's. A million takes 16 GB below --work, which are removed, and half an hour of
two idle cores.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import DATA
from benchmarks.identify import (
    NO_MUSIC,
    PROGRAMS,
    SAME,
    SECONDS,
    SPEECH,
    TAIL,
    Sound,
    backwards,
    changed,
    distractors,
    heard,
    printed,
)
from longplay.audio import landmarks
from longplay.audio.decode import decoder_name
from longplay.audio.fingerprint import dense_fingerprint
from longplay.audio.resample import FINGERPRINT_RATE as RATE
from longplay.identify import matching, shard
from longplay.identify.confirming import Items
from longplay.identify.shard import Printed, Shard
from longplay.model import ObjectKey

AT_ONCE = 10_000
"""Recordings that are made and written at once; so many shards become one."""

CONDITIONS = ("as it is", "MP3 64 kbit/s", "noise 10 dB")
REPEATS = 3


@dataclass
class Times:
    """Milliseconds of questions, the first and the later ones."""

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)


def make(real: list[Printed], pool: list[Items], numbers: range, folder: Path) -> Path:
    rng = np.random.default_rng(numbers.start)
    made = distractors(real, numbers, rng, pool)
    return folder / shard.write(folder, made, decoder_name()).name


def build(
    real: list[Printed], pool: list[Items], made: int, each: int, count: int, folder: Path
) -> list[Path]:
    """Shards of `each` made recordings, `made` of them distinct, until they have `count`."""
    paths: list[Path] = []
    with get_context("spawn").Pool(2) as workers:
        for start in range(0, made, each):
            ends = range(start, min(start + each, made), AT_ONCE)
            ranges = [range(at, min(at + AT_ONCE, start + each, made)) for at in ends]
            parts = workers.starmap(make, [(real, pool, one, folder) for one in ranges])
            opened = [Shard(path) for path in parts]
            keep: list[set[ObjectKey]] = [one.objects() for one in opened]
            paths.append(folder / shard.merge(folder, opened, keep, decoder_name()).name)
            for path in parts:
                if path != paths[-1]:
                    path.unlink()
            print(f"{start + each:,} made", flush=True)
    distinct, total = list(paths), made
    while total < count:
        copy = folder / f"copy-{len(paths)}.shard"
        shutil.copyfile(distinct[len(paths) % len(distinct)], copy)
        paths.append(copy)
        total += len(Shard(copy))
    return paths


def forget(paths: list[Path]) -> None:
    """Ask the kernel to forget the pages of files; those that are mapped it may keep."""
    for path in paths:
        with path.open("rb") as source:
            os.fsync(source.fileno())
            os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident(paths: list[Path]) -> float:
    """The share of the files' pages that is in memory (mincore(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = total = 0
    for path in paths:
        with path.open("rb") as source:
            view = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_COPY)
            pages = -(-len(view) // mmap.PAGESIZE)
            told = (ctypes.c_ubyte * pages)()
            start = ctypes.addressof(ctypes.c_char.from_buffer(view))
            if libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(len(view)), told):
                raise OSError(ctypes.get_errno(), "mincore")
            here, total = here + int((np.frombuffer(told, np.uint8) & 1).sum()), total + pages
    return here / total


def asked(shards: list[Shard], sound: Sound) -> tuple[list[ObjectKey], float]:
    """What is claimed of a clip, and in how many milliseconds."""
    found = landmarks.landmarks(sound)
    items = dense_fingerprint(sound)
    began = time.perf_counter()
    claims = matching.identify(shards, found, len(sound) // landmarks.HOP, items=items)
    return [one.object for one in claims], 1000 * (time.perf_counter() - began)


def questions(
    sounds: dict[str, Sound],
    speech: list[Sound],
    work: Path,
    ask: Callable[[str, str, Sound], None],
) -> None:
    rng = np.random.default_rng(7)
    programs = {name: how for name, how in PROGRAMS.items() if name in CONDITIONS}
    for name, sound in sounds.items():
        start = int(rng.integers(0, len(sound) - (SECONDS + TAIL) * RATE))
        clip = sound[start : start + int((SECONDS + TAIL) * RATE)]
        made = changed(clip, speech, rng, work, programs)
        for condition in CONDITIONS:
            ask(name, condition, made[condition][: SECONDS * RATE])


def measure(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    audio = given.data / "audio"
    names = [path.name for path in sorted(audio.iterdir()) if path.suffix != ".tsv"
             and not any(part in path.name for part in SAME + NO_MUSIC)]  # fmt: skip
    sounds = {name: heard(audio / name) for name in names}
    sounds = {name: one for name, one in sounds.items() if len(one) > (SECONDS + TAIL + 1) * RATE}
    prints = {name: printed(name, sound) for name, sound in sounds.items()}
    known = {prints[name].key: name for name in list(sounds)[::2]}
    began = time.perf_counter()
    pool = backwards(sounds.values(), np.random.default_rng(3))
    real = list(prints.values())
    paths = build(real, pool, given.made, given.shard, given.recordings, work)
    mine = [prints[name] for name in known.values()]
    paths.append(work / shard.write(work, mine, decoder_name()).name)
    shards = [Shard(path) for path in paths]
    figures: dict[str, Any] = {
        "recordings": sum(map(len, shards)),
        "shards": [len(one) for one in shards],
        "bytes": sum(path.stat().st_size for path in paths),
        "build_s": round(time.perf_counter() - began, 1),
        "decoders": sorted({one.decoder for one in shards}),
    }
    print(json.dumps(figures), flush=True)
    asked(shards, sounds[names[0]][: SECONDS * RATE])  # compiles
    forget(paths)
    figures["resident before"] = resident(paths)
    times: dict[str, Times] = defaultdict(Times)
    claims: dict[str, int] = defaultdict(int)

    def ask(name: str, condition: str, sound: Sound) -> None:
        is_known = name in known.values()
        if not is_known and condition != CONDITIONS[0]:
            return  # it is asked at all other speeds too, which takes seconds
        found, spent = asked(shards, sound)
        right = any(known.get(one) == name for one in found)
        kind = "found" if right else "known, not found" if is_known else "unknown"
        claims[kind] += 1
        claims["wrong claims"] += any(known.get(one) != name for one in found)
        times[kind].first.append(spent)
        times[kind].later += [asked(shards, sound)[1] for _ in range(REPEATS)]

    questions(sounds, [heard(audio / name) for name in SPEECH], work, ask)
    figures["resident after"] = resident(paths)
    figures["questions"] = claims
    for kind, one in times.items():
        for name, spent in (("first", one.first), ("later", one.later)):
            both = [round(float(np.percentile(spent, share)), 1) for share in (50, 95)]
            figures[f"{kind}, {name}: p50, p95 in ms"] = both
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--recordings", type=int, default=1_000_000)
    parser.add_argument("--made", type=int, default=310_000)
    parser.add_argument("--shard", type=int, default=310_000)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(dir=given.work))
    try:
        figures = measure(given, work)
    finally:
        shutil.rmtree(work)
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
