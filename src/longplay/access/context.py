"""What every request needs: the archive, and leave from the gate by the claims as they are now."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fastapi import Request

from longplay import clock
from longplay.access.beside import Beside
from longplay.access.glances import Glance
from longplay.access.guarding import Guarded
from longplay.access.known import Known, Remembered
from longplay.access.library.covers import Hears
from longplay.access.library.library import Library
from longplay.access.library.view import View
from longplay.access.log import AccessLog
from longplay.access.oai.index import Index
from longplay.access.people.store import People
from longplay.access.preserved import Counting, Preserved
from longplay.access.spelled import Spelled
from longplay.access.streams.making import Maker
from longplay.archive import Archive
from longplay.catalogue import layout
from longplay.ledger import log
from longplay.model import ObjectKey
from longplay.rights.gate import Refusal, Shareable
from longplay.rights.statements import Act
from longplay.workflows import judging, withdrawing
from longplay.workflows.withdrawing import Memory, Reserved, Standing

REMEMBERED = 16_384
"""Answers of the gate that are kept: pieces of one file are asked for again and again."""

TRANSCODES = Path("cache", "transcodes")
"""Where smaller copies lie, in the archive's folder."""

ANSWER_SECONDS = 60.0
"""How long one is kept: a statement's last day may end meanwhile."""


Changes = tuple[int, tuple[int, int]]
"""How far the ledger is, and which file names the snapshot."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The gate's answer about one object, and the suffix of its file. `standing` are the claims by
    which it was judged: under others it counts for nothing."""

    answer: Shareable | Refusal
    key: ObjectKey
    suffix: str
    until: float
    standing: Standing


@dataclass(slots=True)
class Context:
    """The archive that is served, and what its claims withdraw. Shared by all threads."""

    archive: Archive
    people: People
    torrents: tuple[int, frozenset[bytes]] | None = None
    """The tracker's: how many releases there were, and the info-hashes of all of them."""
    mining_rules: tuple[Reserved, list[dict[str, object]]] | None = None
    """What `tdmrep.json` says, and the reservations that it was made of."""
    _known: Remembered = field(init=False)
    oai: Index | None = None
    """When what OAI-PMH tells last changed."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: tuple[int, int] = (-1, -1)
    _unchanged: Changes | None = None
    _changes: Glance[Changes | None] = field(init=False)
    _pointer: str = field(init=False)
    people_changes: Glance[int | None] = field(init=False)
    """What is another number once anything was changed in the accounts."""
    _standing: Standing = field(default_factory=lambda: Standing(frozenset(), 0))
    _reserved: Reserved | None = None
    _withdrawals: Memory = field(default_factory=Memory)
    _reservations: Memory = field(default_factory=Memory)
    _answers: dict[tuple[bytes, Act, bool], Leave] = field(default_factory=dict)
    _library: Library = field(init=False)
    _counting: Counting = field(init=False)
    beside: Beside = field(default_factory=lambda: Beside("warming"))
    """Where a server gets ready."""
    counting_plays: Beside = field(default_factory=lambda: Beside("plays"))

    log: AccessLog = field(init=False)
    guarded: Guarded = field(init=False)
    maker: Maker = field(init=False)
    spelled: Spelled = field(init=False)

    def __post_init__(self) -> None:
        settings = self.archive.settings
        self._pointer = str(self.archive.catalogue / layout.POINTER)
        self._changes = Glance(self._changed)
        self.people_changes = Glance(self.people.changes)
        self.log = AccessLog(self.archive.folder, settings.serving)
        self.guarded = Guarded(self.archive.folder, settings.guard)
        self.maker = Maker(self.archive.folder / TRANSCODES, settings)
        self._library = Library(self.archive)
        self._known = Remembered(self.archive)
        self._counting = Counting(self.archive)
        self.spelled = Spelled(self.archive)

    def close(self) -> None:
        """Stop what is under way, and write down what waits to be."""
        self.maker.close()
        for working in (
            self._library,
            self._known,
            self._counting,
            self.oai,
            self.beside,
            self.counting_plays,
        ):
            if working is not None:
                working.close()
        self.log.close()
        self.people.close()

    def library(self, listener: Hears) -> View:
        """What is held, as this listener may hear it. Cheap: ask for each request."""
        return self._library.view(listener.signed_in, self.standing())

    def library_now(self) -> object | None:
        """What names the library that is read now; None where `library` must be asked, which may
        wait, or has to look whether another one is due."""
        return self._library.now()

    def known(self) -> Known:
        """The catalogue, open for searching, and what is held of it. Raises ArchiveError."""
        return self._known.now()

    def preserved(self) -> Preserved | None:
        """The archive in figures, as they were counted last; None where they never were. Raises
        ArchiveError."""
        return self._counting.now(self.known())

    def source(self, leave: Leave) -> Path | Callable[[int, int], bytes]:
        """Where the bytes of an object are had: its file, or what asks the store for parts."""
        store, key, suffix = self.archive.store, leave.key, leave.suffix
        return store.local(key, suffix) or partial(store.read, key, suffix)

    def accel(self, leave: Leave) -> str:
        """The path by which nginx has an object, where the settings leave sending to it."""
        prefix = self.archive.settings.serving.accel
        path = self.archive.store.local(leave.key, leave.suffix) if prefix else None
        if path is None:
            return ""
        name = leave.key.hex
        return f"{prefix}objects/{name[:2]}/{name[2:4]}/{path.name}"

    def standing(self) -> Standing:
        """What is withdrawn at this moment: worked out again whenever the log or the catalogue
        has grown, for a claim may be about what came or was joined since."""
        now = self._changes()
        if now is not None and now == self._unchanged:
            return self._standing
        with self.archive.ledger.read() as connection:
            head = log.head(connection)
        seen = head, layout.current_number(self.archive.catalogue)
        with self._lock:
            if seen != self._seen:
                self._standing = withdrawing.standing(self.archive, self._withdrawals)
                self._reserved = None
                self._answers.clear()
                self._seen = seen
            self._unchanged = now
            return self._standing

    def _changed(self) -> Changes | None:
        """What is another value once anything was committed to the ledger or imported into the
        catalogue, and costs a hundredth of looking; None where there is no such thing."""
        committed = self.archive.ledger.changes()
        if committed is None:
            return None
        try:
            pointer = os.stat(self._pointer)  # noqa: PTH116 - faster
        except OSError:
            return committed, (0, 0)
        return committed, (pointer.st_ino, pointer.st_mtime_ns)

    def at_once(self, root: bytes, act: Act, *, signed_in: bool = False) -> Leave | None:
        """`leave`, where it is known and asking took no time; None where `leave` must be asked,
        which may wait for the ledger."""
        now = self._changes()
        if now is None or now != self._unchanged:
            return None
        known = self._answers.get((root, act, signed_in))
        if known is None or known.standing is not self._standing:
            return None
        return known if known.until >= clock.monotonic() else None

    def leave(self, root: bytes, act: Act, *, signed_in: bool = False) -> Leave | None:
        """The gate's answer to somebody who is signed in, or to anybody; None when no such object
        is held."""
        standing = self.standing()
        known = self._answers.get((root, act, signed_in))
        if known is None or known.standing is not standing or known.until < clock.monotonic():
            known = self._judge(root, act, standing, signed_in)
            if known is None:
                return None
            with self._lock:
                if len(self._answers) >= REMEMBERED:
                    self._answers.clear()
                self._answers[root, act, signed_in] = known
        if isinstance(known.answer, Shareable):
            known.answer.require(act, standing.position)
        return known

    def permits(self, root: bytes, act: Act, *, signed_in: bool = False) -> bool:
        """Whether the gate gives leave at this moment."""
        leave = self.leave(root, act, signed_in=signed_in)
        return leave is not None and isinstance(leave.answer, Shareable)

    def reserved(self) -> Reserved:
        """What rights holders reserve from text and data mining."""
        self.standing()
        with self._lock:
            if self._reserved is None:
                self._reserved = withdrawing.reserved(self.archive, self._reservations)
            return self._reserved

    def _judge(self, root: bytes, act: Act, standing: Standing, signed_in: bool) -> Leave | None:
        with self.archive.ledger.read() as connection:
            found = judging.stated(connection, root)
        if found is None:
            return None
        answer = judging.judge(found, act, clock.now(), standing, signed_in=signed_in)
        until = clock.monotonic() + ANSWER_SECONDS
        return Leave(answer, found.key, found.suffix, until, standing)


def context(request: Request) -> Context:
    """The context of the application that a request came to."""
    found = request.app.state.context
    assert isinstance(found, Context)
    return found
