"""`longplay guard run` and what an operator does about accounts."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, opened
from longplay.errors import AccessError, UsageError

if TYPE_CHECKING:
    from longplay.access.people.store import People
    from longplay.archive import Archive
    from longplay.guard.record import Act, Decision, Record

PAUSE_SECONDS = 0.25
"""Between two looks at a log that does not grow: decisions must be there within a second."""

MOST_DIGITS = 18
"""Of an account's number."""

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
    logs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="LOG…", help="Growing access logs of another service."),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=NAME|FILE", help="What these logs call a field."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Judge what is in the log now, and stop.")
    ] = False,
    archive: ArchiveOption = None,
) -> None:
    """Watch what `longplay serve`, or another service, writes down, and decide by the settings."""
    from longplay.access.log import kept
    from longplay.guard import posting, record, running
    from longplay.guard.reading.mapping import wishes_of
    from longplay.workflows import webhooks

    still = threading.Event()
    others = running.Others(logs or (), wishes_of(field or []))
    with (
        opened(archive) as it,
        running.opened(
            it.folder, it.settings.guard, it.ledger, others, kept(it.folder, it.settings.serving)
        ) as guard,
        posting.started(
            it.folder / record.FOLDER,
            webhooks.endpoints(it),
            record.pseudonyms(it.folder),
            once=once,
        ),
    ):
        output.line(f"watching {it.folder}: scrapers are met with {it.settings.guard.act!r}")
        running.run(guard, lambda: once or still.wait(PAUSE_SECONDS), _tell)
        counts = guard.watching.counts
        output.line(f"{counts.events:,} events of {len(guard.watching.accounts):,} accounts")


def _tell(made: Decision) -> None:
    why = f": {made.reasons[0]}" if made.reasons else ""
    output.line(f"{made.act.value} {made.who} ({made.verdict}, {made.probability:.3f}){why}")


def _whom(it: Archive, people: People, names: list[str] | None, group: int | None) -> list[str]:
    """Whom the arguments mean. Raises UsageError, AccessError."""
    from longplay.guard import policy, record

    now = record.load(record.path_of(it.folder))
    if group is not None:
        return policy.members(now, group)
    if not names:
        raise UsageError("nobody is named", hint="name accounts, or a group with --group")
    return [_one(people, name, now) for name in names]


def _one(people: People, name: str, now: Record) -> str:
    """Whom a name means: an address, an account here, or one of another service that is watched,
    which is told by `account:` before it unless something is decided about it."""
    from longplay.access.people import accounts

    bare = name.removeprefix("account:")
    with suppress(ValueError):
        return f"address:{ipaddress.ip_address(bare)}"
    who = f"account:{bare}"
    number = bare.isascii() and bare.isdigit()
    try:
        return f"account:{accounts.find(people, name).id}"
    except AccessError:
        if number and len(bare) <= MOST_DIGITS and who not in now.decisions:
            return f"account:{accounts.by_id(people, int(bare)).id}"
        if who in now.decisions or who in now.excluded or (bare != name and not number):
            return who
        raise


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
    "run": run, "slow": slow, "cap": cap, "hold": hold,
    "disable": disable, "release": release, "exclude": exclude, "include": include,
}  # fmt: skip
