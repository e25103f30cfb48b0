"""Pruning: what nobody needs goes, what somebody needs stays, and ids live on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from longplay.catalogue import ids, layout, prune
from longplay.catalogue.snapshot import open_current, open_number
from longplay.errors import ArchiveError, UsageError
from tests.catalogue import made

EDITED = [{**made.TRACKS[0], "title": "Blått"}, made.TRACKS[1]]


@pytest.fixture
def folder(catalogue: Path) -> Path:
    """Four snapshots; of `songs` three layers, of `other` one."""
    made.bring(catalogue)
    made.bring(catalogue, "other")
    made.bring(catalogue, tracks=EDITED)
    made.bring(catalogue, tracks=EDITED[:1], artists=made.ARTISTS[:1])
    return catalogue


def numbers(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in (folder / "snapshots").glob("*.json"))


def layers(folder: Path) -> set[str]:
    return {path.name for path in (folder / "layers").iterdir()}


def size(folder: Path) -> int:
    return sum(
        path.stat().st_size
        for below in ("layers", "joins")
        for path in (folder / below).rglob("*")
        if path.is_file()
    )


def key(prefix: ids.RowPrefix, own_id: str, source: str = "songs") -> int:
    return ids.row_key(prefix, source, own_id)


def test_old_snapshots_go_with_the_layers_that_only_they_have(folder: Path) -> None:
    before = size(folder)
    done = prune.prune(folder)
    assert (done.removed, done.kept) == ((1, 2, 3), (4,))
    assert layers(folder) == {"songs-000004", "other-000002"}
    assert done.layers == ("songs-000001", "songs-000003")
    assert done.bytes == before - size(folder) > 0
    with open_current(folder).connect() as connection:
        assert connection.sql("SELECT count(*) FROM tracks").fetchall() == [(5,)]
    again = prune.prune(folder)
    assert (again.removed, again.bytes, again.retired) == ((), 0, 0)


def test_as_many_stay_as_asked_and_those_that_are_needed(folder: Path) -> None:
    assert prune.prune(folder, keep=2, needed=[1, 99]).removed == (2,)
    assert numbers(folder) == [1, 3, 4]
    for number in numbers(folder):
        with open_number(folder, number).connect() as connection:
            connection.sql("FROM tracks").fetchall()
    with pytest.raises(UsageError):
        prune.prune(folder, keep=0)


def test_what_is_being_read_stays(folder: Path) -> None:
    with layout.held(folder, 2):
        done = prune.prune(folder)
        assert (done.removed, done.kept, done.reading) == ((1, 3), (2, 4), (2,))
        with open_number(folder, 2).connect() as connection:
            assert connection.sql("SELECT count(*) FROM tracks").fetchall() == [(8,)]
    assert prune.prune(folder).removed == (2,)
    with pytest.raises(ArchiveError, match="snapshot 2 was pruned"), layout.held(folder, 2):
        pass


def test_ids_of_what_went_are_still_known(folder: Path) -> None:
    assert prune.prune(folder).retired
    for prefix, own_id in (("tr", "2"), ("tr", "4"), ("ar", "a2")):
        assert prune.retired(folder, prefix, key(prefix, own_id)), own_id  # type: ignore[arg-type]
    for prefix, own_id in (("tr", "1"), ("ar", "a1"), ("al", "b1"), ("tr", "never")):
        assert not prune.retired(folder, prefix, key(prefix, own_id))  # type: ignore[arg-type]
    assert not prune.retired(folder, "tr", key("tr", "4", "other"))
    made.bring(folder, tracks=made.TRACKS[2:3])
    prune.prune(folder)
    assert prune.retired(folder, "tr", key("tr", "1"))
    assert prune.retired(folder, "tr", key("tr", "4"))


KILLED = """
import os, signal, sys
from pathlib import Path
from longplay.catalogue import layout, prune
steps = 0
def step(inner):
    def wrapped(*given, **named):
        global steps
        steps += 1
        if steps == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*given, **named)
    return wrapped
layout.publish_part = step(layout.publish_part)
layout.sweep = step(layout.sweep)
Path.unlink = step(Path.unlink)
prune.prune(Path(sys.argv[1]))
"""


def test_a_killed_pruning_leaves_a_whole_catalogue(folder: Path) -> None:
    for step in range(1, 10):
        done = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(step)], check=False)
        assert done.returncode in (0, -signal.SIGKILL)
        with open_current(folder).connect() as connection:
            assert connection.sql("SELECT count(*) FROM tracks").fetchall() == [(5,)]
        for number in numbers(folder):
            open_number(folder, number)
    prune.prune(folder)
    assert numbers(folder) == [4]
    assert layers(folder) == {"songs-000004", "other-000002"}
    assert prune.retired(folder, "tr", key("tr", "4"))
    assert not list((folder / layout.SCRATCH).glob("*"))


def test_an_empty_catalogue_has_nothing_to_prune(catalogue: Path) -> None:
    catalogue.mkdir()
    assert prune.prune(catalogue).removed == ()
