"""Tracks, albums, artists and folders as the specification shapes them.

https://opensubsonic.netlify.app/docs/responses/child/ and its neighbours. Fields that Longplay
knows nothing of are absent; those that it knows are there even when they are empty, which is how
clients tell the two apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from longplay.access.library.things import Album, Artist, Folder, Track

Shape = dict[str, Any]

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")


@dataclass(frozen=True, slots=True)
class Marks:
    """What one account has put on things, each by the thing's id. Times are ISO 8601 in UTC, as
    everywhere."""

    stars: Mapping[str, str] = field(default_factory=dict)
    ratings: Mapping[str, int] = field(default_factory=dict)
    plays: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def on(self, identity: str) -> Shape:
        """The fields that tell what is marked on one thing."""
        marks: Shape = {}
        star = self.stars.get(identity)
        if star is not None:
            marks["starred"] = star
        rating = self.ratings.get(identity)
        if rating:
            marks["userRating"] = rating
        played = self.plays.get(identity)
        if played is not None:
            marks["playCount"], marks["played"] = played[0], played[1]
        return marks


def song(track: Track, marks: Marks, *, parent: str | None = None) -> Shape:
    """A track as a `Child`; `parent` is the folder in which it is shown, else its album."""
    shape: Shape = {
        "id": track.id,
        "parent": parent or track.album_id,
        "isDir": False,
        "title": track.title,
        "album": track.album,
        "artist": track.artist,
        "track": track.track_number,
        "year": track.year,
        "genre": track.genres[0] if track.genres else None,
        "coverArt": track.cover,
        "size": track.bytes,
        "contentType": track.media_type,
        "suffix": track.suffix.lstrip("."),
        "duration": seconds(track.duration_ms),
        "bitRate": track.bit_rate,
        "bitDepth": track.bit_depth,
        "samplingRate": track.sample_rate,
        "channelCount": track.channels,
        "path": track.path,
        "isVideo": False,
        "discNumber": track.disc_number,
        "created": track.created,
        "albumId": track.album_id,
        "artistId": track.artists[0][0] if track.artists else None,
        "type": "music",
        "mediaType": "song",
        "sortName": track.title.casefold(),
        "musicBrainzId": track.mbid or "",
        "isrc": [track.isrc] if track.isrc else [],
        "genres": [{"name": name} for name in track.genres],
        "artists": names(track.artists),
        "displayArtist": track.artist,
        "albumArtists": names(track.album_artists),
        "displayAlbumArtist": track.album_artist,
        "contributors": [
            {"role": role, "artist": {"id": identity, "name": name}}
            for role, people in (("composer", track.composers), ("conductor", track.conductors))
            for identity, name in people
        ],
        "displayComposer": ", ".join(name for _, name in track.composers),
        "moods": [],
        "replayGain": gain(track),
        "explicitStatus": "explicit" if track.explicit else "",
    }
    return {**known(shape), **marks.on(track.id)}


def gain(track: Track) -> Shape:
    """What makes tracks equally loud, in dB and as peaks."""
    found = track.replay_gain
    if found is None:
        return {}
    return known(
        {
            "trackGain": found.track_gain,
            "albumGain": found.album_gain,
            "trackPeak": found.track_peak,
            "albumPeak": found.album_peak,
        }
    )


def album(album: Album, marks: Marks) -> Shape:
    """An album as `AlbumID3`."""
    shape: Shape = {
        "id": album.id,
        "name": album.title,
        "artist": album.artist,
        "artistId": album.artists[0][0] if album.artists else None,
        "coverArt": album.cover,
        "songCount": album.tracks,
        "duration": seconds(album.duration_ms) or 0,
        "created": album.created,
        "year": album.year,
        "genre": album.genres[0] if album.genres else None,
        "recordLabels": [{"name": album.label}] if album.label else [],
        "musicBrainzId": album.mbid or "",
        "genres": [{"name": name} for name in album.genres],
        "artists": names(album.artists),
        "displayArtist": album.artist,
        "releaseTypes": [],
        "moods": [],
        "sortName": album.title.casefold(),
        "originalReleaseDate": date(album.release_date),
        "releaseDate": date(album.release_date),
        "isCompilation": album.compilation,
        "explicitStatus": "explicit" if album.explicit else "",
        "discTitles": [],
    }
    return {**known(shape), **marks.on(album.id)}


def album_folder(album: Album, marks: Marks) -> Shape:
    """An album as a folder in its artist's: a `Child` that is a directory. `name` and `songCount`
    stand in no schema, but in the specification's examples, and clients look for them."""
    parent = album.artists[0][0] if album.artists else None
    shape: Shape = {
        "id": album.id,
        "parent": parent,
        "isDir": True,
        "title": album.title,
        "name": album.title,
        "songCount": album.tracks,
        "album": album.title,
        "artist": album.artist,
        "year": album.year,
        "genre": album.genres[0] if album.genres else None,
        "coverArt": album.cover,
        "duration": seconds(album.duration_ms),
        "created": album.created,
        "artistId": parent,
        "isVideo": False,
        "mediaType": "album",
    }
    return {**known(shape), **marks.on(album.id)}


def artist(artist: Artist, marks: Marks) -> Shape:
    """An artist as `ArtistID3`."""
    shape: Shape = {
        "id": artist.id,
        "name": artist.name,
        "coverArt": artist.cover,
        "albumCount": artist.albums,
        "musicBrainzId": artist.mbid or "",
        "sortName": artist.sort_name,
        "roles": list(artist.roles),
    }
    return {**known(shape), **starred(artist.id, marks)}


def artist_folder(artist: Artist, marks: Marks) -> Shape:
    """An artist as the top folder of its albums: `Artist`."""
    return {"id": artist.id, "name": artist.name, **rated(artist.id, marks)}


def folder(folder: Folder, parent: str) -> Shape:
    """A folder within another: a `Child` that is a directory."""
    return {"id": folder.id, "parent": parent, "isDir": True, "title": folder.name}


def artist_in_folder(artist: Artist, parent: str, marks: Marks) -> Shape:
    """An artist in a list of folders: a `Child` that is a directory."""
    shape: Shape = {
        "id": artist.id,
        "parent": parent,
        "isDir": True,
        "title": artist.name,
        "artist": artist.name,
        "coverArt": artist.cover,
        "mediaType": "artist",
    }
    return {**known(shape), **marks.on(artist.id)}


def starred(identity: str, marks: Marks) -> Shape:
    """The star of an artist, which may have no other mark in `ArtistID3`."""
    star = marks.stars.get(identity)
    return {} if star is None else {"starred": star}


def rated(identity: str, marks: Marks) -> Shape:
    """The star and the rating of an artist, the marks that `Artist` has."""
    rating = marks.ratings.get(identity)
    return starred(identity, marks) | ({"userRating": rating} if rating else {})


def names(people: Iterable[tuple[str, str]]) -> list[Shape]:
    """Artists by id and name alone."""
    return [{"id": identity, "name": name} for identity, name in people]


def date(text: str | None) -> Shape:
    """A date that may lack its day or month, as `ItemDate`."""
    found = _DATE.match(text or "")
    if found is None:
        return {}
    shape: Shape = {"year": int(found[1])}
    if found[2] and 1 <= int(found[2]) <= 12:
        shape["month"] = int(found[2])
        if found[3] and 1 <= int(found[3]) <= 31:
            shape["day"] = int(found[3])
    return shape


def seconds(milliseconds: int | None) -> int | None:
    """Whole seconds, as the specification counts."""
    return None if milliseconds is None else round(milliseconds / 1000)


def milliseconds(time: str | datetime) -> int:
    """A time in milliseconds since 1970."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return int(moment.timestamp() * 1000)


def known(shape: Shape) -> Shape:
    """A shape without what is not known."""
    return {name: value for name, value in shape.items() if value is not None}
