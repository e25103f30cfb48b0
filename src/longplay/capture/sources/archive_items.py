"""An item of the Internet Archive as offers: the best file of each track, and what lies beside it.

An item is a document of metadata and a list of files; derivatives name the original that they were
made from. Nothing is asked here: a document in, offers out
(https://archive.org/developers/md-read.html, https://archive.org/developers/metadata-schema/).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from longplay.capture.sources import kinds
from longplay.catalogue import identifiers
from longplay.catalogue.importers.oai import dates
from longplay.model import Kind, Offer

Facts: TypeAlias = Mapping[str, Any]

MAX_TEXT = 2000
"""Letters of one field that are kept."""

MAX_VALUES = 100

_NO_MUSIC = re.compile(
    r"sample|peaks|spectrogram|thumb|item tile|item image|metadata|h\.264|mpeg[24]\b", re.I
)
"""Formats that are made for the site, and videos."""

_NO_NAME = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters and halves of letters."""

_VARIANT = "_78_"
"""Beginning of the names of a 78's further transfers, with other styli and curves."""

_PROOFS = (("sha1", 40), ("md5", 32))
_SECONDS = re.compile(r"(?:(\d{1,3}):)?(?:(\d{1,3}):)?(\d{1,6}(?:\.\d+)?)")
_NUMBER = re.compile(r"\s*(\d{1,5})\b")


@dataclass(slots=True)
class _Track:
    """One piece of music in an item: all files that carry it, originals before derivatives."""

    stem: str
    files: list[Facts] = field(default_factory=list)

    def first(self, *names: str) -> list[str]:
        """The first of these fields that a file has, the best file asked first."""
        for name in names:
            for each in self.files:
                if found := texts(each.get(name)):
                    return found
        return []


def offers(document: Facts, address: Callable[[str, str], str]) -> list[Offer]:
    """What an item offers: sound, then what else was put in. `address(item, file)` is where a file
    is fetched from. An item that may not be had, or has no sound of its own, offers nothing."""
    item = document.get("metadata")
    identifier = _one(item.get("identifier")) if isinstance(item, Mapping) else ""
    if not isinstance(item, Mapping) or not identifier or document.get("is_dark"):
        return []
    files = [each for each in _mappings(document.get("files")) if _name(each.get("name"))]
    sound = [
        made
        for track in _tracks(files)
        if (made := _sound(item, identifier, track, address)) is not None
    ]
    if not sound:
        return []
    single = len(sound) == 1
    titled = [(made if made.title else _titled(made, item, single=single)) for made in sound]
    titled.sort(key=lambda each: (each.disc_number or 0, each.track_number or 0, each.path))
    return [*titled, *_beside(files, identifier, titled[0], address)]


def _tracks(files: Sequence[Facts]) -> list[_Track]:
    """The files that are sound, by the original that they come from, and originals of one name
    with several suffixes together."""
    by_name = {_name(each.get("name")): each for each in files}
    found: dict[str, _Track] = {}
    for each in files:
        name = _name(each.get("name"))
        if kinds.kind_of_name(name.encode()) is not Kind.AUDIO:
            continue
        if _NO_MUSIC.search(_one(each.get("format"))):
            continue
        stem = _original(name, by_name).rpartition(".")[0]
        found.setdefault(stem, _Track(stem)).files.append(each)
    tracks = list(found.values())
    proper = [each for each in tracks if not each.stem.rpartition("/")[2].startswith(_VARIANT)]
    for track in proper or tracks:
        track.files.sort(key=_worth, reverse=True)
    return proper or tracks


def _original(name: str, by_name: Mapping[str, Facts]) -> str:
    """The name of the file that a file was derived from, in however many steps."""
    for _ in range(5):
        above = _name(by_name[name].get("original")) if name in by_name else ""
        if not above or above == name:
            break
        name = above
    return name


def _worth(each: Facts) -> tuple[bool, bool, int, str]:
    """What is better to keep: originals, then what lost nothing, then what has more bytes."""
    name = _name(each.get("name"))
    lossless = kinds.lossless_by_name(name.encode()) is True
    return (_one(each.get("source")) == "original", lossless, _whole(each.get("size")) or 0, name)


def _sound(
    item: Facts, identifier: str, track: _Track, address: Callable[[str, str], str]
) -> Offer | None:
    best = next((each for each in track.files if not _is_private(each)), None)
    if best is None:
        return None
    name = _name(best.get("name"))
    creators = texts(item.get("creator"))
    named = track.first("external-identifier")
    codes = [*track.first("isrc"), *(each for each in named if each.lower().startswith("urn:isrc"))]
    isrcs = map(identifiers.isrc, codes)
    return Offer(
        path=address(identifier, name).encode("ascii"),
        size=_whole(best.get("size")),
        mtime_ns=_nanoseconds(best.get("mtime")),
        checksum=_checksum(best),
        own_id=f"{identifier}/{track.stem}",
        title=_joined(track.first("title")),
        artists=_names(track.first("artist", "creator") or creators),
        album=_joined(track.first("album")) or _one(item.get("title")),
        album_id=identifier,
        album_artists=_names(creators),
        disc_number=_number(track.first("disc")),
        track_number=_number(track.first("track")),
        duration_ms=_duration(track.first("length")),
        isrcs=tuple(dict.fromkeys(each for each in isrcs if each)),
        label=_joined(texts(item.get("publisher"))),
        release_date=dates.release_date(_one(item.get("date")) or _one(item.get("year"))) or "",
        genres=_names(track.first("genre")),
        lossless=kinds.lossless_by_name(name.encode()),
        rights=tuple(("licence", text) for text in _statements(item)),
    )


def _titled(offer: Offer, item: Facts, *, single: bool) -> Offer:
    """An offer of a track that no file gives a title: the item's own where it is the only one, else
    the file's name."""
    title = _one(item.get("title")) if single else ""
    name = offer.own_id.rpartition("/")[2]
    plain = "".join(letter if letter.isprintable() else " " for letter in name)
    return replace(offer, title=title or _one(plain))


def _beside(
    files: Sequence[Facts], identifier: str, sound: Offer, address: Callable[[str, str], str]
) -> Iterator[Offer]:
    """What was put in beside the sound, as pictures and booklets; not what the site made."""
    for each in sorted(files, key=lambda each: _name(each.get("name"))):
        name = _name(each.get("name"))
        kind = kinds.kind_of_name(name.encode())
        made_here = _one(each.get("source")) != "original" or _is_private(each)
        if made_here or name.startswith("__ia") or _NO_MUSIC.search(_one(each.get("format"))):
            continue
        if kind in (Kind.IMAGE, Kind.DOCUMENT, Kind.TEXT):
            yield Offer(
                path=address(identifier, name).encode("ascii"),
                kind=kind,
                size=_whole(each.get("size")),
                mtime_ns=_nanoseconds(each.get("mtime")),
                checksum=_checksum(each),
                album=sound.album,
                album_id=identifier,
                rights=sound.rights,
                beside=sound.path,
            )


# Fields


def texts(value: Any) -> list[str]:
    """The texts of a field, which may be one or a list; what is no text is none."""
    values = value if isinstance(value, list) else [value]
    found = (
        " ".join(str(each).split())[:MAX_TEXT]
        for each in values[:MAX_VALUES]
        if isinstance(each, str | int | float) and not isinstance(each, bool)
    )
    return [each for each in found if each and each.isprintable()]


def _name(value: Any) -> str:
    """A file's name to the letter, which its address needs; empty for what is none."""
    plain = isinstance(value, str) and len(value) <= MAX_TEXT and not _NO_NAME.search(value)
    return value if plain else ""


def _one(value: Any) -> str:
    return next(iter(texts(value)), "")


def _mappings(value: Any) -> list[Facts]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _joined(found: list[str]) -> str:
    return "; ".join(found)


def _names(found: list[str]) -> tuple[str, ...]:
    parts = (part.strip() for text in found for part in text.split(";"))
    return tuple(dict.fromkeys(filter(None, parts)))[:MAX_VALUES]


def _statements(item: Facts) -> list[str]:
    return [*texts(item.get("licenseurl")), *texts(item.get("rights"))]


def _is_private(each: Facts) -> bool:
    return str(each.get("private", "")).lower() == "true"


def _checksum(each: Facts) -> str:
    for name, digits in _PROOFS:
        found = _one(each.get(name)).lower()
        if re.fullmatch(rf"[0-9a-f]{{{digits}}}", found):
            return f"{name}:{found}"
    return ""


def _whole(value: Any) -> int | None:
    text = _one(value)
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _nanoseconds(value: Any) -> int | None:
    seconds = _whole(value)
    return seconds * 10**9 if seconds is not None and seconds < 2**33 else None


def _number(found: list[str]) -> int | None:
    match = _NUMBER.match(found[0]) if found else None
    return int(match[1]) or None if match else None


def _duration(found: list[str]) -> int | None:
    """Milliseconds out of `158.01`, `03:26` or `1:02:03`."""
    match = _SECONDS.fullmatch(found[0]) if found else None
    if match is None:
        return None
    hours, minutes = (match[1], match[2]) if match[2] else (None, match[1])
    total = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + float(match[3])
    return round(total * 1000) if 0 < total < dates.MAX_HOURS * 3600 else None
