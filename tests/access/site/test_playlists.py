"""Playlists on the site: whose they are, what is on them, and what strangers try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from longplay.access.app import create_app
from longplay.access.people import accounts, playlists
from longplay.access.people.opening import open_people
from longplay.access.people.store import People
from longplay.archive import open_archive

PASSWORD = "correct horse battery"


@pytest.fixture
def people(hostile: Path) -> Iterator[People]:
    with open_archive(hostile) as opened, open_people(opened) as found:
        for name in ("Ann", "Bob"):
            accounts.add(found, name, "member", PASSWORD)
        yield found
        for name in ("Ann", "Bob"):
            accounts.remove(found, name)


@pytest.fixture
def ann(hostile: Path, people: People) -> Iterator[TestClient]:
    with TestClient(create_app(hostile), follow_redirects=False) as web:
        post(web, "/login", "/login", name="Ann", password=PASSWORD)
        yield web


def post(web: TestClient, path: str, form: str = "/playlists", **fields: object) -> object:
    token = re.findall(r'name="form_token" value="([0-9a-f]{64})"', web.get(form).text)[0]
    return web.post(path, data={"form_token": token, **fields})


def made(web: TestClient, name: str = "Mine", **fields: object) -> str:
    return post(web, "/playlists", name=name, **fields).headers["location"]


def tracks(web: TestClient, path: str) -> list[str]:
    return re.findall(r'name="track" value="([^"]+)"', web.get(path).text)


def test_who_is_not_signed_in_is_sent_to_log_in(web: TestClient) -> None:
    for path in ("/playlists", "/playlists/pl-0"):
        assert web.get(path).headers["location"] == f"/login?next={path}"
    assert "/playlists" not in web.get("/browse").text


def test_a_playlist_is_made_filled_arranged_and_deleted(ann: TestClient) -> None:
    place = made(ann, "  For\tthe <b>road</b> ")
    page = ann.get(place).text
    assert "<h1>For the &lt;b&gt;road&lt;/b&gt;</h1>" in page
    assert "only you see it" in page
    listed = re.findall(r'href="(/recordings/rec\w+)"', ann.get("/genres/Folk").text)
    for recording in sorted(set(listed))[:3]:
        track = re.findall(r'name="track" value="([^"]+)"', ann.get(recording).text)[0]
        answer = post(ann, "/playlists/add", playlist=place.rpartition("/")[2], track=track)
        assert answer.headers["location"] == place
    first, second, third = tracks(ann, place)
    assert 'data-do="play-all"' in ann.get(place).text
    arrange = f"{place}/tracks"
    assert post(ann, arrange, place=0, track=first, what="down").status_code == 303
    assert tracks(ann, place) == [second, first, third]
    post(ann, arrange, place=2, track=third, what="up")
    post(ann, arrange, place=0, track=second, what="remove")
    assert tracks(ann, place) == [third, first]
    again = post(ann, arrange, place=0, track=second, what="remove")
    assert again.status_code == 400
    assert "The playlist has changed meanwhile" in again.text
    post(ann, place, name="Road", public="yes")
    assert "all may see it" in ann.get(place).text
    assert f'<a href="{place}">Road</a>' in ann.get("/playlists").text
    assert post(ann, f"{place}/delete").headers["location"] == "/playlists"
    assert ann.get(place).status_code == 404


def test_a_track_can_begin_a_playlist(ann: TestClient) -> None:
    recording = re.findall(r'href="(/recordings/rec\w+)"', ann.get("/genres/Folk").text)[0]
    track = re.findall(r'name="track" value="([^"]+)"', ann.get(recording).text)[0]
    place = post(ann, "/playlists/add", playlist="", track=track).headers["location"]
    assert tracks(ann, place) == [track]


def test_what_is_somebody_elses(ann: TestClient, people: People) -> None:
    (bob,) = (one.id for one in accounts.list_all(people) if one.name == "Bob")
    entries = ["tr0000000000000", "<script>"]
    private = f"/playlists/{playlists.create(people, bob, 'Secret', entries).id}"
    public = f"/playlists/{playlists.create(people, bob, 'Shown', entries, public=True).id}"
    listing = ann.get("/playlists").text
    assert "Shown" in listing
    assert "Secret" not in listing
    assert ann.get(private).status_code == 404
    shown = ann.get(public)
    assert "&lt;script&gt;" in shown.text
    assert "Change it" not in shown.text
    changes = {
        "": {"name": "Taken"},
        "/delete": {},
        "/tracks": {"place": 0, "track": entries[0], "what": "remove"},
    }
    for path, fields in changes.items():
        assert post(ann, private + path, **fields).status_code == 404
        assert post(ann, public + path, **fields).status_code == 403
    assert {one.name for one in playlists.all_of(people, bob)} == {"Secret", "Shown"}
    assert all(one.entries == tuple(entries) for one in playlists.all_of(people, bob))


@pytest.mark.parametrize("name", ["", "  \n", "x" * 301])
def test_what_is_no_name_is_told(ann: TestClient, name: str) -> None:
    answer = post(ann, "/playlists", name=name)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_nothing_odd_ends_in_a_fault(ann: TestClient) -> None:
    place = made(ann)
    for identity in ("pl-", "x" * 3000, "%00", "%ff", "'--", "pl-%F0%9F%8E%B5"):
        assert ann.get(f"/playlists/{identity}").status_code == 404, identity
        assert post(ann, f"/playlists/{identity}/delete").status_code == 404
    for first in ("-1", "9" * 40, "99999999999999", "x", "\x00", "٣"):
        assert ann.get(place, params={"from": first}).status_code == 200
        assert ann.get("/playlists", params={"from": first}).status_code == 200
    for fields in (
        {},
        {"place": "-1", "what": "up", "track": "x"},
        {"place": "9" * 15, "what": "down"},
        {"what": "burn"},
    ):
        assert post(ann, f"{place}/tracks", **fields).status_code == 400
    for track in ("", "x" * 5000, "tr\x00", "al0000000000000"):
        assert post(ann, "/playlists/add", playlist="", track=track).status_code == 404


def test_no_other_site_changes_playlists(ann: TestClient) -> None:
    place = made(ann)
    for path in ("/playlists", "/playlists/add", place, f"{place}/tracks", f"{place}/delete"):
        assert ann.post(path, data={"name": "x"}).status_code == 403
