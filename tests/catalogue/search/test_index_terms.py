"""The dictionary: finding words, beginnings, and words that are near."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.catalogue.search.terms import Terms, stored, write


def dictionary(words: Sequence[str], counts: Sequence[int] = ()) -> Terms:
    """A dictionary of words; each is in as many documents as `counts` says, else in one."""
    ordered = sorted({stored(word) for word in words})
    numbers = np.array(counts or [1] * len(ordered), np.uint32)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "terms", pa.array(ordered, pa.large_binary()), numbers)
        return Terms.open(Path(folder) / "terms")


def osa(one: str, two: str) -> int:
    """Optimal string alignment, from its definition."""
    table = [[0] * (len(two) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one) + 1):
        for j in range(len(two) + 1):
            if not i or not j:
                table[i][j] = i + j
                continue
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (one[i - 1] != two[j - 1]),
            )
            if i > 1 and j > 1 and one[i - 1] == two[j - 2] and one[i - 2] == two[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


WORDS = st.text(alphabet="abcdé京жq1", min_size=1, max_size=12)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=60), WORDS, st.integers(1, 2))
def test_near_words_are_those_of_the_definition(words: list[str], word: str, most: int) -> None:
    terms = dictionary([*words, "year:1994"])
    numbers, distances = terms.similar(word, most)
    found = {terms.text(int(n)): int(d) for n, d in zip(numbers, distances, strict=True)}
    right = {each: osa(word, each) for each in set(words)}
    assert found == {each: away for each, away in right.items() if 0 < away <= most}
    assert distances.tolist() == sorted(distances.tolist())


def test_of_words_as_near_the_most_frequent_comes_first() -> None:
    terms = dictionary(["beat", "bent", "best", "beta"], [5, 9, 7, 9])
    numbers, distances = terms.similar("belt", 2)
    assert [terms.text(int(n)) for n in numbers] == ["bent", "best", "beat", "beta"]
    assert distances.tolist() == [1, 1, 1, 2]


@settings(deadline=None)
@given(st.lists(WORDS, max_size=40), WORDS)
def test_words_and_beginnings_are_found(words: list[str], asked: str) -> None:
    terms = dictionary([*words, "genre:abc"])
    number = terms.find(asked)
    assert (number is not None) == (asked in words)
    assert number is None or terms.text(number) == asked
    first, after = terms.beginning(asked)
    found = [terms.text(number) for number in range(first, after)]
    assert sorted(found) == sorted({word for word in words if word.startswith(asked)})


def test_pseudo_words_are_found_by_their_whole_name_only() -> None:
    terms = dictionary(["genre", "genres", "genre:jazz", "year:1994", "year:2001"])
    assert [terms.text(number) for number in range(*terms.beginning("genre"))] == [
        "genre",
        "genres",
    ]
    assert [terms.text(number) for number in range(*terms.beginning("year:19"))] == ["year:1994"]
    number = terms.find("genre:jazz")
    assert number is not None and terms.text(number) == "genre:jazz"
    assert terms.find("genre:rock") is None


def test_an_empty_dictionary_knows_nothing() -> None:
    terms = dictionary([])
    assert len(terms) == 0 and terms.find("a") is None and terms.beginning("a") == (0, 0)
    assert len(terms.similar("abc", 1)[0]) == 0


@pytest.mark.parametrize("distance", [0, 3])
def test_nothing_is_near_at_other_distances(distance: int) -> None:
    assert len(dictionary(["abc"]).similar("abd", distance)[0]) == 0
