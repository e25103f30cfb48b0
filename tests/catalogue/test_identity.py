"""Ids last: whatever is imported, merged, split, joined by hand or dropped, every id resolves."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.catalogue import curation, identity, ids, joins, tracks
from longplay.catalogue.curation import Hand
from longplay.catalogue.snapshot import open_current
from longplay.errors import UsageError
from tests.catalogue import made
from tests.catalogue.conftest import Write, import_rows
from tests.catalogue.test_joins import recordings

HAND = Hand("ann")
CODES = [f"USABC000000{n}" for n in range(3)]


def rows_of(codes: dict[int, int]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(own),
            "title": f"T{own}",
            "artists": f"A{own}",
            "album": "L",
            "isrc": CODES[code],
        }
        for own, code in codes.items()
    ]


def every_id(catalogue: Path) -> set[str]:
    with open_current(catalogue).connect() as connection:
        queries = {
            "tr": "SELECT track FROM tracks",
            "al": "SELECT key FROM albums",
            "ar": "SELECT key FROM artists",
            "rec": "SELECT recording FROM members",
        }
        return {
            ids.text(prefix, row[0])
            for prefix, query in queries.items()
            for row in connection.execute(query).fetchall()
        }


places = st.tuples(st.integers(0, 9), st.integers(0, 9))
content = st.dictionaries(st.integers(0, 4), st.integers(0, 2), min_size=1, max_size=4)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("ab"), content),
        st.tuples(
            st.sampled_from(["join", "split"]), st.tuples(st.integers(0, 9), st.integers(0, 9))
        ),
    ),
    min_size=2,
    max_size=4,
)


@settings(max_examples=5, deadline=None)
@given(first=content, steps=steps)
def test_every_id_that_ever_was_resolves(
    tmp_path_factory: Any, first: dict[int, int], steps: list[tuple[str, Any]]
) -> None:
    scratch: Path = tmp_path_factory.mktemp("ids")
    catalogue = scratch / "catalogue"
    import_rows(catalogue, scratch, "a", rows_of(first))
    seen = every_id(catalogue)
    for what, argument in steps:
        if what in ("join", "split"):
            act_on_pair(catalogue, what, argument)
        else:
            import_rows(catalogue, scratch, what, rows_of(argument))
        now = every_id(catalogue)
        seen |= now
        snapshot = open_current(catalogue)
        with tracks.opened(snapshot) as looked:
            for each in sorted(seen):
                found = identity.resolve_key(looked, *ids.parse(each))
                assert found is not None, f"{each} is forgotten"
                if each in now:
                    assert (found.now, found.live) == (each, True)
                assert found.live == (found.now in now)


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(first=content, steps=steps)
def test_what_is_settled_need_not_be_matched_again(
    tmp_path_factory: Any, first: dict[int, int], steps: list[tuple[str, Any]]
) -> None:
    """Matching what an import unsettles gives what matching all of it does, curators' acts
    between."""
    seen = []
    for small in (joins.SMALL, -1):
        scratch: Path = tmp_path_factory.mktemp("ids")
        catalogue = scratch / "catalogue"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(joins, "SMALL", small)
            states = [import_and_see(catalogue, scratch, "a", first)]
            for what, argument in steps:
                if what in ("join", "split"):
                    act_on_pair(catalogue, what, argument)
                    states.append(recordings(catalogue))
                else:
                    states.append(import_and_see(catalogue, scratch, what, argument))
        seen.append(states)
    assert seen[0] == seen[1]


def import_and_see(
    catalogue: Path, scratch: Path, source: str, codes: dict[int, int]
) -> dict[int, int]:
    import_rows(catalogue, scratch, source, rows_of(codes))
    return recordings(catalogue)


def act_on_pair(catalogue: Path, what: str, places: tuple[int, int]) -> None:
    live = sorted(recordings(catalogue))
    pair = [ids.text("tr", live[each % len(live)]) for each in places]
    if pair[0] != pair[1]:
        act = curation.join if what == "join" else curation.split
        with suppress(UsageError):  # one that contradicts another is refused
            act(catalogue, pair, HAND)


def test_members_and_recordings_agree_with_the_views(catalogue: Path, bring: Write) -> None:
    bring("a", rows_of({0: 0, 1: 0, 2: 1}))
    bring("b", rows_of({0: 0, 3: 1, 4: 2}))
    expected = recordings(catalogue)
    with tracks.opened(open_current(catalogue)) as looked:
        for track, recording in expected.items():
            assert identity.recording_of(looked, track) == recording
            mine = sorted(each for each in expected if expected[each] == recording)
            assert identity.members(looked, recording) == mine


def test_what_never_was_does_not_resolve(catalogue: Path, bring: Write) -> None:
    bring("a", rows_of({0: 0}))
    snapshot = open_current(catalogue)
    for prefix in ("tr", "al", "ar", "rec"):
        assert identity.resolve(snapshot, ids.text(prefix, 1)) is None


def test_what_a_source_merged_leads_to_what_it_is_now(catalogue: Path) -> None:
    made.bring(catalogue)
    artists = [each for each in made.ARTISTS if each["own_id"] != "a2"]
    tracks = [{**each, "artist_refs": [1]} for each in made.TRACKS]
    aliases = [
        {"kind": "artist", "old": "a2", "new": "a0"},
        {"kind": "artist", "old": "a0", "new": "a1"},
    ]
    made.bring(catalogue, artists=artists, tracks=tracks, albums=[], aliases=aliases)
    old, new = (ids.text("ar", ids.row_key("ar", "songs", own)) for own in ("a2", "a1"))
    found = identity.resolve(open_current(catalogue), old)
    assert found == identity.Resolution(old, new, live=True)
