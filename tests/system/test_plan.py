"""Planning and capture under a budget, through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.conftest import Longplay, song


@pytest.fixture
def archive(longplay: Longplay, tmp_path: Path) -> Longplay:
    for number in range(6):
        song(tmp_path / "m" / f"{number}.wav", "wav", pitch=200 + 50 * number, seconds=8,
             title=f"T{number}", artists=("Ann",))  # fmt: skip
    (tmp_path / "m" / "notes.txt").write_text("about the session")
    longplay.run("init", longplay.archive)
    longplay.run("source", "add", "m", "folder", tmp_path / "m", "--rights", "personal")
    longplay.run("catalogue", "import", tmp_path / "m")
    return longplay


def test_a_budget_is_kept_by_opus_copies_and_by_leaving_out(archive: Longplay) -> None:
    free = archive.json("plan")
    assert (free["original"], free["opus"], free["skipped"]) == (6, 0, 0)
    tight = archive.json("plan", "--budget", "1MB")
    assert tight["bytes"] <= 1_000_000
    assert tight["opus"] > 0
    assert tight["quality_weighted_share"] <= tight["bound"] <= free["bound"] == 1
    done = archive.json("capture")
    assert done["failed"] == 0
    assert done["bytes"] <= 1_010_000
    assert archive.json("status")["due"] == 0
    suffixes = {path.suffix for path in (archive.archive / "objects").rglob("*") if path.is_file()}
    assert ".opus" in suffixes


def test_a_limit_is_kept_and_the_next_run_goes_on(archive: Longplay) -> None:
    archive.run("plan")
    first = archive.json("capture", "--limit", "2")
    assert first["captured"] == 2
    assert archive.json("status")["due"] == 5
    second = archive.json("capture")
    assert second["captured"] == 5
    assert archive.json("status")["due"] == 0


def test_the_same_question_gives_the_same_plan(archive: Longplay) -> None:
    assert archive.json("plan")["plan"] == archive.json("plan")["plan"]
    assert archive.json("plan")["plan"] != archive.json("plan", "--budget", "1MB")["plan"]


@pytest.mark.parametrize("suffix", ["png", "svg", "html"])
def test_the_report_is_drawn(archive: Longplay, tmp_path: Path, suffix: str) -> None:
    picture = tmp_path / f"plan.{suffix}"
    archive.run("plan", "--budget", "1MB", "--report", picture)
    assert picture.stat().st_size > 5_000


def test_a_report_of_another_kind_is_refused(archive: Longplay, tmp_path: Path) -> None:
    answer = archive.run("plan", "--report", tmp_path / "plan.docx", expect=2)
    assert answer.err.count("\n") == 1


def test_capture_without_a_plan_says_what_to_do(longplay: Longplay) -> None:
    longplay.run("init", longplay.archive)
    assert "longplay plan" in longplay.run("capture", expect=1).err


def test_a_source_that_went_away_fails_and_is_taken_up_again(
    archive: Longplay, tmp_path: Path
) -> None:
    archive.run("plan")
    (tmp_path / "m").rename(tmp_path / "gone")
    lost = archive.json("capture", expect=1)
    assert lost["failed"] == 7
    (tmp_path / "gone").rename(tmp_path / "m")
    assert archive.json("capture")["captured"] == 7
