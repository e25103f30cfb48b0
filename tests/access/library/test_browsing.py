"""What is held, as listeners browse it."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longplay.access.library.things import Order, Track
from longplay.access.library.view import View
from longplay.access.listener import ANONYMOUS, Listener
from tests.access.library.conftest import GUEST, MEMBER, Shelf

LISTENERS = [ANONYMOUS, GUEST, MEMBER]
ORDERS = [order for order in get_args(Order) if order != "random"]


def titles(tracks: list[Track]) -> list[str]:
    return [track.title for track in tracks]


def everything(view: View) -> list[Track]:
    return view.search("", tracks=(500, 0)).tracks


def album_of(view: View, title: str) -> str:
    return next(one.id for one in view.albums("alphabeticalByName") if one.title == title)


def test_albums_with_their_discs_in_order(still: Shelf) -> None:
    view = still.view()
    album = view.album(album_of(view, "Vespertine"))
    assert album is not None
    assert (album.artist, album.year, album.discs, album.tracks) == ("Björk", 2001, 2, 4)
    assert (album.genres, album.compilation) == (("Art Pop",), False)
    tracks = view.tracks_of_album(album.id)
    assert titles(tracks) == ["Cocoon 1.1", "Cocoon 1.2", "Cocoon 2.1", "Cocoon 2.2"]
    first = tracks[0]
    assert first.path == "Björk/Vespertine/1-01 Cocoon 1.1.flac"
    assert [name for _, name in first.composers] == ["Björk", "Thomas Knak"]
    assert first.artists == first.album_artists == first.composers[:1]
    assert (first.isrc, first.sample_rate, first.channels) == ("GBAAA0100011", 22050, 2)
    assert (first.suffix, first.media_type, first.access) == (".flac", "audio/flac", "open")
    assert first.replay_gain is not None
    assert first.replay_gain.track_gain == pytest.approx(first.replay_gain.album_gain, abs=1)
    assert sum(track.duration_ms for track in tracks) == album.duration_ms


def test_an_album_of_many_without_an_album_artist_is_a_compilation(still: Shelf) -> None:
    view = still.view()
    album = view.album(album_of(view, "A Mix"))
    assert album is not None
    assert (album.artist, album.compilation, album.tracks) == ("Various Artists", True, 3)
    assert "Ann" not in [one.name for one in view.artists("album")]
    ann = next(one for one in view.artists("artist") if one.name == "Ann")
    assert view.albums_of_artist(ann.id) == [album]
    assert view.albums_of_artist(ann.id, "album") == []


def test_the_parts_of_a_file_are_tracks(still: Shelf) -> None:
    view = still.view()
    first, second = view.tracks_of_album(album_of(view, "One Side"))
    assert first.root == second.root
    assert first.id != second.id
    assert [(one.title, one.start_ms, one.end_ms, one.duration_ms) for one in (first, second)] == [
        ("First Part", 0, 4000, 4000),
        ("Second Part", 4000, None, 5000),
    ]


def test_files_without_tags_are_there_by_name_and_folder(still: Shelf) -> None:
    view = still.view()
    album = view.album(album_of(view, "loose"))
    assert album is not None
    assert album.artist == "Unknown Artist"
    assert "some song" in titles(view.tracks_of_album(album.id))


def test_dark_files_are_not_there(still: Shelf) -> None:
    view = still.view()
    assert "Nobody" not in titles(everything(view))
    assert view.search("nobody").tracks == []
    assert "Yan" not in [one.name for one in view.artists("all")]
    assert [folder.name for folder in view.folders()] == ["label"]


def test_guests_hear_what_is_open_alone(still: Shelf) -> None:
    guest, member = still.view(GUEST), still.view()
    closed = {"For Members", "Only Members"}
    assert closed <= set(titles(everything(member)))
    assert not closed & set(titles(everything(guest)))
    for track in everything(member):
        assert (guest.track(track.id) is not None) == (track.access == "open")
    assert guest.search("members").albums == []
    assert [one.title for one in member.search("members").albums] == ["Members"]
    assert "Zed" not in [one.name for one in guest.artists("all")]
    assert "Secret Genre" not in [one.name for one in guest.genres()]
    assert guest.tracks_by_genre("Secret Genre") == guest.random(5, "Secret Genre") == []
    assert titles(member.tracks_by_genre("secret genre")) == ["Only Members"]
    helped = guest.album(album_of(member, "Help!"))
    assert helped is not None
    assert helped.tracks == 2
    assert guest.version != member.version
    assert guest.version == still.view(ANONYMOUS).version


@pytest.mark.parametrize("listener", LISTENERS, ids=["nobody", "guest", "member"])
def test_all_that_is_counted_is_listed(still: Shelf, listener: Listener) -> None:
    view = still.view(listener)
    tracks, counts = everything(view), view.counts
    assert counts.tracks == len(tracks)
    assert counts.duration_ms == sum(track.duration_ms for track in tracks)
    assert counts.bytes == sum({track.root: track.bytes for track in tracks}.values())
    albums = view.albums("newest")
    assert counts.albums == len(albums)
    assert {album.id for album in albums} == {track.album_id for track in tracks}
    for album in albums:
        there = view.tracks_of_album(album.id)
        assert there == [track for track in tracks if track.album_id == album.id]
        assert album.tracks == len(there)
    artists = view.artists("all")
    assert counts.artists == len(artists)
    for artist in artists:
        of = view.tracks_of_artist(artist.id)
        assert artist.tracks == len(of)
        assert artist.albums == len(view.albums_of_artist(artist.id))
        assert {one.album_id for one in of} == {x.id for x in view.albums_of_artist(artist.id)}
    for genre in view.genres():
        in_genre = [track for track in tracks if genre.name in track.genres]
        assert view.tracks_by_genre(genre.name) == in_genre
        assert genre.tracks == len(in_genre)
        assert genre.albums == len(view.albums("newest", genre=genre.name))
    assert sum(count for _, count in view.years()) == len([a for a in albums if a.year])
    assert {track.id for track in view.random(500)} == {track.id for track in tracks}
    folders, walked = view.folders(), []
    while folders:
        here = view.folder(folders.pop().id)
        assert here is not None
        walked += here.tracks
        folders += here.folders
    assert sorted(titles(walked)) == sorted(titles(tracks))


@given(
    order=st.sampled_from(ORDERS),
    size=st.integers(1, 20),
    years=st.none() | st.tuples(st.integers(1960, 2003), st.integers(1960, 2003)),
    genre=st.sampled_from([None, "Rock", "art pop", "None such"]),
    listener=st.sampled_from(LISTENERS),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_pages_together_are_everything_once(
    still: Shelf,
    order: Order,
    size: int,
    years: tuple[int, int] | None,
    genre: str | None,
    listener: Listener,
) -> None:
    view = still.view(listener)
    low, high = years or (None, None)
    whole = view.albums(order, 500, 0, genre, low, high)
    paged = []
    for offset in range(0, len(whole) + size, size):
        page = view.albums(order, size, offset, genre, low, high)
        assert len(page) <= size
        paged += page
    assert paged == whole
    assert len({album.id for album in whole}) == len(whole)
    if years:
        assert all(min(years) <= (album.year or -1) <= max(years) for album in whole)
    if genre is None and years is None:
        assert len(whole) == view.counts.albums


@given(text=st.sampled_from(["", '""', "co", "mix", "the beatles", "o", "part"]),
       size=st.integers(1, 7), listener=st.sampled_from(LISTENERS))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_pages_of_a_search_together_are_all_that_is_found(
    still: Shelf, text: str, size: int, listener: Listener
) -> None:
    view = still.view(listener)
    whole = view.search(text, (500, 0), (500, 0), (500, 0))
    for kind in ("artists", "albums", "tracks"):
        paged = []
        for offset in range(0, len(getattr(whole, kind)) + size, size):
            paged += getattr(view.search(text, **{kind: (size, offset)}), kind)
        assert paged == getattr(whole, kind)
        assert len({one.id for one in paged}) == len(paged)


def test_orders(still: Shelf) -> None:
    view = still.view()

    def named(order: Order) -> list[str]:
        return [album.title for album in view.albums(order)]

    assert named("alphabeticalByName") == [
        "Help!", "loose", "Members", "A Mix", "One Side", "Vespertine",
    ]  # fmt: skip
    by_artist = [album.artist for album in view.albums("alphabeticalByArtist")]
    assert by_artist == ["The Beatles, Guest", "Björk", "Long", "Unknown Artist",
                         "Various Artists", "Zed"]  # fmt: skip
    assert named("byYear")[:2] == ["Help!", "Vespertine"]
    assert named("byYearDescending")[:2] == ["Vespertine", "Help!"]
    assert sorted(named("random")) == sorted(named("popular")) == sorted(named("newest"))
    created = [album.created for album in view.albums("newest")]
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bjork coc", {"Cocoon 1.1", "Cocoon 1.2", "Cocoon 2.1", "Cocoon 2.2"}),
        ("BJÖRK 2 1", {"Cocoon 1.2", "Cocoon 2.1", "Cocoon 2.2"}),
        ("knak vesp", {"Cocoon 1.1", "Cocoon 1.2", "Cocoon 2.1", "Cocoon 2.2"}),
        ("aether o", {"Æther ø"}),
        ("beatles help", {"Help!", "For Members", "Æther ø"}),
        ("part sec", {"Second Part"}),
        ("nothing of it", set()),
        ('" OR "', set()),
        ("\x00", set()),
    ],
)
def test_words_are_found_in_any_field_and_spelling(
    still: Shelf, text: str, found: set[str]
) -> None:
    tracks = still.view().search(text).tracks
    if text == "BJÖRK 2 1":
        assert found >= set(titles(tracks))
    else:
        assert set(titles(tracks)) == found


def test_what_is_called_exactly_so_comes_first(still: Shelf) -> None:
    assert titles(still.view().search("help!").tracks)[0] == "Help!"


def test_the_index_sorts_without_articles(still: Shelf) -> None:
    index = still.view().index()
    assert [letter for letter, _ in index] == ["B", "G", "L", "U", "V", "Z"]
    assert [one.name for one in index[0][1]] == ["The Beatles", "Björk"]
    assert index[0][1][0].sort_name == "Beatles"


def test_genres_are_one_however_they_are_spelt(still: Shelf) -> None:
    assert [one.name for one in still.view().genres()] == ["Art Pop", "Rock", "Secret Genre"]


def test_ids_lead_back(still: Shelf) -> None:
    view = still.view()
    tracks = everything(view)
    ids = [track.id for track in tracks]
    assert view.tracks(reversed(ids)) == tracks[::-1]
    for track in tracks:
        assert track.recording is not None
        assert track in view.recording(track.recording)
        assert view.album(track.album_id.upper()) is not None
        assert all(view.artist(key) is not None for key, _ in track.artists)
    beatles = view.artists_by([key for key, _ in view.search("help!").tracks[0].artists])
    assert [one.name for one in beatles] == ["The Beatles", "Guest"]
    assert titles(view.top_tracks("the beatles")) == titles(view.top_tracks(beatles[0].id))


@pytest.mark.parametrize(
    "ask",
    [View.track, View.album, View.artist, View.folder, View.recording, View.tracks_of_album,
     View.albums_of_artist, View.tracks_of_artist, View.top_tracks, View.tracks_by_genre],
)  # fmt: skip
@pytest.mark.parametrize(
    "identity", ["", "../../etc/passwd", "tr", "tr' OR 1=1", "\x00", "al" + "z" * 13, "x" * 10_000]
)
def test_what_is_no_id_leads_nowhere(
    still: Shelf, ask: Callable[[View, str], object], identity: str
) -> None:
    assert not ask(still.view(), identity)


def test_pages_are_bounded(still: Shelf) -> None:
    view = still.view()
    assert len(view.search("", tracks=(10**9, -5)).tracks) == view.counts.tracks
    assert (
        view.random(-1)
        == view.albums("newest", -1)
        == view.tracks_by_genre("Rock", 5, 10**12)
        == []
    )
