"""Claims of rights holders: what may follow on what, and the statement of reasons.

A claim is added, then upheld or rejected; whoever is concerned may answer at any time; what was
decided can be decided again: an upheld claim is restored (taken back), a rejected one upheld.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from longplay.errors import UsageError


class State(StrEnum):
    """Where a claim stands."""

    OPEN = "open"
    UPHELD = "upheld"
    REJECTED = "rejected"
    RESTORED = "restored"


class Step(StrEnum):
    """What was done about a claim."""

    ADD = "add"
    ANSWER = "answer"
    UPHOLD = "uphold"
    REJECT = "reject"
    RESTORE = "restore"


class Asks(StrEnum):
    """What the rights holder wants."""

    WITHDRAW = "withdraw"
    RESERVE_TDM = "reserve-tdm"


class SubjectKind(StrEnum):
    """What a claim can be about."""

    RECORDING = "recording"
    ISRC = "isrc"
    ARTIST = "artist"
    OBJECT = "object"


_FOLLOWS: dict[Step, dict[State, State]] = {
    Step.ANSWER: {state: state for state in State},
    Step.UPHOLD: {
        State.OPEN: State.UPHELD,
        State.REJECTED: State.UPHELD,
        State.RESTORED: State.UPHELD,
    },
    Step.REJECT: {State.OPEN: State.REJECTED},
    Step.RESTORE: {State.UPHELD: State.RESTORED},
}

DECISIONS = frozenset({Step.UPHOLD, Step.REJECT, Step.RESTORE})
"""Steps that change what may be handed on, and come with a statement of reasons."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a statement of reasons is made of."""

    claim: str
    asks: Asks
    ground: str
    evidence: str
    subjects: tuple[tuple[str, str], ...]
    answers: tuple[str, ...]


def after(state: State, step: Step, claim: str) -> State:
    """Where a claim stands after a step. Raises UsageError for a step that cannot follow."""
    follows = _FOLLOWS[step].get(state)
    if follows is None:
        can = [str(one) for one, moves in _FOLLOWS.items() if state in moves]
        raise UsageError(
            f"a claim that is {state} cannot be given to `{step}`",
            where=claim,
            hint=f"it can be given to {', '.join(can)}",
        )
    return follows


def reasons(case: Case, step: Step, words: str, day: str) -> str:
    """The statement of reasons for a decision: what follows from it, on which facts and ground it
    rests, who decided, and what can be done about it (as Regulation (EU) 2022/2065, article 17,
    asks of those who host)."""
    subjects = ", ".join(f"{kind} {value}" for kind, value in case.subjects)
    lines = [
        f"Decision of {day} on claim {case.claim}, about {subjects}.",
        _EFFECT[step, case.asks],
        f"Ground given by the claimant: {case.ground}",
        f"Evidence given: {case.evidence or 'none'}",
        *(f"Answer received: {answer}" for answer in case.answers),
        f"Why it was decided so: {words or 'the ground and the evidence were found sufficient'}",
        _BY_RULE if words.startswith(BY_MESSAGE) else _BY_PERSON,
        "You can answer this decision at any time, and it can be taken back.",
    ]
    return "\n".join(lines)


BY_MESSAGE = "as the rights holder's own message asks"
"""How the words of a decision begin that carries out what a label's delivery says by itself."""

_BY_PERSON = "A person decided; nothing was decided by a machine alone."
_BY_RULE = "It was decided by rule: the rights holder's own message asks for it."

_EFFECT = {
    (Step.UPHOLD, Asks.WITHDRAW): (
        "The claim is upheld: the recordings are kept, but no longer shown, played, seeded or"
        " released, and mirrors are told to do the same. Their bits are not destroyed."
    ),
    (Step.UPHOLD, Asks.RESERVE_TDM): (
        "The claim is upheld: text and data mining of the recordings is reserved from now on, and"
        " releases and pages say so."
    ),
    (Step.REJECT, Asks.WITHDRAW): "The claim is rejected: nothing changes.",
    (Step.REJECT, Asks.RESERVE_TDM): "The claim is rejected: nothing changes.",
    (Step.RESTORE, Asks.WITHDRAW): (
        "The withdrawal is taken back: the recordings are available again as their rights permit."
    ),
    (Step.RESTORE, Asks.RESERVE_TDM): "The reservation is taken back.",
}
