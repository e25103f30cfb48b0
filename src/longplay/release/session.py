"""libtorrent sessions, and torrents whose files lie wherever we say.

In our hybrid torrents every file begins a piece, so what is known of a file is known of its
pieces: which we have, and which we never ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libtorrent as lt

from longplay.errors import ReleaseError
from longplay.settings import Sharing

ABSENT = "absent"
"""Stands before the path of a file that we neither have nor want; nothing lies there."""

CONNECTIONS = 1_000
"""Most connections of one session."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a file of a torrent lies, and which of its pieces are there: all, or each as told."""

    path: Path
    have: bool | tuple[bool, ...] = True


Places = Mapping[str, Placed | None]
"""For each path in a torrent its place; None for what we neither have nor want."""


@dataclass(frozen=True, slots=True)
class Span:
    """The pieces of one file: `path` inside the torrent's folder, its first piece and their count;
    `index` is libtorrent's number of the file."""

    path: str
    index: int
    size: int
    first: int
    count: int


def settings(sharing: Sharing) -> Any:
    """A session's settings: discovery only where the settings ask for it, no port mapping, so that
    nothing is told to anybody who was not meant."""
    return {
        "listen_interfaces": sharing.listen,
        "enable_dht": sharing.dht,
        "enable_lsd": sharing.local_discovery,
        "enable_upnp": False,
        "enable_natpmp": False,
        "allow_multiple_connections_per_ip": True,
        "user_agent": "Longplay",
        "alert_mask": int(lt.alert.category_t.error_notification),
        "active_limit": -1,
        "active_seeds": -1,
        "active_downloads": -1,
        "connections_limit": CONNECTIONS,
    }


def load(torrent: Path) -> Any:
    """libtorrent's view of a .torrent file. Raises ReleaseError."""
    try:
        return lt.torrent_info(str(torrent))
    except RuntimeError as error:
        raise ReleaseError(f"cannot be read: {error}", where=str(torrent)) from error


def spans(info: Any) -> list[Span]:
    """The files of a torrent that are no padding, with their pieces."""
    layout, length = info.layout(), info.piece_length()
    prefix = len(info.name()) + 1
    found = []
    for index in range(layout.num_files()):
        if layout.file_flags(index) & lt.file_flags_t.flag_pad_file:
            continue
        size = layout.file_size(index)
        first = layout.file_offset(index) // length
        found.append(Span(layout.file_path(index)[prefix:], index, size, first, -(-size // length)))
    return found


def parameters(
    info: Any, places: Places, sharing: Sharing, *, web_seeds: Sequence[str] = ()
) -> Any:
    """What libtorrent is told of a torrent: each file at its place with the pieces that are there,
    none of them checked again, and of what has no place neither pieces nor wish."""
    added = lt.add_torrent_params()
    added.ti = info
    added.save_path = "."  # every file that may be opened has a place of its own
    added.trackers = list(sharing.trackers)
    added.url_seeds = list(web_seeds)
    added.flags = lt.torrent_flags.no_verify_files | lt.torrent_flags.update_subscribe
    if not sharing.dht:
        added.flags |= lt.torrent_flags.disable_dht
    have = [True] * info.num_pieces()
    priorities = [0] * info.num_files()
    renamed = {}
    for span in spans(info):
        place = places.get(span.path)
        priorities[span.index] = 0 if place is None else 4
        renamed[span.index] = f"{ABSENT}/{span.path}" if place is None else str(place.path)
        known = False if place is None else place.have
        pieces = [known] * span.count if isinstance(known, bool) else list(known)
        have[span.first : span.first + span.count] = pieces
    added.renamed_files = renamed
    added.file_priorities = priorities
    added.have_pieces = have
    if all(have):
        added.flags |= lt.torrent_flags.seed_mode
    return added
