"""The curator's hand: what was said holds through imports, can be undone, and writes kilobytes."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.catalogue import constrained, corrections, curation, editable, ids
from longplay.catalogue.corrections import Constraints, Subjects
from longplay.catalogue.curation import Hand
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError, LongplayError, UsageError
from tests.catalogue.conftest import Write
from tests.catalogue.test_joins import of, recordings

HAND = Hand("ann", "heard both")
ISRC = "USABC0000001"


def tr(source: str, own_id: str) -> str:
    return ids.text("tr", ids.row_key("tr", source, own_id))


def row(own_id: str, isrc: str = ISRC, **fields: Any) -> dict[str, Any]:
    return {"id": own_id, "title": f"Title {own_id}", "isrc": isrc, **fields}


def test_a_split_holds_whatever_is_imported(catalogue: Path, bring: Write) -> None:
    rows = [row("1"), row("2")]
    bring("a", rows)
    assert of(catalogue, "a", "1") == of(catalogue, "a", "2")
    done = curation.split(catalogue, [tr("a", "1"), tr("a", "2")], HAND)
    assert (done.added, len(done.recordings)) == (1, 2)
    for again in (rows, rows[::-1], [*rows, row("3")]):
        bring("a", again)
        bring("b", [row("9")])
        assert of(catalogue, "a", "1") != of(catalogue, "a", "2")
    assert of(catalogue, "b", "9") in (of(catalogue, "a", "1"), of(catalogue, "a", "2"))


def test_a_join_holds_and_waits_for_a_track_that_has_gone(catalogue: Path, bring: Write) -> None:
    bring("a", [row("1")])
    bring("b", [row("2", "USABC0000002"), row("3", "USABC0000003")])
    curation.join(catalogue, [tr("a", "1"), tr("b", "2")], HAND)
    joined = of(catalogue, "a", "1")
    assert joined == of(catalogue, "b", "2")
    bring("b", [row("3", "USABC0000003")])
    assert of(catalogue, "a", "1") == joined
    bring("b", [row("2", "USABC0000002"), row("3", "USABC0000003")])
    assert of(catalogue, "b", "2") == joined != of(catalogue, "b", "3")


def test_undoing_leaves_it_to_the_matcher(catalogue: Path, bring: Write) -> None:
    bring("a", [row("1"), row("2"), row("3", "USABC0000003")])
    before = recordings(catalogue)
    pair = [tr("a", "1"), tr("a", "2")]
    curation.split(catalogue, pair, HAND)
    curation.split(catalogue, pair, HAND, undo=True)
    assert recordings(catalogue) == before
    other = [tr("a", "1"), tr("a", "3")]
    curation.join(catalogue, other, HAND)
    assert of(catalogue, "a", "1") == of(catalogue, "a", "3")
    curation.join(catalogue, other, HAND, undo=True)
    assert of(catalogue, "a", "1") != of(catalogue, "a", "3")
    assert curation.join(catalogue, other, HAND, undo=True).added == 0


def test_a_later_word_overrides(catalogue: Path, bring: Write) -> None:
    bring("a", [row("1"), row("2")])
    pair = [tr("a", "1"), tr("a", "2")]
    curation.split(catalogue, pair, HAND)
    curation.join(catalogue, pair, HAND)
    assert of(catalogue, "a", "1") == of(catalogue, "a", "2")
    curation.split(catalogue, pair, HAND)
    assert of(catalogue, "a", "1") != of(catalogue, "a", "2")
    said = curation.history(open_current(catalogue), pair[0])
    assert [each["act"] for each in said if each["stands"]] == ["split"]
    assert {each["who"] for each in said} == {"ann"}
    assert {each["why"] for each in said} == {"heard both"}


def test_one_track_leaves_its_recording_and_one_recording_falls_apart(
    catalogue: Path, bring: Write
) -> None:
    bring("a", [row("1"), row("2"), row("3")])
    curation.split(catalogue, [tr("a", "1")], HAND)
    rest = of(catalogue, "a", "2")
    assert rest == of(catalogue, "a", "3") != of(catalogue, "a", "1")
    curation.split(catalogue, [tr("a", "1")], HAND, undo=True)
    assert len(set(recordings(catalogue).values())) == 1
    curation.split(catalogue, [of(catalogue, "a", "1")], HAND)
    assert len(set(recordings(catalogue).values())) == 3


def test_joins_that_contradict_a_split_are_refused(catalogue: Path, bring: Write) -> None:
    bring("a", [row(str(n), f"USABC000000{n}") for n in range(3)])
    one, two, three = (tr("a", str(n)) for n in range(3))
    curation.split(catalogue, [one, three], HAND)
    curation.join(catalogue, [one, two], HAND)
    number = open_current(catalogue).number
    # The recording of `one` and `two` is joined to `three`, so its split from `one` is taken back.
    curation.join(catalogue, [two, three], HAND)
    assert len(set(recordings(catalogue).values())) == 1
    with pytest.raises(UsageError, match="are said to be different"):
        curation.split(catalogue, [one, three], HAND)
    assert open_current(catalogue).number == number + 1


def test_corrections_write_kilobytes(catalogue: Path, bring: Write) -> None:
    bring("a", [row(str(n), f"USABC{n:07d}") for n in range(20_000)])

    def files() -> dict[Path, int]:
        return {path: path.stat().st_size for path in catalogue.rglob("*") if path.is_file()}

    before = files()
    curation.edit(catalogue, tr("a", "1"), ["title=Another"], HAND)
    curation.join(catalogue, [tr("a", "1"), tr("a", "2")], HAND)
    after = files()
    written = sum(size for path, size in after.items() if before.get(path) != size)
    assert written < 32_000
    assert sum(before.values()) > 10 * written


@pytest.mark.parametrize(
    ("subject", "assignment", "message"),
    [
        ("tr", "year=19", "is not a date"),
        ("tr", "release_date=1999-02-30", "is not a date"),
        ("tr", "isrc=USRC1760783", "is not an ISRC"),
        ("tr", "popularity=101", "is not a popularity"),
        ("tr", "popularity=nan", "is not a popularity"),
        ("tr", "duration_ms=0", "is not a duration"),
        ("tr", "explicit=maybe", "is not yes or no"),
        ("tr", "artists=;;", "is not a list"),
        ("tr", "licence=CC0", "is no field"),
        ("tr", "title", "is no FIELD=VALUE"),
        ("tr", "title=a\x1b[2Jb", "cannot be shown"),
        ("tr", "title=" + "x" * 5000, "is too long"),
        ("al", "upc=614141007348", "is not a UPC"),
        ("ar", "title=X", "is no field"),
    ],
)
def test_what_does_not_fit_is_refused(
    catalogue: Path, bring: Write, subject: str, assignment: str, message: str
) -> None:
    bring("a", [row("1")])
    key = ids.row_key("tr", "a", "1")
    with pytest.raises(UsageError, match=message):
        curation.edit(catalogue, ids.text(subject, key), [assignment], HAND)
    assert open_current(catalogue).number == 1


def test_ids_that_never_were_are_refused(catalogue: Path, bring: Write) -> None:
    bring("a", [row("1")])
    for identity in ("tr0000000000000", "al0000000000000", "rec0000000000000", "nonsense"):
        with pytest.raises(InputError):
            curation.edit(catalogue, identity, ["title=X"], HAND)
    with pytest.raises(LongplayError):
        curation.join(catalogue, [tr("a", "1"), "tr0000000000000"], HAND)
    with pytest.raises(UsageError, match="two or more"):
        curation.join(catalogue, [tr("a", "1")], HAND)
    with pytest.raises(UsageError, match="nobody"):
        Hand(" ")


def test_edits_show_and_are_taken_back(catalogue: Path, bring: Write) -> None:
    bring("a", [row("1", popularity="3"), row("2", "USABC0000002")])
    curation.edit(catalogue, tr("a", "1"), ["title=New", "genre=jazz; soul", "year=1959"], HAND)
    curation.edit(catalogue, tr("a", "1"), ["title=Newer", "genre="], HAND)
    bring("a", [row("1", popularity="4"), row("2", "USABC0000002")])
    snapshot = open_current(catalogue)
    edited = corrections.edits(corrections.load(snapshot.folder, snapshot.manifest))
    table = pa.table(
        {
            "track": pa.array(
                [ids.row_key("tr", "a", each) for each in "21"] + [None], pa.uint64()
            ),
            "title": ["Title 2", "Title 1", None],
            "genres": pa.array([["rock"], ["pop"], None], pa.list_(pa.string())),
            "isrc": ["x", "y", None],
            "release_date": pa.nulls(3, pa.string()),
        }
    )
    shown = Subjects("tr", "track", {name: name for name in ("title", "genres", "release_date")})
    found = corrections.apply(table, edited, [shown]).to_pydict()
    assert found["title"] == ["Title 2", "Newer", None]
    assert found["genres"] == [["rock"], ["pop"], None]
    assert found["release_date"] == [None, "1959", None]
    assert found["isrc"] == ["x", "y", None]


def test_the_first_of_a_list_shows_in_a_column_of_texts() -> None:
    key = np.array([7], np.uint64)
    edited = corrections.Edits({("tr", "isrcs"): (key, [["USABC0000001", "USABC0000002"]])})
    table = pa.table({"track": pa.array([7], pa.uint64()), "isrc": ["x"]})
    shown = corrections.apply(table, edited, [Subjects("tr", "track", {"isrcs": "isrc"})])
    assert shown["isrc"].to_pylist() == ["USABC0000001"]


@pytest.mark.parametrize("prefix", editable.FIELDS)
@given(text=st.text(max_size=60))
def test_any_value_is_read_or_refused(prefix: str, text: str) -> None:
    for name in editable.FIELDS[prefix]:
        try:
            field, value = editable.read(prefix, name, text)
        except UsageError:
            continue
        assert field == name
        json.loads(value).__class__  # noqa: B018 - it is JSON


numbers = st.integers(1, 12)
pairs = st.lists(st.tuples(numbers, numbers).filter(lambda p: p[0] < p[1]), max_size=6)


@given(links=st.lists(st.lists(numbers, min_size=2, max_size=4), max_size=10), apart=pairs)
def test_components_never_hold_a_forbidden_pair(
    links: list[list[int]], apart: list[tuple[int, int]]
) -> None:
    nothing = np.zeros((0, 2), np.uint64)
    forbidden = np.array(apart, np.uint64).reshape(-1, 2)
    found = constrained.components(range(1, 13), links, Constraints(nothing, forbidden))
    assert all(found[one] != found[two] for one, two in apart)
    free = constrained.components(range(1, 13), links, Constraints(nothing, nothing))
    for one, two in combinations(range(1, 13), 2):
        if found[one] == found[two]:
            assert free[one] == free[two], "nothing is joined that no link joins"
    for link in links:
        for one, two in combinations(link, 2):
            torn = any({found[x], found[y]} == {found[one], found[two]} for x, y in apart)
            assert found[one] == found[two] or torn, "a link is torn only by a split"
    assert all(root == min(t for t in found if found[t] == root) for root in found.values())
