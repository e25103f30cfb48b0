"""Claims in the ledger: who asked for what, what was done, and what is withdrawn by that."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.errors import InputError
from longplay.ledger import log, tables
from longplay.model import ObjectKey

SALT_BYTES = 32
"""Random bytes beside a person's data, so that nobody finds it by guessing and hashing."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who stands behind a step; `name` and `contact` are None once erased."""

    id: str
    name: str | None
    contact: str | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a claim."""

    time: str
    step: str
    person: Person | None
    words: str
    log: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with all that was done about it."""

    id: str
    time: str
    state: str
    asks: str
    ground: str
    evidence: str
    person: Person
    subjects: tuple[tuple[str, str], ...]
    steps: tuple[StepRow, ...]
    log: int


@dataclass(frozen=True, slots=True)
class Subjects:
    """What upheld claims name, by kind; `position` is the log entry of the newest decision."""

    recordings: frozenset[str]
    isrcs: frozenset[str]
    artists: frozenset[str]
    objects: frozenset[bytes]
    position: int


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An object that is withdrawn, with what it was known as."""

    key: ObjectKey
    cause: str
    isrcs: tuple[str, ...]
    recordings: tuple[str, ...]
    time: str
    log: int


def add_person(connection: Connection, name: str, contact: str) -> tuple[str, str]:
    """Note a person; returns the id, and the salted hash that the log may carry."""
    salt = secrets.token_bytes(SALT_BYTES)
    identity = f"pe{secrets.token_hex(8)}"
    connection.execute(
        tables.persons.insert().values(id=identity, salt=salt, name=name, contact=contact)
    )
    return identity, person_hash(salt, name, contact)


def person_hash(salt: bytes, name: str, contact: str) -> str:
    """What stands for a person in the log: SHA-256 of the salt and the canonical JSON of both."""
    text = json.dumps([name, contact], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(salt + text.encode()).hexdigest()


def erase_person(connection: Connection, identity: str) -> None:
    """Empty a person's row; claims, steps and log stay. Raises InputError for an unknown one."""
    p = tables.persons.c
    done = connection.execute(
        tables.persons.update()
        .where(p.id == identity)
        .values(name=None, contact=None, salt=bytes(SALT_BYTES), erased=clock.timestamp())
    )
    if not done.rowcount:
        raise InputError("is no person of this ledger", where=identity, hint="see `claim list`")
    log.append(connection, "erase-person", identity, {})


def add(
    connection: Connection,
    *,
    asks: str,
    ground: str,
    evidence: str,
    subjects: Iterable[tuple[str, str]],
    person: tuple[str, str],
) -> str:
    """Add an open claim; `person` as `add_person` gave it. Returns the claim's id."""
    identity = f"cl{secrets.token_hex(8)}"
    rows = [{"claim": identity, "kind": kind, "value": value} for kind, value in set(subjects)]
    time = clock.timestamp()
    detail = {
        "asks": asks,
        "claimant": person[1],
        "ground": _digest(ground),
        "evidence": _digest(evidence),
        "subjects": sorted([row["kind"], row["value"]] for row in rows),
    }
    connection.execute(tables.claim_subjects.insert(), rows)
    number = log.append(connection, "claim add", identity, detail)
    connection.execute(
        tables.claims.insert().values(
            id=identity,
            time=time,
            state="open",
            asks=asks,
            ground=ground,
            evidence=evidence,
            person=person[0],
            log=number,
        )
    )
    _note(connection, identity, "add", person[0], ground, number)
    return identity


def step(
    connection: Connection,
    claim: Claim,
    name: str,
    state: str,
    words: str,
    *,
    person: tuple[str, str] | None = None,
    objects: Sequence[ObjectKey] = (),
) -> int:
    """Record a step and the state that it leads to; returns the log entry's number."""
    detail = {
        "state": state,
        "words": _digest(words),
        "person": person[1] if person else None,
        "objects": [[key.hex, key.size] for key in objects],
    }
    number = log.append(connection, f"claim {name}", claim.id, detail)
    c = tables.claims.c
    connection.execute(
        tables.claims.update().where(c.id == claim.id).values(state=state, log=number)
    )
    _note(connection, claim.id, name, person[0] if person else None, words, number)
    return number


def find(connection: Connection, identity: str) -> Claim:
    """One claim. Raises InputError."""
    found = list_all(connection, identity)
    if not found:
        raise InputError("is no claim", where=identity[:60], hint="see `longplay claim list`")
    return found[0]


def list_all(connection: Connection, identity: str | None = None) -> list[Claim]:
    """Every claim, oldest first, or the one of that id."""
    c, s, t = tables.claims.c, tables.claim_subjects.c, tables.claim_steps.c
    query = sa.select(tables.claims).order_by(c.time, c.id)
    rows = connection.execute(query if identity is None else query.where(c.id == identity)).all()
    people = {row.id: Person(row.id, row.name, row.contact)
              for row in connection.execute(sa.select(tables.persons))}  # fmt: skip
    subjects = connection.execute(sa.select(tables.claim_subjects).order_by(s.kind, s.value)).all()
    steps = connection.execute(sa.select(tables.claim_steps).order_by(t.number)).all()
    return [
        Claim(
            id=row.id,
            time=row.time,
            state=row.state,
            asks=row.asks,
            ground=row.ground,
            evidence=row.evidence,
            person=people[row.person],
            subjects=tuple((one.kind, one.value) for one in subjects if one.claim == row.id),
            steps=tuple(
                StepRow(one.time, one.step, people.get(one.person), one.words, one.log)
                for one in steps
                if one.claim == row.id
            ),
            log=row.log,
        )
        for row in rows
    ]


def upheld(connection: Connection, asks: str) -> Subjects:
    """What upheld claims that ask for this are about."""
    c, s = tables.claims.c, tables.claim_subjects.c
    query = (
        sa.select(s.kind, s.value)
        .join(tables.claims, c.id == s.claim)
        .where(c.state == "upheld", c.asks == asks)
    )
    named: dict[str, set[str]] = {"recording": set(), "isrc": set(), "artist": set(),
                                  "object": set()}  # fmt: skip
    for kind, value in connection.execute(query):
        named[kind].add(value)
    return Subjects(
        frozenset(named["recording"]),
        frozenset(named["isrc"]),
        frozenset(named["artist"]),
        frozenset(bytes.fromhex(value) for value in named["object"]),
        position(connection),
    )


def position(connection: Connection) -> int:
    """The log entry of the newest decision on any claim or tombstone, 0 when there is none."""
    t, l = tables.claim_steps.c, tables.tombstones.c  # noqa: E741 - one letter a table
    decided = sa.select(sa.func.max(t.log)).where(t.step.in_(("uphold", "restore", "reject")))
    told = sa.select(sa.func.max(l.log))
    return max(connection.scalar(decided) or 0, connection.scalar(told) or 0)


def bury(connection: Connection, tombstones: Iterable[Tombstone]) -> None:
    """Set tombstones; one that stands for the same cause stays."""
    rows = [
        {
            "root": one.key.root,
            "cause": one.cause,
            "size": one.key.size,
            "isrcs": " ".join(one.isrcs),
            "recordings": " ".join(one.recordings),
            "time": one.time,
            "log": one.log,
        }
        for one in tombstones
    ]
    standing = {(one.key.root, one.cause) for one in tombstones_standing(connection)}
    rows = [row for row in rows if (row["root"], row["cause"]) not in standing]
    if rows:
        connection.execute(tables.tombstones.insert(), rows)


def lift(connection: Connection, cause: str) -> None:
    """Take back the tombstones of one cause."""
    connection.execute(tables.tombstones.delete().where(tables.tombstones.c.cause == cause))


def tombstones_standing(connection: Connection) -> list[Tombstone]:
    """Every tombstone, by root."""
    t = tables.tombstones
    rows = connection.execute(sa.select(t).order_by(t.c.root, t.c.cause))
    return [
        Tombstone(
            ObjectKey(row.root, row.size),
            row.cause,
            tuple(row.isrcs.split()),
            tuple(row.recordings.split()),
            row.time,
            row.log,
        )
        for row in rows
    ]


def _note(
    connection: Connection, claim: str, step: str, person: str | None, words: str, number: int
) -> None:
    t = tables.claim_steps.c
    last = connection.scalar(sa.select(sa.func.max(t.number)).where(t.claim == claim)) or 0
    connection.execute(
        tables.claim_steps.insert().values(
            claim=claim,
            number=last + 1,
            time=clock.timestamp(),
            step=step,
            person=person,
            words=words,
            log=number,
        )
    )


def _digest(text: str) -> str:
    """The log has what was said as a digest: words may hold what must be erased."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
