"""Where a request comes from: its address, and whether the way to it is encrypted.

Behind a proxy every connection is the proxy's. `X-Forwarded-For` counts only from the addresses
that the settings name, and only its last entry that is none of theirs: the rest anybody can write.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

Scope = Mapping[str, Any]
"""An ASGI scope, or what is like one."""

MOST_HOPS = 20
"""Entries of `X-Forwarded-For` that are looked at, from its end."""

REMEMBERED = 4096
"""Addresses whose spelling is remembered; of longer texts none is."""

LONGEST = 64
"""Characters of an address, with its zone."""


def address(scope: Scope, proxies: Iterable[str] = ()) -> str:
    """The address of whoever asks; empty where there is none."""
    client = scope.get("client")
    found = _plain(str(client[0])) if client else ""
    trusted = frozenset(proxies)
    if found not in trusted:
        return found
    told = ",".join(_header(scope, b"x-forwarded-for")).split(",")
    for hop in reversed(told[-MOST_HOPS:]):
        found = _plain(hop.strip())
        if found not in trusted:
            break
    return found


def is_encrypted(scope: Scope) -> bool:
    """Whether the browser came by https; what it says itself of that harms nobody else."""
    return scope.get("scheme") == "https" or _header(scope, b"x-forwarded-proto")[-1:] == ["https"]


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]


def _plain(text: str) -> str:
    """An address in its usual spelling, an IPv4 one as such; other texts cut short."""
    return _spelled(text) if len(text) <= LONGEST else _parsed(text)


def _parsed(text: str) -> str:
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return text[:100]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(parsed)


_spelled = lru_cache(REMEMBERED)(_parsed)
