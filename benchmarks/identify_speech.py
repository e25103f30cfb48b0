"""How many of the seconds of music that lies 10 dB under speech are found, and how many are wrong.

    python -m benchmarks.identify_speech [DATA] [--recordings 20000] [--seconds 20 40] [--work DIR]

A stretch of each recording of `benchmarks.identify` that lasts so long, or as long as the recording
does, is put under speech and asked for; half of the recordings are in the index. What is claimed at
a confidence of 0.9 or more counts, in seconds: right where it is that recording and within a second
of where it lies in it, and wrong otherwise, also where the recording is not in the index. Windows
are asked at their own speed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import DATA
from benchmarks.identify import RATE, World, interval, made_world, words
from longplay.audio import landmarks
from longplay.audio.fingerprint import dense_fingerprint
from longplay.identify import matching

BELOW_DB = 10.0
QUIET = 30
"""A stretch with less than this level (of 32767) is silence, and is not asked for."""


def measure(world: World, seconds: int) -> dict[str, Any]:
    rng = np.random.default_rng(11)
    total: dict[str, float] = {}
    found: dict[str, float] = defaultdict(float)
    wrong = 0.0
    for name in world.usable:
        sound = world.sounds[name]
        length = min(len(sound), seconds * RATE)
        start = int(rng.integers(0, len(sound) - length + 1))
        music = sound[start : start + length].astype(np.float64)
        if music.std() < QUIET:
            continue
        talk = np.resize(world.speech[int(rng.integers(len(world.speech)))], length)
        loudness = talk.std() / music.std() * 10 ** (-BELOW_DB / 20)
        mixed = words(talk.astype(np.float64) + music * loudness)
        if name in world.known:
            total[name] = length / RATE
        for one in matching.identify(
            [world.one],
            landmarks.landmarks(mixed),
            length // landmarks.HOP,
            items=dense_fingerprint(mixed),
        ):
            there = one.offset_s - one.start_s - start / RATE
            if world.calls.get(one.object) == name and abs(there) < 1:
                found[name] += one.end_s - one.start_s
            else:
                wrong += one.end_s - one.start_s
    right = sum(found.values())
    by_recording = {name: [min(1.0, found[name] / length)] for name, length in total.items()}
    return {
        "seconds": seconds,
        "recordings": len(total),
        "share_of_seconds": right / sum(total.values()),
        "by_recording": interval(by_recording, rng),
        "precision": right / (right + wrong) if right else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--recordings", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, nargs="+", default=[20, 40])
    parser.add_argument("--work", type=Path)
    parser.set_defaults(lengths=[10])
    asked = parser.parse_args()
    matching.OTHERWISE = ()
    work = Path(tempfile.mkdtemp(dir=asked.work))
    try:
        world, _ = made_world(asked, work, np.random.default_rng(7))
        for seconds in asked.seconds:
            print(measure(world, seconds), flush=True)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
