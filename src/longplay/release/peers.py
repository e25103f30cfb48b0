"""The tracker's memory: which peers have a torrent, in a small SQLite file.

All worker processes of a served archive share it and anybody may delete it; a peer that does not
come back is forgotten. Torrents are named by their v1 info-hash, or by the first 20 bytes of v2's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from longplay import clock

PEERS_FILE = "peers.sqlite3"

INTERVAL = 1800
"""Seconds after which a peer is asked to come back: what trackers usually say."""

FORGET = 2 * INTERVAL + 60
"""Seconds after which a peer that did not come back is forgotten."""

_TABLE = """
CREATE TABLE IF NOT EXISTS peer (torrent BLOB, address BLOB, port INTEGER, remaining INTEGER,
    seen REAL, PRIMARY KEY (torrent, address, port)) WITHOUT ROWID
"""


@contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """The peers that the archive in `folder` knows of; one transaction."""
    with closing(sqlite3.connect(folder / PEERS_FILE, timeout=5)) as peers, peers:
        peers.execute("PRAGMA journal_mode = WAL")
        peers.execute("PRAGMA synchronous = OFF")  # who announces comes again
        peers.execute(_TABLE)
        yield peers


def counts(folder: Path, torrents: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
    """(complete, incomplete) peers of each torrent that were seen of late, from the archive in
    `folder`; empty where nobody ever counted."""
    if not (folder / PEERS_FILE).exists():
        return {}
    with opened(folder) as peers:
        return {torrent: count(peers, torrent) for torrent in torrents}


def count(peers: sqlite3.Connection, torrent: bytes) -> tuple[int, int]:
    """(complete, incomplete) peers of one torrent that were seen of late."""
    query = (
        "SELECT coalesce(sum(remaining = 0), 0), coalesce(sum(remaining > 0), 0)"
        " FROM peer WHERE torrent = ? AND seen >= ?"
    )
    since = clock.now().timestamp() - FORGET
    complete, incomplete = peers.execute(query, (torrent, since)).fetchone()
    return int(complete), int(incomplete)
