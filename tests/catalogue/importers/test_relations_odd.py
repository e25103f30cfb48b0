"""Databases in many tables whose rows, cells, journals and shapes are out of the ordinary."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from longplay.catalogue import database as duck
from longplay.catalogue import inline
from longplay.catalogue.importers import columns, ranges
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import open_current
from longplay.catalogue.staging import Staging
from longplay.errors import InputError, RightsError
from tests.catalogue.importers.databases import MAP, database, many
from tests.catalogue.importers.test_relations import bring, rows


def track_map(*ours: str) -> str:
    """A map of the one table `t`, whose columns are called as ours are."""
    listed = "".join(f'{name} = "{name}"\n' for name in ("id", *ours))
    return f'[tables.tracks]\ntable = "t"\n[tables.tracks.columns]\n{listed}'


def table(path: Path, names: Iterable[str], *records: tuple[Any, ...]) -> Path:
    """Write the table `t` of untyped columns; the first is `rowid` where it is so called."""
    listed = list(names)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE t ({', '.join(n for n in listed if n != 'rowid')})")
        for record in records:
            places = ", ".join(
                "CAST(? AS TEXT)" if isinstance(cell, bytes) else "?" for cell in record
            )
            connection.execute(f"INSERT INTO t({', '.join(listed)}) VALUES ({places})", record)
    return path


@contextmanager
def changed(path: Path, mode: str) -> Iterator[None]:
    """A database that a programme is still writing to."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("PRAGMA cache_spill = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET title = title || '!'")
        if mode == "wal":
            connection.commit()
        yield


def test_no_row_is_lost_however_far_apart_their_numbers_are(
    tmp_path: Path, catalogue: Path
) -> None:
    names = ("rowid", "id")
    far = table(tmp_path / "a.db", names, (1, "a"), (4_096_000_001, "b"), (2**62, "c"))
    edges = table(tmp_path / "b.db", names, (-(2**63), "d"), (-3, "e"), (2**63 - 1, "f"))
    near = table(tmp_path / "c.db", names, (1, "g"))
    done = bring(catalogue, far, edges, near, text=track_map())
    assert (done.tracks, done.rejected, done.coverage) == (7, 0, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_ranges_cover_all_rows_once_and_are_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(ranges, "RANGE", 100)
    monkeypatch.setattr(ranges, "FEWEST", 10)
    chance = random.Random(seed)
    numbers, number = [], -500
    for _ in range(2000):
        number += 1 if chance.random() < 0.8 else chance.choice([2, 50, 10_000, 10**12])
        numbers.append(number)
    path = table(tmp_path / "a.db", ("rowid", "id"), *((n, n) for n in numbers))

    spans = list(ranges.spans(path, "t"))

    held = [[n for n in numbers if low <= n <= high] for low, high in spans]
    assert [n for each in held for n in each] == numbers
    assert all(10 < len(each) <= 100 for each in held[:-1])
    assert ranges.most(path, "t") >= len(numbers)


def test_a_place_in_the_order_of_rows_is_taken_once(tmp_path: Path) -> None:
    with duck.opened(tmp_path) as connection:
        inline.begin(connection, "s")
        stage = Staging(connection, "s", tmp_path)
        stage.artists(pa.table({"ref": [1]}), place=0)
        with pytest.raises(ValueError, match="place 0"):
            stage.artists(pa.table({"ref": [2]}), place=0)


def test_licences_are_checked_once_and_kept_as_statements(tmp_path: Path, catalogue: Path) -> None:
    told: list[tuple[str, str]] = []

    def check(text: str, where: str) -> None:
        told.append((text, where))
        if text == "maybe":
            raise RightsError("unknown licence", where=where)

    names = ("id", "popularity", "licence")
    good = [("a", 1, " CC0 "), ("b", 1, None), ("c", 200, "maybe"), ("d", 1, "CC0")]
    path = table(tmp_path / "a.db", names, *good)
    column_map = tmp_path / "map.toml"
    column_map.write_text(track_map("popularity", "licence"))
    wanted = columns.load(column_map)
    done = import_table(catalogue, "s", [path], table_map=wanted, check_rights=check)
    assert (done.tracks, done.rejected) == (3, 1)
    assert told == [("CC0", "a.db:row 1")]
    assert rows(catalogue, "SELECT text, field, place FROM rights ORDER BY place") == [
        ("CC0", "licence", "a.db:row 1"),
        ("CC0", "licence", "a.db:row 4"),
    ]

    bad = table(tmp_path / "b.db", names, *good, ("e", 1, "maybe"))
    with pytest.raises(RightsError, match=r"b\.db:row 5: unknown licence"):
        import_table(catalogue, "s", [bad], table_map=wanted, check_rights=check)
    assert open_current(catalogue).number == done.snapshot


def test_odd_numbers_are_rounded_and_end_nothing(tmp_path: Path, catalogue: Path) -> None:
    names = ("id", "duration_ms", "track_number", "disc_number", "listens")
    path = table(
        tmp_path / "a.db", names,
        ("a", 1000.5, "1.5", 1, 2**53 + 1), ("b", 2000, "3/12", "A", 3), ("c", 0.2, 2**40, -1, 1.5),
        ("d", 1, 1, 1, float("inf")),
    )  # fmt: skip
    done = bring(catalogue, path, text=track_map(*names[1:]))
    assert (done.tracks, done.rejected) == (3, 1)
    assert rows(catalogue, f"SELECT own_id, {', '.join(names[1:])} FROM tracks ORDER BY 1") == [
        ("a", 1001, 2, 1, 2.0**53),
        ("b", 2000, 3, None, 3.0),
        ("c", None, None, None, 1.5),
    ]


def test_a_database_without_a_good_row_changes_nothing(tmp_path: Path, catalogue: Path) -> None:
    path = table(tmp_path / "a.db", ("id", "popularity"), ("a", 101), (None, 5))
    with pytest.raises(InputError, match="none of its 2 rows can be used"):
        bring(catalogue, path, text=track_map("popularity"))
    assert open_current(catalogue).number == 0


def test_ids_that_are_no_text_are_rejected_and_long_numbers_stay_apart(
    tmp_path: Path, catalogue: Path
) -> None:
    path = table(
        tmp_path / "a.db", ("id", "title"),
        (b"t\xff", "x"), (b"t\xfe", "y"), ("", "z"), (2**53 + 1, "p"), (2**53, "q"), (1.5, "r"),
    )  # fmt: skip
    done = bring(catalogue, path, text=track_map("title"))
    assert (done.tracks, done.rejected, done.duplicates) == (3, 3, 0)
    assert rows(catalogue, "SELECT place, reason FROM rejects ORDER BY place") == [
        ("a.db:row 1", "its id is not UTF-8"),
        ("a.db:row 2", "its id is not UTF-8"),
        ("a.db:row 3", "no id"),
    ]
    assert rows(catalogue, "SELECT own_id FROM tracks ORDER BY own_id") == [
        ("1.5",), (str(2**53),), (str(2**53 + 1),),
    ]  # fmt: skip


@pytest.mark.parametrize("far", [0, 40_000, 2**31, 2**62])
def test_links_are_found_in_any_order_and_however_large_their_numbers(
    tmp_path: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch, far: int
) -> None:
    monkeypatch.setattr(ranges, "RANGE", 20)
    path = many(tmp_path / "a.db", 60)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE artists SET rowid = rowid + ?", [far])
        connection.execute("DELETE FROM credits")
        credits = [(n, n % 15 + 1 + far, -n) for n in range(1, 61)]
        credits += [(n, (n + 1) % 15 + 1 + far, -n - 1) for n in range(1, 61, 2)]
        random.Random(far).shuffle(credits)
        connection.executemany("INSERT INTO credits VALUES (?, ?, ?)", credits)
        connection.execute("INSERT INTO tracks(rowid, id) VALUES (?, 'last')", [2**63 - 1])
        connection.execute("INSERT INTO credits VALUES (?, 1, 0)", [2**63 - 2])
    bring(catalogue, path)
    found = rows(catalogue, "SELECT own_id, artists FROM named_tracks")
    assert dict(found) == {
        f"t{n - 1}": [f"Artist {(n + m) % 15}" for m in ((1, 0) if n % 2 else (0,))]
        for n in range(1, 61)
    } | {"last": []}


def test_albums_and_artists_without_ids_stay_apart(tmp_path: Path, catalogue: Path) -> None:
    path = database(
        tmp_path / "a.db",
        artists=[(None, "Ann"), (None, "Bob"), (b"a\xff", "Cy"), (b"a\xfe", "Di")],
        albums=[(None, "One", None, None, None), (b"\xff", "Two", None, None, None)],
        tracks=[("t", "T", 2, 1, 1, 0, None, 1)],
        credits=[(1, 4, 0)],
    )
    done = bring(catalogue, path)
    assert (done.albums, done.artists) == (2, 4)
    query = "SELECT t.artists, a.title FROM named_tracks t JOIN albums a USING (album)"
    assert rows(catalogue, query) == [(["Di"], "Two")]


DATES = (
    "1999", "1999-05", "1999-05-01", "1999-00-00", "1999-05-00", "1999-05-01T00:00:00Z", " 1999 ",
    "0000", "0000-05-01", "199", "soon", "1999-13", "19990501", "", None,
)  # fmt: skip


def test_dates_are_read_as_in_any_other_table(tmp_path: Path, catalogue: Path) -> None:
    records = [(f"{place:02}", date) for place, date in enumerate((*DATES, 1999))]
    path = table(tmp_path / "a.db", ("id", "release_date"), *records)
    read = []
    for text in (track_map("release_date"), "table = 't'\n[columns]\nid = 'id'\n"
                 "release_date = 'release_date'"):  # fmt: skip
        bring(catalogue, path, text=text)
        read.append(rows(catalogue, "SELECT own_id, release_date FROM tracks ORDER BY own_id"))
    assert read[0] == read[1]
    assert [date for _, date in read[0]] == [
        "1999", "1999-05", "1999-05-01", "1999", "1999-05", "1999-05-01", "1999",
        None, None, None, None, "1999", "1999", None, None, "1999",
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("text", [track_map("title"), "table = 't'\n[columns]\nid = 'id'"])
def test_a_database_with_changes_beside_it_is_refused(
    tmp_path: Path, catalogue: Path, mode: str, text: str
) -> None:
    records = ((n, "x" * 2000) for n in range(200))
    path = table(tmp_path / "a.db", ("id", "title"), *records)
    with changed(path, mode), pytest.raises(InputError, match=r"a\.db.*sqlite3 "):
        bring(catalogue, path, text=text)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert bring(catalogue, path, text=text).tracks == 200


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW v AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)"
        " SELECT id FROM n",
        "CREATE VIRTUAL TABLE v USING fts5(id)",
    ],
)
def test_only_tables_are_read(tmp_path: Path, catalogue: Path, statement: str) -> None:
    path = many(tmp_path / "a.db", 10)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
    with pytest.raises(InputError, match="has no table v"):
        bring(catalogue, path, text=track_map().replace('"t"', '"v"'))


def test_progress_knows_how_much_there_is(tmp_path: Path, catalogue: Path) -> None:
    said: list[tuple[int, int, str]] = []
    paths = [many(tmp_path / "a.db", 30), many(tmp_path / "b.db", 20, first=30)]
    column_map = tmp_path / "map.toml"
    column_map.write_text(MAP)
    import_table(
        catalogue, "s", paths, table_map=columns.load(column_map),
        progress=lambda done, total, words: said.append((done, total, words)),
    )  # fmt: skip
    assert said == [(30, 50, ""), (30, 50, "read a.db"), (50, 50, ""), (50, 50, "read b.db")]
