"""Deliveries of labels in DDEX's ERN: messages in XML, with the files that they name.

A source is a folder (a label's SFTP drop, say). It offers what the newest message about each
release names, and no recording that is purged or of which no deal stands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from longplay import clock
from longplay.capture.sources import Limit, Stream, Wanted
from longplay.capture.sources.ddex import deliveries, naming, offering
from longplay.capture.sources.ddex.contents import Problem
from longplay.capture.sources.ddex.deliveries import Survey
from longplay.errors import InputError, UnavailableError
from longplay.files import escape, mtime_ns
from longplay.model import Offer
from longplay.settings import Source

CHUNK = 1024 * 1024
"""Bytes read at a time."""


class DdexSource:
    """A folder of deliveries. Once it was listed, `survey` is what lay in it, and `problems` what
    was amiss."""

    def __init__(self, source: Source) -> None:
        self.location = Path(source.location)
        self.survey: Survey | None = None

    @property
    def problems(self) -> list[Problem]:
        """What was amiss when it was last listed, in the order of being found."""
        return self.survey.problems if self.survey else []

    def offers(self) -> Iterator[Offer]:
        """The files of all releases that stand: maybe none, when all are taken down. Raises
        UnavailableError for a folder that is not there, InputError for one without a message that
        can be read."""
        found = self.survey = deliveries.survey(self.location)
        refuse_ruins(found)
        today = clock.now().date()
        for group, message, release in found.current():
            if release is not None:
                yield from offering.offers(found, group, message, release, today)

    def limit(self, path: bytes) -> Limit:
        """A local folder needs no sparing."""
        return Limit()

    @contextmanager
    def open(self, wanted: Wanted) -> Iterator[Stream]:
        """Open a file of a delivery, from `wanted.start` on if it is still the same."""
        descriptor = naming.open_inside(os.fsencode(self.location), wanted.path)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            facts = os.fstat(descriptor)
            version = offering.version(facts.st_size, mtime_ns(facts))
            start = wanted.start if version == wanted.version and wanted.start else 0
            start = min(start, facts.st_size)
            file.seek(start)
            chunks = _chunks(descriptor, version, escape(wanted.path))
            yield Stream(start, facts.st_size, version, mtime_ns(facts), chunks)

    def close(self) -> None:
        """There is nothing to give back."""


def _chunks(descriptor: int, version: str, where: str) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(descriptor, CHUNK)
            facts = os.fstat(descriptor)
        except OSError as error:
            raise UnavailableError(f"cannot be read: {error.strerror}", where=where) from error
        if offering.version(facts.st_size, mtime_ns(facts)) != version:
            raise UnavailableError("changed while it was read", where=where)
        if not data:
            return
        yield data


def whole_survey(source: Source) -> Survey:
    """What lies in the folder of a source. Raises UnavailableError when it cannot be looked at,
    InputError when no message in it can be read: a folder that was emptied, or is not mounted,
    must not look like one in which all is taken down."""
    found = deliveries.survey(Path(source.location))
    refuse_ruins(found)
    return found


def refuse_ruins(found: Survey) -> None:
    """Raise InputError for a survey in which no message could be read."""
    if found.messages:
        return
    refused = [one for one in found.problems if one.grave == "message"]
    if not refused:
        hint = "is it mounted? A delivery is a folder with a message in XML"
        raise InputError("has no DDEX message in it", where=escape(found.root), hint=hint)
    more = f" (and {len(refused) - 1:,} more)" if len(refused) > 1 else ""
    first = refused[0]
    raise InputError(f"{first.what}{more}", where=first.where, hint=first.remedy)
