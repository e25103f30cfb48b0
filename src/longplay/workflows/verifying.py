"""`verify`: re-read objects, name what is damaged, missing or unknown, walk the log, repair."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from longplay import clock, engine
from longplay.archive import Archive
from longplay.errors import StoreError
from longplay.ledger import copies, log, queries, record, tables, tally
from longplay.ledger.log import LogState
from longplay.ledger.writing import QUERY_ROWS
from longplay.model import ObjectKey
from longplay.vault import evidence, replicas, rounds
from longplay.vault.fixity import Finding
from longplay.vault.objects import OBJECTS, Lying
from longplay.vault.replicas import ReplicaStore
from longplay.vault.s3store import S3Store
from longplay.workflows import repairing, replicating
from longplay.workflows.repairing import Repairs
from longplay.workflows.vouching import contradicted_entry, unvouched_batch

STAMP_ROWS = 1000
"""Checked objects stamped in one transaction."""

Progress = Callable[[int, int, str], None]
Roots = frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Request:
    """What to check: `share` of the objects, those checked longest ago first; or what is `due`, in
    the archive and its replicas. With `repair`, damage is repaired as far as sources go."""

    share: float = 1.0
    due: bool = False
    repair: bool = False


@dataclass(frozen=True, slots=True)
class Round:
    """What was due: copies to be read now, of which `overdue` were late, in a period of `days`."""

    days: float
    due: int
    bytes: int
    overdue: int


@dataclass(frozen=True, slots=True)
class CopiesChecked:
    """A replica's check. `failed` says why it could not be checked, or not to the end; `renewed`
    are copies that were written anew."""

    replica: str
    checked: int
    bytes: int
    damaged: tuple[Finding, ...]
    missing: tuple[ObjectKey, ...]
    failed: str
    renewed: Roots = frozenset()


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found. `unvouched` are objects that no evidence has hashes for,
    `damaged_evidence` the evidence files that are missing or not what the ledger says, of which
    `restored_evidence` came back from replicas."""

    checked: int
    bytes: int
    damaged: tuple[Finding, ...]
    missing: tuple[ObjectKey, ...]
    unvouched: tuple[ObjectKey, ...]
    unknown_files: tuple[str, ...]
    damaged_evidence: tuple[str, ...]
    log: LogState
    replicas: tuple[CopiesChecked, ...] = ()
    round: Round | None = None
    repairs: Repairs | None = None
    restored_evidence: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing at all is wrong, or was."""
        wrong = (self.damaged, self.missing, self.unvouched, self.unknown_files)
        copied = any(one.damaged or one.missing for one in self.replicas)
        return self.log.ok and not any(wrong) and not self.damaged_evidence and not copied

    @property
    def unreachable(self) -> tuple[CopiesChecked, ...]:
        """Replicas that could not be checked."""
        return tuple(one for one in self.replicas if one.failed)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What to read: roots of the archive's own objects, and of each replica's copies."""

    own: set[bytes]
    copies: dict[str, set[bytes]]
    round: Round | None = None


_Suffixes = dict[bytes, tuple[ObjectKey, str]]


def verify(archive: Archive, request: Request | None = None, *, progress: Progress) -> Verification:
    """Check objects, the whole log, and what the request asks for besides."""
    with archive.places.sharing():
        return _verify(archive, request or Request(), progress)


def _verify(archive: Archive, request: Request, progress: Progress) -> Verification:
    began = clock.timestamp()
    near, whole = not isinstance(archive.store, S3Store), _is_whole(request)
    stores, unreachable = reachable(archive)
    damaged_evidence = found_evidence = _damaged_evidence(archive, by_name=not (near or whole))
    brought: frozenset[str] = frozenset()
    if request.repair and found_evidence:
        brought = repairing.repair_evidence(archive, found_evidence)
        damaged_evidence = tuple(name for name in found_evidence if name not in brought)
    with archive.ledger.read() as connection:
        state = log.walk(connection)
        chosen, suffixes = _choose(archive, connection, request, list(stores))
    total = len(chosen.own) + sum(map(len, chosen.copies.values()))
    unvouched: list[ObjectKey] = []
    wrong: list[Finding] = []
    for finding in _own_findings(archive, chosen.own, suffixes, damaged_evidence, progress, total):
        if finding.leaves is None:
            unvouched.append(finding.key)
        if not finding.sound:
            wrong.append(finding)
    checked = [
        _check_replica(archive, stores[name], roots, suffixes, damaged_evidence)
        for name, roots in chosen.copies.items()
    ]
    if state.ok and whole and not damaged_evidence:
        state = _with_evidence(archive, state)
    wrong.sort(key=lambda finding: finding.key)
    repairs = None
    if request.repair:
        repairs = repairing.repair_objects(archive, wrong, progress)
        checked = [_renew(archive, stores[one.replica], one, suffixes) for one in checked]
    if request.due and not unreachable:
        with archive.ledger.write() as connection:
            copies.note_round(connection, began)
    return Verification(
        checked=len(chosen.own),
        bytes=sum(suffixes[root][0].size for root in chosen.own),
        damaged=tuple(finding for finding in wrong if not finding.missing),
        missing=tuple(finding.key for finding in wrong if finding.missing),
        unvouched=tuple(sorted(unvouched)),
        unknown_files=tuple(_strangers(archive)) if near or whole else (),
        damaged_evidence=found_evidence,
        restored_evidence=tuple(sorted(brought)),
        log=state,
        replicas=(
            *checked,
            *(CopiesChecked(name, 0, 0, (), (), str(error)) for name, error in unreachable.items()),
        ),
        round=chosen.round,
        repairs=repairs,
    )


def _is_whole(request: Request) -> bool:
    """Whether all is checked. Only then is what lies in a bucket listed, which takes hours for 86
    million names, and its evidence read, rather than looked for by name."""
    return request.share >= 1 and not request.due


def reachable(archive: Archive) -> tuple[dict[str, ReplicaStore], dict[str, StoreError]]:
    """The replicas that answer, and why the others do not, by their names."""
    stores, failed = {}, {}
    for store in archive.replicas():
        try:
            store.size(OBJECTS)
            stores[store.name] = store
        except StoreError as error:
            failed[store.name] = error
    return stores, failed


def _choose(
    archive: Archive, connection: sa.engine.Connection, request: Request, names: list[str]
) -> tuple[_Chosen, _Suffixes]:
    """What to read, and where it lies. Of an archive that is not checked as a whole, no more is
    held in memory than what is."""
    if _is_whole(request):
        places = {key.root: (key, suffix) for key, suffix in queries.stored(connection)}
        held = {name: copies.held(connection, name) for name in names}
        return _Chosen(set(places), held), places
    if request.due:
        chosen = _due(archive, connection, names)
    else:
        count = tally.read(connection).get(tally.OBJECTS, 0)
        chosen = _Chosen(queries.oldest_checked(connection, math.ceil(request.share * count)), {})
    roots = chosen.own.union(*chosen.copies.values())
    known = record.known_places(connection, sorted(roots))
    return chosen, {root: (ObjectKey(root, size), end) for root, (size, end) in known.items()}


def _due(archive: Archive, connection: sa.engine.Connection, names: list[str]) -> _Chosen:
    """The round for this moment."""
    days = archive.settings.fixity.days
    last = copies.last_round(connection)
    found = rounds.plan(
        (
            rounds.Copy(root, size, replica, _moment(checked))
            for root, size, replica, checked in copies.by_age(connection, names)
        ),
        copies.total_bytes(connection, names),
        now=clock.now(),
        last=_moment(last),
        period=timedelta(days=days),
    )
    roots: dict[str, set[bytes]] = defaultdict(set)
    for copy in found.copies:
        roots[copy.replica].add(copy.root)
    own = roots.pop("", set())
    return _Chosen(own, dict(roots), Round(days, len(found.copies), found.bytes, found.overdue))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _own_findings(
    archive: Archive,
    wanted: set[bytes],
    suffixes: _Suffixes,
    damaged_evidence: Collection[str],
    progress: Progress,
    total: int,
) -> Iterator[Finding]:
    """Check the archive's own objects, and stamp those that are whole."""
    rows = _rows(archive, wanted, suffixes, damaged_evidence)
    sound: list[bytes] = []
    for number, finding in enumerate(archive.store.check(rows, workers=engine.default_workers())):
        if finding.sound:
            sound.append(finding.key.root)
        yield finding
        progress(number + 1, total, "")
        if len(sound) >= STAMP_ROWS:
            sound = _stamp(archive, sound)
    _stamp(archive, sound)


def _check_replica(
    archive: Archive,
    store: ReplicaStore,
    wanted: set[bytes],
    suffixes: _Suffixes,
    damaged_evidence: Collection[str],
) -> CopiesChecked:
    """Check a replica's copies as far as it answers, and stamp those that are whole."""
    rows = _rows(archive, wanted & suffixes.keys(), suffixes, damaged_evidence)
    damaged: list[Finding] = []
    missing: list[ObjectKey] = []
    sound: list[bytes] = []
    size = 0
    failed = ""
    try:
        for finding in replicas.check_copies(store, rows):
            size += finding.key.size
            if finding.sound:
                sound.append(finding.key.root)
            elif finding.missing:
                missing.append(finding.key)
            else:
                damaged.append(finding)
    except StoreError as error:
        failed = str(error)
    with archive.ledger.write() as connection:
        copies.stamp(connection, store.name, sound)
    return CopiesChecked(
        store.name,
        len(sound) + len(damaged) + len(missing),
        size,
        tuple(sorted(damaged, key=lambda finding: finding.key)),
        tuple(sorted(missing)),
        failed,
    )


def _renew(
    archive: Archive, store: ReplicaStore, one: CopiesChecked, suffixes: _Suffixes
) -> CopiesChecked:
    """Write a replica's damaged and missing copies anew, where the archive's own are whole."""
    renewed = set()
    try:
        for key in (*(finding.key for finding in one.damaged), *one.missing):
            if replicating.write_again(archive, store, key, suffixes[key.root][1]):
                renewed.add(key.root)
    except StoreError as error:
        return replace(one, failed=str(error), renewed=frozenset(renewed))
    return replace(one, renewed=frozenset(renewed))


def _rows(
    archive: Archive,
    wanted: Collection[bytes],
    suffixes: _Suffixes,
    damaged: Collection[str],
) -> Iterator[tuple[ObjectKey, str, bytes]]:
    """Each wanted object with its leaves, once, file by file of evidence; then, without leaves,
    those that no evidence has.

    Of damaged evidence what can still be read is used: leaves prove themselves.
    """
    due = set(wanted)
    with archive.ledger.read() as connection:
        names = queries.evidence_names(connection, "hashes")
    for name in sorted(names, key=lambda name: name in damaged):
        try:
            files = archive.evidence_files.fetch([name])
            for batch in evidence.read(files, ["root", "size", "leaves"]):
                for row in batch.to_pylist():
                    key, suffix = suffixes.get(row["root"], (None, ""))
                    if key and key.size == row["size"] and key.root in due:
                        due.remove(key.root)
                        yield key, suffix, row["leaves"]
        except StoreError:
            if name not in damaged:
                raise
    for root in sorted(due):
        yield (*suffixes[root], b"")


def _stamp(archive: Archive, roots: list[bytes]) -> list[bytes]:
    if roots:
        update = (
            tables.object_rows.update()
            .where(tables.object_rows.c.root == sa.bindparam("it"))
            .values(checked=clock.timestamp())
        )
        with archive.ledger.write() as connection:
            connection.execute(update, [{"it": root} for root in roots])
    return []


def _with_evidence(archive: Archive, state: LogState) -> LogState:
    """The log's state, when signed feeds and the evidence are looked at too."""
    with archive.ledger.read() as connection:
        found = (contradicted_entry(archive, connection), unvouched_batch(archive, connection))
    broken = min((entry for entry in found if entry is not None), default=None)
    return state if broken is None else LogState(state.entries, False, broken)


def _damaged_evidence(archive: Archive, *, by_name: bool) -> tuple[str, ...]:
    """The evidence files that are missing, or whose bytes are not those that the ledger names; with
    `by_name` only those that are missing."""
    with archive.ledger.read() as connection:
        e = tables.evidence_files.c
        rows = connection.execute(sa.select(e.name, e.sha256).order_by(e.name)).all()
    shelf = archive.evidence_files
    there = shelf.names() if by_name else set()
    damaged = [
        name
        for name, digest in rows
        if (name not in there if by_name else not shelf.is_whole(name, digest))
    ]
    if shelf.is_remote and not by_name:
        for name, digest in rows:  # a copy here that has rotted is fetched again
            if not evidence.is_whole(shelf.folder / name, digest):
                shelf.uncache([name])
    if not damaged:
        return ()
    # What a rare event wrote anew meanwhile took the place of a file that we were about to read.
    with archive.ledger.read() as connection:
        named = set(connection.scalars(sa.select(tables.evidence_files.c.name)))
    return tuple(name for name in damaged if name in named)


def _strangers(archive: Archive) -> list[str]:
    """What lies in the store and the ledger does not name, as it is when all has been listed: what
    a capture beside us brings is no stranger."""
    walk = archive.store.walk()
    found: list[Lying] = []
    while page := list(itertools.islice(walk, QUERY_ROWS)):
        found += _unnamed(archive, page)
    return [one.path for one in _unnamed(archive, found)]


def _unnamed(archive: Archive, lying: Sequence[Lying]) -> list[Lying]:
    with archive.ledger.read() as connection:
        roots = [one.root for one in lying if one.root is not None]
        known = record.known_places(connection, roots)
    return [one for one in lying if known.get(one.root or b"", (0, None))[1] != one.suffix]
