"""`longplay catalogue sql`, `export`, `apply`, `prune`: questions to a catalogue, and copies."""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened
from longplay.errors import UsageError

if TYPE_CHECKING:
    from longplay.catalogue.copies import Copy, Terms
    from longplay.catalogue.questions import Answer

PAGE = 1000
"""Rows of one table on the screen: so wide are its columns for all of them."""

SPOOL = 16 * 2**20
"""Characters of an answer that are held in memory; more go to a temporary file."""


def sql(
    question: Annotated[str, typer.Argument(metavar="SELECT", help="One SELECT or EXPLAIN.")],
    limit: Annotated[int, typer.Option(min=0, help="Rows to print; 0: all of them.")] = 1000,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long it may take.")] = 600.0,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the catalogue in SQL. Nothing can be changed, and no other file be read."""
    from longplay.catalogue import questions
    from longplay.catalogue.snapshot import open_current

    with opened(archive) as it:
        snapshot = open_current(it.catalogue)
    with questions.ask(snapshot, question, limit=limit or None, seconds=seconds) as answer:
        if as_json:
            _print_json(answer)
            return
        for page in _pages(answer):
            output.table(answer.columns, page)
        if answer.cut:
            output.err.print(f"only {limit:,} rows are printed: --limit says how many")


def _pages(answer: Answer) -> Iterator[list[list[object]]]:
    page: list[list[object]] = []
    shown = False
    for row in _rows(answer):
        page.append([_cell(value) for value in row])
        if len(page) == PAGE:
            yield page
            page, shown = [], True
    if page or not shown:
        yield page


def _rows(answer: Answer) -> Iterator[list[object]]:
    for batch in answer.batches:
        columns = [column.to_pylist() for column in batch.columns]
        yield from map(list, zip(*columns, strict=True))


def _cell(value: object) -> object:
    """A value for people: lists without quotes, bytes as hexadecimal digits."""
    if isinstance(value, list):
        return ", ".join("-" if each is None else str(each) for each in value)
    return value.hex() if isinstance(value, bytes) else value


def _print_json(answer: Answer) -> None:
    """One document, row by row, and only when it is whole: an answer may be long, and may fail."""
    with tempfile.SpooledTemporaryFile(SPOOL, "w+") as out:
        names = json.dumps(list(answer.columns), ensure_ascii=False)
        out.write(f'{{"columns": {names}, "rows": [')
        count = 0
        for row in _rows(answer):
            text = json.dumps([_plain(value) for value in row], ensure_ascii=False, default=str)
            out.write(f"{',' if count else ''}\n {text}")
            count += 1
        out.write(f'\n], "count": {count}, "cut": {json.dumps(answer.cut)}}}\n')
        out.seek(0)
        shutil.copyfileobj(out, sys.stdout)


def _plain(value: Any) -> Any:
    """A value as JSON can say it: NaN and infinities are null, bytes hexadecimal digits."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return value


def export_catalogue(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    sqlite: Annotated[bool, typer.Option("--sqlite", help="One SQLite file.")] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="TRACKS", help="So many tracks, and their albums.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="SNAPSHOT|DIR", help="What changed since a snapshot, or a copy."),
    ] = None,
    non_commercial: Annotated[
        bool, typer.Option("--non-commercial", help="Also what may not be used commercially.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="For your own use: ask no licence.")
    ] = False,
    recipient: Annotated[
        str | None,
        typer.Option("--for", metavar="NAME", help="Mark the copy as this recipient's."),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a copy of the catalogue: Parquet, SQLite, a sample, or what changed."""
    from longplay.catalogue import differences, export
    from longplay.catalogue.snapshot import open_current, open_number
    from longplay.workflows import marked_copies

    if since is not None and (sqlite or sample is not None):
        raise UsageError("a difference is Parquet, and whole", hint="leave out --sqlite, --sample")
    terms: Terms = "own" if everything else "non-commercial" if non_commercial else "any"
    with opened(archive) as it, output.progress("export") as update:
        snapshot = open_current(it.catalogue)
        marker = None if recipient is None else marked_copies.for_recipient(it, recipient)

        def progress(done: int, total: int) -> None:
            update(done, total, "tracks")

        made = partial(export.export, snapshot, folder, sqlite=sqlite, sample=sample)
        if since is not None:
            old = open_number(it.catalogue, int(since)) if since.isdigit() else Path(since)
            made = partial(differences.difference, old, snapshot, folder)
        copy = made(terms=terms, marker=marker, progress=progress)
    if as_json:
        output.document(_copied(copy, folder))
        return
    output.table(
        ("file", "rows", "bytes"),
        [(each.file, each.rows, output.size(each.bytes)) for each in copy.files],
    )
    for source, rows in copy.withheld.items():
        output.line(f"{rows:,} tracks of {source} stay here: no licence lets them leave (--all)")


def _copied(copy: Copy, folder: Path) -> dict[str, Any]:
    return {
        "directory": str(folder),
        "kind": copy.kind,
        "snapshot": copy.snapshot,
        "since": copy.since,
        "files": copy.files,
        "rows": {Path(each.file).stem: each.rows for each in copy.files},
        "withheld": copy.withheld,
    }


def apply_copy(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A copy, or a difference.")],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a copy of another catalogue, or what changed in it, into this one."""
    from longplay.catalogue import differences

    with opened(archive) as it, output.progress("apply") as update:
        done = differences.apply(
            it.catalogue, folder, progress=lambda rows, total: update(rows, total, "tracks")
        )
    if as_json:
        output.document(done)
        return
    for source in done.changed:
        output.line(f"{source}: changed")
    for source in done.unchanged:
        output.line(f"{source}: is as it should be already")


def prune_catalogue(
    keep: Annotated[int, typer.Option(min=1, help="Newest snapshots to keep.")] = 1,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove old snapshots, and the layers that only they have."""
    from longplay.workflows import pruning

    with opened(archive) as it:
        done = pruning.prune_catalogue(it, keep=keep)
    if as_json:
        output.document(done)
        return
    output.line(
        f"{output.size(done.bytes)} freed: {len(done.removed)} snapshots and {len(done.layers)}"
        f" layers went, {len(done.kept)} snapshots stay"
    )
    if done.reading:
        output.line(f"being read, and kept: {', '.join(map(str, done.reading))}")


COMMANDS: dict[str, Callable[..., None]] = {
    "sql": sql,
    "export": export_catalogue,
    "apply": apply_copy,
    "prune": prune_catalogue,
}
"""Commands of `longplay catalogue`."""
