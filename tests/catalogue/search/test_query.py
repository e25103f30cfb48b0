"""The language of search: what a text means, and that no text is too odd to be read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.catalogue.search import query
from longplay.catalogue.search.query import Phrase, Query, Range, parse
from longplay.errors import UsageError


def test_words_are_folded_and_the_last_is_a_beginning() -> None:
    read = parse("Björk JÓG")
    assert (read.words, read.prefix) == (("bjork", "jog"), True)


@pytest.mark.parametrize("text", ["bjork joga ", '"bjork joga"', "joga year:1997"])
def test_a_word_is_whole_when_something_follows_it(text: str) -> None:
    assert not parse(text).prefix


def test_nothing_is_a_beginning_unless_somebody_is_typing() -> None:
    assert not parse("bjork jog", typing=False).prefix


@pytest.mark.parametrize("text", ['"kind of blue" miles', "“kind of blue” miles"])
def test_quotes_keep_words_together(text: str) -> None:
    read = parse(text)
    assert read.words == ("kind", "of", "blue", "miles")
    assert read.phrases == (Phrase(0, 3, None, quoted=True),)


@pytest.mark.parametrize("text", ['12" mix', '"kind of blue', 'kind of blue"'])
def test_a_quote_that_is_alone_means_nothing(text: str) -> None:
    assert not parse(text).phrases


def test_words_of_a_field() -> None:
    read = parse('artist:"miles davis" album:blue so')
    assert read.words == ("miles", "davis", "blue", "so")
    assert read.phrases == (Phrase(0, 2, "artist", quoted=True), Phrase(2, 3, "album"))


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("year:1994", Range(1994, 1994)),
        ("year:1990-1999", Range(1990, 1999)),
        ("year:1990..1999", Range(1990, 1999)),
        ("year:1990s", Range(1990, 1999)),
        ("year:1990-", Range(low=1990)),
        ("year:-1999", Range(high=1999)),
        ("YEAR:>=1990", Range(low=1990)),
        ("year:<1990", Range(high=1990, without_high=True)),
        ("year:1990- year:<=1995", Range(1990, 1995)),
        ("year:>1990 year:1990-1995", Range(1990, 1995, without_low=True)),
    ],
)
def test_years(text: str, years: Range) -> None:
    assert parse(text).years == years


def test_ranges_hold_what_lies_in_them() -> None:
    assert [n for n in range(5) if Range(1, 3).holds(n)] == [1, 2, 3]
    assert [n for n in range(5) if Range(1, 3, True, True).holds(n)] == [2]
    assert Range().holds(-math.inf)


def test_other_filters() -> None:
    read = parse('jazz genre:jazz genre:"hip hop" popularity:>50 explicit:no held:YES')
    assert read.words == ("jazz",)
    assert read.genres == ("jazz", "hip hop")
    assert read.popularity == Range(low=50, without_low=True)
    assert (read.explicit, read.held) == (False, True)


def test_identifiers_are_normalised() -> None:
    read = parse("isrc:de-a61-93-00020 upc:036000291452")
    assert read.identifiers == (("isrc", "DEA619300020"), ("upc", "00036000291452"))


@pytest.mark.parametrize(
    "text",
    [
        "year:soon",
        "year:94",
        "year:1990-99",
        "year:20000",
        "year:999999999999",
        "popularity:high",
        "popularity:>>5",
        "explicit:maybe",
        "held:2",
        "isrc:123",
        "upc:123456789013",
        "mbid:nonsense",
    ],
)
def test_a_filter_that_means_nothing_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="is no filter"):
        parse(f"love {text}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Re: Stacks", ("re", "stacks")),
        ("title: of the song", ("title", "of", "the", "song")),
        ("year:", ("year",)),
        ("https://example.org/a", ("https", "example", "org", "a")),
        ("a:b:c", ("a", "b", "c")),
    ],
)
def test_any_other_colon_is_between_words(text: str, words: tuple[str, ...]) -> None:
    assert parse(text).words == words


def test_what_contradicts_itself_finds_nothing() -> None:
    assert parse("explicit:yes explicit:no").nothing


@pytest.mark.parametrize(
    "text", ["love " * 2000, "x" * 10_000, "genre:jazz " * 1000, '"' * 9999, "a:" * 5000]
)
def test_long_queries_are_cut_and_say_so(text: str) -> None:
    read = parse(text)
    assert read.cut
    assert len(read.words) <= query.MAX_WORDS
    assert len(read.text) <= query.MAX_CHARACTERS


def test_control_characters_are_spaces() -> None:
    assert parse("love\x00me\x1bdo\r\n").words == ("love", "me", "do")


def test_signs_are_looked_for_only_where_there_are_no_words() -> None:
    assert parse("!!!").words == ("!!!",)
    assert parse("Björk - Jóga !").words == ("bjork", "joga")


@pytest.mark.parametrize("text", ["", "   ", "\x00", '""'])
def test_a_query_can_be_empty(text: str) -> None:
    assert parse(text).empty


PARTS = st.sampled_from(
    ["year:", "popularity:", "held:", "isrc:", "artist:", '"', "“", "-", "..", ">", "<", "=", " "]
)


@given(st.lists(st.one_of(PARTS, st.text(max_size=5), st.integers().map(str))).map("".join))
def test_every_text_is_a_query_or_a_malformed_filter(text: str) -> None:
    try:
        read = parse(text)
    except UsageError:
        return
    assert isinstance(read, Query)
    assert all(read.words)
    assert all(0 <= each.start < each.stop <= len(read.words) for each in read.phrases)
