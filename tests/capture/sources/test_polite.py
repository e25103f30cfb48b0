"""Files and documents from a host that fails, throttles, redirects and drips."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from longplay import clock
from longplay.capture.sources import polite
from longplay.capture.sources.polite import PoliteClient
from longplay.errors import SourceError, UnavailableError
from longplay.settings import Politeness
from longplay.web import addresses
from tests.capture.sources.asking import SONG, Asking
from tests.capture.sources.host import Handler, Host, answering, cut_after, raw, reset, serving

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


# Documents


def test_a_document_is_read_whole_or_not_at_all(host: Host, asking: Asking) -> None:
    host.files["/doc"] = b"x" * 1000
    assert asking.client.read(f"{host.address}/doc", 1000) == b"x" * 1000
    with pytest.raises(SourceError, match="sends more than 999 bytes"):
        asking.client.read(f"{host.address}/doc", 999)
    host.faults = [cut_after(10)]
    assert asking.client.read(f"{host.address}/doc", 1000) == b"x" * 1000
