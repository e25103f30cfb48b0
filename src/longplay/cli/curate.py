"""`longplay edit`, `join`, `split`: the curator's hand; `catalogue explain`: why tracks match."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened

WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="What it rests on.")]
WhoOption = Annotated[
    str | None,
    typer.Option("--who", metavar="NAME", help="Who says so; else your login name."),
]
UndoOption = Annotated[bool, typer.Option("--undo", help="Take back what was said of them.")]
TracksArgument = Annotated[list[str], typer.Argument(metavar="ID…", help="Tracks or recordings.")]


def edit(
    subject: Annotated[
        str, typer.Argument(metavar="ID", help="A track, recording, album or artist.")
    ],
    assignments: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIELD=VALUE…", help="What it is. FIELD= takes back; none lists."),
    ] = None,
    why: WhyOption = "",
    who: WhoOption = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correct fields of a track, recording, album or artist; with none, show what was said."""
    from longplay.catalogue import curation
    from longplay.catalogue.snapshot import open_current

    with opened(archive) as it:
        if not assignments:
            _show_history(curation.history(open_current(it.catalogue), subject), as_json)
            return
        done = curation.edit(it.catalogue, subject, assignments, hand(who, why))
    _show(done, as_json)


def join(
    identities: TracksArgument,
    why: WhyOption = "",
    who: WhoOption = None,
    undo: UndoOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that tracks or recordings are one recording."""
    from longplay.catalogue import curation

    with opened(archive) as it:
        done = curation.join(it.catalogue, identities, hand(who, why), undo=undo)
    _show(done, as_json)


def split(
    identities: TracksArgument,
    why: WhyOption = "",
    who: WhoOption = None,
    undo: UndoOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that tracks are never one recording, whatever identifiers they share."""
    from longplay.catalogue import curation

    with opened(archive) as it:
        done = curation.split(it.catalogue, identities, hand(who, why), undo=undo)
    _show(done, as_json)


def explain(
    one: Annotated[str, typer.Argument(metavar="ID", help="A track or recording.")],
    other: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Another; else all that come near.")
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why two tracks are one recording or are not, or what comes near to one."""
    from longplay.catalogue import explain as matcher
    from longplay.catalogue.snapshot import open_current

    with opened(archive) as it:
        snapshot = open_current(it.catalogue)
        if other is None:
            found = matcher.candidates(snapshot, one)
        else:
            found = [matcher.explain(snapshot, one, other)]
    if as_json:
        documents = [each.document() for each in found]
        output.document(documents if other is None else documents[0])
        return
    for each in found:
        output.line(f"{each.one} {each.other}: {each.verdict} ({each.total:+g})")
        if each.steps:
            output.line(f"through {' '.join(step.other for step in each.steps[:-1])}")
        output.table(
            ("evidence", "weight", "what"), [(e.kind, e.weight, e.detail) for e in each.evidence]
        )
    if not found:
        output.line("nothing comes near")


COMMANDS = (edit, join, split)


def hand(who: str | None, why: str) -> Any:
    """Whoever corrects: as named, else by the login."""
    from longplay.catalogue.curation import Hand

    return Hand(_login() if who is None else who, why)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may give its user no name
        return "unknown"


def _show(done: Any, as_json: bool) -> None:
    document = {
        "snapshot": done.snapshot,
        "added": done.added,
        "corrections": [
            {
                name: getattr(row, name)
                for name in ("subject", "act", "field", "value", "other")
                if getattr(row, name) is not None
            }
            for row in done.rows
        ],
        "recordings": list(done.recordings),
    }
    if as_json:
        output.document(document)
        return
    if not done.added:
        output.line("nothing to do: that is said already")
    for row in done.rows:
        said = f"{row.field} = {row.value}" if row.value is not None else row.field or row.other
        output.line(f"{row.act} {row.subject} {said}")
    if done.recordings:
        output.line(f"recordings now: {' '.join(done.recordings)}")


def _show_history(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        output.document(rows)
        return
    columns = ("at", "who", "act", "field", "value", "other", "why", "stands")
    output.table(columns, [[row[name] for name in columns] for row in rows])
