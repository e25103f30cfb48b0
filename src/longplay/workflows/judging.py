"""One object before the gate: what is stated about it at each level, and what follows from that."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue import ids
from longplay.catalogue.search import showing
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import InputError
from longplay.ledger import claims as record
from longplay.ledger import origins, queries
from longplay.model import Action, ObjectKey, Statement
from longplay.rights import gate, inheritance
from longplay.rights.gate import AccessClass, Refusal, Shareable
from longplay.rights.inheritance import LEVELS, Level
from longplay.rights.statements import Act
from longplay.workflows import shares, withdrawing
from longplay.workflows.withdrawing import Standing

OBJECT = "obj"
"""What stands before an object's root in its id."""

MOST_OBJECTS = 1000
"""Objects that are explained at once: an artist may have more."""


@dataclass(frozen=True, slots=True)
class Originated:
    """An object with the files that led to it."""

    key: ObjectKey
    suffix: str
    kind: str
    provenance: Sequence[queries.Provenance]


@dataclass(frozen=True, slots=True)
class Stated:
    """What is stated about one object: for each file that led to it its levels, and all that is in
    force. `derivative` says that it is in another encoding than its source's."""

    key: ObjectKey
    suffix: str
    kind: str
    files: tuple[tuple[Level, ...], ...]
    derivative: bool

    @property
    def in_force(self) -> tuple[Statement, ...]:
        """The statements that the gate judges by."""
        return inheritance.together([inheritance.resolve(levels) for levels in self.files])


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer for one act, in words."""

    act: str
    permitted: bool
    reason: str
    words: str
    duties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an object may be handed on, or not: the steps by which its statements were arrived at,
    one list for each file that led to it, and the gate's answers. `causes` are its tombstones."""

    object: str
    size: int
    kind: str
    recordings: tuple[str, ...]
    access: AccessClass
    withdrawn: bool
    causes: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]
    answers: tuple[Verdict, ...]


def stated(connection: Connection, root: bytes) -> Stated | None:
    """What the ledger has about the object with this root, or None when there is none."""
    found = queries.object_of(connection, root)
    if found is None:
        return None
    key, suffix, kind = found
    origin = Originated(key, suffix, kind, queries.provenance_of(connection, root))
    return stated_of_all(connection, [origin])[0]


def stated_of_all(connection: Connection, objects: Sequence[Originated]) -> list[Stated]:
    """As `stated`, of a page of objects whose provenance is known."""
    names = {name for one in objects for row in one.provenance for name in _subjects(row) if name}
    about: dict[str, list[Statement]] = {}
    for one in queries.statements_about(connection, sorted(names)):
        about.setdefault(one.subject, []).append(one)
    return [_stated(one, about) for one in objects]


def _stated(one: Originated, about: dict[str, list[Statement]]) -> Stated:
    files = tuple(
        tuple(
            Level(level, tuple(about.get(subject, ())))
            for level, subject in zip(LEVELS, _subjects(row), strict=True)
        )
        for row in one.provenance
    )
    derivative = any(row[-1] == Action.OPUS for row in one.provenance)
    return Stated(one.key, one.suffix, one.kind, files, derivative)


def judge(
    found: Stated,
    act: Act,
    at: datetime,
    withdrawn: Standing,
    *,
    territory: str | None = None,
    signed_in: bool = False,
) -> Shareable | Refusal:
    """The gate's answer for one act on one object, by the claims that `withdrawn` knows."""
    return gate.decide(
        found.in_force,
        act,
        at,
        territory,
        subject=found.key,
        signed_in=signed_in,
        derivative=found.derivative,
        withdrawn=found.key.root in withdrawn.roots,
        log_position=withdrawn.position,
    )


def explain(archive: Archive, asked: str) -> list[Explanation]:
    """Why the objects that `asked` leads to may be handed on, or not.

    `asked` is an object (`obj…` or its root), or an id or identifier of the catalogue. Objects that
    are not held any more are told of as well, while a tombstone stands or the ledger knows that
    they were forgotten. Raises InputError when nothing of it was ever held.
    """
    claimed = withdrawing.standing(archive)
    now = clock.now()
    found = []
    with archive.ledger.read() as connection:
        for root in roots_of(archive, connection, asked)[:MOST_OBJECTS]:
            one = stated(connection, root)
            if one is not None:
                found.append(_explain(connection, one, now, claimed))
            elif (gone := _gone(connection, root)) is not None:
                found.append(gone)
    if not found:
        raise InputError(
            "nothing of it is held", where=asked[:80], hint="see `longplay catalogue show`"
        )
    return found


def _explain(connection: Connection, found: Stated, at: datetime, claimed: Standing) -> Explanation:
    root = found.key.root
    withdrawn = root in claimed.roots
    answers = (judge(found, act, at, claimed, signed_in=True) for act in Act)
    recordings = queries.recordings_of(connection, root)
    return Explanation(
        object=f"{OBJECT}{found.key.hex}",
        size=found.key.size,
        kind=found.kind,
        recordings=tuple(ids.text("rec", recording) for recording in recordings),
        access="dark" if withdrawn else gate.access_class(found.in_force, at),
        withdrawn=withdrawn,
        causes=_causes(connection, root),
        steps=tuple(inheritance.explain(levels).steps for levels in found.files),
        answers=tuple(_verdict(act, one) for act, one in zip(Act, answers, strict=True)),
    )


def _gone(connection: Connection, root: bytes) -> Explanation | None:
    """What there is to say of an object that is not held any more."""
    forgotten = record.forgotten_on(connection, root)
    tombstones = record.tombstones_on(connection, root)
    if forgotten is None and not tombstones:
        return None
    key = tombstones[0].key if forgotten is None else forgotten.key
    words = f"destroyed on {forgotten.time[:10]}: {forgotten.reason}" if forgotten else "not held"
    recordings = sorted({name for one in tombstones for name in one.recordings})
    return Explanation(
        object=f"{OBJECT}{key.hex}",
        size=key.size,
        kind="forgotten" if forgotten else "absent",
        recordings=tuple(recordings),
        access="dark",
        withdrawn=bool(tombstones),
        causes=_causes(connection, root),
        steps=((words,),),
        answers=tuple(Verdict(act.value, False, "not-held", "it is not held", ()) for act in Act),
    )


def _causes(connection: Connection, root: bytes) -> tuple[str, ...]:
    return tuple(
        f"{one.cause}, {one.time[:10]}, entry {one.log} of the log"
        for one in record.tombstones_on(connection, root)
    )


def _verdict(act: Act, answer: Shareable | Refusal) -> Verdict:
    if isinstance(answer, Refusal):
        return Verdict(act.value, False, answer.reason, answer.words, ())
    words = f"permitted by {' and '.join(answer.uris)}"
    return Verdict(act.value, True, "", words, tuple(duty.value for duty in answer.duties))


def music_with(
    archive: Archive, connection: Connection, pictures: Collection[bytes]
) -> dict[bytes, list[bytes]]:
    """The music that pictures are with: objects in whose tags they are, and all that carry a
    recording of an album that they lie in, or lay in before they were replaced. Those of which
    neither is known are left out: a mirror has pictures by themselves."""
    snapshot = open_current(archive.catalogue)
    inside = origins.holders(connection, pictures)
    placed = origins.albums_of(connection, pictures)
    albums = set().union(*placed.values())
    carried = {one: showing.recordings_of_album(snapshot, one[1]) for one in sorted(albums)}
    recordings = {one: found.tolist() for one, found in carried.items() if found is not None}
    objects = _carrying(snapshot, connection, set().union(*recordings.values()))
    left = origins.music_of(connection, albums - recordings.keys())  # no source has them any more
    return {
        picture: list(
            dict.fromkeys(
                [
                    *inside.get(picture, ()),
                    *(
                        root
                        for album in sorted(placed.get(picture, ()))
                        for recording in recordings.get(album, ())
                        for root in objects.get(recording, ())
                    ),
                    *(
                        root
                        for album in sorted(placed.get(picture, ()))
                        for root in sorted(left.get(album, ()))
                    ),
                ]
            )
        )
        for picture in sorted(inside.keys() | placed.keys())
    }


def _carrying(
    snapshot: Snapshot, connection: Connection, recordings: set[int]
) -> dict[int, list[bytes]]:
    """The objects that carry recordings, by these; the ledger has the ids of its time."""
    if not recordings:
        return {}
    known = shares.formerly(snapshot, np.array(sorted(recordings), np.uint64))
    pairs = queries.objects_carrying(connection, known.tolist())
    today = shares.current(snapshot, np.array([key for key, _ in pairs], np.uint64)).tolist()
    found: dict[int, list[bytes]] = {}
    for recording, (_, root) in zip(today, pairs, strict=True):
        found.setdefault(recording, []).append(root)
    return found


def _subjects(row: queries.Provenance) -> tuple[str, str, str, str]:
    """What the statements about one file may be about, from the widest level to the nearest."""
    root, source, track, album, _ = row
    return (
        f"source:{source}",
        ids.text("al", album) if album is not None else "",
        ids.text("tr", track) if track is not None else "",
        f"{OBJECT}{root.hex()}",
    )


def roots_of(archive: Archive, connection: Connection, asked: str) -> list[bytes]:
    """The roots of the objects that are meant, also of those that are held no longer."""
    digits = asked.strip().lower().removeprefix(OBJECT)
    if len(digits) == 64 and all(digit in "0123456789abcdef" for digit in digits):
        return [bytes.fromhex(digits)]
    snapshot = open_current(archive.catalogue)
    recordings = {
        identity
        for thing in showing.show(snapshot, asked).found
        for identity in (thing.recording, thing.id, *(line.recording for line in thing.tracks))
        if identity and identity.startswith("rec")
    }
    keys = np.array([ids.parse(identity)[1] for identity in sorted(recordings)], np.uint64)
    known = shares.formerly(snapshot, keys).tolist()
    roots = [root for _, root in queries.objects_carrying(connection, known)]
    if len(known) <= MOST_OBJECTS:
        texts = [ids.text("rec", one) for one in known]
        roots += [one.key.root for one in record.tombstones_naming(connection, texts)]
    return list(dict.fromkeys(roots))
