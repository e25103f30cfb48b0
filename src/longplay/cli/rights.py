"""`longplay rights`: why something may be handed on, or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened

if TYPE_CHECKING:
    from longplay.workflows.judging import Explanation

app = typer.Typer(no_args_is_help=True, help="Rights: what may be shared, and why.")


@app.command()
def explain(
    asked: Annotated[
        str, typer.Argument(metavar="ID", help="An object, recording, track, album, artist, ISRC.")
    ],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain what may be done with what is held of it: statements, steps, answers."""
    from longplay.workflows import judging

    with opened(archive) as it:
        found = judging.explain(it, asked)
    if as_json:
        output.document(found)
        return
    for one in found:
        _show(one)


@app.command("import")
def import_rights(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A rights table (.csv) or DDEX message (.xml).")
    ],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in what a file states about recordings, albums, sources or objects."""
    from longplay.workflows import stating

    with opened(archive) as it:
        done = stating.import_rights(it, file)
    if as_json:
        output.document(done)
        return
    output.line(f"{done.statements:,} statements about {done.subjects:,} subjects")
    if done.unmatched:
        names = ", ".join(done.unmatched[:5])
        output.line(f"not in the catalogue: {len(done.unmatched):,}, e.g. {names}")


def _show(one: Explanation) -> None:
    output.line(f"{one.object} ({one.kind}, {output.size(one.size)}): {one.access}")
    for steps in one.steps:
        for step in steps:
            output.line(f"  {step}")
    if one.withdrawn:
        output.line("  withdrawn: it stays dark")
    for cause in one.causes:
        output.line(f"  tombstone: {cause}")
    for answer in one.answers:
        may = "yes" if answer.permitted else "no"
        asks = f"; asks for {', '.join(answer.duties)}" if answer.duties else ""
        output.line(f"  {answer.act:<9} {may}: {answer.words}{asks}")
