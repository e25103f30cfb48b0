"""`longplay source`: where music lawfully comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longplay import settings
from longplay.cli import output
from longplay.cli.options import (
    ArchiveOption,
    JsonOption,
    WorkersOption,
    archive_folder,
    opened,
)
from longplay.cli.release import warn_unpublished
from longplay.errors import LongplayError

if TYPE_CHECKING:
    from longplay.workflows.refreshing import Refreshed

app = typer.Typer(no_args_is_help=True, help="Sources: where music lawfully comes from.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Its short name: lower case, no spaces.")],
    kind: Annotated[
        str, typer.Argument(help="Its kind: folder, http, internetarchive, ddex, oai or s3.")
    ],
    location: Annotated[str, typer.Argument(help="Where it is: a folder, a list, an address.")],
    rights: Annotated[
        str, typer.Option(metavar="URI", help="The rights statement that holds for all of it.")
    ],
    evidence: Annotated[str, typer.Option(metavar="TEXT", help="What that rests on.")] = "",
    licence: Annotated[
        str, typer.Option(metavar="URI", help="The licence of the metadata that it gives.")
    ] = "",
    connections: Annotated[
        int | None, typer.Option(min=1, max=64, help="Files fetched from one host at a time.")
    ] = None,
    per_second: Annotated[
        float | None, typer.Option(min=0.001, help="Requests to one host in a second.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Fetch from private and loopback addresses, too.")
    ] = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a source with the right that its files are kept under."""
    from longplay.workflows import sources

    folder = archive_folder(archive)
    given = {"connections": connections, "per_second": per_second, "private": private or None}
    politeness = settings.Politeness.model_validate(
        {key: value for key, value in given.items() if value is not None}
    )
    added = sources.add_source(folder, name, kind, location, rights, evidence, politeness, licence)
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


@app.command()
def refresh(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Sources; else all of them.")
    ] = None,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask sources what they offer now, and put it into the catalogue."""
    from longplay.workflows import publishing, refreshing

    with opened(archive) as it, output.progress("refresh") as update:
        done = refreshing.refresh(it, names or [], workers=workers, progress=update)
        changed = any(one.withdrawn or one.returned for one in done)
        told = publishing.renew(it) if changed else None
    _tell_problems(done)
    warn_unpublished(told)
    if as_json:
        output.document([one.document() for one in done])
        return
    head = ["source", "files", "sound", "tracks", "rejected"]
    if any(one.withdrawn or one.returned for one in done):
        head += ["withdrawn", "returned"]
    output.table(head, [[getattr(one, name) for name in head] for one in done])


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of DDEX deliveries.")],
    as_json: JsonOption = False,
) -> None:
    """Read a label's deliveries, and say what is amiss in them; needs no archive."""
    from longplay.workflows import checking

    done = checking.check_deliveries(str(folder))
    if as_json:
        output.document(done)
    else:
        for one in done.problems:
            output.line(f"{_GRAVE[one.grave]}: {one}")
        output.line(
            f"{done.messages:,} messages about {done.releases:,} releases;"
            f" {done.recordings:,} recordings in {done.files:,} files would be fetched"
        )
    if not done.sound:
        raise typer.Exit(LongplayError.exit_status)


_GRAVE = {"message": "not read", "part": "left out", "note": "note"}

TOLD = 20
"""Lines of what is amiss in deliveries that `refresh` prints; `check` prints all."""


def _tell_problems(done: list[Refreshed]) -> None:
    for one in done:
        for said in one.problems[:TOLD]:
            output.err.print(f"{one.source}: {said}", markup=False)
        if len(one.problems) > TOLD:
            more = f"{len(one.problems) - TOLD:,} more: `longplay source check` tells all"
            output.err.print(f"{one.source}: {more}", markup=False)
