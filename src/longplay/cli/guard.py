"""`longplay guard`: who copies the catalogue, told from access logs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened

if TYPE_CHECKING:
    from longplay.guard.scan import Scanned
    from longplay.guard.verdict import Judged

app = typer.Typer(no_args_is_help=True, help="Watch over listening for wholesale copying.")


@app.callback()
def guard() -> None:
    """Watch over listening for wholesale copying."""


@app.command()
def scan(
    logs: Annotated[
        list[Path], typer.Argument(metavar="LOG…", help="Access logs of one service, oldest first.")
    ],
    everyone: Annotated[
        bool, typer.Option("--all", help="List honest accounts too, however many.")
    ] = False,
    field: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=NAME|FILE", help="What the log calls a field."),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(metavar="ACCOUNT", help="An account that may copy, by an agreement."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What honest listening looks like here.")
    ] = None,
    learned: Annotated[
        Path | None, typer.Option("--learn", metavar="FILE", help="Write that, from this log.")
    ] = None,
    salt: Annotated[
        Path | None,
        typer.Option(
            "--pseudonyms",
            metavar="FILE",
            help="Name nobody: pseudonyms by the salt in it, made if there is none.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge every account of an access log: honest, to be watched, or a scraper, and why."""
    from longplay.files import write_durably
    from longplay.guard import exporting, record
    from longplay.guard.baseline import Baseline, drift, load, save_text
    from longplay.guard.reading.mapping import wishes_of
    from longplay.guard.scan import Options
    from longplay.guard.scan import scan as scan_logs

    known = load(baseline) if baseline else Baseline()
    options = Options(wishes_of(field or []), known, frozenset(trust or ()), everyone)
    with output.progress("scanning") as update:
        found = scan_logs(logs, options, update)
    if salt:
        hidden = exporting.hidden(found.verdicts, record.pseudonyms_by(salt))
        found = replace(found, verdicts=hidden)
    if learned:
        write_durably(learned, save_text(found.learned).encode())
    if as_json:
        output.document(_document(found) | {"drift": round(drift(found.learned, known), 3)})
    else:
        _show(found)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write; it is replaced.")],
    logs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="LOG…", help="Other logs than the archive's, oldest first."),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=36_500.0, metavar="N", help="Only the last N days.", show_default=False
        ),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the access log for somebody outside: with pseudonyms, and with nobody's name."""
    from datetime import timedelta

    from longplay import clock
    from longplay.access import log
    from longplay.errors import UsageError
    from longplay.guard import handing, record

    if days is not None and math.isnan(days):
        raise UsageError("--days wants a number of days")
    since = None if days is None else clock.now() - timedelta(days=days)
    with opened(archive) as it, ExitStack() as stack:
        own = handing.opened(it.folder / log.FILE, it.folder / log.LOCK)
        these: Sequence[Path | BufferedReader] = logs or stack.enter_context(own)
        found = handing.hand_out(these, file, record.pseudonyms(it.folder), since)
    left = found.no_event + found.damage.too_long
    if as_json:
        output.document(
            {"lines": found.lines, "older": found.older, "no_event": found.no_event,
             "too_long": found.damage.too_long, "broken_off": found.damage.broken_off}
        )  # fmt: skip
        return
    output.line(f"{found.lines:,} lines written to {file}")
    if left:
        output.line(f"{left:,} lines were no event")
    if found.damage.broken_off:
        output.line("a compressed log is damaged; what follows in it was not read")


@app.command()
def trace(
    leaked: Annotated[
        Path, typer.Argument(metavar="FILE|DUMP", help="A leaked file, or a folder of such.")
    ],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whose marked copy a leaked one was made from, and how sure that is."""
    from longplay.access.people import accounts
    from longplay.access.people.opening import open_people
    from longplay.archive import PEOPLE
    from longplay.workflows import marked_copies

    with opened(archive) as it:
        known: dict[int, str] = {}
        if (it.folder / PEOPLE).exists():
            with open_people(it) as people:
                known = {one.id: one.name for one in accounts.list_all(people)}
        found = marked_copies.trace(it, leaked, known)
    if as_json:
        output.document({"file": str(leaked), **asdict(found)})
        return
    output.line(
        f"{found.texts:,} texts read: {found.places:,} signs and {found.pairs:,} pairs of tracks"
        f" that can tell {found.recipients:,} recipients apart"
    )
    for one in found.named:
        what = "the copy of" if one.kind == marked_copies.COPY else "the API key of account"
        output.line(
            f"from {what} {one.recipient}: {one.agreement:.1%} of the signs agree; wrong with a"
            f" chance of {_chance(one.bound)} at most"
        )
    for note in found.notes:
        output.line(note)


def _chance(bound: float) -> str:
    return "1 in 10^100" if bound < 1e-100 else f"{bound:.1e}"


def _document(found: Scanned) -> dict[str, Any]:
    counts = found.counts
    return {
        "events": counts.events,
        "accounts": found.accounts,
        "verdicts": [_verdict(one) for one in found.verdicts],
        "lines": counts.lines,
        "unreadable": {
            "no_event": counts.no_event,
            "too_long": counts.damage.too_long,
            "broken_off": counts.damage.broken_off,
            "bad_encoding": counts.bad_encoding,
        },
    }


def _verdict(one: Judged) -> dict[str, Any]:
    from longplay.clock import of_seconds, text_of

    return {
        "account": one.account,
        "verdict": one.verdict.value,
        "probability": round(one.probability, 6),
        "first_seen": text_of(of_seconds(one.first_seen)),
        "decided_at": None if one.decided_at is None else text_of(of_seconds(one.decided_at)),
        "tracks_before_decision": one.tracks,
        "group": one.group,
        "reasons": list(one.reasons),
    }


def _show(found: Scanned) -> None:
    counts = found.counts
    output.line(f"{counts.events:,} events of {found.accounts:,} accounts")
    left = counts.no_event + counts.damage.too_long
    if left:
        output.line(f"{left:,} lines were no event")
    if counts.damage.broken_off:
        output.line("a compressed log is damaged; what follows in it was not read")
    rows = [
        (one.account, one.verdict.value, f"{one.probability:.3f}", one.tracks, one.group)
        for one in found.verdicts
    ]
    output.table(("account", "verdict", "probability", "tracks", "group"), rows)
    for one in found.verdicts:
        for reason in one.reasons:
            output.line(f"{one.account}: {reason}")
