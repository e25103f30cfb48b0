"""`longplay source`: where music lawfully comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from longplay import settings
from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, archive_folder

app = typer.Typer(no_args_is_help=True, help="Sources: where music lawfully comes from.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Its short name: lower case, no spaces.")],
    kind: Annotated[str, typer.Argument(help="Its kind: folder.")],
    location: Annotated[str, typer.Argument(help="Where it is.")],
    rights: Annotated[
        str, typer.Option(metavar="URI", help="The rights statement that holds for all of it.")
    ],
    evidence: Annotated[str, typer.Option(metavar="TEXT", help="What that rests on.")] = "",
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a source with the right that its files are kept under."""
    from longplay.workflows import sources

    folder = archive_folder(archive)
    added = sources.add_source(folder, name, kind, location, rights, evidence)
    if as_json:
        output.document(added.model_dump())
    else:
        output.line(f"{added.name}: {added.kind} {added.location}, {added.rights}")


@app.command("list")
def list_sources(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """List the sources."""
    rows = settings.load(archive_folder(archive)).sources
    if as_json:
        output.document([row.model_dump() for row in rows])
        return
    names = ("name", "kind", "location", "rights", "keep")
    output.table(names, [[getattr(row, name) for name in names] for row in rows])
