"""Clusters of near-duplicates: what the index found, and what curators said of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

import numpy as np

from longplay.archive import Archive
from longplay.catalogue import describe, ids, likenesses
from longplay.catalogue.likenesses import Pair, Said
from longplay.catalogue.snapshot import Snapshot
from longplay.identify import pairs
from longplay.identify.pairs import Found
from longplay.ledger import queries
from longplay.model import ObjectKey
from longplay.workflows import shares

FOLDER = "identify/duplicates"
"""Where in the archive lies what was found."""

AT_ONCE = 2000
"""Pairs whose recordings are looked up at once."""

State = Literal["confirmed", "certain", "likely"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Recordings that are copies of each other, and by which pairs. `likely`: somebody should
    listen."""

    state: State
    recordings: tuple[int, ...]
    found: Mapping[Pair, Found]
    said: frozenset[Pair]


@dataclass(slots=True)
class _Groups:
    """Recordings joined one by one, but never two that a curator keeps apart."""

    apart: frozenset[Pair]
    group: dict[int, set[int]] = field(default_factory=dict)

    def join(self, pair: Pair) -> None:
        one, two = (self.group.setdefault(each, {each}) for each in pair)
        if one is two or any((min(ends), max(ends)) in self.apart for ends in product(one, two)):
            return
        one |= two
        for each in two:
            self.group[each] = one

    def all(self) -> Iterator[tuple[int, ...]]:
        seen = {id(one): one for one in self.group.values() if len(one) > 1}
        yield from sorted(tuple(sorted(one)) for one in seen.values())


def clusters(archive: Archive, snapshot: Snapshot) -> list[Cluster]:
    """All clusters, those that want an ear first."""
    said = likenesses.said(snapshot)
    found = _found(archive, snapshot)
    groups = _grouped(said, found)
    of = {each: number for number, members in enumerate(groups) for each in members}
    mine: list[dict[Pair, Found]] = [{} for _ in groups]
    alike: list[set[Pair]] = [set() for _ in groups]
    for pair, one in found.items():
        if (number := _same(of, pair)) is not None:
            mine[number][pair] = one
    for pair in said.alike:
        if (number := _same(of, pair)) is not None:
            alike[number].add(pair)
    made = []
    for members, pairs_, confirmed in zip(groups, mine, alike, strict=True):
        certain = {pair for pair, one in pairs_.items() if one.likeness.certain}
        state: State = "likely"
        if _spans(set(members), confirmed):
            state = "confirmed"
        elif _spans(set(members), certain | confirmed):
            state = "certain"
        made.append(Cluster(state, members, pairs_, frozenset(confirmed)))
    order = ("likely", "certain", "confirmed")
    return sorted(made, key=lambda one: (order.index(one.state), one.recordings))


def _same(of: Mapping[int, int], pair: Pair) -> int | None:
    """The group that both of a pair are in."""
    one, other = of.get(pair[0]), of.get(pair[1])
    return one if one == other else None


def documents(snapshot: Snapshot, found: Iterable[Cluster]) -> list[dict[str, Any]]:
    """Clusters with names, as `duplicates list --json` prints them."""
    listed = list(found)
    keys = np.array(sorted({each for one in listed for each in one.recordings}), np.uint64)
    shown = {row["recording"]: row for row in describe.display(snapshot, keys).to_pylist()}
    return [
        {
            "state": one.state,
            "recordings": [_named(each, shown.get(each, {})) for each in one.recordings],
            "pairs": [_pair(*pair, each) for pair, each in sorted(one.found.items())],
            "confirmed": [[ids.text("rec", each) for each in pair] for pair in sorted(one.said)],
        }
        for one in listed
    ]


def _named(recording: int, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "recording": ids.text("rec", recording),
        "title": row.get("title"),
        "artists": row.get("artists") or [],
        "isrc": row.get("isrc"),
        "duration_ms": row.get("duration_ms"),
        "popularity": row.get("popularity"),
    }


def _pair(one: int, other: int, found: Found) -> dict[str, Any]:
    like = found.likeness
    return {
        "recording": ids.text("rec", one),
        "other": ids.text("rec", other),
        "objects": [found.one.hex, found.other.hex],
        "kind": like.kind,
        "certain": like.certain,
        "speed": like.speed,
        "pitch": like.pitch,
        "share": round(like.share, 3),
        "covered": round(min(like.mine, like.theirs), 3),
        "elsewhere": round(like.elsewhere, 3),
    }


def counted_once(archive: Archive, snapshot: Snapshot) -> dict[int, int]:
    """Of each recording that the plan counts together with others: which stands for all of them."""
    wanted = archive.settings.policy.near_duplicates
    if wanted == "apart":
        return {}
    said = likenesses.said(snapshot)
    found = _found(archive, snapshot) if wanted == "certain" else {}
    certain = {pair: one for pair, one in found.items() if one.likeness.certain}
    groups = _grouped(said, certain)
    return {each: members[0] for members in groups for each in members}


def _grouped(said: Said, found: Mapping[Pair, Found]) -> list[tuple[int, ...]]:
    """Clusters of what was confirmed, then of what was found, the strongest first."""
    groups = _Groups(said.apart)
    for pair in sorted(said.alike):
        groups.join(pair)
    for pair in sorted(found, key=lambda pair: (-found[pair].likeness.share, pair)):
        groups.join(pair)
    return list(groups.all())


def _spans(members: set[int], links: Iterable[Pair]) -> bool:
    """Whether these links lead from any member to any other."""
    groups = _Groups(frozenset())
    for pair in links:
        groups.join(pair)
    return groups.group.get(min(members), set()) == members


def _found(archive: Archive, snapshot: Snapshot) -> dict[Pair, Found]:
    """The strongest pair of held objects for each two recordings: of such objects as carry one."""
    folder = archive.folder / FOLDER
    if not (folder / pairs.NAME).is_file():
        return {}
    best: dict[Pair, Found] = {}
    with pairs.opened(folder) as opened:
        some: list[Found] = []
        for one in opened.all():
            if one.likeness.kind != "part":
                some.append(one)
            if len(some) == AT_ONCE:
                _keep_best(best, some, _recordings(archive, snapshot, some))
                some = []
        _keep_best(best, some, _recordings(archive, snapshot, some))
    return best


def _keep_best(best: dict[Pair, Found], some: list[Found], carried: dict[ObjectKey, int]) -> None:
    for one in some:
        a, b = carried.get(one.one), carried.get(one.other)
        if a is None or b is None or a == b:
            continue
        pair = (min(a, b), max(a, b))
        if pair not in best or best[pair].likeness.share < one.likeness.share:
            best[pair] = one if a < b else Found(one.other, one.one, one.likeness.turned())


def _recordings(archive: Archive, snapshot: Snapshot, some: list[Found]) -> dict[ObjectKey, int]:
    """The recording of each of these objects that is held and carries one, as it is called now."""
    keys = {key for one in some for key in (one.one, one.other)}
    with archive.ledger.read() as connection:
        rows = queries.carried_by(connection, sorted({key.root for key in keys}))
    alone = {root: each[0][0] for root, each in rows.items() if len({row[0] for row in each}) == 1}
    here = [key for key in keys if key.root in alone]
    now = shares.current(snapshot, np.array([alone[key.root] for key in here], np.uint64))
    return dict(zip(here, now.tolist(), strict=True))
