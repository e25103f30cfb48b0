"""`musicFolderId`: what is asked of one source is of that source, in every call that has it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.subsonic.conftest import Caller, Rest

CALLS: dict[str, dict[str, Any]] = {
    "getIndexes": {},
    "getArtists": {},
    "getAlbumList": {"type": "newest"},
    "getAlbumList2": {"type": "newest"},
    "getRandomSongs": {},
    "getSongsByGenre": {"genre": "Folk"},
    "getStarred": {},
    "getStarred2": {},
    "search2": {"query": ""},
    "search3": {"query": ""},
}


def folders(caller: Caller) -> dict[str, int]:
    found = caller.ok("getMusicFolders")["musicFolders"]["musicFolder"]
    return {one["name"]: one["id"] for one in found}


def named(answer: Any) -> set[str]:
    """Every name and title in an answer."""
    if isinstance(answer, list):
        return set().union(*map(named, answer))
    if not isinstance(answer, dict):
        return set()
    own = {answer[key] for key in ("name", "title") if key in answer}
    return own.union(*map(named, answer.values()))


@pytest.fixture(scope="module")
def heard(rest: Rest) -> Caller:
    """A member who starred, rated and played everything."""
    caller = rest.caller("member")
    for song in caller.songs().values():
        caller.ok("star", id=song["id"], albumId=song["albumId"], artistId=song["artistId"])
        caller.ok("setRating", id=song["albumId"], rating=5)
        caller.ok("scrobble", id=song["id"])
    return caller


SHELF = {"Own", "Shelf", "Eve"}
LABEL = {"Piece", "Quiet & loud", "Zug", "One", "The Ann"}


@pytest.mark.parametrize("call", CALLS)
def test_each_call_is_confined(heard: Caller, call: str) -> None:
    of = folders(heard)
    shelf = named(heard.ok(call, **CALLS[call], musicFolderId=of["shelf"]))
    label = named(heard.ok(call, **CALLS[call], musicFolderId=of["label"]))
    assert shelf
    assert label
    if call == "getIndexes":  # folders as they lie in the source
        assert (shelf & {"Own", "Ann"}, label & {"Own", "Ann"}) == ({"Own"}, {"Ann"})
        return
    assert shelf & SHELF
    assert not shelf & LABEL
    assert label & LABEL
    assert not label & SHELF
    both = named(heard.ok(call, **CALLS[call]))
    assert shelf | label <= both
    assert named(heard.ok(call, **CALLS[call], musicFolderId="")) == both


@pytest.mark.parametrize(
    "kind", ["random", "newest", "alphabeticalByName", "alphabeticalByArtist", "byYear", "byGenre",
             "highest", "starred", "frequent", "recent"],
)  # fmt: skip
@pytest.mark.parametrize("call", ["getAlbumList", "getAlbumList2"])
def test_each_list_of_albums_is_confined_before_it_is_cut_into_pages(
    heard: Caller, call: str, kind: str
) -> None:
    of = folders(heard)
    more = {"byYear": {"fromYear": 1960, "toYear": 2020}, "byGenre": {"genre": "Folk"}}
    asked = {"type": kind, **more.get(kind, {})}

    def listed(**further: Any) -> list[str]:
        answer = heard.ok(call, **asked, **further)[call[3].lower() + call[4:]]
        return [one["id"] for one in answer.get("album", [])]

    whole = listed(size=500)
    parts = {name: listed(size=500, musicFolderId=number) for name, number in of.items()}
    assert len(parts["shelf"]) == 1
    assert sorted(parts["shelf"] + parts["label"]) == sorted(whole)
    for name, number in of.items():
        paged = [listed(size=1, offset=at, musicFolderId=number) for at in range(len(whole))]
        if kind != "random":
            assert [one for page in paged for one in page] == parts[name]


@pytest.mark.parametrize("call", ["search2", "search3"])
def test_words_are_looked_for_in_one_source(heard: Caller, call: str) -> None:
    of = folders(heard)
    result = call.replace("search", "searchResult")

    def titles(text: str, name: str) -> list[str]:
        found = heard.ok(call, query=text, musicFolderId=of[name])[result]
        return [one["title"] for one in found["song"]]

    assert titles("own", "shelf") == ["Own"]
    assert titles("own", "label") == []
    assert titles("piece", "label") == ["Piece"]
    assert titles("piece", "shelf") == []
    found = heard.ok(call, query="eve", musicFolderId=of["shelf"])[result]
    assert [one["name"] for one in found["artist"]] == ["Eve"]
    assert heard.ok(call, query="eve", musicFolderId=of["label"])[result]["artist"] == []


@pytest.mark.parametrize("word", ["is", "i", "m", "may", "in", "o", "op", "fo"])
def test_what_the_index_says_of_things_is_no_word_of_them(heard: Caller, word: str) -> None:
    found = heard.ok("search3", query=word)["searchResult3"]
    for song in found["song"]:
        words = " ".join((song["title"], song["artist"], song["album"])).casefold().split()
        assert any(one.strip("<").startswith(word) for one in words), song["title"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [("1", 70), ("fo-nothing", 70), ("-1", 10), ("../x", 10), ("x" * 9999, 10)],
)
@pytest.mark.parametrize("call", CALLS)
def test_a_folder_that_is_not_there(heard: Caller, call: str, asked: str, code: int) -> None:
    assert heard.code(call, **CALLS[call], musicFolderId=asked) == code


@pytest.mark.parametrize("call", CALLS)
def test_a_folder_of_members_is_none_of_guests(rest: Rest, heard: Caller, call: str) -> None:
    guest = rest.caller("guest")
    assert list(folders(guest)) == ["label"]
    assert guest.code(call, **CALLS[call], musicFolderId=folders(heard)["shelf"]) == 70
    number = folders(guest)["label"]
    if call != "getRandomSongs":
        assert guest.ok(call, **CALLS[call], musicFolderId=number) == guest.ok(call, **CALLS[call])


def test_stars_stand_in_the_artists_of_one_source(heard: Caller) -> None:
    artists = heard.ok("getArtists", musicFolderId=folders(heard)["shelf"])["artists"]
    (eve,) = (one for letter in artists["index"] for one in letter["artist"])
    assert eve["name"] == "Eve"
    assert eve["starred"]
    assert eve["albumCount"] == 1
