"""What is asked for by HEAD, and what is written down of who looks and hears nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from longplay.access.log import FILE
from longplay.access.people import accounts
from tests.access.conftest import Served

PATHS = (
    "/", "/browse", "/albums?order=newest", "/artists", "/search?q=piece", "/login", "/claims",
    "/stages", "/covers/al0000000000000", "/static/site.css", "/nothing", "/api",
    "/recordings/rec0000000000000", "/api/search?q=piece", "/api/albums", "/api/openapi.json",
    "/api/tracks?limit=0", "/oai?verb=Identify",
)  # fmt: skip


def written(archive: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (archive / FILE).read_text().splitlines()]


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_the_body(served: Served, path: str) -> None:
    got, head = (served.web.request(method, path) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (got.status_code, b"")
    for name in ("content-type", "content-length", "etag", "cache-control", "vary"):
        if "form_token" not in got.text:
            assert head.headers.get(name) == got.headers.get(name), name


def test_head_does_nothing_where_only_forms_are_sent(served: Served) -> None:
    head = served.web.head("/playlists/add", follow_redirects=False)
    assert head.status_code == served.web.get("/playlists/add", follow_redirects=False).status_code
    refused = served.web.head("/account/delete")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert served.web.post("/browse").headers["allow"] == "GET, HEAD"


def test_searches_pages_and_calls_are_written_down(served: Served) -> None:
    people = served.web.app.state.context.people  # type: ignore[attr-defined]
    made = accounts.add(people, "ann", "member")
    bearer = {"Authorization": f"Bearer {made.api_key}"}
    for path in ("/", "/search?q=secret", "/albums", "/recordings/rec0000000000000", "/login",
                 "/stages", "/covers/al0000000000000", "/static/site.css"):  # fmt: skip
        served.web.get(path)
    served.web.get("/api/search?q=secret", headers=bearer)
    served.web.get("/api/tracks", headers=bearer)
    served.web.get("/api/tracks", headers={"Authorization": "Bearer nobody's"})
    key = f"apiKey={made.api_key}&v=1.16.1&c=test"
    # The last two are no looks: players ask for them whenever they keep a library in step.
    for call in ("search3?query=secret&", "getAlbumList2?type=newest&", "getArtists?", "ping?"):
        served.web.get(f"/rest/{call}{key}")
    served.web.get("/rest/getArtists?apiKey=wrong&v=1.16.1&c=test")
    served.web.app.state.context.log.close()  # type: ignore[attr-defined]
    lines = written(served.longplay.archive)
    assert {one["track"] for one in lines} == {""}
    assert [(one["account"], one["action"], one["what"]) for one in lines] == [
        (None, "browse", "home"),
        (None, "search", "search"),
        (None, "browse", "albums"),
        (None, "browse", "recordings"),
        (made.account.id, "search", "api/search"),
        (made.account.id, "browse", "api/tracks"),
        (None, "browse", "api/tracks"),
        (made.account.id, "search", "rest/search3"),
        (made.account.id, "browse", "rest/getAlbumList2"),
    ]
    assert "secret" not in (served.longplay.archive / FILE).read_text()


def test_the_guard_counts_looks_and_takes_none_for_a_play(served: Served) -> None:
    """The first lines are looks alone: what the plays after them say is read all the same."""
    here = served.web.app.state.context  # type: ignore[attr-defined]
    for _ in range(40):
        served.web.get("/api/tracks")
    for number in range(20):
        here.log.note(None, "testclient", f"tr{number}", 1000, 1.0, "play")
    here.log.close()
    found = served.longplay.json("guard", "scan", served.longplay.archive / FILE, "--all")
    assert found["events"] == 60
    assert [one["tracks_before_decision"] for one in found["verdicts"]] == [0]
