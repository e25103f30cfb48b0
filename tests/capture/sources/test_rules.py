"""What a host's robots.txt says is kept to."""

from __future__ import annotations

import gzip
import threading
import tracemalloc
import zlib

import pytest

from longplay import clock
from longplay.capture.sources import MARGIN, Limit, polite
from longplay.errors import SourceError, UnavailableError
from longplay.web import addresses
from tests.capture.sources.asking import SONG, Asking
from tests.capture.sources.host import Host, answering, serving

RULES = b"User-agent: *\nDisallow: /\n\nUser-agent: Longplay\nDisallow: /private\nCrawl-delay: 4\n"
FORBIDDEN = b"User-agent: *\nDisallow: /"


@pytest.mark.parametrize(
    ("robots", "allowed"),
    [
        ((404, b""), True),
        ((403, b""), True),
        ((401, b""), True),
        ((200, b""), True),
        ((200, RULES), True),
        ((200, b"\xff\xfe\0<html>"), True),
        ((200, b"#" * 600_000 + b"\nUser-agent: *\nDisallow: /"), True),
        ((200, RULES.replace(b"/private", b"/a.flac")), False),
        ((200, FORBIDDEN), False),
        ((200, b"\xef\xbb\xbf" + FORBIDDEN), False),
    ],
)
def test_a_hosts_rules_are_kept(
    host: Host, asking: Asking, robots: tuple[int, bytes], allowed: bool
) -> None:
    host.robots = robots
    for _ in range(3):
        if allowed:
            assert asking.all(host) == SONG
            continue
        with pytest.raises(SourceError, match=r"robots.txt forbids it .* User-agent: longplay"):
            asking.all(host)
    assert [path for path, _, _ in host.asked].count("/robots.txt") == 1
    assert len(host.paths()) == 3 * allowed


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", gzip.compress(FORBIDDEN)), ("Deflate", zlib.compress(FORBIDDEN))],
    ids=["gzip", "deflate"],
)
def test_rules_are_read_also_where_they_come_packed(
    host: Host, asking: Asking, encoding: str, body: bytes
) -> None:
    host.robots, host.robots_headers = (200, body), {"Content-Encoding": encoding}
    with pytest.raises(SourceError, match=r"robots.txt forbids it"):
        asking.all(host)
    assert host.paths() == []


def test_packed_rules_take_no_more_memory_than_others(host: Host, asking: Asking) -> None:
    host.robots = (200, gzip.compress(FORBIDDEN + b"\n" + b"#" * 2**28))
    host.robots_headers = {"Content-Encoding": "gzip"}
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=r"robots.txt forbids it"):
            asking.all(host)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("encoding", "words"), [("gzip", "robots.txt is no gzip"), ("br", "robots.txt comes as br")]
)
def test_rules_that_cannot_be_unpacked_forbid_for_now(
    host: Host, asking: Asking, encoding: str, words: str
) -> None:
    host.robots, host.robots_headers = (200, b"\x1f\x8b oh"), {"Content-Encoding": encoding}
    with pytest.raises(UnavailableError, match=f"its rules cannot be had: {words}"):
        asking.all(host)
    assert host.paths() == []


@pytest.mark.parametrize(
    "location", ["/robots.txt", "ftp://127.0.0.1/robots.txt", "http://127.0.0.2:9/robots.txt", ""]
)
def test_rules_that_lead_nowhere_are_none(
    host: Host, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    asking = Asking(private=False)
    host.robots, host.robots_headers = (302, b""), {"Location": location}
    assert asking.all(host) == asking.all(host) == SONG
    assert [path for path, _, _ in host.asked].count("/robots.txt") <= polite.MAX_REDIRECTS + 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_rules_that_cannot_be_had_forbid_for_now(host: Host, asking: Asking, status: int) -> None:
    host.robots = (status, b"")
    for _ in range(2):
        with pytest.raises(UnavailableError, match=f"its rules cannot be had: answers {status}"):
            asking.all(host)
    assert host.paths() == []
    assert len(host.asked) == polite.RETRIES + 1, "a failure is remembered for a while"


def test_rules_are_asked_again_when_they_are_old(
    host: Host, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.robots = (503, b"")
    with pytest.raises(UnavailableError):
        asking.all(host)
    host.robots = (404, b"")
    later = clock.monotonic() + 61
    monkeypatch.setattr(clock, "monotonic", lambda: later)
    assert asking.all(host) == SONG


def test_rules_hold_for_the_host_that_is_redirected_to(host: Host, asking: Asking) -> None:
    other = Host({"/b": SONG}, robots=(200, b"User-agent: *\nDisallow: /"))
    with serving(other):
        host.faults = [answering(302, Location=f"{other.address}/b")]
        with pytest.raises(SourceError, match="forbids it to programmes"):
            asking.all(host)
    assert other.paths() == []


def test_every_request_for_a_file_counts(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Host({"/c.flac": SONG})
    monkeypatch.setattr(clock, "monotonic", lambda: 100.0)
    with serving(other):
        host.robots = (200, b"User-agent: *\nCrawl-delay: 10")
        host.faults = [
            answering(302, Location="/b.flac"),
            answering(503, Retry_After="1"),
            answering(302, Location=f"{other.address}/c.flac"),
        ]
        asking = Asking(per_second=2)
        assert asking.all(host) == SONG
    assert host.paths() == ["/a.flac", "/b.flac", "/a.flac"]
    after_rules, after_redirect, later, others_rules = (MARGIN * n for n in (10, 20, 30, 0.5))
    assert asking.waits == pytest.approx([after_rules, after_redirect, 1, later, others_rules])


def test_many_files_of_a_host_wait_for_their_turns(host: Host, asking: Asking) -> None:
    made = Asking(per_second=0.001, robots=False)
    threads = [threading.Thread(target=made.all, args=(host,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [round(wait, -3) for wait in sorted(made.waits)] == [1000, 2000, 3000]


def test_rules_are_not_asked_for_where_they_do_not_matter(host: Host) -> None:
    host.robots = (200, b"User-agent: *\nDisallow: /")
    assert Asking(robots=False).all(host) == SONG
    assert [path for path, _, _ in host.asked] == ["/a.flac"]


def test_many_threads_ask_for_the_rules_once(host: Host, asking: Asking) -> None:
    threads = [threading.Thread(target=asking.all, args=(host,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(host.paths()) == 8
    assert len(host.asked) == 9


@pytest.mark.parametrize(
    ("rules", "connections", "per_second"),
    [
        (RULES, 1, 0.25),
        (RULES.replace(b"Crawl-delay: 4", b"Request-rate: 1/8"), 1, 0.125),
        (RULES.replace(b"Crawl-delay: 4", b"Crawl-delay: 0.01"), 1, 5),
        (RULES.replace(b"delay: 4", b"delay: 99999999"), 1, 1 / 3600),
        (RULES.replace(b"delay: 4", b"delay: nan"), 3, 5),
        (RULES.replace(b"delay: 4", b"delay: -4"), 3, 5),
        (b"", 3, 5),
    ],
)
def test_a_host_may_ask_for_more_patience(
    host: Host, rules: bytes, connections: int, per_second: float
) -> None:
    host.robots = (200, rules)
    asking = Asking(connections=3, per_second=5)
    name = host.address.removeprefix("http://")
    address = f"{host.address}/a.flac"
    assert asking.client.limit(address) == Limit(name, 3, 5)
    assert host.asked == [], "a limit asks nobody"
    asking.all(host)
    assert asking.client.limit(address) == Limit(name, connections, per_second)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://A.example:80/x", "a.example"),
        ("https://a.example:443/x", "a.example"),
        ("https://a.example:80/x", "a.example:80"),
        ("http://[2a01:4f8::1]:8080/x", "[2a01:4f8::1]:8080"),
    ],
)
def test_a_limit_is_of_a_host_and_port(asking: Asking, address: str, host: str) -> None:
    assert asking.client.limit(address).host == host
