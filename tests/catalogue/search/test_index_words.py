"""How texts become words."""

from __future__ import annotations

import itertools
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.catalogue.search.words import (
    MAX_WORD_BYTES,
    MAX_WORDS,
    cut,
    explicit_word,
    genre_words,
    is_sign,
    words,
    year_word,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sigur Rós – Ágætis byrjun", ["sigur", "ros", "agaetis", "byrjun"]),
        ("Don't Stop 'til", ["dont", "stop", "til"]),
        ("Don’t Don´t Don`t", ["dont", "dont", "dont"]),
        ("R&B / AC/DC", ["r", "and", "b", "ac", "dc"]),
        ("Simon & Garfunkel", ["simon", "and", "garfunkel"]),
        ("ø æ œ ß ł đ Þ", ["o", "ae", "oe", "ss", "l", "d", "th"]),
        ("ＡＢＣ１２３", ["abc123"]),
        ("ﬁnal", ["final"]),
        ("Кино — Группа крови", ["кино", "группа", "крови"]),
        ("Μίκης Θεοδωράκης", ["μικησ", "θεοδωρακησ"]),
        ("אָלֶף בֵּית", ["אלף", "בית"]),
        ("בן־גוריון", ["בן", "גוריון"]),
        ("בֶּן־גּוּרְיוֹן", ["בן", "גוריון"]),
        ("فَيْرُوز", ["فيروز"]),
        ("فيـــروز", ["فيروز"]),
        ("東京事変", ["東京", "京事", "事変"]),
        ("東京", ["東京"]),
        ("京", ["京"]),
        ("ﾋﾟﾁｶｰﾄ", ["ピチ", "チカ", "カー", "ート"]),
        ("宇多田ヒカル", ["宇多", "多田", "田ヒ", "ヒカ", "カル"]),
        ("방탄소년단 BTS", ["방탄", "탄소", "소년", "년단", "bts"]),
        ("アイ・ラブ・ユー", ["アイ", "ラブ", "ユー"]),
        ("J-POPの夢2月", ["j", "pop", "の夢", "2", "月"]),
        ("soft\u00adhyphen zero\u200bwidth", ["softhyphen", "zerowidth"]),
        ("!!!", ["!!!"]),
        ("÷ ×", ["÷×"]),
        ("★", ["★"]),
        (":", []),
        (" \t\n", []),
        ("", []),
        ("year:1994", ["year", "1994"]),
    ],
)
def test_a_text_has_these_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("text", ["\x85", "\x1c", "\xa0", " \x80\x9f "])
def test_controls_and_spaces_are_no_words(text: str) -> None:
    assert words(text) == []


def test_when_indexing_every_sign_begins_a_word() -> None:
    found = cut(pa.array(["東京 x", "京", "a東", None]))
    assert found.counts.tolist() == [3, 1, 2, 0]
    assert found.data.tobytes().decode() == "東京京x京a東"


def test_one_sign_is_told_from_a_letter() -> None:
    assert is_sign("京") and is_sign("あ") and is_sign("가")
    assert not is_sign("a") and not is_sign("東京") and not is_sign("")


def test_pseudo_words_have_a_colon_and_no_word_has() -> None:
    assert year_word(1994) == "year:1994"
    assert genre_words("Hip-Hop") == ["genre:hip hop", "genre:hip", "genre:hop"]
    assert genre_words("Jazz") == ["genre:jazz"]
    assert genre_words("") == []
    assert [explicit_word(True), explicit_word(False)] == ["explicit:yes", "explicit:no"]


def test_what_is_too_long_is_cut_short() -> None:
    assert words("x" * 1000) == ["x" * MAX_WORD_BYTES]
    assert words("ж" * 1000) == ["ж" * (MAX_WORD_BYTES // 2)]
    assert words("a " * 1000) == ["a"] * MAX_WORDS
    assert len(words("東" * 1000)) == MAX_WORDS


@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=8))
def test_a_column_is_cut_as_its_texts_are(texts: list[str | None]) -> None:
    found = cut(pa.array(texts, pa.string()), indexing=False)
    raw, ends = found.data.tobytes(), [0, *found.ends.tolist()]
    each = [raw[begin:end].decode() for begin, end in itertools.pairwise(ends)]
    assert each == [word for text in texts for word in words(text or "")]
    assert found.counts.tolist() == [len(words(text or "")) for text in texts]
    assert all(word and ":" not in word and not word.isspace() for word in each)


def test_a_sign_is_cut_alike_beside_any_other() -> None:
    """Most signs are folded by a table; one that is not has the whole text folded otherwise."""
    points = [point for point in range(32, 0x3200) if unicodedata.category(chr(point)) != "Cn"]
    by_table = cut(pa.array([f"a{chr(point)}b c" for point in points]))
    folded = cut(pa.array([f"a{chr(point)}b \ufb01" for point in points]))
    words_of = [each.data.tobytes().decode() for each in (by_table, folded)]
    assert words_of[0].replace("c", "") == words_of[1].replace("fi", "").replace("c", "")
    assert by_table.counts.tolist() == folded.counts.tolist()


@given(st.text(max_size=30))
def test_words_are_their_own_words(text: str) -> None:
    once = words(text)
    assert words(" ".join(once)) == once or len(once) == 1


@given(st.text(alphabet="aBcé'& -東京ßø", max_size=20), st.text(alphabet="xyž ", max_size=9))
def test_a_neighbour_in_the_column_changes_nothing(text: str, other: str) -> None:
    alone = cut(pa.array([text]))
    beside = cut(pa.array([other, text]))
    first = int(beside.counts[0])
    begin = int(beside.ends[first - 1]) if first else 0
    assert beside.data[begin:].tobytes() == alone.data.tobytes()
