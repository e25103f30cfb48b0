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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

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


@dataclass(frozen=True, slots=True)
class Clip:
    """What shards are asked about at once, and how: landmarks of a window as it is heard, and the
    items of its fingerprint, which may be missing."""

    heard: Landmarks
    items: Items
    asking: Asking


Answers = Callable[[Sequence[Clip]], list[list[Step]]]
"""What all shards of an index say of clips, as `answers` tells it: wherever they are asked."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: landmarks, and the items of a fingerprint, which may be missing; of whom, and
    `among` how many objects it is one of."""

    found: Landmarks
    items: Items
    answers: Answers
    among: int


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
    asked: Answers | None = None,
) -> list[Passage]:
    """The passages of a file of so many frames that are in the index, in order of time. Its
    fingerprint, `items` as `dense_fingerprint` gives them, finds what landmarks do not in noise and
    reverberation. `quick` is many times faster and misses some of what was changed much:
    docs/identify.md. With `asked`, somebody else asks these shards."""
    answering = asked or partial(answers, list(enumerate(shards)))
    question = Question(found, items, answering, sum(map(len, shards)))
    windows = _windows(found, frames)
    look, stride, steps = (_look_over, PROBE_STRIDE, GLANCE) if quick else (
        _look_closely, RESPEED_STRIDE, STEPS)  # fmt: skip
    passages = _passages(shards, question, look(question, windows, AS_IT_IS), AS_IT_IS)
    silent = [one for one in windows if not _covered(one, passages)]
    # The middle window of each run of silent ones stands for its neighbours.
    for window in silent[len(silent) // 2 % stride :: stride]:
        if _covered(window, passages):
            continue
        hearing = _otherwise(question, window, steps)
        if hearing is not None:
            said = look(question, windows, hearing)
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


def _otherwise(question: Question, window: Window, steps: Sequence[Asking]) -> Hearing | None:
    """The speed and pitch at which a window is most likely known; None where it is at none."""
    said = _asked(question, [(window, hearing) for hearing in OTHERWISE], steps)
    heard = [(one.evidence, at) for at, found in enumerate(said) for one in found[:1]]
    evidence, best = max(heard, default=(0.0, 0))
    known = confidence(evidence, question.among) >= CLEAR
    return OTHERWISE[best] if known else None


def _look_closely(question: Question, windows: Sequence[Window], hearing: Hearing) -> Said:
    """What every window says, asked in full."""
    return dict(enumerate(_asked(question, [(one, hearing) for one in windows], STEPS)))


def _look_over(question: Question, windows: Sequence[Window], hearing: Hearing) -> Said:
    """What the windows say: every second one, which together are the whole file, at a glance; in
    full those near what a glance sees and is not certain of, and one now and then."""
    if len(windows) <= FEW:
        return _look_closely(question, windows, hearing)
    glances = range(0, len(windows), 2)
    glanced = _asked(question, [(windows[at], hearing) for at in glances], GLANCE)
    said = dict(zip(glances, glanced, strict=True))
    clear = {at: steps[0] for at, steps in said.items() if steps and steps[0].evidence >= CERTAIN}
    waiting = _near(_hinted(said, hearing))
    if hearing == AS_IT_IS:
        silent = [at for at in said if at not in waiting]
        waiting += silent[len(silent) // 2 % (PROBE_STRIDE // 2) :: PROBE_STRIDE // 2]
    full: Said = {}
    while waiting:
        now = sorted({
            at for at in waiting
            if 0 <= at < len(windows) and at not in full and at not in clear
            and not _between(clear, at, hearing)
        })  # fmt: skip
        asked = _asked(question, [(windows[at], hearing) for at in now], STEPS)
        full |= zip(now, asked, strict=True)
        waiting = _near(at for at in now if full[at] and full[at][0].evidence >= HINT)
    return dict(sorted((said | full).items()))


def _between(clear: dict[int, Step], at: int, hearing: Hearing) -> bool:
    """Whether a window lies between two that are clear and say the same."""
    before, after = clear.get(at - 1), clear.get(at + 1)
    return before is not None and after is not None and _in_line(before, after, hearing)


def _hinted(said: Said, hearing: Hearing) -> list[int]:
    """The windows that are in a chain with evidence enough to look closer."""
    chains = _chained(said, hearing)
    return sorted({one.window for line in chains if _weight(line) >= HINT for one in line})


def _near(windows: Iterable[int]) -> list[int]:
    return [near for at in windows for near in range(at - AROUND, at + AROUND + 1)]


def _asked(
    question: Question, wanted: Sequence[tuple[Window, Hearing]], steps: Sequence[Asking]
) -> list[list[Step]]:
    """What each window says, the file being heard in that way; the strongest first."""
    clips = [_cut(question, window, hearing, steps) for window, hearing in wanted]
    return [
        [
            replace(one, window=number, at=first,
                    first=first + round(one.first / hearing.speed),
                    last=first + round(one.last / hearing.speed))
            for one in found
        ]
        for ((number, first, _), hearing), found in zip(
            wanted, _stepwise(question.answers, clips, steps), strict=True)
    ]  # fmt: skip


def _cut(
    question: Question, window: Window, hearing: Hearing, steps: Sequence[Asking]
) -> tuple[Landmarks, Items]:
    """What a window has, the file being heard in that way."""
    _, first, end = window
    found = question.found
    low, high = np.searchsorted(found.frame, (first, end))
    heard = Landmarks(
        np.round((found.frame[low:high] - first) * hearing.speed).astype(np.int32),
        (found.bin[low:high] / hearing.pitch).astype(np.float32),
        found.rank[low:high],
    )
    whole = hearing == AS_IT_IS and steps is STEPS
    return heard, confirming.within(question.items, first, end) if whole else NO_ITEMS


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
    return _stepwise(partial(answers, list(enumerate(shards))), [(heard, items)], steps)[0]


def _stepwise(
    asked: Answers, heard: Sequence[tuple[Landmarks, Items]], steps: Sequence[Asking]
) -> list[list[Step]]:
    """What is likely to be each of what was heard: the strongest first. Each is asked step by step
    until something is certain, all of them at once, since who is asked may be far away."""
    found: list[list[Step]] = [[] for _ in heard]
    waiting = [at for at, (marks, _) in enumerate(heard) if len(marks.frame)]
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        clips = [
            Clip(marks, items, BLURRED if last and len(items) else step)
            for marks, items in (heard[at] for at in waiting)
        ]
        for at, said in zip(waiting, asked(clips), strict=True):
            found[at] = sorted(said, key=lambda one: -one.evidence)
        waiting = [at for at in waiting if not found[at] or found[at][0].evidence < CERTAIN]
    return found


def answers(shards: Sequence[tuple[int, Shard]], clips: Sequence[Clip]) -> list[list[Step]]:
    """What shards, with their numbers in the index, say of each clip; shard by shard."""
    said: list[list[Step]] = []
    for clip in clips:
        hashes, times = _hashes(clip)
        found: list[Step] = []
        for number, shard in shards:
            for place in _places(shard, hashes, times, clip):
                found += _judged(shard, number, place, clip)
        said.append(found)
    return said


def _hashes(clip: Clip) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """What a shard is asked for, and at which frames that begins."""
    heard, how = clip.heard, clip.asking
    asked = heard.rank < how.rank
    frame, place = heard.frame[asked], heard.bin[asked]
    hashes, times = hashing.triples(frame, place, how.fan, how.fan, how.blurred)
    more, at = confirming.hashed(clip.items, DENSE)
    return np.concatenate([hashes, more]), np.concatenate([times, at])


def _places(
    shard: Shard, hashes: NDArray[np.uint32], times: NDArray[np.int32], clip: Clip
) -> list[int]:
    """The places of a shard that are judged."""
    how = clip.asking
    most = how.glimpsed or how.candidates
    places = voting.ask(shard, hashes, times, most, how.most_bytes)
    if how.glimpsed:
        owners = np.array([_owner(shard, place, clip.heard) for place in places.tolist()], np.int64)
        there = (places - shard.starts[owners]) * UNIT
        likest = confirming.likeliest(
            clip.items, shard.prints, shard.print_starts, owners, there, how.candidates
        )
        places = places[likest]
    return list(places.tolist())


def _owner(shard: Shard, place: int, heard: Landmarks) -> int:
    return shard.object_at(place + int(heard.frame[-1]) // UNIT // 2)


def _judged(shard: Shard, number: int, place: int, clip: Clip) -> list[Step]:
    heard, items = clip.heard, clip.items
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
