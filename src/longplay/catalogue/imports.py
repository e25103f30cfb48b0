"""One import: take the writer's lock, stage, write the layer, join, and swap the pointer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from longplay import clock
from longplay.catalogue import corrections, database, heard, inline, joins, layers, layout, previous
from longplay.catalogue.database import Connection
from longplay.catalogue.keys import Hashes
from longplay.catalogue.numbering import Documents
from longplay.catalogue.staging import Staging
from longplay.errors import InputError, UsageError

SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""As in the settings; it is part of a folder's name."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What an importer says when it has staged everything: how many rows its source gave, and by
    table how many the source says there are, where it does. Of a history, `duplicates` repeat a
    play."""

    input: int
    declared: Mapping[str, int]
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. `coverage` is the share held of the rows that the source declares;
    `listens` are the plays that a history counts, and `matched` those of recordings that are in
    the catalogue."""

    source: str
    snapshot: int
    tracks: int
    albums: int
    artists: int
    duplicates: int
    rejected: int
    coverage: float | None
    seconds: float
    listens: int = 0
    matched: int = 0


def run(
    folder: Path,
    source: str,
    fill: Callable[[Staging], Staged],
    *,
    kind: str,
    licence: str | None,
    licences: Mapping[str, str] | None = None,
    declared: Mapping[str, int] | None = None,
    origin: Iterable[Path | str] = (),
    count_listens: bool = False,
    may_be_empty: bool = False,
    may_become_empty: bool = True,
) -> Imported:
    """Replace the layer of `source` by what `fill(stage)` stages.

    `licence` is that of the metadata, `licences` those of tables that have another; `declared` is
    what a person knows of the source's tables, and stands before what the source says. `origin`
    are the files or the address that it is imported from.
    Where nothing was staged, InputError is raised unless that `may_be_empty`: no good layer is
    replaced by the dump of nothing. `may_become_empty` says whether that goes for a source with
    tracks, too. Nothing is visible before the pointer is swapped, and nothing is left if that does
    not happen.
    When the layer turns out to be the one that is there already, the snapshot stays as it is.
    Raises UsageError for a source's name that cannot name a folder.
    """
    _require_name(source)
    started = clock.monotonic()
    with layout.writing(folder) as (current, scratch), database.opened(scratch) as connection:
        number, made = layout.following(current)
        inline.begin(connection, source)
        stage = Staging(connection, source, scratch)
        staged = fill(stage)
        repeats = inline.hand_over(stage, count_listens=count_listens)
        _refuse_nothing(stage, current.layers.get(source), may_be_empty, may_become_empty)
        pair = _Pair(folder, scratch, current, source)
        target = scratch / "layer"
        written = layers.write(stage, target, since=pair.since)
        for table, refs in written.absent.items():
            stage.absent(table, refs)
        small = _write_small(connection, target)
        parts, index = _publish(
            folder,
            f"{layout.LAYERS}/{source}-{number:06d}",
            {**written.files, **small},
            [*written.lookups, *_build_index(target, source, scratch)],
        )
        layer = layout.Layer(
            source,
            kind,
            licence,
            staged.input,
            repeats + written.duplicates + staged.duplicates,
            small["rejects"][0][1],
            {**staged.declared, **(declared or {})},
            parts,
            index,
            dict(licences or {}),
            tuple(str(each.resolve()) if isinstance(each, Path) else each for each in origin),
            written.isrcs,
        )
        following = current
        if not same(current.layers.get(source), layer):
            following = _join(connection, folder, scratch, current, layer, pair.found, number, made)
            layout.commit(folder, following)
        matched = heard.share(connection, folder, layer, following.joins["popularity"])
    return summary(layer, following.number, clock.monotonic() - started, matched)


def _require_name(source: str) -> None:
    if not SOURCE_NAME.fullmatch(source) or source == corrections.SOURCE:
        raise UsageError(
            "is no name for a source",
            where=source[:80],
            hint="use up to 63 of a-z, 0-9, '.', '_' and '-'",
        )


def _refuse_nothing(
    stage: Staging, before: layout.Layer | None, may_be: bool, may_become: bool
) -> None:
    if stage.rows("tracks") or stage.rows("listens"):
        return
    if not may_be:
        raise InputError(
            "there is nothing to import", where=stage.source, hint="is this the right file?"
        )
    if not may_become and before is not None and before.rows("tracks"):
        raise InputError(
            "no sound is left in it",
            where=stage.source,
            hint="what it offered before stays in the catalogue; is its disk mounted?",
        )


def _publish(
    folder: Path, home: str, files: Mapping[str, Iterable[tuple[Path, int]]], index: list[Path]
) -> tuple[dict[str, tuple[layout.Part, ...]], tuple[layout.Part, ...]]:
    """Move a layer's files of each table, with their rows, and its index to where they stay."""
    with ThreadPoolExecutor(layers.THREADS) as pool:
        parts = {
            table: [
                pool.submit(layout.publish_part, folder, path, f"{home}/{path.name}", rows)
                for path, rows in each
            ]
            for table, each in files.items()
        }
        indexes = [
            pool.submit(layout.publish_part, folder, path, f"{home}/{layout.INDEX}/{path.name}", 0)
            for path in index
        ]
    return (
        {table: tuple(part.result() for part in found) for table, found in parts.items()},
        tuple(part.result() for part in indexes),
    )


def _join(
    connection: Connection,
    folder: Path,
    scratch: Path,
    current: layout.Manifest,
    layer: layout.Layer,
    pair: previous.Pair | None,
    number: int,
    made: str,
) -> layout.Manifest:
    """The snapshot that follows `current` once this layer is in it, joined with the others."""
    sources = dict(sorted({**current.layers, layer.source: layer}.items()))
    runs = dict(current.joins)
    if pair:
        runs = joins.update(connection, folder, scratch, current, sources, layer.source, pair)
    popularity = heard.update(
        connection, folder, scratch, sources, runs, current.joins["popularity"], number
    )
    return layout.Manifest(number, made, sources, {**runs, "popularity": popularity})


def _build_index(target: Path, source: str, scratch: Path) -> list[Path]:
    """Build the search index of a layer that has tracks."""
    from longplay.catalogue.search import build

    index = target / layout.INDEX
    return [
        index / each.name for each in build.build(target, index, source=source, scratch=scratch)
    ]


class _Pair:
    """The source's tracks before and after, once the layer's are numbered; `found` stays None where
    there is nothing to compare them with."""

    def __init__(self, folder: Path, scratch: Path, current: layout.Manifest, source: str) -> None:
        self._scratch, self._number = scratch, layout.following(current)[0]
        self._concerned = joins.concerned(current)
        self._before = previous.read(folder, current.layers.get(source), scratch)
        self.found: previous.Pair | None = None

    def since(self, own_keys: Hashes, same: Documents) -> Documents:
        """Which snapshot had each track first, by document."""
        if not self._concerned:
            return np.broadcast_to(np.uint32(self._number), len(own_keys))
        self.found = previous.follow(self._before, own_keys, same, self._scratch)
        return self.found.since(self._number)


def _write_small(connection: Connection, target: Path) -> dict[str, list[tuple[Path, int]]]:
    """Write the layer's tables that DuckDB holds."""
    written = {}
    for table, query in inline.small_tables().items():
        path = target / f"{table}.parquet"
        written[table] = [(path, database.copy(connection, query, path))]
    return written


def same(before: layout.Layer | None, after: layout.Layer) -> bool:
    """Whether two layers differ in nothing but the names of files: their own, or their source's."""
    if before is None:
        return False
    nameless = [
        replace(
            layer,
            index=(),
            origin=(),
            tables={
                name: tuple(replace(part, file="") for part in parts)
                for name, parts in layer.tables.items()
            },
        )
        for layer in (before, after)
    ]
    return nameless[0] == nameless[1]


def summary(layer: layout.Layer, number: int, seconds: float, matched: float = 0.0) -> Imported:
    """An import's result from its layer; `matched` is the share of its listens that is of
    recordings in the catalogue."""
    listens = layer.input - layer.duplicates - layer.rejected if layer.rows("listens") else 0
    return Imported(
        layer.source,
        number,
        layer.rows("tracks"),
        layer.rows("albums"),
        layer.rows("artists"),
        layer.duplicates,
        layer.rejected,
        coverage(layer),
        round(seconds, 3),
        listens,
        round(listens * matched),
    )


def coverage(layer: layout.Layer, table: str | None = None) -> float | None:
    """Rows held / rows that the source declares, of one table (else the one that it is about);
    rows that repeat an id are held as that one, except in a repository, which does not declare
    the versions of its records."""
    table = table or layer.subject
    declared = layer.declared.get(table)
    if not declared:
        return None
    by_row = table == layer.subject and layer.format != "oai"
    held = layer.input - layer.rejected if by_row else layer.rows(table)
    return min(held / declared, 1.0)
