"""Tables of every format: what is read, what is rejected and why, and what stops an import."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from longplay.catalogue import imports
from longplay.catalogue.importers import columns
from longplay.catalogue.importers.columns import TableMap
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError, RightsError

ROWS = [
    {"id": "1", "title": "A; b", "artists": "X;Y", "duration_ms": "1000", "popularity": "50"},
    {"id": "2", "title": "Ünï", "artists": "X", "duration_ms": "", "popularity": ""},
]


def rows(catalogue: Path, query: str) -> list[tuple[Any, ...]]:
    with open_current(catalogue).connect() as connection:
        return connection.execute(query).fetchall()


def as_csv(path: Path, delimiter: str = ",") -> None:
    lines = [delimiter.join(ROWS[0]), *(delimiter.join(row.values()) for row in ROWS)]
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig")


def as_jsonl(path: Path) -> None:
    lists = [{**row, "artists": row["artists"].split(";")} for row in ROWS]
    path.write_text("\n\n".join(json.dumps(row) for row in lists))


def as_parquet(path: Path) -> None:
    table = pa.Table.from_pylist([{**row, "artists": row["artists"].split(";")} for row in ROWS])
    with duckdb.connect() as connection:
        connection.register("rows", table)
        connection.execute(f"COPY rows TO '{path}' (FORMAT parquet)")


def as_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE tracks (id INTEGER, title, artists, duration_ms, popularity)")
        db.executemany(
            "INSERT INTO tracks VALUES (?, ?, ?, ?, ?)", [[*row.values()] for row in ROWS]
        )
        db.execute("UPDATE tracks SET duration_ms = NULL WHERE duration_ms = ''")
        db.execute("CREATE TABLE other (x)")


FORMATS: dict[str, Callable[[Path], None]] = {
    "a.csv": as_csv,
    "a.tsv": lambda path: as_csv(path, "\t"),
    "semicolons?.csv": lambda path: as_csv(path, "|"),
    "a.jsonl": as_jsonl,
    "[a]*.parquet": as_parquet,
    "a.sqlite3": as_sqlite,
}


@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same(
    tmp_path: Path, catalogue: Path, name: str, compression: str
) -> None:
    path = tmp_path / name
    FORMATS[name](path)
    if compression:
        codec = {".gz": "gzip", ".zst": "zstd"}[compression]
        whole = path.with_name(name + compression)
        with pa.output_stream(str(whole), compression=codec) as out:
            out.write(path.read_bytes())
        path = whole
    done = import_table(catalogue, "s", [path])
    assert (done.tracks, done.rejected, done.duplicates, done.coverage) == (2, 0, 0, 1.0)
    assert rows(
        catalogue,
        "SELECT own_id, title, artists, duration_ms, popularity FROM named_tracks ORDER BY 1",
    ) == [("1", "A; b", ["X", "Y"], 1000, 50.0), ("2", "Ünï", ["X"], None, None)]


def imported(catalogue: Path, path: Path, text: str | bytes, **more: Any) -> imports.Imported:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_table(catalogue, "s", [path], **more)


def test_all_default_names(tmp_path: Path, catalogue: Path) -> None:
    imported(
        catalogue,
        tmp_path / "a.csv",
        "id,title,artists,album,album_artists,disc_number,track_number,duration_ms,isrc,upc,"
        "release_date,genres,explicit,popularity,listens,licence\n"
        "1,T,X;Y,L,X,2,3/12,1000.4,us-abc-12-34567,036000291452,"
        "1999-00-00,jazz; soul,True,7,12,CC0\n",
    )
    assert rows(
        catalogue,
        "SELECT title, artists, disc_number, track_number, duration_ms, isrcs, release_date,"
        " genres, explicit, popularity, listens, licence FROM named_tracks",
    ) == [
        (
            "T",
            ["X", "Y"],
            2,
            3,
            1000,
            ["USABC1234567"],
            "1999",
            ["jazz", "soul"],
            True,
            7,
            12,
            "CC0",
        )
    ]
    assert rows(catalogue, "SELECT title, artists, upc FROM named_albums") == [
        ("L", ["X"], "00036000291452")
    ]
    assert rows(catalogue, "SELECT subject[1:2], text, field, place FROM rights") == [
        ("tr", "CC0", "licence", "a.csv:2")
    ]


def test_rejected_and_repeated_rows_balance(tmp_path: Path, catalogue: Path) -> None:
    done = imported(
        catalogue,
        tmp_path / "a.csv",
        b"id,title,duration_ms,popularity\n"
        b"1,good,1000,5\n"
        b"1,again,1000,5\n"
        b",no id,1,1\n"
        b"2,too,many,columns,here\n"
        b"3,few\n"
        b"4,\xff\xfe,1,1\n"
        b"5,soon,later,1\n"
        b"6,high,1,101\n"
        b"7,nan,nan,1\n"
        b'8,"two\nlines",1,1\n',
    )
    assert (done.tracks, done.duplicates, done.rejected) == (2, 1, 7)
    assert done.coverage == 3 / 10
    assert rows(catalogue, "SELECT title FROM tracks ORDER BY own_id") == [
        ("good",),
        ("two\nlines",),
    ]
    reasons = dict(rows(catalogue, "SELECT place, reason FROM rejects"))
    assert reasons["a.csv:row 3"] == "no id"
    assert reasons["a.csv:5"].startswith("too many columns")
    assert reasons["a.csv:6"].startswith("missing columns")
    assert reasons["a.csv:7"].startswith("invalid encoding")
    assert reasons["a.csv:row 4"] == "duration_ms: later is not a duration"
    assert reasons["a.csv:row 5"] == "popularity: 101 is not between 0 and 100"
    assert reasons["a.csv:row 6"] == "duration_ms: nan is not a duration"


def test_json_of_the_wrong_shape_is_rejected(tmp_path: Path, catalogue: Path) -> None:
    text = b'{"id": 1}\nnot json\n[1, 2]\n"text"\n{"id": 2, "artists": {"a": 1}}\n{"title": "x"}\n'
    done = imported(catalogue, tmp_path / "a.jsonl", text + b'{"id": "\xff"}\n{"id": 3')
    assert (done.tracks, done.rejected) == (2, 6)


def test_sqlite_text_that_is_not_utf8_is_rejected(tmp_path: Path, catalogue: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE t (id, title TEXT)")
        db.execute("INSERT INTO t VALUES (1, 'good'), (2, CAST(x'ff61' AS TEXT))")
    done = import_table(catalogue, "s", [path])
    assert (done.tracks, done.rejected) == (1, 1)
    assert rows(catalogue, "SELECT reason FROM rejects") == [("is not UTF-8",)]


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


MANY = "id,title\n" + "".join(f"{n},title {n * n}\n" for n in range(5000))

BROKEN: dict[str, Callable[[Path], object]] = {
    "empty.csv": lambda path: path.write_bytes(b""),
    "no-id.csv": lambda path: path.write_text("name,title\n1,2\n"),
    "binary.csv": lambda path: path.write_bytes(bytes(range(256)) * 10),
    "cut.csv.gz": lambda path: path.write_bytes(truncated(gzip.compress(MANY.encode()))),
    "cut.csv.zst": lambda path: path.write_bytes(
        truncated(pa.compress(MANY.encode(), codec="zstd", asbytes=True))
    ),
    "fake.csv.zst": lambda path: path.write_text(MANY),
    "array.json": lambda path: path.write_text('[\n{"id": 1},\n{"id": 2}\n]\n'),
    "nothing.jsonl": lambda path: path.write_text("never\nmind\n"),
    "fake.parquet": lambda path: path.write_text(MANY),
    "cut.parquet": lambda path: (as_parquet(path), path.write_bytes(truncated(path.read_bytes()))),
    "fake.sqlite": lambda path: path.write_text(MANY),
    "cut.sqlite": lambda path: (
        sqlite_of_many(path),
        path.write_bytes(truncated(path.read_bytes())),
    ),
    "unknown.xyz": lambda path: path.write_text(MANY),
    "bomb.jsonl.gz": lambda path: path.write_bytes(gzip.compress(b"\0" * 200_000_000)),
    "bomb.csv.gz": lambda path: path.write_bytes(gzip.compress(b"id,title\n" + b"0" * 200_000_000)),
}


def sqlite_of_many(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE tracks (id, title)")
        db.executemany("INSERT INTO tracks VALUES (?, ?)", ((n, f"title {n}") for n in range(9999)))


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_table_is_one_line_and_changes_nothing(
    tmp_path: Path, catalogue: Path, name: str
) -> None:
    before = imported(catalogue, tmp_path / "good.csv", "id,title\n1,stays\n")
    path = tmp_path / name
    BROKEN[name](path)
    with pytest.raises(InputError) as raised:
        import_table(catalogue, "s", [path])
    assert "\n" not in str(raised.value)
    assert name in str(raised.value)
    assert open_current(catalogue).number == before.snapshot
    assert rows(catalogue, "SELECT title FROM tracks") == [("stays",)]
    assert not (catalogue / "scratch").exists()
    assert len(list((catalogue / "layers").iterdir())) == 1


def test_several_files_are_one_source(tmp_path: Path, catalogue: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.jsonl"
    first.write_text("id,title\n1,one\n2,two\n")
    second.write_text('{"id": 2, "title": "second"}\n{"id": 3}\n')
    done = import_table(catalogue, "s", [first, second], declared={"tracks": 8})
    assert (done.tracks, done.duplicates, done.coverage) == (3, 1, 0.5)
    assert rows(catalogue, "SELECT title FROM tracks WHERE own_id = '2'") == [("two",)]


def test_a_map_names_columns_units_and_lists(tmp_path: Path, catalogue: Path) -> None:
    (tmp_path / "map.toml").write_text(
        """
        delimiter = ";"
        nulls = ["", "NA"]
        count_listens = true
        [columns]
        id = ["who", "what"]
        artists = { column = "who", separator = " & " }
        title = { column = "what", replace = { "_" = " " } }
        duration_ms = { column = "length", unit = "m:ss" }
        genres = { column = "kinds", form = "python-list" }
        """
    )
    table = columns.load(tmp_path / "map.toml")
    text = (
        "who;what;length;kinds\n"
        'A & B;My_song;3:16;"[\'afrobeats\', ""it\'s""]"\n'
        "A & B;My_song;3:16;[]\n"
        "C;NA;1:00:01.5;[]\n"
        "D;x;1:2:3:4;[]\n"
    )
    done = imported(catalogue, tmp_path / "a.csv", text, table_map=table)
    assert (done.tracks, done.duplicates, done.rejected) == (2, 1, 1)
    found = rows(
        catalogue,
        "SELECT artists, title, duration_ms, genres, listens FROM named_tracks ORDER BY title",
    )
    assert found == [
        (["A", "B"], "My song", 196_000, ["afrobeats", "it's"], 2.0),
        (["C"], None, 3_601_500, [], 1.0),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[columns]\ntitle = 'x'", "no column for `id`"),
        ("[columns]\nid = 'x'\ncolour = 'y'", "columns.colour"),
        ("[columns\n", "map.toml"),
        ("columns = 3", "columns"),
        ("[columns]\nid = { column = 'x', unit = 'hours' }", "unit"),
    ],
)
def test_a_wrong_map_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        columns.load(path)
    assert message in str(raised.value)


def test_a_missing_column_is_told_with_those_there_are(tmp_path: Path, catalogue: Path) -> None:
    table = TableMap(columns={"id": "nope"})
    with pytest.raises(InputError, match=r"has no column nope.*it has id, title"):
        imported(catalogue, tmp_path / "a.csv", "id,title\n1,2\n", table_map=table)


def test_a_malformed_licence_stops_the_import_with_its_line(
    tmp_path: Path, catalogue: Path
) -> None:
    def check(text: str, where: str) -> None:
        if text != "CC0":
            raise RightsError(f"unknown licence {text}", where=where)

    good = 'id,title,licence\n1,"two\nlines",CC0\n\n2,b,CC0\n'
    done = imported(catalogue, tmp_path / "a.csv", good, check_rights=check)
    with pytest.raises(RightsError, match=r"a\.csv:6: unknown licence maybe"):
        imported(catalogue, tmp_path / "a.csv", good + "3,c,maybe\n", check_rights=check)
    with pytest.raises(RightsError, match="cannot be read"):
        imported(catalogue, tmp_path / "a.csv", good + "3,c\n", check_rights=check)
    assert open_current(catalogue).number == done.snapshot


def test_rights_of_repeated_rows_are_all_kept(tmp_path: Path, catalogue: Path) -> None:
    imported(catalogue, tmp_path / "a.csv", "id,licence\n1,CC0\n1,CC BY 4.0\n")
    assert rows(catalogue, "SELECT text, place FROM rights") == [
        ("CC BY 4.0", "a.csv:3"),
        ("CC0", "a.csv:2"),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('id,title,licence\n1,5" disc,CC0\n2,x,maybe\n', "a.csv:3"),
        ('id,title,licence\n1,"a ""b""\n,",CC0\n2,7" 12",maybe\n', "a.csv:4"),
        ('\ufeff"id","title",licence\n1,"",CC0\n\n"2","","maybe"\n', "a.csv:4"),
    ],
)
def test_a_licence_is_told_with_its_line_whatever_quotes_stand_before(
    tmp_path: Path, catalogue: Path, text: str, line: str
) -> None:
    def check(text: str, where: str) -> None:
        if text != "CC0":
            raise RightsError("unknown licence", where=where)

    with pytest.raises(RightsError, match=f"{line}: unknown"):
        imported(catalogue, tmp_path / "a.csv", text, check_rights=check)


def test_where_lines_are_uncertain_a_licence_stands_in_a_row(
    tmp_path: Path, catalogue: Path
) -> None:
    imported(catalogue, tmp_path / "a.jsonl", '\n{"id": 1}\n\n{"id": 2, "licence": "CC0"}\n')
    assert rows(catalogue, "SELECT place FROM rights") == [("a.jsonl:row 4",)]


def test_lists_hold_names_and_nothing_else(tmp_path: Path, catalogue: Path) -> None:
    cells: list[Any] = [
        [], [None, "x"], [1, 2], {"a": 1}, ["y", {"a": 1}, [1], " "], "[not; json", "[]", ["b; c"],
    ]  # fmt: skip
    lines = [json.dumps({"id": n, "artists": c, "genres": c}) for n, c in enumerate(cells)]
    wanted: list[list[str]] = [
        [], ["x"], ["1", "2"], [], ["y"], ["[not", "json"], [], ["b; c"],
    ]  # fmt: skip
    imported(catalogue, tmp_path / "a.jsonl", "\n".join(lines))
    query = "SELECT artists, genres FROM named_tracks ORDER BY own_id"
    assert rows(catalogue, query) == [(each, each) for each in wanted]

    lists = pa.table({"id": [1, 2, 3], "artists": pa.array([[], [None, "x"], None])})
    with duckdb.connect() as connection:
        connection.register("lists", lists)
        connection.execute(f"COPY lists TO '{tmp_path / 'a.parquet'}' (FORMAT parquet)")
    import_table(catalogue, "s", [tmp_path / "a.parquet"])
    found = rows(catalogue, "SELECT artists FROM named_tracks ORDER BY own_id")
    assert found == [([],), (["x"],), ([],)]


def test_the_same_import_again_changes_nothing(tmp_path: Path, catalogue: Path) -> None:
    first = imported(catalogue, tmp_path / "a.csv", MANY)
    files = sorted(catalogue.rglob("*"))
    again = imported(catalogue, tmp_path / "a.csv", MANY)
    assert again.snapshot == first.snapshot
    assert sorted(catalogue.rglob("*")) == files


def test_mixed_line_ends_are_read(tmp_path: Path, catalogue: Path) -> None:
    done = imported(catalogue, tmp_path / "a.csv", b"id,title\n1,a\r\n2,b\n3,c\r\n")
    assert (done.tracks, done.rejected) == (3, 0)
    assert rows(catalogue, "SELECT title FROM tracks ORDER BY 1") == [("a",), ("b",), ("c",)]
