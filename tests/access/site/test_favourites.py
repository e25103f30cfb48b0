"""Stars and ratings on the site, without scripts: given, shown, taken back; and what strangers
try."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from tests.access.site.test_playlists import ann, people, post

__all__ = ["ann", "people"]


def held(web: TestClient) -> dict[str, str]:
    """Pages of an artist, an album and a recording that are held."""
    page = web.get("/search?q=plain").text
    return {kind: re.findall(rf'href="(/{kind}/[^"]+)"', page)[0]
            for kind in ("artists", "albums", "recordings")}  # fmt: skip


@pytest.mark.parametrize("kind", ["artists", "albums", "recordings"])
def test_a_star_and_a_rating_are_given_and_taken_back(ann: TestClient, kind: str) -> None:
    place = held(ann)[kind]
    thing = re.findall(r'name="thing" value="([^"]+)"', ann.get(place).text)[0]
    asked = {"thing": thing, "back": place}
    assert post(ann, "/favourites/star", place, what="star", **asked).headers["location"] == place
    assert 'value="unstar"' in ann.get(place).text
    assert place in ann.get("/favourites").text
    post(ann, "/favourites/rate", place, stars=4, **asked)
    assert len(re.findall('class="round on"', ann.get(place).text)) == 4
    post(ann, "/favourites/star", place, what="unstar", **asked)
    post(ann, "/favourites/rate", place, stars=0, **asked)
    assert 'value="star"' in ann.get(place).text
    assert 'class="round on"' not in ann.get(place).text
    assert place not in ann.get("/favourites").text


def test_favourites_are_of_who_is_signed_in(web: TestClient) -> None:
    assert web.get("/favourites").headers["location"] == "/login?next=/favourites"
    for place in held(web).values():
        assert "/favourites" not in web.get(place).text
    answer = post(web, "/favourites/star", "/login", thing="al0000000000000")
    assert answer.headers["location"].startswith("/login")


def test_forms_from_elsewhere_and_things_that_are_not_there_change_nothing(ann: TestClient) -> None:
    place = held(ann)["albums"]
    thing = place.rpartition("/")[2]
    assert ann.post("/favourites/star", data={"thing": thing, "what": "star"}).status_code == 403
    for wrong in ("", "al0000000000000", "../../x", "pl-1", "a" * 10_000):
        assert post(ann, "/favourites/star", thing=wrong, what="star").status_code == 404
        assert post(ann, "/favourites/rate", thing=wrong, stars=3).status_code == 404
    for number in ("6", "-1", "x", "", "٣"):
        assert post(ann, "/favourites/rate", thing=thing, stars=number).status_code == 400
    away = post(ann, "/favourites/star", thing=thing, what="unstar", back="//example.org")
    assert away.headers["location"] == "/favourites"
    assert "Nothing yet" in ann.get("/favourites").text
