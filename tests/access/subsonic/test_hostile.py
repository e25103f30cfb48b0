"""What strangers send: every call with every id that is none, and tags that are programs."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from lxml import etree

from longplay.access.subsonic.parameters import MOST_BYTES, MOST_FIELDS
from longplay.access.subsonic.rest import CALLS
from tests.access.subsonic.conftest import SCRIPT, Caller, Rest

NAMES = (
    "id", "albumId", "artistId", "songId", "playlistId", "mediaId", "musicFolderId", "current",
    "songIdToAdd", "username", "startSongId", "endSongId", "transcodeParams", "artist", "genre",
    "title", "query", "type", "format", "bitRate",
)  # fmt: skip
"""Every parameter that names something."""

HOSTILE = {
    "parents": "../../../../etc/passwd",
    "encoded parents": "..%2f..%2fetc%2fpasswd",
    "absolute": "/etc/passwd",
    "windows": "..\\..\\windows\\win.ini",
    "address": "file:///etc/passwd",
    "nul": "tr0000000000000\0.mp3",
    "huge": "tr" + "z" * 100_000,
    "long": "x" * 4_000,
    "empty": "",
    "script": SCRIPT,
    "sql": "tr' OR 1=1 --",
    "template": "{{7*7}}${7*7}",
    "unknown song": "tr0000000000000",
    "unknown album": "al0000000000000",
    "unknown artist": "ar0000000000000",
    "unknown recording": "rec0000000000000",
    "unknown folder": "fo-0000000000000",
    "folder of parents": "fo-../../etc",
    "cover of parents": "co-../../../etc/passwd",
    "playlist of parents": "pl-../../etc",
    "number": "-1",
    "large number": "99999999999999999999999999",
    "fraction": "1e309",
    "not a number": "NaN",
    "invisible": "tr000\u202e0000\u200b000",
    "surrogate": "%ed%a0%80",
    "newline": "tr\r\nSet-Cookie: a=b",
}

NUMBERS = {
    "rating": 3, "position": 5, "positionMs": 5, "state": "playing", "mediaType": "song",
    "currentIndex": 0, "password": "some long password", "name": "x",
}  # fmt: skip
"""What else calls must have, so that the ids are looked at."""


@pytest.mark.parametrize("call", sorted(CALLS))
def test_hostile_ids_fail_by_the_rules(call: str, rest: Rest) -> None:
    member = rest.keyed("member")
    for name, hostile in HOSTILE.items():
        asked: dict[str, Any] = {**NUMBERS, **dict.fromkeys(NAMES, hostile)}
        answer = member.raw(call, post=len(hostile) > 1_000, **asked)
        by_status = call == "getTranscodeStream" and answer.status_code in (400, 404)
        assert answer.status_code == 200 or by_status, name
        assert b"root:" not in answer.content, name
        assert b"Traceback" not in answer.content, name
        assert "set-cookie" not in answer.headers, name
        told = answer.json()["subsonic-response"]
        assert told["status"] in ("ok", "failed"), name


@pytest.mark.parametrize("name", ["id", "size", "v", "u"])
@pytest.mark.parametrize("written", ["%", "%zz", "%00", "%ff%fe", "&&&==&", "a" * 5000])
def test_queries_that_are_none(rest: Rest, name: str, written: str) -> None:
    answer = rest.web.get(f"/rest/getCoverArt?f=json&{name}={written}")
    assert answer.status_code == 200
    assert answer.json()["subsonic-response"]["status"] == "failed"


def test_more_parameters_than_a_call_may_have(rest: Rest) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    for content in (b"&".join([b"id=x"] * (MOST_FIELDS + 1)), b"id=" + b"x" * MOST_BYTES):
        answer = rest.web.post("/rest/star?f=json", content=content, headers=form)
        assert answer.status_code == 200
        assert 'status="failed"' in answer.text or "failed" in answer.text


def test_what_is_no_call(rest: Rest, member: Caller) -> None:
    for path in ("nothing", "", "..%2fping", "%2e%2e/ping", "ping.view.view", "__init__", "ping/"):
        answer = rest.web.get(f"/rest/{path}?f=json")
        assert answer.status_code == 404, path
    assert rest.web.put("/rest/ping").status_code == 405


def test_scripts_in_tags_are_data(member: Caller, rest: Rest) -> None:
    json = member.raw("search3", query="")
    assert json.headers["content-type"] == "application/json"
    assert json.headers["x-content-type-options"] == "nosniff"
    assert SCRIPT in {
        one["title"] for one in json.json()["subsonic-response"]["searchResult3"]["song"]
    }
    member.told = {**member.told, "f": "xml"}
    for call in ("search3", "search2", "getArtists", "getIndexes"):
        xml = member.raw(call, query="")
        assert xml.headers["content-type"].startswith("text/xml")
        assert b"<script" not in xml.content
        assert SCRIPT in " ".join(etree.fromstring(xml.content).xpath("//@title | //@name"))


def test_words_of_a_caller_come_back_as_data(member: Caller) -> None:
    named = f'"><x onload="{SCRIPT}\x00\x0b\ud7ff\ufffe'
    made = member.ok("createPlaylist", name=named)["playlist"]
    assert made["name"] == named
    member.told = {**member.told, "f": "xml"}
    told = etree.fromstring(member.raw("getPlaylist", id=made["id"]).content)
    assert told[0].get("name") == named.translate({0: "\ufffd", 11: "\ufffd", 0xFFFE: "\ufffd"})


def test_functions_of_jsonp_are_names(rest: Rest, member: Caller) -> None:
    member.told = {**member.told, "f": "jsonp"}
    answer = member.raw("ping", callback="player.$answer_1")
    assert answer.headers["content-type"] == "application/javascript; charset=utf-8"
    inside = answer.content.removeprefix(b"/**/player.$answer_1(").removesuffix(b");")
    assert orjson.loads(inside)["subsonic-response"]["status"] == "ok"
    member.raw("getArtists", callback="a").content.startswith(b"/**/a({")
    for name in ("", "alert(1)//", "a b", "é", "a\n", "x" * 200, "1a", "a;b"):
        answer = member.raw("ping", callback=name)
        assert answer.content.startswith(b"/**/callback({")
        assert b'"code":10' in answer.content
    assert b'"code":10' in member.raw("ping").content


def test_other_hosts_pages_may_call_but_prove_by_parameters(rest: Rest, member: Caller) -> None:
    headers = {"Origin": "https://player.example", "Cookie": "longplay_session=x"}
    answer = member.raw("ping", headers=headers)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    asked = rest.web.options("/rest/getTranscodeDecision", headers={"Origin": "https://x.example"})
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-headers"] == "*"


def test_a_guest_hears_what_is_open_and_nobody_what_is_dark(
    rest: Rest, guest: Caller, member: Caller
) -> None:
    heard = member.songs()
    assert "Dark" not in heard
    assert set(heard) - set(guest.songs()) == {"Own"}
    closed = heard["Own"]
    for call in (
        "getSong",
        "stream",
        "download",
        "getLyricsBySongId",
        "createBookmark",
        "scrobble",
    ):
        assert guest.code(call, id=closed["id"], position=1) == 70
    assert guest.code("getAlbum", id=closed["albumId"]) == 70
    assert guest.code("getArtist", id=closed["artistId"]) == 70
    assert guest.code("star", albumId=closed["albumId"]) == 70
    for call in ("getArtists", "getIndexes"):
        assert "Eve" not in guest.raw(call).text
        assert "Eve" in member.raw(call).text


def test_somebody_elses_playlist(rest: Rest, guest: Caller, member: Caller, root: Caller) -> None:
    songs = member.songs()
    mine = member.ok("createPlaylist", name="Mine", songId=[songs["Own"]["id"], songs["Zug"]["id"]])
    identity = mine["playlist"]["id"]
    assert guest.code("getPlaylist", id=identity) == 70
    assert root.code("getPlaylist", id=identity) == 70
    member.ok("updatePlaylist", playlistId=identity, public="true")
    shown = guest.ok("getPlaylist", id=identity)["playlist"]
    assert [one["title"] for one in shown["entry"]] == ["Zug"]
    assert (shown["songCount"], shown["readonly"], shown["owner"]) == (1, True, "member")
    for asked in (
        {"playlistId": identity, "name": "x"},
        {"playlistId": identity, "songIndexToRemove": 0},
    ):
        assert guest.code("updatePlaylist", **asked) == 50
    assert guest.code("createPlaylist", playlistId=identity, songId=songs["Zug"]["id"]) == 50
    assert guest.code("deletePlaylist", id=identity) == 50
    assert guest.code("getPlaylists", username="member") == 50
    seen = root.ok("getPlaylists", username="member")["playlists"]["playlist"]
    assert "Mine" in {one["name"] for one in seen}


def test_users_are_administrators_business(rest: Rest, member: Caller, root: Caller) -> None:
    assert member.ok("getUser", username="member")["user"]["adminRole"] is False
    for call in ("getUser", "changePassword"):
        for name in ("root", "nobody"):
            assert member.code(call, username=name, password="a long password") == 50
    for call in ("getUsers", "createUser", "updateUser", "deleteUser", "startScan"):
        assert member.code(call, username="new", password="a long password") == 50
    assert root.code("getUser", username="nobody") == 70


def test_a_key_opens_no_account(rest: Rest) -> None:
    keyed = rest.keyed("root")
    for call in ("createUser", "updateUser", "deleteUser", "changePassword"):
        assert keyed.code(call, username="member", password="a long password") == 50
    keyed.ok("getUsers")


def test_a_user_with_a_bad_name_or_password_is_not_made(rest: Rest, root: Caller) -> None:
    for name, password in (("new", "short"), ("", "long enough"), ("a\0b", "long enough")):
        assert root.code("createUser", username=name, password=password) in (0, 10)
    assert root.code("deleteUser", username="root") == 0
