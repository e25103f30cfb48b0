"""What one listener may hear, asked as pages and clients ask."""

from __future__ import annotations

import random as chance
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from longplay.access.library.things import (
    IGNORED_ARTICLES,
    MOST,
    Album,
    Artist,
    Counts,
    Folder,
    Found,
    Genre,
    Order,
    Role,
    Span,
    Track,
)


class View:
    """The library as one listener hears it. Cheap to make: ask `Context.library` for each request.

    Unknown ids are None, or left out of lists. Counts above `MOST` are taken for `MOST`, negative
    ones and offsets for 0.
    """

    def __init__(self, tracks: Sequence[Track], version: str, modified: datetime) -> None:
        self.version = version
        """Changes whenever an answer may: for ETags."""
        self.modified = modified
        self._tracks = list(tracks)
        self._by_id = {track.id: track for track in tracks}
        self._cached: dict[str, bytes] = {}

    @property
    def counts(self) -> Counts:
        """How much there is."""
        return Counts(
            len(self.artists("all")),
            len(self._albums()),
            len(self._tracks),
            len(self.genres()),
            sum(track.bytes for track in self._tracks),
            sum(track.duration_ms for track in self._tracks),
        )

    def cached(self, key: str, make: Callable[[View], bytes]) -> bytes:
        """What `make` makes of this view: made once for each version, and held in memory."""
        if key not in self._cached:
            self._cached[key] = make(self)
        return self._cached[key]

    # By id

    def track(self, identity: str) -> Track | None:
        """A track by its id."""
        return self._by_id.get(identity)

    def tracks(self, identities: Iterable[str]) -> list[Track]:
        """Tracks by their ids, in that order; unknown ones are left out."""
        return [self._by_id[one] for one in identities if one in self._by_id]

    def album(self, identity: str) -> Album | None:
        """An album by its id."""
        return next(iter(self.albums_by([identity])), None)

    def albums_by(self, identities: Iterable[str]) -> list[Album]:
        """Albums by their ids, in that order; unknown ones are left out."""
        known = {album.id: album for album in self._albums()}
        return [known[one] for one in identities if one in known]

    def artist(self, identity: str) -> Artist | None:
        """An artist by id."""
        return next((one for one in self.artists("all") if one.id == identity), None)

    def artists_by(self, identities: Iterable[str]) -> list[Artist]:
        """Artists by their ids, in that order; unknown ones are left out."""
        return [found for one in identities if (found := self.artist(one))]

    def recording(self, identity: str) -> list[Track]:
        """The tracks of a recording, by any id that it ever had."""
        return [track for track in self._tracks if track.recording == identity]

    # Of an album, of an artist

    def tracks_of_album(self, identity: str) -> list[Track]:
        """An album's tracks in their order."""
        return [track for track in self._tracks if track.album_id == identity]

    def albums_of_artist(self, identity: str) -> list[Album]:
        """The albums that are an artist's, or have tracks of theirs, oldest first."""
        albums = {track.album_id for track in self.tracks_of_artist(identity, len(self._tracks))}
        found = [album for album in self._albums() if album.id in albums]
        return sorted(found, key=lambda album: (album.year or 9999, album.title))

    def tracks_of_artist(self, identity: str, count: int = MOST, offset: int = 0) -> list[Track]:
        """The tracks that name an artist in any role, album by album."""
        found = [
            track
            for track in self._tracks
            if any(
                key == identity
                for names in (track.artists, track.album_artists, track.composers, track.conductors)
                for key, _ in names
            )
        ]
        return found[offset : offset + count]

    def top_tracks(self, artist: str, count: int = 50) -> list[Track]:
        """The most popular tracks of an artist, who is named by id or by name."""
        found = [
            track
            for track in self._tracks
            if any(artist in (key, name) for key, name in track.artists)
        ]
        return sorted(found, key=lambda track: -(track.popularity or 0))[:count]

    # Lists

    def albums(
        self,
        order: Order,
        count: int = MOST,
        offset: int = 0,
        genre: str | None = None,
        from_year: int | None = None,
        to_year: int | None = None,
    ) -> list[Album]:
        """A page of the albums in an order; of a genre, of years (both included; either way
        round), where that is asked."""
        found = [album for album in self._albums() if genre is None or genre in album.genres]
        if from_year is not None or to_year is not None:
            low, high = sorted((from_year or 0, 9999 if to_year is None else to_year))
            found = [album for album in found if low <= (album.year or -1) <= high]
        if order == "random":
            chance.shuffle(found)
        keys: dict[str, Callable[[Album], Any]] = {
            "newest": lambda album: album.created,
            "alphabeticalByName": lambda album: album.title.casefold(),
            "alphabeticalByArtist": lambda album: album.artist.casefold(),
            "byYear": lambda album: album.year or 9999,
            "byYearDescending": lambda album: album.year or 0,
            "popular": lambda album: album.popularity or 0,
        }
        if order in keys:
            backwards = order in ("newest", "popular", "byYearDescending")
            found.sort(key=keys[order], reverse=backwards)
        return found[offset : offset + count]

    def artists(self, role: Role | Literal["all"] = "album") -> list[Artist]:
        """All artists of a role, in the order of their sort names."""
        found: dict[str, Artist] = {}
        for track in self._tracks:
            for kind, names in (
                ("album", track.album_artists),
                ("artist", track.artists),
                ("composer", track.composers),
                ("conductor", track.conductors),
            ):
                for key, name in names:
                    if role in ("all", kind):
                        albums = len({t.album_id for t in self.tracks_of_artist(key, 10**9)})
                        count = len(self.tracks_of_artist(key, 10**9))
                        sort = _sort_name(name)
                        found[key] = Artist(key, name, sort, albums, count, None, None, ())
        return sorted(found.values(), key=lambda one: one.sort_name.casefold())

    def index(self) -> list[tuple[str, list[Artist]]]:
        """The album artists under the letters that their sort names begin with."""
        letters: dict[str, list[Artist]] = {}
        for one in self.artists("album"):
            letter = one.sort_name[:1].upper()
            letters.setdefault(letter if letter.isalpha() else "#", []).append(one)
        return list(letters.items())

    def genres(self) -> list[Genre]:
        """All genres, by name."""
        names = sorted({genre for track in self._tracks for genre in track.genres})
        return [
            Genre(
                name,
                sum(name in track.genres for track in self._tracks),
                len({track.album_id for track in self._tracks if name in track.genres}),
            )
            for name in names
        ]

    def years(self) -> list[tuple[int, int]]:
        """Years that albums are of, oldest first, each with how many."""
        found: dict[int, int] = {}
        for album in self._albums():
            if album.year is not None:
                found[album.year] = found.get(album.year, 0) + 1
        return sorted(found.items())

    def tracks_by_genre(self, name: str, count: int = MOST, offset: int = 0) -> list[Track]:
        """A page of a genre's tracks, album by album."""
        return [t for t in self._tracks if name in t.genres][offset : offset + count]

    def random(
        self,
        count: int = 10,
        genre: str | None = None,
        from_year: int | None = None,
        to_year: int | None = None,
    ) -> list[Track]:
        """Tracks by chance, none twice; of a genre, of years, where that is asked."""
        found = [
            track
            for track in self._tracks
            if (genre is None or genre in track.genres)
            and (from_year is None or from_year <= (track.year or -1))
            and (to_year is None or (track.year or 9999) <= to_year)
        ]
        return chance.sample(found, min(count, len(found)))

    def search(
        self, text: str, artists: Span = (20, 0), albums: Span = (20, 0), tracks: Span = (20, 0)
    ) -> Found:
        """What has all words of `text`, the last of which may be cut short; of each kind so many
        after so many. No text is everything, in an order that lasts as long as the version."""
        words = text.casefold().replace('"', "").split()

        def has(*names: str) -> bool:
            there = " ".join(names).casefold()
            return all(word in there for word in words)

        found_artists = [one for one in self.artists("all") if has(one.name)]
        found_albums = [one for one in self._albums() if has(one.title, one.artist)]
        found_tracks = [t for t in self._tracks if has(t.title, t.artist, t.album)]
        return Found(
            found_artists[artists[1] : artists[1] + artists[0]],
            found_albums[albums[1] : albums[1] + albums[0]],
            found_tracks[tracks[1] : tracks[1] + tracks[0]],
        )

    # Folders

    def folders(self) -> list[Folder]:
        """The topmost folders: one for each source."""
        folders = sorted({track.folder for track in self._tracks})
        return [Folder(one, one.removeprefix("fo-"), None, (), ()) for one in folders]

    def folder(self, identity: str) -> Folder | None:
        """A folder with what lies in it."""
        tracks = tuple(track for track in self._tracks if track.folder == identity)
        name = identity.removeprefix("fo-")
        return Folder(identity, name, None, (), tracks) if tracks else None

    def _albums(self) -> list[Album]:
        groups: dict[str, list[Track]] = {}
        for track in self._tracks:
            groups.setdefault(track.album_id, []).append(track)
        return [
            Album(
                identity,
                tracks[0].album,
                tracks[0].album_artist,
                tracks[0].album_artists,
                tracks[0].year,
                tracks[0].release_date,
                tuple(sorted({genre for track in tracks for genre in track.genres})),
                len(tracks),
                sum(track.duration_ms for track in tracks),
                max(track.created for track in tracks),
                tracks[0].cover,
                None,
                None,
                tracks[0].popularity,
                None,
                len({track.disc_number for track in tracks}),
                False,
            )
            for identity, tracks in groups.items()
        ]


def _sort_name(name: str) -> str:
    first, _, rest = name.partition(" ")
    return rest if rest and first.casefold() in IGNORED_ARTICLES else name
