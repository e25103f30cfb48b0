"""`forget`: an object's bits are destroyed wherever we hold them; that they were stays known."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from longplay.archive import Archive
from longplay.capture.places import set_aside_name
from longplay.catalogue import ids
from longplay.errors import InputError, UsageError
from longplay.ledger import forgetting as record
from longplay.ledger import queries
from longplay.ledger.claims import Tombstone
from longplay.model import ObjectKey
from longplay.vault import replicas
from longplay.workflows import judging, withdrawing

MAX_CHARACTERS = 2_000
"""Of a reason: it is shown wherever somebody asks for the object."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten: the objects (`obj…`), their bytes, how many were forgotten before, how
    many files were removed here, and the replicas that had copies."""

    objects: tuple[str, ...]
    bytes: int
    before: int
    files: int
    replicas: tuple[str, ...]


def forget(archive: Archive, asked: str, reason: str) -> Forgotten:
    """Forget every object that `asked` leads to: an object, or a recording, track or album of the
    catalogue. Pictures in their tags that nothing else has go with them.

    First the ledger says so, in one transaction that makes them dark; then the bits go: from the
    store, from quarantine, from every replica. Cut short, the same command finishes it. Raises
    UsageError without a reason, InputError when nothing of it was ever held, StoreError when a
    replica cannot be reached.
    """
    _check(reason)
    with archive.ledger.read() as connection:
        roots = judging.roots_of(archive, connection, asked)
        roots += _pictures(connection, set(roots))
        stones = _stones(archive, connection, roots)
        earlier = record.sizes(connection, roots)
    if not stones and not earlier:
        raise InputError(
            "nothing of it is held", where=asked[:80], hint="see `longplay catalogue show`"
        )
    with archive.ledger.write() as connection:
        fresh = record.forget(connection, asked[:80], reason, stones)
    keys = fresh + [ObjectKey(root, size) for root, size in earlier.items()]
    files = sum(_destroy(archive, key) for key in keys)
    had: set[str] = set()
    stores = archive.replicas()
    for key in keys:
        had |= set(replicas.remove(stores, archive.ledger, key))
    archive.ledger.scrub()
    return Forgotten(
        tuple(f"{judging.OBJECT}{key.hex}" for key in fresh),
        sum(key.size for key in fresh),
        len(earlier),
        files,
        tuple(sorted(had)),
    )


def _check(reason: str) -> None:
    if not reason.strip():
        raise UsageError("forgetting needs a reason", hint="--reason TEXT")
    if len(reason) > MAX_CHARACTERS:
        raise UsageError(f"a reason has at most {MAX_CHARACTERS:,} characters", hint="shorten it")
    if "\x00" in reason or any("\ud800" <= sign <= "\udfff" for sign in reason):
        raise UsageError("the reason has signs that are none", hint="write it as plain UTF-8")


def _pictures(connection: Connection, roots: set[bytes]) -> list[bytes]:
    """Pictures inside these objects that are in no other, and that no file of a source is."""
    inside = queries.pictures_of_none_but(connection, roots)
    found = sorted({picture for pictures in inside.values() for picture in pictures} - roots)
    own = record.with_paths(connection, found)
    return [picture for picture in found if picture not in own]


def _stones(archive: Archive, connection: Connection, roots: list[bytes]) -> list[Tombstone]:
    """A tombstone for each of these that is stored, or lies in quarantine."""
    keys = {}
    for root in roots:
        held = queries.object_of(connection, root)
        key = held[0] if held else record.quarantined(connection, root)
        if key is not None:
            keys[root] = key
    carried = {root: queries.recordings_of(connection, root) for root in keys}
    codes = withdrawing.codes_of(
        archive, sorted({one for each in carried.values() for one in each})
    )
    return [
        Tombstone(
            key=keys[root],
            cause=record.CAUSE,
            isrcs=tuple(sorted({code for one in carried[root] for code in codes.get(one, ())})),
            recordings=tuple(ids.text("rec", one) for one in carried[root]),
            time="",
            log=0,
        )
        for root in keys
    ]


def _destroy(archive: Archive, key: ObjectKey) -> int:
    """Remove an object's files here; returns how many there were."""
    return archive.store.destroy(key) + archive.quarantined.drop([set_aside_name(key)])
