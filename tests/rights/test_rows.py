"""Rows and tags become statements; malformed rows stop with their place."""

from __future__ import annotations

import hashlib

import pytest

from longplay.errors import RightsError
from longplay.model import Statement
from longplay.rights.rows import check_text, evidence, read_row, statement
from longplay.rights.statements import AMBIGUOUS, IN_COPYRIGHT, UNKNOWN, licence_uri

WHEN = "2026-11-23T09:30:00.000Z"
BY = licence_uri("by", "3.0") or ""
GPL = "https://spdx.org/licenses/GPL-1.0-or-later"
ROW = {"subject": "al1", "statement": "CC BY 3.0"}


def read(**cells: str) -> Statement | None:
    return read_row(
        ROW | {"from" if k == "start" else k: v for k, v in cells.items()}, "r.csv:7", WHEN
    )


def test_a_whole_row() -> None:
    found = read_row(
        {
            "subject": "al1",
            "statement": "agreement",
            "evidence": "contract 12",
            "from": "2026-01-01",
            "until": "2030-12-31",
            "territories": "fr; DE",
            "uses": "stream, download",
        },
        "rights.csv:7",
        WHEN,
    )
    assert found is not None
    assert (found.subject, found.uri) == ("al1", "longplay:agreement")
    assert (found.start, found.end) == ("2026-01-01", "2030-12-31")
    assert (found.territories, found.uses) == (("DE", "FR"), ("download", "stream"))
    assert "rights.csv:7 (contract 12)" in found.evidence


def test_evidence_says_where_when_and_what() -> None:
    text = "CC BY\n3.0 " + "x" * 500
    found = evidence("LICENSE in a.ogg", WHEN, text)
    assert found.startswith(f"LICENSE in a.ogg; read {WHEN}; sha256:")
    assert hashlib.sha256(text.encode()).hexdigest() in found
    assert "\n" not in found and len(found) < 300


def test_words_that_are_not_known_stay_dark_and_do_not_stop() -> None:
    for text, uri in {"GPL": GPL, "CC BY": AMBIGUOUS, "https://gnu.org/": UNKNOWN}.items():
        found = read(statement=text)
        assert found is not None and found.uri == uri


def test_a_row_that_states_nothing_is_no_statement() -> None:
    assert read(statement="") is None
    assert read_row({"subject": "al1"}, "r.csv:7", WHEN) is None


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"subject": ""}, "no subject"),
        ({"statement": "", "uses": "stream"}, "no statement"),
        ({"statement": "http:/creativecommons.org/licenses/byy/3.0/"}, "no such statement"),
        ({"statement": "creativecommons:by/3.0"}, "is no statement"),
        ({"statement": "http://creativecommons.org/licenses/by/9.9/"}, "no such statement"),
        ({"statement": "longplay:anything"}, "is no statement"),
        ({"start": "yesterday"}, "'yesterday' is no date"),
        ({"until": "2026-02-30"}, "is no date"),
        ({"start": "2027-01-01", "until": "2026-01-01"}, "before it begins"),
        ({"territories": "DE XX"}, "'XX' is no territory"),
        ({"territories": "WORLD DE"}, "no territory"),
        ({"uses": "stream sell"}, "'sell' is none of"),
    ],
)
def test_malformed_rows_stop_with_their_line(cells: dict[str, str], message: str) -> None:
    with pytest.raises(RightsError, match=message) as caught:
        read(**cells)
    assert caught.value.where == "r.csv:7"


def test_the_world_is_no_border() -> None:
    found = read(territories="Worldwide")
    assert found is not None and found.territories == ()


def test_a_licence_cell_is_checked_without_making_a_statement() -> None:
    check_text("GPL", "t.csv:3")
    check_text(BY, "t.csv:3")
    with pytest.raises(RightsError) as caught:
        check_text("http://creativecommons.org/licenses/by/8.0/", "t.csv:3")
    assert caught.value.where == "t.csv:3"


@pytest.mark.parametrize(
    ("text", "in_licence", "in_copyright"),
    [
        ("CC BY 3.0", BY, BY),
        ("GPL", GPL, GPL),
        ("2004 Somebody", UNKNOWN, None),
        ("CC BY", AMBIGUOUS, AMBIGUOUS),
        ("© 2004 X. All rights reserved.", IN_COPYRIGHT, IN_COPYRIGHT),
        (" ", None, None),
    ],
)
def test_tags(text: str, in_licence: str | None, in_copyright: str | None) -> None:
    for licence, expected in ((True, in_licence), (False, in_copyright)):
        found = statement("tr1", text, place="a.ogg", field="LICENSE", when=WHEN, licence=licence)
        assert (found.uri if found else None) == expected
