"""Requests for sound that were answered lately, and are answered again without asking anybody.

Players ask for one file in many ranges, each with the same words. Who that is, which object it
means and that it may be had was found out for the first of them, in a thread, for it may wait. For
those that follow it is enough that nothing has changed: not the accounts, not the library, and the
gate's answer is the very same, which a minute ends and any change of the ledger. Whom the guard
restricts is looked at each time. A session that ends by its age may be heard that minute longer.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from fastapi.responses import Response

from longplay.access import answers, visitor
from longplay.access.answers import Content
from longplay.access.conditions import conditions
from longplay.access.context import Context, Leave
from longplay.access.people.listeners import Listener
from longplay.rights.statements import Act

MOST = 16_384
"""Requests that are remembered: some 1,500 bytes each."""

PROOFS = (b"authorization", b"cookie")
"""Headers that say who asks."""

METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, and how things stood before it was looked into: the accounts' last change, and the
    library that was read."""

    request: bytes
    address: str
    people: int
    library: object


@dataclass(frozen=True, slots=True)
class _Given:
    seen: Seen
    leave: Leave
    act: Act
    listener: Listener
    content: Content


@dataclass(slots=True)
class Recent:
    """The requests of one process. What is remembered is written by threads that look, and read
    where nothing may wait."""

    here: Context
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _given: dict[bytes, _Given] = field(default_factory=dict)

    def look(self, scope: Any) -> Seen | None:
        """Note how things stand, before a request is looked into; None where what is found for it
        is not to be remembered."""
        people, library = self.here.people_changes(), self.here.library_now()
        if scope["method"] not in METHODS or people is None or library is None:
            return None
        address = visitor.address(scope)
        return Seen(self._digest(scope, address), address, people, library)

    def answer(self, seen: Seen, scope: Any) -> Response | None:
        """The answer to a request that was answered before, if all is as it was."""
        given = self._given.get(seen.request)
        if given is None or given.seen != seen:
            return None
        root, who = given.leave.key.root, given.listener
        if self.here.at_once(root, given.act, signed_in=who.signed_in) is not given.leave:
            return None
        if self.here.guarded.decision(who.account, seen.address) is not None:
            return None
        return answers.answer(conditions(scope), given.content)

    def remember(
        self, seen: Seen, listener: Listener, leave: Leave, act: Act, content: Content
    ) -> None:
        """Remember what was found for a request: an object as it is held, sent by this leave."""
        if len(self._given) >= MOST:
            self._given.clear()
        self._given[seen.request] = _Given(seen, leave, act, listener, content)

    def _digest(self, scope: Any, address: str) -> bytes:
        """What tells requests apart. Proofs stand in them: what is kept means nothing outside this
        process."""
        digest = hashlib.blake2b(scope["query_string"], digest_size=32, key=self._key)
        digest.update(f"\0{scope['path']}\0{address}".encode(errors="replace"))
        for name, value in scope["headers"]:
            if name in PROOFS:
                digest.update(b"\0%s\0%s" % (name, value))
        return digest.digest()
