"""Small tables, imported by one line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from longplay.catalogue import imports
from longplay.catalogue.importers.table import import_table

Write = Callable[..., imports.Imported]


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


@pytest.fixture
def bring(catalogue: Path, tmp_path: Path) -> Write:
    """Import rows (dictionaries) as a source."""

    def write(source: str, rows: Iterable[dict[str, Any]]) -> imports.Imported:
        return import_rows(catalogue, tmp_path, source, rows)

    return write


def import_rows(
    catalogue: Path, scratch: Path, source: str, rows: Iterable[dict[str, Any]]
) -> imports.Imported:
    rows = list(rows)
    path = scratch / f"{source}.csv"
    names = list(dict.fromkeys(["id", *(name for row in rows for name in row)]))
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, names)
        writer.writeheader()
        writer.writerows(rows)
    return import_table(catalogue, source, [path])
