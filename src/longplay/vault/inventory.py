"""Which evidence files count, told from the files alone: for a ledger that is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay.errors import StoreError
from longplay.ledger.record import EvidenceFile
from longplay.vault import evidence, standing
from longplay.vault.standing import Standing

Covers = frozenset[int | bytes]
"""What of a kind a file has whole: batches; of the log entries; what no capture brought row by row,
as its leaf, since every repair writes such rows."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The evidence files that count, what stands, the names of files that are damaged, and the
    captured batches, all of whose evidence was written."""

    files: tuple[EvidenceFile, ...]
    standing: Standing | None
    damaged: tuple[str, ...]
    batches: frozenset[int]

    def paths(self, folder: Path, kind: str) -> list[Path]:
        """The files of one kind."""
        return [folder / file.name for file in self.files if file.kind == kind]


def take(folder: Path) -> Inventory:
    """Look at every file in the evidence folder.

    A file whose bytes do not fit its name is damaged. One whose rows all stand in a larger one was
    merged into that, and is left out; of `standing` only the newest counts.
    """
    found: dict[str, list[tuple[EvidenceFile, Covers]]] = {}
    stands: list[tuple[Standing, EvidenceFile]] = []
    damaged = []
    for path in sorted(folder.glob("*.parquet")):
        match = evidence.NAME.fullmatch(path.name)
        if match is None:
            continue
        try:
            file = _facts(path, match[1], match[2])
            if file.kind == standing.STANDING:
                stands.append((standing.read(path), file))
            else:
                found.setdefault(file.kind, []).append((file, _covers(path, file.kind)))
        except StoreError:
            damaged.append(path.name)
    chosen = [file for files in found.values() for file in _largest(files)]
    stands.sort(key=lambda pair: (pair[0].entries, pair[0].time))
    newest = stands[-1] if stands else None
    return Inventory(
        tuple(chosen + ([newest[1]] if newest else [])),
        newest[0] if newest else None,
        tuple(damaged),
        frozenset(one for one in _covered(found, "holdings") if isinstance(one, int)),
    )


def _covered(found: dict[str, list[tuple[EvidenceFile, Covers]]], kind: str) -> Covers:
    return frozenset[int | bytes]().union(*(covers for _, covers in found.get(kind, [])))


def _facts(path: Path, kind: str, prefix: str) -> EvidenceFile:
    try:
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").digest()
        if digest.hex()[: len(prefix)] != prefix:
            raise StoreError("is damaged", where=str(path))
        rows = pq.read_metadata(path).num_rows
        return EvidenceFile(path.name, kind, rows, path.stat().st_size, digest)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"cannot be read: {error}", where=str(path)) from error


def _covers(path: Path, kind: str) -> Covers:
    column = "number" if kind == standing.LOG else "batch"
    found: set[int | bytes] = set()
    for batch in evidence.read([path], [column]):
        found.update(batch[column].unique().to_pylist())
    if kind != standing.LOG and evidence.NO_BATCH in found:
        found.remove(evidence.NO_BATCH)
        for batch in evidence.read([path], evidence.SCHEMAS[kind].names):
            rows = batch.filter(pc.field("batch") == evidence.NO_BATCH).to_pylist()
            found.update(map(evidence.row_leaf, rows))
    return frozenset(found)


def _largest(files: list[tuple[EvidenceFile, Covers]]) -> Iterator[EvidenceFile]:
    covered: set[int | bytes] = set()
    for file, covers in sorted(files, key=lambda pair: (-pair[0].rows, pair[0].name)):
        if not covers <= covered:
            covered |= covers
            yield file
