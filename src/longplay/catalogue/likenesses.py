"""Near-duplicates as curators confirm and refuse them: copies that the plan counts once.

That is less than a join: a new master or a slowed copy stays a recording of its own, with its own
id, title and listens. It is said of tracks, as joins are, and can be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import pyarrow.compute as pc

from longplay.catalogue import corrections, curation, identity, ids, tracks
from longplay.catalogue.corrections import LIKENESS
from longplay.catalogue.curation import Corrected, Hand, Row, Standing
from longplay.catalogue.snapshot import Snapshot
from longplay.catalogue.tracks import Tracks
from longplay.errors import UsageError

Word = Literal["alike", "apart"]
Pair = tuple[int, int]
"""Keys of two recordings, the smaller one first."""


@dataclass(frozen=True, slots=True)
class Said:
    """What curators said of pairs of recordings, as those are now."""

    alike: frozenset[Pair] = frozenset()
    apart: frozenset[Pair] = frozenset()


def say(
    folder: Path, identities: Sequence[str], word: Word, hand: Hand, *, undo: bool = False
) -> Corrected:
    """Say of tracks or recordings that they are near-duplicates (`alike`), or of each two of them
    that they are not (`apart`); with `undo`, take back what was said of any two of them. Raises
    UsageError, InputError."""
    if len(set(identities)) < 2:
        raise UsageError("one id is no pair", hint="name two or more")

    def make(looked: Tracks, stands: Standing) -> list[Row]:
        clusters = [curation.members_of(looked, each) for each in identities]
        recordings = [identity.recording_of(looked, one[0]) for one in clusters]
        if len(set(recordings)) < len(recordings):
            raise UsageError("two of them are one recording", hint="each counts once as it is")
        if undo:
            named = [{ids.text("tr", key) for key in one} for one in clusters]
            return [
                Row(one, "undo", LIKENESS, other=two)
                for one, two in stands.likenesses
                if any({one, two} & a and {one, two} & b for a, b in combinations(named, 2))
            ]
        firsts = [one[0] for one in clusters]
        with_first = [(firsts[0], each) for each in firsts[1:]]
        named_pairs = with_first if word == "alike" else combinations(firsts, 2)
        said = [curation.ordered(*each) for each in named_pairs]
        return [
            Row(one, word, LIKENESS, other=two)
            for one, two in said
            if stands.likenesses.get((one, two)) != word
        ]

    return curation.correct(folder, hand, make)


def said(snapshot: Snapshot) -> Said:
    """What stands of that."""
    rows = corrections.standing(corrections.load(snapshot.folder, snapshot.manifest))
    rows = rows.filter(pc.equal(rows["field"], LIKENESS))
    if not rows.num_rows:
        return Said()
    found: dict[str, set[Pair]] = {"alike": set(), "apart": set()}
    with tracks.opened(snapshot) as looked:
        for row in rows.to_pylist():
            one, two = (
                identity.recording_of(looked, ids.parse(row[name])[1])
                for name in ("subject", "other")
            )
            if one != two:
                found[row["act"]].add((min(one, two), max(one, two)))
    return Said(frozenset(found["alike"]), frozenset(found["apart"] - found["alike"]))
