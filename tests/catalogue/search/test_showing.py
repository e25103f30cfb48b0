"""What is known of one id: each fact with its source, ids that became others, identifiers."""

from __future__ import annotations

from pathlib import Path

import pytest

from longplay.catalogue import curation, ids
from longplay.catalogue.curation import Hand
from longplay.catalogue.search.showing import Shown, show
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError
from tests.catalogue.made import ALBUMS, ARTISTS, TRACKS, bring

TRACK = ids.text("tr", ids.row_key("tr", "songs", "1"))
ALBUM = ids.text("al", ids.row_key("al", "songs", "b1"))
ARTIST = ids.text("ar", ids.row_key("ar", "songs", "a1"))


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    bring(tmp_path / "catalogue")
    return tmp_path / "catalogue"


def shown(catalogue: Path, asked: str) -> Shown:
    return show(open_current(catalogue), asked)


def test_a_track_with_its_facts_its_album_and_its_recording(catalogue: Path) -> None:
    (thing,) = shown(catalogue, TRACK.upper()).found
    facts = {fact.field: fact.value for fact in thing.facts}
    assert (thing.kind, thing.id, thing.gone) == ("track", TRACK, False)
    assert facts["title"] == "Blå"
    assert facts["artists"] == ["Ærlig"]
    assert facts["explicit"] is False
    assert facts["album"] == "Først"
    assert "licence" not in facts
    assert {fact.source for fact in thing.facts} == {"songs"}
    assert thing.recording == thing.tracks[0].recording


def test_a_recording_has_the_tracks_of_all_layers_and_what_each_says(catalogue: Path) -> None:
    other = [{"own_id": "x", "title": "Blaa", "isrcs": ["NOABC2300001"], "popularity": 3.0}]
    bring(catalogue, "others", tracks=other, albums=[], artists=[])
    recording = shown(catalogue, TRACK).found[0].recording
    assert recording
    (thing,) = shown(catalogue, recording).found
    titles = {(fact.source, fact.value) for fact in thing.facts if fact.field == "title"}
    assert titles == {("songs", "Blå"), ("others", "Blaa")}
    assert [line.source for line in thing.tracks] == ["songs", "others"]
    assert {line.recording for line in thing.tracks} == {recording}


def test_an_album_lists_its_tracks(catalogue: Path) -> None:
    (thing,) = shown(catalogue, ALBUM).found
    assert {fact.field: fact.value for fact in thing.facts}["release_date"] == "1999-05"
    assert [line.title for line in thing.tracks] == ["Blå"]


def test_an_artist_lists_the_most_popular_first(catalogue: Path) -> None:
    (thing,) = shown(catalogue, ARTIST).found
    assert [(fact.field, fact.value) for fact in thing.facts] == [("name", "Ærlig")]
    assert [line.title for line in thing.tracks] == ["Rot; og svart", "Blå"]
    assert thing.track_count == 2


@pytest.mark.parametrize("asked", ["NOABC2300002", "NO-ABC-23-00002", " noabc2300002 "])
def test_by_isrc(catalogue: Path, asked: str) -> None:
    (thing,) = shown(catalogue, asked).found
    assert (thing.kind, thing.tracks[0].id) == ("recording", TRACK)


def test_by_upc(catalogue: Path) -> None:
    (thing,) = shown(catalogue, "602445790913").found
    assert (thing.kind, thing.id) == ("album", ALBUM)


def test_an_isrc_of_two_recordings_shows_both(tmp_path: Path) -> None:
    mbids = [f"{n}0000000-0000-4000-8000-000000000000" for n in "12"]
    artists = [{"ref": 1, "own_id": "a", "name": "A", "mbid": mbids[0]}]
    tracks = [
        {"own_id": n, "title": n, "artist_refs": [1], "recording_mbid": mbids[0]} for n in "x"
    ]
    bring(tmp_path / "c", tracks=tracks, albums=[], artists=artists)
    assert [thing.kind for thing in shown(tmp_path / "c", mbids[0]).found] == [
        "recording",
        "artist",
    ]


def test_a_recording_that_became_another_is_followed_and_said(tmp_path: Path) -> None:
    catalogue = tmp_path / "c"
    one, two = ({"own_id": n, "title": n, "isrcs": [f"NOABC230000{n}"]} for n in "12")
    bring(catalogue, tracks=[one, two], albums=[], artists=[])
    before = {
        shown(catalogue, ids.text("tr", ids.row_key("tr", "songs", n))).found[0].recording
        for n in "12"
    }
    bring(catalogue, tracks=[one, {**two, "isrcs": one["isrcs"]}], albums=[], artists=[])
    things = [shown(catalogue, each or "").found[0] for each in before]
    assert {thing.id for thing in things} < before
    assert {thing.was for thing in things} == {None, *(before - {things[0].id})}
    assert all(len(thing.tracks) == 2 for thing in things)


def test_a_track_that_has_gone_is_said_to_have(catalogue: Path) -> None:
    bring(catalogue, tracks=TRACKS[1:], albums=ALBUMS, artists=ARTISTS)
    (thing,) = shown(catalogue, TRACK).found
    assert (thing.gone, thing.facts, thing.tracks) == (True, (), ())


@pytest.mark.parametrize("asked", ["", "x", "tr0000000000000", "SEABC2300001", "rec" + "z" * 5000])
def test_what_is_not_there_is_an_error(catalogue: Path, asked: str) -> None:
    with pytest.raises(InputError, match=r"is not in the catalogue|is not an id"):
        shown(catalogue, asked)


def test_with_the_tables_there_is_more(catalogue: Path) -> None:
    other = ids.text("al", ids.row_key("al", "songs", "b2"))
    (thing,) = show(open_current(catalogue), other, full=True).found
    facts = {fact.field: fact.value for fact in thing.facts}
    assert (facts["label"], facts["own_id"]) == ("Nord", "b2")
    (thing,) = show(open_current(catalogue), thing.tracks[0].id, full=True).found
    assert {fact.field: fact.value for fact in thing.facts}["disc_number"] == 1


def test_a_recording_has_what_its_layer_repeats(tmp_path: Path) -> None:
    """The first has the ISRC of the second, which has the name of the third."""
    tracks = [
        {"own_id": "1", "title": "Une", "isrcs": ["NOABC2300001"]},
        {"own_id": "2", "title": "Deux (feat. X)", "isrcs": ["NOABC2300001"], "artist_refs": [1]},
        {"own_id": "3", "title": "deux!", "artist_refs": [1], "popularity": 9.0},
        {"own_id": "4", "title": "Deux", "artist_refs": [2]},
    ]
    bring(tmp_path / "c", tracks=tracks, albums=[])
    (thing,) = shown(tmp_path / "c", "NOABC2300001").found
    assert [line.title for line in thing.tracks] == ["deux!", "Une", "Deux (feat. X)"]
    for line in thing.tracks:
        (one,) = shown(tmp_path / "c", line.id).found
        assert one.recording == thing.id


def test_what_curators_said_has_their_source(catalogue: Path) -> None:
    curation.edit(catalogue, TRACK, ["title=Blått"], Hand("me"))
    (thing,) = shown(catalogue, TRACK).found
    titles = [(fact.source, fact.value) for fact in thing.facts if fact.field == "title"]
    assert titles == [("songs", "Blå"), ("corrections", "Blått")]
    assert thing.tracks[0].title == "Blått"


def test_split_recordings_name_their_parts(catalogue: Path) -> None:
    one, two = ({"own_id": n, "title": n, "isrcs": ["NOABC2300077"]} for n in "56")
    bring(catalogue, "pair", tracks=[one, two], albums=[], artists=[])
    whole = shown(catalogue, "NOABC2300077").found[0]
    curation.split(catalogue, [whole.id], Hand("me"))
    (thing,) = shown(catalogue, whole.id).found
    assert len(thing.tracks) == 1
    (part,) = thing.parts
    assert [line.title for line in shown(catalogue, part).found[0].tracks] != [
        line.title for line in thing.tracks
    ]
