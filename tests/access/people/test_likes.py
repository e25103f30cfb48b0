"""Stars and ratings of another server: its answers, and how far it is trusted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from longplay.access.people import elsewhere, likes
from longplay.errors import InputError, UnavailableError, UsageError

SINCE = "2024-01-02T03:04:05Z"
JSON = {
    "subsonic-response": {
        "status": "ok",
        "version": "1.16.1",
        "starred2": {
            "artist": [{"id": "1", "name": "Ann", "starred": "2024-01-02T03:04:05Z"}],
            "album": [{"id": "2", "name": "One", "artist": "Ann", "starred": SINCE}],
            "song": [
                {
                    "id": "3", "title": "Piece 0", "artist": "Ann", "album": "One", "duration": 4,
                    "isrc": ["QZLP02600000"], "starred": "2024-01-02T03:04:05Z", "userRating": 4,
                },
                {"id": "4", "title": "Unrated and not starred"},
            ],
        },
    }
}  # fmt: skip
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<subsonic-response xmlns="http://subsonic.org/restapi" status="ok" version="1.16.1"><starred2>
<artist id="1" name="Ann" starred="2024-01-02T03:04:05Z"/>
<album id="2" name="One" artist="Ann" starred="2024-01-02T03:04:05Z"/>
<song id="3" title="Piece 0" artist="Ann" album="One" duration="4" starred="2024-01-02T03:04:05Z"
 userRating="4"><isrc>QZLP02600000</isrc></song><song id="4" title="Unrated and not starred"/>
</starred2></subsonic-response>"""


def test_json_and_xml_say_the_same() -> None:
    found = likes.read(json.dumps(JSON).encode())
    assert found == likes.read(XML)
    artist, album, song = found.liked
    assert (artist.kind, artist.wanted.artist) == ("artist", "Ann")
    assert (album.kind, album.wanted.album, album.wanted.artist) == ("album", "One", "Ann")
    assert (song.wanted.title, song.wanted.identifiers, song.wanted.duration_ms) == (
        "Piece 0", ("QZLP02600000",), 4000)  # fmt: skip
    assert (song.starred, song.rating, found.songs) == ("2024-01-02T03:04:05Z", 4, 2)


BOMB = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<subsonic-response status="ok"><starred2><song title="&b;" starred="x"/></starred2>
</subsonic-response>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<subsonic-response status="ok"><starred2><song starred="x">&a;</song></starred2>
</subsonic-response>"""


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"a": 1}', b'{"subsonic-response": 7}', b"<a/>", b"<a", BOMB, OUTSIDE,
     b"\xff\xfe", b'{"a":' * 100_000],
)  # fmt: skip
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(InputError) as refused:
        likes.read(data, "file")
    assert str(refused.value) == "file: is no answer of a Subsonic server"


def test_a_refusal_is_told_in_the_servers_words() -> None:
    answer = {"status": "failed", "error": {"code": 40, "message": "Wrong username"}}
    with pytest.raises(InputError, match="the server refuses: Wrong username"):
        likes.read(json.dumps({"subsonic-response": answer}).encode())


def test_odd_values_are_none() -> None:
    songs: list[Any] = [
        {"title": 7, "starred": "x", "duration": "long", "userRating": 9, "isrc": [1, None]},
        {"starred": None, "userRating": True}, "text", None, {"userRating": "3"},
    ]  # fmt: skip
    answer = {
        "status": "ok",
        "starred2": {"song": songs, "album": {"name": "Alone", "userRating": 1}},
    }
    found = likes.read(json.dumps({"subsonic-response": answer}).encode())
    assert [(one.kind, one.rating) for one in found.liked] == [
        ("album", 1),
        ("song", 0),
        ("song", 3),
    ]


@contextmanager
def server(answer: Callable[[str, dict[str, str]], tuple[int, bytes]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            values = {key: value[0] for key, value in parse_qs(parts.query).items()}
            status, body = answer(parts.path, values)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


def test_a_server_is_asked_for_stars_and_for_each_song() -> None:
    asked = []

    def answer(path: str, values: dict[str, str]) -> tuple[int, bytes]:
        asked.append((path, values))
        if path.endswith("getStarred2"):
            return 200, json.dumps(JSON).encode()
        start = int(values["songOffset"])
        songs = [
            {"title": f"Song {n}", "userRating": 5} for n in range(start, min(start + 500, 700))
        ]
        said = {"status": "ok", "searchResult3": {"song": songs}}
        return 200, json.dumps({"subsonic-response": said}).encode()

    with server(answer) as address:
        found = elsewhere.liked(elsewhere.Server(address, "ann", "secret"), allow_private=True)
        assert len(found) == 3 + 700
        with_key = elsewhere.Server(f"{address}/rest/", "", "key", is_key=True)
        assert len(elsewhere.liked(with_key, allow_private=True)) == 703
    assert [path for path, _ in asked] == ["/rest/getStarred2", *["/rest/search3"] * 2] * 2
    assert "secret" not in str(asked)
    assert {values.get("apiKey") for _, values in asked[3:]} == {"key"}


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://10.0.0.1",
                "http://169.254.169.254/latest/meta-data", "http://0x7f000001:1"],
)  # fmt: skip
def test_no_private_address_is_asked(address: str) -> None:
    with pytest.raises(InputError, match=r"lies in a private network|has no address"):
        elsewhere.liked(elsewhere.Server(address, "ann", "secret"))


@pytest.mark.parametrize(
    "address", ["", "host", "file:///etc/passwd", "ftp://host/", "http://", "http://u:p@host/",
                "http://host/?a=b", "gopher://127.0.0.1:25/x"],
)  # fmt: skip
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError):
        elsewhere.liked(elsewhere.Server(address, "ann", "secret"), allow_private=True)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (302, b"", "answers 302"),
        (500, b"x", "answers 500"),
        (200, b"<html>", "is no answer of a Subsonic server"),
        (200, b"x" * (2**20 + 1), "answers without end"),
    ],
)
def test_a_server_that_answers_oddly(
    status: int, body: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likes, "MOST_BYTES", 2**20)
    with server(lambda _path, _values: (status, body)) as address:
        with pytest.raises(InputError, match=words) as refused:
            elsewhere.liked(elsewhere.Server(address, "ann", "secret"), allow_private=True)
        assert "secret" not in str(refused.value)
        assert "t=" not in str(refused.value)


def test_nobody_waits_for_ever() -> None:
    said = {"status": "ok", "searchResult3": {"song": [{"title": "x"}] * 500}}
    body = json.dumps({"subsonic-response": said}).encode()
    with server(lambda _path, _values: (200, body)) as address, pytest.raises(UnavailableError):
        elsewhere.liked(elsewhere.Server(address, "a", "b"), allow_private=True, seconds=0.3)


def test_nobody_there() -> None:
    nobody = elsewhere.Server("http://127.0.0.1:1", "ann", "secret")
    with pytest.raises(UnavailableError, match="cannot be reached") as refused:
        elsewhere.liked(nobody, allow_private=True)
    assert str(refused.value).startswith("http://127.0.0.1:1/rest/getStarred2: ")
