"""The tracker: peers of our torrents find each other; it keeps little and forgets."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from urllib.parse import quote

import pytest

from longplay import clock
from longplay.access import tracker
from longplay.release import peers
from longplay.torrent.bencode import decode
from tests.access.conftest import Served


def announce(served: Served, torrent: bytes, **said: object) -> dict[bytes, object]:
    words = {"port": 6881, "left": 0, **said}
    query = "&".join(f"{name}={value}" for name, value in words.items())
    got = served.web.get(f"/announce?info_hash={quote(torrent)}&{query}")
    answer = decode(got.content)
    assert isinstance(answer, dict)
    return answer


@pytest.fixture(autouse=True)
def client_address(served: Served) -> None:
    served.web._transport.client = ("127.0.0.1", 50000)  # type: ignore[attr-defined]


def test_peers_find_each_other(served: Served) -> None:
    torrent = served.torrents()[0].info_hash_v1
    assert announce(served, torrent, port=1001)[b"peers"] == b""
    second = announce(served, torrent, port=1002, left=5)
    assert second[b"peers"] == bytes([127, 0, 0, 1]) + (1001).to_bytes(2, "big")
    assert (second[b"complete"], second[b"incomplete"]) == (1, 1)
    announce(served, torrent, port=1001, event="stopped")
    assert announce(served, torrent, port=1002, left=5)[b"peers"] == b""


def test_the_v2_half_and_scrapes_are_answered(served: Served) -> None:
    torrent = served.torrents()[0]
    short = torrent.info_hash_v2[:20]
    announce(served, short, port=1001)
    scraped = decode(served.web.get(f"/scrape?info_hash={quote(short)}").content)
    assert scraped == {b"files": {short: {b"complete": 1, b"downloaded": 1, b"incomplete": 0}}}
    assert peers.counts(served.longplay.archive, [short]) == {short: (1, 0)}


def test_strangers_and_nonsense_are_refused(served: Served) -> None:
    torrent = served.torrents()[0].info_hash_v1
    assert b"failure reason" in announce(served, b"x" * 20)
    assert b"failure reason" in announce(served, b"x" * 5)
    for port in (0, 65536, -1, "x", "", "9" * 400, "0" * 5 + "70000"):
        assert b"failure reason" in announce(served, torrent, port=port)
    assert decode(served.web.get("/announce").content).keys() == {b"failure reason"}  # type: ignore[union-attr]


def test_a_torrent_has_so_many_peers_and_no_more(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "MOST_PEERS", 3)
    torrent = served.torrents()[0].info_hash_v1
    for port in range(1, 9):
        last = announce(served, torrent, port=port, numwant=10**9)
    assert last[b"complete"] == 3
    # Who is known is heard all the same.
    again = announce(served, torrent, port=1, left=5)
    assert (again[b"complete"], again[b"incomplete"]) == (2, 1)


def test_who_does_not_come_back_is_forgotten(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    torrent = served.torrents()[0].info_hash_v1
    announce(served, torrent, port=1001)
    later = clock.now() + timedelta(seconds=peers.FORGET + 1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert announce(served, torrent, port=1002, left=1)[b"peers"] == b""
    with sqlite3.connect(served.longplay.archive / peers.PEERS_FILE) as known:
        assert known.execute("SELECT count(*) FROM peer").fetchone() == (1,)
