"""Snapshots: what is shared, what is swept, what is refused, and what a kill leaves."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from longplay.catalogue import coverage, describe, popularity
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import open_current, open_number
from longplay.errors import ArchiveError, InputError, LockedError, UsageError
from longplay.files import writer_lock
from tests.catalogue.conftest import Write


def sizes(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}


def test_nothing_imported_is_an_empty_catalogue(catalogue: Path) -> None:
    snapshot = open_current(catalogue)
    assert coverage.stats(snapshot).tracks == 0
    assert popularity.candidates(snapshot).num_rows == 0
    assert popularity.popularity_table(snapshot).num_rows == 0


def test_each_view_can_be_asked_for_alone(catalogue: Path, bring: Write) -> None:
    bring("a", [{"id": n, "title": f"Song {n}", "artists": "Ann; Bob"} for n in range(3)])
    bring("b", [{"id": 1, "title": "Song 1", "artists": "Ann; Bob", "isrc": "USABC0000001"}])
    bring("a", [{"id": n, "title": f"Song {n}", "artists": "Ann; Bob"} for n in range(1, 3)])
    snapshot = open_current(catalogue)
    with snapshot.connect() as connection:
        listed = "SELECT view_name FROM duckdb_views() WHERE NOT internal"
        views = [row[0] for row in connection.execute(listed).fetchall()]
        rows = {view: connection.execute(f"FROM {view} ORDER BY ALL").fetchall() for view in views}
    assert rows["tracks"] and rows["members"] and rows["run_recordings"]
    for view in views:
        with snapshot.connect(view) as connection:
            assert connection.execute(f"FROM {view} ORDER BY ALL").fetchall() == rows[view], view


def test_a_small_import_leaves_the_large_one_alone(catalogue: Path, bring: Write) -> None:
    bring(
        "large",
        (
            {"id": n, "title": f"Song {n}", "artists": f"Artist {n % 999}", "duration_ms": 1000 * n}
            for n in range(100_000)
        ),
    )
    before = sizes(catalogue)
    bring("small", ({"id": n, "title": f"Song {n}", "artists": f"Artist {n}"} for n in range(100)))
    after = sizes(catalogue)
    written = sum(size for name, size in after.items() if name not in before)
    assert {name: after.get(name) for name in before} == before
    assert written < 60_000 < sum(before.values()) / 15


def test_a_reimport_replaces_that_layer_alone(catalogue: Path, bring: Write) -> None:
    bring("a", [{"id": 1, "title": "one"}])
    bring("b", [{"id": 1, "title": "two"}])
    kept = open_current(catalogue).manifest.layers["b"]
    bring("a", [{"id": 1, "title": "three"}])
    assert open_current(catalogue).manifest.layers["b"] == kept
    with open_number(catalogue, 2).connect() as connection:
        assert connection.execute("SELECT title FROM tracks ORDER BY source").fetchall() == [
            ("one",),
            ("two",),
        ]


def test_every_file_is_listed_with_its_hash(catalogue: Path, bring: Write) -> None:
    bring("a", [{"id": 1, "title": "one"}])
    parts = list(open_current(catalogue).manifest.parts())
    assert parts
    for part in parts:
        data = (catalogue / part.file).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (part.bytes, part.sha256)


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b'{"version": []}'])
def test_a_damaged_old_snapshot_is_told_with_what_to_do(
    catalogue: Path, bring: Write, content: bytes
) -> None:
    bring("a", [{"id": 1}])
    bring("b", [{"id": 1}])
    old = catalogue / "snapshots" / "000001.json"
    old.write_bytes(content)
    with pytest.raises(ArchiveError, match="the snapshot is damaged") as caught:
        bring("c", [{"id": 1}])
    assert (caught.value.where, caught.value.hint) == (
        str(old),
        "bring it back from a backup, or remove it: then only what that old snapshot says is lost",
    )
    old.unlink()
    bring("c", [{"id": 1}])
    assert sorted(open_current(catalogue).manifest.layers) == ["a", "b", "c"]


def test_a_damaged_catalogue_is_told(catalogue: Path, bring: Write) -> None:
    bring("a", [{"id": 1, "title": "one"}])
    tracks = catalogue / open_current(catalogue).manifest.layers["a"].tables["tracks"][0].file
    whole = tracks.read_bytes()
    tracks.write_bytes(whole[:-1])
    with pytest.raises(ArchiveError, match="missing or damaged"):
        open_current(catalogue)
    tracks.write_bytes(whole)
    path = catalogue / "snapshots" / "000001.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "version": 99}))
    with pytest.raises(ArchiveError, match="newer Longplay"):
        open_current(catalogue)
    path.write_text("{}")
    with pytest.raises(ArchiveError, match="damaged"):
        open_current(catalogue)
    (catalogue / "current").write_text("x")
    with pytest.raises(ArchiveError, match="pointer is damaged"):
        open_current(catalogue)


def test_one_writer_at_a_time(catalogue: Path, bring: Write) -> None:
    with (
        writer_lock(catalogue / "writer.lock", "catalogue"),
        pytest.raises(LockedError, match="process"),
    ):
        bring("a", [{"id": 1}])


@pytest.mark.parametrize("name", ["../x", "", "a/b", "A B", "x" * 64])
def test_a_source_has_a_plain_name(catalogue: Path, tmp_path: Path, name: str) -> None:
    table = tmp_path / "a.csv"
    table.write_text("id\n1\n")
    with pytest.raises(UsageError, match="no name for a source"):
        import_table(catalogue, name, [table])
    assert not catalogue.exists()


CHILD = """
import sys
from pathlib import Path
from longplay.catalogue.importers.table import import_table
print("ready", flush=True)
import_table(Path(sys.argv[1]), sys.argv[2], [Path(sys.argv[3])])
"""


def test_a_killed_import_leaves_the_old_snapshot_and_no_files(
    catalogue: Path, tmp_path: Path, bring: Write
) -> None:
    bring("old", [{"id": 1, "title": "stays"}])
    table = tmp_path / "new.csv"
    table.write_text(
        "id,title,artists\n" + "".join(f"{n},Song {n},Artist {n % 100}\n" for n in range(30_000))
    )
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, catalogue, "new", table], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0, 0.9))
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        stats = coverage.stats(open_current(catalogue))
        assert stats.tracks in (1, 30_001)
    import_table(catalogue, "new", [table])
    undisturbed = tmp_path / "undisturbed"
    import_table(undisturbed, "old", [tmp_path / "old.csv"])
    import_table(undisturbed, "new", [table])
    assert sizes(catalogue).keys() == sizes(undisturbed).keys()
    with open_current(catalogue).connect() as one, open_current(undisturbed).connect() as other:
        query = "SELECT * FROM members ORDER BY ALL"
        assert one.execute(query).fetchall() == other.execute(query).fetchall()


def test_display_takes_the_track_that_says_most(catalogue: Path, bring: Write) -> None:
    bring("a", [{"id": 1, "isrc": "USABC0000001", "popularity": 90}])
    bring("b", [{"id": 1, "title": "T", "artists": "X;Y", "album": "L", "isrc": "USABC0000001"}])
    snapshot = open_current(catalogue)
    table = popularity.popularity_table(snapshot)
    assert table["popularity"].to_pylist() == [90]
    (shown,) = describe.display(snapshot, table["recording"].to_numpy()).to_pylist()
    assert (shown["title"], shown["artists"], shown["album"], shown["isrc"], shown["source"]) == (
        "T",
        ["X", "Y"],
        "L",
        "USABC0000001",
        "b",
    )


def test_stats_count_what_is_there(catalogue: Path, bring: Write) -> None:
    bring("a", [{"id": 1, "title": "T", "artists": "X", "duration_ms": 1, "isrc": "USABC0000001"}])
    bring("b", [{"id": 1, "title": "T", "artists": "X", "duration_ms": 2}, {"id": 1}, {"id": ""}])
    found = coverage.stats(open_current(catalogue))
    assert (found.tracks, found.artists, found.recordings, found.isrcs) == (2, 2, 1, 1)
    of_b = found.sources[1]
    assert (of_b.name, of_b.rows, of_b.declared, of_b.coverage) == ("b", 1, 3, 2 / 3)
    assert (of_b.rejected, of_b.duplicates) == (1, 1)


@pytest.mark.parametrize("empty", ["id,title\n", ""])
def test_a_source_with_nothing_in_it_replaces_no_layer(
    tmp_path: Path, catalogue: Path, empty: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,title\n1,T\n")
    import_table(catalogue, "s", [path])
    path.write_text(empty)
    with pytest.raises(InputError):
        import_table(catalogue, "s", [path])
    assert coverage.stats(open_current(catalogue)).tracks == 1
    assert open_current(catalogue).number == 1
