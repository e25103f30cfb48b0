"""`longplay seed`: giving what is released to whoever asks for it."""

from __future__ import annotations

import re
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, opened
from longplay.errors import UsageError

if TYPE_CHECKING:
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


COMMANDS = (seed,)
