"""An album that is held in two encodings has each track once: the best that a listener may hear."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from longplay.access.app import create_app
from longplay.access.library import apart, building
from longplay.access.library.things import Track
from longplay.access.library.view import View
from longplay.access.people import accounts
from longplay.rights.claims import Step
from longplay.workflows import claims
from longplay.workflows.claims import Request
from tests.access.library.conftest import BY, GUEST, MEMBER, Shelf
from tests.system.conftest import Longplay, song

PASSWORD = "a password of some length"


def write_twice(folder: Path) -> None:
    """Three songs as FLAC for members and as Vorbis for all, which name a guest and another genre;
    the third as Vorbis for members alone; of the second the Vorbis file says another number; a
    fourth is on both sides of the album."""
    for number in (1, 2, 3):
        title, isrcs = f"Song {number}", (f"QZLP02600{number:03}",)
        song(
            folder / "flac" / f"{number}.flac", "flac", pitch=200 + 40 * number, title=title,
            artists=("Ann",), album="Twice", album_artists=("Ann",), track_number=number,
            disc_number=1, isrcs=isrcs, genres=("Folk",),
        )  # fmt: skip
        song(
            folder / "ogg" / f"{number}.ogg", "vorbis", pitch=200 + 40 * number, title=title,
            artists=("Ann", "Gast"), album="Twice", album_artists=("Ann",),
            track_number=12 if number == 2 else number, isrcs=isrcs, genres=("Folk", "Lossy"),
            licences=(BY,) if number < 3 else (),
        )  # fmt: skip
    for number in (4, 9):
        song(
            folder / "flac" / f"{number}.flac", "flac", pitch=700, title="Reprise",
            artists=("Ann",), album="Twice", album_artists=("Ann",), track_number=number,
            isrcs=("QZLP02600004",),
        )  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("twice")
    write_twice(place / "music")
    longplay = Longplay(place / "archive")
    longplay.run("keep", place / "music", "--archive", longplay.archive)
    return longplay.archive


@pytest.fixture
def twice(kept: Path, tmp_path: Path) -> Iterator[Shelf]:
    longplay = Longplay(tmp_path / "archive")
    shutil.copytree(kept, longplay.archive)
    with TestClient(create_app(longplay.archive)) as web:
        here = web.app.state.context  # type: ignore[attr-defined]
        accounts.add(here.people, "mia", "member", PASSWORD)
        shelf = Shelf(longplay, here, tmp_path)
        yield shelf


def facts(tracks: list[Track]) -> list[tuple[str, str]]:
    return [(one.title, one.suffix) for one in tracks]


MEMBERS = [("Song 1", ".flac"), ("Song 2", ".flac"), ("Song 3", ".flac"), ("Reprise", ".flac"),
           ("Reprise", ".flac")]  # fmt: skip
GUESTS = [("Song 1", ".ogg"), ("Song 2", ".ogg")]


def listed(view: View) -> dict[str, list[Track]]:
    """The one album's tracks by every way that lists them whole."""
    (album,) = view.albums("newest")
    ann = next(one for one in view.artists("all") if one.name == "Ann")
    found = {
        "album": view.tracks_of_album(album.id),
        "artist": view.tracks_of_artist(ann.id),
        "genre": view.tracks_by_genre("Folk"),
        "everything": view.search("", tracks=(500, 0)).tracks,
        "random": sorted(view.random(500), key=lambda one: one.track_number or 0),
        "words": sorted(view.search("song").tracks, key=lambda one: one.track_number or 0),
        "top": sorted(view.top_tracks(ann.id), key=lambda one: one.track_number or 0),
    }
    assert album.tracks == len(found["album"]) == view.counts.tracks
    assert album.duration_ms == sum(one.duration_ms for one in found["album"])
    assert view.counts.duration_ms == album.duration_ms
    roots = {one.root: one.bytes for one in found["album"]}
    assert view.counts.bytes == sum(roots.values())
    assert ann.tracks == len(found["artist"])
    for genre in view.genres():
        assert genre.tracks == len(view.tracks_by_genre(genre.name))
    return found


def test_each_track_is_listed_once_in_the_best_file_that_may_be_heard(twice: Shelf) -> None:
    for name, tracks in listed(twice.view()).items():
        wanted = MEMBERS[:3] if name in ("genre", "words") else MEMBERS
        assert facts(tracks) == wanted, name
    for name, tracks in listed(twice.view(GUEST)).items():
        assert facts(tracks) == GUESTS, name


def test_a_source_s_part_lists_the_same(twice: Shelf) -> None:
    view = twice.view()
    (folder,) = view.folders()
    part = view.within(folder.id)
    assert part.search("", tracks=(500, 0)) == view.search("", tracks=(500, 0))
    assert facts(part.search("song").tracks) == facts(view.search("song").tracks)


def test_pages_of_a_search_have_each_track_once(twice: Shelf) -> None:
    view = twice.view()
    whole = view.search("ann", tracks=(500, 0)).tracks
    paged = [view.search("ann", tracks=(1, at)).tracks for at in range(len(whole) + 1)]
    assert [one for page in paged for one in page] == whole
    assert len({one.id for one in whole}) == len(whole) == 5


def test_who_is_named_in_one_encoding_has_that(twice: Shelf) -> None:
    view = twice.view()
    guest = next(one for one in view.artists("all") if one.name == "Gast")
    found = view.tracks_of_artist(guest.id)
    assert facts(found) == [(f"Song {number}", ".ogg") for number in (1, 2, 3)]
    assert guest.tracks == 3
    assert facts(view.tracks_by_genre("Lossy")) == facts(found)
    assert facts(view.search("gast song").tracks) == facts(view.search("song").tracks)


def test_the_others_are_there_by_id_and_in_their_folder(twice: Shelf) -> None:
    view = twice.view()
    first = view.search("song 1").tracks[0]
    assert first.recording is not None
    both = view.recording(first.recording)
    assert facts(both) == [("Song 1", ".flac"), ("Song 1", ".ogg")]
    assert view.track(both[1].id) == both[1]
    folder = view.folder(both[1].folder)
    assert folder is not None
    assert [one.suffix for one in folder.tracks] == [".ogg"] * 3


def test_when_the_best_is_withdrawn_the_next_takes_its_place(
    twice: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "build", lambda _: None)
    building.build(twice.here.archive)
    archive, view = twice.here.archive, twice.view()
    (album,) = view.albums("newest")
    best = view.tracks_of_album(album.id)[1]
    request = Request("A", "a@b.example", "mine", objects=(f"obj{best.root.hex()}",))
    claims.decide(archive, claims.add(archive, request).id, Step.UPHOLD, "shown")
    wanted = [MEMBERS[0], GUESTS[1], *MEMBERS[2:]]
    view = twice.view()
    assert facts(view.tracks_of_album(album.id)) == wanted
    assert facts(view.search("", tracks=(500, 0)).tracks) == wanted
    assert facts(view.search("song 2").tracks)[:1] == [GUESTS[1]]
    assert view.track(best.id) is None
    assert facts(twice.view(GUEST).tracks_of_album(album.id)) == GUESTS


def test_pages_and_players_list_each_once_and_tell_of_both(twice: Shelf) -> None:
    with TestClient(create_app(twice.longplay.archive)) as web:
        asked = {"u": "mia", "p": PASSWORD, "v": "1.16.1", "c": "tests", "f": "json"}
        view = twice.view(MEMBER)
        (album,) = view.albums("newest")

        def told(call: str, identity: str) -> dict[str, object]:
            answer = web.get(f"/rest/{call}", params={**asked, "id": identity}).json()
            return dict(answer["subsonic-response"])

        found = told("getAlbum", album.id)["album"]
        assert isinstance(found, dict)
        assert found["songCount"] == len(found["song"]) == 5
        assert {one["suffix"] for one in found["song"]} == {"flac"}
        first = view.tracks_of_album(album.id)[0]
        other = view.recording(first.recording or "")[1]
        song = told("getSong", other.id)["song"]
        assert isinstance(song, dict)
        assert song["suffix"] == "ogg"
        page = web.get(f"/albums/{album.id}").text  # to nobody: the open files
        assert page.count(">Song 1<") == 1
        assert "Disc" not in page
        page = web.get(f"/recordings/{first.recording}").text
        assert first.root.hex() in page
        assert other.root.hex() in page
        streamed = web.get("/rest/stream", params={**asked, "id": other.id})
        assert streamed.headers["content-type"] == "audio/ogg"
