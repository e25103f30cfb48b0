"""Files from a host that fails, throttles, lies, redirects and drips."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from longplay import clock
from longplay.capture.sources import Limit, Stream, Wanted, polite
from longplay.capture.sources.polite import PoliteClient
from longplay.errors import SourceError, UnavailableError
from longplay.settings import Politeness
from longplay.web import addresses
from tests.capture.sources.host import (
    CHANGED,
    Handler,
    Host,
    answering,
    cut_after,
    raw,
    reset,
    serving,
)

SONG = b"fLaC" + b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(20_000))


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host({"/a.flac": SONG})
    with serving(made):
        yield made


class Asking:
    """A client that notes how long it would wait."""

    made: ClassVar[list[Asking]] = []

    def __init__(self, **more: Any) -> None:
        self.waits: list[float] = []
        manners = Politeness(**{"private": True, "patience_seconds": 5, **more})
        self.client = PoliteClient(manners, pause=self.waits.append)
        self.made.append(self)

    def wanted(self, host: Host, path: str = "/a.flac", **more: Any) -> Wanted:
        return Wanted((host.address + path).encode(), **more)

    @contextmanager
    def open(self, host: Host, path: str = "/a.flac", **more: Any) -> Iterator[Stream]:
        with self.client.open(self.wanted(host, path, **more), sound=True) as stream:
            yield stream

    def all(self, host: Host, path: str = "/a.flac", **more: Any) -> bytes:
        with self.open(host, path, **more) as stream:
            return b"".join(stream.chunks)

    def got_until_the_break(self, host: Host) -> tuple[bytes, str]:
        """What came before a transfer broke off, and of which state of the file it is."""
        got = b""
        with self.open(host) as stream, pytest.raises(UnavailableError):
            for chunk in stream.chunks:
                got += chunk
        return got, stream.version


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    yield
    while Asking.made:
        Asking.made.pop().client.close()


@pytest.fixture
def asking() -> Asking:
    return Asking()


def test_a_file_comes_with_its_size_state_and_date(host: Host, asking: Asking) -> None:
    with asking.open(host) as stream:
        assert (stream.start, stream.size) == (0, len(SONG))
        assert stream.version == host.etag("/a.flac")
        assert stream.mtime_ns == 1_717_236_000 * 10**9
        assert b"".join(stream.chunks) == SONG
    assert host.paths() == ["/a.flac"]
    assert all(agent.startswith("Longplay/") for agent in host.agents)


def test_a_host_is_told_whom_to_write_to(host: Host) -> None:
    asking = Asking(contact="mailto:archive@example.org")
    asking.all(host)
    assert all(each.endswith(" (+mailto:archive@example.org)") for each in host.agents)


def test_a_state_without_a_strong_etag_is_told_by_its_date(host: Host, asking: Asking) -> None:
    host.etags = False
    host.headers = {"ETag": 'W/"weak"'}
    with asking.open(host) as stream:
        assert stream.version == CHANGED
    fields = f'Date: {CHANGED}\r\nLast-Modified: {CHANGED}\r\nETag: W/"weak"\r\n'.encode()
    host.faults = [raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + fields + b"\r\nx")]
    with asking.open(host) as stream:
        assert stream.version == 'W/"weak"', "it may change again within that second"


# Resuming


@pytest.mark.parametrize("etags", [True, False])
def test_a_broken_transfer_goes_on_where_it_was(host: Host, asking: Asking, etags: bool) -> None:
    host.etags = etags
    host.faults = [cut_after(100_000)]
    got, version = asking.got_until_the_break(host)
    assert got == SONG[: len(got)]
    assert 0 < len(got) <= 100_000

    with asking.open(host, start=len(got), version=version) as stream:
        assert (stream.start, stream.size, stream.version) == (len(got), len(SONG), version)
        assert got + b"".join(stream.chunks) == SONG
    assert host.asked[-1][1:] == (f"bytes={len(got)}-", version)


def test_a_file_that_has_changed_begins_anew(host: Host, asking: Asking) -> None:
    host.faults = [cut_after(100_000)]
    got, version = asking.got_until_the_break(host)
    host.files["/a.flac"] = SONG[::-1]

    with asking.open(host, start=len(got), version=version) as stream:
        assert stream.start == 0
        assert stream.version == host.etag("/a.flac") != version
        assert b"".join(stream.chunks) == SONG[::-1]


@pytest.mark.parametrize("version", ["", 'W/"weak"', '"é"', "yesterday", '"a"\r\nX: y'])
def test_without_a_proof_of_its_state_a_file_begins_anew(
    host: Host, asking: Asking, version: str
) -> None:
    with asking.open(host, start=1000, version=version) as stream:
        assert stream.start == 0
        assert b"".join(stream.chunks) == SONG
    assert host.asked[-1][1:] == (None, None)


REST = SONG[1000:]
SIZE = len(SONG)
MISFITS = {
    "of elsewhere": (206, {"Content-Range": f"bytes 999-{SIZE - 1}/{SIZE}"}, SONG[999:]),
    "of less": (206, {"Content-Range": f"bytes 1000-2000/{SIZE}"}, SONG[1000:2001]),
    "of more": (206, {"Content-Range": f"bytes 1000-{SIZE}/{SIZE}"}, REST + b"x"),
    "of another length": (206, {"Content-Range": f"bytes 1000-{SIZE - 1}/{SIZE}"}, REST[1:]),
    "of nothing said": (206, {}, REST),
    "of nonsense": (206, {"Content-Range": "bytes lots"}, REST),
    "of several": (206, {"Content-Type": "multipart/byteranges; boundary=x"}, b"--x"),
    "of another state": (
        206,
        {"Content-Range": f"bytes 1000-{SIZE - 1}/{SIZE}", "ETag": '"other"'},
        REST,
    ),
    "of no satisfaction": (416, {}, b""),
    "of a shorter file": (416, {"Content-Range": "bytes */900"}, b""),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_an_answer_that_is_not_the_rest_is_refused_and_all_is_asked_for(
    host: Host, asking: Asking, kind: str
) -> None:
    status, headers, body = MISFITS[kind]
    host.faults = [answering(status, body, **headers)]
    with asking.open(host, start=1000, version=host.etag("/a.flac")) as stream:
        assert stream.start == 0
        assert b"".join(stream.chunks) == SONG
    assert host.paths() == ["/a.flac"] * 2


def test_when_all_is_here_nothing_more_is_sent(host: Host, asking: Asking) -> None:
    with asking.open(host, start=SIZE, version=host.etag("/a.flac")) as stream:
        assert (stream.start, stream.size, list(stream.chunks)) == (SIZE, SIZE, [])
    assert host.paths() == ["/a.flac"]


def test_a_part_that_nobody_asked_for_is_no_file(host: Host, asking: Asking) -> None:
    host.faults = [answering(206, REST, Content_Range=f"bytes 1000-{SIZE - 1}/{SIZE}")]
    with pytest.raises(SourceError, match="answers with a part of the file"):
        asking.all(host)


# A host that is down, busy or slow


@pytest.mark.parametrize(
    "fault",
    [answering(500), answering(502), answering(503), answering(429), answering(408), reset,
     answering(425), raw(b"SSH-2.0-x\r\n"), raw(b"HTTP/1.1 200 OK\r\nContent-Le")],
)  # fmt: skip
def test_a_host_that_fails_for_a_while_is_asked_again_later_each_time(
    host: Host, asking: Asking, fault: Any
) -> None:
    host.faults = [fault] * 4
    assert asking.all(host) == SONG
    assert len(asking.waits) == 4
    for wait, base in zip(asking.waits, (1, 2, 4, 8), strict=True):
        assert base / 2 <= wait <= base * 1.5


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (answering(503), "answers 503"),
        (answering(429), "answers 429"),
        (answering(599), "answers 599"),
        (reset, "Server disconnected"),
    ],
)
def test_a_host_that_stays_down_puts_the_file_off(
    host: Host, asking: Asking, fault: Any, words: str
) -> None:
    host.faults = [fault] * 50
    with pytest.raises(UnavailableError, match=words) as told:
        asking.all(host)
    assert told.value.where == f"{host.address}/a.flac"
    assert told.value.seconds is None
    assert len(host.paths()) == polite.RETRIES + 1


def test_a_host_that_is_not_there_puts_the_file_off(host: Host, asking: Asking) -> None:
    with serving(Host()) as gone:
        pass
    with pytest.raises(UnavailableError, match="ConnectError"):
        asking.client.read(f"{gone}/a.flac", 1)
    assert len(asking.waits) == polite.RETRIES


def test_short_waits_are_waited_out_as_asked(
    host: Host, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    date = (now + timedelta(seconds=12)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    host.faults = [
        answering(429, Retry_After="7"),
        answering(503, Retry_After=date),
        answering(503, Retry_After="Thu, 01 Jan 2015 00:00:00 GMT"),
    ]
    assert asking.all(host) == SONG
    assert asking.waits == [7, 12, 0]


def test_a_long_wait_puts_the_file_off_for_as_long(host: Host, asking: Asking) -> None:
    host.faults = [answering(503, Retry_After="3600")]
    with pytest.raises(UnavailableError, match="answers 503") as told:
        asking.all(host)
    assert told.value.seconds == 3600
    assert asking.waits == []


@pytest.mark.parametrize("said", ["soon", "-5", "\xb2", "1e3", ""])
def test_a_wait_that_says_nothing_is_none(host: Host, asking: Asking, said: str) -> None:
    host.faults = [answering(503, Retry_After=said)]
    assert asking.all(host) == SONG
    assert 0.5 <= asking.waits[0] <= 1.5


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "answers 400"),
        (401, "asks who we are"),
        (403, "refuses it"),
        (404, "does not have it"),
        (410, "does not have it any more"),
        (451, "for legal reasons"),
        (203, "answers 203"),
        (204, "answers 204"),
        (304, "redirects to nowhere"),
    ],
)
def test_a_refusal_is_for_good(host: Host, asking: Asking, status: int, words: str) -> None:
    host.faults = [answering(status)]
    with pytest.raises(SourceError, match=words) as told:
        asking.all(host)
    assert not isinstance(told.value, UnavailableError)
    assert told.value.where == f"{host.address}/a.flac"
    assert len(host.paths()) == 1


def silent(handler: Handler) -> bool:
    handler.host.released.wait(30)
    return True


def silent_in_the_middle(handler: Handler) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(SONG)))
    handler.end_headers()
    handler.wfile.write(SONG[:5000])
    handler.wfile.flush()
    return silent(handler)


def dripping_head(handler: Handler) -> bool:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.host.released.wait(0.01):
        try:
            handler.wfile.write(b"X: y\r\n")
        except OSError:
            break
    return True


def dripping(handler: Handler) -> bool:
    handler.send_response(200)
    handler.end_headers()
    while not handler.host.released.wait(0.01):
        try:
            handler.wfile.write(b"fLaC" * 200)
        except OSError:
            break
    return True


@pytest.mark.parametrize("fault", [silent, dripping_head])
def test_a_host_that_never_answers_is_left(host: Host, fault: Any) -> None:
    asking = Asking(patience_seconds=0.2, robots=False)
    host.faults = [fault] * 50
    with pytest.raises(UnavailableError, match=r"gave no answer for 0.2 s"):
        asking.all(host)
    assert len(asking.waits) == polite.RETRIES


def test_a_silence_in_the_middle_breaks_off(host: Host) -> None:
    asking = Asking(patience_seconds=1)
    host.faults = [silent_in_the_middle]
    got = b""
    with asking.open(host) as stream, pytest.raises(UnavailableError) as told:
        for chunk in stream.chunks:
            got += chunk
    assert got == SONG[:5000]
    assert "gave nothing for 1 s after 5,000 bytes" in str(told.value)


def test_a_drip_ends_with_its_time(host: Host) -> None:
    asking = Asking(file_hours=0.5 / 3600)
    host.faults = [dripping]
    with pytest.raises(SourceError, match=r"takes more than .* hours.*politeness.file_hours"):
        asking.all(host)


def test_closing_ends_what_is_under_way(host: Host) -> None:
    asking = Asking(patience_seconds=60)
    host.faults = [silent_in_the_middle]
    begun, said = threading.Event(), []

    def fetch() -> None:
        try:
            with asking.open(host) as stream:
                for _ in stream.chunks:
                    begun.set()
        except UnavailableError as error:
            said.append(error.message)

    thread = threading.Thread(target=fetch)
    thread.start()
    assert begun.wait(30)
    asking.client.close()
    thread.join(30)
    assert said == ["broke off after 5,000 bytes"]


def test_closing_ends_a_pause(host: Host) -> None:
    client = PoliteClient(Politeness(private=True))
    host.faults = [answering(503, Retry_After="30")]
    said: list[str] = []
    threading.Timer(0.2, client.close).start()
    with pytest.raises(UnavailableError) as told:
        client.read(f"{host.address}/a.flac", 1)
    said.append(told.value.message)
    assert said == ["was stopped"]


# A host that lies


def test_less_than_was_announced_is_a_break(host: Host, asking: Asking) -> None:
    host.faults = [answering(200, SONG, Content_Length=str(SIZE + 1000))]
    with pytest.raises(UnavailableError, match=f"broke off after {SIZE:,} bytes"):
        asking.all(host)


def test_no_more_is_read_than_was_announced(host: Host, asking: Asking) -> None:
    host.faults = [answering(200, SONG, Content_Length="1000")]
    assert asking.all(host) == SONG[:1000]
    assert asking.all(host) == SONG, "what was left over is no answer to the next request"


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_that_is_too_large_is_not_read(host: Host, announced: bool) -> None:
    asking = Asking(file_gb=0.0001)
    if not announced:
        host.faults = [raw(b"HTTP/1.1 200 OK\r\n\r\n" + SONG)]
    with pytest.raises(SourceError, match=r"has 640,004 bytes|sends more than 100,000 bytes"):
        asking.all(host)


def test_a_length_is_not_asked_of_every_host(host: Host, asking: Asking) -> None:
    body = b"%x\r\n" % SIZE + SONG + b"\r\n0\r\n\r\n"
    host.faults = [raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)]
    with asking.open(host) as stream:
        assert stream.size is None
        assert b"".join(stream.chunks) == SONG


PAGES = {
    "by its type": (SONG, {"Content-Type": "text/html; charset=utf-8"}),
    "by its type in capitals": (SONG, {"Content-Type": "TEXT/HTML"}),
    "by its first bytes": (b"<!DOCTYPE HTML><p>Gone", {"Content-Type": "audio/flac"}),
    "after a mark and a space": (b"\xef\xbb\xbf \n<html><p>Gone", {}),
    "after a comment": (b"<!-- x --><html lang=en>" + SONG, {}),
    "as XML": (b'<?xml version="1.0"?><!doctype html><html/>', {}),
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_web_page_with_status_200_is_no_sound(host: Host, asking: Asking, kind: str) -> None:
    body, headers = PAGES[kind]
    host.faults = [answering(200, body, **headers)] * 2
    with pytest.raises(SourceError, match="the host sent a web page instead of sound"):
        asking.all(host)
    with asking.client.open(asking.wanted(host), sound=False) as stream:
        assert b"".join(stream.chunks) == body, "where a page may be meant, it is one"


@pytest.mark.parametrize("body", [b"", b"<", b"a", b"<RIFF" + SONG])
def test_what_is_no_page_passes(host: Host, asking: Asking, body: bytes) -> None:
    host.files["/a.flac"] = body
    assert asking.all(host) == body


def test_what_is_encoded_against_our_wish_is_refused(host: Host, asking: Asking) -> None:
    host.faults = [answering(200, b"\x1f\x8b", Content_Encoding="gzip")]
    with pytest.raises(SourceError, match="sends it as gzip, though it was asked for"):
        asking.all(host)


def test_cookies_are_not_kept(host: Host, asking: Asking) -> None:
    host.headers = {"Set-Cookie": "who=you; Path=/"}
    asking.all(host)
    assert not asking.client._client.cookies


# Redirects


def test_redirects_are_followed_to_other_hosts(host: Host, asking: Asking) -> None:
    other = Host({"/b": SONG})
    with serving(other):
        host.faults = [answering(302, Location="/next"),
                       answering(301, Location=f"{other.address}/b")]  # fmt: skip
        assert asking.all(host) == SONG
    assert other.paths() == ["/b"]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("file:///etc/passwd", "redirects to what is no web address"),
        ("http://user:word@127.0.0.1/", "redirects to what carries a password"),
        ("/again", "redirects more than 5 times"),
    ],
)
def test_redirects_that_are_not_followed(
    host: Host, asking: Asking, location: str, words: str
) -> None:
    host.faults = [answering(302, Location=location)] * 20
    with pytest.raises(SourceError, match=words):
        asking.all(host)
    assert len(host.paths()) <= polite.MAX_REDIRECTS + 1


@pytest.mark.parametrize("target", ["127.0.0.2", "10.0.0.1", "[::1]", "169.254.169.254"])
def test_a_redirect_into_the_own_network_is_refused(
    host: Host, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    host.faults = [answering(302, Location=f"http://{target}:9/secret")]
    asking = Asking(private=False)
    with pytest.raises(SourceError, match="lies in a private network"):
        asking.all(host)


def test_private_addresses_are_for_who_allows_them(host: Host) -> None:
    with pytest.raises(SourceError, match=r"127.0.0.1 lies in a private network"):
        Asking(private=False).all(host)
    assert host.asked == []


def test_proxies_of_the_environment_are_not_used(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert os.environ["http_proxy"]
    assert Asking().all(host) == SONG


# Rules


RULES = b"User-agent: *\nDisallow: /\n\nUser-agent: Longplay\nDisallow: /private\nCrawl-delay: 4\n"


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
        ((200, b"User-agent: *\nDisallow: /"), False),
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


# Documents


def test_a_document_is_read_whole_or_not_at_all(host: Host, asking: Asking) -> None:
    host.files["/doc"] = b"x" * 1000
    assert asking.client.read(f"{host.address}/doc", 1000) == b"x" * 1000
    with pytest.raises(SourceError, match="sends more than 999 bytes"):
        asking.client.read(f"{host.address}/doc", 999)
    host.faults = [cut_after(10)]
    assert asking.client.read(f"{host.address}/doc", 1000) == b"x" * 1000
