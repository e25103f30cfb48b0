"""Records of sound in Dublin Core and MODS, as one row each.

https://www.dublincore.org/specifications/dublin-core/dcmi-terms/
https://www.loc.gov/standards/mods/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from longplay.catalogue.importers.oai import dates
from longplay.catalogue.importers.oai.replies import Element, Header

DC, TERMS = "{http://purl.org/dc/elements/1.1/}", "{http://purl.org/dc/terms/}"
MODS = "{http://www.loc.gov/mods/v3}"
XSI, XLINK = "{http://www.w3.org/2001/XMLSchema-instance}", "{http://www.w3.org/1999/xlink}"

MAX_TEXT = 2000
"""Letters of one field that are kept: titles of broadcasts are long, but not longer."""

MAX_VALUES = 100
"""Values of one field that are kept: a choir is one name, not a hundred."""

_SOUND = re.compile(
    r"(?:\S*/)?(?:sound|audio|son|phonogram|music recording|tonaufnahme|tonträger|hörbuch"
    r"|(?:document |enregistrement )?sonore|(?:grabación|registro|grabaciones) sonor[ao]s?"
    r"|(?:registrazione|documento) sonor[ao]|ljud|lyd|geluid)"
    r"(?:[ _-]?(?:recordings?|file|object|document|track))?"
    r"(?:[ -]+(?:musical|nonmusical|music|speech))?|\S*/c_18cc|musical? (?:sound )?recording",
    re.IGNORECASE,
)
"""What `dc:type` and `typeOfResource` call sound: the words of DCMI, MODS and COAR, and those of
the large libraries' languages."""

PERFORMERS = (
    "performer", "prf", "singer", "sng", "musician", "mus", "instrumentalist", "itr", "conductor",
    "cnd", "speaker", "spk", "artist", "art", "narrator", "nrt", "dj", "orchestra",
)  # fmt: skip
MAKERS = ("creator", "cre", "author", "aut", "composer", "cmp", "interviewee", "ive")


@dataclass(slots=True)
class Item:
    """One record as a row. `problem` says why it cannot be a track; `rights` are its statements,
    `links` the web addresses that it names, of files or of pages; `audio` says that its format is
    sound: then one of them may be the file, whatever it is called."""

    identifier: str
    problem: str | None = None
    title: str | None = None
    artists: list[str] = field(default_factory=list)
    album: str | None = None
    duration_ms: int | None = None
    isrcs: list[str] = field(default_factory=list)
    upc: str | None = None
    label: str | None = None
    release_date: str | None = None
    genres: list[str] = field(default_factory=list)
    rights: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    audio: bool = False


def item(header: Header, metadata: Element | None) -> Item:
    """The row of one record, whatever it is of."""
    found = Item(header.identifier[:MAX_TEXT])
    if not header.identifier:
        found.problem = "has no identifier"
    elif header.deleted:
        found.problem = "was deleted at its source"
    elif metadata is None or not len(metadata):
        found.problem = "has no metadata"
    else:
        mods = next(metadata.iter(MODS + "mods"), None)
        sound = _from_mods(mods, found) if mods is not None else _from_dublin_core(metadata, found)
        if not sound:
            found.problem = "is not sound"
        elif not found.title:
            found.problem = "has no title"
    return found


def _text(element: Element | None) -> str:
    if element is None:
        return ""
    return " ".join("".join(element.itertext()).split())[:MAX_TEXT]


def _texts(parent: Element, *tags: str) -> list[str]:
    return _distinct(_text(each) for tag in tags for each in parent.iter(tag))


def _distinct(values: Iterator[str] | map[str]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))[:MAX_VALUES]


def _first(values: Iterator[str] | list[str], read: Callable[[str], str | None]) -> str | None:
    return next((found for value in values if (found := read(value)) is not None), None)


def _duration(values: list[str]) -> int | None:
    return next((ms for text in values if (ms := dates.duration_ms(text)) is not None), None)


# Dublin Core


def _from_dublin_core(metadata: Element, found: Item) -> bool:
    """Fill the row from `oai_dc` or qualified Dublin Core; returns whether it is of sound."""
    titles = _texts(metadata, DC + "title", TERMS + "title")
    found.title = titles[0] if titles else None
    found.artists = _creators(metadata)
    found.label = next(iter(_texts(metadata, DC + "publisher", TERMS + "publisher")), None)
    dated = ("issued", "created", "date", "available")
    found.release_date = _first(
        _texts(metadata, *(TERMS + each for each in dated), DC + "date"), dates.release_date
    )
    formats = _texts(metadata, DC + "format", TERMS + "format", TERMS + "medium")
    found.duration_ms = _duration(_texts(metadata, TERMS + "extent") + formats)
    found.rights = [
        *_texts(metadata, TERMS + "license"),
        *_texts(metadata, DC + "rights", TERMS + "rights", TERMS + "accessRights"),
    ]
    found.isrcs = [
        text
        for text in _texts(metadata, DC + "identifier", TERMS + "identifier")
        if re.match(r"(?:urn:)?isrc\b", text, re.IGNORECASE)
    ]
    found.links = _links(_texts(metadata, *(DC + each for each in _NAMING), *_LINKING))
    found.audio = any(re.match(r"audio/", text, re.IGNORECASE) for text in formats)
    types = _texts(metadata, DC + "type", TERMS + "type")
    return any(map(_SOUND.fullmatch, types)) or any(
        re.match(r"audio/|sound\b", text, re.IGNORECASE) for text in formats
    )


_NAMING = ("identifier", "relation", "source")
_LINKING = tuple(TERMS + each for each in ("identifier", "hasFormat", "hasPart", "hasVersion"))


def _links(texts: list[str]) -> list[str]:
    return [text for text in texts if re.fullmatch(r"https?://\S+", text, re.IGNORECASE)]


def _creators(metadata: Element) -> list[str]:
    """Who made it: creators, else contributors, those who can be heard before all others."""
    creators = _texts(metadata, DC + "creator", TERMS + "creator")
    if creators:
        return _distinct(map(upright, creators))
    heard: list[str] = []
    others: list[str] = []
    for each in metadata.iter(DC + "contributor", TERMS + "contributor"):
        role = next((v for k, v in each.attrib.items() if k.endswith("}code")), "").lower()
        (heard if role in PERFORMERS else others).append(_text(each))
    return _distinct(map(upright, heard or others))


# MODS


def _from_mods(mods: Element, found: Item) -> bool:
    """Fill the row from MODS; returns whether it is of sound."""
    host = next(
        (each for each in mods.findall(MODS + "relatedItem") if each.get("type") == "host"), None
    )
    found.title = _mods_title(mods)
    found.album = _mods_title(host) if host is not None else None
    found.artists = _mods_names(mods)
    origin = mods.find(MODS + "originInfo")
    if origin is not None:
        found.label = _text(origin.find(MODS + "publisher")) or None
        found.release_date = _first(_mods_dates(origin), dates.release_date)
    found.duration_ms = _duration(
        [_text(each) for each in mods.findall(f"{MODS}physicalDescription/{MODS}extent")]
    )
    found.genres = _distinct(_text(each) for each in mods.findall(MODS + "genre"))
    for each in mods.findall(MODS + "identifier"):
        kind = (each.get("type") or "").lower()
        if kind == "isrc":
            found.isrcs.append(_text(each))
        elif kind in ("upc", "ean", "gtin", "music upc", "gtin-14") and found.upc is None:
            found.upc = _text(each)
    found.rights = _distinct(
        each.get(XLINK + "href") or _text(each) for each in mods.findall(MODS + "accessCondition")
    )
    places = [_text(each) for each in mods.findall(f"{MODS}location/{MODS}url")]
    found.links = _links(
        [*places, *(_text(each) for each in mods.findall(MODS + "identifier"))][:MAX_VALUES]
    )
    media = mods.findall(f"{MODS}physicalDescription/{MODS}internetMediaType")
    found.audio = any(_text(each).lower().startswith("audio/") for each in media)
    kinds = [_text(each) for each in mods.findall(MODS + "typeOfResource")]
    return any(map(_SOUND.fullmatch, kinds))


def _mods_title(parent: Element) -> str | None:
    """The title proper: not an alternative, abbreviated or translated one."""
    infos = parent.findall(MODS + "titleInfo")
    proper = [each for each in infos if each.get("type") is None] or infos
    for info in proper:
        before = _text(info.find(MODS + "nonSort"))
        main = _text(info.find(MODS + "title"))
        after = _text(info.find(MODS + "subTitle"))
        if main:
            joined = f"{before} {main}" if before and not before.endswith("'") else before + main
            return f"{joined}: {after}" if after else joined
    return None


def _mods_names(mods: Element) -> list[str]:
    """The names of those who can be heard, else of the makers, else of all."""
    by_rank: tuple[list[str], list[str], list[str]] = ([], [], [])
    for each in mods.findall(MODS + "name"):
        roles = {_text(term).lower().rstrip(".") for term in each.iter(MODS + "roleTerm")}
        rank = 0 if roles & set(PERFORMERS) else 1 if roles & set(MAKERS) or not roles else 2
        by_rank[rank].append(_mods_name(each))
    return next((_distinct(iter(names)) for names in by_rank if any(names)), [])


def _mods_name(name: Element) -> str:
    parts: dict[str, list[str]] = {}
    for part in name.findall(MODS + "namePart"):
        parts.setdefault(part.get("type") or "", []).append(_text(part))
    if "family" in parts:
        return " ".join([*parts.get("given", []), *parts["family"]]).strip()
    whole = ", ".join(filter(None, parts.get("", [])))
    whole = whole or _text(name.find(MODS + "displayForm"))
    return whole if name.get("type") in ("corporate", "conference") else upright(whole)


def _mods_dates(origin: Element) -> list[str]:
    tags = ("dateIssued", "dateCreated", "copyrightDate", "dateCaptured")
    found = [each for tag in tags for each in origin.findall(MODS + tag)]
    found.sort(key=lambda each: each.get("keyDate") != "yes")
    return [_text(each) for each in found]


# Names


_YEARS = r"(?:(?:b|d|fl|ca|active)\.? ?)?\d{4}\??(?:\s?[-–]\s?(?:(?:ca\. ?)?\d{4}\??)?)?"
_LIFE = re.compile(rf"(?:,\s*{_YEARS}|\s*\({_YEARS}\)|\s\d{{4}}-(?:\d{{4}})?)\.?$")
_ROLE = re.compile(r"[,\s]*[(\[][^()\[\]]{0,60}[)\]]$")
_BANDS = re.compile(r"&| and | et | und | y |\+|;", re.IGNORECASE)


def upright(name: str) -> str:
    """A person's name as it stands on a record: `Beethoven, Ludwig van, 1770-1827` becomes
    `Ludwig van Beethoven`.

    Turned round when there is one comma, no `&` or `and`, and a capital after the comma; names of
    bands (`Earth, Wind & Fire`) and by-names (`Tyler, the Creator`) stay.
    """
    plain = _ROLE.sub("", name.strip()).strip()
    plain = _LIFE.sub("", plain).strip().rstrip(",")
    last, comma, first = plain.partition(",")
    first = first.strip()
    if comma and first and "," not in first and first[0].isupper() and not _BANDS.search(plain):
        plain = f"{first} {last.strip()}"
    return plain or name.strip()
