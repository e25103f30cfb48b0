"""What a release offers: its recordings' files, and pictures, booklets and the message beside them.

`tracks` says which recordings stand on a release and what the catalogue calls them; deals and
takedowns go by the same names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from longplay.capture.sources.ddex import naming
from longplay.capture.sources.ddex.contents import (
    Edition,
    Message,
    NamedFile,
    Place,
    Problem,
    Release,
    Resource,
)
from longplay.capture.sources.ddex.deliveries import Group, Survey
from longplay.capture.sources.ddex.naming import Found, NotHereError
from longplay.files import escape
from longplay.model import Kind, Offer
from longplay.rights import ddex

LOSSLESS = {"flac": True, "pcm": True, "wav": True, "aiff": True, "alac": True, "mp3": False,
            "aac": False, "ogg": False, "vorbis": False, "opus": False, "mpeg4": False}  # fmt: skip
"""What codecs, and the endings of files, say of whether sound was lost."""

MESSAGE = "ddex-message"
"""How an offer calls a message: the evidence of what was delivered, and on which terms."""


@dataclass(frozen=True, slots=True)
class Track:
    """A recording on a release. `own_id` is what it is called for good."""

    own_id: str
    place: Place
    resource: Resource
    edition: Edition


def tracks(key: str, message: Message, release: Release) -> list[Track]:
    """The recordings of a release, in its order; `key` is what the release is called for good."""
    found = []
    seen: dict[str, int] = {}
    for place in _places(message, release):
        resource = message.resources.get(place.resource)
        if resource is None or resource.kind is not Kind.AUDIO:
            continue
        for edition in resource.editions:
            times = seen[edition.own] = seen.get(edition.own, 0) + 1
            again = f" {times}" if times > 1 else ""
            found.append(Track(f"{key} {edition.own}{again}", place, resource, edition))
    return found


def standing(key: str, message: Message, release: Release, today: date) -> list[Track]:
    """Those of its recordings for which a deal stands."""
    return [
        track
        for track in tracks(key, message, release)
        if ddex.standing(message.deals_for(release, track.place.resource), today)
    ]


def offers(
    survey: Survey, group: Group, message: Message, release: Release, today: date
) -> Iterator[Offer]:
    """The files of a release that may be had today: sound first. What is left out is noted in the
    survey."""
    said = escape(group.newest.path)
    had = standing(group.key, message, release, today)
    if not had:
        what = f"no deal stands for {release.title or group.key}: it is not offered"
        survey.tell(Problem(f"{said} line {release.line}", what, "", "note"))
        return
    made: list[Offer] = []
    for track in had:
        called = f"SoundRecording {track.resource.reference}"
        if not track.edition.files:
            at = f"{said} line {track.resource.line}"
            survey.tell(Problem(at, f"{called} names no file", "name it, or send it later", "note"))
        for file in track.edition.files:
            found = _found(survey, group, file, called)
            if found is not None:
                made.append(_sound(group, release, track, file, found))
    yield from made
    if made:
        yield from _beside(survey, group, message, release, made[0])


def _places(message: Message, release: Release) -> tuple[Place, ...]:
    """What stands on a release; of a message's only release without a list, everything."""
    if release.places or len(message.main) > 1:
        return release.places
    return tuple(Place(one, None, None) for one in message.resources)


def _sound(group: Group, release: Release, track: Track, file: NamedFile, found: Found) -> Offer:
    resource, edition = track.resource, track.edition
    ending = found.path.rpartition(b".")[2].decode("ascii", "replace").lower()
    codec = file.codec or (ending if ending in LOSSLESS else "")
    return Offer(
        path=found.path,
        kind=Kind.AUDIO,
        size=found.size,
        mtime_ns=found.mtime_ns,
        checksum=file.checksum,
        version=version(found.size, found.mtime_ns),
        own_id=track.own_id,
        title=resource.title,
        artists=resource.artists or release.artists,
        album=release.title,
        album_id=group.key,
        album_artists=release.artists,
        disc_number=track.place.disc,
        track_number=track.place.track,
        duration_ms=resource.duration_ms,
        isrcs=(edition.isrc,) if edition.isrc else (),
        upc=next((one[5:] for one in release.ids if one.startswith("icpn:")), ""),
        label=release.label or resource.label,
        release_date=release.date,
        genres=release.genres or resource.genres,
        codec=codec,
        bit_rate=file.bit_rate,
        lossless=LOSSLESS.get(codec),
        rights=(*resource.lines, *(one for one in release.lines if one[0] == "copyright")),
    )


def _beside(
    survey: Survey, group: Group, message: Message, release: Release, sound: Offer
) -> Iterator[Offer]:
    """Pictures and booklets of a release, and the message itself."""
    listed = {place.resource for place in _places(message, release)}
    for resource in message.resources.values():
        if resource.kind is Kind.AUDIO or resource.reference not in listed:
            continue
        for edition in resource.editions:
            for file in edition.files:
                called = f"{resource.kind.capitalize()} {resource.reference}"
                found = _found(survey, group, file, called)
                if found is not None:
                    yield _other(found, resource.kind, file.checksum, sound.path, resource.title)
    itself = naming.look(survey.root, group.newest.path, "of the message")
    if itself is not None:
        yield _other(itself, Kind.TEXT, f"sha256:{message.sha256}", sound.path, MESSAGE)


def _other(found: Found, kind: Kind, checksum: str, beside: bytes, title: str) -> Offer:
    return Offer(
        path=found.path,
        kind=kind,
        size=found.size,
        mtime_ns=found.mtime_ns,
        checksum=checksum,
        version=version(found.size, found.mtime_ns),
        title=title,
        beside=beside,
    )


def version(size: int, mtime_ns: int) -> str:
    """What tells one state of a file from the next."""
    return f"{size}-{mtime_ns}"


def _found(survey: Survey, group: Group, file: NamedFile, called: str) -> Found | None:
    try:
        return naming.find(survey.root, group.folders, file.name)
    except NotHereError as refused:
        where = f"{escape(group.newest.path)} line {file.line}"
        survey.tell(Problem(where, f"{called}: {refused.what}", refused.remedy, "part"))
        return None
