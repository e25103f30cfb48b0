"""Plans: the best file of each recording, estimates, bands, budgets, order, ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay import planning
from longplay.errors import PlanError
from longplay.planning import Done, candidates, make_plan, to_table
from longplay.planning.candidates import DEFAULT_MS, OPUS_HEADER_BYTES, SCHEMA, opus_bytes
from longplay.settings import CurvePoint, Policy, QualityBand
from tests.planning.offers import MB, companion, offers

POLICY = Policy()


def planned_rows(table: pa.Table, policy: Policy = POLICY, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = to_table(make_plan(table, policy, **more)).to_pylist()
    return found


def test_one_best_file_per_recording() -> None:
    better_and_worse: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"damaged": False, "lossless": False}, {"damaged": True, "lossless": True}),
        ({"lossless": True, "bit_rate": 1}, {"lossless": False, "bit_rate": 320_000}),
        ({"bit_rate": 256_000, "bytes": 1}, {"bit_rate": 192_000, "bytes": 9 * MB}),
        ({"bytes": 9 * MB}, {"bytes": 8 * MB}),
        ({"source": "a", "path": b"z"}, {"source": "b", "path": b"a"}),
        ({"path": b"a"}, {"path": b"b"}),
        ({"codec": "flac", "lossless": None, "bit_rate": 1}, {"codec": "mp3", "lossless": None}),
    ]
    for better, worse in better_and_worse:
        good, bad = {"track": 1} | better, {"track": 2} | worse
        for order in ((good, bad), (bad, good), (bad, {"recording": 9}, good)):
            rows = planned_rows(offers(*order))
            chosen = [row["track"] for row in rows if row["recording"] == 1]
            assert chosen == [1], (better, worse)


def test_a_damaged_file_is_kept_where_it_is_the_only_one() -> None:
    assert len(planned_rows(offers({"damaged": True}))) == 1


def test_further_files_are_kept_where_everything_is() -> None:
    table = offers(
        {"path": b"a.mp3", "keep_all": True, "bit_rate": 1},
        {"path": b"b.mp3", "keep_all": True, "bit_rate": 2},
        {"path": b"c.mp3", "keep_all": False, "bit_rate": 1},
        companion(b"cover.jpg", 1000),
    )
    found = [(row["path"], row["role"], row["action"]) for row in planned_rows(table)]
    assert found == [
        (b"b.mp3", "best", "original"),
        (b"a.mp3", "other", "original"),
        (b"cover.jpg", "companion", "original"),
    ]
    plan = make_plan(table, POLICY).plan
    assert (plan.recordings, plan.entries, plan.others) == (1, 3, 2)
    assert plan.bytes == 16 * MB + 1000


def test_under_a_budget_companions_take_what_is_left() -> None:
    table = offers({}, companion(b"a.jpg", 500), companion(b"b.jpg", 200))
    rows = planned_rows(table, budget=8 * MB + 300)
    assert [row["path"] for row in rows] == [b"a.mp3", b"b.jpg"]


def test_the_most_listened_to_come_first_then_the_lower_id() -> None:
    table = offers(
        {"recording": 5, "listens": 10.0},
        {"recording": 3, "listens": 30.0},
        {"recording": 4, "listens": 10.0},
    )
    rows = planned_rows(table)
    assert [row["recording"] for row in rows] == [3, 4, 5]
    assert [row["ordinal"] for row in rows] == [0, 1, 2]


def test_listens_come_from_popularity_by_the_curve() -> None:
    curve = (
        CurvePoint(popularity=0, listens=9),
        CurvePoint(popularity=50, listens=999),
        CurvePoint(popularity=100, listens=99_999),
    )
    table = offers(
        {"recording": 1, "popularity": 0.0},
        {"recording": 2, "popularity": 25.0},
        {"recording": 3, "popularity": 100.0},
        {"recording": 4, "popularity": None},
        {"recording": 5, "popularity": 10.0, "listens": 7.0},
        {"recording": 6, "popularity": None, "listens": 999.0},
    )
    rows = {row["recording"]: row for row in planned_rows(table, Policy(curve=curve))}
    heard = {key: pytest.approx(row["listens"], rel=1e-5) for key, row in rows.items()}
    assert heard == {1: 9, 2: 99, 3: 99_999, 4: 9, 5: 7, 6: 999}
    assert rows[6]["popularity"] == pytest.approx(50)
    assert rows[4]["popularity"] == 0


def test_where_nobody_knows_anything_all_count_alike() -> None:
    unknown = {"popularity": None, "listens": None}
    table = offers({"recording": 1} | unknown, {"recording": 2} | unknown)
    plan = make_plan(table, POLICY, budget=8 * MB).plan
    assert plan.share_of_listens == 1.0
    assert plan.total_listens == 2


def test_the_best_known_popularity_of_a_recordings_files_counts() -> None:
    table = offers({"popularity": None, "bit_rate": 999_000}, {"popularity": 70.0})
    (row,) = planned_rows(table)
    assert row["popularity"] == 70


@pytest.mark.parametrize(
    ("row", "size"),
    [
        ({"bytes": None}, 200 * 320_000 // 8),
        ({"bytes": None, "bit_rate": None, "codec": "flac"}, 200 * 900_000 // 8),
        ({"bytes": None, "bit_rate": None, "codec": "pcm_s16le"}, 200 * 1_411_000 // 8),
        ({"bytes": None, "bit_rate": None, "codec": None}, 200 * 224_000 // 8),
        ({"bytes": None, "duration_ms": None}, DEFAULT_MS * 320_000 // 8000),
        ({"bytes": 5, "duration_ms": None}, 5),
    ],
)
def test_sizes_are_estimated(row: dict[str, Any], size: int) -> None:
    (found,) = planned_rows(offers(row))
    assert found["source_bytes"] == found["expected_bytes"] == size


def test_narrow_integers_do_not_overflow() -> None:
    table = offers({"bytes": None, "duration_ms": 80_000_000})
    for name in ("duration_ms", "bit_rate"):
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, table.column(name).cast(pa.int32()))
    (found,) = planned_rows(table)
    assert found["source_bytes"] == 80_000 * 320_000 // 8


def test_an_opus_copy_is_estimated_from_the_duration() -> None:
    bands = (QualityBand(popularity=0, keep="opus"),)
    (row,) = planned_rows(offers({"duration_ms": 240_000}), Policy(quality=bands))
    assert row["action"] == "opus"
    assert row["source_bytes"] == 8 * MB
    assert row["expected_bytes"] == int(240 * 75_000 / 8 * 1.01) + OPUS_HEADER_BYTES
    assert opus_bytes(np.array([10**15]), 510_000)[0] == 2**32 - 1


def test_bands_cap_the_quality() -> None:
    bands = (
        QualityBand(popularity=60, keep="original"),
        QualityBand(popularity=20, keep="opus"),
    )
    table = offers(
        {"recording": 1, "popularity": 60.0},
        {"recording": 2, "popularity": 59.0},
        {"recording": 3, "popularity": 20.0},
        {"recording": 4, "popularity": 19.0},
        {"recording": 5, "popularity": 30.0, "bytes": 1000},
    )
    rows = planned_rows(table, Policy(quality=bands))
    assert {row["recording"]: row["action"] for row in rows} == {
        1: "original",
        2: "opus",
        3: "opus",
        5: "original",  # smaller than an Opus copy would be
    }
    plan = make_plan(table, Policy(quality=bands)).plan
    assert (plan.original, plan.opus, plan.skipped) == (2, 2, 1)


def test_a_budget_forces_opus_where_listens_are_few() -> None:
    table = offers(
        {"recording": 1, "listens": 1000.0},
        {"recording": 2, "listens": 10.0},
        {"recording": 3, "listens": 9.0},
    )
    plan = make_plan(table, POLICY, budget=12 * MB).plan
    rows = planned_rows(table, budget=12 * MB)
    assert [row["action"] for row in rows] == ["original", "opus", "opus"]
    assert plan.bytes <= 12 * MB
    assert plan.share_of_listens == 1.0
    assert plan.quality_weighted_share == pytest.approx((1000 + 0.9 * 19) / 1019)
    assert plan.gap == pytest.approx((plan.bound - plan.quality_weighted_share) / plan.bound)


def test_what_is_done_and_what_nobody_offers_counts_in_the_whole() -> None:
    done = Done(recordings=2, bytes=100, original=1, opus=1, listens=30, weighted=28)
    table = offers({"recording": 1, "listens": 20.0})
    plan = make_plan(table, POLICY, budget=9 * MB, done=done, unoffered=50.0).plan
    assert plan.share_of_listens == pytest.approx(0.5)
    assert plan.quality_weighted_share == pytest.approx(0.48)
    assert (plan.recordings, plan.original, plan.opus) == (3, 2, 1)
    assert plan.bytes == 8 * MB + 100
    assert plan.entries == 1


def test_the_tail_is_planned_anew_in_what_is_left() -> None:
    table = offers(*({"recording": i, "listens": float(100 - i)} for i in range(6)))
    first = make_plan(table, POLICY, budget=24 * MB)
    head = to_table(first).slice(0, 2)
    actual = 20 * MB  # the first two turned out larger than was said
    heard = float(sum(head["listens"].to_pylist()))
    done = Done(2, actual, 2, 0, heard, heard)
    rest = table.filter(pa.array([row not in head["recording"].to_pylist() for row in range(6)]))
    tail = make_plan(rest, POLICY, budget=24 * MB - actual, done=done)
    assert tail.plan.bytes <= 24 * MB
    assert tail.plan.total_listens == first.plan.total_listens
    assert tail.plan.share_of_listens < first.plan.share_of_listens or tail.plan.opus > 0


def test_the_id_follows_from_what_was_asked_and_chosen() -> None:
    table = offers({"recording": 1}, {"recording": 2, "path": b"b"}, {"recording": 2, "path": b"c"})
    plan = make_plan(table, POLICY, budget=10 * MB, snapshot="7").plan
    assert make_plan(table, POLICY, budget=10 * MB, snapshot="7").plan == plan
    others = [
        make_plan(table, POLICY, budget=10 * MB, snapshot="8"),
        make_plan(table, POLICY, budget=10 * MB + 1, snapshot="7"),
        make_plan(table, Policy(opus_quality=0.8), budget=10 * MB, snapshot="7"),
        make_plan(table, POLICY, budget=10 * MB, snapshot="7", done=Done(listens=1)),
        make_plan(offers({}, {"recording": 3}), POLICY, budget=10 * MB, snapshot="7"),
        make_plan(
            offers({"recording": 1}, {"recording": 2, "path": b"x"}, {"recording": 2}),
            POLICY,
            budget=10 * MB,
            snapshot="7",
        ),
    ]
    assert len({plan.id, *(other.plan.id for other in others)}) == 7


def test_the_rows_order_does_not_matter() -> None:
    rows = [{"recording": i % 7, "path": b"%d" % i, "listens": float(i % 5)} for i in range(30)]
    rows += [companion(b"c%d" % i, i) for i in range(5)]
    one = make_plan(offers(*rows), POLICY, budget=40 * MB)
    two = make_plan(offers(*reversed(rows)), POLICY, budget=40 * MB)
    assert one.plan == two.plan
    assert to_table(one).to_pylist() == to_table(two).to_pylist()


def test_an_empty_catalogue_gives_an_empty_plan(tmp_path: Path) -> None:
    for budget in (None, 0, 10):
        planned = make_plan(SCHEMA.empty_table(), POLICY, budget=budget)
        assert (planned.plan.entries, planned.plan.share_of_listens, planned.plan.gap) == (0, 0, 0)
        assert planning.read_plan(planning.write(planned, tmp_path)) == planned.plan


def test_bad_questions() -> None:
    with pytest.raises(PlanError, match="budget of -1"):
        make_plan(offers({}), POLICY, budget=-1)
    with pytest.raises(PlanError, match="lack the columns duration_ms"):
        make_plan(offers({}).drop_columns("duration_ms"), POLICY)


@given(st.data())
def test_totals_are_those_of_the_rows(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    drawn = [
        {
            "recording": data.draw(st.integers(0, 5)),
            "path": b"%d" % index,
            "bytes": data.draw(st.one_of(st.none(), st.integers(0, 20 * MB))),
            "duration_ms": data.draw(st.one_of(st.none(), st.integers(0, 400_000))),
            "listens": data.draw(st.one_of(st.none(), st.integers(0, 1000).map(float))),
            "keep_all": data.draw(st.booleans()),
            "damaged": data.draw(st.booleans()),
        }
        for index in range(count)
    ]
    budget = data.draw(st.one_of(st.none(), st.integers(0, 60 * MB)))
    planned = make_plan(offers(*drawn), POLICY, budget=budget)
    plan, rows = planned.plan, to_table(planned).to_pylist()
    best = [row for row in rows if row["role"] == "best"]
    assert len({row["recording"] for row in best}) == len(best) == plan.recordings
    assert plan.recordings + plan.skipped == len({row["recording"] for row in drawn})
    assert sum(row["expected_bytes"] for row in rows) == plan.bytes
    assert budget is None or plan.bytes <= budget
    assert [row["ordinal"] for row in rows] == list(range(plan.entries))
    heard = [row["listens"] for row in best]
    assert heard == sorted(heard, reverse=True)
    assert plan.quality_weighted_share <= plan.bound + 1e-9 <= 1 + 1e-9


def test_candidates_from_a_file_are_the_same_plan(tmp_path: Path) -> None:
    rows = [{"recording": i // 2, "path": b"%d" % i, "listens": float(i)} for i in range(40)]
    table = offers(*rows, companion(b"x", 5))
    pq.write_table(table, tmp_path / "c.parquet", row_group_size=7)
    from_file = make_plan(tmp_path / "c.parquet", POLICY, budget=100 * MB)
    in_memory = make_plan(table, POLICY, budget=100 * MB)
    assert from_file.plan == in_memory.plan
    assert to_table(from_file).to_pylist() == to_table(in_memory).to_pylist()
    assert candidates.row_count(tmp_path / "c.parquet") == 41
