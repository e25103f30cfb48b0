"""Asking another Subsonic server what one of its users likes.

Only public addresses are asked, at the very address that was checked, unless the one who runs this
archive allows private ones; nothing is followed elsewhere; answers and time are bounded.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from longplay import clock
from longplay.access.people import likes
from longplay.access.people.likes import Liked
from longplay.errors import InputError, LongplayError, SourceError, UnavailableError, UsageError
from longplay.web import addresses, manners
from longplay.web.connecting import Transport

SECONDS = 60.0
"""How long all of it may take, from a page; the command line has `PATIENT_SECONDS`."""

PATIENT_SECONDS = 3600.0

TIMEOUT_SECONDS = 15.0
"""A silence of the server that ends it."""

PAGE = 500
"""Songs that are asked for at once: what servers give at most."""

MOST_SONGS = 2_000_000
"""Of a library that are looked at for ratings."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and who asks: an API key, or a user with a password, of which a salted hash is
    sent."""

    address: str
    user: str
    secret: str
    is_key: bool = False

    def credentials(self) -> dict[str, str]:
        """The parameters of a request that say who asks."""
        if self.is_key:
            return {"apiKey": self.secret}
        salt = secrets.token_hex(8)
        token = hashlib.md5((self.secret + salt).encode(), usedforsecurity=False).hexdigest()
        return {"u": self.user, "t": token, "s": salt}


def liked(
    server: Server, *, allow_private: bool = False, seconds: float = SECONDS
) -> tuple[Liked, ...]:
    """What has stars there, and then what is rated, song by song. Raises InputError for a server
    that refuses or is none, UnavailableError when it cannot be reached or takes too long."""
    base = _checked(server.address)
    ends = clock.monotonic() + seconds
    transport = Transport(allow_private=allow_private)
    with httpx.Client(
        transport=transport,
        timeout=TIMEOUT_SECONDS,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": manners.user_agent(), "Accept-Encoding": "identity"},
    ) as client:

        def ask(call: str, values: Mapping[str, str]) -> likes.Answer:
            left = ends - clock.monotonic()
            if left <= 0:
                raise UnavailableError("takes too long", where=addresses.shown(base))
            with transport.within(left):
                return likes.read(_get(client, server, f"{base}/rest/{call}", values), base)

        found = dict.fromkeys(ask("getStarred2", {}).liked)
        for offset in range(0, MOST_SONGS, PAGE):
            page = {"query": "", "artistCount": "0", "albumCount": "0", "songCount": str(PAGE)}
            answer = ask("search3", page | {"songOffset": str(offset)})
            found |= dict.fromkeys(answer.liked)
            if len(found) > likes.MOST:
                words = f"has more than {likes.MOST:,} stars and ratings"
                raise InputError(words, where=addresses.shown(base))
            if answer.songs < PAGE:
                break
    return tuple(found)


def _checked(address: str) -> str:
    try:
        url = httpx.URL(address.strip())
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise UsageError("is no web address", where=address[:200]) from error
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise UsageError(
            "is no address of a server", where=addresses.shown(address), hint="https://host/path"
        )
    return str(url).partition("#")[0].rstrip("/").removesuffix("/rest")


def _get(client: httpx.Client, server: Server, url: str, values: Mapping[str, str]) -> bytes:
    asked = {"v": "1.16.1", "c": "longplay", "f": "json", **server.credentials(), **values}
    try:
        with client.stream("GET", url, params=asked) as answer:
            if answer.status_code != 200:
                raise InputError(f"answers {answer.status_code}", where=addresses.shown(url))
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > likes.MOST_BYTES:
                    raise InputError("answers without end", where=addresses.shown(url))
            return bytes(body)
    except SourceError as error:
        raise InputError(error.message, where=addresses.shown(url), hint=_hint(error)) from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        # The words of the error may have the address with its secrets in it.
        raise UnavailableError(
            f"cannot be reached ({type(error).__name__})", where=addresses.shown(url)
        ) from None


def _hint(error: LongplayError) -> str:
    return "from the command line --allow-private allows it" if error.hint else ""
