"""From landmarks of a file to what it is: windows are asked, and what agrees becomes a passage.

A file is asked in overlapping windows. A window's best places are chained with those of the next
one where they lie on one straight line, so a weak place counts when its neighbours say the same.
What is claimed is never claimed twice for the same seconds: the strongest passage comes first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from longplay.identify import landmarks, voting
from longplay.identify.landmarks import FAN_ASKED, FRAMES_PER_SECOND, Landmarks
from longplay.identify.shard import Shard
from longplay.model import ObjectKey

WINDOW = 430
"""Frames that are asked at once: 10 s."""

STRIDE = 215
"""Frames from one window to the next."""

DRIFT = 4
"""Frames that two neighbouring windows may disagree by."""

MISSING = 3
"""Windows in a row that may say nothing within a passage."""

CLEAR = 0.9
"""Confidence from which something is claimed."""

MIDDLE, SPREAD = 6.0, 1.2
"""Excess of hashes over chance at which a claim is as likely right as wrong, and how fast that
changes. Set by hand between known and unknown clips, not fitted; docs/identify.md."""

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
    `offset_s`. `score` counts the hashes beyond chance that say so."""

    object: ObjectKey
    start_s: float
    end_s: float
    offset_s: float
    score: float
    confidence: float
    hearing: Hearing = AS_IT_IS


@dataclass(frozen=True, slots=True)
class _Step:
    """What one window says: at file frame `at`, frame `there` of object `number` of a shard."""

    window: int
    shard: int
    number: int
    at: int
    there: float
    excess: float
    first: int
    last: int


def confidence(excess: float) -> float:
    """How likely a claim is right, of which so many hashes speak beyond what chance would give."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, (excess - MIDDLE) / SPREAD))))


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
    steps: list[_Step] = []
    for at, (first, end) in enumerate(windows):
        low, high = np.searchsorted(found.frame, (first, end))
        frame = np.round((found.frame[low:high] - first) * hearing.speed).astype(np.int32)
        place = (found.bin[low:high] / hearing.pitch).astype(np.float32)
        hashes, times = landmarks.pairs(frame, place, FAN_ASKED)
        for number, shard in enumerate(shards):
            for one in voting.ask(shard, hashes, times):
                owner = shard.object_at(one.place + (one.first + one.last) // 2)
                there = float(one.place - int(shard.starts[owner]))
                span = (
                    first + round(one.first / hearing.speed),
                    first + round(one.last / hearing.speed),
                )
                excess = one.score - one.chance
                steps.append(_Step(at, number, owner, first, there, excess, *span))
    chains = _chained(steps, hearing)
    return [_passage(shards, chain, hearing) for chain in chains if _claims(chain)]


def _chained(steps: Iterable[_Step], hearing: Hearing) -> list[list[_Step]]:
    """Steps of neighbouring windows that lie on one line, as chains."""
    open_: dict[tuple[int, int], list[list[_Step]]] = {}
    done: list[list[_Step]] = []
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


def _weight(chain: Sequence[_Step]) -> float:
    """The hashes beyond chance of a chain. Windows overlap by half, so each counts half but the
    strongest; one that has fewer than chance would give says nothing."""
    excesses = sorted((max(0.0, one.excess + 1) for one in chain), reverse=True)
    return excesses[0] - 1 + sum(excesses[1:]) / 2


def _claims(chain: Sequence[_Step]) -> bool:
    return confidence(_weight(chain)) >= CLEAR


def _passage(shards: Sequence[Shard], chain: Sequence[_Step], hearing: Hearing) -> Passage:
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
        confidence=round(confidence(score), 4),
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
