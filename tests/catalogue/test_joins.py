"""Recordings: what is joined, and ids that survive joins, splits and re-imports."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longplay.catalogue import identity, ids, joins, layout
from longplay.catalogue.snapshot import open_current
from tests.catalogue.conftest import Write, import_rows

ISRC = ("USABC0000001", "USABC0000002", "GBXYZ0000003")


def recordings(catalogue: Path) -> dict[int, int]:
    with open_current(catalogue).connect() as connection:
        return dict(connection.execute("SELECT track, recording FROM members").fetchall())


def of(catalogue: Path, source: str, own_id: str) -> str:
    return ids.text("rec", recordings(catalogue)[ids.row_key("tr", source, own_id)])


def track(own_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": own_id, **fields}


def song(own_id: str, duration: int, title: str = "Song", artist: str = "Who") -> dict[str, Any]:
    return track(own_id, title=title, artists=artist, duration_ms=duration)


def test_isrc_joins_across_sources(catalogue: Path, bring: Write) -> None:
    bring("a", [track("1", title="X", isrc="us-abc-00-00001")])
    bring("b", [track("9", title="Quite other", isrc=ISRC[0]), track("8", isrc=ISRC[1])])
    assert of(catalogue, "a", "1") == of(catalogue, "b", "9") != of(catalogue, "b", "8")


def test_names_join_within_three_seconds(catalogue: Path, bring: Write) -> None:
    bring("a", [song("1", 200_000), song("2", 203_000), song("3", 206_001)])
    assert of(catalogue, "a", "1") == of(catalogue, "a", "2") != of(catalogue, "a", "3")


def test_names_join_only_where_both_are_there(catalogue: Path, bring: Write) -> None:
    bring("a", [song("1", 1000, artist=""), song("2", 1000, artist="")])
    bring("b", [song("1", 1000, title=""), song("2", 1000, title="")])
    bring("c", [song("1", 1000, "Track 01", "Unknown Artist"), song("2", 1000, "Track 1", "Who")])
    bring("d", [song("1", 1000, "Track 01", "Unknown Artist"), song("2", 1000, "Track 1", "Who")])
    assert len(set(recordings(catalogue).values())) == 8


def test_versions_stay_apart(catalogue: Path, bring: Write) -> None:
    bring("a", [song("1", 1000), song("2", 1000, "Song (Live)"), song("3", 1000, "Song - Remix")])
    assert len(set(recordings(catalogue).values())) == 3


def test_the_older_id_stays_and_the_other_leads_to_it(catalogue: Path, bring: Write) -> None:
    bring("a", [song("1", 200_000)])
    bring("b", [song("1", 206_000)])
    older, newer = of(catalogue, "a", "1"), of(catalogue, "b", "1")
    assert older != newer
    bring("c", [song("between", 203_000)])
    assert of(catalogue, "b", "1") == of(catalogue, "c", "between") == older
    found = identity.resolve(open_current(catalogue), newer)
    assert found == identity.Resolution(newer, older, live=True)


def test_the_larger_part_keeps_the_id(catalogue: Path, bring: Write) -> None:
    bring("a", [song("1", 200_000), song("2", 206_000), song("3", 207_000)])
    bring("b", [song("between", 203_000)])
    before = of(catalogue, "a", "1")
    assert before == of(catalogue, "a", "3")
    bring("b", [song("elsewhere", 1, "Other")])
    assert of(catalogue, "a", "2") == of(catalogue, "a", "3") == before
    part = of(catalogue, "a", "1")
    assert part != before
    found = identity.resolve(open_current(catalogue), before)
    assert found is not None
    assert found.parts == (part,)


def test_a_dropped_track_comes_back_to_its_recording(catalogue: Path, bring: Write) -> None:
    bring("a", [song("1", 1000), song("2", 99_000, "Other")])
    before = of(catalogue, "a", "1")
    bring("a", [song("2", 99_000, "Other")])
    snapshot = open_current(catalogue)
    assert identity.resolve(snapshot, before) == identity.Resolution(before, before, live=False)
    gone = ids.text("tr", ids.row_key("tr", "a", "1"))
    assert identity.resolve(snapshot, gone) == identity.Resolution(gone, gone, live=False)
    bring("a", [song("1", 1000), song("2", 99_000, "Other")])
    assert of(catalogue, "a", "1") == before


@pytest.mark.parametrize("small", [joins.SMALL, -1])
def test_what_comes_back_or_is_new_is_matched(
    catalogue: Path, bring: Write, monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    monkeypatch.setattr(joins, "SMALL", small)
    three = [track(own_id, isrc=isrc) for own_id, isrc in zip("123", ISRC, strict=True)]
    for rows in (three, three[1:], three):
        bring("a", rows)
    assert len(recordings(catalogue)) == 3
    alike = [track(own_id, isrc=ISRC[0]) for own_id in "789"]
    bring("c", alike[:1])
    bring("a", [*three, alike[1]])
    bring("a", [*three, *alike[1:]])
    found = recordings(catalogue)
    assert (len(found), len(set(found.values()))) == (6, 3)


def test_many_runs_are_merged_into_one(catalogue: Path, bring: Write) -> None:
    """By a query that grows with their number; it doubled with each, once."""
    bring("a", [track("1", isrc=ISRC[0]), track("2", isrc=ISRC[1])])
    bring("b", [track("1", isrc=ISRC[0])])
    before = recordings(catalogue)
    now = layout.read(catalogue, layout.current_number(catalogue))
    runs = {name: parts * 24 if name == "members" else parts for name, parts in now.joins.items()}
    layout.commit(catalogue, replace(now, number=now.number + 1, joins=runs))
    bring("c", [track("1", isrc=ISRC[1])])
    after = recordings(catalogue)
    assert {key: after[key] for key in before} == before
    assert of(catalogue, "c", "1") == of(catalogue, "a", "2")
    joined = layout.read(catalogue, layout.current_number(catalogue)).joins["members"]
    assert [part.rows for part in joined] == [2]


def test_an_id_that_became_another_is_given_to_no_other(catalogue: Path, bring: Write) -> None:
    bring("z", [track("Z", isrc=ISRC[1])])
    bring("s", [track("X", isrc=ISRC[0]), track("Y", isrc=ISRC[0])])
    for rows in (
        [track("Y", isrc=ISRC[0])],
        [track("Y", isrc=ISRC[1])],
        [track("Y", isrc=ISRC[1]), track("X", isrc=ISRC[0])],
    ):
        bring("s", rows)
    now = of(catalogue, "s", "X")
    assert now != of(catalogue, "z", "Z")
    assert identity.resolve(open_current(catalogue), now) == identity.Resolution(now, now, True)


def test_albums_and_artists_resolve_after_they_went(catalogue: Path, bring: Write) -> None:
    bring("a", [track("1", title="T", artists="Gone", album="Gone too")])
    bring("a", [track("1", title="T", artists="Here")])
    snapshot = open_current(catalogue)
    artist = ids.text("ar", ids.row_key("ar", "a", "gone"))
    album = ids.text("al", ids.row_key("al", "a", "gone\x1fgone too"))
    for each in (artist, album):
        assert identity.resolve(snapshot, each) == identity.Resolution(each, each, live=False)
    assert identity.resolve(snapshot, ids.text("ar", 12345)) is None


ROW = st.fixed_dictionaries(
    {
        "isrc": st.sampled_from(["", "", *ISRC]),
        "title": st.sampled_from(["", "A", "B"]),
        "artists": st.sampled_from(["", "Q"]),
        "duration_ms": st.sampled_from(["", 100_000, 102_000, 104_500, 107_000, 150_000]),
    }
)
LAYER = st.dictionaries(st.sampled_from("12345"), ROW, min_size=1, max_size=5)
STEPS = st.lists(st.tuples(st.sampled_from(["s", "t"]), LAYER), min_size=2, max_size=5)
Row = dict[str, Any]


def clusters(rows: dict[int, Row]) -> list[set[int]]:
    """The rule of matching in plain words."""
    groups = []
    for isrc in ISRC:
        groups.append({key for key, row in rows.items() if row["isrc"] == isrc})
    for title in "AB":
        named = sorted(
            (row["duration_ms"], key)
            for key, row in rows.items()
            if row["title"] == title and row["artists"] and row["duration_ms"]
        )
        for (before, one), (after, other) in pairwise(named):
            if after - before <= 3000:
                groups.append({one, other})
        groups.append(
            {
                key
                for key, row in rows.items()
                if row["title"] == title and row["artists"] and not row["duration_ms"]
            }
        )
    found = [{key} for key in rows]
    for group in groups:
        meeting = [cluster for cluster in found if cluster & group]
        found = [cluster for cluster in found if not cluster & group]
        found += [set().union(*meeting)] if meeting else []
    return found


class Model:
    """Ids by the design's sentences, one dictionary at a time."""

    def __init__(self) -> None:
        self.sources: dict[str, dict[int, Row]] = {}
        self.last: dict[int, int] = {}
        self.minted: dict[int, int] = {}
        self.successor: dict[int, int] = {}

    def check(
        self, source: str, rows: dict[int, Row], members: dict[int, int], number: int
    ) -> None:
        self.sources[source] = rows
        current = {key: row for layer in self.sources.values() for key, row in layer.items()}
        found = clusters(current)
        roots = {key: min(cluster) for cluster in found for key in cluster}
        votes: dict[int, Counter[int]] = defaultdict(Counter)
        for key, root in roots.items():
            if key in self.last and self.last[key] not in self.successor:
                votes[self.last[key]][root] += 1
        claims: dict[int, list[int]] = defaultdict(list)
        for recording, counted in votes.items():
            claims[min(counted, key=lambda root: (-counted[root], root))].append(recording)
        assert members.keys() == current.keys()
        fresh = set()
        for cluster in found:
            (recording,) = {members[key] for key in cluster}
            claimed = claims[min(cluster)]
            if claimed:
                assert recording == min(claimed, key=lambda each: (self.minted[each], each))
                self.successor.update({each: recording for each in claimed if each != recording})
            else:
                assert recording not in self.minted
                fresh.add(recording)
            self.last.update(dict.fromkeys(cluster, recording))
        assert len({members[min(cluster)] for cluster in found}) == len(found)
        assert not self.successor.keys() & set(members.values())
        self.minted.update(dict.fromkeys(fresh, number))

    def now(self, recording: int) -> int:
        while recording in self.successor:
            recording = self.successor[recording]
        return recording


def row(isrc: str = "", title: str = "", artists: str = "", duration_ms: Any = "") -> Row:
    return {"isrc": isrc, "title": title, "artists": artists, "duration_ms": duration_ms}


ALONE = {own_id: row() for own_id in "12345"}
MOVED_AWAY = [
    ("s", ALONE),
    ("t", {"2": row(ISRC[0])}),
    ("s", {**ALONE, "4": row(ISRC[0])}),
    ("s", {**ALONE, "4": row(ISRC[2]), "5": row(ISRC[2])}),
]
"""A track leaves its recording for another of its own layer; who is left keeps or gets an id."""

MINTED_LATE = [
    ("s", {"1": row(ISRC[0]), "2": row(ISRC[0])}),
    ("s", {"1": row(ISRC[0]), "2": row(ISRC[2]), "3": row(ISRC[2])}),
    ("s", {"1": row(ISRC[0]), "3": row(ISRC[0])}),
]
"""A recording is minted later than the source has had the track that it is called after."""

ORPHANED = [
    ("s", {"4": row(ISRC[1])}),
    ("t", {"1": row(ISRC[1])}),
    ("s", {"4": row(ISRC[2])}),
    ("s", {"3": row(ISRC[0])}),
    ("t", {"1": row(ISRC[1], duration_ms=1)}),
]
"""A recording outlives the track that it is called after."""

Steps = list[tuple[str, dict[str, Row]]]


@pytest.mark.parametrize("small", [joins.SMALL, -1])
@pytest.mark.parametrize("steps", [MOVED_AWAY, MINTED_LATE, ORPHANED])
def test_ids_follow_the_rule_in_histories_that_once_broke_it(
    monkeypatch: pytest.MonkeyPatch, steps: Steps, small: int
) -> None:
    monkeypatch.setattr(joins, "SMALL", small)
    live_through(steps)


@pytest.mark.parametrize("small", [joins.SMALL, -1])
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STEPS)
def test_ids_follow_the_rule_through_any_imports(
    monkeypatch: pytest.MonkeyPatch, small: int, steps: Steps
) -> None:
    monkeypatch.setattr(joins, "SMALL", small)
    live_through(steps)


@pytest.mark.long
@pytest.mark.parametrize("small", [joins.SMALL, -1])
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STEPS)
def test_ids_follow_the_rule_through_very_many_imports(
    monkeypatch: pytest.MonkeyPatch, small: int, steps: Steps
) -> None:
    monkeypatch.setattr(joins, "SMALL", small)
    live_through(steps)


def live_through(steps: Steps) -> None:
    """Import layer after layer, and hold every id against the model."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        catalogue, model = scratch / "catalogue", Model()
        for source, layer in steps:
            rows = [{"id": own_id, **row} for own_id, row in layer.items()]
            done = import_rows(catalogue, scratch, source, rows)
            keyed = {ids.row_key("tr", source, own_id): row for own_id, row in layer.items()}
            model.check(source, keyed, recordings(catalogue), done.snapshot)
        snapshot = open_current(catalogue)
        for recording in model.minted:
            found = identity.resolve(snapshot, ids.text("rec", recording))
            assert found is not None
            assert found.now == ids.text("rec", model.now(recording))
