"""Is an audit's report true, and how fast is it made? A corpus with a known truth, end to end.

    python -m benchmarks.audit DATA [--files 2000] [--derived 500] [--work DIR] [--json FILE]

Real recordings of DATA/audio, each once and none that shares sound with another
(`benchmarks.sharing`): half of them are kept in an archive. From those come clips of 5 to 20 s,
whole transcodes, and mixes (three to five passages one after another, kept and other music in
turn); from the other half, and from plucked notes at random, comes the rest. All are coded in one
of five ways and laid out as a folder, WebDataset tars and Parquet of Hugging Face's layout, a third
each. `longplay audit` is asked as its user asks it. A claim is a recording in a file; it is right
where the file holds some of that recording. Whatever is claimed wrongly is laid on what it was
taken for, sample by sample, and of what is missed is told how much is left of it. A table of the
same files by title and artist is audited by itself. Decoding alone has the same files, the same
confined workers, and stops at samples of 11,025 Hz. Speed is also measured on whole tracks: the
files of DATA/audio, kept or not, as they are, three times. CPU seconds are those of all processes.
With 2,000 files it takes 12 minutes of two busy cores and 1 GB below --work.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.data import DATA
from benchmarks.identify import NO_MUSIC, SAME, printed
from benchmarks.identify import heard as mono
from benchmarks.misses import left
from benchmarks.sharing import WINDOW, apart, flat, laid
from longplay import engine
from longplay.audio.decode import decode
from longplay.audio.resample import FINGERPRINT_RATE
from longplay.identify.listening import Sound
from longplay.settings import Limits

RATE = 22_050
"""Hz of the corpus's files, which have one channel: half of making it is coding."""

CODECS = {
    "mp3": ["-c:a", "libmp3lame", "-b:a", "64k"],
    "opus": ["-c:a", "libopus", "-b:a", "32k"],
    "ogg": ["-c:a", "libvorbis", "-q:a", "3"],
    "m4a": ["-c:a", "aac", "-b:a", "96k"],
    "flac": ["-c:a", "flac"],
}
QUIET = 100
"""Mean level (of 32767) below which a clip is silence, and no question."""

WHOLE_TIMES = 3
"""Copies of each whole track, so that starting programs counts little."""

WHOLE_SECONDS = 360
"""Longer recordings are cut to their first six minutes."""

IN_TAR, IN_TABLE = 100, 50

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Part:
    """Seconds of a file that are a recording's, from `offset` of it on."""

    name: str
    start: float
    end: float
    offset: float


@dataclass(frozen=True)
class Made:
    """A file of the corpus: its kind, what it is made of, and what of that is kept."""

    path: Path
    kind: str
    parts: tuple[Part, ...]
    truth: tuple[Part, ...]
    seconds: float


def ffmpeg(*words: object, data: bytes = b"") -> bytes:
    command = ["ffmpeg", "-v", "error", "-y", *map(str, words)]
    return subprocess.run(command, input=data, check=True, capture_output=True).stdout


def heard(path: Path) -> Samples:
    raw = ffmpeg("-i", path, "-t", WHOLE_SECONDS, "-vn", "-f", "s16le", "-ac", 1, "-ar", RATE, "-")
    return np.frombuffer(raw, np.int16)


def plucked(seconds: float, rng: np.random.Generator) -> Samples:
    out = np.zeros(int(seconds * RATE) + RATE, np.float32)
    at = 0.0
    while at < seconds:
        length = int(rng.uniform(0.2, 0.9) * RATE)
        moment = np.arange(length) / RATE
        pitch = 110 * 2 ** (rng.integers(0, 48) / 12)
        note = sum(np.sin(2 * np.pi * pitch * k * moment) * rng.uniform(0.1, 1) / k
                   for k in (1, 2, 3, 4))  # fmt: skip
        out[int(at * RATE) : int(at * RATE) + length] += 0.15 * note * np.exp(-4 * moment)
        at += rng.uniform(0.05, 0.25)
    return (np.clip(out[: int(seconds * RATE)], -1, 1) * 32767).astype(np.int16)


def coded(sound: Samples, path: Path) -> None:
    options = CODECS[path.suffix[1:]]
    given = ("-f", "s16le", "-ar", RATE, "-ac", 1, "-i", "-")
    ffmpeg(*given, *options, path, data=sound.tobytes())


def whole_tracks(paths: list[Path], folder: Path) -> list[Made]:
    """Real files as they are, WHOLE_TIMES each."""
    folder.mkdir()
    found = []
    for path in paths:
        for number in range(WHOLE_TIMES):
            copy = folder / f"{number} {path.name}"
            shutil.copyfile(path, copy)
            found.append(Made(copy, "whole", (), (), 0.0))
    return found


class Maker:
    """Makes the files of the corpus, one after another, with the truth about each."""

    def __init__(self, sounds: dict[str, Samples], kept: list[str], folder: Path) -> None:
        self._sounds, self._kept, self._folder = sounds, kept, folder
        self._others = [name for name in sounds if name not in kept]
        self._rng = np.random.default_rng(11)

    def all(self, files: int, derived: int) -> list[Made]:
        mixes = max(1, derived // 10)
        plan = ["whole"] * min(len(self._kept), derived // 5) + ["mix"] * mixes
        plan += ["clip"] * (derived - len(plan))
        rest = files - derived
        plan += ["other"] * (rest // 2) + ["notes"] * (rest - rest // 2)
        order = self._rng.permutation(len(plan))
        jobs = [(number, plan[at], *self._sound(plan[at], at)) for number, at in enumerate(order)]
        with ThreadPoolExecutor(2) as threads:
            return list(threads.map(lambda job: self._write(*job), jobs))

    def _sound(self, kind: str, at: int) -> tuple[Samples, tuple[Part, ...]]:
        if kind == "whole":
            name = self._kept[at % len(self._kept)]
            sound = self._sounds[name]
            return sound, (Part(name, 0.0, len(sound) / RATE, 0.0),)
        if kind == "mix":
            return self._mix()
        if kind == "notes":
            return plucked(self._rng.uniform(5, 20), self._rng), ()
        name, sound, offset = self._cut(self._kept if kind == "clip" else self._others, 5, 20)
        return sound, (Part(name, 0.0, len(sound) / RATE, offset),)

    def _mix(self) -> tuple[Samples, tuple[Part, ...]]:
        sounds, parts, at = [], [], 0.0
        for number in range(int(self._rng.integers(3, 6))):
            name, sound, offset = self._cut(self._others if number % 2 else self._kept, 10, 30)
            parts.append(Part(name, at, at + len(sound) / RATE, offset))
            sounds.append(sound)
            at += len(sound) / RATE
        return np.concatenate(sounds), tuple(parts)

    def _cut(self, names: list[str], least: float, most: float) -> tuple[str, Samples, float]:
        while True:
            name = names[int(self._rng.integers(len(names)))]
            sound = self._sounds[name]
            length = int(self._rng.uniform(least, most) * RATE)
            if len(sound) < length:
                continue
            start = int(self._rng.integers(0, len(sound) - length + 1))
            part = sound[start : start + length]
            if part.std() > QUIET:
                return name, part, start / RATE

    def _write(self, number: int, kind: str, sound: Samples, parts: tuple[Part, ...]) -> Made:
        suffix = list(CODECS)[number % len(CODECS)]
        path = self._folder / f"{number:05}.{suffix}"
        coded(sound, path)
        truth = tuple(one for one in parts if one.name in self._kept)
        return Made(path, kind, parts, truth, len(sound) / RATE)


def lay_out(made: list[Made], folder: Path) -> dict[str, Made]:
    """The corpus in three layouts; each file by what an audit calls it."""
    named = {}
    plain, tars, tables = (made[at::3] for at in range(3))
    for one in plain:
        target = folder / "folder" / one.path.name[:3] / one.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one.path, target)
        named[str(target)] = one
    for number, some in enumerate(in_parts(tars, IN_TAR)):
        tar_path = folder / f"shard-{number:04}.tar"
        with tarfile.open(tar_path, "w") as tar:
            for one in some:
                tar.add(one.path, one.path.name)
                text = b'{"caption": "a piece of music"}'
                info = tarfile.TarInfo(f"{one.path.stem}.json")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))
                named[f"{tar_path}/{one.path.name}"] = one
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for number, some in enumerate(in_parts(tables, IN_TABLE * 4)):
        path = folder / f"train-{number:04}.parquet"
        rows = [{"bytes": one.path.read_bytes(), "path": one.path.name} for one in some]
        pq.write_table(pa.table({"audio": pa.array(rows, kind)}), path, row_group_size=IN_TABLE)
        for at, one in enumerate(some):
            named[f"{path}/{at // IN_TABLE}/{at % IN_TABLE} {one.path.name}"] = one
    return named


def in_parts(some: list[Made], count: int) -> Iterator[list[Made]]:
    for start in range(0, len(some), count):
        yield some[start : start + count]


def cpu() -> float:
    """CPU seconds of this process and of all that ended under it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def longplay(*words: object) -> tuple[dict[str, Any], tuple[float, float]]:
    """What a command says; its wall and CPU seconds."""
    began, used = time.perf_counter(), cpu()
    command = [sys.executable, "-m", "longplay", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr.decode() + done.stdout.decode()[-2000:])
    return json.loads(done.stdout), (time.perf_counter() - began, cpu() - used)


def samples_of(sound: Sound) -> int:
    """Decoding and resampling alone, as a worker of the audit does it."""
    assert sound.path is not None
    count = 0

    def hear(stretch: Any) -> None:
        nonlocal count
        count += len(stretch.mono)

    with sound.path.open("rb") as source:
        decode(source, sound.size, sound.limits, hear, mono_only=True)
    return count


def decoding(made: list[Made]) -> tuple[tuple[float, float], float]:
    """Wall and CPU seconds that decoding alone takes, and seconds of sound."""
    limits = Limits()
    began, used = time.perf_counter(), cpu()
    sounds = [Sound(one.path.name, one.path, limits) for one in made]
    outcomes = engine.run(samples_of, sounds, workers=engine.default_workers(),
                          seconds=lambda _: 600, memory_mb=limits.worker_memory_mb)  # fmt: skip
    total = sum(found for _, found in outcomes if isinstance(found, int))
    return (time.perf_counter() - began, cpu() - used), total / FINGERPRINT_RATE


def speed(spent: tuple[float, float], alone: tuple[float, float], heard_s: float) -> dict[str, Any]:
    """How fast an audit was, by wall and by CPU seconds, beside decoding alone."""
    return {
        "hours": round(heard_s / 3600, 3),
        "audit_s": [round(one, 1) for one in spent],
        "decoding_s": [round(one, 1) for one in alone],
        "times_real_time": [round(heard_s / one, 1) for one in spent],
        "decoding_times_real_time": [round(heard_s / one, 1) for one in alone],
        "speed_of_decoding": [round(a / b, 3) for a, b in zip(alone, spent, strict=True)],
    }


def judged(named: dict[str, Made], found: dict[str, Any]) -> dict[str, Any]:
    """The report against the truth: by claims of (file, recording), by kind, by seconds."""
    claims: dict[str, set[str]] = defaultdict(set)
    seconds = {"claimed": 0.0, "right": 0.0}
    for one in found["matches"]:
        claims[one["file"]].add(one["title"])
        seconds["claimed"] += one["end_s"] - one["start_s"]
        for part in named[one["file"]].truth:
            if part.name == one["title"]:
                both = min(part.end, one["end_s"]) - max(part.start, one["start_s"])
                seconds["right"] += max(0.0, both)
    true = {(file, part.name) for file, one in named.items() for part in one.truth}
    said = {(file, name) for file, names in claims.items() for name in names}
    kinds: dict[str, list[bool]] = defaultdict(list)
    for file, name in sorted(true):
        kinds[named[file].kind].append((file, name) in said)
    wrong = sorted(said - true)
    unknown = [file for file, one in named.items() if not one.truth]
    there = sum(part.end - part.start for one in named.values() for part in one.truth)
    return {
        "true": len(true),
        "claimed": len(said),
        "precision": len(said & true) / max(1, len(said)),
        "recall": len(said & true) / max(1, len(true)),
        "recall_by_kind": {kind: [sum(hits), len(hits)] for kind, hits in sorted(kinds.items())},
        "files_without_kept_music": len(unknown),
        "of_them_claimed": sum(1 for file in unknown if file in claims),
        "precision_of_seconds": seconds["right"] / max(1e-9, seconds["claimed"]),
        "recall_of_seconds": seconds["right"] / max(1e-9, there),
        "wrong": wrong,
        "missed": sorted(true - said),
    }


def explained(
    named: dict[str, Made], found: dict[str, Any], figures: dict[str, Any], audio: Path
) -> Iterator[str]:
    """A line about every wrong claim and about everything that was missed."""
    for file, name in figures["wrong"]:
        one = named[file]
        sound, taken_for = flat(mono(one.path)), flat(mono(audio / name))
        for claim in found["matches"]:
            if (claim["file"], claim["title"]) == (file, name):
                start, end = claim["start_s"], claim["end_s"]
                inside = [part.name for part in one.parts if part.start < end and part.end > start]
                at = max(0.0, min((start + end - WINDOW) / 2, one.seconds - WINDOW - 0.1))
                there = claim["offset_s"] + at - start
                alike = laid(sound, taken_for, at, there, reach=1.0).correlation
                yield (f"wrong: {start:.1f}-{end:.1f} s of a {one.kind} {one.path.suffix} of"
                       f" {inside or 'notes'} is called {name}, confidence {claim['confidence']}:"
                       f" {alike:.2f} alike by samples (shared sound: 0.1 or more)")  # fmt: skip
    for file, name in figures["missed"]:
        one = named[file]
        sound, own = mono(one.path), printed(name, mono(audio / name))
        for part in one.truth:
            if part.name == name:
                piece = sound[int(part.start * FINGERPRINT_RATE) : int(part.end * FINGERPRINT_RATE)]
                yield (f"missed: {part.end - part.start:.1f} s of {name} in a {one.kind}"
                       f" {one.path.suffix}: {left(own, part.offset, piece)}")  # fmt: skip


def by_metadata(named: dict[str, Made], work: Path) -> dict[str, Any]:
    """What an audit says of the same corpus by a table alone: of every fourth file its name is the
    title, as it is in the archive, of every other fourth in capitals and with blanks."""
    rows, true = [], set()
    for number, (file, one) in enumerate(named.items()):
        if one.kind not in ("whole", "clip", "other") or number % 2:
            rows.append((file, "", "Somebody"))
            continue
        name = one.parts[0].name
        rows.append((file, name if number % 4 else f"  {name.upper()} ", "benchmark"))
        true |= {(file, part.name) for part in one.truth}
    table = work / "corpus.csv"
    with table.open("w", newline="") as out:
        csv.writer(out).writerows([("path", "title", "artist"), *rows])
    found, (wall, _) = longplay("audit", table, "--manifest-only", "--archive", work / "archive")
    said = {(one["file"], one["title"]) for one in found["matches"]}
    return {"rows": len(rows), "true": len(true), "claimed": len(said),
            "right": len(said & true), "wall_s": round(wall, 2)}  # fmt: skip


def measure(data: Path, work: Path, files: int, derived: int) -> dict[str, Any]:
    audio = data / "audio"
    names = [
        path
        for path in sorted(audio.iterdir())
        if path.suffix != ".tsv" and not any(part in path.name for part in SAME + NO_MUSIC)
    ]
    alone = apart({path.name: mono(path) for path in names})
    sounds = {path.name: heard(path) for path in names if path.name in alone}
    sounds = {name: sound for name, sound in sounds.items() if len(sound) > 10 * RATE}
    kept = list(sounds)[::2]
    music, made_in, corpus = work / "music", work / "made", work / "corpus"
    for folder in (music, made_in, corpus):
        folder.mkdir()
    for name in kept:
        ffmpeg("-f", "s16le", "-ar", RATE, "-ac", 1, "-i", "-", "-metadata", f"title={name}",
               "-metadata", "artist=Benchmark", music / f"{name}.flac",
               data=sounds[name].tobytes())  # fmt: skip
    longplay("keep", music, "--archive", work / "archive")
    longplay("fingerprint", "update", "--archive", work / "archive")
    made = Maker(sounds, kept, made_in).all(files, derived)
    named = lay_out(made, corpus)
    ask = ("--self-test", 0, "--archive", work / "archive")
    decoded, heard_s = decoding(made)
    found, spent = longplay("audit", corpus, *ask)
    figures = judged(named, found)
    words = list(explained(named, found, figures, audio))
    print(*words, sep="\n", flush=True)
    whole = whole_tracks(names, work / "whole")
    whole_decoded, whole_s = decoding(whole)
    _, whole_spent = longplay("audit", work / "whole", *ask)
    return {
        "files": len(made),
        "kept": len(kept),
        "left out, since they share sound with another": len(names) - len(alone),
        "heard": found["files"],
        "unreadable": len(found["unreadable"]),
        **figures,
        "explained": words,
        "by metadata alone": by_metadata(named, work),
        "speed, wall and CPU": speed(spent, decoded, heard_s),
        "whole tracks, wall and CPU": speed(whole_spent, whole_decoded, whole_s),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--derived", type=int, default=500)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    work = Path(tempfile.mkdtemp(dir=asked.work))
    try:
        figures = measure(asked.data, work, asked.files, asked.derived)
    finally:
        shutil.rmtree(work)
    print(json.dumps(figures, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
