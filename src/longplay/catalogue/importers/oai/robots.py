"""What a server asks of programmes: its robots.txt (RFC 9309)."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from protego import Protego

from longplay.catalogue.importers.oai.fetching import Client
from longplay.errors import InputError

AGENT = "longplay"
"""The name by which rules are for us."""

MAX_RULES_BYTES = 500 * 1024
"""What is read of the rules: as much as the standard asks for."""


def require_allowed(client: Client, base_url: str) -> None:
    """Raise InputError where the server does not want programmes at this base URL. Where it has no
    rules, all is allowed; rules that cannot be had forbid, as the standard says."""
    parts = urlsplit(base_url)
    address = urlunsplit((parts.scheme, parts.netloc, "/robots.txt", "", ""))
    body = client.find(address)
    if body is None:
        return
    rules = Protego.parse(body[:MAX_RULES_BYTES].decode("utf-8", "replace"))
    if not rules.can_fetch(f"{base_url}?verb=ListRecords", AGENT):
        raise InputError(
            f"{address} forbids it to programmes",
            where=base_url,
            hint=f"ask those who run it to allow it to User-agent: {AGENT}",
        )
