"""Who called lately, and what they have marked: looked up once, until something changes in the
accounts.

Programs make hundreds of calls with one proof of who they are. What a proof was found to prove, and
what an account has starred, rated and played, holds for as long as nothing was committed to the
accounts: a key that is revoked, an account that is disabled, a new star all end it. Wrong proofs
are never remembered: each is counted, and made to wait.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from longplay.access.library.things import Sum
from longplay.access.listener import Listener
from longplay.access.subsonic.parameters import Asked
from longplay.access.subsonic.shapes import Marks

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

CALLERS = 10_000
"""Proofs that are remembered: some 300 bytes each."""

MARKED = 32
"""Accounts whose marks are remembered: some 200 bytes a mark, and there may be 100,000s."""

SUMMED = 10_000
"""Playlists of which it is remembered what they come to: some 300 bytes each."""

PROOFS = ("apiKey", "u", "p", "t", "s")
"""Parameters that say who calls."""


@dataclass(frozen=True, slots=True)
class Known:
    """Who calls. `by_password` says that it was proved by the password itself: keys and app
    passwords, which programs keep, open no accounts."""

    listener: Listener
    by_password: bool = False


@dataclass(slots=True)
class _Kept(Generic[K, V]):
    """What was found while the accounts stood as they do."""

    most: int
    _at: tuple[int | None, dict[K, V]] = field(default_factory=lambda: (None, {}))

    def get(self, changes: int | None, key: K, find: Callable[[], V]) -> V:
        """What is known of a key, or what `find` finds. `changes` was looked at before: what is
        found may be newer than it says, never older."""
        if changes is None:
            return find()
        at = self._at
        if at[0] != changes:
            at = self._at = changes, {}  # in one: a thread that is late writes what none reads
        found = at[1]
        value = found.get(key)
        if value is None:
            value = find()
            if len(found) >= self.most:
                found.clear()
            found[key] = value
        return value


@dataclass(slots=True)
class Remembered:
    """What one process remembers. Proofs are kept as keyed digests, which mean nothing outside
    it."""

    _callers: _Kept[bytes, Known] = field(default_factory=lambda: _Kept(CALLERS))
    _marks: _Kept[int, Marks] = field(default_factory=lambda: _Kept(MARKED))
    _totals: dict[tuple[str, str, str], Sum] = field(default_factory=dict)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def caller(
        self, changes: int | None, asked: Asked, address: str, find: Callable[[], Known]
    ) -> Known:
        """Who calls with these parameters from an address. Raises what `find` raises."""
        said = repr((*map(asked.values.get, PROOFS), address)).encode(errors="replace")
        digest = hashlib.blake2b(said, digest_size=32, key=self._key).digest()
        return self._callers.get(changes, digest, find)

    def total(self, playlist: tuple[str, str, str], find: Callable[[], Sum]) -> Sum:
        """What a playlist comes to: by its id, when it was changed last, and the version of the
        library in which that is asked."""
        known = self._totals.get(playlist)
        if known is None:
            known = find()
            if len(self._totals) >= SUMMED:
                self._totals.clear()
            self._totals[playlist] = known
        return known

    def marks(self, changes: int | None, account: int, find: Callable[[], Marks]) -> Marks:
        """What an account has marked."""
        return self._marks.get(changes, account, find)


@dataclass(frozen=True, slots=True)
class Moment:
    """What is remembered, and how the accounts stood when a call came (None: nobody can tell)."""

    remembered: Remembered
    changes: int | None
