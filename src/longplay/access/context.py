"""What every request needs: the archive, and leave from the gate by the claims as they are now."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import Request

from longplay import clock
from longplay.archive import Archive
from longplay.ledger import log
from longplay.model import ObjectKey
from longplay.rights.gate import Refusal, Shareable
from longplay.rights.statements import Act
from longplay.workflows import claims, judging
from longplay.workflows.judging import Standing

REMEMBERED = 16_384
"""Answers of the gate that are kept: pieces of one file are asked for again and again."""

ANSWER_SECONDS = 60.0
"""How long one is kept: a statement's last day may end meanwhile."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The gate's answer about one object, and the suffix of its file."""

    answer: Shareable | Refusal
    key: ObjectKey
    suffix: str
    until: float


@dataclass(slots=True)
class Context:
    """The archive that is served, and what its claims withdraw. Shared by all threads."""

    archive: Archive
    torrents: tuple[int, frozenset[bytes]] | None = None
    """The tracker's: how many releases there were, and the info-hashes of all of them."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _head: int = -1
    _standing: Standing = field(default_factory=lambda: Standing(frozenset(), 0))
    _answers: dict[tuple[bytes, Act], Leave] = field(default_factory=dict)

    def standing(self) -> Standing:
        """What is withdrawn at this moment: worked out again whenever the log has grown."""
        with self.archive.ledger.read() as connection:
            head = log.head(connection)
        with self._lock:
            if head != self._head:
                self._standing = judging.standing(self.archive)
                self._answers.clear()
                self._head = head
            return self._standing

    def leave(self, root: bytes, act: Act) -> Leave | None:
        """The gate's answer to an anonymous listener; None when no such object is held."""
        standing = self.standing()
        known = self._answers.get((root, act))
        if known is None or known.until < clock.monotonic():
            known = self._judge(root, act, clock.now(), standing)
            if known is None:
                return None
            with self._lock:
                if len(self._answers) >= REMEMBERED:
                    self._answers.clear()
                self._answers[root, act] = known
        if isinstance(known.answer, Shareable):
            known.answer.require(act, standing.position)
        return known

    def all_reserved(self) -> set[int]:
        """The recordings whose rights holders reserve text and data mining."""
        return claims.reserved_recordings(self.archive)

    def reserved(self, recording: int) -> bool:
        """Whether it is reserved for one recording."""
        return recording in self.all_reserved()

    def _judge(self, root: bytes, act: Act, at: datetime, standing: Standing) -> Leave | None:
        with self.archive.ledger.read() as connection:
            found = judging.stated(connection, root)
        if found is None:
            return None
        answer = judging.judge(found, act, at, standing)
        return Leave(answer, found.key, found.suffix, clock.monotonic() + ANSWER_SECONDS)


def context(request: Request) -> Context:
    """The context of the application that a request came to."""
    found = request.app.state.context
    assert isinstance(found, Context)
    return found
