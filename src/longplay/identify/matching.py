"""From landmarks of a file to what it is: windows are asked, and what agrees becomes a passage.

A window is asked in two steps: few hashes of its most prominent landmarks find most of what is
there, and only where none of that is certain, many more are asked. What the votes of a shard point
at is judged by its landmarks.

A file is asked in overlapping windows. A window's best places are chained with those of the next
one where they lie on one straight line, so a weak place counts when its neighbours say the same.
What is claimed is never claimed twice for the same seconds: the strongest passage comes first.

A corpus is asked quickly: a glance at every second of its files with few hashes, and everything
else only around what a glance sees, and at a window now and then.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from longplay.audio.fingerprint import DENSE
from longplay.audio.landmarks import FRAMES_PER_SECOND, Landmarks
from longplay.identify import confirming, hashing, voting
from longplay.identify.aligning import align
from longplay.identify.confirming import Items
from longplay.identify.shard import UNIT, Shard
from longplay.model import ObjectKey

NO_ITEMS: Items = np.empty(0, np.uint32)

WINDOW = 430
"""Frames that are asked at once: 10 s."""

STRIDE = 215
"""Frames from one window to the next."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked of a window at once: landmarks of up to that rank in their block, each with two
    of `fan` followers; and of a shard: so many bytes of postings (1 MiB are 300,000 of them), and
    the places with most votes that are judged. A `blurred` question allows for landmarks that moved
    by a frame; of the many places that it gets votes for, those are judged that are likest by their
    fingerprints, out of `glimpsed`."""

    rank: int
    fan: int
    candidates: int = 48
    most_bytes: int = 2**20
    blurred: bool = False
    glimpsed: int = 0


STEPS = (Asking(20, 6), Asking(40, 10))
"""What is asked of a window in full, one after another."""

BLURRED = Asking(40, 10, most_bytes=2**21, blurred=True, glimpsed=4000)
"""What is asked instead of the last step of a question that has a fingerprint."""

GLANCE = (Asking(14, 4, candidates=8, most_bytes=2**15),)
"""What is asked at a glance: a twentieth of those hashes, which find what is not much changed."""

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

HINT = 12.0
"""Evidence, of a window or a chain of them, at which the windows around are asked in full: a
hundredth of what is unknown has more by chance."""

AROUND = 2
"""Windows on each side of a hint that are asked in full: from them on, the next hint."""

FEW = 4
"""Windows of a short file, which are all asked in full."""

SHORT_S = 25.0
"""Seconds of a file beyond which quick asking makes no use of its fingerprint."""

PROBE_STRIDE = 12
"""Of windows that a glance says nothing of, each such one, one a minute, is asked in full, and at a
glance at other speeds and pitches."""


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
class Question:
    """What is asked: landmarks, and the items of a fingerprint, which may be missing; `among` how
    many objects it is one of, also where only some of their shards are asked."""

    found: Landmarks
    items: Items
    among: int


Window = tuple[int, int, int]
"""Its number, its first frame, the frame before which it ends."""


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


Said = dict[int, list[Step]]
"""What windows say, by their number and in that order."""


def confidence(evidence: float, objects: int) -> float:
    """How likely a claim is right for which there is so much evidence, among so many objects."""
    excess = evidence - math.log10(max(1, objects)) - MIDDLE
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, excess / SPREAD))))


def identify(
    shards: Sequence[Shard],
    found: Landmarks,
    frames: int,
    *,
    items: Items = NO_ITEMS,
    quick: bool = False,
    among: int | None = None,
) -> list[Passage]:
    """The passages of a file of so many frames that are in the index, in order of time. Its
    fingerprint, `items` as `dense_fingerprint` gives them, finds what landmarks do not in noise and
    reverberation. `quick` is many times faster and misses some of what was changed much:
    docs/identify.md. Where the shards are a part of the index, all of it has `among` objects."""
    question = Question(found, items, sum(map(len, shards)) if among is None else among)
    windows = _windows(found, frames)
    look, stride, steps = (_look_over, PROBE_STRIDE, GLANCE) if quick else (
        _look_closely, RESPEED_STRIDE, STEPS)  # fmt: skip
    passages = _passages(shards, question, look(shards, question, windows, AS_IT_IS), AS_IT_IS)
    silent = [one for one in windows if not _covered(one, passages)]
    # The middle window of each run of silent ones stands for its neighbours.
    for window in silent[len(silent) // 2 % stride :: stride]:
        if _covered(window, passages):
            continue
        hearing = _otherwise(shards, question, window, steps)
        if hearing is not None:
            said = look(shards, question, windows, hearing)
            passages += _passages(shards, question, said, hearing)
    return chosen(passages)


def _windows(found: Landmarks, frames: int) -> list[Window]:
    """What is asked at once."""
    if frames <= WINDOW + STRIDE // 2:
        return [(0, 0, frames)] if len(found.frame) else []
    starts = range(0, max(1, frames - STRIDE // 2), STRIDE)
    return [(at, start, min(frames, start + WINDOW)) for at, start in enumerate(starts)]


def _covered(window: Window, passages: Iterable[Passage]) -> bool:
    middle = (window[1] + window[2]) / 2 / FRAMES_PER_SECOND
    return any(one.start_s <= middle <= one.end_s for one in passages)


def _otherwise(
    shards: Sequence[Shard], question: Question, window: Window, steps: Sequence[Asking]
) -> Hearing | None:
    """The speed and pitch at which a window is most likely known; None where it is at none."""
    heard = [
        (one.evidence, at)
        for at, hearing in enumerate(OTHERWISE)
        for one in _asked(shards, question, window, hearing, steps)[:1]
    ]
    evidence, best = max(heard, default=(0.0, 0))
    known = confidence(evidence, question.among) >= CLEAR
    return OTHERWISE[best] if known else None


def _look_closely(
    shards: Sequence[Shard], question: Question, windows: Sequence[Window], hearing: Hearing
) -> Said:
    """What every window says, asked in full."""
    return {
        at: _asked(shards, question, window, hearing, STEPS) for at, window in enumerate(windows)
    }


def _look_over(
    shards: Sequence[Shard], question: Question, windows: Sequence[Window], hearing: Hearing
) -> Said:
    """What the windows say: every second one, which together are the whole file, at a glance; in
    full those near what a glance sees and is not certain of, and one now and then."""
    if len(windows) <= FEW:
        return _look_closely(shards, question, windows, hearing)
    glances = range(0, len(windows), 2)
    said = {at: _asked(shards, question, windows[at], hearing, GLANCE) for at in glances}
    clear = {at: steps[0] for at, steps in said.items() if steps and steps[0].evidence >= CERTAIN}
    waiting = _near(_hinted(said, hearing))
    if hearing == AS_IT_IS:
        silent = [at for at in said if at not in waiting]
        waiting += silent[len(silent) // 2 % (PROBE_STRIDE // 2) :: PROBE_STRIDE // 2]
    full: Said = {}
    while waiting:
        at = waiting.pop()
        before, after = clear.get(at - 1), clear.get(at + 1)
        between = before and after and _in_line(before, after, hearing)
        if at in full or at in clear or between or not 0 <= at < len(windows):
            continue
        full[at] = _asked(shards, question, windows[at], hearing, STEPS)
        if full[at] and full[at][0].evidence >= HINT:
            waiting += _near([at])
    return dict(sorted((said | full).items()))


def _hinted(said: Said, hearing: Hearing) -> list[int]:
    """The windows that are in a chain with evidence enough to look closer."""
    chains = _chained(said, hearing)
    return sorted({one.window for line in chains if _weight(line) >= HINT for one in line})


def _near(windows: Iterable[int]) -> list[int]:
    return [near for at in windows for near in range(at - AROUND, at + AROUND + 1)]


def _asked(
    shards: Sequence[Shard],
    question: Question,
    window: Window,
    hearing: Hearing,
    steps: Sequence[Asking],
) -> list[Step]:
    """What a window says, the file being heard in that way; the strongest first."""
    number, first, end = window
    found = question.found
    low, high = np.searchsorted(found.frame, (first, end))
    heard = Landmarks(
        np.round((found.frame[low:high] - first) * hearing.speed).astype(np.int32),
        (found.bin[low:high] / hearing.pitch).astype(np.float32),
        found.rank[low:high],
    )
    items = NO_ITEMS
    if hearing == AS_IT_IS and steps is STEPS:
        items = confirming.within(question.items, first, end)
    return [
        replace(one, window=number, at=first,
                first=first + round(one.first / hearing.speed),
                last=first + round(one.last / hearing.speed))
        for one in ask(shards, heard, steps, items)
    ]  # fmt: skip


def _passages(
    shards: Sequence[Shard], question: Question, said: Said, hearing: Hearing
) -> list[Passage]:
    """What is claimed by what the windows say together."""
    lines = _chained(said, hearing)
    passages = [_passage(shards, line, hearing, question.among) for line in lines]
    return [one for one in passages if one.confidence >= CLEAR]


def ask(
    shards: Sequence[Shard],
    heard: Landmarks,
    steps: Sequence[Asking] = STEPS,
    items: Items = NO_ITEMS,
) -> list[Step]:
    """What is likely to be what was heard, as it is: the strongest first."""
    found: list[Step] = []
    if not len(heard.frame):
        return found
    for step in (*steps[:-1], BLURRED) if len(items) else steps:
        found = []
        hashes, times = _hashes(heard, step, items)
        for number, shard in enumerate(shards):
            for place in _places(shard, hashes, times, step, heard, items):
                found += _judged(shard, number, place, heard, items)
        found.sort(key=lambda one: -one.evidence)
        if found and found[0].evidence >= CERTAIN:
            break
    return found


def _hashes(
    heard: Landmarks, step: Asking, items: Items
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """What a shard is asked for, and at which frames that begins."""
    asked = heard.rank < step.rank
    frame, place = heard.frame[asked], heard.bin[asked]
    hashes, times = hashing.triples(frame, place, step.fan, step.fan, step.blurred)
    more, at = confirming.hashed(items, DENSE)
    return np.concatenate([hashes, more]), np.concatenate([times, at])


def _places(
    shard: Shard,
    hashes: NDArray[np.uint32],
    times: NDArray[np.int32],
    step: Asking,
    heard: Landmarks,
    items: Items,
) -> list[int]:
    """The places of a shard that are judged."""
    most = step.glimpsed or step.candidates
    places = voting.ask(shard, hashes, times, most, step.most_bytes)
    if step.glimpsed:
        owners = np.array([_owner(shard, place, heard) for place in places.tolist()], np.int64)
        there = (places - shard.starts[owners]) * UNIT
        likest = confirming.likeliest(
            items, shard.prints, shard.print_starts, owners, there, step.candidates
        )
        places = places[likest]
    return list(places.tolist())


def _owner(shard: Shard, place: int, heard: Landmarks) -> int:
    return shard.object_at(place + int(heard.frame[-1]) // UNIT // 2)


def _judged(shard: Shard, number: int, place: int, heard: Landmarks, items: Items) -> list[Step]:
    owner = _owner(shard, place, heard)
    there = (place - int(shard.starts[owner])) * UNIT
    found = align(heard.frame, heard.bin, shard.marks_of(owner), there)
    if found.evidence < WEAK:
        return []
    evidence = found.evidence
    if len(items):
        evidence += confirming.confirm(items, shard.print_of(owner), shard.runs, found.there)
    return [Step(0, number, owner, 0, found.there, evidence, found.first, found.last)]


def _chained(said: Said, hearing: Hearing) -> list[list[Step]]:
    """Steps of neighbouring windows, which come in their order, that lie on one line, as chains."""
    open_: dict[tuple[int, int], list[list[Step]]] = {}
    done: list[list[Step]] = []
    for step in itertools.chain.from_iterable(said.values()):
        mine = open_.setdefault((step.shard, step.number), [])
        for chain in mine:
            if _in_line(chain[-1], step, hearing):
                chain.append(step)
                break
        else:
            fresh = [step]
            mine.append(fresh)
            done.append(fresh)
    return done


def _in_line(one: Step, other: Step, hearing: Hearing) -> bool:
    """Whether a window goes on, a little later, with what another says."""
    gone = other.window - one.window
    expected = one.there + (other.at - one.at) * hearing.speed
    near = 0 < gone <= MISSING and abs(other.there - expected) <= DRIFT * gone
    return near and (one.shard, one.number) == (other.shard, other.number)


def _weight(chain: Sequence[Step]) -> float:
    """The evidence of a chain. Windows overlap: each counts by the share of its frames that no
    stronger one has, so that no second counts twice."""
    start = min(one.first for one in chain)
    counted = np.zeros(max(one.last for one in chain) + 1 - start, np.bool_)
    total = 0.0
    for one in sorted(chain, key=lambda one: -one.evidence):
        mine = counted[one.first - start : one.last + 1 - start]
        total += one.evidence * np.count_nonzero(~mine) / len(mine)
        mine[:] = True
    return total


def _passage(
    shards: Sequence[Shard], chain: Sequence[Step], hearing: Hearing, among: int
) -> Passage:
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
        confidence=round(confidence(score, among), 4),
        hearing=hearing,
    )


def chosen(passages: Sequence[Passage]) -> list[Passage]:
    """The strongest passages, none of which lies mostly in the seconds of a stronger one."""
    found: list[Passage] = []
    for one in sorted(passages, key=lambda one: -one.score):
        length = max(one.end_s - one.start_s, 1e-6)
        taken = sum(
            max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))
            for other in found
        )
        if taken < length / 2:
            found.append(one)
    return sorted(found, key=lambda one: one.start_s)
