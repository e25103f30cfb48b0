"""`longplay guard decisions` and `webhooks`: what is decided, for people and for other programs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened
from longplay.errors import UsageError

if TYPE_CHECKING:
    from longplay.archive import Archive
    from longplay.guard.policy import Appeal
    from longplay.guard.record import Decision, Record


class Form(StrEnum):
    """In what form decisions are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    CROWDSEC = "crowdsec"
    FAIL2BAN = "fail2ban"


class Least(StrEnum):
    """The mildest act that is listed: `record.Act`, which the command line has no need to load."""

    OBSERVE = "observe"
    SLOW = "slow"
    CAP = "cap"
    HOLD = "hold"
    DISABLE = "disable"


LEAST = {Form.CROWDSEC: Least.SLOW, Form.FAIL2BAN: Least.DISABLE}
"""What is done about somebody by others, where nothing is said of it."""


def decisions(
    form: Annotated[
        Form, typer.Option("--format", help="For people, programs, CrowdSec or fail2ban.")
    ] = Form.TABLE,
    changes: Annotated[
        bool, typer.Option("--changes", help="What changed, one after the other.")
    ] = False,
    least: Annotated[
        Least | None,
        typer.Option(metavar="ACT", help="Only this act and graver ones.", show_default=False),
    ] = None,
    names: Annotated[
        bool | None,
        typer.Option(
            "--names/--pseudonyms",
            help="Who is meant, or pseudonyms; in CSV these unless told otherwise.",
            show_default=False,
        ),
    ] = None,
    hours: Annotated[
        int, typer.Option(min=1, max=87600, help="CrowdSec: how long a decision holds.")
    ] = 24,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is decided about whom, who is excluded, and appeals."""
    from longplay.guard import exporting, policy, record

    form = Form.JSON if as_json else form
    blocking = form in (Form.CROWDSEC, Form.FAIL2BAN)
    if blocking and (changes or names is False):
        raise UsageError(f"{form} blocks by name who is decided about now", hint="leave that out")
    known = form is not Form.CSV if names is None else names
    with opened(archive) as it:
        now = record.load(record.path_of(it.folder))
        people = _names(it) if known else {}
        called: Callable[[str], str] = (
            (lambda who: people.get(who, who)) if known else record.pseudonyms(it.folder)
        )
        if changes:
            _changes(it, form, called, known)
            return
        act = record.Act(least or LEAST.get(form, Least.OBSERVE))
        rows = exporting.at_least(now.decisions.values(), act)
        appeals = policy.appeals(it.folder)
    if form is Form.CROWDSEC:
        bare = {who: name for who, name in people.items() if who in now.decisions}
        output.document(
            exporting.crowdsec(rows, lambda who: bare.get(who, who.partition(":")[2]), hours)
        )
    elif form is Form.FAIL2BAN:
        for address in exporting.addresses(rows):
            output.line(address)
    elif form is Form.CSV:
        told = (exporting.decision_row(one, called, known=known) for one in rows)
        _csv(exporting.COLUMNS, told)
    elif form is Form.JSON:
        output.document(_document(rows, now, appeals, people, None if known else called))
    else:
        _show(rows, now, appeals, called, known)


def _changes(it: Archive, form: Form, called: Callable[[str], str], known: bool) -> None:
    from longplay.guard import exporting, record, stream

    folder = it.folder / record.FOLDER
    rows = (exporting.change_row(one, called, known=known) for one in stream.changes(folder))
    if form is Form.JSON:
        output.documents(rows)
    elif form is Form.CSV:
        _csv(exporting.CHANGE_COLUMNS, rows)
    else:
        shown = [
            (row["time"][:16], row["who"], row["act"], row["by"], row["probability"], row["group"])
            for row in rows
        ]
        output.table(("time", "who", "act", "by", "probability", "group"), shown)


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    from longplay.guard import exporting

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(exporting.cells, rows))


def _document(
    rows: list[Decision],
    now: Record,
    appeals: list[Appeal],
    names: dict[str, str],
    called: Callable[[str], str] | None,
) -> dict[str, Any]:
    """All of it; under pseudonyms if there is somebody `called` so, and then without what accused
    listeners wrote."""
    from dataclasses import asdict

    from longplay.guard import exporting

    if called is not None:
        return {
            "decisions": [exporting.decision_row(one, called, known=False) for one in rows],
            "excluded": [
                {"who": called(who), "why": one.why, "since": one.since}
                for who, one in sorted(now.excluded.items())
            ],
            "appeals": [{"who": called(one.who), "time": one.time} for one in appeals],
        }
    return {
        "decisions": [
            asdict(one) | {"act": one.act.value, "name": names.get(one.who)} for one in rows
        ],
        "excluded": [
            {"who": who, "name": names.get(who), "why": one.why, "since": one.since}
            for who, one in sorted(now.excluded.items())
        ],
        "appeals": [
            {"who": one.who, "name": names.get(one.who), "time": one.time,
             "words": one.words, "answer": one.answer or None}
            for one in appeals
        ],
    }  # fmt: skip


def _show(
    rows: list[Decision],
    now: Record,
    appeals: list[Appeal],
    called: Callable[[str], str],
    known: bool,
) -> None:
    """A table of it; unless everybody is `known`, as `_document` has it under pseudonyms."""
    from longplay.guard import exporting

    told = [exporting.decision_row(one, called, known=known) for one in rows]
    shown = [
        (one["who"], one["act"], one["verdict"], f"{one['probability']:.3f}", one["tracks"],
         one["group"], one["by"], one["since"][:16])
        for one in told
    ]  # fmt: skip
    head = ("who", "act", "verdict", "probability", "tracks", "group", "by", "since")
    output.table(head, shown)
    for one in told:
        for reason in one["reasons"]:
            output.line(f"{one['who']}: {reason}")
    for who, left in sorted(now.excluded.items()):
        output.line(f"{called(who)} is excluded: {left.why}")
    for text in appeals:
        words = f": {text.words}" if known else ""
        output.line(f"{called(text.who)} appeals{words}")


def _names(it: Archive) -> dict[str, str]:
    """What accounts of this archive are called; it need not have any."""
    from longplay.access.people import accounts
    from longplay.access.people.opening import open_people
    from longplay.archive import PEOPLE

    if not (it.folder / PEOPLE).exists():
        return {}
    with open_people(it) as people:
        return {f"account:{one.id}": one.name for one in accounts.list_all(people)}


def webhooks(
    secrets: Annotated[
        bool, typer.Option("--secrets", help="With what each server checks signatures by.")
    ] = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the servers that changes are posted to, what they took, and what waits."""
    from dataclasses import asdict

    from longplay.workflows import webhooks as hooks

    with opened(archive) as it:
        found = hooks.states(it)
    if as_json:
        rows = [
            asdict(one.posted) | {"waiting": one.waiting}
            | ({"secret": one.secret} if secrets else {})
            for one in found
        ]  # fmt: skip
        output.document({"webhooks": rows})
        return
    head = ("address", "taken", "waiting", "given up", "lost", "problem")
    output.table(
        head,
        [
            (one.posted.address, one.posted.taken, one.waiting, one.posted.given_up,
             one.posted.lost, one.posted.problem or None)
            for one in found
        ],
    )  # fmt: skip
    for one in found if secrets else []:
        output.line(f"{one.posted.address}: {one.secret}")


COMMANDS: dict[str, Callable[..., None]] = {"decisions": decisions, "webhooks": webhooks}
