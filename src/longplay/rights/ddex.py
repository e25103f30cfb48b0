"""The deals of DDEX messages (ERN 3.3 to 4.3): what they let an archive do with recordings.

Rules of this module:
- A deal speaks to the message's recipient. Only deals free of charge say something to an archive,
  which sells nothing: the others, and what cannot be read, let it describe the recording.
- A deal reads downward: a use, a territory, a date or a condition that is not understood narrows
  it. Whatever is taken down is taken from all deals beside it.
- Elements have their local names, whatever their namespace was. No I/O and no clock.

https://kb.ddex.net/implementing-each-standard/electronic-release-notification-message-suite-(ern)/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TypeAlias

from lxml import etree

from longplay.rights.statements import Act
from longplay.rights.territories import TERRITORIES

FREE = "FreeOfChargeModel"
USES = {
    "Stream": Act.STREAM,
    "OnDemandStream": Act.STREAM,
    "PermanentDownload": Act.DOWNLOAD,
}
"""What a use means here; the others (radio-like, for a time, by users' uploads) mean nothing."""

OWN_NAMESPACE = "longplay"
OWN_USES = {"release": Act.RELEASE}
"""Uses that DDEX has no word for, said as `UserDefined` in our namespace: to hand a recording on
to everybody, who may hand it on in turn."""

UNDERSTOOD = frozenset({
    "CommercialModelType", "Usage", "UseType", "TerritoryCode", "ExcludedTerritoryCode",
    "ValidityPeriod", "IsExclusive", "ReleaseDisplayStartDate", "ReleaseDisplayStartDateTime",
    "TrackListingPreviewStartDate", "TrackListingPreviewStartDateTime", "CoverArtPreviewStartDate",
    "CoverArtPreviewStartDateTime",
})  # fmt: skip
"""What may stand in a deal that permits something. Anything else is a condition (a price, a
channel, a number of usages, a quality, clips only), which an archive does not know how to keep."""

TAKEN_AWAY = ("TakeDown", "AllDealsCancelled")
WORLD = "Worldwide"

Element: TypeAlias = etree._Element


@dataclass(frozen=True, slots=True)
class Deal:
    """One deal. `releases` are the references of what it is about; `uses` what it permits of all
    acts, empty for none; `start` and `end` its first and last whole day, `last` the last day on
    which it holds at all, all of them ISO dates or empty; `territories` ISO 3166 codes, empty for
    the world. `cancelled` says that it takes away instead of giving; `words` are the deal in one
    line."""

    releases: tuple[str, ...]
    uses: tuple[str, ...]
    start: str
    end: str
    last: str
    territories: tuple[str, ...]
    cancelled: bool
    words: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Permission:
    """What deals together permit, as a rights statement has it; `words` are the deals'."""

    uses: tuple[str, ...]
    start: str
    end: str
    territories: tuple[str, ...]
    words: str


NOTHING = Permission((Act.DESCRIBE.value,), "", "", (), "no deal permits anything")


def read_deals(group: Element) -> list[Deal]:
    """The deals of one `ReleaseDeal`."""
    releases = tuple(filter(None, map(_text, group.iterfind("DealReleaseReference"))))
    effective = [_iso(_day(_text(one))) for one in group.iterfind("EffectiveDate")]
    return [replace(_read(deal, effective), releases=releases) for deal in group.iterfind("Deal")]


def permissions(deals: Sequence[Deal]) -> list[Permission]:
    """What these deals about one recording permit together; never nothing, if only to describe it.

    Deals that differ in their territories only become one.
    """
    limit, gone = _taken(deals)
    merged: dict[tuple[tuple[str, ...], str, str], list[Deal]] = {}
    for deal in deals:
        if deal.cancelled or not deal.uses or limit == "":
            continue
        here = _without(deal.territories, gone)
        if here is None:
            continue
        end = min(filter(None, (deal.end, limit)), default="")
        merged.setdefault((deal.uses, deal.start, end), []).append(replace(deal, territories=here))
    found = []
    for (uses, start, end), alike in merged.items():
        world = any(not deal.territories for deal in alike)
        where = set() if world else {code for deal in alike for code in deal.territories}
        words = "; ".join(dict.fromkeys(deal.words for deal in alike))
        found.append(Permission(uses, start, end, tuple(sorted(where)), words))
    if found:
        return sorted(found, key=lambda one: (one.uses, one.start, one.end))
    words = "; ".join(dict.fromkeys(deal.words for deal in deals))
    return [replace(NOTHING, words=words or "no deal")]


def standing(deals: Sequence[Deal], today: date) -> bool:
    """Whether any deal holds now or will: a recording without is taken down. Deals of all models
    count, also those that permit an archive nothing."""
    limit, _ = _taken(deals)
    if limit is not None and (not limit or limit < today.isoformat()):
        return False
    return any(not one.cancelled and (not one.last or one.last >= today.isoformat())
               for one in deals)  # fmt: skip


def _taken(deals: Sequence[Deal]) -> tuple[str | None, frozenset[str]]:
    """The last day before everything is taken down (empty: none ever was, None: nothing is), and
    the territories where it is."""
    limits = []
    gone: set[str] = set()
    for deal in deals:
        if deal.cancelled and deal.territories:
            gone.update(deal.territories)
        elif deal.cancelled:
            first = _day(deal.start)
            if first is None or first == date.min:
                limits.append("")
            else:
                limits.append((first - timedelta(days=1)).isoformat())
    return min(limits, default=None), frozenset(gone)


def _without(territories: tuple[str, ...], gone: frozenset[str]) -> tuple[str, ...] | None:
    """Territories but for those; None where nothing is left. Empty is the world."""
    if not gone:
        return territories
    left = (frozenset(territories) or TERRITORIES) - gone
    return tuple(sorted(left)) or None


def _read(deal: Element, effective: Sequence[str | None]) -> Deal:
    terms = deal.find("DealTerms")
    if terms is None:
        return Deal((), (), "", "", "", (), False, "no terms", deal.sourceline or 0)
    models = [_text(it) for it in terms.iterfind("CommercialModelType")]
    uses = list(_uses(terms))
    cancelled = any(
        _text(it).lower() in ("true", "1") for name in TAKEN_AWAY for it in terms.iterfind(name)
    )
    starts, ends, last = _periods(terms, whole=not cancelled)
    start, end = _of_all(starts, min if cancelled else max), _of_all(ends, min)
    start = _of_all([start, *effective], max)
    territories = _territories(terms)
    readable = territories is not None and start is not None and end is not None
    free = bool(models) and all(model == FREE for model in models)
    conditions = _conditions(deal, terms)
    acts: list[str] = []
    if free and readable and not conditions and not cancelled:
        acts = sorted({act.value for _, act in uses if act is not None})
    words = f"{', '.join(models) or 'no model'}: {', '.join(name for name, _ in uses) or 'no use'}"
    words += f"; {', '.join(conditions)}" if conditions else ""
    words += "; taken down" if cancelled else ""
    return Deal(
        (),
        tuple(acts),
        start or "",
        end or "",
        last,
        territories or (),
        cancelled,
        words[:200],
        deal.sourceline or 0,
    )


def _uses(terms: Element) -> Iterator[tuple[str, Act | None]]:
    """Each use by its name, and the act that it means."""
    for one in terms.iter("UseType"):
        name = _text(one)
        act = USES.get(name)
        if name == "UserDefined":
            name = one.get("UserDefinedValue", "").strip() or name
            if one.get("Namespace", "").strip().lower() == OWN_NAMESPACE:
                act = OWN_USES.get(name.lower())
        yield name[:60], act


def _conditions(deal: Element, terms: Element) -> list[str]:
    """What stands in a deal beside what is understood."""
    beside = [_name(one) for one in terms if _name(one) not in UNDERSTOOD]
    within = (one for usage in terms.iterfind("Usage") for one in usage)
    beside += [_name(one) for one in within if _name(one) != "UseType"]
    beside += [
        name
        for name in ("ResourceUsage", "DealTechnicalResourceDetailsReferenceList")
        if deal.find(name) is not None
    ]
    return sorted({name for name in beside if name not in TAKEN_AWAY})


def _periods(terms: Element, whole: bool) -> tuple[list[str | None], list[str | None], str]:
    """The first days of all periods and the last ones, None for what cannot be read; and the last
    day that is touched at all, empty for none. `whole` counts whole days only: a deal that begins
    during a day holds from the next one for certain."""
    starts: list[str | None] = []
    ends: list[str | None] = []
    lasts = []
    for period in terms.iterfind("ValidityPeriod"):
        begun, touched = len(starts), []
        for one in period:
            name, day = _name(one), _day(_text(one))
            shift = timedelta(days=1 if whole and name.endswith("DateTime") else 0)
            if name in ("StartDate", "StartDateTime"):
                starts.append(_moved(day, shift) if day else None)
            elif name in ("EndDate", "EndDateTime"):
                ends.append(_moved(day, -shift) if day else None)
                touched.append(_iso(day) or "")
        if len(starts) == begun:
            starts.append("")  # from ever
        lasts.append(max(touched, default="") if all(touched) else "")
    return starts, ends, max(lasts) if lasts and all(lasts) else ""


def _of_all(days: Sequence[str | None], choose: Callable[[Sequence[str]], str]) -> str | None:
    """The first or last of some days, empty for none; None where any cannot be read: it may have
    been the one that counts."""
    known = [day for day in days if day is not None]
    if len(known) < len(days):
        return None
    return choose(known) if known else ""


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _moved(day: date, by: timedelta) -> str:
    try:
        return (day + by).isoformat()
    except OverflowError:
        return day.isoformat()


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None


def _territories(terms: Element) -> tuple[str, ...] | None:
    """Where a deal holds: empty for the world, None where that cannot be read."""
    named = {_text(it) for it in terms.iterfind("TerritoryCode")}
    excluded = {_text(it) for it in terms.iterfind("ExcludedTerritoryCode")}
    if (not named and not excluded) or (named | excluded) - TERRITORIES - {WORLD}:
        return None
    world = not named or WORLD in named
    if world and not excluded:
        return ()
    return tuple(sorted((TERRITORIES if world else named) - excluded)) or None


def _name(element: Element) -> str:
    return element.tag if isinstance(element.tag, str) else ""


def _text(element: Element) -> str:
    return (element.text or "").strip()
