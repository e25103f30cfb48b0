"""From landmarks of a file to what it is: windows are asked, and what agrees becomes a passage.

A window is asked in two steps: few hashes of its most prominent landmarks find most of what is
there, and only where none of that is certain, many more are asked. What the votes of a shard point
at is judged by its landmarks.

A file is asked in overlapping windows. A window's best places are chained with those of the next
one where they lie on one straight line, so a weak place counts when its neighbours say the same.
What is claimed is never claimed twice for the same seconds: the strongest passage comes first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from longplay.audio.landmarks import FRAMES_PER_SECOND, Landmarks
from longplay.identify import hashing, voting
from longplay.identify.aligning import align
from longplay.identify.shard import UNIT, Shard
from longplay.model import ObjectKey

WINDOW = 430
"""Frames that are asked at once: 10 s."""

STRIDE = 215
"""Frames from one window to the next."""

STEPS = ((20, 6), (40, 10))
"""What is asked of a window, one after another: landmarks of up to that rank in their block, each
with two of so many followers."""

CERTAIN = 25.0
"""Evidence at which no more is asked: twice what a wrong place was ever seen to have."""

WEAK = 2.0
"""Evidence below which a place is not looked at any more."""

DRIFT = 4
"""Frames that two neighbouring windows may disagree by."""

MISSING = 3
"""Windows in a row that may say nothing within a passage."""

CLEAR = 0.9
"""Confidence from which something is claimed."""

MIDDLE, SPREAD = 9.0, 0.6
"""Evidence, beyond that needed to tell one of so many recordings, at which a claim is as likely
right as wrong, and how fast that changes. Set by hand between what known and unknown clips get, not
fitted; docs/identify.md."""

RESPEED_STRIDE = 6
"""Of windows that nothing is known of, each such one is also asked at other speeds and pitches."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How a recording was changed: the file runs `speed` times as fast, and sounds at `pitch` times
    its frequencies."""

    speed: float = 1.0
    pitch: float = 1.0


AS_IT_IS = Hearing()
SEMITONE = 2 ** (1 / 12)

OTHERWISE = (
    *(Hearing(1 + step / 100, 1 + step / 100) for at in range(1, 11) for step in (at, -at)),
    *(Hearing(1 + step / 100, 1.0) for at in (4, 7, 10) for step in (at, -at)),
    Hearing(1.0, SEMITONE),
    Hearing(1.0, 1 / SEMITONE),
)
"""Turntables and editors: both together by up to 10 %, tempo alone, one semitone up or down."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of the file, in seconds, that is a stretch of an object, which begins there at
    `offset_s`. `score` is the evidence."""

    object: ObjectKey
    start_s: float
    end_s: float
    offset_s: float
    score: float
    confidence: float
    hearing: Hearing = AS_IT_IS


@dataclass(frozen=True, slots=True)
class Step:
    """What one window says: at file frame `at`, frame `there` of object `number` of a shard."""

    window: int
    shard: int
    number: int
    at: int
    there: float
    evidence: float
    first: int
    last: int


def confidence(evidence: float, objects: int) -> float:
    """How likely a claim is right for which there is so much evidence, among so many objects."""
    excess = evidence - math.log10(max(1, objects)) - MIDDLE
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, excess / SPREAD))))


def identify(shards: Sequence[Shard], found: Landmarks, frames: int) -> list[Passage]:
    """The passages of a file of so many frames that are in the index, in order of time."""
    windows = _windows(found, frames)
    passages = _asked(shards, found, windows, AS_IT_IS)
    silent = [one for one in windows if not _covered(one, passages)]
    # The middle window of each run of silent ones stands for its neighbours.
    for window in silent[len(silent) // 2 % RESPEED_STRIDE :: RESPEED_STRIDE]:
        if _covered(window, passages):
            continue
        heard = [_asked(shards, found, [window], one) for one in OTHERWISE]
        best = max((one[0] for one in heard if one), key=lambda one: one.score, default=None)
        if best is not None:
            passages += _asked(shards, found, windows, best.hearing)
    return _chosen(passages)


def _windows(found: Landmarks, frames: int) -> list[tuple[int, int]]:
    """(first, end) frames of what is asked at once."""
    if frames <= WINDOW + STRIDE // 2:
        return [(0, frames)] if len(found.frame) else []
    starts = range(0, max(1, frames - STRIDE // 2), STRIDE)
    return [(start, min(frames, start + WINDOW)) for start in starts]


def _covered(window: tuple[int, int], passages: Iterable[Passage]) -> bool:
    middle = (window[0] + window[1]) / 2 / FRAMES_PER_SECOND
    return any(one.start_s <= middle <= one.end_s for one in passages)


def _asked(
    shards: Sequence[Shard],
    found: Landmarks,
    windows: Sequence[tuple[int, int]],
    hearing: Hearing,
) -> list[Passage]:
    """What the windows say together, the file being heard in that way."""
    steps: list[Step] = []
    for at, (first, end) in enumerate(windows):
        low, high = np.searchsorted(found.frame, (first, end))
        heard = Landmarks(
            np.round((found.frame[low:high] - first) * hearing.speed).astype(np.int32),
            (found.bin[low:high] / hearing.pitch).astype(np.float32),
            found.rank[low:high],
        )
        steps += [
            replace(one, window=at, at=first,
                    first=first + round(one.first / hearing.speed),
                    last=first + round(one.last / hearing.speed))
            for one in ask(shards, heard)
        ]  # fmt: skip
    chains = _chained(steps, hearing)
    passages = [_passage(shards, chain, hearing) for chain in chains]
    return [one for one in passages if one.confidence >= CLEAR]


def ask(shards: Sequence[Shard], heard: Landmarks) -> list[Step]:
    """What is likely to be what was heard, as it is: the strongest first."""
    steps: list[Step] = []
    if not len(heard.frame):
        return steps
    for rank, fan in STEPS:
        asked = heard.rank < rank
        hashes, times = hashing.triples(heard.frame[asked], heard.bin[asked], fan, fan)
        steps = []
        for number, shard in enumerate(shards):
            for place in voting.ask(shard, hashes, times)[0].tolist():
                steps += _judged(shard, number, place, heard)
        steps.sort(key=lambda one: -one.evidence)
        if steps and steps[0].evidence >= CERTAIN:
            break
    return steps


def _judged(shard: Shard, number: int, place: int, heard: Landmarks) -> list[Step]:
    owner = shard.object_at(place + int(heard.frame[-1]) // UNIT // 2)
    there = (place - int(shard.starts[owner])) * UNIT
    found = align(heard.frame, heard.bin, shard.marks_of(owner), there)
    if found.evidence < WEAK:
        return []
    return [Step(0, number, owner, 0, found.there, found.evidence, found.first, found.last)]


def _chained(steps: Iterable[Step], hearing: Hearing) -> list[list[Step]]:
    """Steps of neighbouring windows that lie on one line, as chains."""
    open_: dict[tuple[int, int], list[list[Step]]] = {}
    done: list[list[Step]] = []
    for step in steps:  # in order of windows
        mine = open_.setdefault((step.shard, step.number), [])
        for chain in mine:
            last = chain[-1]
            gone = step.window - last.window
            expected = last.there + (step.at - last.at) * hearing.speed
            if 0 < gone <= MISSING and abs(step.there - expected) <= DRIFT * gone:
                chain.append(step)
                break
        else:
            fresh = [step]
            mine.append(fresh)
            done.append(fresh)
    return done


def _weight(chain: Sequence[Step]) -> float:
    """The evidence of a chain. Windows overlap by half, so each counts half but the strongest."""
    found = sorted((one.evidence for one in chain), reverse=True)
    return found[0] + sum(found[1:]) / 2


def _passage(shards: Sequence[Shard], chain: Sequence[Step], hearing: Hearing) -> Passage:
    first = min(one.first for one in chain)
    last = max(one.last for one in chain)
    start = chain[0]
    there = start.there + (first - start.at) * hearing.speed
    score = _weight(chain)
    return Passage(
        object=shards[start.shard].key(start.number),
        start_s=round(first / FRAMES_PER_SECOND, 2),
        end_s=round(last / FRAMES_PER_SECOND, 2),
        offset_s=round(max(0.0, there) / FRAMES_PER_SECOND, 2),
        score=round(score, 1),
        confidence=round(confidence(score, sum(map(len, shards))), 4),
        hearing=hearing,
    )


def _chosen(passages: Sequence[Passage]) -> list[Passage]:
    """The strongest passages, none of which lies mostly in the seconds of a stronger one."""
    chosen: list[Passage] = []
    for one in sorted(passages, key=lambda one: -one.score):
        length = max(one.end_s - one.start_s, 1e-6)
        taken = sum(
            max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))
            for other in chosen
        )
        if taken < length / 2:
            chosen.append(one)
    return sorted(chosen, key=lambda one: one.start_s)
