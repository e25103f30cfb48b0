"""`source add`: a source with the right that its files are kept under."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast, get_args

from pydantic import ValidationError

from longplay import archive as archives
from longplay import settings
from longplay.archive import open_archive
from longplay.capture.sources import oai
from longplay.errors import InputError, RightsError, UsageError
from longplay.rights.reading import Unknown, read_statement
from longplay.settings import Politeness, Source, SourceKind
from longplay.vault import bucket
from longplay.web import addresses
from longplay.workflows import keeping, rights

KINDS = get_args(SourceKind)


def add_source(
    folder: Path,
    name: str,
    kind: str,
    location: str,
    text: str,
    evidence: str,
    politeness: Politeness | None = None,
    licence: str = "",
) -> Source:
    """Write a source into the settings and its right into the ledger.

    Raises UsageError for an unknown kind, a bad name or a location that cannot be one, InputError
    for a folder or a list that is not there, SourceError for a web address that carries a password,
    RightsError for a right that the gate does not know.
    """
    settings.load(folder)
    if kind not in KINDS:
        raise UsageError(f"there is no kind of source {kind!r}", hint=f"one of {', '.join(KINDS)}")
    try:
        source = Source(
            name=name,
            kind=cast(SourceKind, kind),
            location=_location(kind, location, folder),
            rights=known_right(text),
            evidence=evidence,
            licence=licence,
            politeness=politeness or Politeness(),
        )
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise UsageError(f"{name!r}: {message}", hint="lower case, digits, -, _ and .") from error
    archives.add_source(folder, source)
    with open_archive(folder) as archive:
        rights.record_sources(archive)
    return source


def _location(kind: str, location: str, folder: Path) -> str:
    """A source's location as the settings keep it, if it can be one."""
    pattern, example = _LOCATIONS.get(kind, ("", ""))
    if kind in ("folder", "ddex"):
        place = Path(location)
        if not place.is_dir():
            raise InputError("is not a folder", where=location, hint="name a folder of music")
        keeping.refuse_nesting(place, folder)
        return keeping.utf8_location(place)
    if kind == "http" and not re.match(r"https?://", location):
        place = Path(location)
        if not place.is_file():
            raise InputError("is not there", where=location, hint="name a list, or its address")
        return str(place.resolve())
    if kind == "s3" and bucket.carries_password(location):
        raise UsageError(
            "carries a password",
            where="the location",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
        )
    if pattern and not re.fullmatch(pattern, location):
        raise UsageError(f"is no place for a source of kind {kind}", where=location, hint=example)
    if kind == "http":
        addresses.parsed(location)  # no password may come into the settings
    if kind == "oai":
        oai.wanted(location)
    return location


_PLACE = "(collection|item):[A-Za-z0-9][A-Za-z0-9._-]{0,199}"

_LOCATIONS = {
    "http": (r"https?://[^/]+.*", "e.g. https://label.example/list.csv, or a file"),
    "oai": (r"https?://[^/]+.*", "e.g. https://library.example/oai"),
    "s3": (r"s3://[A-Za-z0-9][A-Za-z0-9._-]{1,254}(/[^?#]*)?", "e.g. s3://bucket/prefix"),
    "internetarchive": (
        rf"{_PLACE}(\s*,\s*{_PLACE})*",
        "e.g. collection:netlabels, or item:IDENTIFIER",
    ),
}
"""What a location looks like, by kind, with an example."""


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
