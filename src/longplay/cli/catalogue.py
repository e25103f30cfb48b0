"""`longplay catalogue`: what music exists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from longplay.cli import output
from longplay.cli.keep import show_import
from longplay.cli.options import ArchiveOption, JsonOption, WorkersOption, opened

app = typer.Typer(no_args_is_help=True, help="The catalogue: what music exists.")


@app.command("import")
def import_paths(
    paths: Annotated[list[str], typer.Argument(help="A folder, files, or a repository's address.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="tags|table|musicbrainz|discogs|listens|oai",
            help="Else told by the path.",
        ),
    ] = None,
    column_map: Annotated[
        str | None,
        typer.Option("--map", metavar="MAP.toml", help="Which column is what; or a shipped map."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The source's name.")] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="URI", help="The licence of the metadata itself.")
    ] = None,
    declared: Annotated[
        list[str] | None,
        typer.Option(metavar="[TABLE=]N", help="Rows that the source says there are."),
    ] = None,
    half_life: Annotated[
        float | None, typer.Option(metavar="DAYS", help="Listens: so old, they count half.")
    ] = None,
    oai_set: Annotated[str | None, typer.Option("--set", help="OAI: one set only.")] = None,
    prefix: Annotated[str, typer.Option(help="OAI: the metadata format.")] = "oai_dc",
    since: Annotated[str | None, typer.Option(metavar="DATE", help="OAI: not before.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="OAI: harvest anew.")] = False,
    pause: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="OAI: between requests.")
    ] = 1.0,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="OAI: also addresses in private networks.")
    ] = False,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a source: tags, tables, dumps, listening histories, a repository."""
    from longplay.workflows import importing

    request = importing.Request(
        tuple(paths),
        form,
        column_map,
        name,
        licence,
        tuple(declared or ()),
        workers,
        half_life,
        importing.Harvest(oai_set, prefix, since, fresh, pause, allow_private),
    )
    with opened(archive) as it, output.progress("import") as update:
        report = importing.import_paths(it, request, progress=update)
    if as_json:
        output.document(report.document())
    else:
        show_import(report)


@app.command()
def stats(
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html|.png|.svg", help="Draw it, too.")
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """What the catalogue holds, and how much of what its sources declare."""
    from longplay.workflows import importing

    with opened(archive) as it:
        found = importing.stats(it, drawing=report)
    if as_json:
        output.document(found)
        return
    names = ("tracks", "albums", "artists", "recordings", "isrcs")
    output.facts([(name, getattr(found, name)) for name in names])
    output.line()
    columns = ("source", "table", "rows", "declared", "coverage", "missing")
    rows = [(source.name, each) for source in found.sources for each in source.tables]
    output.table(
        columns, [[name, *(getattr(each, column) for column in columns[1:])] for name, each in rows]
    )
    output.line()
    columns = ("source", "input", "rows", "duplicates", "rejected", "licence")
    output.table(
        columns,
        [
            [source.name, *(getattr(source, column) for column in columns[1:])]
            for source in found.sources
        ],
    )
