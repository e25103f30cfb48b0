"""The knapsack beside the optimum that trying everything finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.planning import knapsack
from longplay.planning.knapsack import OPUS, ORIGINAL, SKIP, Problem, solve

Row = tuple[int, int, int, int]
rows = st.lists(
    st.tuples(
        st.integers(0, 1000),
        st.integers(1, 60),
        st.integers(1, 40),
        st.sampled_from([SKIP, OPUS, ORIGINAL]),
    ),
    max_size=6,
)


def problem(table: list[Row], quality: float = 0.75) -> Problem:
    columns = list(zip(*table, strict=True)) or [(), (), (), ()]
    return Problem(
        np.array(columns[0], np.float32),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.uint32),
        np.array(columns[3], np.uint8),
        quality,
    )


def choices(row: Row, quality: float) -> list[tuple[int, int, float]]:
    """(action, bytes, value) that a recording may have."""
    heard, original, opus, cap = row
    found = [(SKIP, 0, 0.0)]
    if cap == OPUS and opus < original:
        found.append((OPUS, opus, heard * quality))
    elif cap != SKIP:
        found.append((ORIGINAL, original, float(heard)))
        if opus < original:
            found.append((OPUS, opus, heard * quality))
    return found


def optimum(table: list[Row], budget: int, quality: float = 0.75) -> float:
    best = 0.0
    for picked in itertools.product(*(choices(row, quality) for row in table)):
        if sum(size for _, size, _ in picked) <= budget:
            best = max(best, sum(value for _, _, value in picked))
    return best


@given(rows, st.integers(0, 250), st.sampled_from([0.0, 0.5, 0.75, 1.0]))
def test_within_the_budget_and_below_a_true_bound(
    table: list[Row], budget: int, quality: float
) -> None:
    found = solve(problem(table, quality), budget)
    best = optimum(table, budget, quality)
    assert found.bytes <= budget
    assert found.value <= best + 1e-6
    assert found.bound >= best - 1e-6
    allowed = [
        {action: (size, value) for action, size, value in choices(row, quality)} for row in table
    ]
    picked = [allowed[i][action] for i, action in enumerate(found.action.tolist())]
    assert sum(size for size, _ in picked) == found.bytes
    assert sum(value for _, value in picked) == pytest.approx(found.value)


@given(rows)
def test_without_a_budget_everything_at_its_best(table: list[Row]) -> None:
    found = solve(problem(table), None)
    assert found.value == pytest.approx(optimum(table, 10**9))
    assert found.bound == found.value
    again = solve(problem(table), found.bytes)
    assert (again.action == found.action).all()


@given(rows, st.integers(0, 200))
def test_small_pieces_change_nothing(table: list[Row], budget: int) -> None:
    whole = solve(problem(table), budget)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knapsack, "CHUNK", 2)
        pieces = solve(problem(table), budget)
    assert (whole.action == pieces.action).all()
    assert pieces.bound == pytest.approx(whole.bound)


def test_many_recordings_come_close_to_the_bound() -> None:
    generator = np.random.default_rng(5)
    n = 20_000
    original = generator.integers(3_000_000, 40_000_000, n)
    found = solve(
        Problem(
            generator.pareto(1.2, n).astype(np.float32),
            original,
            (original * generator.uniform(0.1, 1.3, n)).astype(np.uint32),
            generator.choice([SKIP, OPUS, ORIGINAL], n, p=[0.1, 0.3, 0.6]).astype(np.uint8),
            0.9,
        ),
        int(original.sum()) // 5,
    )
    assert 0 <= (found.bound - found.value) / found.bound < 1e-4
    assert set(found.action.tolist()) == {SKIP, OPUS, ORIGINAL}


def test_equals_are_taken_in_their_order() -> None:
    found = solve(problem([(5, 10, 20, ORIGINAL)] * 5), 30)
    assert found.action.tolist() == [ORIGINAL] * 3 + [SKIP] * 2


def test_the_remainder_is_filled() -> None:
    found = solve(problem([(100, 10, 99, ORIGINAL), (90, 10, 99, ORIGINAL), (1, 5, 99, 2)]), 15)
    assert found.action.tolist() == [ORIGINAL, SKIP, ORIGINAL]


def test_the_frontier_rises_to_everything() -> None:
    table = [(100, 10, 4, ORIGINAL), (50, 30, 20, OPUS), (7, 9, 30, OPUS), (3, 9, 3, SKIP)]
    curve = solve(problem(table), 5).curve
    assert curve[0].tolist() == [0, 0, 0]
    assert (np.diff(curve, axis=0) >= 0).all()
    assert curve[-1].tolist() == [10 + 20 + 9, 157, pytest.approx(100 + 0.75 * 50 + 7)]
