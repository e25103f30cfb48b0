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
    given = post(ann, "/favourites/star", place, star=thing, back=place)
    assert given.headers["location"] == place
    assert f'name="unstar" value="{thing}"' in ann.get(place).text
    assert place in ann.get("/favourites").text
    post(ann, "/favourites/rate", place, stars=4, **asked)
    assert len(re.findall('class="round on"', ann.get(place).text)) == 4
    post(ann, "/favourites/star", place, unstar=thing, back=place)
    post(ann, "/favourites/rate", place, stars=0, **asked)
    assert f'name="star" value="{thing}"' in ann.get(place).text
    assert 'class="round on"' not in ann.get(place).text
    assert place not in ann.get("/favourites").text


def test_favourites_are_of_who_is_signed_in(web: TestClient) -> None:
    assert web.get("/favourites").headers["location"] == "/login?next=/favourites"
    for place in held(web).values():
        assert "/favourites" not in web.get(place).text
    answer = post(web, "/favourites/star", "/login", star="al0000000000000")
    assert answer.headers["location"].startswith("/login")


def test_forms_from_elsewhere_and_things_that_are_not_there_change_nothing(ann: TestClient) -> None:
    place = held(ann)["albums"]
    thing = place.rpartition("/")[2]
    assert ann.post("/favourites/star", data={"star": thing}).status_code == 403
    for wrong in ("", "al0000000000000", "../../x", "pl-1", "a" * 10_000):
        assert post(ann, "/favourites/star", star=wrong).status_code == 404
        assert post(ann, "/favourites/rate", thing=wrong, stars=3).status_code == 404
    for number in ("6", "-1", "x", "", "٣"):
        assert post(ann, "/favourites/rate", thing=thing, stars=number).status_code == 400
    away = post(ann, "/favourites/star", unstar=thing, back="//example.org")
    assert away.headers["location"] == "/favourites"
    assert "Nothing yet" in ann.get("/favourites").text


def test_tracks_of_lists_have_stars_for_who_is_signed_in(ann: TestClient, web: TestClient) -> None:
    album = held(ann)["albums"]
    playlist = post(ann, "/playlists", name="Of stars").headers["location"]
    track = buttons(ann, album)[0]
    post(ann, "/playlists/add", playlist=playlist.rpartition("/")[2], track=track)
    for place in (album, playlist, "/search?q=plain&held=yes", "/genres/Folk", "/shuffle"):
        assert track in buttons(ann, place)
        assert 'form="starring"' not in web.get(place).text
        back = ann.get(place).text.split('name="back" value="')[1].split('"')[0]
        given = post(ann, "/favourites/star", place, star=track, back=back.replace("&amp;", "&"))
        assert given.headers["location"] == place
        assert track in buttons(ann, place, "unstar") and track not in buttons(ann, place)
        post(ann, "/favourites/star", place, unstar=track, back=place)
    assert not buttons(ann, album, "unstar")


def test_a_star_stands_beside_nothing_that_is_not_heard(ann: TestClient) -> None:
    page = ann.get("/search?q=closed").text
    assert "Closed" in page and 'form="starring"' not in page


def buttons(web: TestClient, place: str, what: str = "star") -> list[str]:
    """The tracks that a page has a button for."""
    return re.findall(rf'form="starring" name="{what}" value="([^"]+)"', web.get(place).text)
