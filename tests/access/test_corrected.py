"""What a curator corrected is what every page, the API and institutions are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from longplay.archive import open_archive
from longplay.catalogue import describe, ids
from longplay.catalogue.describe import Permitted
from longplay.catalogue.snapshot import open_current
from tests.access.conftest import Served


def facts(served: Served, recording: str) -> Any:
    got = served.web.get(f"/api/recordings/{recording}")
    assert got.status_code == 200, got.text
    return got.json()


@pytest.fixture
def recording(served: Served) -> str:
    return str(next(line for line in served.manifest() if line["title"] == "Piece 1")["recording"])


def ids_of(served: Served, recording: str) -> dict[str, str]:
    """The ids of a recording's track, album and artist."""
    with open_archive(served.longplay.archive) as archive:
        snapshot = open_current(archive.catalogue)
        with snapshot.connect() as connection:
            row = connection.execute(
                "SELECT track, a.key, r.key FROM members JOIN tracks t USING (track)"
                " JOIN albums a USING (album) JOIN artists r ON r.artist = t.artists[1]"
                " WHERE recording = ?",
                (ids.parse(recording)[1],),
            ).fetchone()
    assert row is not None
    return {
        kind: ids.text(kind, key) for kind, key in zip(("tr", "al", "ar"), row, strict=True)
    } | {"rec": recording}


def test_a_title_is_told_as_corrected_until_that_is_taken_back(
    served: Served, recording: str
) -> None:
    before = facts(served, recording)
    track = ids_of(served, recording)["tr"]
    served.longplay.run("edit", recording, "title=Of Recordings")
    assert facts(served, recording)["title"] == "Of Recordings"
    served.longplay.run("edit", track, "title=Of Tracks", "isrcs=QZLP02600999", "year=1971")
    told = facts(served, recording)
    assert (told["title"], told["isrc"], told["release_date"]) == (
        "Of Tracks", "QZLP02600999", "1971",
    )  # fmt: skip
    served.longplay.run("edit", track, "title=", "isrcs=", "year=")
    served.longplay.run("edit", recording, "title=")
    assert facts(served, recording) == before


def test_albums_and_artists_are_told_as_corrected(served: Served, recording: str) -> None:
    named = ids_of(served, recording)
    served.longplay.run("edit", named["al"], "title=Another One", "release_date=1988-02-03")
    served.longplay.run("edit", named["ar"], "name=Anna")
    told = facts(served, recording)
    assert (told["album"], told["release_date"], told["artists"]) == (
        "Another One", "1988-02-03", ["Anna"],
    )  # fmt: skip
    served.longplay.run("edit", named["tr"], "artists=Ann; Gast")
    assert facts(served, recording)["artists"] == ["Ann", "Gast"]


def test_what_holds_of_a_recording_holds_of_what_it_became(served: Served, recording: str) -> None:
    others = [line["recording"] for line in served.manifest() if line["recording"] != recording]
    for one in (recording, *others):
        served.longplay.run("edit", one, f"title=Said of {one}")
    told = served.longplay.json("join", recording, others[0])
    assert told
    with open_archive(served.longplay.archive) as archive:
        snapshot = open_current(archive.catalogue)
        keys = np.array([ids.parse(one)[1] for one in (recording, others[0])], np.uint64)
        rows = describe.display(snapshot, keys).to_pylist()
    (row,) = rows
    stands = ids.text("rec", row["recording"])
    gone = others[0] if stands == recording else recording
    assert row["title"] in (f"Said of {stands}", f"Said of {gone}")
    served.longplay.run("edit", stands, "title=Said Last")
    assert facts(served, stands)["title"] == "Said Last"


def test_institutions_are_told_the_same(served: Served, recording: str) -> None:
    served.longplay.run("edit", recording, "title=Put Right")
    for form in ("oai_dc", "mods"):
        identifier = f"oai:longplay.invalid:{recording}"
        query = f"verb=GetRecord&metadataPrefix={form}&identifier={identifier}"
        text = served.web.get(f"/oai?{query}").text
        assert ">Put Right<" in text
        assert ">Piece 1<" not in text


def test_a_curator_s_word_leaves_where_a_source_s_may_not(served: Served, recording: str) -> None:
    served.longplay.run("edit", recording, "genres=Waltz")
    with open_archive(served.longplay.archive) as archive:
        snapshot = open_current(archive.catalogue)
        leave = Permitted({"label": frozenset({"title", "artists"})}, np.empty(0, np.uint64))
        key = np.array([ids.parse(recording)[1]], np.uint64)
        (row,) = describe.display_permitted(snapshot, key, leave).to_pylist()
        nothing = Permitted({"label": frozenset()}, np.empty(0, np.uint64))
        assert describe.display_permitted(snapshot, key, nothing).num_rows == 0
    assert (row["title"], row["artists"], row["genres"]) == ("Piece 1", ["Ann"], ["Waltz"])
    assert row["album"] is row["isrc"] is row["duration_ms"] is None
