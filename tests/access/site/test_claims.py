"""The pages of claims and stages: without scripts, and in a browser."""

from __future__ import annotations

import re

import pytest

from longplay.access import serving
from longplay.access.site import claims as room
from longplay.archive import open_archive
from longplay.rights.claims import Step
from longplay.workflows import claims
from tests.access.conftest import Served

FORM = {
    "who": "Zebulon Quartermaine",
    "contact": "zq@example.org",
    "ground": "I wrote it",
    "evidence": "<script>alert(1)</script>",
    "asks": "withdraw",
}


def token(served: Served) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', served.web.get("/claims").text)
    assert found
    return found[1]


def send(served: Served, **said: str) -> tuple[int, str]:
    fields = {**FORM, "form_token": token(served), **said}
    got = served.web.post("/claims", data=fields)
    return got.status_code, got.text


def test_a_claim_is_taken_in_and_shown_without_who_made_it(served: Served) -> None:
    line = served.manifest()[0]
    about = f"https://example.org/recordings/{line['recording']}\r\nQZ-LP0-26-00003\r\n"
    status, page = send(served, about=about, artists="Ann")
    assert status == 200 and "was taken in as" in page
    (made,) = claims.list_all(open_archive(served.longplay.archive))
    assert dict(made.subjects) == {
        "artist": "Ann", "isrc": "QZLP02600003", "recording": line["recording"],
    }  # fmt: skip
    assert (made.person.name, made.state) == (FORM["who"], "open")
    for secret in (FORM["who"], FORM["contact"], FORM["ground"], "alert(1)"):
        assert secret not in page
    assert served.web.get(f"/recordings/{line['recording']}").status_code == 200
    claims.decide(open_archive(served.longplay.archive), made.id, Step.UPHOLD, "shown")
    assert "upheld" in served.web.get("/claims").text
    assert served.web.get(f"/recordings/{line['recording']}").status_code == 451


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"about": ""}, "names what it is about"),
        ({"about": "nonsense"}, "is no recording, isrc or object"),
        ({"about": "recnonsense"}, "is not an id"),
        ({"about": "QZLP02600003", "who": " "}, "needs who makes it"),
        ({"about": "QZLP02600003", "asks": "money"}, "choose what is asked for"),
        ({"about": "QZLP02600003", "ground": "x" * 20_001}, "characters are more"),
        ({"about": "QZLP02600003\n" * 501}, "at most 500"),
    ],
)
def test_what_is_amiss_is_told_and_nothing_typed_is_lost(
    served: Served, said: dict[str, str], words: str
) -> None:
    status, page = send(served, **said)
    assert status in (400, 422) and words in page.lower()
    assert "&lt;script&gt;alert(1)" in page and FORM["contact"] in page
    assert claims.list_all(open_archive(served.longplay.archive)) == []


def test_no_other_page_and_no_flood_makes_claims(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    got = served.web.post("/claims", data={**FORM, "about": "QZLP02600003"})
    assert got.status_code == 403
    statuses = [send(served, about="QZLP02600003")[0] for _ in range(8)]
    assert statuses[:5] == [200] * 5 and 429 in statuses
    monkeypatch.setattr(room, "MOST_OPEN", 1)
    status, page = send(served, about="QZLP02600003")
    assert status == 403 and "Too many claims wait" in page
    assert len(claims.list_all(open_archive(served.longplay.archive))) < 8


def test_stages_lead_to_their_torrents(served: Served) -> None:
    served.longplay.run("release", "publish")
    page = served.web.get("/stages").text
    for release in served.listed():
        assert release["release"] in page
    for path in set(re.findall(r'href="(/releases/[^"]+)"', page)):
        assert served.web.get(path).status_code == 200, path
    assert 'href="magnet:?' in page
    rss, other = (served.web.get(f"/releases/{name}") for name in ("rss.xml", "feed.rss"))
    assert rss.content == other.content and rss.headers["content-type"].endswith("rss+xml")


@pytest.mark.real
def test_in_a_browser_a_claim_is_made_and_a_dark_track_is_not_shown(served: Served) -> None:
    from playwright.sync_api import sync_playwright

    port = serving.free_port()
    line = served.manifest()[0]
    url = f"http://127.0.0.1:{port}"
    with serving.in_background(served.longplay.archive, port), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{url}/claims?about={line['recording']}")
        page.fill("#ground", "I wrote it")
        page.fill("#who", "Zeb")
        page.fill("#contact", "zeb@example.org")
        page.click("text=Send the claim")
        page.wait_for_selector("text=was taken in as")
        assert "Zeb" not in page.inner_text("main")
        archive = open_archive(served.longplay.archive)
        (made,) = claims.list_all(archive)
        claims.decide(archive, made.id, Step.UPHOLD, "shown")
        answer = page.goto(f"{url}/recordings/{line['recording']}")
        assert answer is not None and answer.status == 451
        assert line["title"] not in page.inner_text("main")
        stream = page.request.get(f"{url}/api/recordings/{line['recording']}/stream")
        assert stream.status == 451
        browser.close()
