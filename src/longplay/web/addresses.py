"""Which web addresses may be asked, and which network addresses they may lead to.

An address that somebody else wrote (a list, a feed, a redirect) must not make this machine ask
inside its own network (server-side request forgery).
"""

from __future__ import annotations

import ipaddress
import re
import socket

import httpx

from longplay.errors import SourceError

MAX_LETTERS = 8192
"""Letters of an address: servers take no longer ones."""

_PORTS = {"http": 80, "https": 443}

_HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
"""A name, an IPv4 address, or an IPv6 one."""

_SECRET = re.compile(r"(?<=://)[^/?#@]*@")

_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is somebody's on the Internet (RFC 4291, 2.4)."""

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 ones (RFC 6052)."""


def parsed(text: str) -> httpx.URL:
    """A web address in its usual spelling, without what follows `#`. Raises SourceError for what
    is none, and for one that carries a name or a password."""
    if len(text) > MAX_LETTERS:
        raise SourceError(f"is longer than {MAX_LETTERS} letters", where=shown(text))
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceError(f"is no web address: {error}", where=shown(text)) from error
    known = url.scheme in _PORTS and _HOST.fullmatch(url.raw_host)
    if not known or not 0 < port_of(url) < 65536:
        raise SourceError(
            "is no web address", where=shown(text), hint="it begins with http:// or https://"
        )
    if url.userinfo:
        raise SourceError(
            "carries a password", where=shown(text), hint="name an address that needs none"
        )
    return url.copy_with(fragment=None) if "#" in text else url


def redirected(url: httpx.URL, location: str) -> httpx.URL:
    """Where `url` redirects to. Raises SourceError for what is no web address, and for a way from
    https to http."""
    if not location:
        raise SourceError("redirects to nowhere", where=shown(url))
    try:
        target = parsed(str(url.join(location)))
    except (SourceError, httpx.InvalidURL) as error:
        words = error.message if isinstance(error, SourceError) else "is no address"
        raise SourceError(f"redirects to what {words}", where=shown(url)) from error
    if url.scheme == "https" and target.scheme != "https":
        raise SourceError("redirects from https to http", where=shown(url))
    return target


def host_of(url: httpx.URL) -> str:
    """The host, with the port where it is not the scheme's own."""
    return url.netloc.decode("ascii")


def port_of(url: httpx.URL) -> int:
    """The port that is connected to."""
    return url.port or _PORTS[url.scheme]


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses of a host, as the system orders them. Raises OSError when there is none, and
    SourceError when one of them is not public: a name with both kinds is a trap."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is no name of a host") from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not allow_private and not all(map(is_public, addresses)):
        raise SourceError(
            f"{host} lies in a private network", hint="allow it explicitly if that is meant"
        )
    return addresses


def is_public(address: str) -> bool:
    """Whether it is somebody's on the Internet. An IPv6 address that stands for an IPv4 one, or
    leads to one, is judged by that one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved
    within = parsed.ipv4_mapped or parsed.sixtofour
    if parsed in _TRANSLATED:
        within = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    if within is not None:
        return is_public(str(within))
    return parsed in _UNICAST and parsed.is_global and not parsed.teredo


def shown(url: httpx.URL | str) -> str:
    """An address as it is told to people: without a password that stands in it."""
    text = _SECRET.sub("", str(url))
    return text if len(text) <= 300 else f"{text[:299]}…"
