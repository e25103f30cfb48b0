"""`claim`: rights holders' requests, what was decided, and what that withdraws or reserves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue import identifiers, identity, ids
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import InputError, UsageError
from longplay.ledger import claims as record
from longplay.ledger import queries
from longplay.ledger.claims import Claim, Subjects, Tombstone
from longplay.rights import claims as rules
from longplay.rights.claims import Asks, Case, State, Step, SubjectKind
from longplay.workflows import shares

MAX_CHARACTERS = 20_000
"""Of what a person writes in a claim: ten pages."""

MAX_SUBJECTS = 10_000
"""Recordings, codes and names in one claim."""

_SUBJECTS = """
SELECT DISTINCT asked.recording
FROM asked JOIN members USING (recording) JOIN tracks t USING (track)
    LEFT JOIN track_credits c USING (track)
WHERE list_has_any(coalesce(t.isrcs, []), $isrcs)
    OR list_has_any(list_transform(coalesce(c.names, []), lambda n: plain_name(n)), $names)
    OR EXISTS (SELECT 1 FROM artists r WHERE r.source = t.source
        AND list_contains(t.artists, r.artist) AND list_contains($artists, r.key))
"""

_CODES = """
SELECT asked.recording, list_sort(list_distinct(flatten(list(coalesce(t.isrcs, []))))) AS isrcs
FROM asked LEFT JOIN members USING (recording) LEFT JOIN tracks t USING (track)
GROUP BY asked.recording
"""


@dataclass(frozen=True, slots=True)
class Request:
    """A claim as somebody makes it."""

    who: str
    contact: str
    ground: str
    evidence: str = ""
    asks: Asks = Asks.WITHDRAW
    recordings: tuple[str, ...] = ()
    isrcs: tuple[str, ...] = ()
    artists: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What a step did: where the claim stands now, how many held objects it withdraws, and for
    decisions the statement of reasons."""

    claim: str
    state: str
    objects: int
    reasons: str


def add(archive: Archive, request: Request) -> Claim:
    """Take in a claim; nothing changes until somebody decides. Raises UsageError, InputError."""
    subjects = _checked(request)
    for text in (request.who, request.contact, request.ground, request.evidence):
        _check_words(text)
    if not request.who.strip() or not request.contact.strip() or not request.ground.strip():
        raise UsageError("a claim needs who makes it, how to reach them, and its ground")
    with archive.ledger.write() as connection:
        person = record.add_person(connection, request.who, request.contact)
        identity = record.add(
            connection,
            asks=request.asks,
            ground=request.ground,
            evidence=request.evidence,
            subjects=subjects,
            person=person,
        )
        return record.find(connection, identity)


def list_all(archive: Archive) -> list[Claim]:
    """Every claim, oldest first."""
    with archive.ledger.read() as connection:
        return record.list_all(connection)


def answer(archive: Archive, identity: str, who: str, contact: str, words: str) -> Decision:
    """Note what somebody answers to a claim."""
    for text in (who, contact, words):
        _check_words(text)
    if not who.strip() or not words.strip():
        raise UsageError("an answer needs who gives it, and its words")
    with archive.ledger.write() as connection:
        claim = record.find(connection, identity)
        state = rules.after(State(claim.state), Step.ANSWER, claim.id)
        person = record.add_person(connection, who, contact)
        record.step(connection, claim, Step.ANSWER, state, words, person=person)
    return Decision(claim.id, state, 0, "")


def decide(archive: Archive, identity: str, step: Step, words: str) -> Decision:
    """Uphold, reject or restore a claim. It holds from the end of this call: what is withdrawn is
    dark, and has a tombstone. Raises UsageError for a step that cannot follow."""
    _check_words(words)
    with archive.ledger.read() as connection:
        claim = record.find(connection, identity)
        objects = _objects(archive, connection, claim) if claim.asks == Asks.WITHDRAW else []
    with archive.ledger.write() as connection:
        claim = record.find(connection, identity)
        state = rules.after(State(claim.state), step, claim.id)
        concerned = objects if step is not Step.REJECT else []
        keys = [one.key for one in concerned]
        number = record.step(connection, claim, step, state, words, objects=keys)
        if step is Step.UPHOLD and claim.asks == Asks.WITHDRAW:
            time = clock.timestamp()
            record.bury(connection, [replace(one, time=time, log=number) for one in concerned])
        elif step is Step.RESTORE:
            record.lift(connection, claim.id)
    reasons = rules.reasons(_case(claim), step, words, clock.timestamp()[:10])
    return Decision(claim.id, state, len(concerned), reasons)


def erase_person(archive: Archive, identity: str) -> None:
    """Empty what is known of a person; the claims and the log stay, and the chain still follows."""
    with archive.ledger.write() as connection:
        record.erase_person(connection, identity)


def withdrawn_objects(archive: Archive) -> tuple[set[bytes], int]:
    """The roots of all objects that are withdrawn now, also those that came after the claim was
    upheld, and the position of the log up to which claims were looked at."""
    with archive.ledger.read() as connection:
        named = record.upheld(connection, Asks.WITHDRAW)
        roots = {one.key.root for one in record.tombstones_standing(connection)}
        found = {root for _, root in _carrying(archive, connection, named)}
    return roots | found | named.objects, named.position


def reserved_recordings(archive: Archive) -> set[int]:
    """The held recordings, by their ids of today, of which text and data mining is reserved."""
    with archive.ledger.read() as connection:
        named = record.upheld(connection, Asks.RESERVE_TDM)
        found = {recording for recording, _ in _carrying(archive, connection, named)}
        for root in named.objects:
            found |= set(queries.recordings_of(connection, root))
    return found


def _objects(archive: Archive, connection: Connection, claim: Claim) -> list[Tombstone]:
    """Tombstones for the held objects that a claim is about."""
    named = _named(claim.subjects, claim.log)
    pairs = _carrying(archive, connection, named)
    carried: dict[bytes, set[int]] = {root: set() for root in named.objects}
    for recording, root in pairs:
        carried.setdefault(root, set()).add(recording)
    for root in named.objects:
        carried[root] |= set(queries.recordings_of(connection, root))
    codes = _codes(archive, sorted(set().union(*carried.values())) if carried else [])
    found = []
    for root, recordings in sorted(carried.items()):
        held = queries.object_of(connection, root)
        if held is None:
            continue
        isrcs = sorted({code for one in recordings for code in codes.get(one, ())})
        texts = tuple(ids.text("rec", one) for one in sorted(recordings))
        found.append(Tombstone(held[0], claim.id, tuple(isrcs), texts, "", 0))
    return found


def _carrying(archive: Archive, connection: Connection, named: Subjects) -> list[tuple[int, bytes]]:
    """(recording of today, root) of the held objects that carry what is named, pictures of theirs
    that nothing else carries included."""
    if not (named.recordings or named.isrcs or named.artists):
        return []
    snapshot = open_current(archive.catalogue)
    held = queries.carried(connection)
    if not len(held):
        return []
    keys = held["recording"].to_numpy()
    today = shares.current(snapshot, keys)
    wanted = _recordings(snapshot, np.unique(np.concatenate([today, keys])), named)
    rows = np.flatnonzero(np.isin(today, wanted) | np.isin(keys, wanted))
    roots = held["root"].take(pa.array(rows)).to_pylist()
    pairs = list(zip(today[rows].tolist(), roots, strict=True))
    pictures = queries.pictures_of_none_but(connection, {root for _, root in pairs})
    return pairs + [(recording, picture) for recording, root in pairs
                    for picture in pictures.get(root, ())]  # fmt: skip


def _recordings(snapshot: Snapshot, held: shares.Keys, named: Subjects) -> shares.Keys:
    """Which of the held recordings are named, by id, ISRC or artist."""
    chosen = {ids.parse(text)[1] for text in named.recordings}
    for text in named.recordings:
        became = identity.resolve(snapshot, text)
        for now in () if became is None else (became.now, *became.parts):
            chosen.add(ids.parse(now)[1])
    artists = [ids.parse(text)[1] for text in named.artists if _is_artist_id(text)]
    called = [text for text in named.artists if not _is_artist_id(text)]
    with snapshot.connect() as connection:
        connection.register("asked", pa.table({"recording": held}))
        plain = [
            row[0]
            for row in connection.execute(
                "SELECT plain_name(unnest($names::VARCHAR[]))", {"names": called}
            ).fetchall()
        ]
        parameters = {"isrcs": sorted(named.isrcs), "names": plain, "artists": artists}
        rows = connection.execute(_SUBJECTS, parameters).fetchall()
        connection.unregister("asked")
    return np.array(sorted(chosen | {int(row[0]) for row in rows}), np.uint64)


def _codes(archive: Archive, recordings: Sequence[int]) -> dict[int, tuple[str, ...]]:
    with open_current(archive.catalogue).connect() as connection:
        connection.register("asked", pa.table({"recording": pa.array(recordings, pa.uint64())}))
        rows = connection.execute(_CODES).fetchall()
        connection.unregister("asked")
    return {int(recording): tuple(codes or ()) for recording, codes in rows}


def _checked(request: Request) -> list[tuple[str, str]]:
    """The subjects of a claim, each in its one spelling."""
    found = [(SubjectKind.RECORDING, _recording(text)) for text in request.recordings]
    found += [(SubjectKind.ISRC, _isrc(text)) for text in request.isrcs]
    found += [(SubjectKind.ARTIST, _artist(text)) for text in request.artists]
    found += [(SubjectKind.OBJECT, _object(text)) for text in request.objects]
    if not found:
        raise UsageError(
            "a claim names what it is about",
            hint="--recording rec…, --isrc CODE, --artist NAME or --object obj…",
        )
    if len(found) > MAX_SUBJECTS:
        raise UsageError(f"a claim names at most {MAX_SUBJECTS:,} things", hint="make several")
    return [(str(kind), value) for kind, value in found]


def _recording(text: str) -> str:
    prefix, key = ids.parse(text)
    if prefix != "rec":
        raise InputError("is no recording", where=text[:60], hint="its id begins with rec")
    return ids.text(prefix, key)


def _isrc(text: str) -> str:
    code = identifiers.isrc(text)
    if code is None:
        raise InputError("is no ISRC", where=text[:60], hint="it looks like DEA619300020")
    return code


def _artist(text: str) -> str:
    _check_words(text)
    if not text.strip():
        raise UsageError("an artist needs a name")
    return text.strip().lower() if _is_artist_id(text) else " ".join(text.split())


def _is_artist_id(text: str) -> bool:
    try:
        return ids.parse(text)[0] == "ar"
    except InputError:
        return False


def _object(text: str) -> str:
    digits = text.strip().lower().removeprefix("obj")
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise InputError("is no object", where=text[:80], hint="obj and 64 hexadecimal digits")
    return digits


def _check_words(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise UsageError(
            f"{len(text):,} characters are more than the {MAX_CHARACTERS:,} that a claim keeps",
            hint="say it shorter, and name where the rest can be read",
        )
    if "\x00" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise UsageError("the text has signs that are none", hint="write it as plain UTF-8")


def _named(subjects: Sequence[tuple[str, str]], position: int) -> Subjects:
    def of(kind: str) -> frozenset[str]:
        return frozenset(value for name, value in subjects if name == kind)

    return Subjects(
        of("recording"),
        of("isrc"),
        of("artist"),
        frozenset(bytes.fromhex(value) for value in of("object")),
        position,
    )


def _case(claim: Claim) -> Case:
    answers = tuple(one.words for one in claim.steps if one.step == Step.ANSWER)
    return Case(claim.id, Asks(claim.asks), claim.ground, claim.evidence, claim.subjects, answers)
