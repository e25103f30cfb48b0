"""From a folder of music to a kept one, and back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.system.conftest import Longplay, song


def same_trees(one: Path, other: Path) -> str:
    """What `diff -r` has to say, with times and modes beside it."""
    diff = subprocess.run(
        ["diff", "-r", "--no-dereference", one, other], capture_output=True, text=True, check=False
    ).stdout
    for path in sorted(one.rglob("*")):
        twin = other / path.relative_to(one)
        if path.is_symlink():
            continue
        mine, theirs = path.stat(), twin.stat()
        if (mine.st_mode, mine.st_mtime_ns) != (theirs.st_mode, theirs.st_mtime_ns):
            diff += f"{path} differs in mode or time\n"
    return diff


def test_keep_then_restore_gives_the_folder_back(
    longplay: Longplay, music: Path, tmp_path: Path
) -> None:
    kept = longplay.json("keep", music, "--archive", longplay.archive)
    capture = kept["capture"]
    assert capture["failed"] == 0
    assert capture["quarantined"] == 1
    assert capture["offered"] == capture["captured"] + capture["quarantined"]
    longplay.run("restore", tmp_path / "back")
    assert same_trees(music, tmp_path / "back") == ""


def test_a_second_keep_holds_everything_already(longplay: Longplay, music: Path) -> None:
    first = longplay.json("keep", music, "--archive", longplay.archive)
    again = longplay.json("keep", music, "--archive", longplay.archive)
    assert again["capture"]["captured"] == 0
    assert again["capture"]["already_held"] == first["capture"]["captured"]
    assert again["capture"]["quarantined"] == 1
    assert again["plan"]["plan"] == first["plan"]["plan"]
    assert longplay.json("verify")["checked"] > 0


def test_equal_bytes_are_stored_once_with_every_path(longplay: Longplay, music: Path) -> None:
    kept = longplay.json("keep", music, "--archive", longplay.archive)
    status = longplay.json("status")
    # The twin shares its object, the empty file is an object of its own.
    assert status["objects"] == kept["capture"]["captured"] - 1
    assert status["by_access_class"]["restricted"] >= 1
    assert status["due"] == 0


def test_a_file_added_later_is_the_only_one_captured(longplay: Longplay, music: Path) -> None:
    longplay.json("keep", music, "--archive", longplay.archive)
    song(music / "Cid" / "new.mp3", "mp3", pitch=1234, title="New", artists=("Cid",))
    again = longplay.json("keep", music, "--archive", longplay.archive)
    assert again["capture"]["captured"] == 1


def test_the_reason_for_a_quarantine_is_told_to_a_person(longplay: Longplay, music: Path) -> None:
    longplay.json("keep", music, "--archive", longplay.archive)
    query = longplay.archive / "ledger.sqlite3"
    reason = subprocess.run(
        ["python3", "-c", "import sqlite3,sys;print(*sqlite3.connect(sys.argv[1]).execute("
         "'select path, reason from quarantine'))", query],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "no sound.mp3" in reason
    assert len(reason) > 40


def test_an_archive_inside_its_folder_is_refused_and_the_reverse(
    longplay: Longplay, music: Path, tmp_path: Path
) -> None:
    inside = longplay.run("keep", music, "--archive", music / "archive", expect=1)
    assert "inside" in inside.err
    assert not (music / "archive").exists()
    around = longplay.run("keep", music, "--archive", tmp_path, expect=1)
    assert "inside" in around.err


def test_words_choose_what_is_restored(longplay: Longplay, music: Path, tmp_path: Path) -> None:
    longplay.json("keep", music, "--archive", longplay.archive)
    longplay.run("restore", tmp_path / "back", "bob", "SECRET")
    files = [path for path in (tmp_path / "back").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["secret.flac"]


def test_an_empty_folder_is_kept_without_complaint(longplay: Longplay, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    kept = longplay.json("keep", tmp_path / "music", "--archive", longplay.archive)
    assert kept["capture"]["offered"] == 0
    assert kept["capture"]["share_of_listens"] == 0


def test_a_folder_that_is_not_there_is_told_in_one_line(longplay: Longplay) -> None:
    answer = longplay.run("keep", "/nowhere/at/all", "--archive", longplay.archive, expect=1)
    assert answer.err.count("\n") == 1
    error = longplay.run(
        "keep", "/nowhere/at/all", "--archive", longplay.archive, "--json", expect=1
    ).json["error"]
    assert set(error) == {"code", "message", "hint", "where"}


def test_restoring_writes_nothing_through_a_link(
    longplay: Longplay, music: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (music / "d").symlink_to(outside)
    longplay.json("keep", music, "--archive", longplay.archive)
    longplay.run("restore", tmp_path / "back")
    (music / "d").unlink()
    (music / "d").mkdir()
    (music / "d" / "f.txt").write_text("inside")
    longplay.json("keep", music, "--archive", longplay.archive)
    told = longplay.run("restore", tmp_path / "back", expect=1)
    assert "symbolic link" in told.err
    assert list(outside.iterdir()) == []


def test_a_rotten_object_is_not_handed_out(longplay: Longplay, music: Path, tmp_path: Path) -> None:
    longplay.json("keep", music, "--archive", longplay.archive)
    victim = next(path for path in (longplay.archive / "objects").rglob("*.png"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    told = longplay.run("restore", tmp_path / "back", expect=1)
    assert "cover.png" in told.err
    assert not (tmp_path / "back" / "Ann" / "First" / "cover.png").exists()
    assert (tmp_path / "back" / "Ann" / "First" / "rip.log").exists()


def test_a_time_beyond_all_tables_stops_nothing(longplay: Longplay, music: Path) -> None:
    os.utime(music / "nothing.txt", ns=(13 * 10**18, 13 * 10**18))
    kept = longplay.json("keep", music, "--archive", longplay.archive)
    assert kept["capture"]["failed"] == 0
