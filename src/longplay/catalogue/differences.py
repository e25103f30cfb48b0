"""What changed between two snapshots, as a copy that another archive can apply.

A difference holds whole rows: those that are new or changed, and a tombstone for each that went.
It says in which state each source must be before (`base`) and is afterwards, as a digest over all
rows, so it is applied to the right one or not at all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay.catalogue import copies, database, export, imports, keys
from longplay.catalogue.copies import NONE, ROWS, Copy, Origin, State, Terms
from longplay.catalogue.database import Connection, quoted
from longplay.catalogue.export import Marker, Progress
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.catalogue.staging import Staging
from longplay.errors import InputError, UsageError

KIND = "copy"
"""The format of layers that came as copies; no other layer is ever replaced by one."""

States = dict[str, dict[str, State]]


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did: the sources that it changed, those that were as they should be already,
    and the rows of tracks that the changed ones have now."""

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    tracks: int
    snapshot: int


def difference(
    old: Snapshot | Path,
    new: Snapshot,
    target: Path,
    *,
    terms: Terms = "any",
    marker: Marker | None = None,
    progress: Progress = lambda done, total: None,
) -> Copy:
    """Write what changed from `old`, a snapshot or a full copy, to `new`; return the manifest.

    Sources that did not change are left out; `marker` makes both states one recipient's.
    Raises UsageError when `target` has something in it, InputError when `old`
    is a copy that is damaged, or made under other permissions.
    """
    with copies.new_folder(target) as half:
        before, after = half / ".old", half / ".new"
        unchanged = _untouched(old, new)
        if isinstance(old, Path):
            before, was = old, _full(old, terms)
        else:
            was = _written(old, before, terms, unchanged, marker, lambda done, total: None)
        now = _written(new, after, terms, unchanged, marker, progress)
        listed = between(before, after, half)
        for folder in (half / ".old", half / ".new"):
            for path in folder.glob("*"):
                path.unlink()
            if folder.exists():
                folder.rmdir()
        base = {origin.source: origin.tables for origin in was.sources}
        changed = {
            origin.source for origin in now.sources if base.get(origin.source) != origin.tables
        }
        gone = base.keys() - {origin.source for origin in now.sources}
        return copies.seal(
            half,
            replace(
                now,
                kind="difference",
                since=was.snapshot,
                files=listed,
                base={name: base[name] for name in sorted(base) if name in changed | gone},
                sources=tuple(origin for origin in now.sources if origin.source in changed),
            ),
        )


def _untouched(old: Snapshot | Path, new: Snapshot) -> frozenset[str]:
    """Sources whose every file both snapshots share."""
    if isinstance(old, Path) or old.manifest.joins != new.manifest.joins:
        return frozenset()
    before, after = old.manifest.layers, new.manifest.layers
    return frozenset(name for name, layer in after.items() if before.get(name) == layer)


def _full(folder: Path, terms: Terms) -> Copy:
    copy = copies.read(folder)
    if copy.kind != "full" or not copy.paths(folder, "tracks"):
        raise InputError("is no full copy in Parquet", where=str(folder))
    if copy.terms != terms:
        raise InputError(
            f"was made for {copy.terms} use, not for {terms} use",
            where=str(folder),
            hint="--all and --non-commercial must be as they were then",
        )
    copies.verify(folder, copy)
    return copy


def _written(
    snapshot: Snapshot,
    folder: Path,
    terms: Terms,
    without: frozenset[str],
    marker: Marker | None,
    progress: Progress,
) -> Copy:
    """The sources of a snapshot that may have changed, as a copy of their own."""
    folder.mkdir()
    with snapshot.connect(*export.VIEWS) as connection:
        return export.write(
            snapshot,
            connection,
            folder,
            sqlite=False,
            sample=None,
            terms=terms,
            marker=marker,
            progress=progress,
            only=frozenset(snapshot.manifest.layers) - without,
        )


def between(before: Path, after: Path, target: Path) -> tuple[copies.File, ...]:
    """Write the rows of the copy `after` that `before` does not have, and tombstones for the rows
    whose ids it alone has."""
    listed = []
    with database.opened() as connection:
        gone = []
        for table, schema in copies.TABLES.items():
            old, new = (
                f"SELECT * FROM {database.parquet([folder / f'{table}.parquet'])}"
                for folder in (before, after)
            )
            order = " ORDER BY popularity DESC NULLS LAST, id" if table == "tracks" else ""
            query = f"FROM ({new} EXCEPT {old}){order}"
            listed.append(_write(connection, query, schema, target / f"{table}.parquet"))
            if table in ROWS:
                gone.append(
                    f"SELECT {quoted(table)} AS kind, id, source, own_id FROM ({old})"
                    f" ANTI JOIN (SELECT id FROM ({new})) USING (id)"
                )
        query = f"{' UNION ALL '.join(gone)} ORDER BY ALL"
        listed.append(_write(connection, query, copies.TOMBSTONES, target / "tombstones.parquet"))
    return tuple(listed)


def _write(connection: Connection, query: str, schema: pa.Schema, path: Path) -> copies.File:
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in connection.sql(query).to_arrow_reader(export.BATCH):
            writer.write_batch(batch.cast(schema))
            rows += batch.num_rows
    return copies.described(path, rows)


def apply(
    folder: Path, copy_folder: Path, *, progress: Progress = lambda done, total: None
) -> Applied:
    """Bring a copy, or a difference, into the catalogue at `folder`: each source is a layer.

    Everything is checked before anything is changed. Sources that are in the state that the copy
    brings stay as they are, so a stopped `apply` can be repeated. Raises InputError for a copy that
    is damaged, or a difference that starts from another state; UsageError when a source of the same
    name came from elsewhere.
    """
    copy = copies.read(copy_folder)
    if not copy.paths(copy_folder, "tracks"):
        raise InputError("has no Parquet tables", where=str(copy_folder))
    copies.verify(copy_folder, copy)
    snapshot = open_current(folder)
    wanted = {origin.source: origin for origin in copy.sources}
    wanted |= {name: _emptied(name) for name in copy.base.keys() - wanted.keys()}
    _check_names(snapshot, wanted)
    with tempfile.TemporaryDirectory(prefix="longplay-") as scratch:
        mine = Path(scratch)
        has = _states(snapshot, mine, frozenset(wanted))
        todo = [name for name, each in wanted.items() if has.get(name) != each.tables]
        with database.opened() as connection:
            for name in todo:
                if copy.kind == "difference" and has.get(name, {}) != copy.base.get(name, {}):
                    raise InputError(
                        f"starts from another state of {name}",
                        where=str(copy_folder),
                        hint="apply the differences in order, or a full copy",
                    )
                with _readable(copy_folder):
                    _check_result(connection, _Rows(copy_folder, copy, mine, wanted[name]))
            for name in todo:
                licence = wanted[name].licence if copy.terms == "any" else None
                rows = _Rows(copy_folder, copy, mine, wanted[name])
                imports.run(
                    folder,
                    name,
                    partial(_fill, connection, rows, progress),
                    kind=KIND,
                    licence=licence,
                    may_be_empty=True,
                )
    return Applied(
        tuple(todo),
        tuple(name for name in wanted if name not in todo),
        sum(wanted[name].tables["tracks"].rows for name in todo),
        open_current(folder).number,
    )


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Files that are no Parquet, or of other columns, in one line."""
    try:
        yield
    except duckdb.Error as error:
        words = str(error).splitlines()[0]
        raise InputError(
            f"cannot be read: {words}", where=str(folder), hint="nothing was changed"
        ) from error


def _emptied(name: str) -> Origin:
    return Origin(name, None, (), (), {}, dict.fromkeys(ROWS, NONE))


def _check_names(snapshot: Snapshot, wanted: dict[str, Origin]) -> None:
    for name in wanted:
        layer = snapshot.manifest.layers.get(name)
        if layer is not None and layer.format != KIND:
            raise UsageError(
                f"{name} is a source of this archive that was not copied",
                hint="nothing was changed",
            )


def _states(snapshot: Snapshot, scratch: Path, only: frozenset[str]) -> States:
    """The state of each of these sources here; their rows are left in `scratch`."""
    with snapshot.connect(*export.VIEWS) as connection:
        copy = export.write(
            snapshot,
            connection,
            scratch,
            sqlite=False,
            sample=None,
            terms="own",
            progress=lambda done, total: None,
            only=only,
        )
    return {origin.source: origin.tables for origin in copy.sources}


@dataclass(frozen=True, slots=True)
class _Rows:
    """One source as a copy, or a difference and the rows that are here, say that it is to be."""

    folder: Path
    copy: Copy
    mine: Path
    origin: Origin

    def query(self, table: str) -> str:
        """A query for the rows of a table."""
        new = f"SELECT * FROM {database.parquet(self.copy.paths(self.folder, table))}"
        of_source = f" WHERE source = {quoted(self.origin.source)}"
        if self.copy.kind != "difference":
            return new + of_source
        return merged(
            f"SELECT * FROM {database.parquet([self.mine / f'{table}.parquet'])}{of_source}",
            new + of_source,
            f"SELECT id FROM {database.parquet(self.copy.paths(self.folder, 'tombstones'))}"
            f" WHERE kind = {quoted(table)}",
        )


def merged(old: str, new: str, gone: str) -> str:
    """A query for the rows of `old`, without the ids in `gone`, and with `new` over them."""
    return (
        f"SELECT o.* FROM ({old}) o ANTI JOIN (SELECT id FROM ({new}) UNION ALL ({gone}))"
        f" USING (id) UNION ALL {new}"
    )


def _check_result(connection: Connection, rows: _Rows) -> None:
    source = rows.origin.source
    for table in ROWS:
        state = export.states(connection, table, rows.query(table)).get(source, NONE)
        if state != rows.origin.tables.get(table):
            raise InputError(
                f"does not hold the {table} of {source} that its manifest promises",
                where=str(rows.folder),
                hint="get the copy again; nothing was changed",
            )


def _fill(
    connection: Connection, rows: _Rows, progress: Progress, stage: Staging
) -> imports.Staged:
    done, total = 0, rows.origin.tables["tracks"].rows
    for table in ROWS:
        take = {"artists": stage.artists, "albums": stage.albums, "tracks": stage.tracks}[table]
        for batch in connection.sql(rows.query(table)).to_arrow_reader(export.BATCH):
            take(_staged(table, rows.origin.source, batch))
            done += batch.num_rows if table == "tracks" else 0
            progress(done, total)
    return imports.Staged(total, rows.origin.declared)


def _staged(table: str, source: str, batch: pa.RecordBatch) -> pa.Table:
    """A copy's rows as staging takes them: the keys of their ids are the references."""
    own = copies.keys(ROWS[table], batch["id"])
    if (own != keys.row_keys(ROWS[table], source, batch["own_id"])).any():
        raise InputError(f"has {table} whose ids are not those of {source}")
    names = [name for name in batch.schema.names if name not in _DERIVED]
    columns = {name: batch[name] for name in names}
    if table != "tracks":
        columns["ref"] = own.view(np.int64)
    if "artist_ids" in batch.schema.names:
        columns["artist_refs"] = _references(batch["artist_ids"])
    if "album_id" in batch.schema.names:
        known = pc.is_valid(batch["album_id"])
        found = copies.keys("al", batch["album_id"].filter(known)).view(np.int64)
        places = pc.subtract(pc.cumulative_sum(known.cast(pa.int64())), 1)
        columns["album_ref"] = pa.array(found).take(pc.if_else(known, places, None))
    return pa.table(columns)


_DERIVED = ("id", "recording", "source", "artists", "artist_ids", "album_id")
"""Columns that follow from others."""


def _references(ids: pa.ListArray) -> pa.ListArray:
    lengths = ids.value_lengths().fill_null(0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, copies.keys("ar", ids.flatten()).view(np.int64))
