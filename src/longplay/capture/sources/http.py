"""`http`: a list of addresses, from a file or a web server, and the files at these addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from longplay import settings
from longplay.capture.sources import Limit, Stream, Wanted, kinds, list_offers, list_rows
from longplay.capture.sources.polite import Pause, PoliteClient
from longplay.errors import InputError, SourceError, UnavailableError
from longplay.model import Offer
from longplay.web import addresses

READ_BYTES = 1024 * 1024

BREAKS = 10
"""Times that the transfer of one list may break off and go on."""


class HttpSource:
    """The files that a list names. `pause` waits out seconds (tests replace it)."""

    def __init__(self, source: settings.Source, *, pause: Pause | None = None) -> None:
        self._location = source.location
        self._client = PoliteClient(source.politeness, pause=pause)

    def offers(self) -> Iterator[Offer]:
        """Every row, in the list's order, read as it comes: the list may be of any length. A row
        that is bad ends it with InputError or RightsError, which name its line."""
        where = addresses.shown(self._location)
        for number, row in list_rows.rows(self._chunks(), where):
            yield list_offers.offer(row, f"{where}:{number}")

    def limit(self, path: bytes) -> Limit:
        """The host that gives the file, and what may be asked of it."""
        return self._client.limit(path.decode("utf-8", "replace"))

    def open(self, wanted: Wanted) -> AbstractContextManager[Stream]:
        """Open one file. A web page in a sound's stead is a SourceError."""
        url = addresses.parsed(wanted.path.decode("utf-8", "replace"))
        return self._client.open(wanted, sound=kinds.sound_by_address(url))

    def close(self) -> None:
        """Break off what is under way, and give back connections."""
        self._client.close()

    def _chunks(self) -> Iterator[bytes]:
        if self._location.startswith(("http://", "https://")):
            return _from_web(self._client, self._location)
        return _from_file(Path(self._location))


def _from_file(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as source:
            yield from iter(lambda: source.read(READ_BYTES), b"")
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            hint="name a list of addresses, as a file or a web address",
        ) from error


def _from_web(client: PoliteClient, address: str) -> Iterator[bytes]:
    """The bytes of a list, going on where the transfer breaks off. Raises as `open` does."""
    count, version = 0, ""
    for left in range(BREAKS, -1, -1):
        wanted = Wanted(address.encode(), version=version, start=count)
        try:
            with client.open(wanted, sound=False) as stream:
                if stream.start != count:
                    raise SourceError(
                        "broke off, and the host cannot go on where it was, or the list changed",
                        where=addresses.shown(address),
                        hint="refresh the source again",
                    )
                version = stream.version
                for chunk in stream.chunks:
                    count += len(chunk)
                    yield chunk
            return
        except UnavailableError:
            if not left or not count or not version:
                raise
