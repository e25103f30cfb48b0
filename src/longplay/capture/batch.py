"""One batch of captured files, and committing it: evidence, objects, then one transaction.

Whatever dies before the transaction leaves rubbish that `tidying.sweep` removes; whatever dies
after it leaves a batch that is there. Nothing is half there.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from longplay import clock, telemetry
from longplay.capture import journal
from longplay.capture.orders import Order, Part, Taken
from longplay.capture.places import Places, set_aside_name
from longplay.errors import LedgerError
from longplay.files import durable, escape, publish
from longplay.ledger import (
    batches,
    forgetting,
    leases,
    log,
    postponing,
    record,
    sweeping,
)
from longplay.ledger.batches import File, Inside
from longplay.ledger.postponing import Postponed
from longplay.model import Action, Kind, ObjectKey
from longplay.vault import evidence
from longplay.vault.objects import Arrival, Beside, Note


@dataclass(frozen=True, slots=True)
class Carried:
    """What the catalogue says of one file: its track and album, and each recording that it
    carries as (recording, start_ms, end_ms, role)."""

    source: str
    track: int | None
    album: int | None
    recordings: tuple[tuple[int, int, int | None, str], ...]


_Refused = tuple[Order, Carried, Taken | None, str]


@dataclass(slots=True)
class Batch:
    """Files taken, refused and put off since the last commit; `settled` are ordinals that had been
    put off before and are no longer due, `expected` the bytes that the plan expected of what was
    taken."""

    taken: list[tuple[Order, Carried, Taken]] = field(default_factory=list)
    refused: list[_Refused] = field(default_factory=list)
    put_off: list[Postponed] = field(default_factory=list)
    settled: set[int] = field(default_factory=set)
    expected: int = 0

    def __len__(self) -> int:
        return len(self.taken) + len(self.refused) + len(self.put_off)

    def orders(self) -> Iterator[Order]:
        """Of everything that was taken or refused."""
        yield from (order for order, _, _ in self.taken)
        yield from (order for order, _, _, _ in self.refused)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a batch is of: a leased range of a plan's ordinals, which begins with `first`, or with
    None only files that had been put off. `claimant` claimed those."""

    plan: str
    first: int | None
    holder: str
    claimant: str


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit stored that was not there before and what the plan had expected of it, how many
    files it refused, and how many it left out because their bits were destroyed on purpose."""

    bytes: int
    expected: int
    collided: int
    forgotten: int


def commit(places: Places, batch: Batch, grant: Grant, *, done: bool) -> Committed:
    """Make the batch's objects exist, and renew or finish the lease.

    What collides with another object goes to quarantine instead. What was forgotten is not stored
    again; its path is recorded. An object that another batch brings meanwhile is that one's alone:
    this one's evidence is written anew, without it. Raises LedgerError when the lease was lost to
    somebody else.
    """
    collided = aside = 0
    again = False
    while True:
        roots = {part.hashes.root for part in _parts(batch)}
        with places.ledger.read() as connection:
            gone = forgetting.sizes(connection, roots)
            known = gone | record.known_sizes(connection, roots)
        collided += _refuse_collisions(batch, known)
        parts = list(_parts(batch))
        new = {part.hashes.key: part for part in reversed(parts) if part.hashes.root not in known}
        taken_in = _taken_in(batch, new, grant.plan)
        written = _write_evidence(places.evidence, batch, new, taken_in)
        arrivals = [
            (part.spool, key, part.suffix)
            for key, part in sorted(new.items())
            if not again or part.spool.exists()  # else it was moved to its place already
        ]
        beside = places.evidence_files.beside(
            (places.evidence / file.name, file.name) for file in written.files
        )
        beside += _set_aside(places, batch.refused[aside:])
        aside = len(batch.refused)
        try:
            _store(places, arrivals, beside, partial(_name, batch, grant, taken_in, written, done))
            break
        except _OvertakenError:  # what was noted of this attempt, a sweep removes
            again = True
            for file in written.files:
                (places.evidence / file.name).unlink(missing_ok=True)
    for part in (*parts, *_refused_parts(batch)):
        part.spool.unlink(missing_ok=True)
        journal.forget(journal.stem_of(part.spool))
    for order in batch.orders():
        journal.forget(order.spool)
    left_out = sum(taken.main.hashes.root in gone for _, _, taken in batch.taken)
    return Committed(sum(key.size for key in new), batch.expected, collided, left_out)


class _OvertakenError(Exception):
    """Another batch brought an object that this one was to bring: its evidence tells of it."""


def _name(
    batch: Batch,
    grant: Grant,
    taken_in: batches.Batch,
    written: _Written,
    done: bool,
    connection: Connection,
) -> None:
    record.add_evidence(connection, written.files)
    if not batches.add(connection, taken_in):
        raise _OvertakenError
    if taken_in.files:
        batches.append(connection, taken_in, written.root, written.roots)
    _settle(connection, batch, grant, done)


def _settle(connection: Connection, batch: Batch, grant: Grant, done: bool) -> None:
    """Renew the lease, and bring what is put off up to date."""
    if batch.settled:
        lost = postponing.settle(connection, grant.plan, batch.settled, grant.claimant)
        if lost:
            raise LedgerError(
                f"{len(lost)} files that had been put off were tried by another capture",
                where=f"plan {grant.plan}",
                hint="run the command again; nothing was lost",
            )
    if batch.put_off:
        postponing.put_off(connection, grant.plan, batch.put_off)
    if grant.first is not None:
        leases.renew(connection, grant.plan, grant.first, grant.holder, done=done)


def _store(
    places: Places,
    arrivals: Sequence[Arrival],
    beside: Sequence[Beside],
    name: Callable[[Connection], None],
) -> None:
    """Put files in the store, then `name` them in one transaction; all of it again when the store
    was swept in between, which may have taken them."""
    notes: list[Note] = []
    named = False
    while not named:
        with places.ledger.read() as connection:
            sweeps = sweeping.count(connection)
        with telemetry.step("store"):
            notes += places.store.admit(arrivals, beside)
        with places.ledger.write(alone=False) as connection:
            named = sweeping.holds(connection, sweeps)
            if named:
                name(connection)
    places.store.settle(notes)


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


def _taken_in(batch: Batch, new: dict[ObjectKey, Part], plan: str) -> batches.Batch:
    """The batch as the ledger takes it in."""
    time = clock.timestamp()
    files = [_file(*row, None) for row in batch.taken] + [_file(*row) for row in batch.refused]
    brought = {key: (part.hashes.sha256, part.hashes.piece_length) for key, part in new.items()}
    return batches.Batch(batches.number_of(files, new, time), plan, time, files, brought)


def _file(order: Order, carried: Carried, taken: Taken | None, refusal: str | None) -> File:
    main = taken.main if taken else None
    return File(
        source=carried.source,
        path=order.path,
        key=main.hashes.key if main else None,
        source_size=taken.source_size if taken else order.size,
        mtime_ns=taken.mtime_ns if taken else order.mtime_ns,
        mode=taken.mode if taken else 0,
        action=order.action,
        track=carried.track,
        album=carried.album,
        kind=main.kind if main else Kind.OTHER,
        suffix=main.suffix if main else "",
        verdict=taken.sound.integrity.verdict if taken and taken.sound else None,
        recordings=carried.recordings if refusal is None else (),
        pictures=tuple(
            Inside(part.hashes.key, role, part.kind, part.suffix)
            for part, role in (taken.pictures if taken and refusal is None else ())
        ),
        refusal=refusal,
        version=order.version,
        derived_from=order.derived_from,
    )


def _set_aside(places: Places, files: Sequence[_Refused]) -> list[Beside]:
    """Give refused files their places in quarantine; what goes into a bucket instead."""
    refused = [
        (taken.main.spool, set_aside_name(taken.main.hashes.key))
        for _, _, taken, _ in files
        if taken is not None
    ]
    beside = places.quarantined.beside(refused)
    if not beside:
        for spool, name in refused:
            _move(spool, places.quarantine / name)
    return beside


def _refused_parts(batch: Batch) -> Iterator[Part]:
    for _, _, taken, _ in batch.refused:
        if taken is not None:
            yield taken.main
            yield from (part for part, _ in taken.pictures)


@dataclass(frozen=True, slots=True)
class _Written:
    """A batch's evidence: its files, the merkle root of its hashes, those of the rest by kind."""

    files: list[record.EvidenceFile]
    root: bytes
    roots: dict[str, str]


def _write_evidence(
    folder: Path, batch: Batch, new: dict[ObjectKey, Part], taken_in: batches.Batch
) -> _Written:
    number = taken_in.number
    hashes = [evidence.hashes_row(number, new[key].hashes) for key in sorted(new)]
    sounds = {
        taken.main.hashes.key: evidence.sound_row(number, taken.main.hashes, taken.sound)
        for _, _, taken in batch.taken
        if taken.sound and taken.main.hashes.key in new
    }
    rows = {
        "sounds": list(sounds.values()),
        "events": list(_events(batch, new, taken_in)),
        "holdings": evidence.holding_rows(taken_in),
    }
    # The files come last: where a batch's evidence has them, the rest of it is there.
    first = evidence.write(folder, "hashes", hashes)
    written = {kind: evidence.write_vouched(folder, kind, rows[kind]) for kind in evidence.VOUCHED}
    there = {kind: each for kind, each in written.items() if each}
    return _Written(
        [*([first] if first else []), *(file for file, _ in there.values())],
        log.merkle_root(evidence.leaf(row) for row in hashes),
        {kind: root for kind, (_, root) in there.items()},
    )


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


def _events(
    batch: Batch, new: dict[ObjectKey, Part], taken_in: batches.Batch
) -> Iterator[dict[str, Any]]:
    """What happened to each new object, in PREMIS event types."""
    number, time = taken_in.number, taken_in.time
    told = set()
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
