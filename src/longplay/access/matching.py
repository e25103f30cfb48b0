"""Finding among our tracks, albums and artists what a playlist or another server names.

By our own id, else by ISRC or MusicBrainz id, else by artist and title, of several the one on the
album that is named. Names are compared without case, diacritics and punctuation, and then without
guests and remarks in brackets. What is not surely meant is not found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from longplay.access.library.things import Album, Artist, Track
from longplay.access.library.view import View
from longplay.access.people.playlist_files import Wanted
from longplay.catalogue import identifiers
from longplay.catalogue.search import showing
from longplay.catalogue.snapshot import Snapshot
from longplay.errors import InputError

CANDIDATES = 50
"""Of a search, that are looked at."""

OWN = "longplay:"
"""What stands before an id of ours in a playlist."""


class Matcher:
    """Finds what is meant, of what one listener may hear."""

    def __init__(self, view: View, snapshot: Snapshot) -> None:
        self._view = view
        self._snapshot = snapshot

    def track(self, wanted: Wanted) -> Track | None:
        """The track that is meant."""
        own = [one.removeprefix(OWN) for one in wanted.identifiers if one.startswith(OWN)]
        found = next(iter(self._view.tracks(own)), None)
        if found is not None:
            return found
        codes = set(_codes(wanted.identifiers))
        candidates = self._candidates(wanted)
        same = [one for one in candidates if codes & set(_codes((one.isrc, one.mbid)))]
        if not same:
            same = [one for code in sorted(codes) for one in self._carrying(code)]
        return _best(same, wanted) or _best(_named(candidates, wanted), wanted)

    def album(self, wanted: Wanted) -> Album | None:
        """The album that is meant."""
        found = self._view.search(
            f"{wanted.album} {wanted.artist}", (0, 0), (CANDIDATES, 0), (0, 0)
        ).albums
        mbids = set(_codes(wanted.identifiers))
        for one in found:
            if mbids & set(_codes((one.mbid,))):
                return one
        return next(
            (
                one
                for fold in (folded, plain)
                for one in found
                if fold(one.title) == fold(wanted.album)
                and _credited(fold, wanted.artist, (one.artist, *(who for _, who in one.artists)))
            ),
            None,
        )

    def artist(self, wanted: Wanted) -> Artist | None:
        """The artist who is meant."""
        found = self._view.search(wanted.artist, (CANDIDATES, 0), (0, 0), (0, 0)).artists
        mbids = set(_codes(wanted.identifiers))
        same = [one for one in found if mbids & set(_codes((one.mbid,)))]
        same += [one for one in found if folded(one.name) == folded(wanted.artist)]
        return next(iter(same), None)

    def _candidates(self, wanted: Wanted) -> list[Track]:
        """What a search by its words finds; where that is nothing, without what is in brackets."""
        for title, artist in dict.fromkeys(
            ((wanted.title, wanted.artist), (_bare(wanted.title), _bare(wanted.artist)))
        ):
            if not folded(title):
                continue
            found = self._view.search(f"{artist} {title}", (0, 0), (0, 0), (CANDIDATES, 0)).tracks
            if found:
                return found
        return []

    def _carrying(self, code: str) -> Iterator[Track]:
        """The tracks of the recordings that the catalogue has under an ISRC or MBID."""
        try:
            shown = showing.show(self._snapshot, code)
        except InputError:
            return
        known = (identity for one in shown.found for identity in (one.recording, one.id))
        for identity in dict.fromkeys(known):
            if identity and identity.startswith("rec"):
                yield from self._view.recording(identity)


@lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """A name without case, diacritics and punctuation."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.findall(r"\w+", "".join(c for c in apart if not unicodedata.combining(c))))


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """As `folded`, and without guests and remarks."""
    return folded(_bare(text))


_REMARKS = re.compile(
    r"\s*[(\[][^()\[\]]{0,100}[)\]]|\s+(?:feat\.?|featuring|ft\.)\s.*"
    r"|\s+-\s+(?:[0-9]{4}\s+)?remaster.*",
    re.IGNORECASE,
)


def _bare(text: str) -> str:
    text = " ".join(text.split())  # runs of spaces would be walked through again and again
    return _REMARKS.sub("", text) or text


def _named(candidates: Sequence[Track], wanted: Wanted) -> list[Track]:
    """Those of the very title and artist; else those that are so but for remarks."""
    for fold in (folded, plain):
        if not fold(wanted.title):
            continue
        same = [
            one
            for one in candidates
            if fold(one.title) == fold(wanted.title)
            and _credited(
                fold,
                wanted.artist,
                (one.artist, one.album_artist, *(who for _, who in one.artists)),
            )
        ]
        # A title alone may be anybody's: then its album must be named, or it be the only one.
        if not wanted.artist and not wanted.album and len({one.recording for one in same}) > 1:
            continue
        if not wanted.artist and wanted.album:
            same = [one for one in same if plain(one.album) == plain(wanted.album)]
        if same:
            return same
    return []


def _credited(fold: object, artist: str, names: Iterable[str]) -> bool:
    assert callable(fold)
    return not artist or fold(artist) in {fold(name) for name in names}


def _best(found: Sequence[Track], wanted: Wanted) -> Track | None:
    """Of the tracks that may be meant: on the album named, as long as said, then the first."""
    album = plain(wanted.album)
    length = wanted.duration_ms
    return min(
        found,
        key=lambda one: (
            bool(album) and plain(one.album) != album,
            0 if length is None else abs(one.duration_ms - length) // 5000,
        ),
        default=None,
    )


def _codes(texts: Iterable[str | None]) -> Iterator[str]:
    for text in texts:
        found = (identifiers.isrc(text) or identifiers.mbid(text)) if text else None
        if found:
            yield found
