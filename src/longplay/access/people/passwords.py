"""Passwords: hashed with argon2id (RFC 9106), never to be had back.

Hashing takes memory and time on purpose, so few are hashed at a time, and nobody waits long.
"""

from __future__ import annotations

import secrets
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from longplay.errors import ThrottledError, UsageError

SHORTEST = 8
"""Characters: NIST SP 800-63B."""

LONGEST_BYTES = 1024
"""Of a password in UTF-8: nobody types more, and no stranger makes us hash more."""

MEMORY_KIB, PASSES, LANES = 46 * 1024, 2, 1
"""Cost of one hash: more than OWASP's least (46 MiB, one pass); a quarter of a second."""

AT_ONCE, WAITING = 2, 16
"""Passwords hashed at a time by one process, and how many more may wait for that: the threads that
answer everybody else stay free."""

_hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
_turn = threading.BoundedSemaphore(AT_ONCE)
_line = threading.BoundedSemaphore(AT_ONCE + WAITING)

_NOBODY: list[str] = []
"""The hash that an unknown name's password is compared with, so that it takes as long."""


def check(password: str, name: str = "") -> None:
    """Raise UsageError for what shall be nobody's password."""
    if len(password.encode(errors="replace")) > LONGEST_BYTES:
        raise UsageError(f"a password has at most {LONGEST_BYTES} bytes", hint="choose another")
    if len(password) < SHORTEST:
        raise UsageError(f"a password has at least {SHORTEST} characters", hint="choose another")
    if name and password.casefold() == name.casefold():
        raise UsageError("a password is not the account's name", hint="choose another")


def hashed(password: str) -> str:
    """The hash of a password that was checked, with its parameters and salt in it."""
    with _Turn():
        return _hasher.hash(_bytes(password))


def verify(stored: str | None, password: str) -> bool:
    """Whether it is the password. `stored` is None for an account that does not exist, which takes
    as long to say. Raises ThrottledError while too many ask at once."""
    if len(password.encode(errors="replace")) > LONGEST_BYTES:
        return False
    with _Turn():
        try:
            found = _hasher.verify(stored or _nobody(), _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
    return found and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether it was hashed at a cost of other times."""
    return _hasher.check_needs_rehash(stored)


def random() -> str:
    """A password that nobody guesses: 100 bits in letters that are not mistaken for others."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))


def _nobody() -> str:
    if not _NOBODY:
        _NOBODY.append(_hasher.hash(secrets.token_bytes(16)))
    return _NOBODY[0]


def _bytes(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode(errors="replace")


class _Turn:
    """A place in the line of those who hash, and then a turn."""

    def __enter__(self) -> None:
        if not _line.acquire(blocking=False):
            raise ThrottledError("too many log in at this moment", seconds=5)
        _turn.acquire()

    def __exit__(self, *_: object) -> None:
        _turn.release()
        _line.release()
