"""Other programs that recognise recordings, on the clips that Longplay is asked.

    python -m benchmarks.identify_peers [DATA] [--audfprint FOLDER] [--audfprint-python PROGRAM]
        [--olaf PROGRAM] [--clips 2] [--work DIR] [--json FILE]

Every second real recording of DATA/audio is a reference, and nothing else is. Clips of 10 s of all
recordings, changed in some ways of `benchmarks.identify`, are asked of each program as it comes,
with its own settings and its own threshold of what it claims. FOLDER is a clone of
https://github.com/dpwe/audfprint, PROGRAM the Python that has its requirements, and the `olaf_core`
that `make compile_core` builds of https://github.com/JorenSix/Olaf. What is not given is left out.
Chromaprint is compared whole, as AcoustID does. Found: the right recording is claimed. False: of
clips of recordings that are no references, those of which anything is claimed. Seconds are those of
CPU, for all questions, decoding of the clips included; Longplay's and Chromaprint's clips are
decoded before.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io.wavfile

from benchmarks.data import DATA
from benchmarks.identify import (
    NO_MUSIC,
    PROGRAMS,
    SAME,
    SPEECH,
    TAIL,
    Sound,
    changed,
    closest,
    heard,
    interval,
    printed,
)
from longplay.audio import landmarks
from longplay.audio.decode import decoder_name
from longplay.audio.fingerprint import dense_fingerprint, fingerprint
from longplay.audio.resample import FINGERPRINT_RATE as RATE
from longplay.identify import matching, shard
from longplay.identify.shard import Shard

CONDITIONS = ("as it is", "MP3 64 kbit/s", "telephone band", "noise 10 dB", "a room, 0.5 s",
              "far off in a hall", "10 dB under speech", "+5 % speed", "-5 % speed")  # fmt: skip
SECONDS = 10
OLAF_RATE = 16_000
DIFFERING = 0.35
"""Share of bits of a Chromaprint fingerprint below which it counts as the same recording."""


@dataclass(frozen=True)
class Clip:
    recording: str
    condition: str
    sound: Sound
    path: Path


Program = Callable[[dict[str, Sound], list[Clip], Path], list[str | None]]


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def longplay(quick: bool) -> Program:
    """Longplay, as `identify` asks or as `audit` does."""

    def ask(known: dict[str, Sound], clips: list[Clip], work: Path) -> list[str | None]:
        prints = [printed(name, sound) for name, sound in known.items()]
        names = {one.key: name for one, name in zip(prints, known, strict=True)}
        one = Shard(work / shard.write(work, prints, decoder_name()).name)
        claimed = []
        for clip in clips:
            found = landmarks.landmarks(clip.sound)
            frames = len(clip.sound) // landmarks.HOP
            items = dense_fingerprint(clip.sound)
            passages = matching.identify([one], found, frames, items=items, quick=quick)
            best = max(passages, key=lambda passage: passage.score, default=None)
            claimed.append(names[best.object] if best else None)
        return claimed

    return ask


def chromaprint(known: dict[str, Sound], clips: list[Clip], _: Path) -> list[str | None]:
    whole = {name: fingerprint(sound) for name, sound in known.items()}
    claimed: list[str | None] = []
    for clip in clips:
        code = fingerprint(clip.sound)
        distance = {name: closest(code, other) for name, other in whole.items()}
        best = min(distance, key=lambda name: distance[name])
        claimed.append(best if distance[best] < DIFFERING else None)
    return claimed


def audfprint(folder: Path, python: str) -> Program:
    def run(*words: object) -> str:
        command = [python, folder / "audfprint.py", *words]
        done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
        return done.stdout

    def ask(known: dict[str, Sound], clips: list[Clip], work: Path) -> list[str | None]:
        references = {str(written(work, name, sound)): name for name, sound in known.items()}
        listing, questions = work / "references.txt", work / "questions.txt"
        listing.write_text("\n".join(references))
        questions.write_text("\n".join(str(clip.path) for clip in clips))
        run("new", "--dbase", work / "audfprint.pklz", "--list", listing)
        said = run("match", "--dbase", work / "audfprint.pklz", "--list", questions)
        pattern = r"^Matched (\S+) [\d.]+ sec \d+ raw hashes as (\S+) at "
        claims = dict(re.findall(pattern, said, re.MULTILINE))
        return [references.get(claims.get(str(clip.path), "")) for clip in clips]

    return ask


def olaf(program: str) -> Program:
    def ask(known: dict[str, Sound], clips: list[Clip], work: Path) -> list[str | None]:
        (work / ".olaf" / "db").mkdir(parents=True)
        raw = work / "olaf.raw"
        place = {**os.environ, "HOME": str(work)}

        def run(what: str, path: Path, name: str) -> str:
            command = ["ffmpeg", "-v", "error", "-y", "-i", path, "-ac", 1, "-ar", OLAF_RATE]
            subprocess.run([*map(str, command), "-f", "f32le", raw], check=True)
            given = [program, what, raw, name]
            done = subprocess.run(given, check=True, capture_output=True, text=True, env=place)
            return done.stdout

        names = dict(enumerate(known))
        for number, name in names.items():
            run("store", written(work, name, known[name]), f"reference{number}")
        claimed = []
        for clip in clips:
            found = re.findall(r"^(\d+), .*\breference(\d+)\b", run("query", clip.path, "question"),
                               re.MULTILINE)  # fmt: skip
            best = max(found, key=lambda row: int(row[0]), default=None)
            claimed.append(names[int(best[1])] if best else None)
        return claimed

    return ask


def written(work: Path, name: str, sound: Sound) -> Path:
    path = work / f"{re.sub(r'[^A-Za-z0-9]', '_', name)}.wav"
    scipy.io.wavfile.write(path, RATE, sound)
    return path


def asked(sounds: dict[str, Sound], speech: list[Sound], count: int, work: Path) -> list[Clip]:
    rng = np.random.default_rng(7)
    clips = []
    for name, sound in sounds.items():
        for _ in range(count):
            start = int(rng.integers(0, len(sound) - (SECONDS + TAIL) * RATE))
            part = sound[start : start + int((SECONDS + TAIL) * RATE)]
            if part.std() < 30:
                continue
            made = {name: how for name, how in PROGRAMS.items() if name in CONDITIONS}
            for condition, other in changed(part, speech, rng, work, made).items():
                if condition in CONDITIONS:
                    path = written(work, f"clip {len(clips)}", other[: SECONDS * RATE])
                    clips.append(Clip(name, condition, other[: SECONDS * RATE], path))
    return clips


def judged(known: dict[str, Sound], clips: list[Clip], claimed: list[str | None]) -> dict[str, Any]:
    hits: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    false, unknown, wrong = 0, 0, 0
    for clip, claim in zip(clips, claimed, strict=True):
        if clip.recording in known:
            hits[clip.condition][clip.recording].append(claim == clip.recording)
            wrong += claim not in (None, clip.recording)
        else:
            unknown += 1
            false += claim is not None
    rng = np.random.default_rng(1)
    shares = {one: [round(100 * part, 1) for part in interval(hits[one], rng)]
              for one in CONDITIONS}  # fmt: skip
    return {"found": shares, "wrong": wrong, "false": [false, unknown]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--audfprint", type=Path)
    parser.add_argument("--audfprint-python", default=sys.executable)
    parser.add_argument("--olaf")
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    programs: dict[str, Program] = {
        "Longplay": longplay(quick=False),
        "Longplay, as an audit asks": longplay(quick=True),
        "Chromaprint": chromaprint,
    }
    if given.audfprint and (given.audfprint / "audfprint.py").is_file():
        programs["audfprint"] = audfprint(given.audfprint, given.audfprint_python)
    else:
        print("audfprint is left out: --audfprint names no clone of it")
    if given.olaf and shutil.which(given.olaf):
        programs["Olaf"] = olaf(given.olaf)
    else:
        print("Olaf is left out: --olaf names no program")
    work = Path(tempfile.mkdtemp(dir=given.work))
    try:
        figures = measure(given.data / "audio", programs, given.clips, work)
    finally:
        shutil.rmtree(work)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


def measure(
    audio: Path, programs: dict[str, Program], count: int, work: Path
) -> dict[str, dict[str, Any]]:
    paths = [
        path
        for path in sorted(audio.iterdir())
        if path.suffix != ".tsv" and not any(part in path.name for part in SAME + NO_MUSIC)
    ]
    sounds = {path.name: heard(path) for path in paths}
    sounds = {name: one for name, one in sounds.items() if len(one) > (SECONDS + TAIL + 1) * RATE}
    known = {name: sounds[name] for name in list(sounds)[::2]}
    clips = asked(sounds, [heard(audio / name) for name in SPEECH], count, work)
    print(f"{len(known)} references, {len(clips)} clips of {len(sounds)} recordings")
    figures = {}
    for name, program in programs.items():
        folder = work / re.sub("[^a-z]", "", name.lower())
        folder.mkdir()
        used = cpu()
        claimed = program(known, clips, folder)
        figures[name] = {**judged(known, clips, claimed), "cpu_s": round(cpu() - used, 1)}
        print(name, json.dumps(figures[name]), flush=True)
    return figures


if __name__ == "__main__":
    main()
