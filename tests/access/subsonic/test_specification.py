"""Every call, judged by the specification's own schemas, in JSON and in XML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from longplay import clock
from longplay.access.subsonic import absent
from longplay.access.subsonic.rest import CALLS
from tests.access.subsonic import flattening
from tests.access.subsonic.conftest import Caller, Rest
from tests.access.subsonic.specification import Specification

pytestmark = pytest.mark.real

NOT_YET = {"getSonicSimilarTracks", "findSonicPath"}
"""Calls of an extension that is not spoken."""

CLIENT = {
    "name": "tests",
    "platform": "pytest",
    "maxAudioBitrate": 64_000,
    "directPlayProfiles": [{"containers": ["mp3"], "audioCodecs": ["mp3"], "protocols": ["http"]}],
    "transcodingProfiles": [{"container": "mp3", "audioCodec": "mp3", "protocol": "http"}],
}


@pytest.fixture(scope="module")
def specification(data: Path) -> Specification:
    return Specification(data / "opensubsonic" / "openapi")


class Things:
    """Ids of one of each kind, and what a listener has kept of each, before the calls are made."""

    def __init__(self, caller: Caller) -> None:
        songs = caller.songs()
        self.song, self.other = songs["Piece"]["id"], songs["Own"]["id"]
        self.album = songs["Piece"]["albumId"]
        self.artist = songs["Piece"]["artistId"]
        self.name = songs["Piece"]["artist"]
        folders = caller.ok("getIndexes")["indexes"]["shortcut"]
        self.folder = folders[0]["id"]
        self.number = caller.ok("getMusicFolders")["musicFolders"]["musicFolder"][0]["id"]
        caller.ok("star", id=self.song, albumId=self.album, artistId=self.artist)
        for one in (self.song, self.album, self.artist):
            caller.ok("setRating", id=one, rating=4)
        caller.ok("scrobble", id=self.song)
        caller.ok("scrobble", id=self.song, submission="false")
        caller.ok("createBookmark", id=self.song, position=1000, comment="here")
        caller.ok("savePlayQueue", id=[self.song, self.other], current=self.other, position=5)
        made = caller.ok("createPlaylist", name="Mine", songId=[self.song, self.other])
        self.playlist = made["playlist"]["id"]


Asks = Callable[[Things], list[dict[str, Any]]]


def _once(**asked: Any) -> Asks:
    return lambda _: [asked]


def _lists(of: Things) -> list[dict[str, Any]]:
    own = ("random", "newest", "highest", "frequent", "recent", "starred")
    alphabetical = ("alphabeticalByName", "alphabeticalByArtist")
    return [
        *({"type": one} for one in (*own, *alphabetical)),
        {"type": "byYear", "fromYear": 1960, "toYear": 2030},
        {"type": "byYear", "fromYear": 2030, "toYear": 1960},
        {"type": "byGenre", "genre": "Folk", "size": 1, "offset": 1},
        {"type": "newest", "musicFolderId": of.number},
    ]


ASKED: dict[str, Asks] = {
    "ping": _once(),
    "getLicense": _once(),
    "getOpenSubsonicExtensions": _once(),
    "getMusicFolders": _once(),
    "getIndexes": lambda of: [
        {}, {"musicFolderId": of.number}, {"ifModifiedSince": 0}, {"ifModifiedSince": 2**42},
    ],
    "getMusicDirectory": lambda of: [
        {"id": one} for one in (of.folder, of.artist, of.album, "composers", "conductors")
    ],
    "getGenres": _once(),
    "getArtists": lambda of: [{}, {"musicFolderId": of.number}],
    "getArtist": lambda of: [{"id": of.artist}],
    "getAlbum": lambda of: [{"id": of.album}],
    "getSong": lambda of: [{"id": of.song}],
    "getArtistInfo": lambda of: [{"id": of.artist}, {"id": of.song, "count": 1}],
    "getArtistInfo2": lambda of: [{"id": of.artist}, {"id": of.album}],
    "getAlbumInfo": lambda of: [{"id": of.album}, {"id": of.song}],
    "getAlbumInfo2": lambda of: [{"id": of.album}],
    "getSimilarSongs": lambda of: [{"id": of.artist, "count": 3}],
    "getSimilarSongs2": lambda of: [{"id": of.song}],
    "getTopSongs": lambda of: [{"artist": of.name}, {"id": of.artist, "count": 1}],
    "getAlbumList": _lists,
    "getAlbumList2": _lists,
    "getRandomSongs": lambda of: [
        {}, {"genre": "Folk", "fromYear": 1970, "toYear": 1980}, {"musicFolderId": of.number},
    ],
    "getSongsByGenre": lambda of: [
        {"genre": "Rock & Roll"}, {"genre": "Rock & Roll", "musicFolderId": of.number},
    ],
    "getNowPlaying": _once(),
    "getStarred": lambda of: [{}, {"musicFolderId": of.number}],
    "getStarred2": lambda of: [{}, {"musicFolderId": of.number}],
    "search": _once(any="piece"),
    "search2": lambda of: [
        {"query": "ann"}, {"query": ""}, {"query": "ann", "musicFolderId": of.number},
    ],
    "search3": lambda of: [
        {"query": "ann"}, {"query": ""}, {"query": '""', "songOffset": 2},
        {"query": "", "musicFolderId": of.number},
    ],
    "getPlaylists": _once(),
    "getPlaylist": lambda of: [{"id": of.playlist}],
    "createPlaylist": lambda of: [{"name": "Another", "songId": of.song}],
    "updatePlaylist": lambda of: [{"playlistId": of.playlist, "comment": "new"}],
    "getLyrics": lambda of: [{"artist": of.name, "title": "Piece"}, {}],
    "getLyricsBySongId": lambda of: [{"id": of.song}, {"id": of.song, "enhanced": "true"}],
    "star": lambda of: [{"id": of.song}],
    "unstar": lambda of: [{"id": of.other}],
    "setRating": lambda of: [{"id": of.song, "rating": 5}],
    "scrobble": lambda of: [{"id": [of.song, of.other], "time": [10**12, 10**12 + 1]}],
    "reportPlayback": lambda of: [
        {"mediaId": of.song, "mediaType": "song", "positionMs": 5, "state": "playing"}
    ],
    "getBookmarks": _once(),
    "createBookmark": lambda of: [{"id": of.other, "position": 5}],
    "deleteBookmark": lambda of: [{"id": of.other}],
    "getPlayQueue": _once(),
    "getPlayQueueByIndex": _once(),
    "savePlayQueue": lambda of: [{"id": of.song, "current": of.song}],
    "savePlayQueueByIndex": lambda of: [{"id": [of.song, of.song], "currentIndex": 1}, {}],
    "getUser": _once(username="root"),
    "getUsers": _once(),
    "createUser": _once(username="new", password="enc:6c6f6e672070617373", email="a@b.example"),
    "updateUser": _once(username="new", adminRole="true", password="another long one"),
    "changePassword": _once(username="new", password="and one more of them"),
    "deleteUser": _once(username="new"),
    "getScanStatus": _once(),
    "startScan": _once(),
    "deletePlaylist": lambda of: [{"id": of.playlist}],
    **{name: _once() for name in absent.EMPTY},
}  # fmt: skip


def test_all_calls_of_the_specification_are_there(specification: Specification) -> None:
    assert set(specification.calls) - NOT_YET <= set(CALLS)


def test_every_call_is_tried_or_has_nothing_to_answer(specification: Specification) -> None:
    elsewhere = {"getTranscodeDecision", "tokenInfo"}
    binary = {call for call in specification.calls if specification.is_binary(call)}
    nothing = set(absent.NO_ROLE) | set(absent.NO_ROOM) | set(absent.NO_SUCH)
    assert set(ASKED) | elsewhere | binary | nothing == set(specification.calls) - NOT_YET


@pytest.fixture(scope="module")
def things(rest: Rest) -> Things:
    return Things(rest.caller("root"))


@pytest.mark.parametrize("call", ASKED)
def test_answers_are_as_specified(
    call: str, root: Caller, things: Things, specification: Specification
) -> None:
    for asked in ASKED[call](things):
        answer = root.whole(call, **asked)
        assert answer["subsonic-response"]["status"] == "ok", answer
        specification.check(call, answer)


RANDOM = {"getRandomSongs", "getSimilarSongs", "getSimilarSongs2"}
CHANGES = {"createPlaylist", "createUser", "updateUser", "changePassword", "deleteUser",
           "deletePlaylist", "updatePlaylist", "savePlayQueueByIndex", "savePlayQueue"}  # fmt: skip


@pytest.mark.parametrize("call", sorted(set(ASKED) - RANDOM - CHANGES))
def test_xml_says_what_json_says(
    call: str, rest: Rest, things: Things, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    json, xml = rest.caller("root"), rest.caller("root")
    xml.told = {**xml.told, "f": "xml"}
    for asked in ASKED[call](things):
        if asked.get("type") == "random":
            continue
        written = xml.raw(call, **asked)
        assert written.headers["content-type"] == "text/xml; charset=utf-8"
        said = flattening.of_json(json.whole(call, **asked))
        assert flattening.of_xml(written.content) == said


def test_decisions_are_as_specified(
    root: Caller, things: Things, specification: Specification
) -> None:
    fields = {**root.proof, **root.told, "mediaId": things.song, "mediaType": "song"}
    answer = root.web.post("/rest/getTranscodeDecision", params=fields, json=CLIENT).json()
    specification.check("getTranscodeDecision", answer)


def test_whose_key_it_is(rest: Rest, specification: Specification) -> None:
    answer = rest.keyed("member").whole("tokenInfo")
    specification.check("tokenInfo", answer)
    assert answer["subsonic-response"]["tokenInfo"] == {"username": "member"}


@pytest.mark.parametrize("call", sorted({*absent.NO_ROLE, *absent.NO_ROOM, *absent.NO_SUCH}))
def test_refusals_are_as_specified(call: str, root: Caller, specification: Specification) -> None:
    answer = root.whole(call, id="1")
    assert answer["subsonic-response"]["status"] == "failed"
    if not specification.is_binary(call):
        specification.check(call, answer)
