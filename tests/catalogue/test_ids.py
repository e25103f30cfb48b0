"""Ids: the same row has the same id for ever, in Python and in SQL."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.catalogue import database, ids, keys
from longplay.errors import InputError

KEYS = st.integers(0, 2**64 - 1)


@given(st.sampled_from(ids.PREFIXES), KEYS)
def test_text_and_key_are_the_same_id(prefix: str, key: int) -> None:
    text = ids.text(prefix, key)
    assert len(text) == len(prefix) + 13
    assert ids.parse(text) == (prefix, key)
    assert ids.parse(text.upper()) == (prefix, key)


@given(st.lists(KEYS, max_size=20))
def test_columns_of_keys_have_the_same_texts(numbers: list[int]) -> None:
    found = ids.texts("rec", np.array(numbers, np.uint64))
    assert found == [ids.text("rec", key) for key in numbers]


def test_keys_are_pinned() -> None:
    # Archives rely on these for ever: if this fails, the derivation changed.
    assert ids.row_key("tr", "src", "x") == 6603447453374029111
    assert ids.text("tr", ids.row_key("tr", "src", "x")) == "tr5q918f3kn279q"


def test_sql_agrees_with_python() -> None:
    own_ids = ["x", "", "Ünïcode 日本", "a\x1fb", "%#01"]
    with database.opened() as connection:
        connection.execute("SET VARIABLE source = 'a source'")
        for own_id in own_ids:
            for prefix in ("tr", "al", "ar"):
                key = ids.row_key(prefix, "a source", own_id)  # type: ignore[arg-type]  # of the literals
                sql = ids.row_key_sql(prefix, database.quoted(own_id))  # type: ignore[arg-type]  # as above
                found = connection.execute(f"SELECT {sql}, {ids.text_sql(prefix, sql)}").fetchone()
                assert found == (key, ids.text(prefix, key))


@pytest.mark.parametrize(
    "text", ["", "tr", "xx0000000000000", "tr000000000000", "tr0000000000000u", "trg000000000000"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not an id"):
        ids.parse(text)


def test_letters_that_look_alike_are_read_alike() -> None:
    assert ids.parse("tr00000000000O1") == ids.parse("tr00000000000ol")


@settings(deadline=None)
@given(st.from_regex(r"[a-z]{1,63}", fullmatch=True), st.lists(st.text(max_size=70), max_size=300))
def test_keys_of_a_column_are_those_of_its_texts(source: str, texts: list[str]) -> None:
    column = pa.array(texts, pa.string())
    expected = [hashlib.md5(f"al\0{source}\0{text}".encode()).digest()[:8] for text in texts]
    found = keys.row_keys("al", source, column)
    assert found.tolist() == [int.from_bytes(each, "little") for each in expected]
    assert found.tolist() == [ids.row_key("al", source, text) for text in texts]
