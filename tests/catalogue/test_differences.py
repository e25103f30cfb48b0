"""Differences: what was changed is all that is sent, and whoever applies it has the newer rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longplay.catalogue import copies, database, differences, export, layout
from longplay.catalogue.snapshot import Snapshot, open_current, open_number
from longplay.errors import InputError, UsageError
from tests.catalogue import made

NEWER = [
    {**made.TRACKS[0], "title": "Blått"},  # changed
    *made.TRACKS[1:3],  # the same; number 4 went
    {"own_id": "5", "title": "Ny", "artist_refs": [3, 1], "album_ref": 11, "popularity": 99.0},
]


@pytest.fixture
def origin(catalogue: Path) -> Path:
    """Snapshot 1, 2 (another source, which stays) and 3 (the first one, edited)."""
    made.bring(catalogue)
    made.bring(catalogue, "other", tracks=made.TRACKS[:2])
    made.bring(catalogue, tracks=NEWER)
    return catalogue


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / f"{table}.parquet").to_pylist()
    return sorted(found, key=lambda row: str(row.get("id")))


def as_copied(snapshot: Snapshot, folder: Path) -> dict[str, list[dict[str, Any]]]:
    export.export(snapshot, folder, terms="own")
    return {table: rows(folder, table) for table in copies.ROWS}


def test_only_what_changed_is_sent(origin: Path, tmp_path: Path) -> None:
    old, new = open_number(origin, 2), open_current(origin)
    copy = differences.difference(old, new, tmp_path / "diff")
    assert (copy.kind, copy.since, copy.snapshot) == ("difference", 2, 3)
    assert {row["own_id"] for row in rows(tmp_path / "diff", "tracks")} == {"1", "5"}
    assert [(row["kind"], row["own_id"]) for row in rows(tmp_path / "diff", "tombstones")] == [
        ("tracks", "4")
    ]
    assert [each.source for each in copy.sources] == ["songs"]
    assert copies.read(tmp_path / "diff") == copy
    assert sorted(path.suffix for path in (tmp_path / "diff").iterdir()) == sorted(
        [".parquet"] * 5 + [".json", ".txt", ""]
    )


def test_another_archive_applies_a_copy_then_a_difference(
    origin: Path, there: Path, tmp_path: Path
) -> None:
    export.export(open_number(origin, 2), tmp_path / "full")
    differences.difference(open_number(origin, 2), open_current(origin), tmp_path / "diff")
    first = differences.apply(there, tmp_path / "full")
    assert (first.changed, first.tracks) == (("other", "songs"), 6)
    second = differences.apply(there, tmp_path / "diff")
    assert (second.changed, second.tracks) == (("songs",), 4)
    mine, theirs = (
        {table: [{**row, "recording": None} for row in found] for table, found in copied.items()}
        for copied in (
            as_copied(open_current(there), tmp_path / "a"),
            as_copied(open_current(origin), tmp_path / "b"),
        )
    )
    assert mine == theirs  # but for recordings: which one is older, each archive knows for itself
    again = differences.apply(there, tmp_path / "diff")
    assert (again.changed, again.unchanged) == ((), ("songs",))
    assert again.snapshot == second.snapshot


def test_a_difference_since_a_copy_is_the_same(origin: Path, tmp_path: Path) -> None:
    export.export(open_number(origin, 2), tmp_path / "full")
    one = differences.difference(tmp_path / "full", open_current(origin), tmp_path / "one")
    two = differences.difference(open_number(origin, 2), open_current(origin), tmp_path / "two")
    for table in (*copies.TABLES, "tombstones"):
        assert rows(tmp_path / "one", table) == rows(tmp_path / "two", table)
    assert (one.base, one.sources) == (two.base, two.sources)


def test_a_source_that_may_not_leave_any_more_becomes_tombstones(
    catalogue: Path, there: Path, tmp_path: Path
) -> None:
    made.bring(catalogue)
    made.bring(catalogue, "other")
    export.export(open_current(catalogue), tmp_path / "full")
    differences.apply(there, tmp_path / "full")
    made.bring(catalogue, licence=None)
    differences.difference(tmp_path / "full", open_current(catalogue), tmp_path / "diff")
    differences.apply(there, tmp_path / "diff")
    left = as_copied(open_current(there), tmp_path / "left")
    assert {row["source"] for row in left["tracks"]} == {"other"}


def test_a_difference_from_another_state_is_refused(
    origin: Path, there: Path, tmp_path: Path
) -> None:
    export.export(open_current(origin), tmp_path / "full")
    made.bring(origin, tracks=made.TRACKS[:1])
    made.bring(origin, tracks=made.TRACKS[:2])
    differences.difference(open_number(origin, 4), open_current(origin), tmp_path / "late")
    differences.apply(there, tmp_path / "full")
    before = layout.current_number(there)
    with pytest.raises(InputError, match="starts from another state of songs"):
        differences.apply(there, tmp_path / "late")
    assert layout.current_number(there) == before


def test_a_damaged_difference_changes_nothing(origin: Path, there: Path, tmp_path: Path) -> None:
    export.export(open_number(origin, 2), tmp_path / "full")
    differences.difference(open_number(origin, 2), open_current(origin), tmp_path / "diff")
    differences.apply(there, tmp_path / "full")
    before = layout.current_number(there)
    for name in ("tracks.parquet", "tombstones.parquet", "manifest.json"):
        path = tmp_path / "diff" / name
        whole = path.read_bytes()
        for broken in (whole[:-7], whole[: len(whole) // 2], b""):
            path.write_bytes(broken)
            with pytest.raises(InputError):
                differences.apply(there, tmp_path / "diff")
        path.write_bytes(whole)
    (tmp_path / "diff" / "albums.parquet").unlink()
    with pytest.raises(InputError):
        differences.apply(there, tmp_path / "diff")
    assert layout.current_number(there) == before


@pytest.mark.parametrize(
    "forge",
    [
        {"own_id": "9"},  # an id that is not that row's
        {"id": "tr" + "z" * 13},
        {"id": "nonsense"},
        {"title": "something else"},  # not what the digest says
        {"source": "others"},
    ],
)
def test_a_forged_copy_is_refused(
    origin: Path, there: Path, tmp_path: Path, forge: dict[str, str]
) -> None:
    """Whoever makes the checksums anew still has to make the rows fit."""
    export.export(open_number(origin, 1), tmp_path / "full")
    path = tmp_path / "full" / "tracks.parquet"
    table = pq.read_table(path)
    changed = [{**table.to_pylist()[0], **forge}, *table.to_pylist()[1:]]
    pq.write_table(pa.Table.from_pylist(changed, schema=copies.TABLES["tracks"]), path)
    manifest = json.loads((tmp_path / "full" / "manifest.json").read_text())
    for each in manifest["files"]:
        if each["file"] == path.name:
            found = copies.described(path, each["rows"])
            each |= {"bytes": found.bytes, "sha256": found.sha256}
    (tmp_path / "full" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError):
        differences.apply(there, tmp_path / "full")
    assert layout.current_number(there) == 0


def test_a_parquet_file_of_other_columns_is_refused(
    origin: Path, there: Path, tmp_path: Path
) -> None:
    export.export(open_number(origin, 1), tmp_path / "full")
    for content in (b"PAR1", b"x" * 100):
        path = tmp_path / "full" / "tracks.parquet"
        path.write_bytes(content)
        _vouch(tmp_path / "full", path)
        with pytest.raises(InputError):
            differences.apply(there, tmp_path / "full")
    pq.write_table(pa.table({"id": [1, 2]}), path)
    _vouch(tmp_path / "full", path)
    with pytest.raises(InputError):
        differences.apply(there, tmp_path / "full")
    assert layout.current_number(there) == 0


def _vouch(folder: Path, path: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    found = copies.described(path, 4)
    for each in manifest["files"]:
        if each["file"] == path.name:
            each |= {"bytes": found.bytes, "sha256": found.sha256}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_source_of_one_s_own_is_never_replaced(origin: Path, there: Path, tmp_path: Path) -> None:
    made.bring(there, tracks=made.TRACKS[:1])
    export.export(open_current(origin), tmp_path / "full")
    with pytest.raises(UsageError, match="songs is a source of this archive"):
        differences.apply(there, tmp_path / "full")
    assert len(open_current(there).manifest.layers) == 1


def test_a_copy_for_own_use_stays_where_it_came(origin: Path, there: Path, tmp_path: Path) -> None:
    export.export(open_current(origin), tmp_path / "own", terms="own")
    differences.apply(there, tmp_path / "own")
    with pytest.raises(UsageError, match="no source's licence"):
        export.export(open_current(there), tmp_path / "on")


names = st.text(alphabet="abcæ ;ß日'\"[", max_size=4)
artist_rows = st.dictionaries(st.integers(0, 5), st.fixed_dictionaries({"name": names | st.none()}))
album_rows = st.dictionaries(
    st.integers(0, 4),
    st.fixed_dictionaries(
        {"title": names | st.none(), "artist_refs": st.lists(st.integers(0, 6), max_size=2)}
    ),
)
track_rows = st.dictionaries(
    st.integers(0, 8),
    st.fixed_dictionaries(
        {
            "title": names | st.none(),
            "artist_refs": st.lists(st.integers(0, 6), max_size=3),
            "album_ref": st.none() | st.integers(0, 5),
            "duration_ms": st.none() | st.integers(1, 9999),
            "genres": st.none() | st.lists(names, max_size=2),
            "explicit": st.none() | st.booleans(),
            "popularity": st.none() | st.floats(0, 100, width=32),
            "listens": st.none() | st.floats(0, 1e12),
        }
    ),
    min_size=1,
)
catalogues = st.tuples(track_rows, album_rows, artist_rows)


def _import(folder: Path, drawn: Any) -> Snapshot:
    tracks, albums, artists = drawn
    made.bring(
        folder,
        tracks=[{"own_id": f"t{key}", **row} for key, row in tracks.items()],
        albums=[{"own_id": f"b{key}", "ref": key, **row} for key, row in albums.items()],
        artists=[{"own_id": f"a{key}", "ref": key, **row} for key, row in artists.items()],
    )
    return open_current(folder)


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=st.lists(catalogues, min_size=2, max_size=3))
def test_whoever_applies_all_differences_has_the_newest_rows(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Any]
) -> None:
    here = tmp_path_factory.mktemp("property")
    there = here / "there"
    before: Snapshot | None = None
    for step, rows_then in enumerate(drawn):
        now = _import(here / "origin", rows_then)
        if before is None:
            export.export(now, here / "full")
            differences.apply(there, here / "full")
        else:
            differences.difference(before, now, here / f"diff{step}")
            differences.apply(there, here / f"diff{step}")
        before = now
        wanted = as_copied(now, here / f"origin{step}")
        assert as_copied(open_current(there), here / f"there{step}") == wanted


@settings(max_examples=15, deadline=None)
@given(old=artist_rows, new=artist_rows)
def test_the_difference_and_the_old_rows_make_the_new_rows(
    tmp_path_factory: pytest.TempPathFactory, old: Any, new: Any
) -> None:
    here = tmp_path_factory.mktemp("rows")
    for name, drawn in (("old", old), ("new", new), ("diff", {})):
        (here / name).mkdir()
        for table, schema in copies.TABLES.items():
            kept = drawn.items() if table == "artists" else ()
            listed = [{"id": f"ar{key}", "source": "s", "own_id": str(key), **row}
                      for key, row in kept]  # fmt: skip
            pq.write_table(
                pa.Table.from_pylist(listed, schema=schema), here / name / f"{table}.parquet"
            )
    differences.between(here / "old", here / "new", here / "diff")
    with database.opened() as connection:
        query = differences.merged(
            f"SELECT * FROM '{here}/old/artists.parquet'",
            f"SELECT * FROM '{here}/diff/artists.parquet'",
            f"SELECT id FROM '{here}/diff/tombstones.parquet'",
        )
        found = sorted(connection.sql(query).fetchall())
        wanted = sorted(connection.sql(f"FROM '{here}/new/artists.parquet'").fetchall())
    assert found == wanted
