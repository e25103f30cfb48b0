"""What the player tells of who is signed in, and what it may not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from lxml import html

from longplay.access.app import create_app
from longplay.access.listener import COOKIE
from longplay.access.people import accounts, plays, sessions


@pytest.fixture
def ann(web: TestClient) -> int:
    """An account, in whose session `web` is."""
    people = web.app.state.context.people  # type: ignore[attr-defined]
    known = [one for one in accounts.list_all(people) if one.name == "listener"]
    account = known[0] if known else accounts.add(people, "listener", "member").account
    web.cookies.set(
        COOKIE, sessions.begin(people, account.id, accounts.proof_of(people, account.id))
    )
    return int(account.id)


def token(web: TestClient) -> dict[str, str]:
    page = html.fromstring(web.get("/").content)
    (found,) = page.xpath("//meta[@name='form-token']/@content")
    return {"X-Form-Token": str(found)}


def tracks(web: TestClient) -> list[str]:
    page = html.fromstring(web.get("/search?q=plain").content)
    return [json.loads(one)["id"] for one in page.xpath("//li/@data-track")]


def test_a_queue_goes_on_elsewhere(web: TestClient, ann: int, hostile: Path) -> None:
    mine = tracks(web)
    said = {"tracks": " ".join(mine), "place": "1", "position_ms": "2500"}
    assert web.post("/queue", data=said, headers=token(web)).status_code == 204
    with TestClient(create_app(hostile), follow_redirects=False) as other:
        other.cookies.set(COOKIE, web.cookies[COOKIE])
        page = other.get("/queue").text
        assert other.get("/queue", headers={"Cookie": ""}).status_code == 200
    assert tracks_on(page) == mine
    assert 'data-start="1"' in page and 'data-position="2500"' in page


def tracks_on(page: str) -> list[str]:
    return [json.loads(one)["id"] for one in html.fromstring(page).xpath("//li/@data-track")]


def test_what_was_heard_is_counted(web: TestClient, ann: int) -> None:
    people = web.app.state.context.people  # type: ignore[attr-defined]
    one = tracks(web)[0]
    before = plays.counts(people, ann).get(one, (0, ""))[0]
    headers = token(web)
    assert web.post("/plays", data={"track": one, "now": "yes"}, headers=headers).status_code == 204
    assert plays.counts(people, ann).get(one, (0, ""))[0] == before
    assert web.post("/plays", data={"track": one}, headers=headers).status_code == 204
    assert plays.counts(people, ann)[one][0] == before + 1


def test_nobody_tells_it_for_another(web: TestClient, ann: int) -> None:
    headers = token(web)
    said = {"tracks": "", "place": "0"}
    assert web.post("/queue", data=said).status_code == 403
    assert web.post("/plays", data={"track": "tr"}).status_code == 403
    elsewhere = headers | {"Sec-Fetch-Site": "cross-site"}
    assert web.post("/queue", data=said, headers=elsewhere).status_code == 403
    web.cookies.clear()
    assert web.post("/queue", data=said, headers=headers).status_code == 403
    assert not re.search("form-token", web.get("/").text)


@pytest.mark.parametrize("place", ["-1", "9" * 30, "x", "²", "7"])
@pytest.mark.parametrize("entries", ["", "tr" * 400, "<script> ../../x \x00", "tr1 " * 5000])
def test_a_hostile_queue_breaks_nothing(
    web: TestClient, ann: int, entries: str, place: str
) -> None:
    said = {"tracks": entries, "place": place, "position_ms": place}
    got = web.post("/queue", data=said, headers=token(web))
    assert got.status_code in (204, 400)
    assert web.get("/queue").status_code == 200


def test_restricted_music_is_heard_by_who_is_signed_in(web: TestClient, ann: int) -> None:
    page = web.get("/search?q=mine")
    assert "data-track" in page.text and "Sign in to listen" not in page.text
    (one,) = html.fromstring(page.content).xpath("//li/@data-track")
    told = json.loads(one)
    assert web.get(told["src"]).status_code == 200
    assert "You may listen, being signed in" in web.get(told["href"]).text
