"""`verify --repair`: damaged objects get their lost blocks back, from whoever has them.

Sources are asked in this order: the replicas, as the settings list them; web seeds, for what is in
a release; the swarm, which gives no less than a piece at a time. One that lies, hangs or has
nothing costs its own time, and the next is asked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from longplay import clock
from longplay.archive import Archive
from longplay.errors import StoreError
from longplay.files import durable, escape, writer_lock
from longplay.ledger import log, queries, record, tables
from longplay.model import BLOCK, ObjectKey
from longplay.release.pieces import Lying, Swarm
from longplay.release.tables import MEMBERS
from longplay.vault import evidence, repair, standing
from longplay.vault.blocks import Account, BlockSource, FromReplica, Refusal, Watched
from longplay.vault.fixity import Finding
from longplay.vault.repair import Mended
from longplay.vault.replicas import ReplicaStore, evidence_path
from longplay.vault.webseed import WebSeed
from longplay.workflows import seeding

LOCK = "repair.lock"

READ_BYTES = 4 * 2**20
"""Bytes of evidence that are fetched at once."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Loss:
    """What no source has of an object: its lost blocks, the bytes that they are as (first, one
    after the last), and the files that it was captured from, as `source:path`."""

    key: ObjectKey
    blocks: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object lies in a volume: the torrent's own name, its file, the path inside."""

    name: str
    torrent: Path
    path: str


@dataclass(frozen=True, slots=True)
class Repairs:
    """What a run of repairs did: objects made whole, what stays lost, and what each source did."""

    whole: frozenset[bytes]
    lost: tuple[Loss, ...]
    accounts: tuple[Account, ...]
    refusals: tuple[Refusal, ...]

    @property
    def bytes(self) -> int:
        """Bytes of content that travelled."""
        return sum(account.bytes for account in self.accounts)


def repair_objects(archive: Archive, found: Sequence[Finding], progress: Progress) -> Repairs:
    """Repair what is damaged or missing; needs the archive's shared lock."""
    if not found:
        return Repairs(frozenset(), (), (), ())
    with archive.ledger.read() as connection:
        held = {one.key.root: queries.object_of(connection, one.key.root) for one in found}
    suffixes = {root: row[1] for root, row in held.items() if row is not None}
    archive.places.prepare()
    mended: list[Mended] = []
    with (
        writer_lock(archive.folder / LOCK, "repair"),
        sources(archive, suffixes) as asked,
    ):
        for number, finding in enumerate(found):
            if finding.key.root in suffixes:
                suffix = suffixes[finding.key.root]
                mended.append(
                    repair.mend(
                        archive.store,
                        suffix,
                        finding,
                        asked,
                        lambda ready: _approve(archive, ready),
                    )
                )
                if mended[-1].changed and not _is_held(archive, finding.key.root):
                    # Forgotten between our asking and the renaming, which brought it back.
                    archive.store.destroy(finding.key)
            progress(number + 1, len(found), "repairing")
        _record(archive, mended)
        return Repairs(
            frozenset(one.key.root for one in mended if one.whole),
            tuple(_loss(archive, one) for one in mended if one.lost),
            tuple(source.account() for source in asked),
            tuple(refusal for source in asked for refusal in source.refusals),
        )


def repair_evidence(archive: Archive, damaged: Sequence[str]) -> frozenset[str]:
    """Bring files of evidence back from replicas, each proved by the digest that the ledger has;
    the names of those that are whole again. What stands is written anew from the ledger."""
    e = tables.evidence_files.c
    query = sa.select(e.name, e.bytes, e.sha256).where(
        e.name.in_(damaged), e.kind != standing.STANDING
    )
    with archive.ledger.read() as connection:
        rows = connection.execute(query).all()
    mended = set()
    with writer_lock(archive.folder / LOCK, "repair"):
        for name in damaged:
            if name.startswith(f"{standing.STANDING}-"):
                # It says what the ledger has; every entry of the log writes it anew.
                with archive.ledger.write() as connection:
                    log.append(connection, "repair", name, {"from": "the ledger"})
                mended.add(name)
        for (name, size, digest), store in product(rows, archive.replicas()):
            if name not in mended and _bring_evidence(archive, store, name, size, digest):
                mended.add(name)
    return frozenset(mended)


def _bring_evidence(
    archive: Archive, store: ReplicaStore, name: str, size: int, digest: bytes
) -> bool:
    found = hashlib.sha256()
    try:
        # The new file has its old name once the log has the entry, or is not there at all.
        with durable(archive.evidence / name) as out:
            for start in range(0, size, READ_BYTES):
                data = store.read(evidence_path(name), start, min(READ_BYTES, size - start))
                found.update(data or b"")
                out.write(data or b"")
            if found.digest() != digest:
                raise StoreError("is not what the ledger names", where=name)
            with archive.ledger.write() as connection:
                log.append(connection, "repair", name, {"bytes": size, "from": store.name})
        archive.evidence_files.settle(archive.evidence_files.upload([name]))
    except StoreError:
        return False
    return True


@contextmanager
def sources(archive: Archive, suffixes: dict[bytes, str]) -> Iterator[list[Watched]]:
    """Everybody who may have a block, in the order in which they are asked."""
    sharing = archive.settings.sharing
    places = released_places(archive, suffixes.keys())

    def paths(key: ObjectKey) -> list[str]:
        return [f"{place.name}/{place.path}" for place in places.get(key, ())]

    def torrents(key: ObjectKey) -> list[Lying]:
        return [Lying(place.torrent, place.path) for place in places.get(key, ())]

    with ExitStack() as stack:
        found: list[BlockSource] = [
            FromReplica(store, lambda key: suffixes[key.root]) for store in archive.replicas()
        ]
        if places:
            found += [stack.enter_context(WebSeed(one, paths)) for one in sharing.web_seeds]
        if places and (sharing.trackers or sharing.dht or sharing.local_discovery):
            scratch = Path(stack.enter_context(TemporaryDirectory(prefix="longplay-repair-")))
            # A seeder may have the port of the settings.
            any_port = sharing.listen.rpartition(":")[0] + ":0"
            asking = sharing.model_copy(update={"listen": any_port})
            found.append(stack.enter_context(Swarm(asking, torrents, scratch)))
        yield [Watched(source) for source in found]


def released_places(archive: Archive, roots: Collection[bytes]) -> dict[ObjectKey, list[Place]]:
    """Where these objects lie in the volumes of the newest releases."""
    found: dict[ObjectKey, list[Place]] = {}
    for release in seeding.current(archive):
        volumes = {volume.name: volume for volume in release.volumes}
        table = pq.read_table(
            archive.releases / release.name / MEMBERS, columns=["root", "size", "path", "volume"]
        )
        mine = table.filter(pc.is_in(table["root"], pa.array(list(roots), table["root"].type)))
        for row in mine.to_pylist():
            volume = volumes.get(row["volume"])
            if volume is not None:
                name = re.sub(r"-r\d+$", "", volume.name)
                place = Place(name, archive.releases / volume.torrent, row["path"])
                found.setdefault(ObjectKey(row["root"], row["size"]), []).append(place)
    return found


def _approve(archive: Archive, ready: Mended) -> bool:
    """Enter a repair in the log, just before the object changes; not of one forgotten meanwhile.

    A run that is killed in between repairs that object again, and says so again.
    """
    detail = {
        "size": ready.key.size,
        "blocks": _spans(ready.found.blocks) if not ready.found.missing else "missing",
        "from": ready.blocks,
        "lost": _spans(ready.lost),
    }
    with archive.ledger.write() as connection:
        if queries.object_of(connection, ready.key.root) is None:
            return False
        log.append(connection, "repair", f"obj{ready.key.hex}", detail)
    return True


def _is_held(archive: Archive, root: bytes) -> bool:
    with archive.ledger.read() as connection:
        return queries.object_of(connection, root) is not None


def _record(archive: Archive, mended: Sequence[Mended]) -> None:
    """Evidence of what was found and done, and that whole objects were read."""
    done = [one for one in mended if one.changed]
    if not done:
        return
    o = tables.object_rows
    time = clock.timestamp()
    rows = [
        {"batch": evidence.NO_BATCH, "root": one.key.root, "size": one.key.size, "time": time}
        | event
        for one in done
        for event in _events(one)
    ]
    file = evidence.write(archive.evidence, "events", rows)
    notes = archive.evidence_files.upload([file.name] if file else [])
    with archive.ledger.write() as connection:
        record.add_evidence(connection, [file] if file else [])
        for one in done:
            if one.whole:
                mine = o.c.root == one.key.root
                connection.execute(o.update().where(mine).values(checked=time))
    archive.evidence_files.settle(notes)


def _events(one: Mended) -> Iterator[dict[str, str]]:
    """PREMIS events: the check that failed, and the recovery."""
    found = "missing" if one.found.missing else f"blocks {json.dumps(_spans(one.found.blocks))}"
    yield {"type": "fixity check", "outcome": "damaged", "detail": found}
    given = ", ".join(f"{count} blocks from {name}" for name, count in one.blocks.items())
    lost = f"; lost {json.dumps(_spans(one.lost))}" if one.lost else ""
    outcome = "whole" if one.whole else "partly"
    yield {"type": "recovery", "outcome": outcome, "detail": f"{given}{lost}".strip("; ")}


def _loss(archive: Archive, one: Mended) -> Loss:
    h = tables.holdings.c
    query = sa.select(h.source, h.path).where(h.root == one.key.root).order_by(h.source, h.path)
    with archive.ledger.read() as connection:
        rows = connection.execute(query).all()
    ranges = tuple(
        (first * BLOCK, min((last + 1) * BLOCK, one.key.size)) for first, last in _spans(one.lost)
    )
    files = tuple(f"{source}:{escape(path)}" for source, path in rows)
    return Loss(one.key, one.lost, ranges, files)


def _spans(blocks: Sequence[int]) -> list[tuple[int, int]]:
    """Sorted block numbers as runs, each by its first and its last."""
    spans: list[tuple[int, int]] = []
    for block in blocks:
        if spans and spans[-1][1] == block - 1:
            spans[-1] = (spans[-1][0], block)
        else:
            spans.append((block, block))
    return spans
