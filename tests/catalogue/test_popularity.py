"""Popularity by rank: beside the tracks, before what sources say, and what of it may leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from longplay.catalogue import heard, popularity
from longplay.catalogue.importers.listens.importing import import_listens
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import Snapshot, open_current
from tests.catalogue import made


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


def tracks(catalogue: Path, tmp_path: Path, count: int, extra: str = "") -> None:
    table = tmp_path / "tracks.csv"
    lines = [f"{n},Song number {n},Singer {n % 50},{extra}" for n in range(count)]
    table.write_text("id,title,artists,popularity\n" + "\n".join(lines) + "\n")
    import_table(catalogue, "t", [table])


def history(
    catalogue: Path, tmp_path: Path, plays: dict[int, tuple[int, int]], source: str = "lb"
) -> None:
    """Songs by number: how often they were heard, by how many accounts."""
    path = tmp_path / f"{source}.jsonl"
    with path.open("w") as out:
        for song, (times, accounts) in plays.items():
            for n in range(times):
                row = {
                    "user_id": n % accounts,
                    "timestamp": 1_700_000_000 + n,
                    "track_metadata": {
                        "artist_name": f"Singer {song % 50}",
                        "track_name": f"Song number {song}",
                    },
                }
                out.write(json.dumps(row) + "\n")
    import_listens(catalogue, source, [path])


def recordings(snapshot: Snapshot) -> dict[int, int]:
    with snapshot.connect() as connection:
        return {
            int(own): recording
            for own, recording in connection.execute(
                "SELECT own_id, recording FROM tracks JOIN members USING (track)"
            ).fetchall()
        }


def table(snapshot: Snapshot) -> dict[int, tuple[Any, Any]]:
    songs = {recording: song for song, recording in recordings(snapshot).items()}
    found = popularity.popularity_table(snapshot).to_pylist()
    return {songs[row["recording"]]: (row["popularity"], row["listens"]) for row in found}


@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(0.01, 1e9)))
def test_rank_is_monotone_equal_for_equals_and_between_0_and_100(listens: Any) -> None:
    ranks = heard.by_rank(listens)
    assert ranks.max() == 100
    assert ranks.min() > 0
    order = np.argsort(listens, kind="stable")
    assert (np.diff(ranks[order]) >= 0).all()
    same = np.diff(listens[order]) == 0
    assert (np.diff(ranks[order]) == 0)[same].all()
    assert (np.diff(ranks[order]) > 0)[~same].all()


def test_what_people_listen_to_stands_before_what_a_source_says(
    catalogue: Path, tmp_path: Path
) -> None:
    tracks(catalogue, tmp_path, 4, extra="50")
    before = table(open_current(catalogue))
    assert set(before.values()) == {(50, None)}

    history(catalogue, tmp_path, {0: (8, 2), 1: (2, 1)})
    after = table(open_current(catalogue))
    assert after[0] == (100, 8)
    assert after[1] == (pytest.approx(100 * (1 - np.log(2) / np.log(3))), 2)
    assert after[2][0] == 50, "what no history heard keeps its own popularity"
    assert 2 < after[2][1] < 8, "and as many listens as what was heard and is as popular"


def test_unheard_and_unknown_counts_nothing_once_listening_is_known(
    catalogue: Path, tmp_path: Path
) -> None:
    tracks(catalogue, tmp_path, 3)
    history(catalogue, tmp_path, {0: (3, 1)})
    assert table(open_current(catalogue)) == {0: (100, 3), 1: (None, 0), 2: (None, 0)}


def test_histories_add_up_and_a_re_import_replaces_one_alone(
    catalogue: Path, tmp_path: Path
) -> None:
    tracks(catalogue, tmp_path, 3)
    history(catalogue, tmp_path, {0: (3, 1)})
    history(catalogue, tmp_path, {0: (4, 1), 1: (9, 1)}, "other")
    assert table(open_current(catalogue))[0] == (100, 7)
    history(catalogue, tmp_path, {2: (1, 1)})
    after = table(open_current(catalogue))
    assert (after[0][1], after[1], after[2]) == (4, (100, 9), (100, 1))


def test_popularity_of_some_recordings(catalogue: Path, tmp_path: Path) -> None:
    tracks(catalogue, tmp_path, 60)
    empty = open_current(catalogue)
    assert np.isnan(popularity.of(empty, np.array([5], np.uint64))).all()
    history(catalogue, tmp_path, {n: (n + 1, 1) for n in range(50)})
    snapshot = open_current(catalogue)
    songs = recordings(snapshot)
    asked = np.array([songs[49], songs[55], 7, songs[0], songs[49]], np.uint64)
    found = popularity.of(snapshot, asked)
    assert found[0] == found[4] == 100
    assert np.isnan(found[[1, 2]]).all()
    assert 0 < found[3] < 1
    assert not len(popularity.of(snapshot, np.zeros(0, np.uint64)))


def test_what_fewer_than_twenty_accounts_heard_is_marked_as_local(
    catalogue: Path, tmp_path: Path
) -> None:
    tracks(catalogue, tmp_path, 5)
    history(catalogue, tmp_path, {0: (90, 19), 1: (40, 20), 2: (20, 20), 3: (20, 20)})
    history(catalogue, tmp_path, {0: (90, 19), 4: (2, 1)}, "second")
    with open_current(catalogue).connect("listens") as connection:
        local = connection.execute("SELECT title, local_only FROM listens").fetchall()
    # Twice nineteen accounts may be the same nineteen.
    assert dict(local) == {f"Song number {n}": n in (0, 4) for n in range(5)}


def test_new_listens_write_popularity_and_not_the_tracks(catalogue: Path, tmp_path: Path) -> None:
    tracks(catalogue, tmp_path, 60_000)
    history(catalogue, tmp_path, dict.fromkeys(range(40), (1, 1)))
    before = {path: path.stat() for path in catalogue.rglob("*") if path.is_file()}
    large = sum(facts.st_size for facts in before.values())
    history(catalogue, tmp_path, dict.fromkeys(range(20, 60), (2, 1)))
    after = {path: path.stat() for path in catalogue.rglob("*") if path.is_file()}
    written = {
        path for path, facts in after.items()
        if path not in before or before[path].st_mtime_ns != facts.st_mtime_ns
    }  # fmt: skip
    assert sum(path.stat().st_size for path in written) < 100_000 < large / 4
    assert not [path for path in written if "/t-" in str(path)]
    assert any(path.name.startswith("popularity-") for path in written)


def listens_of(catalogue: Path) -> dict[str, float]:
    with open_current(catalogue).connect() as connection:
        return dict(
            connection.execute(
                "SELECT t.own_id, p.listens FROM popularity p JOIN members USING (recording)"
                " JOIN tracks t USING (track)"
            ).fetchall()
        )


def plays(catalogue: Path, tmp_path: Path, *rows: dict[str, Any]) -> None:
    path = tmp_path / "plays.jsonl"
    path.write_text(
        "".join(
            json.dumps({"user_id": 1, "timestamp": 1_700_000_000 + n, "track_metadata": row}) + "\n"
            for n, row in enumerate(rows)
        )
    )
    import_listens(catalogue, "lb", [path])


def test_a_name_means_the_most_popular_recording_of_all_sources(
    catalogue: Path, tmp_path: Path
) -> None:
    artists = [{"ref": 1, "own_id": "w", "name": "Who"}]
    known = {"title": "Song", "artist_refs": [1]}
    obscure = [{"own_id": "obscure", **known, "popularity": 1.0, "duration_ms": 1000}]
    others = [{"own_id": str(n), "title": f"T{n}", "popularity": 99.0} for n in range(3)]
    famous = [*others, {"own_id": "famous", **known, "popularity": 95.0, "duration_ms": 9000}]
    made.bring(catalogue, "a", artists=artists, albums=[], tracks=obscure)
    made.bring(catalogue, "b", artists=artists, albums=[], tracks=famous)
    plays(catalogue, tmp_path, {"artist_name": "Who", "track_name": "Song"})
    assert listens_of(catalogue) == {"famous": 1.0}


def test_listens_of_a_merged_recording_are_those_of_what_it_became(
    catalogue: Path, tmp_path: Path
) -> None:
    old, between, now = (f"{digit}2345678-1234-4234-8234-123456789abc" for digit in "abc")
    made.bring(
        catalogue,
        tracks=[{"own_id": "1", "recording_mbid": now}],
        aliases=[
            {"kind": "recording", "old": old, "new": between},
            {"kind": "recording", "old": between, "new": now},
        ],
    )
    row = {"artist_name": "X", "track_name": "Y", "mbid_mapping": {"recording_mbid": old}}
    plays(catalogue, tmp_path, row)
    assert listens_of(catalogue) == {"1": 1.0}
