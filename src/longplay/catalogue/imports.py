"""One import: take the writer's lock, stage, write the layer, join, and swap the pointer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from longplay import clock
from longplay.catalogue import database, joins, layers, layout
from longplay.catalogue.database import Connection
from longplay.errors import UsageError

SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""As in the settings; it is part of a folder's name."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What an importer says when it has staged everything: how many rows its source gave, and how
    many it says there are (None: it does not say)."""

    input: int
    declared: int | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. `coverage` is the share held of the rows that the source declares."""

    source: str
    snapshot: int
    tracks: int
    albums: int
    artists: int
    duplicates: int
    rejected: int
    coverage: float | None
    seconds: float


def run(
    folder: Path,
    source: str,
    fill: Callable[[Connection, Path], Staged],
    *,
    kind: str,
    licence: str | None,
    count_listens: bool = False,
) -> Imported:
    """Replace the layer of `source` by what `fill(connection, scratch)` stages.

    Nothing is visible before the pointer is swapped, and nothing is left if that does not happen.
    When the layer turns out to be the one that is there already, the snapshot stays as it is.
    Raises UsageError for a source's name that cannot name a folder.
    """
    if not SOURCE_NAME.fullmatch(source):
        raise UsageError(
            "is no name for a source",
            where=source[:80],
            hint="use up to 63 of a-z, 0-9, '.', '_' and '-'",
        )
    started = clock.monotonic()
    with layout.writing(folder) as (current, scratch), database.opened(scratch) as connection:
        number, made = layout.following(current)
        name = f"{source}-{number:06d}"
        layers.begin(connection, source)
        staged = fill(connection, scratch)
        tables, duplicates = layers.write(
            connection, folder, scratch, name, count_listens=count_listens
        )
        rejected = tables["rejects"].rows
        layer = layout.Layer(
            source, kind, licence, staged.input, duplicates, rejected, staged.declared, tables
        )
        if not same(current.layers.get(source), layer):
            runs = joins.update(connection, folder, scratch, current, source=source, new=name)
            sources = dict(sorted({**current.layers, source: layer}.items()))
            layout.commit(folder, layout.Manifest(number, made, sources, runs))
        else:
            number = current.number
    return summary(layer, number, clock.monotonic() - started)


def same(before: layout.Layer | None, after: layout.Layer) -> bool:
    """Whether two layers differ in nothing but the names of their files."""
    if before is None:
        return False
    tables = {
        name: replace(part, file=before.tables[name].file) for name, part in after.tables.items()
    }
    return replace(after, tables=tables) == before


def summary(layer: layout.Layer, number: int, seconds: float) -> Imported:
    """An import's result from its layer."""
    return Imported(
        layer.source,
        number,
        layer.tables["tracks"].rows,
        layer.tables["albums"].rows,
        layer.tables["artists"].rows,
        layer.duplicates,
        layer.rejected,
        coverage(layer),
        round(seconds, 3),
    )


def coverage(layer: layout.Layer) -> float | None:
    """Rows held / rows that the source declares; rows that repeat an id are held as that one."""
    if not layer.declared:
        return None
    held = layer.tables["tracks"].rows + layer.duplicates
    return min(held / layer.declared, 1.0)
