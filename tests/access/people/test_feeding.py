"""Scrobbles become listens of the catalogue, without a trace of who listened."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from longplay import clock
from longplay.access import feeding
from longplay.access.people import accounts, plays
from longplay.access.people.opening import open_people
from longplay.archive import open_archive
from longplay.catalogue import layout
from tests.system.conftest import Longplay

TABLE = """id,title,artists,album,isrc,popularity
1,First Song,Ann,One,QZLP02600001,10
2,Second Song,Ann,One,QZLP02600002,10
"""


@pytest.fixture(scope="module")
def catalogued(tmp_path_factory: pytest.TempPathFactory) -> Longplay:
    place = tmp_path_factory.mktemp("catalogued")
    longplay = Longplay(place / "archive")
    (place / "music.csv").write_text(TABLE)
    longplay.run("init", longplay.archive)
    longplay.run("catalogue", "import", place / "music.csv", "--format", "table")
    return longplay


def quiet(_done: int, _total: int, _words: str) -> None:
    """Show nothing."""


def heard(longplay: Longplay) -> dict[str, Any]:
    hits = longplay.json("catalogue", "search", "song")["hits"]
    return {hit["title"]: hit["popularity"] for hit in hits}


def test_scrobbles_feed_popularity_once_and_again(catalogued: Longplay) -> None:
    hits = catalogued.json("catalogue", "search", "song")["hits"]
    tracks = {hit["title"]: hit["id"] for hit in hits}
    now = clock.now()
    with open_archive(catalogued.archive) as archive, open_people(archive) as people:
        assert feeding.feed(archive, people, quiet) == feeding.Fed(0, None)
        for name in ("Unmistakable", "Other"):
            account = accounts.add(people, name, "member").account.id
            for number in range(3):
                plays.scrobble(
                    people, account, tracks["Second Song"], now - timedelta(hours=number + 1)
                )
        plays.scrobble(people, account, tracks["First Song"], now - timedelta(days=1))
        done = feeding.feed(archive, people, quiet)
        assert (done.plays, done.report and done.report.rows) == (
            7, {"listens": 7, "matched": 7})  # fmt: skip
        assert feeding.feed(archive, people, quiet) == feeding.Fed(0, None)
        popular = heard(catalogued)
        assert popular["Second Song"] > popular["First Song"]

        plays.scrobble(people, account, tracks["First Song"], now - timedelta(days=2))
        done = feeding.feed(archive, people, quiet)
        assert (done.plays, done.report and done.report.rows["listens"]) == (1, 8)

        accounts.remove(people, "Unmistakable")
        plays.scrobble(people, account, tracks["First Song"], now - timedelta(days=3))
        done = feeding.feed(archive, people, quiet)
        assert (done.plays, done.report and done.report.rows["listens"]) == (1, 6)
    said = catalogued.run("account", "listens").out
    assert said == "nothing was scrobbled since the last time\n"
    everything = [one for one in (catalogued.archive / "catalogue").rglob("*") if one.is_file()]
    assert not [one for one in everything if b"Unmistakable" in one.read_bytes()]


def test_a_server_counts_in_a_process_of_its_own(catalogued: Longplay) -> None:
    track = catalogued.json("catalogue", "search", "first song")["hits"][0]["id"]
    with open_archive(catalogued.archive) as archive, open_people(archive) as people:
        account = accounts.add(people, "Third", "member").account.id
        plays.scrobble(people, account, track, clock.now() - timedelta(hours=3))
        with layout.writing(archive.catalogue):
            feeding.feed_apart(archive, people)
            assert plays.unfed(people).plays
        feeding.feed_apart(archive, people)
        assert not plays.unfed(people).plays
