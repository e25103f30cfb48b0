"""How well recordings are recognised, among how many, how fast, in how many bytes.

    python -m benchmarks.identify DATA [--recordings 20000] [--clips 2] [--lengths 3 5 10 30]
        [--only-known] [--work DIR] [--json FILE]

Real recordings of DATA/audio, each once and none that shares sound with another
(`benchmarks.sharing`), half of them indexed; clips of all of them are changed in the ways below and
asked for: those of the other half must find nothing. Around them lie synthetic
recordings: stretches of 10 s of the real ones' landmarks, which run backwards, a little faster or
slower, a little higher or lower, so that hashes are as frequent and as bunched as in music, beats
and chords are those of music, and nothing is what it was. Found means:
the right recording is claimed; intervals are bootstraps over recordings. What was missed is told
by recordings, with how many of their landmarks are left. Chromaprint's
fingerprint, compared at every offset of every recording (as AcoustID compares whole tracks),
stands beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numba
import numpy as np
import scipy.io.wavfile
import scipy.signal
from numpy.typing import NDArray

from benchmarks.centre import parted
from benchmarks.data import DATA
from benchmarks.misses import Left, left
from benchmarks.sharing import apart
from longplay.audio import landmarks
from longplay.audio.decode import decode, decoder_name
from longplay.audio.fingerprint import dense_fingerprint, fingerprint
from longplay.audio.landmarks import sparse
from longplay.audio.resample import FINGERPRINT_RATE as RATE
from longplay.identify import hashing, matching, shard
from longplay.identify.confirming import Items
from longplay.identify.prints import ITEM_SECONDS
from longplay.identify.shard import Printed, Shard
from longplay.model import ObjectKey
from longplay.settings import Limits

SAME = (".hq.", "Remix).m4a", "Remix).spx", "Remix).opus", "castle2")
"""Further encodings of recordings that are there already."""
NO_MUSIC = ("librosa__198", "librosa__3436", "librosa__5703", "gs-16b", "flactest", "humpback")
SPEECH = ("librosa__198-209-0000.ogg", "librosa__3436-172162-0000.ogg")

PROGRAMS = {
    "MP3 64 kbit/s": ("mp3", ["-c:a", "libmp3lame", "-b:a", "64k"]),
    "Opus 32 kbit/s": ("opus", ["-c:a", "libopus", "-b:a", "32k"]),
    "telephone band": ("wav", ["-ar", "8000", "-c:a", "pcm_mulaw"]),
    "compressed": ("wav", ["-af", "acompressor=threshold=0.05:ratio=8:makeup=4"]),
    **{
        f"{step:+} % speed": (
            "wav",
            ["-af", f"asetrate={11025 + step * 110.25:.0f},aresample=11025"],
        )
        for step in (1, -1, 2, -2, 5, -5, 10, -10)
    },
    "+10 % tempo": ("wav", ["-af", "atempo=1.1"]),
    "-10 % tempo": ("wav", ["-af", "atempo=0.9"]),
    "+1 semitone": ("wav", ["-af", "rubberband=pitch=1.0594631"]),
    "-1 semitone": ("wav", ["-af", "rubberband=pitch=0.9438743"]),
}
HEARD_AS = {
    **{f"{step:+} % speed": (1 + step / 100,) * 2 for step in (1, -1, 2, -2, 5, -5, 10, -10)},
    "+10 % tempo": (1.1, 1.0),
    "-10 % tempo": (0.9, 1.0),
    "+1 semitone": (1.0, 1.0594631),
    "-1 semitone": (1.0, 0.9438743),
}
"""Speed and pitch of those that are not played as they are."""

LENGTHS = (3, 5, 10, 30)
SECONDS = 10
"""Of a clip that every recording is long enough for."""

TAIL = 1.5
"""Seconds that clips of that length are longer, for those that are played faster."""

BACKWARDS = 8
"""Ways in which each real recording is changed for the fingerprints of made ones."""

OTHER_BITS = 4
"""Bits of 32 that are changed in a stretch of a fingerprint."""

Sound = NDArray[np.int16]


def heard(path: Path) -> Sound:
    """A file as mono 11,025 Hz."""
    parts: list[Sound] = []
    with path.open("rb") as source:
        decode(source, path.stat().st_size, Limits(), lambda one: parts.append(one.mono))
    return np.concatenate(parts)


def printed(name: str, sound: Sound) -> Printed:
    found = sparse(landmarks.landmarks(sound))
    key = ObjectKey(hashlib.sha256(name.encode()).digest(), len(sound))
    frames = len(sound) // landmarks.HOP
    return Printed(key, frames, found.frame, found.bin, fingerprint(sound))


def backwards(sounds: Iterable[Sound], rng: np.random.Generator) -> list[Items]:
    """Fingerprints of real recordings that run backwards and up to 8 % faster or slower, in
    stretches of 10 s: of what distractors are made, beside their landmarks."""
    stretch = round(10 / ITEM_SECONDS)
    pool = []
    for sound in sounds:
        for _ in range(BACKWARDS):
            moved = np.arange(0, len(sound) - 1, rng.uniform(0.92, 1.08))
            turned = np.interp(moved, np.arange(len(sound)), sound[::-1]).astype(np.int16)
            items = fingerprint(turned)
            ends = range(stretch, len(items) + 1, stretch // 2)
            pool += [items[end - stretch : end] for end in ends]
    return pool


def distractors(
    real: list[Printed], numbers: range, rng: np.random.Generator, prints: Sequence[Items] = ()
) -> list[Printed]:
    """Synthetic recordings of 4 minutes: stretches of 10 s of real landmarks, which run backwards,
    a little faster or slower, a few bins higher or lower; and of `prints`, those of `backwards`, of
    each of which a few bits are other ones throughout, so that none is there twice."""
    stretch = round(10 * landmarks.FRAMES_PER_SECOND)
    pool = []
    for one in real:
        for at in range(0, one.frames - stretch, stretch // 2):
            low, high = np.searchsorted(one.frame, (at, at + stretch))
            pool.append((at + stretch - 1 - one.frame[low:high][::-1], one.bin[low:high][::-1]))
    made = []
    for number in numbers:
        frames, bins, items = [], [], [np.empty(0, np.uint32)]
        begin = 0
        for at in rng.integers(0, len(pool), 24):
            frame, place = pool[at]
            speed = rng.uniform(0.92, 1.08)
            moved = place + rng.uniform(-8, 8)
            kept = (moved >= landmarks.LOWEST) & (moved < landmarks.BINS - 1)
            frames.append(np.round(frame[kept] / speed).astype(np.int32) + begin)
            bins.append(moved[kept].astype(np.float32))
            begin += int(stretch / speed)
            if prints:
                bits = np.uint32(1) << rng.choice(32, OTHER_BITS, replace=False).astype(np.uint32)
                items.append(prints[rng.integers(len(prints))] ^ np.bitwise_or.reduce(bits))
        key = ObjectKey(hashlib.sha256(f"made {number}".encode()).digest(), number)
        made.append(Printed(key, begin, *(np.concatenate(one) for one in (frames, bins, items))))
    return made


def changed(
    clip: Sound,
    speech: list[Sound],
    rng: np.random.Generator,
    folder: Path,
    programs: Mapping[str, tuple[str, list[str]]] = PROGRAMS,
) -> dict[str, Sound]:
    """A clip in all conditions, or of those that programs make, in some."""
    sound = clip.astype(np.float64)
    level = sound.std()
    found = {"as it is": clip}
    spectrum = np.fft.rfft(rng.standard_normal(len(sound)))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 20)), len(sound))
    pink /= pink.std()
    for decibel in (10, 0):
        found[f"noise {decibel} dB"] = words(sound + pink * level * 10 ** (-decibel / 20))
    for name, seconds, direct in (("a room, 0.5 s", 0.5, 1.0), ("far off in a hall", 0.8, 0.16)):
        fading = np.exp(-6.9 * np.arange(int(seconds * RATE)) / (seconds * RATE))
        room = rng.standard_normal(len(fading)) * fading
        room[0] = direct * np.sqrt(np.square(room).sum())
        wet = scipy.signal.fftconvolve(sound, room)[: len(sound)]
        found[name] = words(wet * level / wet.std())
    talk = np.resize(speech[int(rng.integers(len(speech)))], len(sound)).astype(np.float64)
    found["10 dB under speech"] = words(talk + sound * talk.std() / level * 10 ** (-10 / 20))
    source = folder / "clip.wav"
    scipy.io.wavfile.write(source, RATE, clip)
    for name, (suffix, options) in programs.items():
        out = folder / f"changed.{suffix}"
        command = ["ffmpeg", "-v", "error", "-y", "-i", source, *options, out]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        found[name] = heard(out)
    return found


def words(sound: NDArray[np.float64]) -> Sound:
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)


@numba.njit(cache=True, nogil=True)
def closest(clip: NDArray[np.uint32], whole: NDArray[np.uint32]) -> float:
    """The least share of differing bits of a fingerprint against another, at every offset."""
    best = 1.0
    for at in range(max(1, len(whole) - len(clip) + 1)):
        wrong = 0
        count = min(len(clip), len(whole) - at)
        for one in range(count):
            value = clip[one] ^ whole[at + one]
            while value:
                value &= value - np.uint32(1)
                wrong += 1
        best = min(best, wrong / (32 * max(count, 1)))
    return best


def interval(by_recording: dict[str, list[bool]], rng: np.random.Generator) -> tuple[float, ...]:
    """The share, and its 95 % interval by recordings."""
    rows = [np.mean(one) for one in by_recording.values()]
    draws = rng.choice(rows, (2000, len(rows))).mean(axis=1)
    return float(np.mean(rows)), *np.percentile(draws, (2.5, 97.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--recordings", type=int, default=20_000)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, metavar="SECONDS")
    parser.add_argument("--only-known", action="store_true", help="ask of nothing else")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    work = Path(tempfile.mkdtemp(dir=asked.work))
    try:
        figures = measure(asked, work, np.random.default_rng(7))
    finally:
        shutil.rmtree(work)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))


@dataclass
class World:
    """An index, the recordings of which half are in it, and what clips are changed with."""

    one: Shard
    sounds: dict[str, Sound]
    speech: list[Sound]
    parted: dict[str, dict[str, Sound]]
    prints: dict[str, Printed]
    lengths: tuple[int, ...]
    usable: list[str]
    known: set[str]
    calls: dict[ObjectKey, str]
    whole: dict[str, Any]
    work: Path
    rng: np.random.Generator


@dataclass(frozen=True)
class Question:
    """A clip of a recording from `start_s` on, changed and cut."""

    name: str
    start_s: float
    condition: str
    length: int
    sound: Sound


@dataclass(frozen=True)
class Miss:
    """A clip that was not claimed as its recording, though that may have come first."""

    asked: Question
    came_first: bool
    left: Left


@dataclass
class Tally:
    """What came of the questions: by condition and length, and by recording."""

    hits: dict[tuple[str, int], dict[str, list[bool]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    wrong: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    unknown: dict[int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    missed: list[Miss] = field(default_factory=list)
    chroma: dict[str, dict[str, list[bool]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    evidence: list[tuple[float, bool]] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)


def measure(asked: argparse.Namespace, work: Path, rng: np.random.Generator) -> dict[str, Any]:
    world, figures = made_world(asked, work, rng)
    seen = Tally()
    for name in sorted(world.known) if asked.only_known else world.usable:
        for _ in range(asked.clips):
            ask_of(world, name, seen)
    figures["found"] = found_of(seen, rng)
    figures["missed"] = missed_of(seen)
    print(*figures["missed"], sep="\n")
    for length, rows in seen.unknown.items():
        figures[f"false claims, {length} s"] = [sum(rows), len(rows)]
        print(f"unknown clips of {length} s: {sum(rows)} claimed of {len(rows)}")
    figures["identify_ms"] = [1000 * float(np.percentile(seen.spent, q)) for q in (50, 95)]
    figures["one_question_ms"] = question(world.one, world.sounds[world.usable[0]])
    figures["evidence"] = {
        "right": np.percentile([e for e, r in seen.evidence if r], (1, 5, 25, 50)).tolist(),
        "wrong": np.percentile([e for e, r in seen.evidence if not r], (50, 95, 99, 100)).tolist(),
    }
    print({key: figures[key] for key in ("identify_ms", "one_question_ms", "evidence")})
    figures["extract"] = extraction(world.sounds)
    print(figures["extract"])
    return figures


def made_world(
    asked: argparse.Namespace, work: Path, rng: np.random.Generator
) -> tuple[World, dict[str, Any]]:
    audio = asked.data / "audio"
    names = [
        path.name
        for path in sorted(audio.iterdir())
        if path.suffix != ".tsv" and not any(part in path.name for part in SAME + NO_MUSIC)
    ]
    sounds = {name: heard(audio / name) for name in names}
    usable = [name for name in names if len(sounds[name]) > (SECONDS + TAIL + 1) * RATE]
    sounds = apart(sounds, first=usable[::2])
    names = list(sounds)
    usable, known = [one for one in usable if one in sounds], set(usable[::2]) & sounds.keys()
    parted_ = {name: parted(audio / name) for name in usable}
    prints = {name: printed(name, sounds[name]) for name in names}
    pool = backwards(sounds.values(), rng)
    started = time.perf_counter()
    made = distractors(list(prints.values()), range(asked.recordings), rng, pool)
    written = shard.write(work, [*(prints[name] for name in known), *made], decoder_name())
    one = Shard(work / written.name)
    figures: dict[str, Any] = {
        "decoder": one.decoder,
        "known": len(known),
        "unknown": len(usable) - len(known),
        "recordings": len(one),
        "postings": written.postings,
        "bytes_per_recording": written.bytes / len(one),
        "build_s": time.perf_counter() - started,
    }
    print(figures, flush=True)
    figures["histograms"] = histograms(list(prints.values()), made)
    print("histogram of hashes, real and made (top counts):", *figures["histograms"])
    speech = [heard(audio / name) for name in SPEECH]
    calls = {prints[name].key: name for name in known}
    whole = {name: fingerprint(sounds[name]) for name in known}
    world = World(one, sounds, speech, parted_, prints, tuple(asked.lengths), usable, known, calls,
                  whole, work, rng)  # fmt: skip
    return world, figures


def ask_of(world: World, name: str, seen: Tally) -> None:
    """A clip of a recording from anywhere, in every condition."""
    sound = world.sounds[name]
    seconds = max(world.lengths) * 1.1 + 1
    if len(sound) < (seconds + 1) * RATE:
        seconds = SECONDS + TAIL
    start = int(world.rng.integers(0, len(sound) - seconds * RATE))
    part = slice(start, start + int(seconds * RATE))
    clip = sound[part]
    if clip.std() < 30:
        return
    made = changed(clip, world.speech, world.rng, world.work)
    made |= {condition: other[part] for condition, other in world.parted[name].items()}
    for condition, other in made.items():
        for length in world.lengths:
            if len(other) >= length * RATE:
                cut = other[: length * RATE]
                ask(world, Question(name, start / RATE, condition, length, cut), seen)
        if name in world.known:
            code = fingerprint(other[: SECONDS * RATE])
            distance = {each: closest(code, code_of) for each, code_of in world.whole.items()}
            best = min(distance, key=lambda each: distance[each])
            seen.chroma[condition][name].append(best == name and distance[name] < 0.35)


def ask(world: World, asked: Question, seen: Tally) -> None:
    name, part, how = asked.name, asked.sound, (asked.condition, asked.length)
    found = landmarks.landmarks(part)
    items = dense_fingerprint(part)
    began = time.perf_counter()
    claims = matching.identify([world.one], found, len(part) // landmarks.HOP, items=items)
    seen.spent.append(time.perf_counter() - began)
    owners = [world.calls.get(claim.object) for claim in claims]
    best = [] if asked.condition in HEARD_AS else matching.ask([world.one], found, items=items)[:1]
    first = [world.calls.get(world.one.key(step.number)) for step in best]
    if name in world.known:
        seen.hits[how][name].append(name in owners)
        seen.wrong[how] += any(owner != name for owner in owners)
    else:
        seen.unknown[asked.length].append(bool(claims))
    if name in world.known and name not in owners:
        how_heard = HEARD_AS.get(asked.condition, (1.0, 1.0))
        what = left(world.prints[name], asked.start_s, part, *how_heard)
        seen.missed.append(Miss(asked, name in first, what))
    if asked.length == SECONDS:
        seen.evidence += [(step.evidence, owner == name)
                          for step, owner in zip(best, first, strict=True)]  # fmt: skip


def found_of(seen: Tally, rng: np.random.Generator) -> dict[str, Any]:
    """The share of clips that were found, with its interval, and Chromaprint's beside it."""
    figures = {}
    for (condition, length), rows in sorted(seen.hits.items()):
        share = interval(rows, rng)
        line = [f"{100 * value:5.1f}" for value in share]
        beside = interval(seen.chroma[condition], rng)[0] if length == SECONDS else None
        figures[f"{condition}, {length} s"] = [*share, beside]
        also = f"  Chromaprint {100 * beside:5.1f}" if beside is not None else ""
        print(f"{condition:20} {length:2} s  {line[0]} ({line[1]}-{line[2]})"
              f"  wrong {seen.wrong[condition, length]}{also}")  # fmt: skip
    return figures


def missed_of(seen: Tally) -> list[str]:
    """What was missed, by condition, length and recording: how many clips of how many, how many of
    them came first without being claimed, and what is left of each on average."""
    groups: dict[tuple[str, int, str], list[Miss]] = defaultdict(list)
    for miss in seen.missed:
        groups[miss.asked.condition, miss.asked.length, miss.asked.name].append(miss)
    lines = []
    for (condition, length, name), misses in sorted(groups.items()):
        of = len(seen.hits[condition, length][name])
        first = sum(miss.came_first for miss in misses)
        mean = Left(*np.mean([astuple(miss.left) for miss in misses], axis=0).tolist())
        missed = f"missed {condition}, {length} s: {len(misses)} of {of} of {name}"
        lines.append(f"{missed} ({first} came first): {mean}")
    return lines


def histograms(real: list[Printed], made: list[Printed]) -> tuple[list[float], list[float]]:
    """Shares of the postings that the 1, 10, 100, 1,000, 10,000 most frequent hashes have, in real
    recordings and in as many hashes of made ones."""

    def hashes(some: list[Printed]) -> NDArray[np.uint32]:
        ways = (hashing.FAN_INDEXED, hashing.FIRSTS_INDEXED, False)
        found = [hashing.triples(each.frame, each.bin, *ways)[0] for each in some]
        return np.concatenate([np.empty(0, np.uint32), *found])

    def shares(some: NDArray[np.uint32]) -> list[float]:
        counts = np.sort(np.unique(some, return_counts=True)[1])[::-1]
        return [round(float(counts[:n].sum() / counts.sum()), 4) for n in (1, 10, 100, 1000, 10000)]

    of_real = hashes(real)
    return shares(of_real), shares(hashes(made[: 2 * len(real)])[: len(of_real)])


def question(one: Shard, sound: Sound) -> float:
    """Milliseconds that one clip of 10 s takes against the shard, once its pages are in memory."""
    found = landmarks.landmarks(sound[: 10 * RATE])
    items = dense_fingerprint(sound[: 10 * RATE])
    spent = []
    for _ in range(9):
        began = time.perf_counter()
        matching.ask([one], found, items=items)
        spent.append(time.perf_counter() - began)
    return 1000 * float(np.median(spent))


def extraction(sounds: dict[str, Sound]) -> dict[str, float]:
    """How many times faster than real time landmarks are made, one process."""
    began = time.process_time()
    for sound in sounds.values():
        landmarks.landmarks(sound)
    spent = time.process_time() - began
    return {"landmarks_times_real_time": sum(map(len, sounds.values())) / RATE / spent}


if __name__ == "__main__":
    main()
