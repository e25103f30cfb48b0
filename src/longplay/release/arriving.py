"""Making what came to a mirror its own: objects, then evidence, then one transaction, as a capture
does. Whatever dies before the transaction leaves rubbish that the next run sweeps.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from longplay import clock
from longplay.catalogue import ids
from longplay.errors import InputError
from longplay.files import TEMPORARY
from longplay.ledger import batches, log, record
from longplay.ledger.database import Ledger
from longplay.model import Action, Kind, ObjectHashes, ObjectKey, Role, Statement
from longplay.vault import evidence
from longplay.vault.store import FolderStore

BATCH_FILES, BATCH_SECONDS = 64, 1.0
"""Most files in one transaction, and the longest that the first of them waits for it."""

MODE = 0o644
"""What a file is given that nobody says the mode of."""

SUFFIX = re.compile(r"\.[a-z0-9]{1,8}$")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A proved file: `path` is the torrent's name and the path in it, `statement` what the feed's
    manifest says of its rights."""

    path: str
    file: Path
    hashes: ObjectHashes
    kind: Kind
    recording: str
    statement: Statement

    @property
    def suffix(self) -> str:
        """The suffix that its object gets in the store."""
        found = SUFFIX.search(self.path)
        return found[0] if found else ""


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where arrivals go: `source` stands for the feed in the ledger, `origin` for the release whose
    manifest made the statements."""

    ledger: Ledger
    store: FolderStore
    evidence: Path
    source: str


def commit(mirror: Mirror, arrived: Sequence[Arrived], origin: str) -> list[Arrived]:
    """Make the arrivals exist. Returns those that collide with an object of another size: BEP 52
    hashes leaves and inner nodes alike, so such files can be made."""
    with mirror.ledger.read() as connection:
        known = record.known_sizes(connection, {one.hashes.root for one in arrived})
    sizes = dict(known)
    kept: list[Arrived] = []
    refused: list[Arrived] = []
    for one in arrived:
        size = sizes.setdefault(one.hashes.root, one.hashes.size)
        (kept if size == one.hashes.size else refused).append(one)
    new = {one.hashes.key: one for one in reversed(kept) if one.hashes.root not in known}
    taken_in = _taken_in(mirror.source, new, kept)
    markers = mirror.store.admit(
        [(_linked(mirror.store, one), key, one.suffix) for key, one in sorted(new.items())]
    )
    rows = [evidence.hashes_row(taken_in.number, new[key].hashes) for key in sorted(new)]
    written = evidence.write(mirror.evidence, "hashes", rows)
    told = evidence.write_vouched(mirror.evidence, "holdings", evidence.holding_rows(taken_in))
    root = log.merkle_root(evidence.leaf(row) for row in rows)
    with mirror.ledger.write(alone=False) as connection:
        record.add_evidence(connection, [*([written] if written else []), *(told or ())[:1]])
        batches.add(connection, taken_in)
        record.restate(connection, origin, [one.statement for one in kept])
        if kept:
            roots = {"holdings": told[1]} if told else {}
            batches.append(connection, taken_in, root, roots)
    mirror.store.settle(markers)
    return refused


def _linked(store: FolderStore, one: Arrived) -> Path:
    """Another name of a file for the store to take, synced: the first stays until nobody is given
    the file from there any longer."""
    name = store.incoming / f"{one.hashes.root.hex()}.{os.getpid()}{TEMPORARY}"
    name.unlink(missing_ok=True)
    try:
        os.link(one.file, name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copyfile(one.file, name)  # the objects lie on another file system
    with name.open("rb+") as synced:
        os.fsync(synced.fileno())
    return name


def _taken_in(source: str, new: dict[ObjectKey, Arrived], kept: Sequence[Arrived]) -> batches.Batch:
    """The arrivals as the ledger takes them in."""
    time = clock.timestamp()
    files = [_file(source, one) for one in kept]
    brought = {key: (one.hashes.sha256, one.hashes.piece_length) for key, one in new.items()}
    return batches.Batch(batches.number_of(files, new, time), source, time, files, brought)


def _file(source: str, one: Arrived) -> batches.File:
    return batches.File(
        source=source,
        path=one.path.encode(),
        key=one.hashes.key,
        source_size=one.hashes.size,
        mtime_ns=0,
        mode=MODE,
        action=Action.ORIGINAL,
        track=None,
        album=None,
        kind=one.kind,
        suffix=one.suffix,
        verdict=None,
        recordings=_carried(one),
        pictures=(),
        refusal=None,
    )


def _carried(one: Arrived) -> tuple[tuple[int, int, int | None, str], ...]:
    try:
        prefix, key = ids.parse(one.recording)
    except InputError:
        return ()
    return ((key, 0, None, Role.PRESERVATION),) if prefix == "rec" else ()
