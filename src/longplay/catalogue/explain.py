"""Why two tracks are one recording, or are not: each piece of evidence, its weight, the verdict.

The matcher (`joins`) follows rules; the weights are those rules in numbers, so that the verdict is
`match` exactly where it joins, and what it does not join is `no match` or, where names leave it
open, `unsure`. Tracks that it joins through others are told with the chain that leads from one to
the other.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from longplay.catalogue import corrections, identity, ids, tracks
from longplay.catalogue.clusters import STEP_MS
from longplay.catalogue.snapshot import Snapshot
from longplay.catalogue.tracks import Track, Tracks
from longplay.errors import InputError, UsageError

Verdict = Literal["match", "no match", "unsure"]

WEIGHTS = {
    "joined by a curator": 1000.0,
    "split by a curator": -1000.0,
    "same ISRC": 50.0,
    "same MBID": 50.0,
    "same first artist": 4.0,
    "an artist in common": 1.0,
    "other artists": -10.0,
    "same title": 4.0,
    "same title but for the version": -4.0,
    "other title": -10.0,
    "same duration": 4.0,
    "no durations": 4.0,
    "other duration": -4.0,
    "quite another duration": -12.0,
    "other ISRCs": -1.0,
    "other MBID": -1.0,
}
"""A curator's word outweighs all else. An identifier outweighs all that can be said against it
(-33), since it was given to the sound, while names are typed. Artist, title and duration must all
agree to reach `MATCH`, and contradicting identifiers alone (-2) do not undo that: one recording is
often registered twice."""

MATCH, NO_MATCH = 10.0, 0.0
"""From `MATCH` on it is a match, below or at `NO_MATCH` it is none; between them, unsure."""

FAR_MS = 15_000
"""From here on, durations differ by more than fades, gaps and encoders make."""

MAX_NEAR = 50
"""Candidates that are told, the strongest first."""

MAX_MEMBERS = 2_000
"""Tracks of one recording among which a chain is looked for."""

_VERSION = re.compile(
    r"\b(live|remix(ed)?|mix|edit|version|remaster(ed)?|acoustic|demo|instrumental|karaoke|mono"
    r"|stereo|extended|radio|unplugged|cover|reprise|dub|bonus track|original|album|single"
    r"|[0-9]{4})\b"
)
"""Words that tell one recording of a song from another, in plain titles."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece: what it is (a key of `WEIGHTS`), its weight, and what it was read from."""

    kind: str
    weight: float
    detail: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Two tracks, what speaks for and against their being one, and the verdict. `steps` lead from
    one to the other where they match only through others; then evidence and total are those of the
    weakest step."""

    one: str
    other: str
    evidence: tuple[Evidence, ...]
    total: float
    verdict: Verdict
    steps: tuple[Explanation, ...] = ()

    def document(self) -> dict[str, Any]:
        """As `catalogue explain --json` prints it."""
        return {
            "one": self.one,
            "other": self.other,
            "verdict": self.verdict,
            "total": self.total,
            "evidence": [
                {"kind": each.kind, "weight": each.weight, "detail": each.detail}
                for each in self.evidence
            ],
            "steps": [each.document() for each in self.steps],
        }


class _Matcher:
    """One snapshot, with the curator's pairs."""

    def __init__(self, snapshot: Snapshot, looked: Tracks) -> None:
        self.looked = looked
        bound = corrections.constraints(snapshot.folder, snapshot.manifest)
        self.forced = {frozenset(pair) for pair in bound.forced.tolist()}
        self.forbidden = {frozenset(pair) for pair in bound.forbidden.tolist()}

    def compare(self, one: Track, other: Track) -> Explanation:
        """What two tracks show by themselves."""
        evidence = tuple(self._evidence(one, other))
        total = sum(each.weight for each in evidence)
        return Explanation(one.id, other.id, evidence, total, _verdict(total))

    def _evidence(self, one: Track, other: Track) -> Iterator[Evidence]:
        pair = frozenset((one.key, other.key))
        if pair in self.forced:
            yield _piece("joined by a curator")
        if pair in self.forbidden:
            yield _piece("split by a curator")
        shared = [isrc for isrc in one.isrcs if isrc in other.isrcs]
        if shared:
            yield _piece("same ISRC", shared[0])
        elif one.isrcs and other.isrcs:
            yield _piece("other ISRCs", f"{one.isrcs[0]} / {other.isrcs[0]}")
        if one.mbid and other.mbid:
            same = one.mbid == other.mbid
            detail = one.mbid if same else f"{one.mbid} / {other.mbid}"
            yield _piece("same MBID" if same else "other MBID", detail)
        yield from self._names(one, other)

    def _names(self, one: Track, other: Track) -> Iterator[Evidence]:
        plain = self.looked.plain
        mine, theirs = ([plain(name, None)[0] for name in each.artists] for each in (one, other))
        common = {name for name in mine if name} & {name for name in theirs if name}
        artists = f"{', '.join(one.artists)} / {', '.join(other.artists)}"
        if mine and theirs and mine[0] and mine[0] == theirs[0]:
            yield _piece("same first artist", artists)
        elif common:
            yield _piece("an artist in common", artists)
        elif any(mine) and any(theirs):
            yield _piece("other artists", artists)
        first, second = (plain(None, each.title)[1] for each in (one, other))
        if first and second:
            titles = f"{one.title} / {other.title}"
            if first == second:
                yield _piece("same title", titles)
            elif _unversioned(first) == _unversioned(second) != "":
                yield _piece("same title but for the version", titles)
            else:
                yield _piece("other title", titles)
        yield from _durations(one.duration_ms, other.duration_ms)

    def chain(self, one: Track, other: Track, members: list[Track]) -> list[Explanation]:
        """A shortest chain of matches among a recording's tracks; empty where there is none."""
        came: dict[int, Explanation | None] = {one.key: None}
        waiting = deque([one])
        left = {track.key: track for track in members if track.key != one.key}
        while waiting and other.key not in came:
            here = waiting.popleft()
            for track in list(left.values()):
                step = self.compare(here, track)
                if step.verdict == "match":
                    came[track.key] = step
                    waiting.append(left.pop(track.key))
        steps: list[Explanation] = []
        last = came.get(other.key)
        while last is not None:
            steps.insert(0, last)
            last = came[ids.parse(last.one)[1]]
        return steps


def explain(snapshot: Snapshot, one: str, other: str) -> Explanation:
    """Why two tracks (or the tracks that stand for two recordings) are one recording or not.

    Raises InputError for an id that no source has, UsageError for one that is no track's.
    """
    return next(explanations(snapshot, [(one, other)]))


def explanations(snapshot: Snapshot, pairs: Iterable[tuple[str, str]]) -> Iterator[Explanation]:
    """`explain` for several pairs, with the snapshot opened once."""
    with tracks.opened(snapshot) as looked:
        matcher = _Matcher(snapshot, looked)
        for pair in pairs:
            one, other = (_track(looked, each) for each in pair)
            yield _explained(looked, matcher, one, other)


def candidates(snapshot: Snapshot, identity_of: str) -> list[Explanation]:
    """What comes near to a track, the strongest first: tracks of the same ISRC, MBID, or artist and
    title, whatever became of them. Raises InputError and UsageError as `explain`."""
    with tracks.opened(snapshot) as looked:
        matcher = _Matcher(snapshot, looked)
        track = _track(looked, identity_of)
        artist = track.artists[0] if track.artists else None
        numbers = [("isrc", tracks.hashed(isrc)) for isrc in track.isrcs]
        numbers += [("mbid", tracks.hashed(track.mbid))] if track.mbid else []
        numbers.append(("name", looked.name_number(artist, track.title)))
        near = {
            each.key: each
            for kind, number in numbers
            for each in looked.sharing(kind, number)
            if each.key != track.key
        }
        for pair in matcher.forced | matcher.forbidden:
            for key in pair - {track.key} if track.key in pair else ():
                if key not in near and (partner := looked.find(key)) is not None:
                    near[key] = partner
        compared = [matcher.compare(track, each) for each in near.values()]
        compared = [each for each in compared if any(piece.weight > 0 for piece in each.evidence)]
        compared.sort(key=lambda each: (-each.total, each.other))
        found = [
            _explained(looked, matcher, track, near[ids.parse(each.other)[1]])
            for each in compared[:MAX_NEAR]
        ]
    return sorted(found, key=lambda each: (-each.total, each.other))


def _explained(looked: Tracks, matcher: _Matcher, one: Track, other: Track) -> Explanation:
    """What two tracks show by themselves, and what others make of it."""
    found = matcher.compare(one, other)
    recordings = [identity.recording_of(looked, each.key) for each in (one, other)]
    together = recordings[0] == recordings[1]
    if together == (found.verdict == "match"):
        return found
    if together:
        return _through(looked, matcher, recordings[0], one, other, found)
    # The evidence would join them, and a split between others of their recordings forbids it.
    sides = [set(identity.members(looked, each)) for each in recordings]
    for pair in matcher.forbidden:
        if pair & sides[0] and pair & sides[1]:
            words = " and ".join(sorted(ids.text("tr", key) for key in pair))
            piece = _piece("split by a curator", words)
            total = found.total + piece.weight
            return Explanation(one.id, other.id, (*found.evidence, piece), total, _verdict(total))
    return found


def _through(
    looked: Tracks,
    matcher: _Matcher,
    recording: int,
    one: Track,
    other: Track,
    direct: Explanation,
) -> Explanation:
    keys = identity.members(looked, recording)[:MAX_MEMBERS]
    members = [track for key in keys if (track := looked.find(key)) is not None]
    steps = matcher.chain(one, other, members)
    if not steps:
        return direct
    weakest = min(steps, key=lambda each: each.total)
    return Explanation(
        one.id, other.id, weakest.evidence, weakest.total, weakest.verdict, tuple(steps)
    )


def _track(looked: Tracks, text: str) -> Track:
    prefix, key = ids.parse(text)
    if prefix == "rec":
        members = identity.members(looked, identity.current(looked, "rec", key))
        key = members[0] if members else 0
    elif prefix != "tr":
        raise UsageError("is neither a track nor a recording", where=text[:60])
    found = looked.find(key)
    if found is None:
        raise InputError(
            "is in no source", where=text[:60], hint="`longplay catalogue search` shows ids"
        )
    return found


def _durations(one: int | None, other: int | None) -> Iterator[Evidence]:
    if one is None and other is None:
        yield _piece("no durations")
    if one is None or other is None:
        return
    apart = abs(one - other)
    kind = "same duration" if apart <= STEP_MS else "other duration"
    if apart > FAR_MS:
        kind = "quite another duration"
    yield _piece(kind, f"{apart / 1000:.1f} s apart")


def _unversioned(title: str) -> str:
    return " ".join(_VERSION.sub(" ", title).split())


def _piece(kind: str, detail: str = "") -> Evidence:
    return Evidence(kind, WEIGHTS[kind], detail)


def _verdict(total: float) -> Verdict:
    if total >= MATCH:
        return "match"
    return "no match" if total <= NO_MATCH else "unsure"
