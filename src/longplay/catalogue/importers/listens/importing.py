"""The importer of listening histories: every form, counted into one layer of listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from longplay.catalogue.importers.listens import forms, lines, streams
from longplay.catalogue.importers.listens.counting import Counter
from longplay.catalogue.staging import Staging
from longplay.errors import InputError

Progress = Callable[[int, int], None]


def _quiet(_done: int, _total: int) -> None:
    """Show no progress."""


def read(
    stage: Staging,
    paths: Sequence[Path],
    half_life_days: float | None,
    progress: Progress = _quiet,
) -> tuple[Counter, int, int]:
    """Count every play in these histories into `stage`; returns the counter, the plays that count,
    and the rows that repeated one. Raises InputError."""
    counter = Counter(stage, timed=half_life_days is not None)
    total = streams.total_bytes(paths)
    for member in streams.members(paths):
        start = lines.head(member)
        if not start.start.strip():
            continue
        form = forms.recognise(start.start, member.name)
        batches = (
            lines.document_batches(stage.connection, member, start.stream)
            if form.unit == "document"
            else lines.line_batches(member, start.stream)
        )
        for batch in batches:
            counter.add(batch, form, member.name)
            progress(min(member.done(), total), total)
    held, duplicates = counter.finish(half_life_days)
    if counter.rows and not held:
        raise InputError(
            f"none of its {counter.rows} rows is a listen",
            where=str(paths[0]),
            hint="is this the right file? nothing was imported",
        )
    progress(total, total)
    return counter, held, duplicates
