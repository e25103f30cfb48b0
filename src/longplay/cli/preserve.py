"""`forget`, `backup`: what an archive lets go on purpose, and what it must never lose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened
from longplay.cli.release import warn_unpublished


def forget(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="An object, recording, track or album.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it stays on record.")],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Destroy the bits of what is held, everywhere that we hold them. This cannot be undone."""
    from longplay.workflows import forgetting, publishing

    with opened(archive) as it:
        done = forgetting.forget(it, identity, reason)
        told = publishing.renew(it)
    warn_unpublished(told)
    if as_json:
        output.document(done)
        return
    for one in done.objects:
        output.line(f"forgotten {one}")
    output.facts(
        [
            ("objects", len(done.objects)),
            ("bytes", output.size(done.bytes)),
            ("forgotten before", done.before),
            ("files removed", done.files),
            ("replicas that had copies", ", ".join(done.replicas) or None),
        ]
    )


def backup(
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="A folder elsewhere.")],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy what cannot be made again, while the archive is in use: ledger, settings, keys."""
    from longplay.workflows import backups

    with opened(archive) as it, output.progress("backup") as update:
        done = backups.backup(it, destination, progress=update)
    if as_json:
        output.document(done)
        return
    output.facts(
        [
            ("backup", done.folder),
            ("ledger", f"{done.rows:,} rows, {done.entries:,} entries of the log"),
            ("files", done.files),
            ("bytes", output.size(done.bytes)),
        ]
    )


COMMANDS = (forget, backup)
