"""Which addresses may be asked: those of the own network are not, in whatever disguise."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from longplay.errors import SourceError
from longplay.web import addresses
from longplay.web.connecting import Transport

PRIVATE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.2.1", "192.168.0.1", "198.18.0.1", "224.0.0.1",
    "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:1::", "fc00::1", "fd12:3456::1", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1", "no address",
]  # fmt: skip
PUBLIC = ["9.9.9.9", "1.1.1.1", "172.15.0.1", "172.32.0.1", "2a01:4f8::1", "::ffff:9.9.9.9",
          "64:ff9b::909:909", "2002:909:909::1"]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_nobody_or_of_the_own_network_is_not_public(address: str) -> None:
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_somebodys_address_on_the_internet_is(address: str) -> None:
    assert addresses.is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost", "[::1]",
     "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "10.0.0.1", "169.254.169.254"],
)  # fmt: skip
def test_no_spelling_of_a_private_host_is_connected_to(host: str) -> None:
    with (
        httpx.Client(transport=Transport(allow_private=False)) as client,
        pytest.raises(SourceError, match="lies in a private network"),
    ):
        client.get(f"http://{host}:9/")


def test_a_name_with_a_public_and_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (each, port)) for each in ("9.9.9.9", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with pytest.raises(SourceError, match=r"archive\.test lies in a private network"):
        addresses.resolve("archive.test", 80, allow_private=False)
    assert addresses.resolve("archive.test", 80, allow_private=True) == ["9.9.9.9", "127.0.0.1"]


def test_a_name_is_resolved_once_and_connected_to_where_it_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name server that says another address at the second question gains nothing."""
    asked: list[str] = []
    connected: list[Any] = []
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.2")

    def found(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.2" if len(asked) == 1 else "127.0.0.1", port))]

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setattr(socket, "create_connection", connect)
    with (
        httpx.Client(transport=Transport(allow_private=False)) as client,
        pytest.raises(httpx.ConnectError, match="nobody there"),
    ):
        client.get("http://rebinding.test:9/")
    assert asked == ["rebinding.test"]
    assert connected == [("127.0.0.2", 9)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ftp://example.org/a", "is no web address"),
        ("file:///etc/passwd", "is no web address"),
        ("/a/b.mp3", "is no web address"),
        ("http://", "is no web address"),
        ("http://[", "is no web address"),
        ("http://a:99999999/", "is no web address"),
        ("http://user:word@example.org/", "carries a password"),
        ("http://user@example.org/", "carries a password"),
        ("http://example.org/" + "a" * 9000, "longer than 8192 letters"),
    ],
)
def test_what_is_no_address_that_can_be_asked(text: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as told:
        addresses.parsed(text)
    assert "word@" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("http://a.test/x/y", "../z#part", "http://a.test/z"),
        ("http://a.test/x", "//b.test/z", "http://b.test/z"),
        ("http://a.test/x", "https://a.test/x", "https://a.test/x"),
        ("https://a.test/x", "http://a.test/x", None),
        ("http://a.test/x", "file:///etc/passwd", None),
        ("http://a.test/x", "http://u:w@b.test/", None),
        ("http://a.test/x", "http://[", None),
        ("http://a.test/x", "", None),
    ],
)
def test_redirects(url: str, location: str, target: str | None) -> None:
    if target is not None:
        assert str(addresses.redirected(httpx.URL(url), location)) == target
        return
    with pytest.raises(SourceError, match="redirects"):
        addresses.redirected(httpx.URL(url), location)
