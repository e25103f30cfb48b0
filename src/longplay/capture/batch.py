"""One batch of captured files, and committing it: objects, evidence, then one transaction.

Whatever dies before the transaction leaves rubbish that `sweep` removes; whatever dies after it
leaves a batch that is there. Nothing is half there.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from longplay import clock, files
from longplay.capture.orders import Order, Part, Taken
from longplay.capture.places import Places
from longplay.files import durable, escape, publish
from longplay.ledger import leases, log, record, tables
from longplay.ledger.record import (
    HoldingRow,
    ManifestationRow,
    ObjectRow,
    QuarantineRow,
)
from longplay.model import Action, ObjectKey, Verdict
from longplay.vault import evidence


@dataclass(frozen=True, slots=True)
class Carried:
    """What the catalogue says of one file: its track and album, and each recording that it
    carries as (recording, start_ms, end_ms, role)."""

    source: str
    track: int | None
    album: int | None
    recordings: tuple[tuple[int, int, int | None, str], ...]


@dataclass(slots=True)
class Batch:
    """Files taken and refused since the last commit."""

    taken: list[tuple[Order, Carried, Taken]] = field(default_factory=list)
    refused: list[tuple[Order, Carried, Taken | None, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.taken) + len(self.refused)


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit stored that was not there before, and how many files it refused."""

    bytes: int
    collided: int


def commit(places: Places, batch: Batch, lease: tuple[str, int, str], *, done: bool) -> Committed:
    """Make the batch's objects exist, and renew or finish the (plan, first, holder) lease.

    What collides with another object goes to quarantine instead.
    """
    with places.ledger.read() as connection:
        known = record.known_sizes(connection, {part.hashes.root for part in _parts(batch)})
    collided = _refuse_collisions(batch, known)
    parts = list(_parts(batch))
    new = {part.hashes.key: part for part in reversed(parts) if part.hashes.root not in known}
    number = _number(batch, new)
    markers = places.store.admit(
        [(part.spool, key, part.suffix) for key, part in sorted(new.items())]
    )
    for part in parts:
        part.spool.unlink(missing_ok=True)
    _set_aside(places.quarantine, batch)
    files, root = _write_evidence(places.evidence, batch, new, number)
    with places.ledger.write(alone=False) as connection:
        record.add_evidence(connection, files)
        _add_rows(connection, batch, new, number)
        if len(batch):
            detail = {
                "batch": number,
                "objects": len(new),
                "bytes": sum(key.size for key in new),
                "files": len(batch.taken),
                "quarantined": len(batch.refused),
            }
            log.append(connection, "capture", lease[0], detail, root)
        leases.renew(connection, *lease, done=done)
    places.store.settle(markers)
    return Committed(sum(key.size for key in new), collided)


def sweep(places: Places) -> int:
    """Remove what captures that died left behind; only while no other capture runs."""
    with places.ledger.read() as connection:

        def named_suffix(root: bytes) -> str | None:
            query = sa.select(tables.objects.c.suffix).where(tables.objects.c.root == root)
            return connection.scalar(query)

        count = places.store.sweep(named_suffix)
        named = set(connection.scalars(sa.select(tables.evidence_files.c.name)))
        count += _sweep_folder(places.evidence, named)
        q = tables.quarantine.c
        rows = connection.execute(sa.select(q.root, q.size).where(q.root.is_not(None)))
        aside = {set_aside_name(ObjectKey(root, size)) for root, size in rows}
        count += _sweep_folder(places.quarantine, aside)
    return count


def merge_evidence(places: Places) -> None:
    """Make few large evidence files of many small ones; only while no other capture runs."""
    table = tables.evidence_files
    with places.ledger.read() as connection:
        rows = connection.execute(sa.select(table.c.name, table.c.kind, table.c.bytes)).all()
    for kind, names in evidence.to_merge([tuple(row) for row in rows]).items():
        merged = evidence.merge(places.evidence, kind, names)
        with places.ledger.write() as connection:
            connection.execute(table.delete().where(table.c.name.in_(names)))
            record.add_evidence(connection, [merged])
        for name in set(names) - {merged.name}:
            (places.evidence / name).unlink(missing_ok=True)


def _sweep_folder(folder: Path, keep: set[str]) -> int:
    return len(files.sweep(folder, keep))


def _parts(batch: Batch) -> Iterator[Part]:
    for _, _, taken in batch.taken:
        yield taken.main
        for part, _ in taken.pictures:
            yield part


def _refuse_collisions(batch: Batch, known: dict[bytes, int]) -> int:
    """Send to quarantine what has the root of another object but not its size: BEP 52 hashes leaves
    and inner nodes alike, so such files can be made. Returns their count."""
    sizes = dict(known)
    kept = []
    for order, carried, taken in batch.taken:
        keys = [part.hashes.key for part in (taken.main, *(part for part, _ in taken.pictures))]
        if any(sizes.setdefault(key.root, key.size) != key.size for key in keys):
            batch.refused.append((order, carried, taken, COLLISION))
        else:
            kept.append((order, carried, taken))
    collided = len(batch.taken) - len(kept)
    batch.taken[:] = kept
    return collided


COLLISION = "it was made to have the merkle root of another file; do not trust where it came from"


def _number(batch: Batch, new: dict[ObjectKey, Part]) -> int:
    """The batch's name: 63 bits of the digest of what it brought, so that nobody counts. An object
    is new only once, so no two batches with new objects have one name."""
    digest = hashlib.sha256(b"".join(sorted(key.root for key in new)))
    for order, carried, taken in batch.taken:
        digest.update(f"{carried.source}\0{escape(order.path)}\0".encode())
        digest.update(taken.main.hashes.root + taken.mtime_ns.to_bytes(8, "big", signed=True))
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def _set_aside(folder: Path, batch: Batch) -> None:
    for _, _, taken, _ in batch.refused:
        if taken is not None:
            _move(taken.main.spool, folder / set_aside_name(taken.main.hashes.key))
            for part, _ in taken.pictures:
                part.spool.unlink(missing_ok=True)


def _write_evidence(
    folder: Path, batch: Batch, new: dict[ObjectKey, Part], number: int
) -> tuple[list[record.EvidenceFile], bytes]:
    hashes = [evidence.hashes_row(number, new[key].hashes) for key in sorted(new)]
    sounds = {
        taken.main.hashes.key: evidence.sound_row(number, taken.main.hashes, taken.sound)
        for _, _, taken in batch.taken
        if taken.sound and taken.main.hashes.key in new
    }
    rows = {
        "hashes": hashes,
        "sounds": list(sounds.values()),
        "events": list(_events(batch, new, number)),
    }
    files = [evidence.write(folder, kind, rows[kind]) for kind in rows]
    root = log.merkle_root(evidence.leaf(row) for row in hashes)
    return [file for file in files if file], root


def set_aside_name(key: ObjectKey) -> str:
    """What a file is called in the quarantine folder; the root alone need not tell it."""
    return f"{key.hex}-{key.size}"


def _move(spool: Path, place: Path) -> None:
    """Give a spool file its place, which may be on another file system than the objects."""
    try:
        publish(spool, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with spool.open("rb") as source, durable(place) as out:
            shutil.copyfileobj(source, out)
        spool.unlink()


def _events(batch: Batch, new: dict[ObjectKey, Part], number: int) -> Iterator[dict[str, Any]]:
    """What happened to each new object, in PREMIS event types."""
    time, told = clock.timestamp(), set()
    for order, carried, taken in batch.taken:
        where = f"{carried.source}:{escape(order.path)}"
        sources = [(taken.main, f"from {where}")]
        sources += [(part, f"embedded in {where}") for part, _ in taken.pictures]
        for part, detail in sources:
            key = part.hashes.key
            if key not in new or key in told:
                continue
            told.add(key)
            head = {"batch": number, "root": key.root, "size": key.size, "time": time}
            if part is taken.main and order.action == Action.OPUS:
                digest = taken.source_sha256.hex()
                yield head | _event("normalization", "Opus", f"from SHA-256 {digest}")
            yield head | _event("ingestion", "captured", detail)
            yield head | _event("message digest calculation", "SHA-256, BEP 52, BEP 3", "")
            if part is taken.main and taken.sound:
                integrity = taken.sound.integrity
                words = "; ".join(integrity.findings or integrity.proofs)
                yield head | _event("validation", integrity.verdict, words)


def _event(kind: str, outcome: str, detail: str) -> dict[str, str]:
    return {"type": kind, "outcome": outcome, "detail": detail}


def _add_rows(
    connection: sa.engine.Connection, batch: Batch, new: dict[ObjectKey, Part], number: int
) -> None:
    verdicts = {
        taken.main.hashes.key: taken.sound.integrity.verdict
        for _, _, taken in batch.taken
        if taken.sound
    }
    record.add_objects(
        connection, [_object_row(key, part, verdicts.get(key)) for key, part in new.items()], number
    )
    record.add_holdings(connection, [_holding(*row) for row in batch.taken], number)
    record.add_manifestations(connection, _manifestations(batch))
    record.add_embedded(
        connection,
        [
            (taken.main.hashes.key, part.hashes.key, role)
            for _, _, taken in batch.taken
            for part, role in taken.pictures
        ],
    )
    record.add_quarantine(connection, [_quarantine_row(*row) for row in batch.refused])


def _object_row(key: ObjectKey, part: Part, verdict: Verdict | None) -> ObjectRow:
    hashes = part.hashes
    return ObjectRow(key, hashes.sha256, part.kind, part.suffix, hashes.piece_length, verdict)


def _holding(order: Order, carried: Carried, taken: Taken) -> HoldingRow:
    return HoldingRow(
        source=carried.source,
        path=order.path,
        key=taken.main.hashes.key,
        source_size=taken.source_size,
        mtime_ns=taken.mtime_ns,
        mode=taken.mode,
        action=order.action,
        track=carried.track,
        album=carried.album,
    )


def _manifestations(batch: Batch) -> Iterable[ManifestationRow]:
    for _, carried, taken in batch.taken:
        for recording, start_ms, end_ms, role in carried.recordings:
            yield ManifestationRow(recording, taken.main.hashes.key, start_ms, end_ms, role)


def _quarantine_row(
    order: Order, carried: Carried, taken: Taken | None, reason: str
) -> QuarantineRow:
    return QuarantineRow(
        source=carried.source,
        path=order.path,
        reason=reason,
        root=taken.main.hashes.root if taken else None,
        size=taken.main.hashes.size if taken else order.size,
        mtime_ns=taken.mtime_ns if taken else 0,
        mode=taken.mode if taken else 0,
    )
