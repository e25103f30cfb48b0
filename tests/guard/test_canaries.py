"""Copies that say whose they were, whatever was made of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import sqlite3
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from longplay.catalogue import names
from longplay.errors import InputError
from longplay.guard.canaries import code, dumps, spelling, tracing
from longplay.guard.canaries.code import Secret
from longplay.guard.canaries.marking import Marker

SECRET = Secret(bytes(range(32)))
PEOPLE = [f"recipient {number}" for number in range(20)]
KINDS = [kind.name for kind in spelling.KINDS]

WORDS = (
    "love night don't rock-n-roll O'Clock Élan 99 (Live) [Remix] - – … ... \"Quote\" “Q” feat. ft"
)
titles = st.one_of(
    st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=7).map(" ".join),
    st.text(st.sampled_from("aB1_ '’-‐–.…\"“”()[]é中ſf\u0301t&/"), max_size=30),
    st.text(max_size=30),
)


@pytest.fixture(scope="module")
def plain() -> Iterable[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        names.register(connection)
        yield connection


@settings(max_examples=80, deadline=None)
@given(titles, st.lists(st.integers(0, 1), min_size=6, max_size=6))
@example("Semi-feat. You", [0, 1, 0, 0, 0, 0])
@example("a - b... - c", [0, 0, 1, 1, 1, 1])
@example("...", [1] * 6)
def test_every_spelling_can_be_read_again_and_compares_equal(
    plain: duckdb.DuckDBPyConnection, title: str, forms: list[int]
) -> None:
    bits = dict(zip(KINDS, forms, strict=True))
    made = spelling.spell(title, bits)
    found = spelling.read(title)
    assert spelling.read(made).items() >= {kind: bits[kind] for kind in found}.items()
    assert spelling.same(made) == spelling.same(title)
    wanted = {kind: bits[kind] for kind in found}
    once = spelling.spell(title, wanted)
    letters = [sign for sign in title if sign.isalnum()]
    assert [sign for sign in once if sign.isalnum()] == letters
    asked = "SELECT plain_title(a) = plain_title(b), plain_name(a) = plain_name(b)"
    query = f"{asked} FROM (SELECT ?::VARCHAR AS a, ?::VARCHAR AS b)"
    if "\0" not in title:
        assert plain.execute(query, [title, once]).fetchone() == (True, True)


@pytest.mark.parametrize(
    ("title", "other"),
    [
        ("Don't Stop (Live)", "Don’t Stop [Live]"),
        ("Wait... Rock-n-Roll", "Wait… Rock‐n‐Roll"),
        ('Him - Her "Us"', "Him – Her “Us”"),
        ("[untitled]", "[untitled]"),
        ("A (b) (c)", "A (b) (c)"),
        ("Semi-feat. You", "Semi-feat. You"),
        ("'Tis", "'Tis"),
        ("1990-1999", "1990-1999"),
    ],
)
def test_signs_have_two_forms(title: str, other: str) -> None:
    assert spelling.spell(title, dict.fromkeys(KINDS, 1)) == other
    assert spelling.spell(other, dict.fromkeys(KINDS, 0)) == title


@cache
def catalogue(count: int) -> tuple[str, ...]:
    drawn = random.Random(5)
    first = ["Don't", "Rock-a-bye", "Love", "We're", "Night", "Wait... what"]
    last = ["(Live)", "- Remastered", '"Blue"', "(Demo)", "You're", "Mix"]
    return tuple(
        f"{drawn.choice(first)} {drawn.choice(['sun', 'moon'])} {number} {drawn.choice(last)}"
        for number in range(count)
    )


def traced(texts: Iterable[str]) -> tracing.Traced:
    return tracing.trace(texts, SECRET, PEOPLE)


def named(texts: Iterable[str]) -> set[str]:
    return {one.recipient for one in traced(texts).named}


@cache
def copy_of(name: str, count: int) -> list[str]:
    return Marker.of(SECRET, name).texts(list(catalogue(count)))


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(PEOPLE), st.integers(0, 2**32))
def test_a_tenth_of_a_copy_in_any_order_names_its_recipient(name: str, seed: int) -> None:
    made = copy_of(name, 1000)
    found = traced(random.Random(seed).sample(made, 100))
    assert [one.recipient for one in found.named] == [name]
    assert found.named[0].agreement == 1.0
    assert 0 < found.named[0].bound < tracing.ACCUSED


@settings(max_examples=6, deadline=None)
@given(st.permutations(PEOPLE), st.integers(0, 2**32), st.sampled_from(["rows", "cells", "both"]))
def test_two_who_join_their_copies_are_both_named(people: list[str], seed: int, how: str) -> None:
    drawn = random.Random(seed)
    one, two = (copy_of(name, 1000) for name in people[:2])
    if how == "both":
        joined = [*one, *two]
    else:
        block = 100 if how == "rows" else 1
        # Half of each: by chance alone, one of them may have given next to nothing.
        blocks = range(-(-len(one) // block))
        chosen = set(drawn.sample(blocks, len(blocks) // 2))
        joined = [
            a if at // block in chosen else b
            for at, (a, b) in enumerate(zip(one, two, strict=True))
        ]
    found = traced(joined)
    assert {each.recipient for each in found.named} == set(people[:2])
    assert "joined" in found.notes[0]


def test_three_who_take_what_fewest_have_are_still_named() -> None:
    copies = [copy_of(name, 3000) for name in PEOPLE[:3]]
    joined = []
    for spelled in zip(*copies, strict=True):
        counts = {each: spelled.count(each) for each in spelled}
        joined.append(min(counts, key=lambda each: (counts[each], each)))
    assert named(joined) == set(PEOPLE[:3])


@settings(max_examples=15, deadline=None)
@given(st.lists(titles, max_size=100))
def test_nobody_is_named_for_what_was_never_marked(texts: list[str]) -> None:
    assert not traced(texts).named


def test_what_cannot_be_said_is_said_plainly() -> None:
    assert not traced(catalogue(1000)).named
    assert "plain form" in traced(catalogue(1000)).notes[0]
    few = traced(copy_of(PEOPLE[0], 20))
    assert not few.named and "too few signs" in few.notes[0]
    assert few.likely < 1
    stranger = traced(copy_of("somebody else", 1000))
    assert not stranger.named and "nobody's" in stranger.notes[0]
    assert "nobody has got" in tracing.trace(catalogue(9), SECRET, ()).notes[0]
    half = [*copy_of(PEOPLE[0], 500), *catalogue(1000)[500:]]
    found = traced(half)
    assert [one.recipient for one in found.named] == [PEOPLE[0]]
    assert "differ from that copy" in found.notes[0]


def test_the_bound_holds_for_those_who_had_no_part() -> None:
    """Of 2,000 keys that have nothing to do with a text, as few reach a bound as it says."""
    texts = copy_of(PEOPLE[0], 300)
    places = [
        (SECRET.place(kind, spelling.same(text)), form)
        for text in texts
        for kind, form in spelling.read(text).items()
    ]
    where = code.places(place for place, _ in places)
    read, chance = np.array([form for _, form in places], bool), code.chances(where)
    bounds = []
    for number in range(2000):
        own = code.forms(SECRET.recipient(f"stranger {number}"), where)
        bounds.append(code.bound(code.score(read, own, chance), read, chance))
    for limit in (0.5, 0.1, 0.01):
        share = float(np.mean(np.array(bounds) <= limit))
        assert share <= limit
    assert min(bounds) < 0.05  # it is a bound, and not always 1


def tracks(count: int) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "id": [f"tr{number:013d}" for number in range(count)],
            "title": catalogue(count),
            "popularity": pa.array([50.0 - number // 400 for number in range(count)], pa.float32()),
            "listens": pa.nulls(count, pa.float64()),
        }
    )


def test_order_tells_where_signs_were_made_alike() -> None:
    made = Marker.of(SECRET, PEOPLE[3]).ordered(tracks(1600))
    assert sorted(made["id"].to_pylist()) == tracks(1600)["id"].to_pylist()
    assert made["popularity"] == tracks(1600)["popularity"]
    cells = [cell for row in made.to_pylist() for cell in (row["id"], "plain")]
    assert named(cells) == {PEOPLE[3]}
    assert not named(sorted(cells))


def test_a_copy_changes_titles_and_labels_alone() -> None:
    rows = tracks(500)
    marker = Marker.of(SECRET, PEOPLE[0])
    made = marker.rows("tracks", rows)
    assert made.schema == rows.schema
    assert made["title"] != rows["title"]
    assert made["title"].to_pylist() == marker.texts(rows["title"].to_pylist())
    for name in ("id", "popularity", "listens"):
        assert made[name] == rows[name]
    artists = pa.record_batch({"id": ["ar1"], "name": ["Guns N' Roses (band)"]})
    assert marker.rows("artists", artists) == artists
    nothing = pa.record_batch(
        {"title": pa.nulls(3, pa.string()), "label": pa.nulls(3, pa.string())}
    )
    assert marker.rows("albums", nothing) == nothing


ROWS = [*catalogue(40), 'Say "no"; \\ or/and', "Ünï’s\ttab", "多い…（x）"]


def write(path: Path, kind: str) -> Path:
    if kind in ("csv", "tsv", "semicolons", "gz", "utf16"):
        sign = {"tsv": "\t", "semicolons": ";"}.get(kind, ",")
        encoding = "utf-16" if kind == "utf16" else "utf-8"
        with io.StringIO(newline="") as file:
            writer = csv.writer(file, delimiter=sign)
            writer.writerow(["n", "t", "x"])
            writer.writerows([str(at), row, ""] for at, row in enumerate(ROWS))
            data = file.getvalue().encode(encoding)
        path.write_bytes(gzip.compress(data) if kind == "gz" else data)
    elif kind == "json":
        path.write_text(json.dumps({"rows": [{"t": row, "n": 1} for row in ROWS]}))
    elif kind == "jsonl":
        path.write_text(
            "".join(json.dumps({"t": [row]}, ensure_ascii=False) + "\n" for row in ROWS)
        )
    elif kind == "parquet":
        pq.write_table(
            pa.table({"t": pa.array(ROWS).dictionary_encode(), "n": [[row] for row in ROWS]}), path
        )
    elif kind == "sqlite":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE t (n INTEGER, title TEXT)")
            connection.executemany("INSERT INTO t VALUES (1, ?)", [(row,) for row in ROWS])
    return path


@pytest.mark.parametrize(
    "kind", ["csv", "tsv", "semicolons", "gz", "utf16", "json", "jsonl", "parquet", "sqlite"]
)
def test_a_copy_is_read_in_whatever_it_was_made_into(tmp_path: Path, kind: str) -> None:
    assert set(dumps.texts(write(tmp_path / "leak", kind))) >= set(ROWS)
    assert set(dumps.texts(tmp_path)) >= set(ROWS)


def test_hostile_dumps_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    long = "x" * (3 * dumps.PIECE)
    limit = csv.field_size_limit()
    file = tmp_path / "leak"
    file.write_text(f'{{"a": "{long}", "t": "Don\'t", "b": "\\q", "c": "unended')
    assert "Don't" in set(dumps.texts(file))
    file.write_text(f"a,b\n{long},\"un\nended,Don't\n")
    assert max(map(len, dumps.texts(file))) <= dumps.PIECE
    file.write_text(f"a\n{'x' * (2 * dumps.PIECE - 1)}\nDon't\n")
    assert "Don't" in set(dumps.texts(file))
    assert csv.field_size_limit() == limit, "other readers of this process rest on it"
    file.write_bytes(b"\x00\xff\xfe" * 1000)
    assert list(dumps.texts(file))
    file.write_bytes(b"")
    assert not list(dumps.texts(file))
    for damaged in (
        b"PAR1" + bytes(40),
        b"SQLite format 3\0" + bytes(90),
        b"\x1f\x8b\x08" + bytes(9),
        gzip.compress(bytes(1000))[:10] + b"\xff" * 40,
    ):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            list(dumps.texts(file))
    with pytest.raises(InputError, match="cannot be read"):
        list(dumps.texts(tmp_path / "none"))


def test_places_beyond_what_is_kept_are_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MOST_PLACES", 300)
    found = traced(copy_of(PEOPLE[1], 1000))
    assert found.places < 600 and [one.recipient for one in found.named] == [PEOPLE[1]]
