"""One call: who asks, for what, of which library. What every section's functions are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import Response

from longplay.access.library.view import View
from longplay.access.listener import Listener
from longplay.access.people import plays, stars
from longplay.access.people.store import People
from longplay.access.subsonic.failures import not_authorized
from longplay.access.subsonic.parameters import Asked
from longplay.access.subsonic.remembered import Moment
from longplay.access.subsonic.rendering import Tree
from longplay.access.subsonic.shapes import Marks
from longplay.rights.statements import Act

if TYPE_CHECKING:
    from longplay.access.context import Context


@dataclass
class Call:
    """A call by somebody who is known, with its parameters. `body` is what a POST brought beside
    them; `by_password` says that the caller proved to know the account's own password."""

    here: Context
    listener: Listener
    asked: Asked
    request: Request
    moment: Moment
    body: bytes = b""
    by_password: bool = False

    @cached_property
    def view(self) -> View:
        """What the listener may hear."""
        return self.here.library(self.listener)

    @cached_property
    def marks(self) -> Marks:
        """What the listener has starred, rated and played."""
        return self.moment.remembered.marks(self.moment.changes, self.account, self._marks)

    def _marks(self) -> Marks:
        return Marks(
            stars.starred(self.people, self.account),
            stars.ratings(self.people, self.account),
            plays.counts(self.people, self.account),
        )

    @property
    def people(self) -> People:
        """The accounts and what is theirs."""
        return self.here.people

    @property
    def account(self) -> int:
        """Whose call it is: every call but one is by an account."""
        assert self.listener.account is not None
        return self.listener.account

    @property
    def client(self) -> str:
        """What the program calls itself, cut to what is worth keeping."""
        return (self.asked.values.get("c") or [""])[0][:100]

    def require_admin(self, what: str) -> None:
        """Raise CallError for everybody else."""
        if not self.listener.is_admin:
            raise not_authorized(what)


@dataclass(frozen=True, slots=True)
class Sound:
    """An answer that is a track's sound: for `act`, in a format (empty: as it is held) of at most
    so many kbit/s (0: any), from `offset` seconds on."""

    track: str
    act: Act
    form: str = ""
    kbit: int = 0
    offset: float = 0.0


Handler = Callable[[Call], "Tree | Response | Sound"]
"""Answers one call with what stands in its envelope, or with bytes. Raises CallError."""
