"""Counts of whole catalogues, against the plain queries that they stand for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.catalogue import counting, curation, ids, layout, weights
from longplay.catalogue.curation import Hand
from longplay.catalogue.snapshot import open_current
from tests.catalogue.conftest import Write

CODES = [f"USABC000000{n}" for n in range(5)]


def row(own_id: str, isrc: str = "", popularity: Any = "", listens: Any = "") -> dict[str, Any]:
    return {"id": own_id, "isrc": isrc, "popularity": popularity, "listens": listens}


@pytest.fixture
def joined(catalogue: Path, bring: Write) -> Path:
    """Three sources: recordings of one layer, of two, moved by joins, by a curator, and left."""
    bring("a", [row("1", CODES[0], 10, 5), row("2", CODES[0], 90), row("3"), row("4", CODES[1], 7)])
    bring("b", [row("1", CODES[0], 95, 2.5), row("2", CODES[1]), row("3", CODES[2], 1, 1)])
    bring(
        "c", [row("1", CODES[3], 50), row("2", f"{CODES[2]};{CODES[0]}", 3, 40), row("4", CODES[4])]
    )
    bring("a", [row("1", CODES[0], 10, 5), row("3"), row("4", CODES[4], 7), row("5", "", 33, 0)])
    three, five = (ids.text("tr", ids.row_key("tr", "a", own_id)) for own_id in "35")
    curation.join(catalogue, [three, five], Hand("ann"))
    return catalogue


@pytest.fixture
def alone(catalogue: Path, bring: Write) -> Path:
    bring("a", [row("1", CODES[0], 10), row("2", CODES[0], 90), row("3"), row("4", CODES[1])])
    return catalogue


@pytest.mark.parametrize("which", ["joined", "alone"])
def test_every_recording_is_weighed_as_a_query_would(
    which: str, request: pytest.FixtureRequest
) -> None:
    snapshot = open_current(request.getfixturevalue(which))
    with snapshot.connect() as connection:
        expected = {
            recording: (popularity, listens)
            for recording, popularity, listens in connection.execute(
                "SELECT recording, max(popularity), sum(listens) FROM members"
                " JOIN tracks USING (track) GROUP BY recording"
            ).fetchall()
        }
    found = weights.weigh(snapshot)
    listens = found.listens if len(found.listens) else np.full(len(found.recordings), np.nan)
    said = {
        recording: tuple(None if math.isnan(value) else value for value in values)
        for recording, *values in zip(
            found.recordings.tolist(), found.popularity.tolist(), listens.tolist(), strict=True
        )
    }
    assert len(found.recordings) == len(said) == counting.recordings(snapshot)
    assert said == expected


@pytest.mark.parametrize("asked", [counting.MOST_ASKED, 0])
def test_isrcs_are_counted_once_whichever_layers_have_them(
    joined: Path, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    monkeypatch.setattr(counting, "MOST_ASKED", asked)
    snapshot = open_current(joined)
    assert counting.isrcs(snapshot) == 5
    layers = layout.read(joined, snapshot.number).layers
    assert {name: layers[name].isrcs for name in "abc"} == {"a": 2, "b": 3, "c": 4}


def test_isrcs_of_one_source_are_in_its_snapshot_and_not_read(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = open_current(alone)
    monkeypatch.setattr(counting, "batches", None)
    assert counting.isrcs(snapshot) == 2
