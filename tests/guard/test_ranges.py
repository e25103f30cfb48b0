"""A track that is asked for in several ranges is one play, whatever is asked for between them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from longplay.guard import scan as scanning
from longplay.guard.baseline import Baseline
from longplay.guard.judging import Accounts, take
from longplay.guard.reading.mapping import FIELDS, Format, Mapping
from longplay.guard.reading.reader import SEEN_ACCOUNTS, Plan, parse
from longplay.guard.scan import Options
from longplay.guard.state import NEW, TAKEN, UNDER_WAY
from longplay.guard.verdict import Judged, Verdict
from tests.guard.made import MONDAY, Row, row, write

HOURS, DAYS = 14, 6
LENGTH = 240


def in_ranges(name: str, ranges: int, at_once: int) -> list[Row]:
    """So many tracks at a time, each in so many ranges that come in turn, 60 seconds apart for each
    track; as fast as they play."""
    dice = random.Random(4)
    rows: list[Row] = []
    for day in range(DAYS):
        start = MONDAY + day * 86400 + 8 * 3600
        for at in range(0, HOURS * 3600 - LENGTH, LENGTH):
            tracks = [f"x{dice.randrange(10**9)}q" for _ in range(at_once)]
            for part in range(ranges):
                then = start + at + part * 60
                rows += [
                    row(then + n, name, track, LENGTH // ranges, "play")
                    for n, track in enumerate(tracks)
                ]
    return rows


def judged(tmp_path: Path, rows: list[Row]) -> Judged:
    (one,) = scanning.scan([write(tmp_path / "log", rows)], Options(cells=1 << 16)).verdicts
    return one


@pytest.mark.parametrize("at_once", [1, 2, UNDER_WAY])
@pytest.mark.parametrize("ranges", [2, 4])
def test_ranges_hide_no_copier(tmp_path: Path, ranges: int, at_once: int) -> None:
    whole = judged(tmp_path, in_ranges("thief", 1, at_once))
    parts = judged(tmp_path, in_ranges("thief", ranges, at_once))
    assert whole.verdict is parts.verdict is Verdict.SCRAPER
    # Every fourth line is weighed, and a play is one line more than it was.
    assert abs(parts.tracks - whole.tracks) <= 4 * at_once


def counted(tmp_path: Path, rows: list[Row]) -> tuple[float, float]:
    """Tracks taken, and different ones among them, of the only account."""
    plan = Plan(Mapping(Format.JSON, FIELDS), np.uint64(7), np.zeros(SEEN_ACCOUNTS, np.uint64))
    accounts = Accounts.none()
    events = parse(write(tmp_path / "log", rows).read_bytes(), plan).events
    take(accounts, events, None, Baseline().vector())
    return float(accounts.numbers[0, TAKEN]), round(float(accounts.numbers[0, NEW]), 1)


def test_what_comes_back_within_the_hour_is_the_same_play(tmp_path: Path) -> None:
    rows = [row(MONDAY + at * 1800, "ann", f"t{at % 2}x", 200, "play") for at in range(20)]
    assert counted(tmp_path, rows) == (2, 2)


def test_what_comes_back_later_is_a_repeat(tmp_path: Path) -> None:
    rows = [row(MONDAY + at * 3660, "ann", f"t{at % 2}x", 200, "play") for at in range(20)]
    assert counted(tmp_path, rows) == (20, 2)


def test_what_comes_back_after_many_others_is_a_repeat(tmp_path: Path) -> None:
    """An album of as many tracks as are remembered, and of one more."""
    for tracks, taken in ((UNDER_WAY, UNDER_WAY), (UNDER_WAY + 1, 3 * (UNDER_WAY + 1))):
        album = [
            row(MONDAY + n * 60, "ann", f"t{n % tracks}x", 60, "play") for n in range(3 * tracks)
        ]
        assert counted(tmp_path, album) == (taken, tracks)


def test_a_song_in_a_loop_says_nothing(tmp_path: Path) -> None:
    rows = [row(MONDAY + n * 200, "ann", "t1x", 200, "play") for n in range(3000)]
    assert counted(tmp_path, rows) == (1, 1)
