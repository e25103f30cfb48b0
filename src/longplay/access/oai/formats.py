"""Records in the formats that are offered: oai_dc, and MODS 3.7.

https://www.openarchives.org/OAI/2.0/oai_dc.xsd, https://www.loc.gov/standards/mods/v3/mods-3-7.xsd
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lxml import etree

from longplay.access.streams.answering import MEDIA_TYPES

Element = Any
"""lxml's elements come without types of their own here."""

DC_TERMS = "http://purl.org/dc/elements/1.1/"
OAI_DC = "http://www.openarchives.org/OAI/2.0/oai_dc/"
MODS = "http://www.loc.gov/mods/v3"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XLINK = "http://www.w3.org/1999/xlink"

_UNFIT = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Links:
    """Where a recording is found: its page, its sound where anybody may hear it, its ARK."""

    page: str
    stream: str | None
    ark: str | None


@dataclass(frozen=True, slots=True)
class Format:
    """A metadata format: where it is defined, and what makes it."""

    schema: str
    namespace: str
    make: Callable[[dict[str, Any], Links], Element]


def facts(text: str) -> dict[str, Any]:
    """The facts of a record."""
    found: dict[str, Any] = json.loads(text)
    return found


def fit(text: str) -> str:
    """A text with only what XML can hold."""
    return _UNFIT.sub("\ufffd", text)


def dublin_core(said: dict[str, Any], links: Links) -> Element:
    """Simple Dublin Core."""
    namespaces = {"oai_dc": OAI_DC, "dc": DC_TERMS, "xsi": XSI}
    root = etree.Element(f"{{{OAI_DC}}}dc", nsmap=namespaces)
    root.set(f"{{{XSI}}}schemaLocation", f"{OAI_DC} {FORMATS['oai_dc'].schema}")

    def add(name: str, value: object) -> None:
        if value:
            etree.SubElement(root, f"{{{DC_TERMS}}}{name}").text = fit(str(value))

    add("title", said["title"])
    for name in said.get("artists", ()):
        add("creator", name)
    for genre in said.get("genres", ()):
        add("subject", genre)
    add("publisher", said.get("label"))
    add("date", said.get("release_date"))
    add("type", "Sound")
    for kind in _media_types(said):
        add("format", kind)
    add("format", _length(said))
    for identifier in (links.ark, links.page):
        add("identifier", identifier)
    if said.get("isrc"):
        add("identifier", f"urn:isrc:{said['isrc']}")
    add("relation", links.stream)
    for uri in said.get("rights", ()):
        add("rights", uri)
    return root


def mods(said: dict[str, Any], links: Links) -> Element:
    """MODS 3.7."""
    root = etree.Element(
        f"{{{MODS}}}mods", nsmap={None: MODS, "xsi": XSI, "xlink": XLINK}, version="3.7"
    )
    root.set(f"{{{XSI}}}schemaLocation", f"{MODS} {FORMATS['mods'].schema}")

    def add(parent: Element, name: str, value: object, **attributes: str) -> None:
        if value:
            element = etree.SubElement(parent, f"{{{MODS}}}{name}", **attributes)
            element.text = fit(str(value))

    def within(parent: Element, name: str, **attributes: str) -> Element:
        return etree.SubElement(parent, f"{{{MODS}}}{name}", **attributes)

    def people(parent: Element, names: list[str]) -> None:
        for each in names:
            name = within(parent, "name")
            add(name, "namePart", each)
            add(within(name, "role"), "roleTerm", "performer", type="text")

    add(within(root, "titleInfo"), "title", said["title"])
    people(root, said.get("artists", []))
    add(root, "typeOfResource", "sound recording-musical")
    for genre in said.get("genres", ()):
        add(root, "genre", genre)
    if said.get("label") or said.get("release_date"):
        origin = within(root, "originInfo")
        add(origin, "publisher", said.get("label"))
        add(origin, "dateIssued", said.get("release_date"), encoding="w3cdtf")
    physical = within(root, "physicalDescription")
    add(physical, "form", "audio recording")
    for kind in _media_types(said):
        add(physical, "internetMediaType", kind)
    add(physical, "extent", _length(said))
    if said.get("album"):
        host = within(root, "relatedItem", type="host")
        add(within(host, "titleInfo"), "title", said["album"])
        people(host, said.get("album_artists", []))
        add(host, "identifier", said.get("upc"), type="upc")
    add(root, "identifier", said.get("isrc"), type="isrc")
    add(root, "identifier", links.ark, type="ark")
    place = within(root, "location")
    add(place, "url", links.page, usage="primary display", access="object in context")
    add(place, "url", links.stream, access="raw object")
    for uri in said.get("rights", ()):
        condition = within(root, "accessCondition", type="use and reproduction")
        condition.set(f"{{{XLINK}}}href", fit(uri))
        condition.text = fit(uri)
    return root


def _media_types(said: dict[str, Any]) -> list[str]:
    kinds = (MEDIA_TYPES.get(suffix) for suffix in said.get("suffixes", ()))
    return list(dict.fromkeys(kind for kind in kinds if kind))


def _length(said: dict[str, Any]) -> str | None:
    """A duration as ISO 8601 has it."""
    seconds = round((said.get("duration_ms") or 0) / 1000)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"PT{hours}H{minutes}M{seconds}S" if hours or rest else None


FORMATS = {
    "oai_dc": Format("http://www.openarchives.org/OAI/2.0/oai_dc.xsd", OAI_DC, dublin_core),
    "mods": Format("http://www.loc.gov/standards/mods/v3/mods-3-7.xsd", MODS, mods),
}
