"""The archive's own tracker: who has our torrents. BEP 3, BEP 7, BEP 23 (compact answers), BEP 48.

Only torrents of our releases are tracked.
"""

from __future__ import annotations

import ipaddress
import json
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay import clock
from longplay.access.context import Context, context
from longplay.errors import LongplayError
from longplay.ledger import tables
from longplay.release import peers as swarm
from longplay.release.document import read_release
from longplay.torrent.bencode import encode

router = APIRouter()

MOST_PEERS = 5_000
"""Peers kept of one torrent, so that announces cannot fill the disk."""

MOST_GIVEN, USUALLY_GIVEN = 200, 50
"""Peers in one answer, at most and when the client names no number."""

MOST_HASHES = 100
"""Torrents in one scrape."""


class _RefusedError(Exception):
    """What the client is told in place of peers."""


@dataclass(frozen=True, slots=True)
class Announce:
    """What a client says of itself."""

    torrent: bytes
    address: bytes
    port: int
    remaining: int
    event: str
    wanted: int


@router.get("/announce")
def announce(request: Request) -> Response:
    """Note a peer and tell it others."""
    try:
        said = _read(request)
        here = context(request)
        if said.torrent not in _torrents(here):
            raise _RefusedError("this tracker does not know the torrent")
        answer = _exchange(here.archive.folder, said)
    except _RefusedError as refused:
        answer = {b"failure reason": str(refused).encode()}
    except sqlite3.Error:
        answer = {b"failure reason": b"the tracker is busy", b"retry in": 1}
    return Response(encode(answer), media_type="text/plain")


@router.get("/scrape")
def scrape(request: Request) -> Response:
    """How many peers have each torrent, and how many want it."""
    here = context(request)
    asked = _values(request, "info_hash")[:MOST_HASHES]
    known = [torrent for torrent in asked if torrent in _torrents(here)]
    found = swarm.counts(here.archive.folder, known)
    files = {torrent: _scraped(*found.get(torrent, (0, 0))) for torrent in known}
    return Response(encode({b"files": files}), media_type="text/plain")


def _scraped(complete: int, incomplete: int) -> dict[bytes, int]:
    return {b"complete": complete, b"downloaded": complete, b"incomplete": incomplete}


def _read(request: Request) -> Announce:
    hashes, ports = _values(request, "info_hash"), request.query_params.get("port", "")
    if len(hashes) != 1 or len(hashes[0]) != 20:
        raise _RefusedError("info_hash must be one hash of 20 bytes")
    if not re.fullmatch(r"[0-9]{1,5}", ports) or not 0 < int(ports) < 65_536:
        raise _RefusedError("port must be a port")
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise _RefusedError("where do you come from?") from error
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return Announce(
        hashes[0],
        address.packed,
        int(ports),
        _number(request, "left", 1),
        request.query_params.get("event", ""),
        min(_number(request, "numwant", USUALLY_GIVEN), MOST_GIVEN),
    )


def _values(request: Request, name: str) -> list[bytes]:
    """The values of a parameter as bytes: info-hashes are no text, and must not be decoded."""
    pairs = (pair.partition("=") for pair in request.url.query.split("&"))
    return [unquote_to_bytes(value) for key, _, value in pairs if key == name]


def _number(request: Request, name: str, missing: int) -> int:
    text = request.query_params.get(name, "")
    return int(text[:15]) if text.isascii() and text.isdigit() else missing


def _torrents(here: Context) -> frozenset[bytes]:
    """The info-hashes of all volumes that were ever released; of v2 ones the first 20 bytes."""
    with here.archive.ledger.read() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.releases)) or 0
        if here.torrents is not None and here.torrents[0] == count:
            return here.torrents[1]
        documents = list(connection.scalars(sa.select(tables.releases.c.document)))
    found: set[bytes] = set()
    for document in documents:
        try:
            release = read_release(json.loads(document))
        except LongplayError:
            continue
        for volume in release.volumes:
            found.add(bytes.fromhex(volume.info_hash_v1))
            found.add(bytes.fromhex(volume.info_hash_v2)[:20])
    here.torrents = (count, frozenset(found))
    return here.torrents[1]


def _exchange(folder: Path, said: Announce) -> dict[bytes, int | bytes]:
    now = clock.now().timestamp()
    with swarm.opened(folder) as peers:
        peers.execute("DELETE FROM peer WHERE torrent = ? AND seen < ?",
                      (said.torrent, now - swarm.FORGET))  # fmt: skip
        mine = (said.torrent, said.address, said.port)
        if said.event == "stopped":
            peers.execute("DELETE FROM peer WHERE torrent = ? AND address = ? AND port = ?", mine)
        elif _room(peers, mine):
            peers.execute("INSERT OR REPLACE INTO peer VALUES (?, ?, ?, ?, ?)",
                          (*mine, int(said.remaining > 0), now))  # fmt: skip
        complete, incomplete = swarm.count(peers, said.torrent)
        # Those who are done need not hear of others who are.
        others = peers.execute(
            "SELECT address, port FROM peer WHERE torrent = ? AND NOT (address = ? AND port = ?)"
            " AND (remaining > 0 OR ?) ORDER BY random() LIMIT ?",
            (*mine, said.remaining > 0, said.wanted),
        ).fetchall()
    told = [address + port.to_bytes(2, "big") for address, port in others]
    return {
        b"complete": complete,
        b"incomplete": incomplete,
        b"interval": swarm.INTERVAL,
        b"peers": b"".join(one for one in told if len(one) == 6),
        b"peers6": b"".join(one for one in told if len(one) == 18),
    }


def _room(peers: sqlite3.Connection, one: tuple[bytes, bytes, int]) -> bool:
    """Whether a peer may be noted: it is known already, or its torrent has room for another."""
    known = "SELECT 1 FROM peer WHERE torrent = ? AND address = ? AND port = ?"
    if peers.execute(known, one).fetchone():
        return True
    count = peers.execute("SELECT count(*) FROM peer WHERE torrent = ?", one[:1]).fetchone()[0]
    return bool(count < MOST_PEERS)
