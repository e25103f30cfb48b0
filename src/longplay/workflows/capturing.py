"""`capture`: bring in what the plan lists, and plan the tail anew when sizes were misjudged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from longplay import clock, engine
from longplay.archive import Archive
from longplay.capture import pipeline
from longplay.capture.batch import Carried
from longplay.capture.due import Item
from longplay.capture.pipeline import Job
from longplay.capture.totals import Totals
from longplay.catalogue import popularity
from longplay.catalogue.snapshot import open_current
from longplay.errors import LongplayError
from longplay.model import Action, Role
from longplay.planning import Plan, table
from longplay.workflows import planning, tallying
from longplay.workflows.listed import Found, LookedUp

INDEXED_FROM = 512
"""Files of a capture that fill a shard of the fingerprint index. Of fewer, what
was heard stands in the evidence until the index is asked."""

Progress = Callable[[int, int, str], None]
Parts = dict[tuple[str, bytes], list[tuple[int, int, int | None, str]]]


@dataclass(frozen=True, slots=True)
class Captured:
    """What a capture did, and the share of listens that the archive preserves after it."""

    totals: Totals
    share_of_listens: float
    seconds: float

    def document(self) -> dict[str, Any]:
        """As `capture --json` prints it."""
        names = (
            *("offered", "captured", "already_held", "skipped", "quarantined", "failed"),
            *("bytes", "fetched", "again", "rehashed", "recovered"),
        )
        counts = {name: getattr(self.totals, name) for name in names}
        share = round(self.share_of_listens, 6)
        return {**counts, "share_of_listens": share, "seconds": round(self.seconds, 3)}


def capture(
    archive: Archive,
    *,
    limit: int | None,
    workers: int | None,
    progress: Progress,
    retry: bool = False,
) -> Captured:
    """Carry out the archive's plan, and what it is replaced by on the way."""
    started = clock.monotonic()
    totals = Totals()
    plan = planning.current_plan(archive)
    while True:
        drift = _Drift(plan, archive.settings.policy.replan_tolerance)
        left = None if limit is None else limit - totals.tried
        job = _job(
            archive,
            plan,
            drift,
            workers=workers or engine.default_workers(),
            limit=left,
            progress=progress,
            retry=retry,
        )
        if archive.settings.engine:
            from longplay.workflows import clustered  # Dask takes a while to import

            totals += clustered.capture(archive, job, workers=workers)
        else:
            totals += pipeline.capture(archive.places, job)
        if not drift.seen:
            break
        plan = planning.replan(archive, plan)
    _index(archive, totals)
    listens, all_listens = tallying.sum_listens(archive, open_current(archive.catalogue))
    share = listens / all_listens if all_listens else 0.0
    return Captured(totals, share, clock.monotonic() - started)


def _index(archive: Archive, totals: Totals) -> None:
    """Index what was heard. An index that cannot be written is told of by the commands that ask
    it."""
    if totals.captured >= INDEXED_FROM:
        from longplay.workflows import indexing  # Numba takes a while to import

        with suppress(LongplayError):
            indexing.absorb(archive)


@dataclass(slots=True)
class _Drift:
    """Notices when captured files are larger or smaller than the plan expected.

    Only a budget makes that matter; the difference is measured against the plan's bytes.
    """

    plan: Plan
    tolerance: float
    seen: bool = False

    def __call__(self, totals: Totals) -> bool:
        if self.plan.budget is not None and self.plan.bytes:
            off = abs(totals.bytes - totals.expected_bytes) / self.plan.bytes
            self.seen = self.seen or off > self.tolerance
        return self.seen


def _job(
    archive: Archive,
    plan: Plan,
    drift: _Drift,
    *,
    workers: int,
    limit: int | None,
    progress: Progress,
    retry: bool,
) -> Job:
    path = planning.plan_path(archive, plan.id)
    parts, looked_up = _parts(archive), LookedUp(archive, path)

    def load(ordinals: Sequence[int]) -> Iterator[Item]:
        rows = table.read_rows(path, ordinals).to_pylist()
        listed = looked_up.of(ordinals, rows)
        for row in rows:
            yield _item(row, parts, listed)

    return Job(
        plan=plan.id,
        total=plan.entries,
        load=load,
        folders=_folders(archive),
        settings=archive.settings,
        workers=workers,
        limit=limit,
        progress=lambda done: progress(done.offered, plan.entries, _words(done)),
        enough=drift,
        folder=archive.folder,
        retry=retry,
    )


def _folders(archive: Archive) -> dict[str, str]:
    """Where the sources lie that are folders of files."""
    return {one.name: one.location for one in archive.settings.sources if one.kind == "folder"}


def _words(totals: Totals) -> str:
    return f"{totals.bytes / 1e6:,.1f} MB, {totals.quarantined} quarantined"


def _parts(archive: Archive) -> Parts:
    """Files that carry several recordings, with the stretch of each."""
    rows = popularity.parts(open_current(archive.catalogue)).to_pylist()
    found: Parts = defaultdict(list)
    for row in rows:
        part = (row["recording"], row["start_ms"], row["end_ms"], Role.PART.value)
        found[row["source"], row["path"]].append(part)
    return found


def _item(row: dict[str, Any], parts: Parts, listed: Found) -> Item:
    action = Action(row["action"])
    carried = parts.get((row["source"], row["path"]), [])
    if not carried and row["recording"] is not None:
        carried = [(row["recording"], 0, None, _role(row["role"], action))]
    facts, kind = listed.get((row["source"], row["path"]), (None, None))
    return Item(
        ordinal=row["ordinal"],
        path=row["path"],
        action=action,
        expected_bytes=row["expected_bytes"],
        carried=Carried(row["source"], row["track"], row["album"], tuple(carried)),
        listed=facts,
        kind=kind,
    )


def _role(place: str, action: Action) -> str:
    if action == Action.OPUS:
        return Role.DERIVATIVE.value
    return (Role.PRESERVATION if place == "best" else Role.OTHER_ENCODING).value
