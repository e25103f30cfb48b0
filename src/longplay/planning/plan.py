"""What to save first: candidates, a policy and a budget go in, a plan comes out. Pure.

`docs/planning.md` describes the model; `table.py` writes the plan's file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longplay.errors import PlanError
from longplay.planning import candidates, knapsack, listens
from longplay.planning.candidates import Best, Columns, Source
from longplay.planning.knapsack import OPUS, ORIGINAL, SKIP, Problem, Solution
from longplay.settings import Policy

VERSION = 1
"""Version of the plan's file and of what its id is computed from."""

BAND_WIDTH = 10
"""Popularity points in one bar of the report: ten bars."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an earlier plan's finished part has kept already: it counts in the totals."""

    recordings: int = 0
    bytes: int = 0
    original: int = 0
    opus: int = 0
    listens: float = 0.0
    weighted: float = 0.0


@dataclass(frozen=True, slots=True)
class Band:
    """Bytes and recordings by action in one band of popularity, `low` to `low + BAND_WIDTH`."""

    low: int
    action: str
    recordings: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the report draws: the frontier as (bytes, share of listens, quality-weighted share),
    and the bands. Bytes of skipped recordings are what their originals would take."""

    frontier: tuple[tuple[float, float, float], ...]
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The small value that stands for a plan; the ordered list is `plans/<id>.parquet`.

    Counts are of recordings, but for `entries` (rows of the file) and `others` (rows that are
    further encodings or companions). `bytes` is everything that the file lists. Shares are of the
    listens of all recordings: offered, done and unoffered.
    """

    id: str
    snapshot: str
    budget: int | None
    entries: int
    recordings: int
    bytes: int
    original: int
    opus: int
    skipped: int
    share_of_listens: float
    quality_weighted_share: float
    bound: float
    gap: float
    others: int
    total_listens: float
    figures: Figures = field(repr=False, default=Figures((), ()))

    def document(self) -> dict[str, Any]:
        """The plan as `plan --json` prints it."""
        values = asdict(self)
        for name in ("snapshot", "figures", "total_listens"):
            values.pop(name)
        return {"plan": values.pop("id")} | values


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with the columns that its file is written from.

    `order` lists the kept recordings (indexes of `best`) in plan order; `extras` the candidate
    rows that follow them.
    """

    plan: Plan
    source: Source
    columns: Columns
    best: Best
    action: NDArray[np.uint8]
    order: NDArray[np.uint32]
    extras: NDArray[np.int64]


def make_plan(
    source: Source,
    policy: Policy,
    *,
    budget: int | None = None,
    snapshot: str = "",
    done: Done | None = None,
    unoffered: float = 0.0,
    any_known: bool | None = None,
) -> Planned:
    """Decide what to keep of the candidates in `source`, in what quality, in what order.

    `done` is what is kept already and `unoffered` the listens of recordings that nobody offers:
    both count in every share. `any_known` says whether any source knows popularity or listens of
    any recording; None leaves that to the candidates, which for the tail of a plan may be less.

    The same candidates, policy, budget and snapshot give the same plan. Raises PlanError for a
    negative budget or a table without the columns.
    """
    if budget is not None and budget < 0:
        raise PlanError(f"a budget of {budget} bytes", hint="give a size such as 2TB")
    done = done or Done()
    columns, ranking = candidates.load(source, policy)
    best = candidates.choose_best(source, columns, ranking)
    del ranking
    if any_known is None:
        any_known = not (np.isnan(best.listens).all() and np.isnan(best.popularity).all())
    listens.complete(best.popularity, best.listens, policy, any_known=any_known)
    problem = Problem(
        best.listens,
        best.of(columns.size),
        best.of(columns.opus),
        _caps(best.popularity, policy),
        policy.opus_quality,
    )
    solution = knapsack.solve(problem, budget)
    left = None if budget is None else budget - solution.bytes
    extras, extra_bytes = _extras(source, columns, best, left)
    order = _order(best.listens, solution.action)
    asked: dict[str, Any] = {"policy": policy.model_dump(), "budget": budget, "snapshot": snapshot}
    asked |= {"done": asdict(done), "unoffered": unoffered}
    contested = best.row[best.contested[solution.action[best.contested] != SKIP]]
    named = candidates.names_of(source, np.concatenate([contested, extras]))
    numbers = (order, solution.action, best.listens, problem.original, problem.opus)
    plan = Plan(
        id=_digest(asked, best.digest, numbers, named),
        snapshot=snapshot,
        budget=budget,
        entries=len(order) + len(extras),
        bytes=solution.bytes + extra_bytes + done.bytes,
        others=len(extras),
        **_totals(problem, solution, best, done, unoffered),
    )
    return Planned(plan, source, columns, best, solution.action, order, extras)


def _caps(popularity: NDArray[np.float32], policy: Policy) -> NDArray[np.uint8]:
    """The best action that the policy's bands allow; below the lowest band nothing is kept."""
    codes = {"skip": SKIP, "opus": OPUS, "original": ORIGINAL}
    bands = sorted(policy.quality, key=lambda band: band.popularity)
    thresholds = np.array([band.popularity for band in bands], np.float32)
    allowed = np.array([SKIP, *(codes[band.keep] for band in bands)], np.uint8)
    if len(bands) == 1 and bands[0].popularity == 0:
        return np.full(len(popularity), allowed[1], np.uint8)
    return allowed[np.searchsorted(thresholds, popularity, side="right")]


def _extras(
    source: Source, columns: Columns, best: Best, left: int | None
) -> tuple[NDArray[np.int64], int]:
    """Further encodings, then companions, each by source and path; as far as the bytes reach."""
    rows: list[int] = []
    used = 0
    for group in (best.others, np.flatnonzero(columns.companion)):
        if not len(group):
            continue
        names = candidates.names_of(source, group)
        sizes = columns.size[group].tolist()
        for index in sorted(range(len(names)), key=names.__getitem__):
            if left is None or used + sizes[index] <= left:
                rows.append(int(group[index]))
                used += sizes[index]
    return np.array(rows, np.int64), used


def _order(heard: NDArray[np.float32], action: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Kept recordings, most listened-to first, then by id: entries lie in the order of their ids.

    One sort of 64-bit numbers: the listens' float32 bits, turned around, above the entry's index.
    """
    kept = np.flatnonzero(action != SKIP).astype(np.uint64)
    keys = (~heard[kept].view(np.uint32)).astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= kept
    del kept
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def _digest(
    asked: dict[str, Any],
    recordings: bytes,
    numbers: Iterable[NDArray[Any]],
    named: Iterable[tuple[str, bytes]],
) -> str:
    """The plan's id: 16 hexadecimal digits of a SHA-256 over what was asked and what was chosen.

    The snapshot stands for the paths; only where a recording had several files, and for extras,
    the path itself (`named`) says which was chosen.
    """
    text = json.dumps({"version": VERSION} | asked, sort_keys=True)
    digest = hashlib.sha256(text.encode() + recordings)
    for column in numbers:
        digest.update(np.ascontiguousarray(column).data)
    for name, path in named:
        digest.update(f"{name}\0{len(path)}\0".encode() + path)
    return digest.hexdigest()[:16]


def _totals(
    problem: Problem, solution: Solution, best: Best, done: Done, unoffered: float
) -> dict[str, Any]:
    heard = float(problem.listens.sum(dtype=np.float64)) + done.listens + unoffered
    total = heard or 1.0
    kept = solution.action != SKIP
    counts = np.bincount(solution.action, minlength=3).tolist()
    share = float(problem.listens[kept].sum(dtype=np.float64)) + done.listens
    value, bound = solution.value + done.weighted, solution.bound + done.weighted
    return {
        "recordings": counts[OPUS] + counts[ORIGINAL] + done.recordings,
        "original": counts[ORIGINAL] + done.original,
        "opus": counts[OPUS] + done.opus,
        "skipped": counts[SKIP],
        "share_of_listens": min(share / total, 1.0),
        "quality_weighted_share": min(value / total, 1.0),
        "bound": min(bound / total, 1.0),
        "gap": (bound - value) / bound if bound else 0.0,
        "total_listens": heard,
        "figures": _figures(problem, solution, best, done, total),
    }


def _figures(problem: Problem, solution: Solution, best: Best, done: Done, total: float) -> Figures:
    start = np.array([done.bytes, done.listens, done.weighted])
    scaled = (_thinned(solution.curve) + start) / np.array([1.0, total, total])
    frontier = tuple((float(a), float(b), float(c)) for a, b, c in scaled)
    cell = np.minimum(best.popularity.astype(np.uint8) // BAND_WIDTH, 100 // BAND_WIDTH - 1) * 3
    cell += solution.action
    taken = np.where(solution.action == OPUS, problem.opus, problem.original)
    counts = np.bincount(cell, minlength=30)
    sizes = np.bincount(cell, taken, minlength=30)
    bands = tuple(
        Band(index // 3 * BAND_WIDTH, ("skip", "opus", "original")[index % 3], count, int(size))
        for index, (count, size) in enumerate(zip(counts.tolist(), sizes.tolist(), strict=True))
        if count
    )
    return Figures(frontier, bands)


def _thinned(curve: knapsack.Floats, points: int = 400) -> knapsack.Floats:
    """At most some hundred points of the frontier, even along its length."""
    if len(curve) <= points or not curve[-1, 0] or not curve[-1, 2]:
        return curve
    along = curve[:, 0] / curve[-1, 0] + curve[:, 2] / curve[-1, 2]
    picked = np.searchsorted(along, np.linspace(0, along[-1], points))
    thinned: knapsack.Floats = curve[np.unique(np.minimum(picked, len(curve) - 1))]
    return thinned


def plan_document(plan: Plan) -> dict[str, Any]:
    """Everything of a plan as plain data, for the plan's file."""
    return asdict(plan)
