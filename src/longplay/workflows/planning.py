"""`plan`: candidates from the catalogue and the ledger, a plan from the planner, its file kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue import popularity
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import PlanError, UsageError
from longplay.files import sweep, writer_lock
from longplay.ledger import queries, tables
from longplay.model import Role
from longplay.planning import Done, Plan, make_plan, table
from longplay.planning.candidates import COUNTS_AS
from longplay.settings import Policy
from longplay.workflows import likenesses, rights, shares, stocking
from longplay.workflows.shares import Listening

DRAWINGS = (".html", ".png", ".svg")


def plan_archive(
    archive: Archive,
    budget: int | None,
    *,
    only: str | None = None,
    drawing: Path | None = None,
) -> Plan:
    """Make a plan of what the sources offer, or one of them, and make it the archive's plan."""
    if drawing is not None and drawing.suffix not in DRAWINGS:
        raise UsageError(
            f"{drawing.name}: a plan is drawn as {', '.join(DRAWINGS)}", hint="choose one of them"
        )
    with writer_lock(archive.plans / "lock", "plan"):
        rights.catch_up(archive)
        snapshot = open_current(archive.catalogue)
        offered = candidates(archive, snapshot)
        if only is not None:
            offered = offered.filter(pc.equal(offered["source"], only))
        plan = _make(archive, snapshot, offered, budget, Done())
    if drawing:
        from longplay.planning import report

        report.draw(plan, drawing)
    return plan


def replan(archive: Archive, old: Plan) -> Plan:
    """Plan anew what is not held yet, in the bytes that the old plan's budget leaves."""
    with writer_lock(archive.plans / "lock", "plan"):
        snapshot = open_current(archive.catalogue)
        with archive.ledger.read() as connection:
            held = queries.held_paths(connection)
            kept = queries.held_by_role(connection)
            _, size = queries.count_objects(connection)
        done = _done(shares.listening(archive, snapshot), kept, size, archive.settings.policy)
        copies = likenesses.counted_once(archive, snapshot)
        rest = without(candidates(archive, snapshot), held, kept["recording"], copies)
        left = None if old.budget is None else max(0, old.budget - size)
        return _make(archive, snapshot, rest, left, done, total=old.budget)


def _done(listening: Listening, kept: pa.Table, size: int, policy: Policy) -> Done:
    """What the archive holds, as the planner counts it."""
    opus = pc.equal(kept["role"], Role.DERIVATIVE.value).to_numpy(zero_copy_only=False)
    heard = listening.of(kept["recording"].to_numpy()).astype(np.float64)
    copies = int(opus.sum())
    return Done(
        recordings=kept.num_rows,
        bytes=size,
        original=kept.num_rows - copies,
        opus=copies,
        listens=float(heard.sum()),
        weighted=float(heard[~opus].sum() + policy.opus_quality * heard[opus].sum()),
    )


def _make(
    archive: Archive,
    snapshot: Snapshot,
    offered: pa.Table,
    budget: int | None,
    done: Done,
    *,
    total: int | None = None,
) -> Plan:
    """Plan `offered` in `budget` bytes; `total` is the budget that these are left of."""
    listening = shares.listening(archive, snapshot)
    unoffered = shares.unoffered_listens(listening, snapshot, offered)
    planned = make_plan(
        offered,
        archive.settings.policy,
        budget=budget,
        snapshot=f"{snapshot.number:06}",
        done=done,
        unoffered=max(0.0, unoffered - done.listens),
        any_known=listening.known,
    )
    if total is not None:
        planned = replace(planned, plan=replace(planned.plan, budget=total))
    table.write(planned, archive.plans)
    _name(archive, planned.plan)
    return planned.plan


def candidates(archive: Archive, snapshot: Snapshot) -> pa.Table:
    """What the sources of the settings offer, with what the ledger knows of damage."""
    offered = popularity.candidates(snapshot)
    sources = {source.name: source.keep == "all" for source in archive.settings.sources}
    known = pa.array(list(sources), pa.string())
    offered = offered.filter(pc.is_in(offered["source"], known))
    offered = _counted_once(archive, snapshot, offered)
    all_of = pa.array([name for name, keep in sources.items() if keep], pa.string())
    with archive.ledger.read() as connection:
        uneven = queries.uneven_paths(connection)
    marked = _names(uneven)
    damaged = [name in marked for name in _pairs(offered)] if marked else [False] * len(offered)
    return offered.append_column("keep_all", pc.is_in(offered["source"], all_of)).append_column(
        "damaged", pa.array(damaged, pa.bool_())
    )


def _counted_once(archive: Archive, snapshot: Snapshot, offered: pa.Table) -> pa.Table:
    """The candidates with what near-duplicates count as. Each of them has the listens of all that
    are offered: whoever keeps one of them has what all of them play."""
    leaders = likenesses.counted_once(archive, snapshot)
    members = np.array(sorted(leaders), np.uint64)
    recordings = offered["recording"].fill_null(0).to_numpy()
    rows = np.flatnonzero(np.isin(recordings, members))
    if not len(rows):
        return offered
    leader = np.array([leaders[each] for each in members.tolist()], np.uint64)
    here = np.unique(recordings[rows])
    stands, group = np.unique(leader[np.searchsorted(members, here)], return_inverse=True)
    heard = np.bincount(group, weights=shares.listening(archive, snapshot).of(here))
    counts = np.zeros(len(recordings), np.uint64)
    counts[rows] = leader[np.searchsorted(members, recordings[rows])]
    place = offered.schema.get_field_index("listens")
    listens = offered["listens"].cast(pa.float64()).fill_null(np.nan).to_numpy().copy()
    listens[rows] = heard[np.searchsorted(stands, counts[rows])]
    fresh = pa.array(listens, mask=np.isnan(listens))
    alone = np.ones(len(recordings), bool)
    alone[rows] = False
    offered = offered.set_column(place, "listens", fresh)
    return offered.append_column(COUNTS_AS, pa.array(counts, mask=alone))


def without(
    offered: pa.Table, held: pa.Table, recordings: pa.ChunkedArray, copies: Mapping[int, int]
) -> pa.Table:
    """The candidates but for held files, and but for all files of held recordings and of their
    copies: `copies` says of such which recording stands for it."""
    names = _names(held)
    fresh = pa.array([name not in names for name in _pairs(offered)], pa.bool_())
    standing = {copies[each] for each in recordings.to_pylist() if each in copies} if copies else ()
    besides = pa.array([one for one, stands in copies.items() if stands in standing], pa.uint64())
    known = pc.is_in(offered["recording"], pa.concat_arrays([*recordings.chunks, besides]))
    return offered.filter(pc.and_(fresh, pc.invert(known)))


def _pairs(table: pa.Table) -> Iterator[tuple[str, bytes]]:
    return zip(table["source"].to_pylist(), table["path"].to_pylist(), strict=True)


def _names(table: pa.Table) -> set[tuple[str, bytes]]:
    return set(_pairs(table))


def current_plan(archive: Archive) -> Plan:
    """The archive's plan. Raises PlanError when there is none yet."""
    with archive.ledger.read() as connection:
        document = queries.latest_plan(connection)
    if document is None:
        raise PlanError(
            "there is no plan yet", where=str(archive.folder), hint="make one: longplay plan"
        )
    stocking.bring_plan(archive, document["plan"])
    return table.read_plan(plan_path(archive, document["plan"]))


def plan_path(archive: Archive, plan: str) -> Path:
    """Where a plan's file lies."""
    return archive.plans / f"{plan}.parquet"


def _name(archive: Archive, plan: Plan) -> None:
    """Make it the newest plan of the ledger, and remove files that no plan names."""
    document: dict[str, Any] = plan.document()
    stocking.keep_plan(archive, plan.id)
    with archive.ledger.write() as connection:
        newest = queries.latest_plan(connection)
        if newest is None or newest["plan"] != plan.id:
            last = connection.scalar(sa.select(sa.func.max(tables.plans.c.number))) or 0
            connection.execute(tables.plans.delete().where(tables.plans.c.id == plan.id))
            connection.execute(
                tables.plans.insert().values(
                    id=plan.id,
                    number=last + 1,
                    time=clock.timestamp(),
                    document=json.dumps(document, sort_keys=True),
                )
            )
        named = set(connection.scalars(sa.select(tables.plans.c.id)))
    sweep(archive.plans, {f"{name}.parquet" for name in named}, pattern="*.parquet*")
