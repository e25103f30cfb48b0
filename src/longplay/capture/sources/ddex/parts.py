"""The composites of a message as values: recordings, pictures and texts, releases, parties."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from longplay.capture.sources.ddex import elements
from longplay.capture.sources.ddex.contents import Edition, NamedFile, Place, Release, Resource
from longplay.capture.sources.ddex.elements import Element, first, name, preferred, text, texts
from longplay.catalogue import identifiers
from longplay.catalogue.importers.oai.dates import MAX_HOURS
from longplay.model import Kind

KINDS = {"SoundRecording": Kind.AUDIO, "Image": Kind.IMAGE, "Text": Kind.DOCUMENT,
         "SheetMusic": Kind.DOCUMENT}  # fmt: skip
"""Resources that an archive for music keeps; videos and software are left aside."""

ARTIST_ROLES = ("MainArtist", "FeaturedArtist", "Artist", "Soloist", "Ensemble", "Orchestra",
                "Choir", "Conductor")  # fmt: skip
"""Display artists whose names stand as a track's artists, where several are told apart."""

Complain = Callable[[Element, str, str], None]
"""Note that a part is left out: the element, what is wrong, and the remedy."""


@dataclass(frozen=True, slots=True)
class Names:
    """Artists and label of a composite, named there or by reference to the PartyList."""

    written: tuple[str, ...]
    references: tuple[str, ...]
    shown: str

    def resolve(self, parties: Mapping[str, str]) -> tuple[str, ...]:
        """The names, as far as the parties are known."""
        known = tuple(parties[one] for one in self.references if parties.get(one))
        if self.written or len(known) == len(self.references) > 0:
            return tuple(dict.fromkeys(self.written or known))
        return (self.shown,) if self.shown else tuple(dict.fromkeys(known))


def party(element: Element) -> tuple[str, str]:
    """A party's reference and its name."""
    named = preferred(element, "PartyName")
    said = "" if named is None else first(named, "FullName") or text(named)
    return first(element, "PartyReference"), said


def resource(element: Element, complain: Complain) -> tuple[Resource, Names] | None:
    """A resource, None for one of a kind that is not kept or that nothing can refer to."""
    kind = KINDS.get(name(element))
    reference = first(element, "ResourceReference")
    if kind is None or not reference:
        return None
    details = elements.territorial(element, f"{name(element)}DetailsByTerritory")
    editions = tuple(_editions(element, kind, details, complain))
    said = first(element, "Duration") or first(element, "SoundRecordingEdition/Duration")
    length = elements.seconds(said)
    genres = [one for it in (element, *details) for one in texts(it, "Genre/GenreText")]
    made = Resource(
        reference=reference,
        kind=kind,
        title=_title(element, details),
        artists=(),
        duration_ms=round(length * 1000) if length and length < MAX_HOURS * 3600 else None,
        editions=editions,
        lines=_lines(element, *element.iterfind("SoundRecordingEdition"), *details),
        label=next((one for it in details for one in texts(it, "LabelName")), ""),
        genres=tuple(dict.fromkeys(genres)),
        line=element.sourceline or 0,
    )
    return made, _artists(element, details)


def release(element: Element) -> tuple[Release, Names, str] | None:
    """A release, the names of its artists, and the reference of its label; None for one without
    an identifier, and for releases that are clips."""
    ids = tuple(identities(element))
    if not ids or name(element) not in ("Release", "TrackRelease"):
        return None
    details = elements.territorial(element, "ReleaseDetailsByTerritory")
    label = preferred(element, "ReleaseLabelReference")
    genres = [
        one for it in (element, *details) for one in texts(it, "Genre/GenreText", "Genre/SubGenre")
    ]
    made = Release(
        references=texts(element, "ReleaseReference"),
        ids=ids,
        tracks=_is_track(element),
        title=_title(element, details),
        artists=(),
        label=next((one for it in details for one in texts(it, "LabelName")), ""),
        date=_date(element, details),
        genres=tuple(dict.fromkeys(genres)),
        lines=_lines(element, *details),
        places=tuple(_places(element, details)),
        line=element.sourceline or 0,
    )
    return made, _artists(element, details), text(label)


def identities(element: Element) -> Iterator[str]:
    """The identifiers in `ReleaseId`s, the most lasting first."""
    for kind in ("ICPN", "GRid", "ProprietaryId", "CatalogNumber", "ISRC"):
        for one in element.iterfind(f"ReleaseId/{kind}"):
            said = text(one)[:200]
            if not said:
                continue
            if kind == "ICPN":
                yield f"icpn:{identifiers.gtin(said) or said}"
            elif kind == "ISRC":
                yield f"isrc:{identifiers.isrc(said) or said}"
            elif kind == "GRid":
                yield f"grid:{said.replace('-', '').upper()}"
            else:
                yield f"{kind.lower()}:{one.get('Namespace', '')[:100]}:{said}"


def _is_track(element: Element) -> bool:
    """Whether a release is but a track of another: in ERN 4 by its name, in ERN 3 by its type."""
    if element.get("IsMainRelease", "") in ("true", "1"):
        return False
    if name(element) != "Release":
        return True
    types = texts(element, "ReleaseType", "ReleaseDetailsByTerritory/ReleaseType")
    return "TrackRelease" in types or element.get("IsMainRelease", "") in ("false", "0")


def _editions(
    element: Element, kind: Kind, details: list[Element], complain: Complain
) -> Iterator[Edition]:
    """What a resource is delivered as. In ERN 4.3 each edition has ids of its own."""
    parts = list(element.iterfind("SoundRecordingEdition")) or [element]
    for part in parts:
        isrc, own = _ids(part)
        if part is not element and not own:
            isrc, own = _ids(element)
        if not own and kind is Kind.AUDIO:
            complain(part, "has no ISRC and no ProprietaryId", "every recording needs one")
            continue
        technical = list(part.iterfind("TechnicalDetails"))
        technical += [
            it
            for one in (part, *details)
            for it in one.iterfind(f"Technical{name(element)}Details")
        ]
        named: dict[str, NamedFile] = {}
        for one in technical:
            for found in _files(one, complain):
                named.setdefault(found.name, found)
        yield Edition(own, isrc, tuple(named.values()))


def _ids(element: Element) -> tuple[str, str]:
    """A recording's ISRC, and what names it for good: that, or else what its sender calls it."""
    holders = [
        one
        for path in ("ResourceId", "SoundRecordingId", "ImageId", "TextId", "SheetMusicId")
        for one in element.iterfind(path)
    ]
    for holder in holders:
        isrc = identifiers.isrc(first(holder, "ISRC"))
        if isrc:
            return isrc, f"isrc:{isrc}"
    for holder in holders:
        for kind in ("ProprietaryId", "CatalogNumber", "ISRC"):
            for one in holder.iterfind(kind):
                if text(one):
                    return "", f"{kind.lower()}:{one.get('Namespace', '')[:100]}:{text(one)[:200]}"
    return "", ""


def _files(technical: Element, complain: Complain) -> Iterator[NamedFile]:
    """The files of one technical description; previews are no recordings."""
    for flag in ("IsPreview", "IsClip"):
        if first(technical, flag).lower() in ("true", "1"):
            return
    for holder in list(technical.iterfind("DeliveryFile")) or [technical]:
        codec = _codec(holder)
        rate = elements.bits_per_second(holder.find("BitRate"))
        for one in holder.iterfind("File"):
            where = first(one, "URI", "URL")
            path, called = first(one, "FilePath"), first(one, "FileName")
            if called:
                where = f"{path.rstrip('/')}/{called}" if path else called
            if not where:
                continue  # its shape says so
            proof, wrong = elements.checksum(one)
            if wrong:
                complain(one, f"HashSum {wrong}", "correct it, or leave it out")
                continue
            yield NamedFile(where, proof, codec, rate, one.sourceline or 0)


def _codec(holder: Element) -> str:
    found = next(holder.iterfind("AudioCodecType"), None)
    said = text(found)
    if said == "UserDefined" and found is not None:
        said = found.get("UserDefinedValue", "").strip()
    return said.lower()[:40]


def _title(element: Element, details: list[Element]) -> str:
    shown = text(preferred(element, "DisplayTitleText"))
    if shown:
        return shown
    composite = preferred(element, "DisplayTitle")
    titles = [composite] if composite is not None else []
    of_kinds = [it for one in (*details, element) for it in one.iterfind("Title")]
    titles += [it for it in of_kinds if it.get("TitleType") == "DisplayTitle"]
    titles += [*element.iterfind("ReferenceTitle"), *of_kinds]
    for one in titles:
        said = first(one, "TitleText") or text(one)
        if said:
            more = [it for it in texts(one, "SubTitle") if it.casefold() not in said.casefold()]
            return " ".join([said, *(f"({it})" for it in more)])
    return ""


def _artists(element: Element, details: list[Element]) -> Names:
    """Display artists: in ERN 4 by reference, in ERN 3 where they stand."""
    holders = [element, *details[:1]]
    shown = next((said for it in holders if (said := text(preferred(it, "DisplayArtistName")))), "")
    listed = [one for it in holders for one in it.iterfind("DisplayArtist")]
    listed.sort(key=lambda one: elements.number(one.get("SequenceNumber", "")) or 100_000)
    performing = [
        one
        for one in listed
        if not (roles := texts(one, "DisplayArtistRole", "ArtistRole"))
        or set(roles).intersection(ARTIST_ROLES)
    ]
    chosen = performing or listed
    references = tuple(filter(None, (first(one, "ArtistPartyReference") for one in chosen)))
    return Names(tuple(elements.named(chosen)), references, shown)


def _lines(*holders: Element) -> tuple[tuple[str, str], ...]:
    """The ℗ and © lines, as the catalogue calls the fields."""
    found = [
        (field, f"{sign} {said}" if not said.startswith((sign, f"({sign_letter})")) else said)
        for it in holders
        for field, path, sign, sign_letter in (
            ("phonographic", "PLine/PLineText", "℗", "P"),
            ("copyright", "CLine/CLineText", "©", "C"),
        )
        for said in texts(it, path)
    ]
    return tuple(dict.fromkeys(found))


def _date(element: Element, details: list[Element]) -> str:
    paths = ("OriginalReleaseDate", "ReleaseDate", "GlobalOriginalReleaseDate",
             "GlobalReleaseDate")  # fmt: skip
    for path in paths:
        for holder in (element, *details):
            found = elements.day(text(preferred(holder, path)))
            if found:
                return found
    return ""


def _places(element: Element, details: list[Element]) -> Iterator[Place]:
    """The resources of a release in their order: by groups where there are some."""
    seen: set[str] = set()
    for holder in (element, *details):
        for place in _group(holder.iterfind("ResourceGroup"), 0):
            if place.resource not in seen:
                seen.add(place.resource)
                yield place
    paths = ("ReleaseResourceReference", "ReleaseResourceReferenceList/ReleaseResourceReference")
    for reference in texts(element, *paths):
        if reference not in seen:
            yield Place(reference, None, None)


def _group(groups: Iterable[Element], depth: int, disc: int | None = None) -> Iterator[Place]:
    """The outermost group is the release; groups in it are its discs or sides, or works of it."""
    groups = list(groups)
    for group in groups:
        here = disc
        is_disc = depth == 1 or (depth == 0 and len(groups) > 1)
        if is_disc and group.get("ResourceGroupType", "") not in WORKS:
            here = elements.number(first(group, "SequenceNumber"))
        for item in group.iterfind("ResourceGroupContentItem"):
            track = elements.number(first(item, "SequenceNumber"))
            yield from (
                Place(one, here, track)
                for one in texts(item, "ReleaseResourceReference", "LinkedReleaseResourceReference")
            )
        for one in texts(
            group,
            "LinkedReleaseResourceReference",
            "ResourceGroupResourceReferenceList/ResourceGroupResourceReference",
        ):
            yield Place(one, here, None)
        if depth < MAX_GROUPS:
            yield from _group(group.iterfind("ResourceGroup"), depth + 1, here)


WORKS = ("MultiWorkPart", "MultiPartWork")
"""Groups that hold the movements of a work, and count no disc."""

MAX_GROUPS = 8
"""Groups within groups: a box, its discs, their sides, the works on them."""
