"""A capture batch as the ledger takes it in: the same from a capture, and from its evidence.

What `add` writes follows from its arguments alone, so that a ledger that was lost can be made again
from the evidence, row by row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import logs, telemetry
from longplay.files import escape
from longplay.ledger import log, queries, record, tables, tally
from longplay.ledger.database import after_commit
from longplay.ledger.record import HoldingRow, ManifestationRow, ObjectRow, QuarantineRow
from longplay.model import ObjectKey

EVENT = "capture"
"""What the log calls a batch."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A picture found in a file's tags, an object of its own."""

    key: ObjectKey
    role: str
    kind: str
    suffix: str


@dataclass(frozen=True, slots=True)
class File:
    """What came of one file of a source. With a `refusal` it went to quarantine: with a `key` its
    bytes are there. `recordings` are (recording, start_ms, end_ms, role).
    With `derived_from` it is a copy that was made of the held object with that root."""

    source: str
    path: bytes
    key: ObjectKey | None
    source_size: int
    mtime_ns: int
    mode: int
    action: str
    track: int | None
    album: int | None
    kind: str
    suffix: str
    verdict: str | None
    recordings: tuple[tuple[int, int, int | None, str], ...]
    pictures: tuple[Inside, ...]
    refusal: str | None
    version: str | None = None
    derived_from: bytes | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch: its number, its plan, when it was taken in, its files in their order, and of the
    objects that it brought the SHA-256 and the piece length."""

    number: int
    plan: str
    time: str
    files: Sequence[File]
    new: Mapping[ObjectKey, tuple[bytes, int]]


def number_of(files: Iterable[File], new: Iterable[ObjectKey], time: str) -> int:
    """The batch's name: 63 bits of the digest of what it brought and when; nobody counts."""
    digest = hashlib.sha256(b"".join(sorted(key.root for key in new)) + time.encode())
    for file in files:
        digest.update(f"{file.source}\0{escape(file.path)}\0".encode())
        digest.update(file.mtime_ns.to_bytes(8, "big", signed=True))
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def add(connection: Connection, batch: Batch) -> bool:
    """Name the batch's objects, and record its paths and what they carry. Returns whether all that
    it says are new were, and none is another's by now."""
    kept = [file for file in batch.files if file.refusal is None]
    names = {(file.source, file.path) for file in batch.files}
    known = record.known_paths(connection, names)
    tally.note_known(connection, batch.plan, len(names - known))
    added = record.add_objects(connection, _objects(batch, kept), batch.number, batch.time)
    record.add_holdings(connection, _holdings(kept), batch.number)
    record.add_manifestations(connection, _manifestations(kept))
    found = [(file.key, inside) for file in kept if file.key for inside in file.pictures]
    record.add_embedded(connection, [(key, inside.key, inside.role) for key, inside in found])
    refused = [file for file in batch.files if file.refusal is not None]
    record.add_quarantine(connection, _quarantine(refused), batch.time)
    return added == len(batch.new)


def append(connection: Connection, batch: Batch, root: bytes, roots: Mapping[str, str]) -> int:
    """The batch's entry in the log: `root` is the merkle root of its hashes, `roots` those of its
    further evidence, by kind."""
    refused = sum(file.refusal is not None for file in batch.files)
    detail: dict[str, Any] = {
        "batch": batch.number,
        "objects": len(batch.new),
        "bytes": sum(key.size for key in batch.new),
        "files": len(batch.files) - refused,
        "quarantined": refused,
        "evidence": dict(roots),
    }
    after_commit(connection, partial(_tell, batch.plan, detail))
    return log.append(connection, EVENT, batch.plan, detail, root, batch.time)


def _tell(plan: str, detail: dict[str, Any]) -> None:
    """Tell those who watch that a batch is in."""
    telemetry.files("captured", detail["files"])
    telemetry.files("quarantined", detail["quarantined"])
    telemetry.stored(detail["bytes"])
    facts = {name: detail[name] for name in ("batch", "objects", "bytes", "files", "quarantined")}
    logs.event("batch", plan=plan, **facts)


def _objects(batch: Batch, kept: Sequence[File]) -> Iterator[ObjectRow]:
    """The new objects, each as the first file that brought it has it."""
    due = dict(batch.new)
    verdicts = {file.key: file.verdict for file in kept if file.verdict is not None}
    for file in kept:
        parts = [(file.key, file.kind, file.suffix)]
        parts += [(inside.key, inside.kind, inside.suffix) for inside in file.pictures]
        for key, kind, suffix in parts:
            if key is not None and key in due:
                sha256, piece_length = due.pop(key)
                yield ObjectRow(key, sha256, kind, suffix, piece_length, verdicts.get(key))


def _holdings(kept: Sequence[File]) -> Iterator[HoldingRow]:
    for file in kept:
        if file.key is not None:
            yield HoldingRow(
                source=file.source,
                path=file.path,
                key=file.key,
                source_size=file.source_size,
                mtime_ns=file.mtime_ns,
                mode=file.mode,
                action=file.action,
                track=file.track,
                album=file.album,
                version=file.version,
                beside=file.derived_from is not None,
            )


def _manifestations(kept: Sequence[File]) -> Iterator[ManifestationRow]:
    for file in kept:
        for recording, start_ms, end_ms, role in file.recordings if file.key else ():
            assert file.key is not None
            yield ManifestationRow(recording, file.key, start_ms, end_ms, role, file.derived_from)


def _quarantine(refused: Sequence[File]) -> Iterator[QuarantineRow]:
    for file in refused:
        yield QuarantineRow(
            source=file.source,
            path=file.path,
            reason=file.refusal or "",
            root=file.key.root if file.key else None,
            size=file.key.size if file.key else file.source_size,
            mtime_ns=file.mtime_ns,
            mode=file.mode,
            version=file.version,
        )


def numbers(connection: Connection) -> set[int]:
    """The batches that the log names."""
    details = connection.scalars(sa.select(tables.log.c.detail).where(tables.log.c.event == EVENT))
    return {queries.batch_of(detail) for detail in details}
