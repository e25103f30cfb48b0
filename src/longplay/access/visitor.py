"""Where a request comes from: its address, and whether the way to it is encrypted.

Behind a proxy every connection is the proxy's. `X-Forwarded-For` counts only from the addresses
that the settings name, and only its last entry that is none of theirs: the rest anybody can write.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

Scope = Mapping[str, Any]
"""An ASGI scope, or what is like one."""

MOST_HOPS = 20
"""Entries of `X-Forwarded-For` that are looked at, from its end."""


def address(scope: Scope, proxies: Iterable[str] = ()) -> str:
    """The address of whoever asks; empty where there is none."""
    client = scope.get("client")
    found = str(client[0]) if client else ""
    trusted = frozenset(proxies)
    if not trusted or _plain(found) not in trusted:
        return _plain(found)
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
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return text[:100]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(parsed)
