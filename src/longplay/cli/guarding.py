"""`longplay guard run` and what an operator does about accounts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened
from longplay.errors import AccessError, UsageError

if TYPE_CHECKING:
    from longplay.access.people.store import People
    from longplay.archive import Archive
    from longplay.guard.record import Act, Decision

PAUSE_SECONDS = 0.25
"""Between two looks at a log that does not grow: decisions must be there within a second."""

OPERATOR = "operator"
"""Who decides on the command line."""

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME…", help="Accounts, by name or number, or addresses."),
]
GroupOption = Annotated[
    int | None, typer.Option(metavar="N", help="Everybody of this group.", show_default=False)
]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]


@contextmanager
def _opened(archive: ArchiveOption) -> Iterator[tuple[Archive, People]]:
    from longplay.access.people.opening import open_people

    with opened(archive) as it, open_people(it) as people:
        yield it, people


def run(
    once: Annotated[
        bool, typer.Option("--once", help="Judge what is in the log now, and stop.")
    ] = False,
    archive: ArchiveOption = None,
) -> None:
    """Watch what `longplay serve` writes down, and decide by the settings, until stopped."""
    from longplay.guard import running

    still = threading.Event()
    with opened(archive) as it, running.opened(it.folder, it.settings.guard, it.ledger) as guard:
        output.line(f"watching {it.folder}: scrapers are met with {it.settings.guard.act!r}")
        running.run(guard, lambda: once or still.wait(PAUSE_SECONDS), _tell)
        counts = guard.watching.counts
        output.line(f"{counts.events:,} events of {len(guard.watching.accounts):,} accounts")


def _tell(made: Decision) -> None:
    why = f": {made.reasons[0]}" if made.reasons else ""
    output.line(f"{made.act.value} {made.who} ({made.verdict}, {made.probability:.3f}){why}")


def decisions(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """List what is decided about whom, who is excluded, and appeals."""
    from longplay.guard import policy, record

    with _opened(archive) as (it, people):
        now = record.load(record.path_of(it.folder))
        names = _names(people)
        appeals = policy.appeals(it.folder)
    rows = sorted(now.decisions.values(), key=lambda one: (one.since, one.who), reverse=True)
    if as_json:
        output.document(
            {
                "decisions": [_document(one, names) for one in rows],
                "excluded": [
                    {"who": who, "name": names.get(who), "why": one.why, "since": one.since}
                    for who, one in sorted(now.excluded.items())
                ],
                "appeals": [
                    {"who": one.who, "name": names.get(one.who), "time": one.time,
                     "words": one.words, "answer": one.answer or None}
                    for one in appeals
                ],
            }
        )  # fmt: skip
        return
    shown = [
        (names.get(one.who, one.who), one.act.value, one.verdict, f"{one.probability:.3f}",
         one.tracks, one.group, one.by, one.since[:16])
        for one in rows
    ]  # fmt: skip
    head = ("who", "act", "verdict", "probability", "tracks", "group", "by", "since")
    output.table(head, shown)
    for one in rows:
        for reason in one.reasons:
            output.line(f"{names.get(one.who, one.who)}: {reason}")
    for who, left in sorted(now.excluded.items()):
        output.line(f"{names.get(who, who)} is excluded: {left.why}")
    for text in appeals:
        output.line(f"{names.get(text.who, text.who)} appeals: {text.words}")


def _document(one: Decision, names: dict[str, str]) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one) | {"act": one.act.value, "name": names.get(one.who)}


def _names(people: People) -> dict[str, str]:
    from longplay.access.people import accounts

    return {f"account:{one.id}": one.name for one in accounts.list_all(people)}


def _whom(it: Archive, people: People, names: list[str] | None, group: int | None) -> list[str]:
    """Whom the arguments mean. Raises UsageError, AccessError."""
    from longplay.guard import policy, record

    if group is not None:
        return policy.members(record.load(record.path_of(it.folder)), group)
    if not names:
        raise UsageError("nobody is named", hint="name accounts, or a group with --group")
    return [_one(people, name) for name in names]


def _one(people: People, name: str) -> str:
    import ipaddress

    from longplay.access.people import accounts

    try:
        return f"address:{ipaddress.ip_address(name)}"
    except ValueError:
        pass
    try:
        return f"account:{accounts.find(people, name).id}"
    except AccessError:
        number = name.removeprefix("account:")
        if not (number.isascii() and number.isdigit()) or len(number) > 18:
            raise
        return f"account:{accounts.by_id(people, int(number)).id}"


def _act(
    act: Act, names: list[str] | None, group: int | None, why: str, archive: ArchiveOption
) -> None:
    from longplay.guard import policy

    with _opened(archive) as (it, people):
        whom = _whom(it, people, names, group)
        for one in policy.act_on(it.folder, it.ledger, whom, act, OPERATOR, why):
            output.line(f"{one.who}: {one.act.value}")


def slow(
    names: NamesArgument = None, group: GroupOption = None, reason: ReasonOption = "",
    archive: ArchiveOption = None,
) -> None:  # fmt: skip
    """Give them sound no faster than it plays."""
    from longplay.guard.record import Act

    _act(Act.SLOW, names, group, reason, archive)


def cap(
    names: NamesArgument = None, group: GroupOption = None, reason: ReasonOption = "",
    archive: ArchiveOption = None,
) -> None:  # fmt: skip
    """Give them so many tracks a day (`guard.cap_tracks`)."""
    from longplay.guard.record import Act

    _act(Act.CAP, names, group, reason, archive)


def hold(
    names: NamesArgument = None, group: GroupOption = None, reason: ReasonOption = "",
    archive: ArchiveOption = None,
) -> None:  # fmt: skip
    """Slow them down and cap them until a person has decided."""
    from longplay.guard.record import Act

    _act(Act.HOLD, names, group, reason, archive)


def disable(
    names: NamesArgument = None, group: GroupOption = None, reason: ReasonOption = "",
    archive: ArchiveOption = None,
) -> None:  # fmt: skip
    """Give them no sound, and nothing of the API; they can still log in, and appeal."""
    from longplay.guard.record import Act

    _act(Act.DISABLE, names, group, reason, archive)


def release(
    names: NamesArgument = None, group: GroupOption = None, reason: ReasonOption = "",
    archive: ArchiveOption = None,
) -> None:  # fmt: skip
    """Take back what was decided about them; the guard begins anew with them."""
    from longplay.guard import policy

    with _opened(archive) as (it, people):
        whom = _whom(it, people, names, group)
        found = policy.release(it.folder, it.ledger, whom, OPERATOR, reason)
    for who in whom:
        output.line(f"{who}: {'released' if who in found else 'nothing was decided'}")


def exclude(
    names: NamesArgument = None, reason: ReasonOption = "", archive: ArchiveOption = None
) -> None:
    """Leave them out from now on, by an agreement (--reason names it)."""
    from longplay.guard import policy

    with _opened(archive) as (it, people):
        whom = _whom(it, people, names, None)
        policy.exclude(it.folder, it.ledger, whom, OPERATOR, reason)
    for who in whom:
        output.line(f"{who}: excluded")


def include(names: NamesArgument = None, archive: ArchiveOption = None) -> None:
    """End an exclusion."""
    from longplay.guard import policy

    with _opened(archive) as (it, people):
        whom = _whom(it, people, names, None)
        found = policy.include(it.folder, it.ledger, whom, OPERATOR)
    for who in whom:
        output.line(f"{who}: {'watched again' if who in found else 'was not excluded'}")


COMMANDS: dict[str, Callable[..., None]] = {
    "run": run, "decisions": decisions, "slow": slow, "cap": cap, "hold": hold,
    "disable": disable, "release": release, "exclude": exclude, "include": include,
}  # fmt: skip
