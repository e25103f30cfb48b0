"""`longplay seed` and `longplay mirror`: giving what is released, and taking what others give."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened, parse_size
from longplay.errors import LongplayError, ReleaseError, UsageError

if TYPE_CHECKING:
    from longplay.workflows.mirroring import Mirrored
    from longplay.workflows.seeding import Part


def seed(
    part: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="One of N processes that divide the torrents."),
    ] = None,
    archive: ArchiveOption = None,
) -> None:
    """Seed the newest releases from the object store, until stopped."""
    from longplay.workflows import seeding

    with opened(archive) as it:
        seeding.seed(it, parse_part(part), _ready, Event())


def mirror(
    feed: Annotated[str, typer.Argument(metavar="FEED", help="Address or path of a feed.json.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to keep the mirror.")],
    budget: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Bytes to keep to, e.g. 500GB.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="PUBLIC_KEY", help="The archive's key: RW… and so on.")
    ] = None,
    accept_expired: Annotated[
        bool, typer.Option("--accept-expired", help="Mirror what an expired feed lists.")
    ] = False,
    accept_withdrawals: Annotated[
        bool, typer.Option("--accept-withdrawals", help="Let the feed withdraw as much as it does.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Mirror another archive: keep what it releases, as far as the budget goes."""
    from longplay.workflows import mirroring

    options = mirroring.Options(feed, parse_size(budget), key, accept_expired, accept_withdrawals)
    with output.progress("mirror") as update:
        done = mirroring.mirror(folder, options, update)
    if as_json:
        output.document(done.document())
    else:
        _show_mirrored(done)
    _refuse_missing(done, as_json)


def _show_mirrored(done: Mirrored) -> None:
    output.line(
        f"feed {done.feed_version}{' (expired)' if done.expired else ''} of {done.archive}:"
        f" {done.objects:,} objects held, {output.size(done.bytes)}"
    )
    output.line(
        f"proved and kept: {done.tally.verified:,}; travelled: {output.size(done.tally.downloaded)}"
    )
    output.line(f"tombstones: {done.tombstones:,}; deleted: {done.deleted:,}")
    for one in done.tally.refused:
        output.line(f"refused: {one.what}: {one.why}")


def _refuse_missing(done: Mirrored, as_json: bool) -> None:
    """Exit with 1 when something is missing that may come another time."""
    tally = done.tally
    if not tally.missing and (done.objects or not done.offered):
        return
    if as_json:
        raise typer.Exit(LongplayError.exit_status)
    if tally.missing:
        raise ReleaseError(
            f"{tally.missing:,} objects ({output.size(tally.missing_bytes)}) have not come",
            where=done.archive,
            hint="see why above; the same command goes on from here",
        )
    raise ReleaseError(
        "nothing of the feed was taken",
        where=done.archive,
        hint="see why above, or give a larger --budget",
    )


def parse_part(text: str | None) -> Part:
    """`2/10` as the second of ten. Raises UsageError."""
    from longplay.workflows.seeding import Part

    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", (text or "1/1").strip())
    number, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= of:
        raise UsageError(f"{text!r} is not a part", hint="write it as 2/10: the second of ten")
    return Part(number, of)


def _ready(torrents: int, address: str) -> None:
    output.line(f"seeding {torrents:,} torrents on {address}")


COMMANDS = (seed, mirror)
