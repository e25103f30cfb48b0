"""`doctor`, `move-ledger`, `move-objects`: whether all is well, and where an archive keeps what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, archive_folder
from longplay.errors import IntegrityFoundError

if TYPE_CHECKING:
    from longplay.workflows.relocating import Relocated


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


def move_objects(
    to: Annotated[str, typer.Argument(metavar="PLACE", help="A folder, or s3://bucket/prefix.")],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy all objects to another store, each one proved, and use it from then on."""
    from longplay.workflows import relocating

    with output.progress("move-objects") as update:
        done = relocating.move_objects(archive_folder(archive), to, progress=update)
    if as_json:
        output.document(done)
    elif done.already:
        output.line(f"the objects are at {done.now}")
    else:
        _tell_moved(done)
    if done.unsound:
        raise typer.Exit(IntegrityFoundError.exit_status)


def _tell_moved(done: Relocated) -> None:
    output.line(
        f"{done.copied:,} objects, {output.size(done.bytes)}, copied to {done.now};"
        f" {done.held:,} were there"
    )
    for root in done.unsound:
        output.line(f"not whole: {root}")
    if done.unsound:
        output.line(
            "the settings are as they were: run `longplay verify --repair`, then this again"
        )
        return
    output.line(f"{done.files:,} files of evidence and quarantine went with them")
    output.line(f"the old place, {done.before}, is as it was: remove it after `longplay verify`")


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


COMMANDS = (doctor, move_ledger, move_objects)
