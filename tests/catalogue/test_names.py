"""Names that listeners take for the same are the same, and other versions are not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.catalogue import database, names
from longplay.catalogue.database import Connection


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with database.opened() as opened:
        yield opened


def plain(connection: Connection, macro: str, text: str) -> str:
    found = connection.execute(f"SELECT {macro}(?)", [text]).fetchone()
    assert found is not None
    return str(found[0])


@pytest.mark.parametrize(
    ("spelt", "same"),
    [
        ("2 On (feat. ScHoolboy Q)", "2 On"),
        ("2 On [Ft. ScHoolboy Q]", "2 on"),
        ("2 On featuring ScHoolboy Q", "2 On"),
        ("2 On - feat. ScHoolboy Q", "2 On"),
        ("Song feat. X (Live)", "Song (Live)"),
        ("Song ft. X - Remix", "Song (Remix)"),
        ("Björk", "bjork"),
        ("Sigur Rós", "SIGUR ROS"),
        ("Mø", "MO"),
        ("Łódź", "Lodz"),
        ("Straße", "STRASSE"),
        ("Æther / Œuvre", "aether oeuvre"),
        ("Đorđe", "Dorde"),
        ("Don’t Stop!", "dont stop"),
        ("Simon & Garfunkel", "Simon and Garfunkel"),
        ("ＬＯＶＥ", "love"),
        ("ﬁne", "fine"),
        ("  spaced   out ", "spaced out"),
        ("Ёлка", "елка"),
        ("Ὀδυσσεύς", "οδυσσευσ"),
    ],
)
def test_the_same_name(connection: Connection, spelt: str, same: str) -> None:
    assert plain(connection, "plain_title", spelt) == plain(connection, "plain_title", same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Song", "Song (Remix)"),
        ("Song", "Song - Live"),
        ("Song (Live)", "Song (Acoustic)"),
        ("Dance (With Me)", "Dance"),
        ("Ft. Worth", "Worth"),
        ("がん", "かん"),
        ("???", "!!!"),
        ("Left", "Left Feat"),
        ("Shift", "Shi"),
    ],
)
def test_another_name(connection: Connection, one: str, other: str) -> None:
    assert plain(connection, "plain_title", one) != plain(connection, "plain_title", other)


@given(text=st.text(max_size=30))
def test_folding_is_done_once(text: str) -> None:
    once = names.fold(pa.array([text]))
    assert names.fold(once).to_pylist() == once.to_pylist()


@given(text=st.text(st.characters(max_codepoint=0x24F), max_size=30))
def test_case_and_composition_do_not_matter(text: str) -> None:
    def folded(spelling: str) -> str:
        return str(names.fold(pa.array([spelling]))[0])

    assert folded(unicodedata.normalize("NFD", text)) == folded(text)
    assert folded(text.lower()) == folded(text)


@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
def test_plain_names_skip_nothing_that_counts(connection: Connection, text: str) -> None:
    # The shortcut for plain ASCII against the rule in plain words.
    lowered = re.sub("['`]", "", text.lower()).replace("&", " and ")
    expected = " ".join(re.findall("[a-z0-9]+", lowered)) or text.lower()
    assert plain(connection, "plain_name", text) == expected
