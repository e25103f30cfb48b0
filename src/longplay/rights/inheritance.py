"""Which statements hold for a file: source, album, track and file, each narrowing or opening.

What is said to everybody (licences, descriptions, unreadable texts) is replaced by what a nearer
level says to everybody: a file's own licence opens or narrows its source's. The archive's own
terms (personal, agreement, legal deposit) stand whatever a tag says, and are replaced only by
nearer own terms, which also end what wider levels said to everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from longplay.model import Statement
from longplay.rights.statements import TERMS, Sort

LEVELS = ("source", "album", "track", "file")
"""From the widest to the nearest."""


@dataclass(frozen=True, slots=True)
class Level:
    """What is stated at one level; `name` is for people, mostly one of LEVELS."""

    name: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Effective:
    """The statements that the gate judges by, and in words how they were arrived at."""

    statements: tuple[Statement, ...]
    steps: tuple[str, ...]


def resolve(levels: Sequence[Level]) -> tuple[Statement, ...]:
    """The effective statements of one file, from levels in order from the widest to the nearest."""
    return explain(levels).statements


def explain(levels: Sequence[Level]) -> Effective:
    """As `resolve`, with a sentence for each level that said something and one for the outcome."""
    own: tuple[Statement, ...] = ()
    said: tuple[Statement, ...] = ()
    steps: list[str] = []
    for level in levels:
        nearer_own = tuple(one for one in level.statements if _is_own(one))
        nearer_said = tuple(one for one in level.statements if not _is_own(one))
        if nearer_own:
            steps.append(_step(level, nearer_own, own + said))
            own, said = nearer_own, nearer_said
            if nearer_said:
                steps.append(_step(level, nearer_said, ()))
        elif nearer_said:
            steps.append(_step(level, nearer_said, said))
            said = nearer_said
    effective = _distinct(own + said)
    names = " and ".join(_name(one) for one in effective) or "nothing: it stays dark"
    return Effective(effective, (*steps, f"in force: {names}"))


def together(files: Sequence[Sequence[Statement]]) -> tuple[Statement, ...]:
    """The statements of one object that came in as several files: all of them, each once.

    For the parts of one object that carry different recordings, ask the gate part by part instead:
    here a part without statements would be opened by its neighbours'.
    """
    return _distinct(tuple(one for statements in files for one in statements))


def _is_own(statement: Statement) -> bool:
    terms = TERMS.get(statement.uri)
    return terms is not None and terms.sort is Sort.OWN


def _name(statement: Statement) -> str:
    terms = TERMS.get(statement.uri)
    return terms.name if terms else f"an unknown statement ({statement.uri[:80]!r})"


def _step(level: Level, new: tuple[Statement, ...], old: tuple[Statement, ...]) -> str:
    says = " and ".join(f"“{_name(one)}” ({one.evidence})" for one in new)
    instead = f", instead of {' and '.join(_name(one) for one in old)}" if old else ""
    return f"the {level.name} says {says}{instead}"


def _distinct(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    return tuple(dict.fromkeys(statements))
