"""What is found, in which order, and in which pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from longplay.catalogue import ids
from longplay.catalogue.search import facets, finding, ranking
from longplay.catalogue.search.candidates import Layer
from longplay.catalogue.search.finding import Found
from longplay.catalogue.search.query import parse
from longplay.errors import UsageError
from tests.catalogue.search.memory import layer


def row(title: str, artists: str, popularity: float | None = 50, **more: Any) -> dict[str, Any]:
    return {"title": title, "artists": artists.split(";"), "popularity": popularity, **more}


SONGS = [
    row("Hello", "Adele", 80, album="25", year=2015, genres=["pop", "soul"], explicit=False),
    row("Hello, Goodbye - Remastered 2009", "The Beatles", 70, album="Magical Mystery Tour",
        year=1967, genres=["rock"]),
    row("Hello", "Lionel Richie", 68, album="Can't Slow Down", year=1983, genres=["soul"]),
    row("Yellow Submarine", "The Beatles", 66, album="Revolver", year=1966),
    row("Jóga", "Björk", 48, album="Homogenic", year=1997, isrcs=["GBAXX9700001"]),
    row("Adele", "Das Trio", 30),
    row("Kind of Blue Sky", "Someone", 60),
    row("So What", "Miles Davis", 55, album="Kind of Blue", year=1959, genres=["jazz"]),
    row("Blue in Green", "Miles Davis;Bill Evans", None, album="Kind of Blue", year=1959,
        genres=["jazz", "hip hop"], explicit=True),
]  # fmt: skip


@pytest.fixture(scope="module")
def songs() -> list[Layer]:
    return [layer(SONGS)]


def ask(layers: list[Layer], text: str, **more: Any) -> Found:
    return finding.find(layers, parse(text), **more)


def titles(found: Found) -> list[tuple[str | None, str]]:
    return [(hit.title, hit.artists[0]) for hit in found.hits]


def test_what_is_asked_for_exactly_comes_first_then_the_more_popular(songs: list[Layer]) -> None:
    found = ask(songs, "hello")
    assert [artist for _, artist in titles(found)] == ["Adele", "Lionel Richie", "The Beatles"]
    assert (found.total, found.meant) == (3, None)


def test_an_artist_is_meant_rather_than_a_title_that_nobody_hears(songs: list[Layer]) -> None:
    assert titles(ask(songs, "adele ")) == [("Hello", "Adele"), ("Adele", "Das Trio")]


@pytest.mark.parametrize(
    "text",
    ["beatles hello", "HELLO beatles", "goodbye beat", "mystery hello tour", "héllo, göodbye"],
)
def test_words_may_stand_in_any_field_and_order(songs: list[Layer], text: str) -> None:
    assert titles(ask(songs, text))[0] == ("Hello, Goodbye - Remastered 2009", "The Beatles")


def test_a_whole_word_is_better_than_a_beginning() -> None:
    layers = [layer([row("Start", "A", 50), row("Star", "B", 45)])]
    assert [title for title, _ in titles(ask(layers, "star"))] == ["Star", "Start"]


def test_words_in_the_title_are_better_than_in_the_album() -> None:
    layers = [layer([row("One", "A", 60, album="Blue"), row("Blue", "B", 40)])]
    assert [title for title, _ in titles(ask(layers, "blue "))] == ["Blue", "One"]


def test_a_version_that_nobody_asked_for_stands_below() -> None:
    layers = [layer([row("Song (Live)", "A", 50), row("Song", "A", 50)])]
    assert titles(ask(layers, "song a "))[0][0] == "Song"
    assert titles(ask(layers, "song live"))[0][0] == "Song (Live)"


def test_the_last_word_may_be_a_beginning_only_while_typing(songs: list[Layer]) -> None:
    assert titles(ask(songs, "yel"))[0][0] == "Yellow Submarine"
    assert finding.find(songs, parse("adele hel", typing=False)).total == 0


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("yelow submarine", "yellow submarine"),
        ("byork joga", "bjork joga"),
        ("beatlse yellow", "beatles yellow"),
        ("miles daviss what", "miles davis what"),
        ("beatles yelow su", "beatles yellow submarine"),
        ("miles dvai", "miles davis"),
        ("beatles submrai", "beatles submarine"),
    ],
)
def test_typos_are_forgiven_where_nothing_matches(
    songs: list[Layer], text: str, meant: str
) -> None:
    found = ask(songs, text)
    assert found.hits
    assert found.meant == meant


def test_typos_are_not_forgiven_where_something_matches(songs: list[Layer]) -> None:
    layers = [*songs, layer([row("Yelow", "X", 1)], "other")]
    assert titles(ask(layers, "yelow ")) == [("Yelow", "X")]


def test_short_words_numbers_and_quotes_are_meant_as_they_are(songs: list[Layer]) -> None:
    assert ask(songs, "si wh ").total == 0
    assert ask(songs, "hello 2016 ").total == 0
    assert ask(songs, '"yelow submarine"').total == 0


def test_one_of_four_words_may_be_wrong_altogether(songs: list[Layer]) -> None:
    found = ask(songs, "beatles yellow submarine nonsense ")
    assert titles(found) == [("Yellow Submarine", "The Beatles")]
    assert found.meant == "beatles yellow submarine"
    assert ask(songs, "yellow submarine nonsense ").total == 0


def test_quotes_keep_words_together_in_one_field(songs: list[Layer]) -> None:
    assert titles(ask(songs, '"kind of blue" sky')) == [("Kind of Blue Sky", "Someone")]
    assert ask(songs, '"blue kind"').total == 0
    assert ask(songs, '"miles davis so"').total == 0


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("artist:adele", 1),
        ("title:adele ", 1),
        ("album:blue", 2),
        ("year:1959", 2),
        ("year:1960s beatles", 2),
        ("year:<1960", 2),
        ("year:>=1997", 2),
        ("genre:jazz", 2),
        ('genre:"hip hop"', 1),
        ("genre:soul hello", 2),
        ("explicit:yes", 1),
        ("explicit:no", 1),
        ("explicit:no explicit:yes", 0),
        ("popularity:>68", 2),
        ("popularity:>=68", 3),
        ("popularity:30-50", 2),
        ("isrc:GB-AXX-97-00001", 1),
        ("isrc:GBAXX9700001 adele", 0),
        ("", 0),
    ],
)
def test_filters(songs: list[Layer], text: str, total: int) -> None:
    assert ask(songs, text).total == total


def test_each_recording_is_found_once_over_all_layers() -> None:
    one = [row("Song", "A", 50, recording=7), row("Song", "A", 40, recording=7)]
    two = [row("Song", "A", 60, recording=7), row("Song", "B", 10, recording=8)]
    found = ask([layer(one, "one"), layer(two, "two")], "song")
    assert [(hit.recording, hit.source) for hit in found.hits] == [
        (ids.text("rec", 7), "two"),
        (ids.text("rec", 8), "two"),
    ]
    assert found.total == 2


def test_what_is_held_is_said_and_can_be_asked_for() -> None:
    layers = [layer([row("Song", "A", recording=7), row("Song", "B", recording=8)])]
    held = np.array([8, 9], np.uint64)
    assert [(h.artists[0], h.held) for h in ask(layers, "song", held=held).hits] == [
        ("A", False),
        ("B", True),
    ]
    assert titles(ask(layers, "song held:yes", held=held)) == [("Song", "B")]
    assert titles(ask(layers, "held:no", held=held)) == [("Song", "A")]
    assert ask(layers, "song").hits[0].held is None
    with pytest.raises(UsageError, match="held"):
        ask(layers, "song held:yes")


MANY = [
    row(f"Song {n:04}", "Band", n % 100, recording=n // 2, year=1900 + n % 7) for n in range(3000)
]


def test_pages_fit_together_whatever_their_size() -> None:
    layers = [layer(MANY[:1000], "one"), layer(MANY[1000:], "two")]
    whole = [hit.id for hit in ask(layers, "song", limit=700).hits]
    assert len(set(whole)) == 700
    for size in (1, 9, 250):
        starts = range(0, 500, size) if size > 1 else (0, 199, 200, 201, 699)
        for start in starts:
            page = ask(layers, "song", limit=size, offset=start)
            assert [hit.id for hit in page.hits] == whole[start : start + size]


def test_all_pages_together_are_all_hits() -> None:
    found = ask([layer(MANY)], "song", limit=10_000)
    assert found.total == len(found.hits) == 1500
    assert ask([layer(MANY)], "song").total is None


@pytest.mark.parametrize(("limit", "offset"), [(-1, 0), (1, -1), (1, 10_000), (10_001, 0)])
def test_nobody_reads_further_than_that(limit: int, offset: int) -> None:
    with pytest.raises(UsageError):
        ask([], "song", limit=limit, offset=offset)


@pytest.mark.parametrize(
    ("title", "artist", "asked"),
    [
        ("Группа крови", "Кино", "кино группа кро"),
        ("Ёлка", "Хор", "елка хор"),
        ("Τα παιδιά", "Μελίνα", "μελινα παιδια"),
        ("東京タワー", "角松敏生", "東京"),
        ("東京タワー", "角松敏生", "タワ 角松"),
        ("月亮代表我的心", "鄧麗君", "鄧麗君 代表"),
        ("愛", "中島", "愛"),
        ("강남스타일", "싸이", "강남스타"),
        ("أهواك", "عبد الحليم", "أهواك عَبد"),
        ("שָׁלוֹם", "עומר אדם", "שלום עומר"),
        ("Smørrebrød", "Æther", "smorrebrod aether"),
        ("Straße", "Łódź", "strasse lodz"),
        ("Œuvre", "Đorđe", "oeuvre dorde"),
        ("ＦＵＬＬ ｗｉｄｔｈ", "ﬁ", "full width fi"),
    ],
)
def test_every_script(title: str, artist: str, asked: str) -> None:
    layers = [layer([row(title, artist, 1), row("Other", "Else", 90)])]
    found = ask(layers, asked)
    assert (titles(found), found.meant) == ([(title, artist)], None)


@pytest.mark.parametrize("text", ["love " * 2000, "x" * 10_000, "\x00\x1b\u202e", "\ud800"])
def test_hostile_queries_find_nothing_and_do_no_harm(songs: list[Layer], text: str) -> None:
    assert ask(songs, text).total == 0


def test_facets_count_recordings(songs: list[Layer]) -> None:
    counted = facets.count(songs, parse("hello"))
    assert counted.years == (("1967", 1), ("1983", 1), ("2015", 1))
    assert counted.genres == (("soul", 2), ("pop", 1), ("rock", 1))
    assert (counted.held, counted.of, counted.exact) == (None, 3, True)


def test_facets_of_what_was_meant_and_of_nothing(songs: list[Layer]) -> None:
    assert facets.count(songs, parse("byork joga")).years == (("1997", 1),)
    assert facets.count(songs, parse("nothing like it")).of == 0
    assert facets.count([], parse("x")).of == 0


def test_facets_of_quoted_words_and_of_what_is_held(songs: list[Layer]) -> None:
    assert facets.count(songs, parse('"kind of blue" year:1959')).of == 2
    held = np.array([7], np.uint64)
    counted = facets.count([layer(MANY)], parse("song"), held=held)
    assert counted.held == (("yes", 1), ("no", 1499))
    assert sum(count for _, count in counted.years) == counted.of == 1500


def test_facets_of_very_many_are_of_the_most_popular(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facets, "MOST_COUNTED", 100)
    layers = [layer(MANY[:1500], "one"), layer(MANY[1500:], "two")]
    counted = facets.count(layers, parse("song"))
    assert not counted.exact
    assert 50 <= counted.of <= 100


def test_names_are_forgotten_only_between_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "KEPT", 3)
    vocabulary = ranking.Vocabulary()
    names = [ranking.Names(f"Song {n} (Live)", [f"Artist {n}"], f"Album {n}") for n in range(9)]
    for _ in range(3):
        found = vocabulary.tracks(names)
        assert [each.artists for each in found] == [(("artist", str(n)),) for n in range(9)]
        assert [each.title[: each.core] for each in found] == [("song", str(n)) for n in range(9)]
