"""Seeding volumes from the object store, with no second copy: a torrent's paths are mapped to the
objects' own files (libtorrent's renamed files), and what is withheld is left out of it.

A torrent without some of its files is a torrent without their pieces: the others stay available.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import libtorrent as lt

from longplay import clock
from longplay.errors import ReleaseError
from longplay.release import session
from longplay.settings import Sharing

MOST_TORRENTS = 1_000
"""Torrents that one process seeds: some 8 MB of memory each, measured at 8,000 files."""

CONTACT_SECONDS = 20.0
"""Longest wait for an address to listen on."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A torrent to be seeded: its file, and for each path in it where the bytes lie; None for what
    may not be given out, or is not held."""

    name: str
    torrent: Path
    files: Mapping[str, Path | None]
    web_seeds: tuple[str, ...] = ()


class Seeder:
    """A libtorrent session that seeds volumes. Use it as a context manager.

    `update` makes it seed just the volumes given; one whose files have changed is dropped and added
    again, so that what was withheld is out of reach when `update` returns.
    """

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing
        self._session = lt.session(session.settings(sharing))
        self._known: dict[str, tuple[Volume, Any]] = {}

    def __enter__(self) -> Seeder:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.pause()
        del self._session

    @property
    def address(self) -> str:
        """Where it listens. Raises ReleaseError when it cannot."""
        host = self._sharing.listen.rpartition(":")[0]
        until = clock.monotonic() + CONTACT_SECONDS
        while not self._session.is_listening() or not self._session.listen_port():
            if clock.monotonic() > until:
                raise ReleaseError(
                    "cannot be listened on",
                    where=self._sharing.listen,
                    hint="name a free address and port as sharing.listen in longplay.toml",
                )
            self._session.wait_for_alert(100)
            self._session.pop_alerts()
        return f"{host}:{self._session.listen_port()}"

    def update(self, volumes: Sequence[Volume]) -> int:
        """Seed these volumes and no others; the number of those that were added or added again.

        Raises ReleaseError for more than `MOST_TORRENTS`.
        """
        if len(volumes) > MOST_TORRENTS:
            raise ReleaseError(
                f"{len(volumes):,} torrents are more than one process seeds ({MOST_TORRENTS:,})",
                hint="divide them, e.g. `longplay seed --part 1/2` and `--part 2/2`",
            )
        wanted = {volume.name: volume for volume in volumes}
        for name in [name for name, (known, _) in self._known.items() if wanted.get(name) != known]:
            self._session.remove_torrent(self._known.pop(name)[1])
        fresh = [volume for volume in volumes if volume.name not in self._known]
        for volume in fresh:
            places = {
                path: None if place is None else session.Placed(place)
                for path, place in volume.files.items()
            }
            info = session.load(volume.torrent)
            handle = self._session.add_torrent(
                session.parameters(info, places, self._sharing, web_seeds=volume.web_seeds)
            )
            self._known[volume.name] = (volume, handle)
        self._session.pop_alerts()
        return len(fresh)

    def peers(self) -> dict[str, tuple[int, int]]:
        """(seeds, other peers) connected to each torrent."""
        states = ((name, handle.status()) for name, (_, handle) in self._known.items())
        return {
            name: (state.num_seeds, state.num_peers - state.num_seeds) for name, state in states
        }


def watch(
    seeder: Seeder, state: Callable[[], Sequence[Volume]], *, every: float, stop: Event
) -> None:
    """Keep a seeder to what `state` says, asked every `every` seconds, until `stop` is set."""
    while not stop.wait(every):
        seeder.update(state())
