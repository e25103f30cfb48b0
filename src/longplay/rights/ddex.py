"""The terms of DDEX messages (ERN 3.4 to 4.3): what their deals let an archive do with recordings.

Rules of this module:
- A deal speaks to the message's recipient. Only deals free of charge say something to an archive,
  which sells nothing: the others, and what cannot be read, let it describe the recording.
- A deal reads downward: a use, territory or date that is not understood narrows it.
- No network, no entities, one pass over a bounded file.

https://kb.ddex.net/implementing-each-standard/electronic-release-notification-message-suite-(ern)/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TypeAlias

from lxml import etree

from longplay.errors import RightsError
from longplay.files import read_bounded
from longplay.rights.statements import Act
from longplay.rights.territories import TERRITORIES

MAX_BYTES = 64 * 1024 * 1024
"""Of one message: the largest real ones, of box sets with a deal for each country, have some MB."""

FREE = "FreeOfChargeModel"
USES = {
    "Stream": Act.STREAM,
    "OnDemandStream": Act.STREAM,
    "PermanentDownload": Act.DOWNLOAD,
}
"""What a use means here; the others (radio-like, for a time, by users' uploads) mean nothing."""

Element: TypeAlias = etree._Element


@dataclass(frozen=True, slots=True)
class Deal:
    """What one deal says of one recording. Without `uses` it permits but to describe it; `words`
    are the deal in one line."""

    isrc: str
    uses: tuple[str, ...]
    start: str
    end: str
    territories: tuple[str, ...]
    words: str


def read_deals(path: Path) -> list[Deal]:
    """Every deal of a message, once for each recording with an ISRC that it is about.

    Raises RightsError for a file that is no such message.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True
    )
    try:
        root = etree.fromstring(read_bounded(path, MAX_BYTES), parser)
    except etree.XMLSyntaxError as error:
        raise RightsError(f"is no XML: {error.msg}", where=str(path)) from error
    if not _name(root).startswith(("NewReleaseMessage", "PurgeReleaseMessage")):
        raise RightsError(
            f"is no message of releases, but {_name(root)[:60]!r}",
            where=str(path),
            hint="a DDEX ERN file begins with NewReleaseMessage",
        )
    codes = _codes(root)
    releases = _releases(root)
    found = []
    for group in _all(root, "ReleaseDeal"):
        about = [text for one in _all(group, "DealReleaseReference") if (text := _text(one))]
        resources = dict.fromkeys(code for one in about for code in releases.get(one, ()))
        isrcs = dict.fromkeys(codes[one] for one in resources if one in codes)
        for deal in _all(group, "Deal"):
            terms = _terms(deal)
            found += [Deal(isrc, *terms) for isrc in isrcs]
    return found


def _codes(root: Element) -> dict[str, str]:
    """The ISRC of each recording by its reference within the message."""
    found = {}
    for one in _all(root, "SoundRecording"):
        reference = next((_text(it) for it in _all(one, "ResourceReference")), "")
        isrc = next((_text(it) for it in _all(one, "ISRC")), "")
        if reference and isrc:
            found[reference] = isrc
    return found


def _releases(root: Element) -> dict[str, list[str]]:
    """The resources of each release by its reference."""
    return {
        _text(reference): [
            _text(it) for it in one.iter() if _name(it) in _RESOURCE_REFERENCES and _text(it)
        ]
        for one in root.iter()
        if _name(one) in ("Release", "TrackRelease")
        for reference in list(_all(one, "ReleaseReference"))[:1]
    }


_RESOURCE_REFERENCES = ("ReleaseResourceReference",)


def _terms(deal: Element) -> tuple[tuple[str, ...], str, str, tuple[str, ...], str]:
    """Uses, first and last day, territories, and the deal in words."""
    models = [_text(it) for it in _all(deal, "CommercialModelType")]
    named = [_text(it) for it in _all(deal, "UseType")]
    start, end = _period(deal)
    territories = _territories(deal)
    taken_down = any(_text(it).lower() == "true" for it in _all(deal, "TakeDown"))
    free = bool(models) and all(model == FREE for model in models) and not taken_down
    uses = sorted({USES[use].value for use in named if use in USES}) if free else []
    if territories is None or start is None or end is None:
        uses = []
    words = f"{', '.join(models) or 'no model'}: {', '.join(named) or 'no use'}"
    words += "; taken down" if taken_down else ""
    return (
        tuple(uses or (Act.DESCRIBE.value,)),
        start or "",
        end or "",
        territories or (),
        words[:200],
    )


def _period(deal: Element) -> tuple[str | None, str | None]:
    """First and last whole day; None for what cannot be read."""
    start: str | None = ""
    end: str | None = ""
    for period in _all(deal, "ValidityPeriod"):
        for one in period:
            name, text = _name(one), _text(one)
            day = _day(text)
            if name in ("StartDate", "StartDateTime"):
                # A deal that begins during a day holds from the next one for certain.
                later = timedelta(days=1 if name == "StartDateTime" else 0)
                start = max(start or "", (day + later).isoformat()) if day else None
            elif name in ("EndDate", "EndDateTime"):
                sooner = timedelta(days=1 if name == "EndDateTime" else 0)
                last = (day - sooner).isoformat() if day else None
                end = last if last is None or not end else min(end, last)
    return start, end


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def _territories(deal: Element) -> tuple[str, ...] | None:
    """Where a deal holds: empty for the world, None where that cannot be read."""
    named = {_text(it) for it in _all(deal, "TerritoryCode")}
    excluded = {_text(it) for it in _all(deal, "ExcludedTerritoryCode")}
    if (not named and not excluded) or (named | excluded) - TERRITORIES - {"Worldwide"}:
        return None
    world = not named or "Worldwide" in named
    if world and not excluded:
        return ()
    return tuple(sorted((TERRITORIES if world else named) - excluded)) or None


def _all(element: Element, name: str) -> Iterator[Element]:
    """The elements of this name below one, in whatever namespace."""
    return (one for one in element.iter() if _name(one) == name)


def _name(element: Element) -> str:
    tag = element.tag
    return re.sub(r"^\{.*\}", "", tag) if isinstance(tag, str) else ""


def _text(element: Element) -> str:
    return (element.text or "").strip()
