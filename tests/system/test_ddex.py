"""A label's deliveries from end to end: delivered, captured, released, taken down, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ddex_made import SALE, Delivery, Recording
from tests.system.conftest import Longplay, song

ISRCS = ("QZLP02600001", "QZLP02600002")


@pytest.fixture
def label(longplay: Longplay, tmp_path: Path) -> Path:
    """The folder where a label leaves its deliveries, a source of a new archive."""
    folder = tmp_path / "label"
    folder.mkdir()
    longplay.run("init", longplay.archive)
    longplay.run("source", "add", "label", "ddex", folder, "--rights", "agreement")
    return folder


def recordings(folder: Path, count: int = 2) -> list[Recording]:
    """Music that our own encoders made."""
    made = []
    for number, isrc in enumerate(ISRCS[:count], 1):
        path = song(folder.parent / f"{number}.flac", "flac", pitch=200 + 90 * number, seconds=2)
        made.append(Recording(number, isrc, body=path.read_bytes()))
    return made


def feed(longplay: Longplay) -> Any:
    return json.loads((longplay.archive / "releases" / "feed.json").read_text())


def refreshed(longplay: Longplay) -> dict[str, Any]:
    (one,) = longplay.json("source", "refresh")
    found: dict[str, Any] = one
    return found


def test_delivered_captured_released_taken_down_and_back(longplay: Longplay, label: Path) -> None:
    cover = b"\x89PNG\r\n\x1a\n" + bytes(100)
    batch = label / "N_20260102100000000"
    Delivery(recordings=recordings(label), cover=cover).write(batch / "one")
    assert (
        longplay.run("source", "refresh", expect=1)
        .err.strip()
        .endswith("(send BatchComplete_N_20260102100000000.xml when all of it is there)")
    )
    (batch / "BatchComplete_20260102100000000.xml").write_bytes(b"")
    done = refreshed(longplay)
    assert done == {
        "source": "label", "files": 4, "sound": 2, "tracks": 2, "rejected": 0,
        "withdrawn": 0, "returned": 0, "problems": [],
    }  # fmt: skip
    hits = longplay.json("catalogue", "search", "Piece 1")["hits"]
    assert (hits[0]["isrc"], hits[0]["artists"], hits[0]["album"]) == (
        ISRCS[0], ["Ann", "Bob"], "First",
    )  # fmt: skip
    longplay.run("plan")
    captured = longplay.json("capture")
    assert (captured["captured"], captured["quarantined"], captured["failed"]) == (4, 0, 0)
    cut = longplay.json("release", "cut")
    assert cut["withheld"] == {}
    released = {row["root"] for row in members(longplay)}
    assert len(released) >= 2

    (label / "down").mkdir()
    down = Delivery(message="m2", created="2026-02-01T00:00:00Z", terms=())
    down.recordings = recordings(label)
    (label / "down" / "m.xml").write_text(down.xml())
    assert refreshed(longplay)["withdrawn"] == 3
    assert {one["root"] for one in feed(longplay)["tombstones"]} >= released
    (claim,) = longplay.json("claim", "list")
    assert claim["state"] == "upheld"
    assert claim["ground"].startswith("takedown by the label, message m2 from PADPIDA2026000001A")
    again = longplay.json("release", "cut")
    assert again["withheld"] == {"withdrawn": 2}
    assert {row["root"] for row in members(longplay)} & released == set()
    assert longplay.json("status")["by_access_class"]["open"] == 0
    assert refreshed(longplay)["withdrawn"] == 0
    assert len(longplay.json("claim", "list")) == 1

    back = Delivery(recordings=recordings(label), message="m3", created="2026-03-01T00:00:00Z")
    back.write(label / "back")
    assert refreshed(longplay)["returned"] == 3
    assert [one["state"] for one in longplay.json("claim", "list")] == ["restored"]
    assert feed(longplay)["tombstones"] == []
    longplay.run("plan")
    longplay.run("capture")
    longplay.run("release", "cut")
    assert {row["root"] for row in members(longplay)} & released
    assert longplay.json("verify")["log"]["ok"]


def members(longplay: Longplay) -> list[dict[str, Any]]:
    """The rows of the current releases' manifests."""
    current = {one["release"] for one in feed(longplay)["releases"] if one["current"]}
    return [
        json.loads(line)
        for name in current
        for line in manifest(longplay, name).read_text().splitlines()
    ]


def manifest(longplay: Longplay, release: str) -> Path:
    return longplay.archive / "releases" / release / "manifest.jsonl"


def test_what_is_sold_is_kept_and_shown_to_nobody(longplay: Longplay, label: Path) -> None:
    Delivery(recordings=recordings(label, 1), terms=(SALE,)).write(label / "one")
    refreshed(longplay)
    longplay.run("plan")
    assert longplay.json("capture")["captured"] == 2
    assert longplay.json("status")["by_access_class"] == {"open": 0, "restricted": 0, "dark": 2}
    (one,) = longplay.json("rights", "explain", ISRCS[0])
    assert {it["act"] for it in one["answers"] if it["permitted"]} == {"describe"}
    assert "PayAsYouGoModel: OnDemandStream" in "".join(one["steps"][0])


def test_a_file_that_is_not_what_the_message_says_is_quarantined(
    longplay: Longplay, label: Path
) -> None:
    one, two = recordings(label)
    one.hash_sum = "0" * 32
    Delivery(recordings=[one, two]).write(label / "one")
    refreshed(longplay)
    longplay.run("plan")
    done = longplay.json("capture")
    assert (done["captured"], done["quarantined"]) == (2, 1)


def test_a_folder_without_a_message_is_no_delivery(longplay: Longplay, tmp_path: Path) -> None:
    for name in ("empty", "other", "link"):
        (tmp_path / name).mkdir()
    (tmp_path / "other" / "notes.xml").write_text("<notes/>")
    (tmp_path / "link" / "one").symlink_to(tmp_path / "other")
    for name in ("empty", "other", "link"):
        told = longplay.run("source", "check", tmp_path / name, expect=1)
        line = f"{tmp_path / name}: has no DDEX message in it (is it mounted? A delivery is"
        assert line in " ".join(told.err.split())
        assert told.out == ""


def test_what_is_amiss_is_told_to_who_sends_it(longplay: Longplay, label: Path) -> None:
    delivery = Delivery(recordings=recordings(label, 1))
    delivery.recordings.append(Recording(2, ISRCS[1]))
    delivery.write(label / "one")
    line = (
        "one/0720642442524.xml line 6: SoundRecording A2: the file 'resources/02.flac' is not in"
        " the delivery; send it, or correct the name in the message"
    )
    checked = longplay.run("source", "check", label, expect=1)
    assert f"left out: {line}" in " ".join(checked.out.split())
    told = longplay.json("source", "check", label, expect=1)
    assert (told["messages"], told["releases"], told["recordings"], told["files"]) == (1, 1, 1, 2)
    assert told["problems"][0]["grave"] == "part"
    done = refreshed(longplay)
    assert (done["sound"], done["problems"]) == (1, [line])
    assert "label: one/0720642442524.xml line 6" in longplay.run("source", "refresh").err
