"""Copies: whole, lawful, consistent in themselves, and never half."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from longplay.catalogue import copies, export, ids
from longplay.catalogue.copies import Terms
from longplay.catalogue.importers import columns
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import InputError, UsageError
from tests.catalogue import made


@pytest.fixture
def snapshot(catalogue: Path) -> Snapshot:
    made.bring(catalogue)
    made.bring(catalogue, "secret", licence=None)
    return open_current(catalogue)


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / f"{table}.parquet").to_pylist()
    return found


def test_a_copy_says_what_the_source_said(snapshot: Snapshot, tmp_path: Path) -> None:
    export.export(snapshot, tmp_path / "copy")
    tracks = {row["own_id"]: row for row in rows(tmp_path / "copy", "tracks")}
    albums = {row["own_id"]: row for row in rows(tmp_path / "copy", "albums")}
    artists = {row["own_id"]: row for row in rows(tmp_path / "copy", "artists")}
    assert tracks.keys() == {"1", "2", "3", "4"}
    assert tracks["2"]["id"] == ids.text("tr", ids.row_key("tr", "songs", "2"))
    assert tracks["2"]["artists"] == ["Else", "Ærlig"]
    assert tracks["2"]["artist_ids"] == [artists["a2"]["id"], artists["a1"]["id"]]
    assert tracks["2"]["album_id"] == albums["b2"]["id"]
    assert (tracks["3"]["title"], tracks["3"]["album_id"]) == (None, None)
    assert tracks["4"]["artists"] == []
    assert tracks["1"]["isrcs"] == ["NOABC2300001", "NOABC2300002"]
    assert tracks["1"]["recording"].startswith("rec")
    assert albums["b2"]["artists"] == ["Else", "Ærlig"]
    assert albums["b1"]["upc"] == "00602445790913"
    assert artists["a3"]["name"] is None


def test_the_most_popular_come_first(snapshot: Snapshot, tmp_path: Path) -> None:
    export.export(snapshot, tmp_path / "copy")
    assert [row["own_id"] for row in rows(tmp_path / "copy", "tracks")] == ["2", "1", "3", "4"]


def test_what_no_licence_lets_leave_stays_and_is_counted(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    copy = export.export(snapshot, tmp_path / "copy")
    assert copy.withheld == {"secret": 4}
    assert {row["source"] for row in rows(tmp_path / "copy", "tracks")} == {"songs"}
    own = export.export(snapshot, tmp_path / "own", terms="own")
    assert (own.withheld, own.terms) == ({}, "own")
    assert len(rows(tmp_path / "own", "tracks")) == 8
    assert "own use only" in (tmp_path / "own" / copies.ATTRIBUTIONS).read_text()


def test_columns_under_another_licence_stay(catalogue: Path, tmp_path: Path) -> None:
    made.bring(catalogue, "mb", kind="musicbrainz")
    copy = export.export(open_current(catalogue), tmp_path / "any")
    assert copy.sources[0].withheld == ("tracks.genres",)
    assert all(row["genres"] is None for row in rows(tmp_path / "any", "tracks"))
    export.export(open_current(catalogue), tmp_path / "private", terms="non-commercial")
    assert ["jazz", "pop"] in [row["genres"] for row in rows(tmp_path / "private", "tracks")]
    assert "BY-NC-SA" in (tmp_path / "private" / copies.ATTRIBUTIONS).read_text()


@pytest.mark.parametrize("terms", ["any", "own"])
@pytest.mark.parametrize("sample", [None, 5])
def test_plays_that_were_counted_stay_whatever_the_licence(
    catalogue: Path, tmp_path: Path, terms: Terms, sample: int | None
) -> None:
    """Neither their numbers nor the order that comes of them."""
    played = {f"song {number}": 2**number for number in range(5)}
    path = tmp_path / "history.csv"
    path.write_text("id,title\n" + "".join(f"{own},{own}\n" * n for own, n in played.items()))
    counted = columns.TableMap(count_listens=True, columns={"id": "id", "title": "title"})
    import_table(catalogue, "history", [path], table_map=counted, licence="CC0-1.0")
    snapshot = open_current(catalogue)
    with snapshot.connect() as connection:
        known = connection.sql("SELECT own_id, listens FROM tracks").fetchall()
    assert dict(known) == played
    copy = export.export(snapshot, tmp_path / "copy", terms=terms, sample=sample)
    found = rows(tmp_path / "copy", "tracks")
    assert {row["own_id"] for row in found} == set(played)
    assert {row["listens"] for row in found} == {None}
    assert copy.sources[0].withheld == ("tracks.listens",)
    keys = [ids.parse(row["id"])[1] for row in found]
    assert keys == sorted(keys)


def test_nothing_lawful_is_no_copy(catalogue: Path, tmp_path: Path) -> None:
    made.bring(catalogue, licence=None)
    with pytest.raises(UsageError, match="no source's licence"):
        export.export(open_current(catalogue), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not list(tmp_path.glob(".copy*"))


def test_checksums_are_those_of_sha256sum(snapshot: Snapshot, tmp_path: Path) -> None:
    copy = export.export(snapshot, tmp_path / "copy")
    lines = (tmp_path / "copy" / copies.SUMS).read_text().splitlines()
    named = dict(reversed(line.split("  ")) for line in lines)
    for name, digest in named.items():
        assert hashlib.sha256((tmp_path / "copy" / name).read_bytes()).hexdigest() == digest
    assert {each.file: each.rows for each in copy.files}["tracks.parquet"] == 4
    assert copies.read(tmp_path / "copy") == copy


def test_a_damaged_copy_is_noticed(snapshot: Snapshot, tmp_path: Path) -> None:
    copy = export.export(snapshot, tmp_path / "copy")
    copies.verify(tmp_path / "copy", copy)
    path = tmp_path / "copy" / "albums.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="missing or damaged"):
        copies.verify(tmp_path / "copy", copy)


def _change(document: Any, *path: Any) -> Any:
    *way, name, value = path
    for step in way:
        document = document[step]
    document[name] = value


@pytest.mark.parametrize(
    "change",
    [("files", 0, "file", "../../etc/passwd"), ("files", 0, "sha256"), ("terms", "theft"),
     ("kind", "whole"), ("sources", 7), ("snapshot", "three"), ("files", {}),
     ("sources", 0, "tables", "tracks", "rows", None), ("base", []), ("version", 99),
     ("sources", 0, "source", 5), ("sources", 0, "licence", []), ("sources", 0, "licence", 5),
     ("sources", 0, "declared", {"tracks": "x"}), ("sources", 0, "declared", {"tracks": -5}),
     ("sources", 0, "attributions", "all"), ("sources", 0, "withheld", [7]),
     ("sources", 0, "tables", "tracks", "digest", 5), ("files", 0, "rows", "x"),
     ("files", 0, "bytes", True), ("snapshot", -1), ("since", "x"), ("made", 5),
     ("withheld", {"secret": "all"})],
)  # fmt: skip
def test_a_manifest_of_another_shape_is_refused(
    snapshot: Snapshot, tmp_path: Path, change: tuple[Any, ...]
) -> None:
    export.export(snapshot, tmp_path / "copy")
    path = tmp_path / "copy" / copies.MANIFEST
    document = json.loads(path.read_text())
    if change == ("files", 0, "sha256"):
        del document["files"][0]["sha256"]
    else:
        _change(document, *change)
    path.write_text(json.dumps(document))
    with pytest.raises(InputError):
        copies.read(tmp_path / "copy")


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000, b"null"])
def test_no_manifest_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / copies.MANIFEST).write_bytes(content)
    with pytest.raises(InputError, match="no manifest"):
        copies.read(tmp_path)


def test_a_sample_is_consistent_and_always_the_same(catalogue: Path, tmp_path: Path) -> None:
    tracks = [
        {"own_id": str(n), "title": f"t{n}", "artist_refs": [n % 40], "album_ref": n % 50}
        for n in range(500)
    ]
    albums = [{"ref": n, "own_id": f"b{n}", "artist_refs": [n + 40]} for n in range(50)]
    artists = [{"ref": n, "own_id": f"a{n}", "name": f"A{n}"} for n in range(200)]
    made.bring(catalogue, tracks=tracks, albums=albums, artists=artists)
    snapshot = open_current(catalogue)
    for name in ("one", "two"):
        export.export(snapshot, tmp_path / name, sample=20)
    export.export(snapshot, tmp_path / "whole")
    for table in ("tracks", "albums", "artists"):
        found = rows(tmp_path / "one", table)
        assert found == rows(tmp_path / "two", table)
        whole = rows(tmp_path / "whole", table)
        assert all(row in whole for row in found)
    sample = {table: rows(tmp_path / "one", table) for table in ("tracks", "albums", "artists")}
    assert len(sample["tracks"]) == 20
    known = {row["id"] for row in sample["artists"]}
    named = {one for t in ("tracks", "albums") for row in sample[t] for one in row["artist_ids"]}
    assert named == known
    assert {row["album_id"] for row in sample["tracks"]} == {row["id"] for row in sample["albums"]}


def test_a_sample_larger_than_the_catalogue_is_all_of_it(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    assert len(rows(_exported(snapshot, tmp_path, sample=100), "tracks")) == 4


def _exported(snapshot: Snapshot, tmp_path: Path, **how: Any) -> Path:
    export.export(snapshot, tmp_path / "copy", **how)
    return tmp_path / "copy"


def test_the_sqlite_file_says_the_same(snapshot: Snapshot, tmp_path: Path) -> None:
    export.export(snapshot, tmp_path / "lite", sqlite=True)
    export.export(snapshot, tmp_path / "copy")
    with sqlite3.connect(tmp_path / "lite" / "catalogue.sqlite3") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = connection.execute(
            "SELECT t.id, t.recording, t.title, t.isrc, t.explicit, t.popularity, b.title,"
            " (SELECT group_concat(name, '|') FROM (SELECT name FROM track_artists c JOIN artists a"
            "  ON a.rowid = c.artist_rowid WHERE c.track_rowid = t.rowid ORDER BY position))"
            " FROM tracks t LEFT JOIN albums b ON b.rowid = t.album_rowid"
        ).fetchall()
        plan = str(connection.execute("EXPLAIN QUERY PLAN SELECT * FROM tracks WHERE isrc = 'X'")
                   .fetchall())  # fmt: skip
    albums = {row["id"]: row["title"] for row in rows(tmp_path / "copy", "albums")}
    wanted = [
        (row["id"], row["recording"], row["title"], ";".join(row["isrcs"] or ()) or None,
         row["explicit"], row["popularity"], albums.get(row["album_id"]),
         "|".join(row["artists"]) or None)
        for row in rows(tmp_path / "copy", "tracks")
    ]  # fmt: skip
    assert found == wanted
    assert "tracks_isrc" in plan
    connection.close()


def test_a_folder_that_is_there_stays_as_it_is(snapshot: Snapshot, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    (target / "mine").write_text("x")
    with pytest.raises(UsageError, match="is there already"):
        export.export(snapshot, target)
    assert [path.name for path in target.iterdir()] == ["mine"]
    (target / "mine").unlink()
    export.export(snapshot, target)
    assert (target / copies.MANIFEST).is_file()


KILLED = """
import os, signal, sys
from pathlib import Path
from longplay.catalogue import copies, export
from longplay.catalogue.snapshot import open_current
done = 0
def count(*_):
    global done
    done += 1
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
for name in ("write", "close"):
    inner = getattr(export._ParquetFiles, name)
    def wrapped(self, *given, inner=inner):
        count()
        return inner(self, *given)
    setattr(export._ParquetFiles, name, wrapped)
seal = copies.seal
copies.seal = lambda *given: (count(), seal(*given), count())[1]
export.export(open_current(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_a_killed_export_leaves_no_half_folder(snapshot: Snapshot, tmp_path: Path) -> None:
    target = tmp_path / "out" / "copy"
    for step in (1, 3, 5, 6):
        arguments = [str(snapshot.folder), str(target), str(step)]
        done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
        assert done.returncode == -signal.SIGKILL, step
        assert not target.exists(), step
    export.export(snapshot, target)
    assert len(rows(target, "tracks")) == 4
    assert os.listdir(tmp_path / "out") == ["copy"]  # noqa: PTH208


def test_ids_are_the_same_by_column_and_one_by_one() -> None:
    keys = np.array([0, 1, 2**63, 2**64 - 1, 0x0123456789ABCDEF], np.uint64)
    for prefix in ("tr", "rec"):
        column = copies.texts(prefix, keys)
        assert column.to_pylist() == [ids.text(prefix, int(key)) for key in keys]
        assert (copies.keys(prefix, column.slice(2)) == keys[2:]).all()
    with pytest.raises(InputError):
        copies.keys("tr", copies.texts("al", keys))


def test_any_program_reads_it(snapshot: Snapshot, tmp_path: Path) -> None:
    export.export(snapshot, tmp_path / "copy")
    with duckdb.connect() as connection:
        assert connection.execute(
            f"SELECT count(*) FROM '{tmp_path}/copy/tracks.parquet' t"
            f" JOIN '{tmp_path}/copy/albums.parquet' a ON t.album_id = a.id"
        ).fetchall() == [(2,)]
