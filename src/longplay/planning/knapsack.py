"""Multiple-choice knapsack: per recording skip, Opus or original, most quality-weighted listens.

Each recording's choices are reduced to their convex hull, as one or two increments of falling
worth per byte; taking increments by worth until the budget is full solves the linear relaxation
(Sinha and Zoltners, 1979), and what the break leaves is filled. The bound printed beside it is the
Lagrangian dual at the break's worth: valid whatever was rounded, and equal to the linear optimum.

Arrays are one entry per recording. Worths are float32, whose bit patterns sort like the numbers:
a histogram of their upper halves finds the break without sorting all increments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SKIP, OPUS, ORIGINAL = 0, 1, 2

CHUNK = 1 << 17
"""Recordings worked on at a time: their temporaries fit a processor's cache."""

BINS = 1 << 16
FILLERS = 1 << 16
"""Increments tried in the remainder, best first: it is smaller than one file, few will fit."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is chosen from: listens, bytes of the original and of its Opus copy, and the best
    action that the policy allows (`cap`); `opus_quality` is the worth of one listen to Opus."""

    listens: NDArray[np.float32]
    original: NDArray[np.int64]
    opus: NDArray[np.uint32]
    cap: NDArray[np.uint8]
    opus_quality: float

    def __len__(self) -> int:
        return len(self.listens)


@dataclass(frozen=True, slots=True)
class Solution:
    """`action` per recording; its bytes, weighted listens (`value`) and the `bound` on those.

    `curve` has one row (bytes, listens, weighted listens) per step of the frontier: what the same
    greedy order would keep with smaller and larger budgets.
    """

    action: NDArray[np.uint8]
    bytes: int
    value: float
    bound: float
    curve: Floats


@dataclass(frozen=True, slots=True)
class _Increments:
    """The hull of a slice: the first step goes to `action`, the second from Opus to original."""

    start: int
    action: NDArray[np.uint8]
    weight: tuple[NDArray[np.int64], NDArray[np.int64]]
    value: tuple[Floats, Floats]
    key: tuple[NDArray[np.uint32], NDArray[np.uint32]]


def solve(problem: Problem, budget: int | None) -> Solution:
    """Choose within `budget` bytes; None: the best that the policy allows for each recording.

    Deterministic: equals are taken in the order of the rows.
    """
    allowed = _best_allowed(problem)
    size, value = _measure(problem, allowed)
    histograms = _histograms(problem)
    frontier = _frontier(*histograms)
    if budget is None or size <= budget:
        return Solution(allowed, size, value, value, frontier)
    action, left, worth = _take(problem, _edge(histograms[0], budget), budget)
    _fill(problem, action, left)
    size, value = _measure(problem, action)
    return Solution(action, size, value, max(value, _dual(problem, worth, budget)), frontier)


def _best_allowed(problem: Problem) -> NDArray[np.uint8]:
    # An Opus copy that would be no smaller than the original is never made.
    action = problem.cap.copy()
    action[(action == OPUS) & (problem.opus >= problem.original)] = ORIGINAL
    return action


def _slices(problem: Problem) -> Iterator[_Increments]:
    for start in range(0, len(problem), CHUNK):
        yield _increments(problem, start, min(start + CHUNK, len(problem)))


def _increments(problem: Problem, start: int, end: int) -> _Increments:
    here = slice(start, end)
    listens = problem.listens[here].astype(np.float64)
    original, opus = problem.original[here], problem.opus[here].astype(np.int64)
    cap, quality = problem.cap[here], problem.opus_quality
    smaller = opus < original
    action = np.where(cap == SKIP, SKIP, np.where(smaller, OPUS, ORIGINAL)).astype(np.uint8)
    # Opus lies on the hull only where its listens cost no more per byte than the original's.
    below = (cap == ORIGINAL) & smaller & (quality * original < opus.astype(np.float64))
    action[below] = ORIGINAL
    second = (cap == ORIGINAL) & (action == OPUS)
    first_weight = np.where(action == OPUS, opus, np.where(action == SKIP, 0, original))
    first_value = listens * np.where(action == OPUS, quality, np.where(action == SKIP, 0.0, 1.0))
    second_weight = np.where(second, original - opus, 0)
    second_value = np.where(second, listens * (1.0 - quality), 0.0)
    weight, value = (first_weight, second_weight), (first_value, second_value)
    first_key = _key(value[0], weight[0])
    # On the hull the second step is worth no more; rounding must not say otherwise.
    second_key = np.minimum(_key(value[1], weight[1]), first_key)
    return _Increments(start, action, weight, value, (first_key, second_key))


def _key(value: Floats, weight: NDArray[np.int64]) -> NDArray[np.uint32]:
    return (value / np.maximum(weight, 1)).astype(np.float32).view(np.uint32)


def _histograms(problem: Problem) -> tuple[Floats, Floats, Floats]:
    """Bytes, listens and weighted listens of all increments, by the upper half of their keys."""
    size, heard, value = np.zeros(BINS), np.zeros(BINS), np.zeros(BINS)
    for part in _slices(problem):
        listens = problem.listens[part.start : part.start + len(part.action)]
        for step in (0, 1):
            bins = part.key[step] >> 16
            size += np.bincount(bins, part.weight[step], BINS)
            value += np.bincount(bins, part.value[step], BINS)
            if step == 0:
                heard += np.bincount(bins, np.where(part.action == SKIP, 0, listens), BINS)
    return size, heard, value


def _edge(size: Floats, budget: int) -> int:
    """The bin in which the budget runs out, taking from the highest downward."""
    from_top = np.cumsum(size[::-1])
    return BINS - 1 - int(np.searchsorted(from_top, budget, side="right"))


def _take(problem: Problem, edge: int, budget: int) -> tuple[NDArray[np.uint8], int, float]:
    """Take all increments above the edge's bin, and of the bin itself the best that fit.

    Returns the actions, the bytes left, and the worth per byte of the first increment that did
    not fit.
    """
    action = np.zeros(len(problem), np.uint8)
    within: list[tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint32]]] = []
    used = 0
    for part in _slices(problem):
        mine = action[part.start : part.start + len(part.action)]
        for step in (0, 1):
            bins = part.key[step] >> 16
            real = part.weight[step] > 0
            above = real & (bins > edge)
            mine[above] = ORIGINAL if step else part.action[above]
            used += int(part.weight[step][above].sum())
            rows = np.flatnonzero(real & (bins == edge))
            steps = np.full(len(rows), step, np.uint8)
            within.append((rows + part.start, steps, part.key[step][rows]))
    rows, steps, keys = (np.concatenate(column) for column in zip(*within, strict=True))
    order = np.lexsort((steps, rows, ~keys))
    rows, steps = rows[order], steps[order]
    weight, value, target = _steps(problem, rows, steps)
    fits = int(np.searchsorted(np.cumsum(weight), budget - used, side="right"))
    action[rows[:fits]] = np.maximum(action[rows[:fits]], target[:fits])
    # A recording's second step never sorts before its first: the cut leaves no lone second.
    worth = float(value[fits] / weight[fits]) if fits < len(rows) else 0.0
    return action, budget - used - int(weight[:fits].sum()), worth


def _steps(
    problem: Problem, rows: NDArray[np.int64], steps: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], Floats, NDArray[np.uint8]]:
    """Weight, value and resulting action of chosen increments."""
    picked = Problem(
        problem.listens[rows],
        problem.original[rows],
        problem.opus[rows],
        problem.cap[rows],
        problem.opus_quality,
    )
    part = _increments(picked, 0, len(rows))
    second = steps == 1
    weight = np.where(second, part.weight[1], part.weight[0])
    value = np.where(second, part.value[1], part.value[0])
    return weight, value, np.where(second, ORIGINAL, part.action).astype(np.uint8)


def _fill(problem: Problem, action: NDArray[np.uint8], left: int) -> None:
    """Put further increments into the bytes that are left, those of most worth first."""
    rows, steps = _fillers(problem, action, left)
    weight, _, target = _steps(problem, rows, steps)
    for row, cost, goal in zip(rows.tolist(), weight.tolist(), target.tolist(), strict=True):
        if cost <= left:
            action[row] = goal
            left -= cost


def _fillers(
    problem: Problem, action: NDArray[np.uint8], left: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The next increment of each recording that would fit, best first, at most FILLERS of them."""
    found: list[tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint32]]] = []
    for part in _slices(problem):
        mine = action[part.start : part.start + len(part.action)]
        for step, needed in ((0, SKIP), (1, OPUS)):
            weight = part.weight[step]
            rows = np.flatnonzero((mine == needed) & (weight > 0) & (weight <= left))
            if len(rows) > FILLERS:
                best = np.argpartition(~part.key[step][rows], FILLERS)[:FILLERS]
                rows = rows[best]
            found.append(
                (rows + part.start, np.full(len(rows), step, np.uint8), part.key[step][rows])
            )
    rows, steps, keys = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((steps, rows, ~keys))[:FILLERS]
    return rows[order], steps[order]


def _dual(problem: Problem, worth: float, budget: int) -> float:
    """`worth * budget` and for each recording the most that a choice gives beyond its price."""
    total = worth * budget
    for start in range(0, len(problem), CHUNK):
        here = slice(start, start + CHUNK)
        listens, cap = problem.listens[here].astype(np.float64), problem.cap[here]
        original = listens - worth * problem.original[here]
        opus = problem.opus_quality * listens - worth * problem.opus[here].astype(np.float64)
        gain = np.where(cap == ORIGINAL, np.maximum(original, opus), opus)
        # Where Opus would be no smaller, the original stands in for it (see _best_allowed).
        stands_in = (cap == OPUS) & (problem.opus[here] >= problem.original[here])
        gain = np.where(stands_in, original, gain)
        total += float(np.maximum(gain, 0.0)[cap != SKIP].sum())
    return total


def _measure(problem: Problem, action: NDArray[np.uint8]) -> tuple[int, float]:
    """Bytes and weighted listens of a choice."""
    size, value = 0, 0.0
    for start in range(0, len(problem), CHUNK):
        here = slice(start, start + CHUNK)
        chosen, listens = action[here], problem.listens[here]
        original, opus = chosen == ORIGINAL, chosen == OPUS
        size += int(problem.original[here][original].sum())
        size += int(problem.opus[here][opus].sum(dtype=np.int64))
        value += float(listens[original].sum(dtype=np.float64))
        value += problem.opus_quality * float(listens[opus].sum(dtype=np.float64))
    return size, value


def _frontier(size: Floats, heard: Floats, value: Floats) -> Floats:
    used = np.flatnonzero(size)[::-1]
    rows = np.stack([size[used], heard[used], value[used]], axis=1)
    return np.concatenate([np.zeros((1, 3)), np.cumsum(rows, axis=0)])
