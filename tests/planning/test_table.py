"""The plan's file: written whole, read in ranges, the same however large the candidates."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from longplay import planning
from longplay.errors import PlanError
from longplay.planning import Planned, make_plan, spill, table, to_table
from longplay.settings import Policy
from tests.planning.offers import companion, offers


@pytest.fixture
def planned() -> Planned:
    rows = [
        {
            "recording": i,
            "path": b"%d\xff" % i,
            "listens": float(i * 37 % 101),
            "source": f"s{i % 3}",
        }
        for i in range(100)
    ]
    return make_plan(offers(*rows, companion(b"x", 5)), Policy(), snapshot="3")


def test_a_plan_comes_back_as_it_was(planned: Planned, tmp_path: Path) -> None:
    path = planning.write(planned, tmp_path)
    assert path == tmp_path / f"{planned.plan.id}.parquet"
    assert planning.read_plan(path) == planned.plan
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert pq.read_schema(path).names == table.SCHEMA.names


def test_writing_again_gives_the_same_bytes(planned: Planned, tmp_path: Path) -> None:
    first = planning.write(planned, tmp_path / "a").read_bytes()
    assert planning.write(planned, tmp_path / "b").read_bytes() == first


@pytest.mark.parametrize(
    ("first", "last"),
    [(0, 0), (0, 100), (9, 10), (15, 44), (99, 100), (100, 100), (95, 900), (101, 200), (5, 4)],
)
def test_ranges_of_ordinals(
    planned: Planned, tmp_path: Path, first: int, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "ROW_GROUP", 10)
    path = planning.write(planned, tmp_path)
    found = planning.read_range(path, first, last)
    assert found["ordinal"].to_pylist() == [n for n in range(101) if first <= n <= last]
    expected = to_table(planned).slice(first, max(last - first + 1, 0))
    assert found.to_pylist() == expected.to_pylist()


def test_large_candidates_go_through_files(
    planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not isinstance(planned.source, Path)
    source = tmp_path / "candidates.parquet"
    pq.write_table(planned.source, source, row_group_size=13)
    expected = to_table(planned).to_pylist()
    monkeypatch.setattr(table, "IN_MEMORY_ROWS", 10)
    monkeypatch.setattr(table, "SLICE", 7)
    monkeypatch.setattr(spill, "PART", 16)
    folder = tmp_path / "plans"
    (folder / ".spill-killed").mkdir(parents=True)
    again = make_plan(source, Policy(), snapshot="3")
    path = planning.write(again, folder)
    assert pq.read_table(path).to_pylist() == expected
    assert [one.name for one in folder.iterdir()] == [path.name]


def test_a_failure_leaves_no_file(
    planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_rows", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        planning.write(planned, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_plan_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.parquet"
    with pytest.raises(PlanError, match="cannot be read"):
        planning.read_plan(path)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(PlanError, match="cannot be read"):
        planning.read_range(path, 0, 1)
    pq.write_table(offers({}), path)
    with pytest.raises(PlanError, match="is not a plan"):
        planning.read_plan(path)
    monkeypatch.setattr(table, "VERSION", 2)
    newer = planning.write(make_plan(offers({}), Policy()), tmp_path)
    monkeypatch.undo()
    with pytest.raises(PlanError, match="newer"):
        planning.read_plan(newer)
