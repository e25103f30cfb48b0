"""Searching and showing, as a user of the command line meets them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.system.conftest import Longplay

SONGS = """id,title,artists,album,release_date,popularity,genres,explicit,isrc
1,Hello,Adele,25,2015-11-20,80,pop;soul,false,GBBKS1500214
2,"Hello, Goodbye",The Beatles,Magical Mystery Tour,1967,70,rock,,
3,Jóga,Björk,Homogenic,1997,48,,,GBAAN9700014
"""
FIELDS = {
    "id", "recording", "title", "artists", "album", "year", "duration_ms", "isrc", "popularity",
    "held",
}  # fmt: skip


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Longplay:
    folder = tmp_path_factory.mktemp("search")
    (folder / "songs.csv").write_text(SONGS)
    longplay = Longplay(folder / "archive")
    longplay.run("init", longplay.archive)
    longplay.run("catalogue", "import", folder / "songs.csv", "--name", "songs")
    return longplay


def test_search_prints_the_document_that_others_script_against(searched: Longplay) -> None:
    found = searched.json("catalogue", "search", "hello")
    assert {"query", "total", "hits", "ms"} <= found.keys()
    assert (found["query"], found["total"]) == ("hello", 2)
    first = found["hits"][0]
    assert first.keys() >= FIELDS
    assert first["id"][:2] == "tr"
    assert first["recording"][:3] == "rec"
    assert (first["title"], first["artists"], first["year"]) == ("Hello", ["Adele"], 2015)
    assert first["held"] is False


def test_words_need_no_quotes_and_filters_stand_among_them(searched: Longplay) -> None:
    hits = searched.json("catalogue", "search", "beatles", "year:1960s", "hel")["hits"]
    assert [hit["title"] for hit in hits] == ["Hello, Goodbye"]
    assert searched.json("catalogue", "search", "hel", "--exact")["total"] == 0
    assert searched.json("catalogue", "search", "hello", "--limit", "1", "--offset", "1")["hits"][
        0
    ]["artists"] == ["The Beatles"]


def test_people_see_titles_with_ids_and_what_was_meant(searched: Longplay) -> None:
    answer = searched.run("catalogue", "search", "byork joga", "--facets")
    assert "found instead: bjork joga" in answer.out
    assert "Jóga · Björk · Homogenic" in answer.out
    assert "1997" in answer.out
    assert searched.json("catalogue", "search", "joga", "--facets")["facets"]["years"] == [
        ["1997", 1]
    ]


def test_nothing_found_is_no_error(searched: Longplay) -> None:
    assert searched.json("catalogue", "search", "nothing", "of", "kind")["hits"] == []
    assert "0 of 0" in searched.run("catalogue", "search", "nothing", "of").out


def test_wrong_filters_are_wrong_usage(searched: Longplay) -> None:
    answer = searched.run("catalogue", "search", "year:soon", expect=2)
    assert "year:1990-1999" in answer.err
    error = searched.json("catalogue", "search", "held:maybe", expect=2)["error"]
    assert error["code"] == "usage"


@pytest.mark.parametrize("words", ["love " * 2000, "x" * 10_000, "\x1b[31m\x07", '"' * 500])
def test_hostile_words_do_no_harm(searched: Longplay, words: str) -> None:
    assert searched.json("catalogue", "search", words)["hits"] == []


def test_show_by_id_and_by_isrc(searched: Longplay) -> None:
    (thing,) = searched.json("catalogue", "show", "GB-AAN-97-00014")["found"]
    assert thing["kind"] == "recording"
    assert {fact["source"] for fact in thing["facts"]} == {"songs"}
    shown = searched.run("catalogue", "show", thing["tracks"][0]["id"]).out
    assert "Jóga" in shown
    assert thing["id"] in shown


def test_show_of_what_is_not_there_is_an_error(searched: Longplay) -> None:
    for asked in ("tr0000000000000", "nonsense", "USABC9912345"):
        answer = searched.run("catalogue", "show", asked, expect=1)
        assert answer.err.count("\n") == 1


def test_what_the_archive_keeps_is_held(longplay: Longplay, music: Path) -> None:
    longplay.run("keep", music)
    hits = longplay.json("catalogue", "search", "held:yes")["hits"]
    assert hits
    assert all(hit["held"] for hit in hits)
    rest = longplay.json("catalogue", "search", "held:no")["hits"]
    assert not any(hit["held"] for hit in rest)


def test_a_damaged_index_is_told_in_one_line(searched: Longplay, tmp_path: Path) -> None:
    broken = Longplay(tmp_path / "archive")
    shutil.copytree(searched.archive, broken.archive)
    (index,) = broken.archive.glob("catalogue/layers/*/index/postings")
    os.truncate(index, 100)
    answer = broken.run("catalogue", "search", "hello", expect=1)
    assert str(index) in answer.err
    assert answer.err.count("\n") == 1
