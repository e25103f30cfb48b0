"""Recordings that count as one are planned once, by the best file of all of them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from longplay.planning import make_plan, table
from longplay.planning.candidates import COUNTS_AS
from longplay.settings import Policy
from longplay.workflows import planning
from tests.planning.offers import MB, offers

ROWS = (
    {"recording": 1, "path": b"a.mp3", "bytes": 8 * MB},
    {"recording": 2, "path": b"new master.flac", "bytes": 20 * MB, "lossless": True},
    {"recording": 3, "path": b"other.mp3", "bytes": 6 * MB, "popularity": 40.0},
)


def offered(counts: list[int | None], *more: dict) -> pa.Table:
    return offers(*ROWS, *more).append_column(COUNTS_AS, pa.array(counts, pa.uint64()))


def test_only_the_best_copy_counts_toward_the_budget() -> None:
    apart = make_plan(offered([None, None, None]), Policy())
    assert (apart.plan.recordings, apart.plan.bytes) == (3, 34 * MB)
    once = make_plan(offered([1, 1, None]), Policy())
    assert (once.plan.recordings, once.plan.bytes) == (2, 26 * MB)
    rows = table.to_table(once).to_pylist()
    assert [(row["recording"], row["path"]) for row in rows] == [
        (2, b"new master.flac"),
        (3, b"other.mp3"),
    ]
    assert once.plan.id != apart.plan.id


def test_what_they_save_is_free_for_others() -> None:
    policy = Policy(quality=({"popularity": 0, "keep": "original"},), opus_quality=0)  # type: ignore[arg-type]
    budget = 26 * MB
    apart = make_plan(offered([None, None, None]), policy, budget=budget)
    once = make_plan(offered([1, 1, None]), policy, budget=budget)
    assert once.plan.share_of_listens == pytest.approx(1.0)
    assert apart.plan.share_of_listens < 1


def test_a_source_that_keeps_all_keeps_the_copies_too() -> None:
    rows = [row | {"keep_all": True} for row in ROWS]
    source = offers(*rows).append_column(COUNTS_AS, pa.array([1, 1, None], pa.uint64()))
    planned = make_plan(source, Policy())
    assert (planned.plan.recordings, planned.plan.others) == (2, 1)
    assert [row["recording"] for row in table.to_table(planned).to_pylist()] == [2, 3, 1]


def test_copies_of_what_is_held_are_left_out_though_nobody_offers_that_any_more() -> None:
    held = offers({"recording": 9, "path": b"gone.mp3"})
    rest = planning.without(offered([1, 1, None]), held, pa.chunked_array([[9]], pa.uint64()), {})
    assert rest["recording"].to_pylist() == [1, 2, 3]
    copies = {9: 9, 2: 9}
    rest = planning.without(rest, held, pa.chunked_array([[9]], pa.uint64()), copies)
    assert rest["recording"].to_pylist() == [1, 3]
