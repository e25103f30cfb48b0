"""Who calls, by one of three proofs that stand in the parameters of each call.

- `u` and `p`: a password (or an app password), as it is or in hexadecimal after `enc:`.
- `u`, `t` and `s`: the MD5 of an app password and a salt. Passwords are kept in a way that no such
  token can be checked against, so who has made no app password is answered with 41.
- `apiKey`: alone.

https://opensubsonic.netlify.app/docs/api-reference/#authentication and the extension
apiKeyAuthentication. Cookies count for nothing here. Failures are counted as those of the web
site's login are; proofs that are right are never made to wait for somebody else's guesses.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import Request

from longplay.access.people import accounts, names, throttle
from longplay.access.people.store import People
from longplay.access.subsonic.failures import CallError, Code, malformed, missing
from longplay.access.subsonic.parameters import Asked
from longplay.access.subsonic.remembered import Known, Moment
from longplay.errors import AccessError, ThrottledError

if TYPE_CHECKING:
    from longplay.access.context import Context

SPOKEN = (1, 16)
"""Version of the API: clients of a later one want what is not here."""

REMEMBERED = 10_000
"""Passwords that were right lately: each call brings one, and each hash costs a quarter second."""


def check_client(asked: Asked) -> None:
    """Raise CallError unless the client says what it is and speaks a version that is spoken."""
    version = asked.text_or_none("v")
    if not version:
        raise missing("v")
    if not asked.text_or_none("c"):
        raise missing("c")
    parts = version.split(".")
    if not 1 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise malformed("v", "is no version")
    major = int(parts[0][:9])
    minor = int(parts[1][:9]) if len(parts) > 1 else 0
    if major < SPOKEN[0]:
        raise CallError(Code.CLIENT_TOO_OLD, "the client must upgrade: version 1 is spoken here")
    if (major, minor) > SPOKEN:
        raise CallError(Code.SERVER_TOO_OLD, "the server must upgrade: it speaks version 1.16.1")


def identify(here: Context, request: Request, asked: Asked, moment: Moment) -> Known:
    """Who calls. Raises CallError for whoever does not prove it."""
    address = request.client.host if request.client else ""
    try:
        known = moment.remembered.caller(
            moment.changes, asked, address, lambda: _identify(here.people, asked, address, request)
        )
    except ThrottledError as error:
        raise CallError(
            Code.WRONG_PASSWORD, f"{error.message}: {error.hint}", seconds=error.seconds
        ) from error
    except AccessError as error:
        raise CallError(Code.WRONG_PASSWORD, "wrong username or password") from error
    if known.listener.role is None:
        raise CallError(
            Code.WRONG_PASSWORD, "this password is for one login: choose your own on the web site"
        )
    return known


def _identify(people: People, asked: Asked, address: str, request: Request) -> Known:
    key, name = asked.text_or_none("apiKey"), asked.text_or_none("u")
    password, token = asked.text_or_none("p"), asked.text_or_none("t")
    salt = asked.text_or_none("s")
    if key is not None:
        if any(one is not None for one in (name, password, token, salt)):
            raise CallError(Code.CONFLICTING_MECHANISMS, "an API key comes alone, without u")
        return _by_key(people, key, address)
    if password is not None and (token is not None or salt is not None):
        raise CallError(Code.CONFLICTING_MECHANISMS, "either a password or a token, not both")
    if name is None and request.headers.get("authorization"):
        raise CallError(
            Code.UNKNOWN_MECHANISM, "who calls is said by parameters here, not by a header"
        )
    if not name:
        raise missing("u")
    if password is not None:
        return _by_password(people, name, decoded(password), address)
    if token is None:
        raise missing("p" if salt is None else "t")
    if salt is None:
        raise missing("s")
    return _by_token(people, name, token, salt, address)


def _by_key(people: People, key: str, address: str) -> Known:
    found = accounts.by_key(people, key)
    if found is None:
        throttle.attempt(people, "", address)
        raise CallError(Code.INVALID_KEY, "the API key is not valid")
    return Known(found)


def _by_token(people: People, name: str, token: str, salt: str, address: str) -> Known:
    found = accounts.by_app_password(people, name, token, salt)
    if found is not None:
        return Known(found)
    throttle.attempt(people, name, address)
    if not accounts.has_app_password(people, name):
        raise CallError(
            Code.NO_TOKENS, "token login needs an app password, which is made on the web site"
        )
    raise AccessError("wrong token")


def _by_password(people: People, name: str, password: str, address: str) -> Known:
    known = accounts.with_hash(people, name)
    is_open = known is not None and not known[0].disabled
    if (
        known is not None
        and is_open
        and _memory.knows(people, _asks(name, password, address), known[1])
    ):
        return Known(accounts.listener_of(known[0]), by_password=True)
    found = accounts.by_plain_app_password(people, name, password)
    if found is not None:
        return Known(found)
    listener, proof = accounts.proved(people, name, password, address)
    _memory.remember(people, _asks(name, password, address), proof)
    return Known(listener, by_password=True)


def _asks(name: str, password: str, address: str) -> str:
    """Who asks with what from where: others who guess are held up as if nobody had asked."""
    return "\0".join((names.key(name), address, password))


def decoded(password: str) -> str:
    """A password as it was before it was put into hexadecimal. What is none stays as it is."""
    if not password.startswith("enc:"):
        return password
    try:
        data = bytes.fromhex(password[4:])
    except ValueError:
        return password
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


@dataclass(slots=True)
class _Memory:
    """Passwords that were found right, as keyed digests that mean nothing outside this process.
    Each counts as long as the hash that it was compared with is the one that is kept."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _hashes: OrderedDict[bytes, str] = field(default_factory=OrderedDict)

    def knows(self, people: People, asks: str, stored: str) -> bool:
        """Whether this password was found right, against the hash that is kept now."""
        digest = self._digest(people, asks)
        with self._lock:
            return self._hashes.get(digest) == stored

    def remember(self, people: People, asks: str, stored: str) -> None:
        """Note that a password is right."""
        digest = self._digest(people, asks)
        with self._lock:
            self._hashes[digest] = stored
            self._hashes.move_to_end(digest)
            while len(self._hashes) > REMEMBERED:
                self._hashes.popitem(last=False)

    def _digest(self, people: People, asks: str) -> bytes:
        text = f"{people.path}\0{asks}"
        return hashlib.blake2b(text.encode(errors="replace"), key=self._key).digest()


_memory = _Memory()
