"""`internetarchive`: items and collections of the Internet Archive, found through its own library.

The library knows how to search and to read items; every request of it goes through the polite
client, as those for files do. Nobody is signed in.
"""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from longplay import settings
from longplay.capture.sources import Limit, Stream, Wanted, archive_items, kinds
from longplay.capture.sources.polite import Pause, PoliteClient
from longplay.capture.sources.read_items import ReadItems
from longplay.errors import SourceError, UnavailableError
from longplay.model import Offer
from longplay.web import addresses

LISTINGS = "listings"
"""The folder of an archive in which listings lie."""

MAX_DOCUMENT_BYTES = 64 * 2**20
"""The metadata of an item with thousands of files is some megabytes; a page of a search 1 MB."""

SOUND = "mediatype:(audio OR etree)"
"""Of a collection, the items whose subject is sound (`etree`: concerts)."""

_PLACE = re.compile(r"(collection|item):([A-Za-z0-9][A-Za-z0-9._-]{0,199})")

Answer = TypeVar("Answer")


class InternetArchiveSource:
    """The items that a location names: `collection:NAME`, `item:IDENTIFIER`, several with commas.

    What a listing has read of collections is kept in the archive in `folder` until it is whole.
    `host` is another server of the same kind, asked over http: tests have one."""

    def __init__(
        self,
        source: settings.Source,
        folder: Path,
        *,
        host: str | None = None,
        pause: Pause | None = None,
    ) -> None:
        self._places = [_place(text) for text in source.location.split(",")]
        self._client = PoliteClient(source.politeness, pause=pause)
        self._kept = folder / LISTINGS / f"{source.name}.items"
        self._host = host
        self._base = f"http://{host}" if host else "https://archive.org"

    def offers(self) -> Iterator[Offer]:
        """Item by item, each collection in the order of its identifiers: sound, then what was put
        in beside it. Items that are closed, or hold no sound, offer nothing."""
        library = _Library(self._client, self._base, self._host)
        known, whole = ReadItems(self._kept), False
        try:
            yield from self._listed(library, known)
            whole = True
        finally:
            known.close(whole=whole)

    def _listed(self, library: _Library, known: ReadItems) -> Iterator[Offer]:
        seen: set[str] = set()
        for kind, name in self._places:
            for identifier in [name] if kind == "item" else library.collection(name):
                if identifier in seen:
                    continue
                seen.add(identifier)
                if kind == "item":
                    document = library.item(identifier)
                    _require(document, identifier)
                else:
                    document = known.document(identifier, library.item)
                yield from archive_items.offers(document, self._address)

    def limit(self, path: bytes) -> Limit:
        """What may be asked of the archive's web server, which leads to the one with the file."""
        return self._client.limit(path.decode("utf-8", "replace"))

    def open(self, wanted: Wanted) -> AbstractContextManager[Stream]:
        """Open one file."""
        url = addresses.parsed(wanted.path.decode("utf-8", "replace"))
        return self._client.open(wanted, sound=kinds.sound_by_address(url))

    def close(self) -> None:
        """Break off what is under way, and give back connections."""
        self._client.close()

    def _address(self, identifier: str, name: str) -> str:
        return f"{self._base}/download/{quote(identifier, safe='')}/{quote(name)}"


def _place(text: str) -> tuple[str, str]:
    found = _PLACE.fullmatch(text.strip())
    if found is None:
        raise SourceError(
            "names neither a collection nor an item",
            where=text.strip()[:200],
            hint="write collection:NAME or item:IDENTIFIER, several with commas",
        )
    return found[1], found[2]


def _require(document: dict[str, Any], identifier: str) -> None:
    """An item that was named must be one."""
    item = document.get("metadata")
    if isinstance(item, dict) and item.get("mediatype") == "collection":
        raise SourceError(
            "is a collection", where=identifier, hint=f"name it as collection:{identifier}"
        )
    if not isinstance(item, dict) or not item:
        closed = document.get("is_dark")
        raise SourceError(
            "is closed to the public" if closed else "is no item of the Internet Archive",
            where=identifier,
            hint="check its name in the address after /details/",
        )


class _Library:
    """The Internet Archive's own library, over our connections and at their pace."""

    def __init__(self, client: PoliteClient, base: str, host: str | None) -> None:
        from internetarchive import ArchiveSession

        logging.getLogger("internetarchive").addHandler(logging.NullHandler())
        self._base = base
        self._wire = _wire(client)
        # No settings of a user who may have an account there: nobody is signed in.
        self._session = ArchiveSession({"general": {"secure": host is None}}, os.devnull)
        self._session.trust_env = False
        if host is not None:
            self._session.host = host
        self._mount()

    def collection(self, name: str) -> Iterator[str]:
        """The identifiers of a collection's items of sound, by the search that does not end at
        10,000. Raises SourceError, UnavailableError."""
        search = self._session.search_items(
            f"collection:{name} AND {SOUND}", fields=["identifier"], sorts=["identifier asc"]
        )
        self._mount()  # a search brings its own way to the server
        found = iter(search)
        while True:
            one = self._told(lambda: next(found, None))
            if one is None:
                return
            identifier = one.get("identifier") if isinstance(one, dict) else None
            if isinstance(identifier, str):
                yield identifier

    def item(self, identifier: str) -> dict[str, Any]:
        """The metadata of an item, empty where there is none. Raises SourceError,
        UnavailableError."""
        found = self._told(lambda: self._session.get_metadata(identifier))
        return found if isinstance(found, dict) else {}

    def _told(self, ask: Callable[[], Answer]) -> Answer:
        """What the library answers; its errors as ours."""
        from requests import RequestException

        try:
            return ask()
        except SourceError:
            # The library wraps what went wrong in one more of the same class, without its words.
            raise self._wire.failure or SourceError("cannot be read", where=self._base) from None
        except (RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
            words = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise UnavailableError(
                f"answers what is no answer to a search or an item: {words}", where=self._base
            ) from error

    def _mount(self) -> None:
        self._session.mount(self._base, self._wire)


def _wire(client: PoliteClient) -> Any:
    """An adapter by which the library's requests go through the polite client. Late, since the
    library of requests is loaded with the archive's alone."""
    from requests import PreparedRequest, Response
    from requests.adapters import BaseAdapter

    class Wire(BaseAdapter):
        failure: SourceError | None = None

        def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
            address = str(request.url)
            try:
                body = client.read(address, MAX_DOCUMENT_BYTES, method=str(request.method))
            except SourceError as error:
                self.failure = error
                raise
            answer = Response()
            answer.status_code, answer.url, answer.request = 200, address, request
            answer.encoding, answer.raw = "utf-8", io.BytesIO(body)
            return answer

        def close(self) -> None:
            """The client is closed by whoever has it."""

    return Wire()
