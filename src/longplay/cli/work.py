"""`plan`, `capture`, `rebuild`, `upgrade`: the archive's daily work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import (
    ArchiveOption,
    JsonOption,
    WorkersOption,
    archive_folder,
    begin_workers,
    opened,
    parse_size,
)
from longplay.errors import LongplayError

if TYPE_CHECKING:
    from longplay.capture.totals import Totals
    from longplay.planning import Plan
    from longplay.workflows.capturing import Captured


def plan(
    budget: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Bytes to keep to, e.g. 2TB.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Draw the plan: .html, .png or .svg.")] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide what to save first, in what quality, under a budget."""
    from longplay.workflows import planning

    with opened(archive) as it:
        made = planning.plan_archive(it, parse_size(budget), drawing=report)
    if as_json:
        output.document(made.document())
    else:
        show_plan(made, report)


def capture(
    limit: Annotated[int | None, typer.Option(min=1, help="Take at most so many files.")] = None,
    workers: WorkersOption = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Ask again for what sources refused.")
    ] = False,
    watch: Annotated[
        float | None,
        typer.Option(min=1, metavar="SECONDS", help="Go on, looking at folders so often."),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring in what the plan lists, most listened-to first."""
    begin_workers()
    if watch is not None:
        _watch(watch, archive, workers, as_json)
    from longplay.workflows import capturing

    with opened(archive) as it, output.progress("capture") as update:
        done = capturing.capture(it, limit=limit, workers=workers, progress=update, retry=retry)
    if as_json:
        output.document(done.document())
    else:
        show_capture(done)
    refuse_failures(done.totals, as_json)


def _watch(seconds: float, archive: Path | None, workers: int | None, as_json: bool) -> None:
    from longplay.workflows import watching

    def show(done: Captured) -> None:
        if as_json:
            output.document(done.document())
        elif done.totals.tried:
            show_capture(done)

    with opened(archive) as it, output.progress("capture") as update:
        watching.watch(
            it, seconds, workers=workers, progress=update, done=show, told=output.complaint
        )


def rebuild(
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Make the ledger again even where it is whole.")
    ] = False,
    backup: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Put back from this backup what the archive lacks."),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make again what can be made from the rest: a lost ledger, the catalogue's indexes."""
    from longplay.workflows import rebuilding

    with output.progress("rebuild") as update:
        done = rebuilding.rebuild(
            archive_folder(archive), again=ledger, backup=backup, progress=update
        )
    if as_json:
        output.document(done)
        return
    for name in done.put_back:
        output.line(f"put back {name}")
    output.line(f"the ledger was {done.ledger}")
    if done.entries:
        output.line(
            f"it was made again: {done.objects:,} objects, {done.releases:,} releases,"
            f" {done.entries:,} entries of the log"
        )
    if done.old:
        output.line(f"the old one is {done.old}")
    for words in done.lost:
        output.line(f"lost: {words}")
    output.facts([(source, output.size(count)) for source, count in done.indexes.items()])


def upgrade(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Bring an archive that an older Longplay made to this version."""
    from longplay.archive import upgrade as bring

    before, now = bring(archive_folder(archive))
    if as_json:
        output.document({"ledger": {"before": before, "now": now}})
        return
    output.line(f"the ledger had version {before}, and has {now}")


COMMANDS = (plan, capture, rebuild, upgrade)


def show_plan(made: Plan, report: Path | None = None) -> None:
    """Print a plan's totals for people."""
    output.facts(
        [
            ("recordings", made.recordings),
            ("kept as original", made.original),
            ("kept as Opus", made.opus),
            ("left out", made.skipped),
            ("bytes", output.size(made.bytes)),
            ("share of listens", output.percent(made.share_of_listens)),
            ("quality-weighted", output.percent(made.quality_weighted_share)),
            ("no plan can exceed", f"{output.percent(made.bound)} (gap {made.gap:.4%})"),
        ]
    )
    if report:
        output.line(f"drawn in {report}")


def show_capture(done: Captured) -> None:
    """Print what a capture did for people."""
    totals = done.totals
    output.facts(
        [
            ("offered", totals.offered),
            ("captured", totals.captured),
            ("already held", totals.already_held),
            ("skipped", totals.skipped),
            ("quarantined", totals.quarantined),
            ("failed", totals.failed),
            ("bytes stored", output.size(totals.bytes)),
            ("share of listens", output.percent(done.share_of_listens)),
            ("seconds", round(done.seconds, 1)),
        ]
    )
    for words in totals.reasons:
        output.err.print(f"skipped: {words}", markup=False)
    for words in totals.failures:
        output.err.print(f"failed: {words}", markup=False)


def refuse_failures(totals: Totals, as_json: bool) -> None:
    """Exit with 1 when something failed that may be tried again; the JSON has said so already."""
    if totals.failed and as_json:
        raise typer.Exit(LongplayError.exit_status)
    if totals.failed:
        raise LongplayError(
            f"{totals.failed} of {totals.offered} files failed",
            hint="see why above; the same command tries them again",
        )
