"""Layers made in a test: the three tables of a few rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from longplay.catalogue import schema


def write_table(folder: Path, name: str, rows: Sequence[Mapping[str, Any]], group: int) -> None:
    """One table; what a row does not say is null, and own ids are made up."""
    wanted = schema.arrow(schema.LAYER[name])
    full = [
        {field.name: row.get(field.name) for field in wanted}
        | {"own_id": row.get("own_id", f"{name}-{number}")}
        for number, row in enumerate(rows)
    ]
    table = pa.Table.from_pylist(full, schema=wanted)
    pq.write_table(table, folder / f"{name}.parquet", row_group_size=group)


def write_layer(
    folder: Path,
    tracks: Sequence[Mapping[str, Any]],
    albums: Sequence[Mapping[str, Any]] = (),
    artists: Sequence[Mapping[str, Any]] = (),
    *,
    group: int = 1000,
) -> Path:
    """A layer of these rows, in row groups of `group`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("tracks", tracks), ("albums", albums), ("artists", artists)):
        write_table(folder, name, rows, group)
    return folder
