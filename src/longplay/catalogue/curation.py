"""The curator's hand: edit a field, join tracks to one recording, split them; and undo that.

Each act adds rows to the corrections and makes the next snapshot: kilobytes, beside however many
tracks. What it says of recordings is said of tracks, so it holds when sources are imported again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from longplay import clock
from longplay.catalogue import (
    corrections,
    database,
    editable,
    heard,
    identity,
    ids,
    joins,
    layout,
    tracks,
)
from longplay.catalogue.corrections import SOURCE, Act
from longplay.catalogue.layout import Layer, Manifest
from longplay.catalogue.snapshot import Snapshot
from longplay.catalogue.tracks import Tracks
from longplay.errors import InputError, UsageError

MAX_PAIRS = 10_000
"""Pairs that one split may forbid: 140 tracks all apart. More is a fault of a source, not a hand's
work."""

MAX_WORDS = 2000
"""Characters of a reason or a name."""

Groups = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Hand:
    """Who corrects, and why."""

    who: str
    why: str = ""

    def __post_init__(self) -> None:
        for text, what in ((self.who, "--who"), (self.why, "--why")):
            if len(text) > MAX_WORDS or not editable.printable(text):
                raise UsageError(
                    f"{what} cannot be kept", where=text[:40], hint=f"up to {MAX_WORDS} signs"
                )
        if not self.who.strip():
            raise UsageError("nobody is named", hint="say who: --who NAME")


@dataclass(frozen=True, slots=True)
class Row:
    """One row that is to be added."""

    subject: str
    act: Act
    field: str | None = None
    value: str | None = None
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a correction did: the snapshot that has it, the rows that it added (none: it said what
    stood already), and the recordings of the tracks that it names, as they are now."""

    snapshot: int
    added: int
    recordings: tuple[str, ...] = ()
    rows: tuple[Row, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """The corrections that stand, by what they are about."""

    fields: dict[tuple[str, str], str]
    pairs: dict[tuple[str, str], Act]
    likenesses: dict[tuple[str, str], Act]


def edit(folder: Path, subject: str, assignments: Sequence[str], hand: Hand) -> Corrected:
    """Say what fields of an id are; `FIELD=` takes back what was said.

    Raises UsageError for a field or value that does not fit, InputError for an id that never was.
    """
    prefix, key = ids.parse(subject)
    wanted = [_assignment(prefix, each) for each in assignments]

    def make(looked: Tracks, stands: Standing) -> list[Row]:
        now = ids.text(prefix, identity.current(looked, prefix, key))
        added = []
        for name, value in wanted:
            before = stands.fields.get((now, name))
            if value is None and before is not None:
                added.append(Row(now, "undo", name))
            elif value is not None and value != before:
                added.append(Row(now, "edit", name, value))
        return added

    return correct(folder, hand, make)


def join(folder: Path, identities: Sequence[str], hand: Hand, *, undo: bool = False) -> Corrected:
    """Say that tracks or recordings are one recording; with `undo`, leave it to the matcher again.

    Joining takes back splits between them. Raises UsageError where another split forbids it.
    """
    if len(identities) < 2:
        raise UsageError("one id cannot be joined", hint="name two or more")

    def make(looked: Tracks, stands: Standing) -> list[Row]:
        if undo:
            return _undone(stands, [[_anchor(each)] for each in identities], "join")
        clusters = [members_of(looked, each) for each in identities]
        added = _undone(stands, clusters, "split")
        first = clusters[0][0]
        for cluster in clusters[1:]:
            pair = ordered(first, cluster[0])
            if pair[0] != pair[1] and stands.pairs.get(pair) != "join":
                added.append(Row(pair[0], "join", other=pair[1]))
        return added

    return correct(folder, hand, make)


def split(folder: Path, identities: Sequence[str], hand: Hand, *, undo: bool = False) -> Corrected:
    """Say that tracks are never one recording, whatever identifiers they share.

    Several ids are kept apart from each other: a recording stands for its tracks that are not
    named themselves. One track is kept apart from all others of its recording, and one recording
    falls into its tracks. With `undo`, leave it to the matcher again. Raises UsageError.
    """

    def make(looked: Tracks, stands: Standing) -> list[Row]:
        groups = _groups(looked, identities)
        if undo:
            return _undone(stands, _clusters_of(stands, looked, identities, groups), "split")
        apart = [pair for one, two in combinations(groups, 2) for pair in product(one, two)]
        if len(apart) > MAX_PAIRS:
            raise UsageError(
                f"{len(apart):,} pairs of tracks would be kept apart",
                hint=f"name the tracks that are another recording: up to {MAX_PAIRS:,} pairs",
            )
        return [
            Row(pair[0], "split", other=pair[1])
            for pair in dict.fromkeys(ordered(*each) for each in apart)
            if stands.pairs.get(pair) != "split"
        ]

    return correct(folder, hand, make)


def history(snapshot: Snapshot, subject: str) -> list[dict[str, object]]:
    """What was said of an id, oldest first."""
    prefix, key = ids.parse(subject)
    with tracks.opened(snapshot) as looked:
        now = ids.text(prefix, identity.current(looked, prefix, key))
    table = corrections.load(snapshot.folder, snapshot.manifest)
    found = {row["ordinal"]: row for row in corrections.history(table, now)}
    found |= {row["ordinal"]: row for row in corrections.history(table, ids.text(prefix, key))}
    return [found[ordinal] for ordinal in sorted(found)]


def _assignment(prefix: str, text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError("is no FIELD=VALUE", where=text[:60], hint="write title='A Title'")
    if not value.strip():
        return editable.field_of(prefix, name), None
    return editable.read(prefix, name, value)


def members_of(looked: Tracks, text: str) -> list[int]:
    """The tracks that an id of a track or recording stands for; a track itself comes first."""
    prefix, key = ids.parse(text)
    if prefix not in ("tr", "rec"):
        raise UsageError("is neither a track nor a recording", where=text[:60])
    recording = identity.recording_of(looked, key) if prefix == "tr" else key
    recording = identity.current(looked, "rec", recording)
    members = identity.members(looked, recording)
    if prefix == "tr":
        return [key, *(each for each in members if each != key)]
    if not members:
        raise InputError("has no track any more", where=text[:60], hint="name another recording")
    # The track that the recording was minted from stands for it, as long as it is there.
    first = int(ids.minted(np.array([recording], np.uint64))[0])
    return sorted(members, key=lambda each: (each != first, each))


def _anchor(text: str) -> int:
    """The track that a join of this id was said of: itself, or the one it was minted from."""
    prefix, key = ids.parse(text)
    return key if prefix == "tr" else int(ids.minted(np.array([key], np.uint64))[0])


def _groups(looked: Tracks, identities: Sequence[str]) -> list[list[int]]:
    """What a split keeps apart from each other."""
    parsed = list(dict.fromkeys(ids.parse(each) for each in identities))
    clusters = {at: members_of(looked, ids.text(*at)) for at in parsed}
    if len(parsed) == 1:
        ((prefix, _),) = parsed
        cluster = clusters[parsed[0]]
        return [cluster[:1], cluster[1:]] if prefix == "tr" else [[each] for each in cluster]
    named = {key for prefix, key in parsed if prefix == "tr"}
    return [
        [key] if prefix == "tr" else [each for each in clusters[prefix, key] if each not in named]
        for prefix, key in parsed
    ]


def _clusters_of(
    stands: Standing, looked: Tracks, identities: Sequence[str], groups: Groups
) -> Groups:
    """What an undone split is looked for between: for one track, itself and all that it was split
    from, since those are not in its recording any more."""
    if len(identities) > 1:
        return groups
    _, key = ids.parse(identities[0])
    mine = {ids.text("tr", each) for group in groups for each in group}
    if len(groups) == 2 and not groups[1]:
        mine = {ids.text("tr", key)}
    others = {each for pair in stands.pairs for each in pair if mine & set(pair)} - mine
    return [*groups, *([ids.parse(each)[1]] for each in sorted(others))]


def _undone(stands: Standing, groups: Groups, act: Act) -> list[Row]:
    """Rows that take back what stands between different groups."""
    group_of = {ids.text("tr", key): place for place, group in enumerate(groups) for key in group}
    return [
        Row(one, "undo", other=two)
        for (one, two), said in stands.pairs.items()
        if said == act and one in group_of and two in group_of and group_of[one] != group_of[two]
    ]


def ordered(one: int, two: int) -> tuple[str, str]:
    """Two tracks' ids in the order in which a pair is kept."""
    first, second = sorted((ids.text("tr", one), ids.text("tr", two)))
    return first, second


def _stands(table: pa.Table) -> Standing:
    fields: dict[tuple[str, str], str] = {}
    pairs: dict[tuple[str, str], Act] = {}
    likenesses: dict[tuple[str, str], Act] = {}
    for row in corrections.standing(table).to_pylist():
        if row["act"] == "edit":
            fields[row["subject"], row["field"]] = row["value"]
        else:
            about = likenesses if row["field"] == corrections.LIKENESS else pairs
            about[row["subject"], row["other"]] = row["act"]
    return Standing(fields, pairs, likenesses)


def correct(folder: Path, hand: Hand, make: Callable[[Tracks, Standing], list[Row]]) -> Corrected:
    """Add the rows that `make` gives, match the tracks that they name again, and commit."""
    with layout.writing(folder) as (current, scratch):
        snapshot = Snapshot(folder, current)
        table = corrections.load(folder, current)
        stands = _stands(table)
        with tracks.opened(snapshot) as looked:
            added = make(looked, stands)
        if not added:
            return Corrected(current.number, 0)
        _check_consistent(stands, added)
        number, made = layout.following(current)
        layer = _write(
            folder, scratch, number, pa.concat_tables([table, _table(table, added, hand)])
        )
        sources = dict(sorted({**current.layers, SOURCE: layer}.items()))
        touched = np.unique(corrections.keys_of([*_tracks(added)]))
        runs = current.joins
        if len(touched):
            with database.opened(scratch) as connection:
                runs = joins.reconsider(connection, folder, scratch, current, sources, touched)
                popularity = heard.update(
                    connection, folder, scratch, sources, runs, runs["popularity"], number
                )
                runs = {**runs, "popularity": popularity}
        layout.commit(folder, Manifest(number, made, sources, runs))
        after = Snapshot(folder, Manifest(number, made, sources, runs))
    return Corrected(number, len(added), _recordings(after, touched.tolist()), tuple(added))


def _tracks(added: Iterable[Row]) -> Iterable[str]:
    for row in added:
        if row.other is not None and row.field is None:
            yield from (row.subject, row.other)


def _recordings(snapshot: Snapshot, named: Sequence[int]) -> tuple[str, ...]:
    with tracks.opened(snapshot) as looked:
        found = {identity.recording_of(looked, key) for key in named}
    return tuple(ids.text("rec", each) for each in sorted(found))


def _table(before: pa.Table, added: Sequence[Row], hand: Hand) -> pa.Table:
    at = clock.timestamp()
    first = before.num_rows
    return pa.Table.from_pylist(
        [
            {
                "ordinal": first + place,
                "subject": row.subject,
                "act": row.act,
                "field": row.field,
                "value": row.value,
                "other": row.other,
                "who": hand.who,
                "why": hand.why,
                "at": at,
            }
            for place, row in enumerate(added)
        ],
        corrections.SCHEMA,
    )


def _write(folder: Path, scratch: Path, number: int, table: pa.Table) -> Layer:
    written = scratch / f"{SOURCE}.parquet"
    pq.write_table(table, written, compression="zstd")
    name = f"{layout.LAYERS}/{SOURCE}-{number:06d}/{SOURCE}.parquet"
    part = layout.publish_part(folder, written, name, table.num_rows)
    return Layer(SOURCE, SOURCE, None, 0, 0, 0, {}, {SOURCE: (part,)})


def _check_consistent(stands: Standing, added: Sequence[Row]) -> None:
    """Raise UsageError when joins lead from one end of a split to the other."""
    pairs = dict(stands.pairs)
    for row in added:
        if row.other is not None and row.field is None:
            pairs.pop((row.subject, row.other), None)
            if row.act in ("join", "split"):
                pairs[row.subject, row.other] = row.act
    neighbours: dict[str, list[str]] = {}
    for (one, two), act in pairs.items():
        if act == "join":
            neighbours.setdefault(one, []).append(two)
            neighbours.setdefault(two, []).append(one)
    for (one, two), act in pairs.items():
        if act == "split" and (way := _way(neighbours, one, two)):
            raise UsageError(
                f"{one} and {two} are said to be different, and joins make them one:"
                f" {' - '.join(way)}",
                hint="undo one of them first: `longplay join ID ID --undo`, or split",
            )


def _way(neighbours: dict[str, list[str]], start: str, end: str) -> list[str]:
    """A shortest chain of joins from `start` to `end`, or nothing."""
    came: dict[str, str] = {start: start}
    waiting = deque([start] if start in neighbours else [])
    while waiting and end not in came:
        here = waiting.popleft()
        for each in neighbours[here]:
            if each not in came:
                came[each] = here
                waiting.append(each)
    if end not in came:
        return []
    way = [end]
    while way[-1] != start:
        way.append(came[way[-1]])
    return way[::-1]
