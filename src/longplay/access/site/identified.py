"""Where else a thing is known: what its identifiers are called, and who says more under them.

Links only: no page of ours asks another host for anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from longplay.catalogue.layout import Manifest
from longplay.catalogue.search.showing import Fact, Kind

MUSICBRAINZ, DISCOGS = "https://musicbrainz.org", "https://www.discogs.com"

_MBID = {"recording_mbid": "recording", "mbid": ""}
_MBID_KINDS: dict[Kind, str] = {"album": "release", "artist": "artist"}


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier with where more is said of it, if anywhere is known."""

    name: str
    value: str
    href: str | None
    source: str


def identifiers(kind: Kind, facts: Iterable[Fact], manifest: Manifest) -> list[Identifier]:
    """The identifiers among what sources say of a thing, each once."""
    found: dict[tuple[str, str], Identifier] = {}
    for fact in facts:
        for one in _of(kind, fact, manifest):
            found.setdefault((one.name, one.value), one)
    return sorted(found.values(), key=lambda one: one.name)


def _of(kind: Kind, fact: Fact, manifest: Manifest) -> Iterable[Identifier]:
    values = [str(one) for one in fact.value] if isinstance(fact.value, list) else [str(fact.value)]
    match fact.field:
        case "isrcs":
            return [_named("ISRC", one, f"{MUSICBRAINZ}/isrc/", fact.source) for one in values]
        case "iswcs":
            return [_named("ISWC", one, f"{MUSICBRAINZ}/iswc/", fact.source) for one in values]
        case "upc":
            return [Identifier("Barcode", one, None, fact.source) for one in values]
        case "recording_mbid" | "mbid":
            of = _MBID[fact.field] or _MBID_KINDS.get(kind, "")
            if not of:
                return ()
            return [
                _named("MusicBrainz", one, f"{MUSICBRAINZ}/{of}/", fact.source) for one in values
            ]
        case "own_id" if fact.source in manifest.layers:
            if manifest.layers[fact.source].format == "discogs":
                return [
                    Identifier("Discogs", one, _discogs(kind, one), fact.source) for one in values
                ]
    return ()


def _named(name: str, value: str, base: str, source: str) -> Identifier:
    return Identifier(name, value, base + quote(value, safe=""), source)


def _discogs(kind: Kind, own_id: str) -> str | None:
    """The page of a release, a master or an artist; a track's is its release's."""
    if own_id.startswith("master "):
        return f"{DISCOGS}/master/{quote(own_id[7:], safe='')}"
    number = own_id.partition("-")[0]
    if not number.isdecimal():
        return None
    return f"{DISCOGS}/{'artist' if kind == 'artist' else 'release'}/{number}"
