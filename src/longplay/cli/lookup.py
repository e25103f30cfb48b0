"""`longplay lookup`: many ISRCs at once."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened
from longplay.errors import InputError, UsageError

if TYPE_CHECKING:
    from longplay.workflows.looking_up import Row

STANDARD_INPUT = Path("-")


def lookup(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="ISRCs, one a line, or a CSV; - for input.")
    ],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a line.")] = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look up many ISRCs: what is held, under which rights, by which ids."""
    from longplay.workflows import looking_up

    if as_csv and as_json:
        raise UsageError("--csv and --json are two forms", hint="choose one")
    with opened(archive) as it, _open(file) as source:
        rows = looking_up.look_up(it, looking_up.lines(source))
        if as_json:
            output.documents(rows)
        elif as_csv:
            _csv(rows)
        else:
            _show(rows)


def _open(file: Path) -> BinaryIO:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer
    if file.is_dir():
        raise InputError("is a folder", where=str(file), hint="name a file with ISRCs")
    return file.open("rb")


def _csv(rows: Iterator[Row]) -> None:
    from longplay.workflows import looking_up

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(looking_up.COLUMNS)
    writer.writerows(map(looking_up.cells, rows))


def _show(rows: Iterator[Row]) -> None:
    count = held = known = malformed = 0
    for row in rows:
        count += 1
        held += bool(row.held)
        known += bool(row.recordings)
        malformed += row.problem is not None
        if row.problem:
            output.line(f"line {row.line}: {row.asked[:60]} {row.problem}")
        else:
            state = "held" if row.held else "known" if row.recordings else "unknown"
            more = [row.access or "", *row.rights, *(row.held or row.recordings)]
            output.line("  ".join([row.isrc or "", state, *filter(None, more)]))
    output.line(f"{count:,} lines: {held:,} held, {known:,} known, {malformed:,} malformed")


COMMANDS = (lookup,)
