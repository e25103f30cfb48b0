"""The pace at which a source is listed. That of captures is kept by slots in the ledger."""

from __future__ import annotations

from longplay import clock
from longplay.capture.sources.polite import PoliteClient


class Pace:
    """Keeps requests to one host apart, as its limit says. For one thread."""

    def __init__(self, client: PoliteClient) -> None:
        self._client = client
        self._last: dict[str, float] = {}

    def keep(self, address: str) -> None:
        """Wait until the host of an address may be asked again."""
        limit = self._client.limit(address)
        if limit.host in self._last:
            between = 1 / limit.per_second
            self._client.wait(self._last[limit.host] + between - clock.monotonic())
        self._last[limit.host] = clock.monotonic()
