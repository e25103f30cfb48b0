"""What a server asks of programmes: its robots.txt (RFC 9309)."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from longplay.catalogue.importers.oai.fetching import Client
from longplay.errors import InputError
from longplay.web import robots
from longplay.web.manners import AGENT


def require_allowed(client: Client, base_url: str) -> None:
    """Raise InputError where the server does not want programmes at this base URL. Where it has no
    rules, all is allowed; rules that cannot be had forbid, as the standard says. The pause that it
    asks for is kept from now on."""
    parts = urlsplit(base_url)
    address = urlunsplit((parts.scheme, parts.netloc, "/robots.txt", "", ""))
    body = client.find(address)
    if body is None:
        return
    rules = robots.read(body)
    client.slow_down(rules.delay)
    if not rules.allow(f"{base_url}?verb=ListRecords"):
        raise InputError(
            f"{address} forbids it to programmes",
            where=base_url,
            hint=f"ask those who run it to allow it to User-agent: {AGENT}",
        )
