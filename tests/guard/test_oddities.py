"""Honest habits that look odd, by name: none may be called a scraper, or even be watched."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from longplay.guard import scan as scanning
from longplay.guard.scan import Options
from longplay.guard.verdict import Verdict
from tests.guard.made import MONDAY, Row, listener, row, write

DAY = 86400


def played(name: str, start: int, tracks: list[str]) -> list[Row]:
    """One after the other; songs differ in length."""
    dice = random.Random(f"{name}{start}")
    rows, at = [], start
    for track in tracks:
        length = dice.randrange(130, 330)
        rows.append(row(at, name, track, length, "play"))
        at += length
    return rows


def home_screen_bursts() -> list[Row]:
    rows = list(listener("ann"))
    for burst in range(200):
        at = MONDAY + burst * 8000
        rows += [row(at, "ann", f"cover{n}", 0, "browse") for n in range(40)]
    return rows


def offline_sync_of_two_thousand_favourites() -> list[Row]:
    favourites = [f"f{n}x" for n in range(2000)]
    rows = [row(MONDAY + n, "ann", t, 0, "download") for n, t in enumerate(favourites)]
    dice = random.Random(1)
    for day in range(20):
        evening = MONDAY + day * DAY + 17 * 3600
        rows += played("ann", evening, [dice.choice(favourites) for _ in range(30)])
    return rows


def family_of_four_in_one_account() -> list[Row]:
    rows = [one for member in range(4) for one in listener(f"m{member}", days=30, favourites=150)]
    return [one | {"account": "family"} for one in rows]


def a_trains_wifi() -> list[Row]:
    rows = [one for seat in range(60) for one in listener(f"s{seat}", days=2)]
    return [one | {"address": "10.9.8.7"} for one in rows]


def party_of_24_hours() -> list[Row]:
    rows = list(listener("ann"))
    start = MONDAY + 5 * DAY
    return rows + played("ann", start, [f"party{n}x" for n in range(375)])


def party_of_24_hours_by_a_new_account() -> list[Row]:
    return played("ann", MONDAY, [f"party{n}x" for n in range(375)])


def curator_who_samples_widely() -> list[Row]:
    dice = random.Random(2)
    rows = []
    for day in range(30):
        at = MONDAY + day * DAY + 10 * 3600
        for n in range(250):
            rows.append(row(at + n * 20, "dj", f"new{day}-{n}x", dice.randrange(3, 25), "skip"))
        crate = [f"new{dice.randrange(day + 1)}-{dice.randrange(25)}x" for _ in range(30)]
        rows += played("dj", at + 6000, crate)
    return rows


def screen_reader_that_walks_through_pages() -> list[Row]:
    rows = list(listener("ann"))
    for day in range(20):
        at = MONDAY + day * DAY + 15 * 3600
        rows += [row(at + n * 25, "ann", f"page{n % 300}", 0, "browse") for n in range(400)]
    return rows


def phone_that_retries_on_a_bad_network() -> list[Row]:
    rows = []
    for one in listener("ann"):
        again = one | {"bytes": 4_000_000}
        rows += [again | {"time": one["time"] + n} for n in range(15)]
    return rows


def shop_that_never_sleeps() -> list[Row]:
    return played("shop", MONDAY, [f"s{n % 300}x" for n in range(5000)])


def box_set_in_order() -> list[Row]:
    rows = list(listener("ann"))
    start = MONDAY + 3 * DAY
    return rows + played("ann", start, [f"box-{n:03d}" for n in range(100)])


@pytest.mark.parametrize(
    "made",
    [
        home_screen_bursts,
        offline_sync_of_two_thousand_favourites,
        family_of_four_in_one_account,
        a_trains_wifi,
        party_of_24_hours,
        party_of_24_hours_by_a_new_account,
        curator_who_samples_widely,
        screen_reader_that_walks_through_pages,
        phone_that_retries_on_a_bad_network,
        shop_that_never_sleeps,
        box_set_in_order,
    ],
    ids=lambda made: made.__name__,
)
def test_it_is_honest(tmp_path: Path, made: Callable[[], list[Row]]) -> None:
    found = scanning.scan([write(tmp_path / "log", made())], Options(cells=1 << 16))
    assert {one.verdict for one in found.verdicts} == {Verdict.HONEST}, [
        one for one in found.verdicts if one.reasons
    ]
