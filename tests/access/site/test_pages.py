"""The pages as a browser without scripts, a machine, or somebody hostile has them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from fastapi.testclient import TestClient
from lxml import html

from longplay.access.app import create_app
from longplay.archive import open_archive
from longplay.catalogue import curation
from longplay.catalogue.curation import Hand
from longplay.rights.claims import Step
from longplay.workflows import claims
from longplay.workflows.claims import Request as Claim
from tests.access.conftest import Served
from tests.access.site.conftest import CC_BY, HOSTILE
from tests.system.conftest import Longplay

LISTS = ("/", "/browse", "/albums", "/albums?order=popular", "/artists", "/shuffle", "/queue",
         "/search", "/search?q=plain", "/search?q=alert", "/search?q=script&held=yes")  # fmt: skip

ROUTES = ("/recordings/{}", "/tracks/{}", "/albums/{}", "/artists/{}", "/genres/{}", "/covers/{}",
          "/static/{}", "/search?q={}", "/search?q=plain&page={}", "/albums?order={}",
          "/albums?years={}", "/albums?page={}", "/artists?letter={}",
          "/albums?genre={}", "/covers/al0123456789abc?size={}")  # fmt: skip

IDS = (
    "..%2f..%2flongplay.toml", "....//....//etc/passwd", "%00", "%ff%fe", "a" * 3000, "'--",
    "\"><b>", "%0d%0aX-Evil:%20yes", "rec", "rec0", "rec" + "z" * 13, "recfzzzzzzzzzzzz",
    "al" + "0" * 13, "tr" + "f" * 13, "-1", "0", "99999999999999999999", "1e9", "٣", "²", "NaN",
    "{{7*7}}", "%F0%9F%8E%B5", "<script>", "year:soon", "held:perhaps", "pl-" + "a" * 80,
    "co-../../x", "null", "%252e%252e%252f",
)  # fmt: skip


def everything(web: TestClient) -> Iterator[tuple[str, html.HtmlElement]]:
    """Every page that can be walked to, parsed."""
    todo, seen = list(LISTS), set(LISTS)
    while todo:
        path = todo.pop()
        got = web.get(path)
        if got.status_code in (307, 308):
            continue
        assert got.status_code == 200, path
        page = html.fromstring(got.content)
        yield path, page
        for link in page.xpath("//a/@href"):
            found = re.match(r"/(recordings|albums|artists|genres)[/?].*", link)
            if found and link not in seen:
                seen.add(link)
                todo.append(link)


def test_no_tag_becomes_markup_and_no_page_runs_what_is_not_in_a_file(web: TestClient) -> None:
    kinds = set()
    named = 0
    for path, page in everything(web):
        kinds.add(path.split("/")[1].partition("?")[0])
        assert not page.xpath("//@style"), path
        assert not [name for name in page.xpath("//@*") if name.attrname.startswith("on")], path
        for script in page.xpath("//script"):
            if script.get("type") == "application/ld+json":
                assert json.loads(script.text)["@context"] == "https://schema.org"
            else:
                assert script.get("src", "").startswith("/static/") and not script.text
        assert not page.xpath("//style | //img[@src='x'] | //iframe | //base | //object")
        assets = page.xpath("//script/@src | //img/@src | //link[not(@rel='canonical')]/@href")
        assert all(urlparse(one).netloc == "" for one in assets), path
        named += HOSTILE in page.text_content()
        assert "49" not in page.xpath("string(//h1)")
    assert kinds >= {"", "recordings", "albums", "artists", "genres", "search"}
    assert named > 5


def test_a_title_that_ends_a_script_is_told_to_machines_as_it_is(web: TestClient) -> None:
    hit = found(web, "alert")[0]
    page = html.fromstring(web.get(hit).content)
    (text,) = page.xpath("//script[@type='application/ld+json']/text()")
    told = json.loads(text)
    assert told["name"].endswith(HOSTILE) and told["@type"] == "MusicRecording"
    assert told["license"] == CC_BY and told["isrcCode"].startswith("QZLP02700")
    assert told["byArtist"][0]["name"] == HOSTILE
    assert "<" not in text and "&" not in text


@pytest.mark.parametrize("route", ROUTES)
def test_whatever_is_asked_for_is_no_failure_of_ours(web: TestClient, route: str) -> None:
    for one in IDS:
        got = web.get(route.format(one))
        assert got.status_code in (200, 307, 308, 404), (route, one[:40])
        assert "x-evil" not in got.headers
        assert b"<b>" not in got.content and b"<script>" not in got.content
        assert got.headers["content-security-policy"].startswith("default-src 'self'")


def found(web: TestClient, words: str, **more: str) -> list[str]:
    """The addresses of the recordings that a search finds."""
    page = html.fromstring(web.get("/search", params={"q": words, **more}).content)
    return [
        str(one) for one in page.xpath("//ol[contains(@class, 'tracks')]//a[@class='title']/@href")
    ]


def text_of(web: TestClient, path: str) -> str:
    page = html.fromstring(web.get(path).content)
    return " ".join(page.xpath("//main")[0].text_content().split())


def test_a_recording_tells_what_vouches_for_it(web: TestClient) -> None:
    path = found(web, "plain 1")[0]
    got = web.get(path)
    text = text_of(web, path)
    for words in ("Plain 1", "Nan Ott", "Plainly", "1968", "Creative Commons Attribution 4.0",
                  "Anybody may listen", "say who made it", "Ingestion", "Validation", "LUFS",
                  "Last checked", "Id here"):  # fmt: skip
        assert words in text, words
    assert "“Plain 1” by Nan Ott, from the album “Plainly”" in text
    assert f"is licensed under Creative Commons Attribution 4.0 ({CC_BY})" in text
    page = html.fromstring(got.content)
    (magnet,) = [one for one in page.xpath("//a/@href") if one.startswith("magnet:")]
    assert "xt=urn:btmh:1220" in magnet
    (torrent,) = [one for one in page.xpath("//a/@href") if one.endswith(".torrent")]
    assert web.get(torrent).status_code == 200
    (play,) = {json.loads(one)["src"] for one in page.xpath("//@data-track")}
    assert web.get(play).status_code == 200


def test_search_marks_what_is_held_and_says_what_it_did_not_understand(web: TestClient) -> None:
    page = web.get("/search", params={"q": "plain"})
    assert page.text.count("data-track=") >= 3
    assert found(web, "plain", held="yes") == found(web, "plain")
    assert found(web, "xyzzyplugh") == []
    assert "Nothing was found" in text_of(web, "/search?q=xyzzyplugh")
    assert 'role="alert"' in web.get("/search?q=year:soon").text
    assert web.get("/search", params={"q": "pla"}).text.count("data-track=") >= 3


def test_what_needs_an_account_says_so_and_gives_nothing(web: TestClient) -> None:
    (path,) = found(web, "mine")
    page = web.get(path)
    assert page.status_code == 200 and "data-track" not in page.text
    assert "Sign in to listen" in page.text
    assert web.get(f"/api{path}/stream").status_code in (403, 451)
    assert "Sign in to listen" in web.get("/search?q=mine").text


def test_what_nobody_may_hear_is_described_without_a_player(web: TestClient) -> None:
    (path,) = found(web, "closed")
    page = web.get(path)
    assert page.status_code == 200 and "data-track" not in page.text
    assert "Kept, not played" in page.text and "Sign in" not in page.text
    assert web.get(f"/api{path}/stream").status_code == 451


def test_no_shared_cache_keeps_a_page(web: TestClient) -> None:
    headers = web.get("/").headers
    assert (headers["cache-control"], headers["vary"]) == ("private, no-cache", "Cookie")
    assert web.get("/shuffle").headers["cache-control"] == "no-store"


def test_paths_of_sources_are_for_signed_in_listeners(web: TestClient) -> None:
    page = web.get(found(web, "plain 1")[0]).text
    assert "Ingestion" in page and "from good:" not in page


def test_the_library_is_walked_by_genre_year_and_letter(web: TestClient) -> None:
    assert "Plainly" in text_of(web, "/albums?years=1960s")
    assert "Plainly" in text_of(web, "/albums?years=1968")
    assert "Plainly" not in text_of(web, "/albums?years=1970s")
    assert "Plainly" in text_of(web, "/albums?genre=Folk")
    assert "Plain 2" in text_of(web, "/genres/Folk")
    assert "Nan Ott" in text_of(web, "/artists?letter=N")
    browse = text_of(web, "/browse")
    assert "Folk" in browse and "1960s" in browse
    assert web.get("/genres/Polka").status_code == 404


def test_errors_are_pages_for_browsers_and_documents_for_programs(web: TestClient) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml"}
    got = web.get("/nowhere/at/all", headers=browser)
    assert got.status_code == 404 and "There is no page at this address" in got.text
    assert web.get("/nowhere").json()["error"]["code"] == "unknown"
    assert web.get("/api/nowhere", headers=browser).json()["error"]["code"] == "unknown"


def test_static_files_are_kept_for_ever_under_names_that_change(web: TestClient) -> None:
    page = html.fromstring(web.get("/").content)
    (address,) = page.xpath("//link[@rel='stylesheet']/@href")
    got = web.get(address)
    assert "immutable" in got.headers["cache-control"]
    assert web.get(address, headers={"If-None-Match": got.headers["etag"]}).status_code == 304
    assert web.get(address.partition("?")[0]).headers["cache-control"] == "no-cache"
    assert web.get("/static/site.py").status_code == 404
    for name in (
        "site.js",
        "player.js",
        "kept.js",
        "drawer.js",
        "keyboard.js",
        "telling.js",
        "icons.svg",
    ):
        assert web.get(f"/static/{name}").status_code == 200


def test_an_id_that_has_become_another_leads_to_it(served: Served) -> None:
    lines = {line["title"]: line["recording"] for line in served.manifest()}
    both = [lines["Piece 1"], lines["Piece 2"]]
    archive = open_archive(served.longplay.archive)
    curation.join(archive.catalogue, both, Hand("me", "the same"))
    got = [served.web.get(f"/recordings/{one}", follow_redirects=False) for one in both]
    assert sorted(one.status_code for one in got) == [200, 308]
    (moved,) = [one for one in got if one.status_code == 308]
    assert moved.headers["location"] in {f"/recordings/{one}" for one in both}


def test_a_track_leads_to_its_recording(web: TestClient) -> None:
    page = html.fromstring(web.get("/search?q=plain").content)
    track = json.loads(page.xpath("//@data-track")[0])
    got = web.get(f"/tracks/{track['id']}")
    assert (got.status_code, got.headers["location"]) == (307, track["href"])


def test_withdrawn_is_not_found(served: Served) -> None:
    recording = next(line["recording"] for line in served.manifest() if line["title"] == "Piece 2")
    archive = open_archive(served.longplay.archive)
    page = html.fromstring(served.web.get("/search?q=piece").content)
    track = json.loads(page.xpath("//@data-track")[0])
    places = ["/search?q=piece", f"/albums/{track['albumId']}", "/shuffle"]
    places += {one for one in page.xpath("//a/@href") if one.startswith("/artists/")}
    assert all("Piece 2" in served.web.get(one).text for one in places)
    made = claims.add(archive, Claim("A", "a@example.org", "mine", recordings=(recording,)))
    claims.decide(archive, made.id, Step.UPHOLD, "shown")
    for one in places:
        got = served.web.get(one)
        assert got.status_code == 200 and "Piece 2" not in got.text, one
    got = served.web.get(f"/recordings/{recording}")
    assert got.status_code == 451 and "Not shown" in got.text
    assert got.headers["content-type"].startswith("text/html")
    made = claims.add(archive, Claim("A", "a@example.org", "all of it", artists=("ann",)))
    claims.decide(archive, made.id, Step.UPHOLD, "shown")
    for one in places[1:2] + places[3:]:
        got = served.web.get(one)
        assert got.status_code in (404, 451) and "Piece" not in got.text, one


def test_an_archive_with_nothing_in_it_has_pages(tmp_path: Path) -> None:
    longplay = Longplay(tmp_path / "archive")
    longplay.run("init", longplay.archive)
    with TestClient(create_app(longplay.archive)) as web:
        for path in LISTS:
            assert web.get(path).status_code == 200, path
        assert "holds nothing to listen to yet" in web.get("/").text


def test_what_is_held_has_a_page_without_a_catalogue(
    released: tuple[Path, Any], tmp_path: Path
) -> None:
    """As on a mirror, which brought the music alone."""
    folder = tmp_path / "archive"
    shutil.copytree(released[0], folder)
    shutil.rmtree(folder / "catalogue")
    (folder / "catalogue").mkdir()
    with TestClient(create_app(folder)) as web:
        for line in Served(Longplay(folder), released[1], web).manifest():
            got = web.get(f"/recordings/{line['recording']}")
            assert got.status_code == 200, line["title"]
            assert line["root"] in got.text
