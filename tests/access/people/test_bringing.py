"""Playlists, stars and ratings from elsewhere, matched to what is held; and taken along again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from longplay.access import bringing
from longplay.access.app import create_app
from longplay.access.context import Context
from longplay.access.people import accounts, playlists, stars
from longplay.access.people.listeners import Listener
from longplay.access.people.opening import open_people
from longplay.archive import open_archive
from longplay.errors import InputError
from tests.access.people.conftest import PASSWORD
from tests.access.people.test_likes import JSON
from tests.access.people.test_pages import log_in, token
from tests.system.conftest import Longplay


@pytest.fixture(scope="module")
def folder(released: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("brought") / "archive"
    shutil.copytree(released[0], copy)
    return copy


@pytest.fixture
def here(folder: Path) -> Iterator[Context]:
    with open_archive(folder) as archive, open_people(archive) as people:
        for one in accounts.list_all(people):
            accounts.remove(people, one.name)
        yield Context(archive, people)


@pytest.fixture
def ann(here: Context) -> Listener:
    return accounts.listener_of(accounts.add(here.people, "Ann", "member", PASSWORD).account)


def titles(
    here: Context, listener: Listener, entries: Iterator[str] | tuple[str, ...]
) -> list[str]:
    return [one.title for one in here.library(listener).tracks(entries)]


M3U = """#EXTM3U
#PLAYLIST:Mixed
#EXTINF:4,ANN - píece  3!
/somewhere/else.mp3
#EXTINF:4,Ann - Piece 0 (feat. Bob) [Remastered]
x.mp3
Ann/One/02 Piece 1.flac
#EXTINF:4,Bob - Closed
closed.mp3
#EXTINF:4,Somebody - Piece 0
else.mp3
#EXTINF:4,Ann - Piece 3
again.mp3
"""


def test_a_playlist_finds_its_tracks_by_names(here: Context, ann: Listener) -> None:
    done = bringing.file(here, ann, M3U.encode(), "x.m3u")
    assert (done.named, done.found, done.name) == (6, 4, "Mixed")
    assert done.missing == ("Bob – Closed", "Somebody – Piece 0")  # kept, but dark; not that one
    assert done.playlist is not None
    made = playlists.read(here.people, ann.account, done.playlist)
    assert titles(here, ann, made.entries) == ["Piece 3", "Piece 0", "Piece 1", "Piece 3"]


def test_a_playlist_finds_its_tracks_by_codes_whatever_they_are_called(
    here: Context, ann: Listener
) -> None:
    rows = [
        {"identifier": "isrc:QZ-LP0-26-00002", "title": "Other name", "creator": "Other"},
        {"identifier": ["isrc:QZLP02600999"], "title": "Piece 1", "creator": "Ann"},
    ]
    document = json.dumps({"playlist": {"track": rows}}).encode()
    done = bringing.file(here, ann, document, "by code.jspf")
    assert (done.found, done.name) == (2, "by code")
    assert done.playlist is not None
    made = playlists.read(here.people, ann.account, done.playlist)
    assert titles(here, ann, made.entries) == ["Piece 2", "Piece 1"]


def test_what_was_liked_elsewhere_is_liked_here(here: Context, ann: Listener) -> None:
    done = bringing.file(here, ann, json.dumps(JSON).encode(), "starred.json")
    assert (done.named, done.found, done.missing) == (3, 3, ())
    assert ann.account is not None
    found = stars.starred(here.people, ann.account)
    assert sorted(one[:2] for one in found) == ["al", "ar", "tr"]
    assert set(found.values()) == {"2024-01-02T03:04:05.000Z"}
    (rated,) = stars.ratings(here.people, ann.account).items()
    assert (titles(here, ann, (rated[0],)), rated[1]) == (["Piece 0"], 4)
    assert bringing.file(here, ann, json.dumps(JSON).encode(), "starred.json") == done
    assert stars.starred(here.people, ann.account) == found


def test_what_is_taken_along_can_be_brought_again(here: Context, ann: Listener) -> None:
    done = bringing.file(here, ann, M3U.encode(), "x.m3u")
    (playlist,) = json.loads("".join(bringing.export(here, ann)))["playlists"]
    assert playlist["playlist"]["track"][0]["title"] == "Piece 3"
    bob = accounts.listener_of(accounts.add(here.people, "Bob", "member").account)
    again = bringing.file(here, bob, json.dumps(playlist).encode(), "x.jspf")
    assert (again.named, again.found, again.name) == (4, 4, "Mixed")
    assert done.playlist is not None
    written = bringing.as_m3u(here, ann, done.playlist, "http://host")
    third = bringing.file(here, bob, written.encode(), "x.m3u8")
    assert (third.named, third.found, third.name) == (4, 4, "Mixed")


def test_a_file_that_is_neither_changes_nothing(here: Context, ann: Listener) -> None:
    with pytest.raises(InputError):
        bringing.file(here, ann, b"\x00\x01\x02", "picture.png")
    assert playlists.listing(here.people, ann.account) == []


def test_bringing_along_from_the_command_line(here: Context, ann: Listener, tmp_path: Path) -> None:
    longplay = Longplay(here.archive.folder)
    (tmp_path / "mixed.m3u").write_text(M3U)
    (done,) = longplay.json("account", "import", "Ann", tmp_path / "mixed.m3u")
    assert (done["named"], done["found"], done["name"]) == (6, 4, "Mixed")
    said = json.loads(longplay.run("account", "export", "ann").out)
    assert said["account"]["name"] == "Ann"
    refused = longplay.run("account", "import", "Ann", tmp_path / "none.m3u", expect=1)
    assert "none.m3u: cannot be read" in refused.err
    longplay.run("account", "import", "Ann", expect=2)


def test_bringing_along_in_a_browser(here: Context, ann: Listener) -> None:
    with TestClient(create_app(here.archive.folder), follow_redirects=False) as web:
        log_in(web)
        fields = {"form_token": token(web.get("/account").text)}
        page = web.post("/account/import", data=fields, files={"file": ("mixed.m3u", M3U.encode())})
        assert "4 of 6 things found here" in page.text
        assert "Somebody – Piece 0" in page.text
        assert ">Mixed</a>" in page.text
        for address in ("http://127.0.0.1:1/", "http://169.254.169.254/", "file:///etc/passwd"):
            private = {**fields, "address": address, "user": "ann", "secret": "x"}
            assert web.post("/account/import", data=private).status_code == 400
        assert web.post("/account/import", data=fields).status_code == 400
