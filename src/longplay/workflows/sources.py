"""`source add`: a source with the right that its files are kept under."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from longplay import archive as archives
from longplay import settings
from longplay.archive import open_archive
from longplay.errors import InputError, RightsError, UsageError
from longplay.rights.reading import Unknown, read_statement
from longplay.settings import Source
from longplay.workflows import keeping, rights

KINDS = ("folder",)


def add_source(
    folder: Path, name: str, kind: str, location: str, text: str, evidence: str
) -> Source:
    """Write a source into the settings and its right into the ledger.

    Raises UsageError for an unknown kind or a bad name, InputError for a folder that is not there,
    RightsError for a right that the gate does not know.
    """
    settings.load(folder)
    if kind not in KINDS:
        raise UsageError(f"there is no kind of source {kind!r}", hint=f"one of {', '.join(KINDS)}")
    place = Path(location)
    if not place.is_dir():
        raise InputError("is not a folder", where=location, hint="name a folder of music")
    keeping.refuse_nesting(place, folder)
    try:
        source = Source(
            name=name,
            kind="folder",
            location=keeping.utf8_location(place),
            rights=known_right(text),
            evidence=evidence,
        )
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise UsageError(f"{name!r}: {message}", hint="lower case, digits, -, _ and .") from error
    archives.add_source(folder, source)
    with open_archive(folder) as archive:
        rights.record_sources(archive)
    return source


def known_right(text: str) -> str:
    """The canonical statement that `text` means. Raises RightsError for one that the gate does not
    know: all that came from the source would stay dark, and nobody be told."""
    read = read_statement(text)
    if isinstance(read, Unknown):
        raise RightsError(
            f"{text!r}: {read.words}",
            where="--rights",
            hint="e.g. https://creativecommons.org/licenses/by/4.0/, personal, legal-deposit",
        )
    return read
