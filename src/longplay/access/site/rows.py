"""Tracks as lists show them, whether they come from the catalogue or from what is held."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from longplay.access.context import Context
from longplay.access.known import Known
from longplay.access.library.covers import Hears
from longplay.access.library.things import Track
from longplay.access.site import describing
from longplay.catalogue import ids
from longplay.catalogue.search.finding import Hit
from longplay.catalogue.search.showing import Line

UNTITLED = "Untitled"

People = tuple[tuple[str | None, str], ...]
"""(id, name) of artists; without an id where only the name is known."""


@dataclass(frozen=True, slots=True)
class Row:
    """One track of a list. `play` is what the player needs, where this listener may hear it;
    `sign_in` says that they might, signed in."""

    href: str
    title: str
    artists: People
    album: str | None
    album_id: str | None
    year: int | None
    number: int | None
    duration_ms: int | None
    popularity: float | None
    held: bool
    play: dict[str, Any] | None = None
    sign_in: bool = False


def of_track(track: Track) -> Row:
    """A track that is held, and that may be heard."""
    return Row(
        href=f"/recordings/{track.recording}" if track.recording else f"/tracks/{track.id}",
        title=track.title or UNTITLED,
        artists=track.artists or (((None, track.artist),) if track.artist else ()),
        album=track.album or None,
        album_id=track.album_id,
        year=track.year,
        number=track.track_number,
        duration_ms=track.duration_ms,
        popularity=track.popularity,
        held=True,
        play=played(track),
    )


def played(track: Track) -> dict[str, Any]:
    """What the player is told of a track. Gains are decibels, peaks shares of full scale."""
    gain = track.replay_gain
    identity = track.recording or track.id
    told = {
        "id": track.id,
        "title": track.title or UNTITLED,
        "artist": track.artist,
        "album": track.album,
        "albumId": track.album_id,
        "href": f"/recordings/{track.recording}" if track.recording else f"/tracks/{track.id}",
        "cover": f"/covers/{track.album_id}?size=300",
        "ms": track.duration_ms,
        "src": f"/api/recordings/{identity}/stream",
    }
    if gain is not None:
        told |= {
            "gain": gain.track_gain,
            "albumGain": gain.album_gain,
            "peak": gain.track_peak,
            "albumPeak": gain.album_peak,
        }
    return told


def of_hits(here: Context, known: Known, listener: Hears, hits: Sequence[Hit]) -> list[Row]:
    """What a search found, without what may not be named."""
    keys = {hit.recording: ids.parse(hit.recording)[1] for hit in hits}
    shut = describing.hidden(here, known, keys.values())
    held = {hit.recording for hit in hits if hit.held}
    heard, barred = _heard(here, listener, held)
    return [
        _catalogued(hit, heard, held, barred, hit.year)
        for hit in hits
        if keys[hit.recording] not in shut
    ]


def of_lines(here: Context, known: Known, listener: Hears, lines: Sequence[Line]) -> list[Row]:
    """Tracks of an album or artist as the catalogue lists them, each recording once, without what
    may not be named."""
    once = list({line.recording: line for line in reversed(lines)}.values())[::-1]
    keys = {line.recording: ids.parse(line.recording)[1] for line in once}
    shut = describing.hidden(here, known, keys.values())
    held = {line.recording for line in once if known.holds(keys[line.recording])}
    heard, barred = _heard(here, listener, held)
    return [
        _catalogued(line, heard, held, barred, None)
        for line in once
        if keys[line.recording] not in shut
    ]


def playable(here: Context, listener: Hears, recordings: Iterable[str]) -> dict[str, Track]:
    """Of recordings those that this listener may hear, each by its first track."""
    view = here.library(listener)
    return {one: tracks[0] for one in recordings if (tracks := view.recording(one))}


class _SignedIn:
    """Who would hear what is restricted."""

    signed_in = True


def _heard(
    here: Context, listener: Hears, held: Iterable[str]
) -> tuple[dict[str, Track], frozenset[str]]:
    """Of held recordings those that this listener may hear, and those that signing in opens."""
    heard = playable(here, listener, held)
    if listener.signed_in:
        return heard, frozenset()
    rest = [one for one in held if one not in heard]
    return heard, frozenset(playable(here, _SignedIn(), rest) if rest else ())


def _catalogued(
    one: Hit | Line,
    heard: dict[str, Track],
    held: Container[str],
    barred: Container[str],
    year: int | None,
) -> Row:
    if one.recording in heard:
        return of_track(heard[one.recording])
    return Row(
        href=f"/recordings/{one.recording}",
        title=one.title or UNTITLED,
        artists=tuple((None, name) for name in one.artists),
        album=one.album,
        album_id=None,
        year=year,
        number=None,
        duration_ms=one.duration_ms,
        popularity=one.popularity,
        held=one.recording in held,
        sign_in=one.recording in barred,
    )
