"""The gate: statements and an act go in, a `Shareable` or a `Refusal` comes out.

Rules of this module:
- Only it makes a `Shareable`; whatever hands a recording on asks for one.
- It fails closed: what it does not know, or cannot read, permits nothing.
- No I/O and no clock inside: the time, the territory and the claims are given.
- Of several public licences all must permit, and what they ask for adds up.
- Descriptions and unreadable texts shut public licences; an archive's own terms stand beside them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import InitVar, dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal, NoReturn

from longplay.errors import RightsError
from longplay.model import ObjectKey, Statement
from longplay.rights.statements import ALL_ACTS, TERMS, Act, Duty, Sort, Terms

AccessClass = Literal["open", "restricted", "dark"]
Subject = ObjectKey | str

REMEMBERED = 65_536
"""Judgements kept in memory: archives have few distinct sets of terms, some hundred bytes each."""

WITHDRAWN = ("withdrawn", "a rights holder's claim was upheld")
"""Reason and words of a refusal that no statement can turn."""

_SEAL = object()
"""What a `Shareable` must be made with. It is not exported, and a test parses the source."""

_Key = tuple[str, str, str, tuple[str, ...], tuple[str, ...]]
"""A statement without subject and evidence: all that a judgement depends on."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of statements, beside the statements: one cache entry for each answer.

    `territory` is an ISO 3166 code, None where it is not known (then no bordered deal opens);
    `derivative` says that the object is not in the encoding that its source gave.
    """

    act: Act
    day: date
    territory: str | None = None
    signed_in: bool = False
    derivative: bool = False
    any_territory: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: `reason` is a short machine word to count by, `words` are for people."""

    reason: str
    words: str
    subject: Subject = ""


@dataclass(frozen=True, slots=True)
class Shareable:
    """Leave for one act on one subject, as judged at `at` by the claims up to `log_position`.

    `uris` are the statements that it rests on and `evidence` says where they were read; `duties`
    is what they ask of those who share. It cannot be made, copied or unpickled outside this
    module: whoever receives things judges them again.
    """

    subject: Subject
    act: Act
    uris: tuple[str, ...]
    evidence: tuple[str, ...]
    duties: tuple[Duty, ...]
    at: datetime
    log_position: int
    seal: InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise RightsError(
                "only the gate makes a Shareable", hint="ask longplay.rights.gate.decide"
            )

    def __reduce__(self) -> NoReturn:
        raise RightsError("a Shareable does not travel", hint="judge again where it is needed")

    def __copy__(self) -> NoReturn:
        raise RightsError("a Shareable is not copied", hint="judge again where it is needed")

    @property
    def uri(self) -> str:
        """The statement to print where there is room for one: the most demanding."""
        return max(self.uris, key=lambda uri: (len(TERMS[uri].duties), uri))

    def require(self, act: Act, newest_upheld: int = 0) -> None:
        """Raise RightsError unless this is leave for `act`, no older than `newest_upheld`, the log
        position of the newest upheld claim on the subject."""
        if act is not self.act:
            raise RightsError(f"leave to {self.act} is no leave to {act}", where=str(self.subject))
        if self.log_position < newest_upheld:
            raise RightsError(
                f"judged by the claims up to {self.log_position}; {newest_upheld} was upheld since",
                where=str(self.subject),
                hint="judge again",
            )


@dataclass(frozen=True, slots=True)
class _Answer:
    """A judgement without its subject: the indexes of the statements it rests on, or a reason."""

    grounds: tuple[int, ...] = ()
    duties: tuple[Duty, ...] = ()
    reason: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class _Grounds:
    """An answer with the statements it rests on."""

    answer: _Answer
    uris: tuple[str, ...]
    evidence: tuple[str, ...]


_Judging = tuple[Subject, Act, datetime, int]
"""Subject, act, time and log position of one judgement."""


def decide(
    statements: Sequence[Statement],
    act: Act,
    at: datetime,
    territory: str | None = None,
    *,
    subject: Subject = "",
    signed_in: bool = False,
    derivative: bool = False,
    withdrawn: bool = False,
    log_position: int = 0,
) -> Shareable | Refusal:
    """Judge one act on one subject by its effective statements (see `inheritance.resolve`).

    `release` needs a basis that holds in the whole world and without an end. `withdrawn` says that
    a claim on the subject was upheld; `log_position` is the position of the log up to which claims
    were looked at. `at` must carry its time zone (RightsError).
    """
    if withdrawn:
        return Refusal(*WITHDRAWN, subject)
    question = Question(act, _day(at), territory, signed_in, derivative)
    grounds = _grounds(statements, question)
    return _deliver(grounds, (subject, act, at, log_position))


def decide_many(
    rows: Iterable[tuple[Subject, Sequence[Statement], bool]],
    act: Act,
    at: datetime,
    *,
    withdrawn: Container[Subject] = frozenset(),
    log_position: int = 0,
) -> Iterator[Shareable | Refusal]:
    """As `decide`, for many rows (subject, effective statements, derivative), in their order.

    `withdrawn` are the subjects of upheld claims. Rows that share one sequence of statements (the
    same object) are judged once.
    """
    questions = {
        derivative: Question(act, _day(at), None, False, derivative) for derivative in (False, True)
    }
    memory: dict[tuple[int, bool], tuple[Sequence[Statement], _Grounds]] = {}
    for subject, statements, derivative in rows:
        if subject in withdrawn:
            yield Refusal(*WITHDRAWN, subject)
            continue
        known = memory.get((id(statements), derivative))
        if known is None:
            if len(memory) >= REMEMBERED:
                memory.clear()
            # The statements are held beside the answer, so that nothing else gets their id.
            known = statements, _grounds(statements, questions[derivative])
            memory[id(statements), derivative] = known
        yield _deliver(known[1], (subject, act, at, log_position))


def access_class(statements: Sequence[Statement], at: datetime) -> AccessClass:
    """`open`: anybody may listen; `restricted`: signed-in users, somewhere; `dark`: nobody."""
    keys, day = tuple(map(_key, statements)), _day(at)
    if not _judge(keys, Question(Act.STREAM, day)).reason:
        return "open"
    signed_in = Question(Act.STREAM, day, signed_in=True, any_territory=True)
    return "dark" if _judge(keys, signed_in).reason else "restricted"


def _grounds(statements: Sequence[Statement], question: Question) -> _Grounds:
    answer = _judge(tuple(map(_key, statements)), question)
    rests_on = [statements[index] for index in answer.grounds]
    return _Grounds(
        answer, tuple(one.uri for one in rests_on), tuple(one.evidence for one in rests_on)
    )


def _deliver(grounds: _Grounds, judging: _Judging) -> Shareable | Refusal:
    answer, (subject, act, at, log_position) = grounds.answer, judging
    if answer.reason:
        return Refusal(answer.reason, answer.words, subject)
    return Shareable(
        subject, act, grounds.uris, grounds.evidence, answer.duties, at, log_position, _SEAL
    )


def _day(at: datetime) -> date:
    if at.tzinfo is None:
        raise RightsError("the time of a judgement needs its time zone", hint="use clock.now()")
    return at.astimezone(UTC).date()


def _key(statement: Statement) -> _Key:
    return (
        statement.uri,
        statement.start,
        statement.end,
        statement.territories,
        statement.uses,
    )


@lru_cache(maxsize=REMEMBERED)
def _judge(keys: tuple[_Key, ...], question: Question) -> _Answer:
    if not keys:
        return _Answer(reason="no-statement", words="nobody has said what may be done with it")
    rows = [_Row(index, key, TERMS.get(key[0], _STRANGER)) for index, key in enumerate(keys)]
    if question.act is Act.DESCRIBE:
        return _naming(rows)
    own = [row for row in rows if row.terms.sort is Sort.OWN]
    public = [row for row in rows if row.terms.sort is Sort.PUBLIC]
    shut = _shut(rows, bool(public))
    refusals = [shut] if shut else _refusals(public, question)
    if public and not refusals:
        return _Answer(tuple(row.index for row in public), _duties(public))
    for row in own:
        why = _why_not(row, question)
        if why is None:
            return _Answer((row.index,), row.terms.duties)
        refusals.append(why)
    return _Answer(reason=refusals[0][0], words=refusals[0][1])


@dataclass(frozen=True, slots=True)
class _Row:
    index: int
    key: _Key
    terms: Terms


_STRANGER = Terms("", "A statement that is not in the table", Sort.CLOSED)
_Why = tuple[str, str]
_HANDS_ON = frozenset({Act.RELEASE, Act.DOWNLOAD})


def _naming(rows: list[_Row]) -> _Answer:
    # That a recording exists is a fact; who kept it under any known terms may name it.
    grounds = tuple(row.index for row in rows if Act.DESCRIBE in row.terms.everyone)
    if grounds:
        return _Answer(grounds)
    return _Answer(reason="unknown", words=f"{rows[0].terms.name.lower()}: it stays dark")


def _shut(rows: list[_Row], licensed: bool) -> _Why | None:
    """Why public licences are shut by what stands beside them, or nothing is there to open."""
    for row in rows:
        if row.terms.sort is Sort.CLOSED and Act.DESCRIBE in row.terms.everyone:
            return "software", f"the {row.terms.name} is made for software: it stays dark"
        if row.terms.sort is Sort.CLOSED:
            reason = row.terms.uri.rpartition(":")[2] or "unknown"
            return reason, f"{row.terms.name.lower()}: it stays dark"
    for row in rows:
        if row.terms.sort is Sort.DESCRIPTION and licensed:
            return "contradictory", f"a licence, and beside it “{row.terms.name}”"
    if not licensed and all(row.terms.sort is Sort.DESCRIPTION for row in rows):
        return "no-basis", f"“{rows[0].terms.name}” describes an item; it licenses nothing"
    return None


def _refusals(rows: list[_Row], question: Question) -> list[_Why]:
    return [why for row in rows if (why := _why_not(row, question)) is not None]


def _why_not(row: _Row, question: Question) -> _Why | None:
    """Why this statement, taken alone, does not permit what is asked; None where it does."""
    _, start, end, territories, uses = row.key
    name = row.terms.name
    try:
        first = date.fromisoformat(start) if start else date.min
        last = date.fromisoformat(end) if end else date.max
    except ValueError:
        return "malformed", f"the dates of “{name}” cannot be read"
    if not first <= question.day <= last:
        return "not-in-force", f"“{name}” holds from {start or 'ever'} to {end or 'ever'}"
    bounded = bool(end or territories)
    named = _named(row.terms, frozenset(uses), bounded)
    if question.act not in named:
        reason = row.terms.uri.rpartition(":")[2] if row.terms.sort is Sort.OWN else "uses"
        return reason, f"“{name}” does not permit to {question.act} it"
    if bounded and question.act in _HANDS_ON:
        return "bounded", f"“{name}” has an end or a border: it can open streaming only"
    if territories and not question.any_territory and question.territory not in territories:
        where = question.territory or "an unknown place"
        return "territory", f"“{name}” holds in {', '.join(territories)}, asked from {where}"
    to_anybody = question.act in row.terms.everyone or (Act.RELEASE in named and not bounded)
    if not to_anybody and not question.signed_in:
        return "sign-in", f"“{name}” serves signed-in users only"
    if question.derivative and Duty.UNCHANGED in row.terms.duties:
        return "no-derivatives", f"“{name}” covers the original encoding only"
    return None


def _named(terms: Terms, uses: frozenset[str], bounded: bool) -> frozenset[Act]:
    """The acts that a statement permits, after its `uses` have narrowed or named them."""
    if not uses:
        return terms.signed_in
    named = frozenset(act for act in terms.signed_in | terms.named if act in uses)
    if Act.RELEASE not in named:
        return named
    # Who may hand on for ever may also play; with an end or a border that is all that is left.
    return named | {Act.STREAM} if bounded else ALL_ACTS


def _duties(rows: list[_Row]) -> tuple[Duty, ...]:
    asked = {duty for row in rows for duty in row.terms.duties}
    return tuple(duty for duty in Duty if duty in asked)
