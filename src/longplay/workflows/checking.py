"""`source check`: what an archive would make of a folder of deliveries, for those who send them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from longplay.capture.sources.ddex import DdexSource
from longplay.capture.sources.ddex.contents import Problem
from longplay.errors import InputError
from longplay.model import Kind
from longplay.settings import Source


@dataclass(frozen=True, slots=True)
class Checked:
    """Messages that were read, releases that they speak of, files that would be fetched, and what
    is amiss, the gravest first."""

    messages: int
    releases: int
    recordings: int
    files: int
    problems: tuple[Problem, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is left out."""
        return all(one.grave == "note" for one in self.problems)


def check_deliveries(location: str) -> Checked:
    """Read the deliveries in a folder without an archive; nothing is written. Raises
    UnavailableError for a folder that cannot be looked at, InputError for one without a message."""
    source = DdexSource(Source(name="check", kind="ddex", location=location, rights="unknown"))
    kinds: Counter[Kind] = Counter()
    tracks: set[str] = set()
    try:
        for offer in source.offers():
            kinds[offer.kind] += 1
            tracks.add(offer.own_id)
    except InputError:
        read = source.survey and source.survey.messages
        if read or all(one.grave == "note" for one in source.problems):
            raise  # else the first of the problems is what was raised
    found = source.survey
    problems = sorted(source.problems, key=lambda one: _ORDER.index(one.grave))
    return Checked(
        found.messages if found else 0,
        len(found.groups) if found else 0,
        len(tracks - {""}),
        kinds.total(),
        tuple(problems),
    )


_ORDER = ("message", "part", "note")
