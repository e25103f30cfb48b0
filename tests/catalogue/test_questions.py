"""`catalogue sql`: what may be asked, and that nothing that is asked changes or leaks anything."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from longplay.catalogue import questions
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import InputError

ROWS = [
    {"id": "1", "title": "Blå", "artists": "Ærlig", "popularity": 40, "isrc": "NOABC2300001"},
    {"id": "2", "title": "Rot", "artists": "Ærlig;Else", "popularity": 90},
    {"id": "3", "title": "Grün", "artists": "Else"},
]


@pytest.fixture
def snapshot(catalogue: Path, bring: Any) -> Snapshot:
    bring("songs", ROWS)
    return open_current(catalogue)


def answers(snapshot: Snapshot, question: str, **how: Any) -> list[tuple[Any, ...]]:
    with questions.ask(snapshot, question, **how) as answer:
        return [tuple(row.values()) for batch in answer.batches for row in batch.to_pylist()]


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("SELECT title FROM tracks ORDER BY popularity DESC NULLS LAST", ["Rot", "Blå", "Grün"]),
        ("select title from tracks where popularity > 50 -- the best", ["Rot"]),
        ("FROM (SELECT count(*) FROM tracks);", [3]),
        ("(SELECT 2)", [2]),
        ("VALUES (7)", [7]),
        ("WITH x AS (SELECT title FROM tracks) SELECT count(*) FROM x", [3]),
        ("SELECT plain_name('Ærlig, & Else')", ["aerlig and else"]),
        ("SELECT count(*) FROM (SHOW TABLES) WHERE name = 'tracks'", [1]),
    ],
)
def test_a_select_is_answered(snapshot: Snapshot, question: str, rows: list[object]) -> None:
    assert [row[0] for row in answers(snapshot, question)] == rows


def test_tables_are_described(snapshot: Snapshot) -> None:
    assert ("title", "VARCHAR") in [row[:2] for row in answers(snapshot, "DESCRIBE tracks")]
    assert answers(snapshot, "SUMMARIZE SELECT title FROM tracks")[0][0] == "title"


@pytest.mark.parametrize(
    "question",
    ["EXPLAIN SELECT 1", "/* why */ explain analyze select count(*) from tracks",
     "EXPLAIN (ANALYZE) SELECT 1"],
)  # fmt: skip
def test_a_plan_is_explained(snapshot: Snapshot, question: str) -> None:
    assert len(answers(snapshot, question)) == 1


def test_rows_end_at_the_limit_and_say_so(snapshot: Snapshot) -> None:
    with questions.ask(snapshot, "FROM range(10000)", limit=5000) as answer:
        assert sum(batch.num_rows for batch in answer.batches) == 5000
        assert answer.cut
    with questions.ask(snapshot, "FROM range(10000)", limit=10000) as answer:
        assert sum(batch.num_rows for batch in answer.batches) == 10000
        assert not answer.cut
    assert len(answers(snapshot, "FROM range(10000)", limit=None)) == 10000


def hostile(part: str, other: str) -> Iterator[str]:
    copy = f"COPY (SELECT 1 AS a) TO '{part}' (FORMAT parquet, USE_TMP_FILE false)"
    yield from (copy, f"EXPLAIN ANALYZE {copy}", f"EXPLAIN {copy}", f"EXPLAIN (ANALYZE) {copy}")
    yield f"WITH x AS ({copy}) SELECT * FROM x"
    yield f"WITH x AS MATERIALIZED ({copy}) SELECT 1"
    yield f"EXPLAIN ANALYZE WITH x AS ({copy}) SELECT * FROM x"
    yield f"SELECT (WITH x AS ({copy}) SELECT 1)"
    yield f"SELECT * FROM query('WITH x AS ({copy.replace(chr(39), chr(39) * 2)}) FROM x')"
    yield f"SELECT 1; {copy}"
    yield f"{copy}; SELECT 1"
    yield "EXPLAIN SELECT 1; SELECT 2"
    yield from (f"ATTACH '{other}.db'", "ATTACH ':memory:' AS m", f"EXPORT DATABASE '{other}'")
    yield from ("INSTALL httpfs", "LOAD httpfs", "FORCE INSTALL sqlite", "UPDATE EXTENSIONS")
    yield from ("PRAGMA database_list", "PRAGMA enable_profiling", "SET threads = 64")
    yield from ("RESET memory_limit", "SET lock_configuration = false", "USE memory")
    yield from ("SET VARIABLE a = 1", "CALL pragma_version()", "CHECKPOINT", "VACUUM")
    yield from ("CREATE TABLE a AS SELECT 1", "CREATE VIEW a AS SELECT 1", "DROP VIEW tracks")
    yield from ("INSERT INTO tracks SELECT * FROM tracks", "DELETE FROM tracks", "BEGIN")
    yield from ("PREPARE a AS SELECT 1", "EXECUTE a", "CREATE MACRO a() AS 1", "PIVOT tracks ON id")
    yield from ("WITH x AS (DELETE FROM tracks RETURNING *) FROM x", "CREATE SECRET (TYPE s3)")
    for function in ("read_text", "read_blob", "read_csv", "read_json", "read_parquet", "glob"):
        if function != "glob":
            yield f"SELECT * FROM {function}('{other}')"
            yield f"SELECT * FROM {function}(['{part}', '{other}'])"
        yield f"SELECT * FROM {function}('{Path(other).parent}/*')"
    yield from (f"SELECT * FROM '{other}'", f"FROM '{part}/../../{Path(other).name}'")
    yield from (f"FROM sniff_csv('{other}')", f"FROM parquet_metadata('{other}')")
    yield from (f"FROM read_duckdb('{other}')", "SELECT getenv('HOME')", "FROM duckdb_secrets()")
    yield from ("FROM read_parquet('https://127.0.0.1:9/x.parquet')", "FROM 's3://bucket/x.csv'")
    yield from ("FROM enable_logging()", "FROM enable_profiling()", "FROM sqlite_scan('a', 'b')")
    yield from ("SELECT * FROM secret_of_python", "SELECT ?", "SELECT $a", "", ";", "SELEC 1")
    yield from ("SELECT '\0'", "SELECT " + "(" * 60_000, "-- nothing", "SELECT 1/* open")
    yield from ("SELECT " + "x" * 2**20, "SELECT '\ud800'", "SELECT error('a\nb\n[red]')")


def test_everything_else_is_refused_in_one_line_and_changes_nothing(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    other = tmp_path / "private" / "other.parquet"
    other.parent.mkdir()
    part = snapshot.folder / snapshot.manifest.layers["songs"].tables["tracks"][0].file
    other.write_bytes(part.read_bytes())
    secret_of_python = [{"a": 1}]
    before, here = contents(tmp_path), sorted(os.listdir())  # noqa: PTH208
    for question in hostile(str(part), str(other)):
        with pytest.raises(InputError) as caught:
            answers(snapshot, question)
        assert "\n" not in str(caught.value), question[:200]
        assert len(str(caught.value)) < 400, question[:200]
        assert contents(tmp_path) == before, question[:200]
    assert sorted(os.listdir()) == here  # noqa: PTH208
    assert secret_of_python
    assert len(answers(snapshot, "FROM tracks")) == len(ROWS)


def test_the_snapshot_s_own_files_can_be_read_as_files(snapshot: Snapshot) -> None:
    part = snapshot.folder / snapshot.manifest.layers["songs"].tables["tracks"][0].file
    assert answers(snapshot, f"SELECT count(*) FROM read_parquet('{part}')") == [(3,)]


def test_a_question_that_never_ends_is_stopped(snapshot: Snapshot) -> None:
    endless = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a < b"
    with pytest.raises(InputError, match="too long"):
        answers(snapshot, endless, seconds=0.3)
    streaming = "SELECT a.range + b.range FROM range(1000000) a, range(1000000) b"
    with pytest.raises(InputError, match="too long"):
        answers(snapshot, f"SELECT max(x) FROM ({streaming}) t(x) GROUP BY x % 7", seconds=0.3)


def test_a_question_without_bounds_is_stopped_by_them(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "SPILL", "10MB")
    with pytest.raises(InputError, match=r"memory or disk|memory"):
        answers(snapshot, "SELECT list(repeat('x', 1000000)) FROM range(100000)", seconds=60)


def test_a_catalogue_whose_path_looks_like_a_pattern(tmp_path: Path, bring: Any) -> None:
    folder = tmp_path / "a[b]*c"
    bring("songs", ROWS)
    (tmp_path / "catalogue").rename(folder)
    assert len(answers(open_current(folder), "FROM tracks")) == len(ROWS)


def test_an_empty_catalogue_can_be_asked(catalogue: Path) -> None:
    assert answers(open_current(catalogue), "SELECT count(*) FROM tracks") == [(0,)]


def test_every_table_and_column_is_documented(catalogue: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text()
    tables = text[text.index("## Tables to query") :]
    named = set(re.findall(r"`([a-z_]+)`", tables))
    with open_current(catalogue).connect() as connection:
        found = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    assert found
    assert {name for pair in found for name in pair} <= named
