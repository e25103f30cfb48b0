"""Songs to capture, and clusters that things happen to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dask_cluster import DaskCluster, dask_cluster
from tests.system.conftest import Longplay, longplay, song

__all__ = ["longplay"]

SONGS = 135


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough short files for several ranges, one of them broken."""
    folder = tmp_path_factory.mktemp("songs")
    for number in range(SONGS):
        song(
            folder / f"{number:03}.flac",
            "flac",
            pitch=150 + number,
            seconds=1,
            title=f"Piece {number}",
            artists=("Ann",),
        )
    (folder / "broken.mp3").write_bytes(b"no sound" * 1000)
    return folder


@pytest.fixture(scope="session")
def calm(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> Longplay:
    """The archive of the songs that nothing happened to, captured by this machine alone."""
    made = Longplay(tmp_path_factory.mktemp("calm") / "archive")
    made.json("keep", songs)
    return made


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    """A scheduler; the tests add workers."""
    with dask_cluster(tmp_path / "dask") as made:
        yield made
