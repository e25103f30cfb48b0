"""`longplay duplicates`: copies of one recording, found by the index and judged by a curator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from longplay.cli import curate, output
from longplay.cli.curate import UndoOption, WhoOption, WhyOption
from longplay.cli.options import ArchiveOption, JsonOption, WorkersOption, opened

if TYPE_CHECKING:
    from longplay.archive import Archive
    from longplay.catalogue.likenesses import Word

app = typer.Typer(
    no_args_is_help=True,
    help="Near-duplicates: other masters, re-uploads, sped-up or slowed copies.",
)

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID…", help="Recordings or tracks.")]


@app.command()
def find(
    own_speed: Annotated[
        bool, typer.Option("--own-speed", help="Leave out copies at other speeds: much quicker.")
    ] = False,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the index about what is held and was not asked about yet."""
    from longplay.workflows import duplicates

    with opened(archive) as it:
        with output.progress("duplicates") as update:
            done = duplicates.find(it, own_speed=own_speed, workers=workers, progress=update)
        found = _clusters(it)
    if as_json:
        facts = {"asked": done.objects, "pairs": done.pairs, "held_but_not_indexed": done.lacking}
        output.document({**facts, "clusters": found, "seconds": done.seconds})
        return
    output.line(f"{done.objects:,} objects asked, {done.pairs:,} pairs")
    _show(found)


@app.command("list")
def list_(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Show the clusters: those that want an ear first."""
    with opened(archive) as it:
        found = _clusters(it)
    if as_json:
        output.document(found)
    else:
        _show(found)


@app.command()
def confirm(
    identities: IdsArgument,
    why: WhyOption = "",
    who: WhoOption = None,
    undo: UndoOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that recordings are copies of each other: the plan counts them once."""
    _say(identities, "alike", why, who, undo, archive, as_json)


@app.command()
def refuse(
    identities: IdsArgument,
    why: WhyOption = "",
    who: WhoOption = None,
    undo: UndoOption = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that no two of these recordings are copies of each other."""
    _say(identities, "apart", why, who, undo, archive, as_json)


def _say(
    identities: list[str],
    word: Word,
    why: str,
    who: str | None,
    undo: bool,
    archive: Any,
    as_json: bool,
) -> None:
    from longplay.catalogue import likenesses

    with opened(archive) as it:
        hand = curate.hand(who, why)
        done = likenesses.say(it.catalogue, identities, word, hand, undo=undo)
    if as_json:
        said = [{"subject": row.subject, "act": row.act, "other": row.other} for row in done.rows]
        output.document({"snapshot": done.snapshot, "added": done.added, "corrections": said})
        return
    if not done.added:
        output.line("nothing to do: that is said already")
    for row in done.rows:
        output.line(f"{row.act} {row.subject} {row.other}")


def _clusters(archive: Archive) -> list[dict[str, Any]]:
    from longplay.catalogue.snapshot import open_current
    from longplay.workflows import likenesses

    snapshot = open_current(archive.catalogue)
    return likenesses.documents(snapshot, likenesses.clusters(archive, snapshot))


def _show(found: list[dict[str, Any]]) -> None:
    for number, one in enumerate(found, 1):
        output.line(f"{number}. {one['state']}")
        for each in one["recordings"]:
            by = f" by {', '.join(each['artists'])}" if each["artists"] else ""
            output.line(f"   {each['recording']}  {each['title'] or 'without a title'}{by}")
        for pair in one["pairs"]:
            speed = f" at {pair['speed']:.1%} of its speed" if pair["kind"] == "speed" else ""
            output.line(
                f"   {pair['recording']} is {pair['other']}{speed}:"
                f" {pair['share']:.0%} of the landmarks, along {pair['covered']:.0%}"
            )
    output.line(f"{len(found):,} clusters")
