"""Claims in the ledger: who asked for what, what was done, and what is withdrawn by that."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.errors import InputError, LedgerError
from longplay.ledger import log, tables
from longplay.model import ObjectKey

SALT_BYTES = 32
"""Random bytes beside a person's data, so that nobody finds it by guessing and hashing."""


ERASED = "(erased)"
"""What stands in place of words that were erased with the person who wrote them."""


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


@dataclass(frozen=True, slots=True)
class Forgotten:
    """An object whose bits were destroyed on purpose."""

    key: ObjectKey
    time: str
    reason: str


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


def erase_person(connection: Connection, identity: str, *, words: bool) -> None:
    """Empty a person's row, and with `words` also what they wrote in claims and answers. Claims,
    steps and log stay. Raises InputError for an unknown one."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")  # nothing stays in free pages
    p = tables.persons.c
    done = connection.execute(
        tables.persons.update()
        .where(p.id == identity)
        .values(name=None, contact=None, salt=bytes(SALT_BYTES), erased=clock.timestamp())
    )
    if not done.rowcount:
        raise InputError(
            "is no person of this ledger", where=identity[:60], hint="see `claim list`"
        )
    if words:
        c, t = tables.claims, tables.claim_steps
        said = c.update().where(c.c.person == identity)
        connection.execute(said.values(ground=ERASED, evidence=""))
        connection.execute(t.update().where(t.c.person == identity).values(words=ERASED))
    log.append(connection, "erase-person", identity, {"words": words})


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
        "ground": _digest(connection, person[0], ground),
        "evidence": _digest(connection, person[0], evidence),
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
    """Record a step and the state that it leads to; returns the log entry's number.

    Raises LedgerError when somebody else has taken the claim to another state meanwhile.
    """
    c = tables.claims.c
    mine = tables.claims.update().where(c.id == claim.id, c.state == claim.state)
    if not connection.execute(mine.values(state=state)).rowcount:
        raise LedgerError(
            "somebody else decided at the same time", where=claim.id, hint="see `claim list`"
        )
    detail = {
        "state": state,
        "words": _digest(connection, person[0] if person else claim.person.id, words),
        "person": person[1] if person else None,
        "objects": [[key.hex, key.size] for key in objects],
    }
    number = log.append(connection, f"claim {name}", claim.id, detail)
    connection.execute(tables.claims.update().where(c.id == claim.id).values(log=number))
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
    c = tables.claims.c
    return _claims(connection, sa.true() if identity is None else c.id == identity)


def upheld_claims(connection: Connection, asks: str) -> list[Claim]:
    """The upheld claims that ask for this, oldest first."""
    c = tables.claims.c
    return _claims(connection, sa.and_(c.state == "upheld", c.asks == asks))


def _claims(connection: Connection, which: sa.ColumnElement[bool]) -> list[Claim]:
    c, s, t = tables.claims.c, tables.claim_subjects.c, tables.claim_steps.c
    query = sa.select(tables.claims).where(which)
    mine = sa.select(c.id).where(which)
    subjects: dict[str, list[tuple[str, str]]] = defaultdict(list)
    named = sa.select(tables.claim_subjects).where(s.claim.in_(mine))
    for one in connection.execute(named.order_by(s.kind, s.value)):
        subjects[one.claim].append((one.kind, one.value))
    people = {
        row.id: Person(row.id, row.name, row.contact)
        for row in connection.execute(sa.select(tables.persons))
    }
    steps: dict[str, list[StepRow]] = defaultdict(list)
    taken = sa.select(tables.claim_steps).where(t.claim.in_(mine))
    for one in connection.execute(taken.order_by(t.number)):
        row = StepRow(one.time, one.step, people.get(one.person), one.words, one.log)
        steps[one.claim].append(row)
    return [
        Claim(
            id=row.id,
            time=row.time,
            state=row.state,
            asks=row.asks,
            ground=row.ground,
            evidence=row.evidence,
            person=people[row.person],
            subjects=tuple(subjects[row.id]),
            steps=tuple(steps[row.id]),
            log=row.log,
        )
        for row in connection.execute(query.order_by(c.time, c.id))
    ]


def withdraw_anything(connection: Connection) -> bool:
    """Whether any claim that was upheld, or any tombstone, can withdraw objects."""
    c, t = tables.claims.c, tables.tombstones.c
    upheld_ones = sa.select(c.id).where(c.state == "upheld").limit(1)
    return any(
        connection.execute(query).first() is not None
        for query in (upheld_ones, sa.select(t.root).limit(1))
    )


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
    l = tables.tombstones.c  # noqa: E741 - one letter a table
    standing = set(map(tuple, connection.execute(sa.select(l.root, l.cause))))
    rows = [row for row in rows if (row["root"], row["cause"]) not in standing]
    if rows:
        connection.execute(tables.tombstones.insert(), rows)


def lift(connection: Connection, cause: str, roots: Sequence[bytes] | None = None) -> None:
    """Take back the tombstones of one cause: all, or those of these objects."""
    t = tables.tombstones.c
    delete = tables.tombstones.delete().where(t.cause == cause)
    if roots is None:
        connection.execute(delete)
    elif roots:
        each = delete.where(t.root == sa.bindparam("it"))
        connection.execute(each, [{"it": root} for root in roots])


def tombstone_roots(connection: Connection) -> set[bytes]:
    """The roots of all objects that have a tombstone."""
    return set(connection.scalars(sa.select(tables.tombstones.c.root).distinct()))


def tombstones_standing(connection: Connection) -> list[Tombstone]:
    """Every tombstone, by root."""
    return _tombstones(connection, sa.true())


def tombstones_on(connection: Connection, root: bytes) -> list[Tombstone]:
    """The tombstones of one object."""
    return _tombstones(connection, tables.tombstones.c.root == root)


def tombstones_naming(connection: Connection, recordings: Sequence[str]) -> list[Tombstone]:
    """The tombstones that name one of these recordings (`rec…`)."""
    l = tables.tombstones.c  # noqa: E741 - one letter a table
    return _tombstones(connection, sa.or_(*(l.recordings.contains(one) for one in recordings)))


def forgotten_on(connection: Connection, root: bytes) -> Forgotten | None:
    """What is known of an object whose bits were destroyed."""
    f = tables.forgotten
    row = connection.execute(sa.select(f).where(f.c.root == root)).first()
    return None if row is None else Forgotten(ObjectKey(row.root, row.size), row.time, row.reason)


def _tombstones(connection: Connection, which: sa.ColumnElement[bool]) -> list[Tombstone]:
    t = tables.tombstones
    rows = connection.execute(sa.select(t).where(which).order_by(t.c.root, t.c.cause))
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


def _digest(connection: Connection, person: str, text: str) -> str:
    """The log has what was said as a digest, salted as the person is whom it may concern: words
    may hold what must be erased, and short ones could be guessed."""
    p = tables.persons.c
    salt = connection.scalar(sa.select(p.salt).where(p.id == person)) or b""
    return hashlib.sha256(bytes(salt) + text.encode("utf-8", "surrogatepass")).hexdigest()
