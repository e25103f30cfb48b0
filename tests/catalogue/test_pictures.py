"""The catalogue drawn: right counts, and files that need nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from longplay.catalogue import figures, pictures
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import UsageError
from tests.catalogue import made


@pytest.fixture
def snapshot(catalogue: Path) -> Snapshot:
    made.bring(catalogue)
    return open_current(catalogue)


def test_the_figures_are_counts(snapshot: Snapshot) -> None:
    found = figures.figures(snapshot)
    assert (found.tracks, found.recordings) == (4, 4)
    assert found.popularity == [{"low": 40, "tracks": 1}, {"low": 90, "tracks": 1}]
    assert found.durations == [{"low": 180, "tracks": 1}]
    assert found.years == [{"year": 1999, "tracks": 1}, {"year": 2001, "tracks": 1}]
    assert {row["what"]: row["tracks"] for row in found.explicit} == {
        "explicit": 1, "not explicit": 1, "not said": 2,
    }  # fmt: skip
    assert {row["genre"] for row in found.genres} == {"jazz", "pop"}
    assert found.heard == "listens"
    assert found.tail[0] == {"recordings": 0.25, "share": 1.0}


def test_the_long_tail_is_a_few_points_of_any_catalogue(catalogue: Path) -> None:
    tracks = [{"own_id": str(n), "popularity": 100 / (n + 1)} for n in range(5000)]
    made.bring(catalogue, tracks=tracks)
    found = figures.figures(open_current(catalogue))
    assert found.heard == "popularity"
    assert 50 < len(found.tail) <= figures.RANKS + 1
    assert found.tail[-1] == {"recordings": 1.0, "share": pytest.approx(1.0)}
    shares = [row["share"] for row in found.tail]
    assert shares == sorted(shares)
    first = next(row for row in found.tail if row["recordings"] >= 0.01)
    whole = sum(100 / (n + 1) for n in range(5000))
    fifty = sum(100 / (n + 1) for n in range(round(first["recordings"] * 5000)))
    assert first["share"] == pytest.approx(fifty / whole, rel=1e-3)


@pytest.mark.parametrize("suffix", pictures.FORMATS)
def test_a_picture_is_drawn_without_a_network(
    snapshot: Snapshot, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"picture{suffix}"
    pictures.draw(snapshot, path)
    content = path.read_bytes()
    if suffix == ".png":
        assert content.startswith(b"\x89PNG")
    else:
        text = content.decode()
        assert "The long tail" in text
        assert not re.search(r"<(script|link)[^>]+(src|href)=", text)


def test_an_empty_catalogue_is_drawn_too(catalogue: Path, tmp_path: Path) -> None:
    pictures.draw(open_current(catalogue), tmp_path / "picture.svg")
    assert "0 tracks" in (tmp_path / "picture.svg").read_text()


def test_another_suffix_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png"):
        pictures.draw(snapshot, tmp_path / "picture.gif")
    assert not list(tmp_path.glob("picture*"))
