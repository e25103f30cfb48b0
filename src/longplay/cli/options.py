"""Options and small conversions that several commands share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longplay.errors import UsageError

if TYPE_CHECKING:
    from longplay.archive import Archive

ArchiveOption = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="DIR",
        help="The archive; else LONGPLAY_ARCHIVE, else the current folder.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, max=1024, help="Worker processes; else one a core.", show_default=False
    ),
]

UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "pb": 10**15}
BINARY_UNITS = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "pib": 2**50}


def archive_folder(option: Path | None) -> Path:
    """The archive that the option, the environment or the current folder names."""
    return option or Path(os.environ.get("LONGPLAY_ARCHIVE") or ".")


def opened(option: Path | None) -> Archive:
    """Open the named archive."""
    from longplay.archive import open_archive

    return open_archive(archive_folder(option))


def parse_size(text: str | None) -> int | None:
    """Bytes from `2TB`, `500 GB`, `1.5GiB` or a plain number. Raises UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", text.strip().lower())
    unit = (
        (match[2] if match[2] in ("", "b") or len(match[2]) > 1 else match[2] + "b")
        if match
        else ""
    )
    factor = (UNITS | BINARY_UNITS | {"b": 1}).get(unit)
    if match is None or factor is None:
        raise UsageError(f"{text!r} is not a size", hint="write it as 500GB, 2TB or 1.5TiB")
    return int(float(match[1]) * factor)


def parse_share(text: str | None) -> float | None:
    """A share from `5%` or `0.05`. Raises UsageError unless it lies above 0 and up to 1."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(%?)", text.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < share <= 1:
        raise UsageError(f"{text!r} is not a share", hint="write it as 90% or 0.9")
    return share


def begin_workers() -> None:
    """Begin to import what workers will need, beside all that the command imports itself."""
    from longplay import audio
    from longplay.engine import forking

    # `longplay` is a script that imports the latter, which multiprocessing does in workers, too.
    forking.prepare((*audio.CODECS, "longplay.cli.main"))
