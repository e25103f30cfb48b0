"""`claim`: rights holders' requests, what was decided, and what that withdraws or reserves."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue import identifiers, ids
from longplay.errors import InputError, UsageError
from longplay.ledger import claims as record
from longplay.ledger import log
from longplay.ledger.claims import Claim
from longplay.rights import claims as rules
from longplay.rights.claims import DECISIONS, Asks, Case, State, Step, SubjectKind
from longplay.workflows import withdrawing

MAX_CHARACTERS = 20_000
"""Of what a person writes in a claim: ten pages."""

MAX_SUBJECTS = 10_000
"""Recordings, codes and names in one claim."""


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
        withdraws = claim.asks == Asks.WITHDRAW
        objects = withdrawing.concerned(archive, connection, claim) if withdraws else []
    with archive.ledger.write() as connection:
        claim = record.find(connection, identity)
        state = rules.after(State(claim.state), step, claim.id)
        affected = objects if step is not Step.REJECT else []
        keys = [one.key for one in affected]
        number = record.step(connection, claim, step, state, words, objects=keys)
        if step is Step.UPHOLD and withdraws:
            time = clock.timestamp()
            record.bury(connection, [replace(one, time=time, log=number) for one in affected])
        elif step is Step.RESTORE:
            record.lift(connection, claim.id)
        decided = record.find(connection, identity)
    return Decision(claim.id, state, len(affected), statement(decided, len(decided.steps) - 1))


def statement(claim: Claim, index: int) -> str:
    """The statement of reasons for the decision that is a claim's step `index`; empty for a step
    that decides nothing."""
    step = claim.steps[index]
    if step.step not in DECISIONS:
        return ""
    before = claim.steps[:index]
    case = Case(
        claim=claim.id,
        asks=Asks(claim.asks),
        ground=claim.ground,
        evidence=claim.evidence,
        subjects=claim.subjects,
        answers=tuple(one.words for one in before if one.step == Step.ANSWER),
    )
    return rules.reasons(case, Step(step.step), step.words, step.time[:10])


def catch_up(archive: Archive) -> int:
    """Set tombstones for what upheld claims withdraw since they were decided: recordings that were
    joined or credited to the artist later may have been handed on before. Returns how many.

    Whoever publishes calls this first; access and seeding need no tombstone to withhold.
    """
    with archive.ledger.read() as connection:
        buried = record.tombstone_roots(connection)
    missing = withdrawing.standing(archive).roots - buried
    with archive.ledger.read() as connection:
        open_claims = record.upheld_claims(connection, Asks.WITHDRAW) if missing else []
        found = [
            one
            for claim in open_claims
            for one in withdrawing.concerned(archive, connection, claim)
            if one.key.root not in buried
        ]
    if not found:
        return 0
    with archive.ledger.write() as connection:
        standing = {claim.id for claim in record.upheld_claims(connection, Asks.WITHDRAW)}
        found = [one for one in found if one.cause in standing]
        objects = sorted({(one.key.hex, one.key.size) for one in found})
        number = log.append(connection, "claim extend", "claims", {"objects": objects})
        time = clock.timestamp()
        record.bury(connection, [replace(one, time=time, log=number) for one in found])
    return len(objects)


def erase_person(archive: Archive, identity: str, *, words: bool = False) -> None:
    """Empty what is known of a person, and with `words` also what they wrote; the claims and the
    log stay, and the chain still follows."""
    with archive.ledger.write() as connection:
        record.erase_person(connection, identity, words=words)
    archive.ledger.scrub()


def reserved_recordings(archive: Archive) -> frozenset[int]:
    """The held recordings, by their ids of today, of which text and data mining is reserved."""
    return withdrawing.reserved(archive).recordings


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
    return text.strip().lower() if withdrawing.is_artist_id(text) else " ".join(text.split())


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
