"""`doctor`, `move-ledger`: what keeps an archive in order that its owner looks after."""

from __future__ import annotations

from typing import Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, archive_folder


def move_ledger(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="sqlite:///FILE or postgresql://USER@HOST/NAME.")
    ],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the ledger to another database; nothing is switched unless both are equal."""
    from longplay.workflows import moving

    with output.progress("move-ledger") as update:
        done = moving.move_ledger(archive_folder(archive), url, progress=update)
    if as_json:
        output.document(done)
        return
    output.table(
        ("table", "rows", "hash"),
        [(name, one.rows, one.hash[:16]) for name, one in done.tables.items() if one.rows],
    )
    if done.already:
        output.line(f"the ledger is at {done.now}")
        return
    output.line(f"the ledger is at {done.now} now, {done.rows:,} rows, all equal")
    output.line(f"the old one, {done.before}, is not used any more: remove it after a backup")


def doctor(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Look at every part of the archive, and say what is to be done."""
    from longplay.workflows.doctor import examine

    with output.progress("doctor") as update:
        found = examine(archive_folder(archive), progress=update)
    if as_json:
        output.document(found)
    else:
        for one in found.findings:
            where = f"{one.where}: " if one.where else ""
            output.line(f"{'TO DO' if one.todo else 'note '}  {one.check}: {where}{one.what}")
            output.line(f"       {one.remedy}")
        output.line(f"checked: {', '.join(found.checks)}")
        output.line("all well" if found.healthy else "there is something to do")
    if not found.healthy:
        raise typer.Exit(1)


COMMANDS = (doctor, move_ledger)
