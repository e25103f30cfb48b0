"""The JSON API: what it tells, of what it is silent, how its lists go on."""

from __future__ import annotations

from typing import Any

import pytest

from longplay.access.api import cursors, models
from longplay.archive import open_archive
from longplay.errors import InputError
from longplay.rights.claims import Step
from longplay.workflows import claims
from tests.access.conftest import Served


def get(served: Served, path: str, status: int = 200, **headers: str) -> Any:
    got = served.web.get(path, headers=headers)
    assert got.status_code == status, got.text
    return got.json()


def every(served: Served, path: str, limit: int) -> list[Any]:
    """All items of a list, page by page."""
    found: list[Any] = []
    ask = f"{path}{'&' if '?' in path else '?'}limit={limit}"
    page = get(served, ask)
    while True:
        assert len(page["items"]) <= limit
        found += page["items"]
        if page["next"] is None:
            return found
        page = get(served, f"{ask}&cursor={page['next']}")


def withdraw(served: Served, **named: tuple[str, ...]) -> str:
    archive = open_archive(served.longplay.archive)
    made = claims.add(archive, claims.Request("Zeb", "zeb@example.org", "mine", **named))  # type: ignore[arg-type]
    claims.decide(archive, made.id, Step.UPHOLD, "shown")
    return made.id


def test_search_finds_in_pages_and_marks_what_is_held(served: Served) -> None:
    whole = get(served, "/api/search?q=ann")
    assert sorted(hit["title"] for hit in whole["items"]) == [f"Piece {n}" for n in range(4)]
    assert whole["total"] == 4 and all(hit["held"] for hit in whole["items"])
    for q in ("ann", "ann held:yes"):
        assert [hit["id"] for hit in every(served, f"/api/search?q={q}", 3)] == [
            hit["id"] for hit in whole["items"]
        ]


def test_a_search_goes_on_in_the_catalogue_in_which_it_began(served: Served) -> None:
    first = get(served, "/api/search?q=piece&limit=2")
    more = served.longplay.archive.parent / "more.csv"
    more.write_text("id,title,artist\n" + "".join(f"{n},Piece {n} anew,Aaa\n" for n in range(3)))
    served.longplay.run("catalogue", "import", more, "--name", "more")
    assert get(served, "/api/search?q=piece")["total"] == 7
    rest = get(served, f"/api/search?q=piece&cursor={first['next']}")
    told = {hit["title"] for hit in first["items"] + rest["items"]}
    assert told == {f"Piece {n}" for n in range(4)} and rest["total"] == 4


def test_held_lists_go_on_after_what_came_last(served: Served) -> None:
    for path in ("/api/tracks", "/api/albums", "/api/artists", "/api/recordings"):
        once = [one["id"] for one in get(served, path)["items"]]
        assert once and [one["id"] for one in every(served, path, 1)] == once
    first = get(served, "/api/recordings?limit=2")
    withdraw(served, recordings=(first["items"][0]["recording"],))
    rest = every(served, f"/api/recordings?cursor={first['next']}", 200)
    assert len({one["recording"] for one in first["items"] + rest}) == 4


def test_a_page_of_a_changed_list_begins_after_the_last_item() -> None:
    rows = [f"item {n}" for n in range(2_000)]

    def read(count: int, offset: int) -> list[str]:
        return rows[offset : offset + count]

    page, following = cursors.page(read, str, "v1", None, 10)
    assert following
    rows[:0] = [f"new {n}" for n in range(700)]
    again, _ = cursors.page(read, str, "v2", following, 10)
    assert (page[-1], again[0]) == ("item 9", "item 10")
    rows.remove("item 9")
    after, _ = cursors.page(read, str, "v3", cursors.write("v2", 710, "item 9"), 1)
    assert after == ["item 10"]
    assert cursors.page(read, str, "v3", cursors.write("v3", 10**9, "x"), 1) == ([], None)


@pytest.mark.parametrize("cursor", ["AAAA", "x", "W10", "Wy0xXQ", "e30", "_" * 400, "bnVsbA"])
def test_cursors_that_are_none_are_refused(served: Served, cursor: str) -> None:
    for path in ("search", "tracks", "albums", "artists", "recordings", "releases", "claims"):
        error = get(served, f"/api/{path}?cursor={cursor}", 404)["error"]
        assert error["code"] == "cursor" and error["message"]
    with pytest.raises(InputError):
        cursors.read(cursor, str, int)


def test_everything_known_is_told_with_its_source(served: Served) -> None:
    line = served.manifest()[0]
    shown = get(served, f"/api/catalogue/{line['isrc']}")
    assert models.Shown.model_validate(shown)
    (thing,) = shown["found"]
    assert (thing["kind"], thing["id"], thing["held"]) == ("recording", line["recording"], True)
    facts = {fact["field"]: fact["value"] for fact in thing["facts"]}
    assert (facts["title"], facts["artists"]) == (line["title"], ["Ann"])
    assert {fact["source"] for fact in thing["facts"]} == {
        source["name"] for source in shown["sources"]
    }
    track = thing["tracks"][0]["id"]
    album = next(iter(get(served, "/api/albums")["items"]))["id"]
    assert get(served, f"/api/tracks/{track}")["found"][0]["recording"] == line["recording"]
    assert get(served, f"/api/albums/{album}")["found"][0]["track_count"] == 4
    for path in (f"/api/albums/{track}", "/api/catalogue/nonsense", "/api/tracks/tr0000000000000"):
        assert get(served, path, 404)["error"]["code"] == "unknown"


def test_of_what_is_withdrawn_nothing_is_told(served: Served) -> None:
    line = served.manifest()[1]
    thing = get(served, f"/api/catalogue/{line['recording']}")["found"][0]
    album = get(served, "/api/albums")["items"][0]["id"]
    withdraw(served, recordings=(line["recording"],))
    assert get(served, f"/api/tracks/{thing['tracks'][0]['id']}", 451)
    assert get(served, f"/api/catalogue/{line['isrc']}", 451)
    assert get(served, f"/api/albums/{album}")["found"][0]["track_count"] == 3
    assert get(served, f"/api/search?q=isrc:{line['isrc']}")["items"] == []
    for path in ("tracks", "recordings", f"albums/{album}", "search?q=piece", "statistics"):
        text = served.web.get(f"/api/{path}").text
        assert line["recording"] not in text and line["title"] not in text, path


def test_who_is_not_signed_in_hears_of_no_dark_track(served: Served) -> None:
    titles = {one["title"] for one in get(served, "/api/tracks")["items"]}
    assert titles == {f"Piece {n}" for n in range(4)}
    assert get(served, "/api/statistics")["held"]["tracks"] == 4
    # A key that is none is nobody's.
    again = get(served, "/api/tracks", Authorization="Bearer nonsense")
    assert {one["title"] for one in again["items"]} == titles


def test_answers_are_not_sent_twice(served: Served) -> None:
    for path in ("search?q=ann", "tracks", "stages", "statistics", "claims"):
        first = served.web.get(f"/api/{path}")
        again = served.web.get(f"/api/{path}", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
        other = served.web.get(f"/api/{path}", headers={"if-none-match": '"other"'})
        assert other.content == first.content
    before = served.web.get("/api/tracks").headers["etag"]
    withdraw(served, recordings=(served.manifest()[0]["recording"],))
    assert served.web.get("/api/tracks", headers={"if-none-match": before}).status_code == 200


def test_releases_and_stages_are_told_with_their_torrents(served: Served) -> None:
    releases = every(served, "/api/releases", 1)
    names = {one["release"] for one in served.longplay.json("release", "list")}
    assert {one["release"] for one in releases} == names
    volumes = [volume for one in releases for volume in one["volumes"]]
    for volume in volumes:
        assert served.web.get(volume["torrent"]).status_code == 200
        assert volume["magnet"].startswith("magnet:?")
    stages = get(served, "/api/stages")["items"]
    assert [stage["stage"] for stage in stages] == [1, 2, 3, 4]
    assert {one["release"]["release"] for one in stages if one["release"]} <= names


def test_claims_are_told_without_who_made_them(served: Served) -> None:
    claim = withdraw(served, artists=("Ann",), isrcs=("QZLP02600001",))
    (told,) = get(served, "/api/claims")["items"]
    assert (told["id"], told["state"]) == (claim, "upheld")
    assert [one["step"] for one in told["steps"]] == ["add", "uphold"]
    subjects = {one["kind"]: one["value"] for one in told["subjects"]}
    assert subjects == {"artist": "(a name)", "isrc": "QZLP02600001"}
    assert not any(word in str(told) for word in ("Zeb", "zeb@", "mine", "Ann"))


def test_errors_have_one_shape(served: Served) -> None:
    for path, status, code in (
        ("/api/tracks?limit=0", 422, "invalid"),
        ("/api/tracks?limit=many", 422, "invalid"),
        ("/api/tracks?cursor=%20", 422, "invalid"),
        ("/api/nothing", 404, "unknown"),
        ("/api/search?q=" + "x" * 1001, 422, "invalid"),
    ):
        error = get(served, path, status)["error"]
        assert (error["code"], set(error)) == (code, {"code", "message"}), path
    got = served.web.delete("/api/tracks")
    assert (got.status_code, got.json()["error"]["code"]) == (405, "method")
    assert "GET" in got.headers["allow"]
    found = get(served, "/api/search?q=year:abc")
    assert found["items"] == [] and found["notes"]


def test_the_description_is_a_page_that_needs_no_other_host(served: Served) -> None:
    page = served.web.get("/api")
    assert "/api/search" in page.text and "http" not in page.text.replace("https://", "http://")
    document = get(served, "/api/openapi.json")
    for path, methods in document["paths"].items():
        for one in methods.values():
            assert one["description"], path
            assert {"422", "404", "415", "500"} & set(one["responses"]), path


@pytest.mark.parametrize("kind", ["/api/releases", "/api/claims", "/claims"])
def test_a_cursor_with_half_a_letter_is_none(served: Served, kind: str) -> None:
    cursor = cursors.write("\ud800", "x")
    assert served.web.get(kind, params={"cursor": cursor}).status_code in (200, 400, 404)
