"""`oai`: the sound files that records of an OAI-PMH repository link to.

The harvest is the one of `catalogue import --format oai`: it goes on where it was, and a complete
one asks only for what has changed since. A link to a page about a recording is no offer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import httpx

from longplay import settings
from longplay.capture.sources import Limit, Stream, Wanted, kinds
from longplay.capture.sources.polite import Pause, PoliteClient
from longplay.catalogue import identifiers
from longplay.catalogue.importers.oai import harvesting, received
from longplay.catalogue.importers.oai.fetching import Manners
from longplay.catalogue.importers.oai.harvesting import State
from longplay.catalogue.importers.oai.records import Item
from longplay.errors import SourceError, UnavailableError
from longplay.model import Kind, Offer
from longplay.web import addresses

CATALOGUE = "catalogue"
"""The folder of an archive below which harvests lie."""

PARAMETERS = {"metadataPrefix": "prefix", "set": "set", "from": "since"}
"""What may stand after `?` in a location, as OAI-PMH calls it."""


class OaiSource:
    """The repository at a base URL, with `?metadataPrefix=…&set=…&from=…` where not all of it is
    meant, harvested into the archive in `folder`."""

    def __init__(
        self, source: settings.Source, folder: Path, *, pause: Pause | None = None
    ) -> None:
        self._wanted = wanted(source.location)
        self._kept = harvesting.folder_of(folder / CATALOGUE, source.name)
        polite = source.politeness
        self._client = PoliteClient(polite, pause=pause)
        self._manners = Manners(
            pause=Limit(per_second=polite.per_second).interval,
            allow_private=polite.private,
            robots=polite.robots,
            contact=polite.contact,
            sleep=self._client.wait,
        )

    def offers(self) -> Iterator[Offer]:
        """The files of each record that stands, in the order of receiving. Raises InputError when
        the repository cannot be harvested to its end; the next call goes on there."""
        state = harvesting.harvest(
            self._kept, self._wanted, self._manners, lambda _done, _total: None
        )
        for item in received.standing(self._kept, state):
            yield from self._files(item)

    def limit(self, path: bytes) -> Limit:
        """The host that has the file, and what may be asked of it."""
        return self._client.limit(path.decode("utf-8", "replace"))

    def open(self, wanted: Wanted) -> AbstractContextManager[Stream]:
        """Open one file."""
        return self._client.open(wanted, sound=True)

    def close(self) -> None:
        """Break off what is under way, and give back connections."""
        self._client.close()

    def _files(self, item: Item) -> list[Offer]:
        links = [url for text in item.links if (url := _parsed(text)) is not None]
        files = [url for url in links if kinds.kind_of_name(kinds.name_of(url)) is Kind.AUDIO]
        if not files and item.audio:
            # Nothing in their names says what they are: one request each tells.
            unnamed = (u for u in links if kinds.kind_of_name(kinds.name_of(u)) is Kind.OTHER)
            files = [url for url in unnamed if self._is_sound(url)]
        return offered(item, list(dict.fromkeys(files)))

    def _is_sound(self, url: httpx.URL) -> bool:
        """Whether a link leads to sound. What cannot be told today is tried when it is captured."""
        try:
            with self._client.open(Wanted(str(url).encode()), sound=True) as stream:
                return bool(next(iter(stream.chunks), b""))
        except UnavailableError:
            return True
        except SourceError:
            return False


def wanted(location: str) -> State:
    """What is harvested, as a location says it. Raises SourceError, UsageError."""
    url = addresses.parsed(location)
    parts = urlsplit(str(url))
    said = dict(parse_qsl(parts.query, keep_blank_values=True))
    strange = next((name for name in said if name not in PARAMETERS), None)
    if strange is not None:
        raise SourceError(
            f"has {strange!r} in it",
            where=addresses.shown(location),
            hint=f"after the base URL stand {', '.join(PARAMETERS)} at most",
        )
    state = State(
        url=urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
        prefix=said.get("metadataPrefix") or "oai_dc",
        set=said.get("set") or None,
        since=said.get("from") or None,
    )
    harvesting.check(state)
    return state


def offered(item: Item, files: list[httpx.URL]) -> list[Offer]:
    """A record's files. Those that are called alike but for their suffixes are encodings of one
    track, others its parts: sides, or pieces."""
    named = _parts(files)
    parts = list(dict.fromkeys(named))
    if len(parts) < 2:
        return [_whole(item, url) for url in files]
    found = []
    for url, name in zip(files, named, strict=True):
        number = parts.index(name) + 1
        part = replace(
            _whole(item, url),
            own_id=f"{item.identifier}#{name}",
            title=f"{item.title} ({number})",
            album=item.album or item.title or "",
            album_id=item.identifier,
            track_number=number,
            duration_ms=None,
            isrcs=(),
        )
        found.append(part)
    return found


def _parts(files: list[httpx.URL]) -> list[str]:
    """What tells each part of a recording from another, and not an encoding from another: its
    name, with its folder where several folders have a file of that very name (`disc1/01.mp3`)."""
    names = [_part(url, url.path.rpartition("/")[2]) for url in files]
    folders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for url, name in zip(files, names, strict=True):
        folder, _, last = url.path.rpartition("/")
        folders[name, last].add(folder)
    twice = {name for (name, _), found in folders.items() if len(found) > 1}
    return [
        _part(url, url.path.lstrip("/")) if name in twice else name
        for url, name in zip(files, names, strict=True)
    ]


def _part(url: httpx.URL, path: str) -> str:
    folder, slash, name = path.rpartition("/")
    query = url.query.decode("ascii")
    return folder + slash + (name.rpartition(".")[0] or name) + (f"?{query}" if query else "")


def _whole(item: Item, url: httpx.URL) -> Offer:
    isrcs = (identifiers.isrc(text) for text in item.isrcs)
    return Offer(
        path=str(url).encode("ascii"),
        own_id=item.identifier,
        title=item.title or "",
        artists=tuple(item.artists),
        album=item.album or "",
        duration_ms=item.duration_ms,
        isrcs=tuple(dict.fromkeys(each for each in isrcs if each)),
        upc=item.upc or "",
        label=item.label or "",
        release_date=item.release_date or "",
        genres=tuple(item.genres),
        lossless=kinds.lossless_by_name(kinds.name_of(url)),
        rights=tuple(("licence", text) for text in item.rights),
    )


def _parsed(text: str) -> httpx.URL | None:
    try:
        return addresses.parsed(text)
    except SourceError:
        return None
