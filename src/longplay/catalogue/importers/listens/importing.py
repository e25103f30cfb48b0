"""The importer of listening histories: every form, counted into one layer of listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from longplay.catalogue import imports
from longplay.catalogue.importers.listens import forms, lines, streams
from longplay.catalogue.importers.listens.counting import Counter
from longplay.catalogue.staging import Staging
from longplay.errors import InputError, UsageError

Progress = Callable[[int, int], None]

MAX_HALF_LIFE_DAYS = 100_000.0
"""Days: longer than sound has been recorded, and a half-life is no half-life any more."""


def _quiet(_done: int, _total: int) -> None:
    """Show no progress."""


def import_listens(
    folder: Path,
    source: str,
    paths: Sequence[Path],
    *,
    half_life_days: float | None = None,
    licence: str | None = None,
    declared: Mapping[str, int] | None = None,
    progress: Progress = _quiet,
) -> imports.Imported:
    """Count listening histories into the layer `source` of the catalogue at `folder`.

    `paths` are files, folders or archives of any of the forms in `docs/importers/listens.md`. With
    `half_life_days` a listen weighs half for each such span of days that it is older than the
    newest listen in the data. `declared` is the number of `listens` that the source says there
    are.
    What is held are sums per recording: listens, and of how many accounts. The result's `listens`
    are the plays that count, `matched` those of recordings that the catalogue has;
    rows read = listens + duplicates + rejected.

    Raises InputError for what is no history, is damaged, or has no listen in it, UsageError,
    LockedError; then nothing changes.
    """
    if not paths:
        raise UsageError("no history to import", where=source)
    if half_life_days is not None and not 0 < half_life_days < MAX_HALF_LIFE_DAYS:
        raise UsageError(
            "is no half-life", where=str(half_life_days), hint="name a number of days above 0"
        )

    def fill(stage: Staging) -> imports.Staged:
        counter, duplicates = read(stage, paths, half_life_days, progress)
        return imports.Staged(counter.rows, {}, duplicates)

    return imports.run(
        folder, source, fill, kind="listens", licence=licence, declared=declared, origin=paths
    )


def read(
    stage: Staging,
    paths: Sequence[Path],
    half_life_days: float | None,
    progress: Progress = _quiet,
) -> tuple[Counter, int]:
    """Count every play in these histories into `stage`; returns the counter, and the rows that
    repeated a play. Raises InputError."""
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
    if not held:
        raise InputError(
            f"none of its {counter.rows} rows is a listen",
            where=str(paths[0]),
            hint="is this the right file? nothing was imported",
        )
    progress(total, total)
    return counter, duplicates
