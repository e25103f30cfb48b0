"""Looks at what may have changed, each shared by the requests that were waiting when it was taken.

Every answer goes by how things stand: what the ledger has committed, the accounts, the guard's
decisions. To look costs some system calls, and tens of thousands of requests come in a second. One
look does for all that had arrived before it: an event loop runs what is due in the order in which
it became due, and a look is forgotten by the first that became due after it. So a request that
comes after a change always sees it.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, _get_running_loop
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Glance(Generic[T]):
    """Call it for what `look` gives. In threads, where nothing tells what came before what, it
    looks each time."""

    __slots__ = ("_found", "_look", "_loop")

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._loop: AbstractEventLoop | None = None
        """Whose requests share what was found."""

    def __call__(self) -> T:
        """What is so now, or was when those who ask in this turn of the loop already waited."""
        loop = _get_running_loop()
        if loop is None:
            return self._look()
        if self._loop is not loop:
            loop.call_soon(self._forget)  # before the look: what is due after this may know more
            self._found = self._look()
            self._loop = loop
        return self._found

    def _forget(self) -> None:
        self._loop = None
