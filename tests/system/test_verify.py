"""Damage is found, exactly, and only where it is."""

from __future__ import annotations

import random
from pathlib import Path

from tests.system.conftest import Longplay, song

BLOCK = 16 * 1024


def objects(archive: Path) -> list[Path]:
    return sorted(path for path in (archive / "objects").glob("??/??/*") if path.is_file())


def test_flipped_bits_are_named_by_object_and_block(longplay: Longplay, tmp_path: Path) -> None:
    for number in range(6):
        song(tmp_path / "music" / f"{number}.flac", "flac", pitch=200 + 50 * number, seconds=6)
    longplay.json("keep", tmp_path / "music", "--archive", longplay.archive)
    assert longplay.json("verify")["damaged"] == []
    chance = random.Random(20)
    expected = {}
    for path in chance.sample(objects(longplay.archive), 4):
        data = bytearray(path.read_bytes())
        place = chance.randrange(len(data))
        data[place] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        expected[path.name[:64]] = [place // BLOCK]
    found = longplay.json("verify", expect=3)
    assert {one["object"]: one["blocks"] for one in found["damaged"]} == expected
    assert found["missing"] == found["unknown_files"] == []
    assert found["log"]["ok"]


def test_missing_objects_and_unknown_files_are_named(longplay: Longplay, music: Path) -> None:
    longplay.json("keep", music, "--archive", longplay.archive)
    victim = objects(longplay.archive)[0]
    victim.unlink()
    stranger = longplay.archive / "objects" / "stranger"
    stranger.write_text("?")
    found = longplay.json("verify", expect=3)
    assert found["missing"] == [victim.name[:64]]
    assert found["unknown_files"] == ["objects/stranger"]
    assert found["damaged"] == []


def test_a_rewritten_log_is_seen(longplay: Longplay, music: Path) -> None:
    import sqlite3

    longplay.json("keep", music, "--archive", longplay.archive)
    with sqlite3.connect(longplay.archive / "ledger.sqlite3") as ledger:
        ledger.execute("UPDATE log SET detail = replace(detail, '\"files\"', '\"fines\"')")
        changed = ledger.execute("SELECT min(number) FROM log WHERE event = 'capture'").fetchone()
    ledger.close()
    found = longplay.json("verify", expect=3)
    assert found["log"]["ok"] is False
    assert found["log"]["broken_at"] == changed[0]


def test_a_sample_checks_those_longest_unchecked(longplay: Longplay, music: Path) -> None:
    longplay.json("keep", music, "--archive", longplay.archive)
    count = longplay.json("status")["objects"]
    first = longplay.json("verify", "--sample", "50%")
    assert first["checked"] == -(-count // 2)
    assert longplay.run("verify", "--sample", "0%", expect=2).out == ""


def test_damaged_evidence_is_a_finding(longplay: Longplay, music: Path) -> None:
    longplay.json("keep", music, "--archive", longplay.archive)
    events = next((longplay.archive / "evidence").glob("events-*"))
    data = bytearray(events.read_bytes())
    data[len(data) // 2] ^= 1
    events.write_bytes(data)
    found = longplay.json("verify", expect=3)
    assert found["damaged_evidence"] == [events.name]
    assert found["damaged"] == found["missing"] == []
