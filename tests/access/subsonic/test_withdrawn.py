"""What is withdrawn is gone from every call at once, for everybody."""

from __future__ import annotations

from typing import Any

import pytest

from longplay.access.listener import ANONYMOUS
from longplay.ledger import log, record
from longplay.model import Statement
from longplay.rights.claims import Step
from longplay.rights.statements import IN_COPYRIGHT
from longplay.workflows import claims
from longplay.workflows.claims import Request as Claim
from tests.access.subsonic.conftest import Rest


def one_song_calls(song: dict[str, Any]) -> dict[str, dict[str, Any]]:
    media = {"mediaId": song["id"], "mediaType": "song"}
    return {
        "getSong": {"id": song["id"]},
        "stream": {"id": song["id"]},
        "download": {"id": song["id"]},
        "hls.m3u8": {"id": song["id"]},
        "getLyricsBySongId": {"id": song["id"]},
        "star": {"id": song["id"]},
        "setRating": {"id": song["id"], "rating": 1},
        "scrobble": {"id": song["id"]},
        "createBookmark": {"id": song["id"], "position": 1},
        "savePlayQueue": {"id": song["id"], "current": song["id"]},
        "createPlaylist": {"name": "x", "songId": song["id"]},
        "reportPlayback": {**media, "positionMs": 1, "state": "playing"},
        "getSimilarSongs": {"id": song["id"]},
        "getArtistInfo": {"id": song["id"]},
    }


@pytest.mark.parametrize("how", ["claim", "statement"])
def test_a_song_that_is_withdrawn(rest: Rest, how: str) -> None:
    root, guest = rest.caller("root"), rest.caller("guest")
    title = {"claim": "Zug", "statement": "Quiet & loud"}[how]
    song = root.songs()[title]
    playlist = root.ok("createPlaylist", name="all", songId=song["id"])["playlist"]["id"]
    root.ok("star", id=song["id"])
    root.ok("createBookmark", id=song["id"], position=1)
    root.ok("savePlayQueue", id=song["id"], current=song["id"])
    archive = rest.here.archive
    track = rest.here.library(ANONYMOUS).track(song["id"])
    assert track is not None
    assert track.recording is not None
    if how == "claim":
        claim = Claim("Z", "z@example.org", "mine", recordings=(track.recording,))
        made = claims.add(archive, claim)
        claims.decide(archive, made.id, Step.UPHOLD, "shown")
    else:
        said = Statement(f"obj{track.root.hex()}", IN_COPYRIGHT, "told")
        with archive.ledger.write() as connection:
            record.replace_statements(connection, "somebody", [said])
            log.append(connection, "rights", "test", {})
    for caller in (root, guest):
        for call, asked in one_song_calls(song).items():
            if how == "claim" or call in ("stream", "download"):
                assert caller.code(call, **asked) in (50, 70), call
        if how == "claim":
            assert title not in caller.songs()
            for call, asked in lists(song).items():
                assert song["id"] not in caller.raw(call, **asked).text, call
    if how == "claim":
        assert root.ok("getPlaylist", id=playlist)["playlist"]["songCount"] == 0


def lists(song: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        "getAlbum": {"id": song["albumId"]},
        "getMusicDirectory": {"id": song["albumId"]},
        "getRandomSongs": {"size": 500},
        "getSongsByGenre": {"genre": "Folk", "count": 500},
        "search2": {"query": ""},
        "search": {"any": "zug"},
        "getStarred": {},
        "getStarred2": {},
        "getBookmarks": {},
        "getPlayQueue": {},
        "getPlayQueueByIndex": {},
        "getTopSongs": {"artist": song["artist"]},
        "getNowPlaying": {},
    }
