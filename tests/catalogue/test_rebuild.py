"""Indexes are made again from the tables, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from longplay.catalogue import rebuild
from longplay.catalogue.search.finding import search
from longplay.catalogue.snapshot import open_current
from longplay.errors import ArchiveError
from tests.catalogue.conftest import Write


def quiet(_done: int, _total: int, _words: str) -> None:
    pass


@pytest.fixture
def indexes(catalogue: Path, bring: Write) -> dict[Path, bytes]:
    rows = (
        {
            "id": n,
            "title": f"Song {n % 700}",
            "artists": f"Ann {n % 9};Бob",
            "album": f"L{n % 50}",
            "isrc": f"USABC{n % 300:07}",
            "duration_ms": 1000 * (n % 40),
            "popularity": n % 101,
        }
        for n in range(2000)
    )
    bring("a", rows)
    bring("b", [{"id": 1, "title": "Track 01", "artists": "Unknown"}, {"id": 2, "title": "Solo"}])
    return {path: path.read_bytes() for path in sorted(catalogue.glob("layers/*/index/*"))}


def test_indexes_that_were_lost_are_the_same_again(
    catalogue: Path, indexes: dict[Path, bytes]
) -> None:
    for path in indexes:
        path.unlink()
    built = rebuild.rebuild(catalogue, progress=quiet)
    assert sorted(built) == ["a", "b"]
    assert {
        path: path.read_bytes() for path in sorted(catalogue.glob("layers/*/index/*"))
    } == indexes
    assert open_current(catalogue).number == 2


def test_damage_is_told_and_mended(catalogue: Path, indexes: dict[Path, bytes]) -> None:
    path = next(path for path in indexes if path.name == "terms" and "a-0" in str(path))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ArchiveError, match="damaged") as told:
        search(open_current(catalogue), "song 77")
    assert "longplay rebuild" in str(told.value.hint)
    rebuild.rebuild(catalogue, progress=quiet)
    assert search(open_current(catalogue), "song 77").hits
