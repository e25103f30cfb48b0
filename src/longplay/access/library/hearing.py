"""What of a library a listener may hear: numbers of tracks, albums and artists, in every order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import orjson

from longplay.access.library.opened import Numbers, Opened

Mask = npt.NDArray[np.bool_]

ASKED = 500
"""Values of one query."""

MADE_BYTES = 64 * 2**20
"""Of answers that are kept ready."""

MOST_WITHIN = 8
"""Sources whose part of a library is kept ready: of a million tracks each takes a megabyte, and the
orders that are asked for."""

_NAMES = ("artists", "album_artists", "composers", "conductors")


class Hearing:
    """One library for one kind of listener, by what is withdrawn: shared by all requests until one
    of these changes. What is made for it is made once. `within` makes the part of it that is from
    one source, which is named by its folder."""

    def __init__(
        self,
        opened: Opened,
        signed_in: bool,
        withdrawn: Numbers,
        modified: datetime,
        part: tuple[Hearing, str] | None = None,
    ) -> None:
        self.opened = opened
        self.part = part
        self.signed_in = signed_in
        if not signed_in:  # what guests never heard changes nothing for them
            withdrawn = withdrawn[opened.numbers("track/open")[withdrawn] != 0]
        self.withdrawn = withdrawn
        self.modified = modified
        self.makers: dict[str, Callable[[Hearing], bytes]] = {}
        self._made: dict[str, bytes] = {}
        self._making = threading.RLock()
        self._orders: dict[str, Numbers] = {}
        self._parts: dict[str, Hearing] = {}
        self._parting = threading.Lock()

    @property
    def source(self) -> str | None:
        """The folder of the source that this is confined to; None for all."""
        return None if self.part is None else self.part[1]

    def within(self, source: str) -> Hearing:
        """The part of this that is from one source: nothing, for what is no source's folder. An
        album or artist of several sources is in each."""
        with self._parting:
            found = self._parts.pop(source, None) or Hearing(
                self.opened, self.signed_in, self.withdrawn, self.modified, (self, source)
            )
            self._parts[source] = found
            if len(self._parts) > MOST_WITHIN:  # the one that was asked for longest ago
                del self._parts[next(iter(self._parts))]
            return found

    @property
    def version(self) -> str:
        """Tells this from every other."""
        who = "members" if self.signed_in else "guests"
        whole = f"{self.opened.path.stem}-{who}-{crc32(self.withdrawn.tobytes()):08x}"
        return whole if self.source is None else f"{whole}-{self.source}"

    def cached(self, key: str, make: Callable[[Hearing], bytes]) -> bytes:
        """What `make` makes of this, made once; not kept where there is too much already."""
        if self.part is not None:
            whole, source = self.part
            return whole.cached(f"{key} of {source}", lambda heard: make(heard.within(source)))
        found = self._made.get(key)
        if found is None:
            with self._making:
                found = self._made.get(key)
                if found is None:
                    found = make(self)
                    if sum(map(len, self._made.values())) + len(found) <= MADE_BYTES:
                        self._made[key] = found
                        self.makers[key] = make
        return found

    @property
    def _everything(self) -> bool:
        return self.signed_in and not len(self.withdrawn) and self.part is None

    @cached_property
    def tracks(self) -> Mask:
        """Which tracks may be heard, be they listed or not."""
        is_open = self.opened.numbers("track/open")
        mask = np.ones(len(is_open), np.bool_) if self.signed_in else is_open != 0
        if self.source is not None:
            inside = self.opened.numbers(f"track/of/{self.source}")
            mask, every = np.zeros(len(is_open), np.bool_), mask
            mask[inside] = every[inside]
        mask[self.withdrawn] = False
        return mask

    @cached_property
    def listed(self) -> Mask:
        """Which tracks lists have."""
        if self.opened.spots is None:
            return self.tracks
        mask = np.zeros(len(self.tracks), np.bool_)
        mask[self.best(np.flatnonzero(self.tracks).astype(np.int32))] = True
        return mask

    def best(self, tracks: Numbers) -> Numbers:
        """Of tracks, by ascending number, those that a list has: of files of one recording at the
        same place of an album the best."""
        if self.opened.spots is None or not len(tracks):
            return tracks
        spots = self.opened.spots[tracks]
        first: Numbers = tracks[np.concatenate([[True], spots[1:] != spots[:-1]])]
        return first

    def once(self, tracks: Iterable[int]) -> Iterator[int]:
        """These tracks in their order, none of which may not be heard: in place of each the one
        that lists have, once."""
        spots = self.opened.spots
        if spots is None:
            yield from tracks
            return
        seen: set[int] = set()
        for number in tracks:
            spot = int(spots[number])
            first, end = np.searchsorted(spots, [spot, spot + 1]).tolist()
            if end - first == 1:
                yield number
            elif spot not in seen:
                seen.add(spot)
                yield first + int(np.argmax(self.tracks[first:end]))

    @cached_property
    def albums(self) -> Mask:
        """Which albums have tracks that may be heard."""
        if not len(self.withdrawn) and self.part is None:
            is_open = self.opened.numbers("album/open")
            return np.ones(len(is_open), np.bool_) if self.signed_in else is_open != 0
        mask = np.zeros(self.opened.count("album"), np.bool_)
        mask[self.opened.numbers("track/album")[self.tracks]] = True
        return mask

    @cached_property
    def roles(self) -> Numbers:
        """What each artist does for music that may be heard, as `layout.ROLES` has it."""
        roles = self.opened.numbers("artist/roles" if self.signed_in else "artist/open")
        if self.source is not None:
            inside = self.opened.numbers(f"artist/of/{self.source}")
            of = "roles" if self.signed_in else "open"
            roles = np.zeros(len(roles), np.int32)
            roles[inside] = self.opened.numbers(f"artist/of/{of}/{self.source}")
        if len(self.withdrawn):
            roles = roles.copy()
            roles[self._silenced(np.flatnonzero(roles))] = 0
        return roles

    @cached_property
    def artists(self) -> Mask:
        """Which artists have tracks that may be heard."""
        mask: Mask = self.roles != 0
        return mask

    def mask(self, kind: str) -> Mask:
        """Which things of a kind may be heard."""
        return {"track": self.tracks, "album": self.albums, "artist": self.artists}[kind]

    def order(self, kind: str, order: str = "") -> Numbers:
        """The numbers of what is listed in an order; without one, that in which they are."""
        name = f"{kind}/{order}"
        found = self._orders.get(name)
        if found is None:
            mask = self.listed if kind == "track" else self.mask(kind)
            if order:
                every = self.opened.numbers(name)
                found = every if mask.all() else every[mask[every]]
            else:
                found = np.flatnonzero(mask).astype(np.int32)
            self._orders[name] = found
        return found

    def genre(self, name: str) -> Numbers:
        """The tracks of a genre."""
        every = self.opened.numbers(f"track/genre/{name}")
        return self.best(every if self._everything else every[self.tracks[every]])

    def albums_of(self, tracks: Numbers) -> Mask:
        """Which albums have one of these tracks."""
        mask = np.zeros(self.opened.count("album"), np.bool_)
        mask[self.opened.numbers("track/album")[tracks]] = True
        return mask

    def _silenced(self, audible: npt.NDArray[np.intp]) -> list[int]:
        """Artists of whom nothing is left, of those that withdrawn tracks name."""
        named = set()
        for row in rows(self.opened, "track", ", ".join(_NAMES), self.withdrawn.tolist()):
            for names in row:
                named |= {identity for identity, _ in orjson.loads(names or "[]")}
        with self.opened.connection() as connection:
            found = []
            for identity in sorted(named):
                query = "SELECT n FROM artist WHERE id = ?"
                number = connection.execute(query, (identity,)).fetchone()[0]
                query = "SELECT track FROM artist_track WHERE artist = ?"
                tracks = [row[0] for row in connection.execute(query, (number,))]
                if not self.tracks[tracks].any():
                    found.append(number)
        return found


def rows(opened: Opened, table: str, columns: str, numbers: Iterable[int]) -> list[tuple[Any, ...]]:
    """These columns of the rows of these numbers, in that order."""
    wanted = list(numbers)
    if not wanted:
        return []
    which, asked = among("n", wanted)
    query = f"SELECT n, {columns} FROM {table} WHERE {which}"
    with opened.connection() as connection:
        found = {row[0]: row[1:] for row in connection.execute(query, (asked,))}
    return [found[one] for one in wanted if one in found]


def among(column: str, values: Sequence[int | str]) -> tuple[str, int | str | bytes]:
    """A condition that a column has one of these values, and what it is asked with. One value, as
    most calls have, is found in half the time without a list around it."""
    if len(values) == 1:
        return f"{column} = ?", values[0]
    return f"{column} IN (SELECT value FROM json_each(?))", orjson.dumps(values)


def withdrawn_tracks(opened: Opened, roots: Iterable[bytes]) -> Numbers:
    """The tracks of these objects."""
    wanted = list(roots)
    found: list[int] = []
    with opened.connection() as connection:
        for at in range(0, len(wanted), ASKED):
            some = wanted[at : at + ASKED]
            marks = ", ".join("?" * len(some))
            query = f"SELECT n FROM track WHERE root IN ({marks})"
            found += [row[0] for row in connection.execute(query, some)]
    return np.array(sorted(found), np.int32)
