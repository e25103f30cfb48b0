"""`verify`: re-read objects, name what is damaged, missing or unknown, and walk the log."""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from longplay import clock, engine
from longplay.archive import Archive
from longplay.files import escape
from longplay.ledger import log, queries, tables
from longplay.ledger.log import LogState
from longplay.model import ObjectKey
from longplay.vault import evidence, fixity

STAMP_ROWS = 1000
"""Checked objects stamped in one transaction."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found. `unvouched` are objects that no evidence has hashes for,
    `damaged_evidence` the evidence files that are missing or not what the ledger says."""

    checked: int
    bytes: int
    damaged: tuple[fixity.Finding, ...]
    missing: tuple[ObjectKey, ...]
    unvouched: tuple[ObjectKey, ...]
    unknown_files: tuple[str, ...]
    damaged_evidence: tuple[str, ...]
    log: LogState

    @property
    def sound(self) -> bool:
        """Whether nothing at all is wrong."""
        wrong = (self.damaged, self.missing, self.unvouched, self.unknown_files)
        return self.log.ok and not any(wrong) and not self.damaged_evidence


def verify(
    archive: Archive, *, share: float = 1.0, progress: Callable[[int, int, str], None]
) -> Verification:
    """Check `share` of the objects, those checked longest ago first, and the whole log."""
    with archive.places.sharing():
        return _verify(archive, share, progress)


def _verify(
    archive: Archive, share: float, progress: Callable[[int, int, str], None]
) -> Verification:
    damaged_evidence = _damaged_evidence(archive)
    with archive.ledger.read() as connection:
        suffixes = {key.root: (key, suffix) for key, suffix in queries.stored(connection)}
        wanted = set(suffixes)
        if share < 1:
            wanted = queries.oldest_checked(connection, math.ceil(share * len(suffixes)))
        state = log.walk(connection)
        whole = share >= 1 and not damaged_evidence
        broken_batch = _unvouched_batch(archive, connection) if whole else None
    findings, vouched = [], set()
    checks = fixity.check(
        _rows(archive, wanted, suffixes, damaged_evidence),
        archive.store.open,
        threads=engine.default_workers(),
    )
    sound: list[bytes] = []
    for finding in checks:
        vouched.add(finding.key.root)
        findings.append(finding) if not finding.sound else sound.append(finding.key.root)
        progress(len(vouched), len(wanted), "")
        if len(sound) >= STAMP_ROWS:
            sound = _stamp(archive, sound)
    _stamp(archive, sound)
    if state.ok and broken_batch is not None:
        state = LogState(state.entries, False, broken_batch)
    return Verification(
        checked=len(vouched),
        bytes=sum(suffixes[root][0].size for root in vouched),
        damaged=tuple(finding for finding in findings if not finding.missing),
        missing=tuple(finding.key for finding in findings if finding.missing),
        unvouched=tuple(suffixes[root][0] for root in sorted(wanted - vouched)),
        unknown_files=tuple(_strangers(archive)),
        damaged_evidence=damaged_evidence,
        log=state,
    )


def _rows(
    archive: Archive,
    wanted: set[bytes],
    suffixes: dict[bytes, tuple[ObjectKey, str]],
    left_out: tuple[str, ...],
) -> Iterator[tuple[ObjectKey, str, bytes]]:
    """Each wanted object with its leaves, once, file by file of evidence."""
    due = set(wanted)
    with archive.ledger.read() as connection:
        names = queries.evidence_names(connection, "hashes")
    files = evidence.paths(archive.evidence, [name for name in names if name not in left_out])
    for batch in evidence.read(files, ["root", "size", "leaves"]):
        for row in batch.to_pylist():
            key, suffix = suffixes.get(row["root"], (None, ""))
            if key and key.size == row["size"] and key.root in due:
                due.remove(key.root)
                yield key, suffix, row["leaves"]


def _stamp(archive: Archive, roots: list[bytes]) -> list[bytes]:
    if roots:
        update = (
            tables.objects.update()
            .where(tables.objects.c.root == sa.bindparam("it"))
            .values(checked=clock.timestamp())
        )
        with archive.ledger.write() as connection:
            connection.execute(update, [{"it": root} for root in roots])
    return []


def _damaged_evidence(archive: Archive) -> tuple[str, ...]:
    """The evidence files that are missing, or whose bytes are not those that the ledger names."""
    with archive.ledger.read() as connection:
        e = tables.evidence_files.c
        rows = connection.execute(sa.select(e.name, e.sha256).order_by(e.name)).all()
    damaged = []
    for name, digest in rows:
        try:
            with (archive.evidence / name).open("rb") as source:
                found = hashlib.file_digest(source, "sha256").digest()
        except OSError:
            found = b""
        if found != digest:
            damaged.append(str(name))
    return tuple(damaged)


def _strangers(archive: Archive) -> Iterator[str]:
    """Files of the store that the ledger does not name, as it is when they have been listed: what
    a capture beside us brings is no stranger."""
    found = list(archive.store.walk())
    with archive.ledger.read() as connection:
        places = {archive.store.path(key, suffix) for key, suffix in queries.stored(connection)}
    for _, path in found:
        if path not in places:
            yield escape(os.fsencode(path.relative_to(archive.folder)))


def _unvouched_batch(archive: Archive, connection: sa.engine.Connection) -> int | None:
    """The first log entry whose merkle root its batch's evidence no longer has."""
    leaves: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
    files = evidence.paths(archive.evidence, queries.evidence_names(connection, "hashes"))
    for batch in evidence.read(files, ["batch", "root", "size", "sha256", "leaves"]):
        for row in batch.to_pylist():
            leaves[row["batch"]].append((row["root"], evidence.leaf(row)))
    for number, detail, root in connection.execute(
        sa.select(tables.log.c.number, tables.log.c.detail, tables.log.c.evidence_root)
        .where(tables.log.c.event == "capture")
        .order_by(tables.log.c.number)
    ):
        batch = queries.batch_of(detail)
        if log.merkle_root(leaf for _, leaf in sorted(leaves.get(batch, []))) != root:
            return int(number)
    return None
