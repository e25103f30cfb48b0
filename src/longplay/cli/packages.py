"""`longplay export`: packages that other archives read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened
from longplay.errors import IntegrityFoundError

if TYPE_CHECKING:
    from longplay.workflows.packaging import Exported, Format

app = typer.Typer(no_args_is_help=True, help="Packages for other archives: BagIt, OCFL, PREMIS.")

FolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="A new or empty folder, or an export to go on with.")
]
OpenOption = Annotated[bool, typer.Option("--open", help="Only what may be released to anybody.")]


@app.command()
def bagit(
    folder: FolderArgument,
    only_open: OpenOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the objects as a bag (RFC 8493), each with METS and PREMIS beside it."""
    _export("bagit", folder, only_open, archive, as_json)


@app.command()
def ocfl(
    folder: FolderArgument,
    only_open: OpenOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the objects as an OCFL 1.1 storage root, each with METS and PREMIS in it."""
    _export("ocfl", folder, only_open, archive, as_json)


@app.command()
def premis(
    folder: FolderArgument,
    only_open: OpenOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what is known of each object as PREMIS 3: events, agents, rights. Opens no object."""
    _export("premis", folder, only_open, archive, as_json)


def _export(
    form: Format, folder: Path, only_open: bool, archive: Path | None, as_json: bool
) -> None:
    from longplay.workflows import packaging

    with opened(archive) as it, output.progress(f"export {form}") as update:
        done = packaging.export(it, folder, form, only_open=only_open, progress=update)
    if as_json:
        output.document(done.document())
    else:
        _show(done)
    if not done.sound:
        raise typer.Exit(IntegrityFoundError.exit_status)


def _show(done: Exported) -> None:
    output.facts(
        [
            ("objects", done.objects),
            ("bytes", output.size(done.bytes)),
            ("written now", done.written),
            ("removed", done.removed),
            ("seconds", round(done.seconds, 1)),
            *((f"withheld, {reason}", count) for reason, count in sorted(done.withheld.items())),
        ]
    )
    for root in done.damaged:
        output.line(f"damaged   {root}: not exported, see `longplay verify`")
    for root in done.missing:
        output.line(f"missing   {root}: not exported, see `longplay verify`")
    for name in done.lost_evidence:
        output.line(f"missing   evidence/{name}: its facts are not told, restore it from a backup")
