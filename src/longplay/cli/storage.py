"""`move-objects`: where the bytes lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, archive_folder
from longplay.errors import IntegrityFoundError

if TYPE_CHECKING:
    from longplay.workflows.relocating import Relocated


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
        _tell(done)
    if done.unsound:
        raise typer.Exit(IntegrityFoundError.exit_status)


def _tell(done: Relocated) -> None:
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


COMMANDS = (move_objects,)
