"""The swarm as a source of blocks: single pieces of released volumes, from whoever seeds them.

BitTorrent hands out pieces, not blocks: a lost block costs the piece that it lies in, which is kept
for its neighbours. Nothing is written but a scratch folder, under no name of the torrent's: files
are not wanted, so what comes of them lies in libtorrent's own part file. A piece that is not what
the torrent says never comes here; whoever sent it is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libtorrent as lt

from longplay import clock
from longplay.errors import StoreError
from longplay.model import ObjectKey
from longplay.release import session
from longplay.settings import Sharing

FIRST_PEER_SECONDS = 30.0
"""Longest wait for anybody of a swarm; trackers answer in a second or two."""

PIECE_SECONDS = 60.0
"""Longest wait for one piece when there are peers."""

POLL_SECONDS = 0.05

MOST_TORRENTS = 8
"""Torrents open at a time, 8 MB of memory each."""


@dataclass(frozen=True, slots=True)
class Lying:
    """Where an object lies in a volume: its .torrent, and its path inside."""

    torrent: Path
    path: str


Locate = Callable[[ObjectKey], Sequence[Lying]]


@dataclass(slots=True)
class _Open:
    handle: Any
    info: Any
    spans: dict[str, session.Span]


class Swarm:
    """A libtorrent session that fetches single pieces. Use it as a context manager; `scratch` is a
    folder of its own, and `peers` are asked besides those that trackers name."""

    name = "the swarm"

    def __init__(
        self,
        sharing: Sharing,
        locate: Locate,
        scratch: Path,
        peers: Sequence[tuple[str, int]] = (),
    ) -> None:
        self._sharing = sharing
        self._locate = locate
        self._scratch = scratch
        self._peers = peers
        self._open: dict[Path, _Open] = {}
        self._kept: tuple[Path, int, bytes] | None = None
        self._before = 0
        wanted = session.settings(sharing)
        wanted["alert_mask"] |= int(lt.alert.category_t.storage_notification)
        self._session = lt.session(wanted)

    def __enter__(self) -> Swarm:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.pause()
        self._open.clear()
        del self._session

    @property
    def received(self) -> int:
        """Bytes of content that have travelled."""
        return self._before + sum(_travelled(one.handle) for one in self._open.values())

    def read(self, key: ObjectKey, start: int, length: int) -> bytes | None:
        """Bytes of an object, unproved; None when no volume has it."""
        for place in self._locate(key):
            volume = self._volume(place.torrent)
            span = volume.spans.get(place.path)
            if span is None or span.size != key.size:
                continue
            size = volume.info.piece_length()
            parts = []
            for piece in range(start // size, (start + length - 1) // size + 1):
                data = self._piece(place.torrent, volume, span.first + piece)
                at = piece * size
                parts.append(data[max(start - at, 0) : start + length - at])
            return b"".join(parts)
        return None

    def _volume(self, torrent: Path) -> _Open:
        known = self._open.pop(torrent, None)
        if known is None:
            if len(self._open) >= MOST_TORRENTS:
                oldest = self._open.pop(next(iter(self._open)))
                self._before += _travelled(oldest.handle)
                self._session.remove_torrent(oldest.handle)
            known = self._add(torrent)
        self._open[torrent] = known  # the newest stands last
        return known

    def _add(self, torrent: Path) -> _Open:
        info = session.load(torrent)
        added = lt.add_torrent_params()
        added.ti = info
        added.save_path = str(self._scratch)
        added.trackers = list(self._sharing.trackers)
        added.flags |= lt.torrent_flags.default_dont_download
        if not self._sharing.dht:
            added.flags |= lt.torrent_flags.disable_dht
        handle = self._session.add_torrent(added)
        handle.unset_flags(lt.torrent_flags.auto_managed)
        handle.resume()
        return _Open(handle, info, {span.path: span for span in session.spans(info)})

    def _piece(self, torrent: Path, volume: _Open, piece: int) -> bytes:
        if self._kept and self._kept[:2] == (torrent, piece):
            return self._kept[2]
        handle = volume.handle
        handle.piece_priority(piece, 7)
        started = clock.monotonic()
        while not handle.have_piece(piece):
            for peer in self._peers:
                handle.connect_peer(peer)
            waited = clock.monotonic() - started
            alone = not handle.status().num_peers
            if waited > (FIRST_PEER_SECONDS if alone else PIECE_SECONDS):
                why = "has nobody" if alone else f"does not give piece {piece}"
                raise StoreError(f"the swarm {why} within {waited:.0f} s", where=torrent.name)
            time.sleep(POLL_SECONDS)
        data = self._read(handle, piece)
        self._kept = (torrent, piece, data)
        return data

    def _read(self, handle: Any, piece: int) -> bytes:
        handle.read_piece(piece)
        until = clock.monotonic() + PIECE_SECONDS
        while clock.monotonic() < until:
            self._session.wait_for_alert(1000)
            for alert in self._session.pop_alerts():
                if isinstance(alert, lt.read_piece_alert) and int(alert.piece) == piece:
                    if alert.error.value():
                        raise StoreError(f"a piece cannot be read: {alert.error.message()}")
                    return bytes(alert.buffer)
        raise StoreError(f"piece {piece} came, and cannot be read", hint="is the disk full?")


def _travelled(handle: Any) -> int:
    return int(handle.status().total_payload_download)
