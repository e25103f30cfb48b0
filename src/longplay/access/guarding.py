"""What the guard decided, as web workers know it: one small file, looked at for every request for
sound and read again when it was replaced. Here stands what follows for a listener, and the words in
which he is told."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fastapi.responses import Response

from longplay import clock, logs
from longplay.access.glances import Glance
from longplay.access.pacing import Pace, Slowed
from longplay.errors import ArchiveError
from longplay.files import turns
from longplay.guard import record
from longplay.guard.record import Act, Decision, Record
from longplay.settings import Guarding

APPEAL = "/appeal"
"""The page where an accused listener reads why, and answers."""

BUSY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Refused:
    """Why somebody gets no sound: a status of HTTP, words, and seconds to wait where that
    helps."""

    status: int
    words: str
    seconds: int | None = None


@dataclass(slots=True)
class Guarded:
    """The decisions of one archive. Shared by all threads of a worker."""

    folder: Path
    settings: Guarding
    _seen: tuple[int, int, int] | None = None
    _record: Record = field(default_factory=Record)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _path: str = field(init=False)
    now: Glance[Record] = field(init=False)
    """What is decided at this moment. A file that cannot be read changes nothing: what was decided
    before holds."""

    def __post_init__(self) -> None:
        self._path = str(record.path_of(self.folder))
        self.now = Glance(self._looked)

    def _looked(self) -> Record:
        try:
            facts = os.stat(self._path)  # noqa: PTH116 - faster, and asked for with every request
        except FileNotFoundError:
            self._record, self._seen = Record(), None
            return self._record
        except OSError:
            return self._record
        seen = facts.st_ino, facts.st_mtime_ns, facts.st_size
        if seen != self._seen:
            with self._lock:
                if seen != self._seen:  # another thread may have read it meanwhile
                    self._read(seen)
        return self._record

    def _read(self, seen: tuple[int, int, int]) -> None:
        try:
            self._record = record.load(Path(self._path))
        except ArchiveError as error:
            logs.event("guard decisions cannot be read", logs.WARNING, why=str(error))
        self._seen = seen

    def decision(self, account: int | None, address: str) -> Decision | None:
        """What is decided about somebody, where that is more than to observe."""
        decisions = self.now().decisions
        if not decisions:
            return None
        found = decisions.get(who(account, address))
        return None if found is None or found.act is Act.OBSERVE else found

    def refuses(self, account: int | None, address: str, track: str) -> Refused | None:
        """Why somebody may not have a track's sound now; None: nothing is against it. A track that
        a capped listener may have counts for his day."""
        found = self.decision(account, address)
        if found is None or found.act is Act.SLOW:
            return None
        if found.act is Act.DISABLE:
            return Refused(403, words(found, self.settings))
        if self._counted(found.who, track):
            return None
        return Refused(429, words(found, self.settings), _until_midnight())

    def bars(self, account: int | None, address: str) -> Refused | None:
        """Why somebody may not use the API at all; None: he may."""
        found = self.decision(account, address)
        if found is None or found.act is not Act.DISABLE:
            return None
        return Refused(403, words(found, self.settings))

    def slows(self, account: int | None, address: str) -> bool:
        """Whether somebody is held to a pace: then no other server may send the bytes."""
        found = self.decision(account, address)
        return found is not None and found.act in (Act.SLOW, Act.HOLD)

    def slowed(self, account: int | None, address: str, answer: Response) -> Response | Refused:
        """The answer, at the pace that somebody is held to."""
        found = self.decision(account, address)
        if found is None or not self.slows(account, address):
            return answer
        path = self._today(found.who)
        pace = Pace(path.with_name(f"{path.name}.pace"), self.settings.slow_kb * 1000)
        seat = pace.seat()
        if seat is None:
            return Refused(429, "too many of your downloads run at once", BUSY_SECONDS)
        return Slowed(answer, pace, seat)

    def _counted(self, who: str, track: str) -> bool:
        """Whether a track is among those that a capped listener may have today; a new one is
        counted as one of them, for all workers."""
        mark = hashlib.blake2b(track.encode(), digest_size=8).digest()
        with turns(self._today(who)) as file:
            data = os.pread(file, 8 * self.settings.cap_tracks, 0)
            known = {data[at : at + 8] for at in range(0, len(data), 8)}
            if mark in known:
                return True
            if len(known) >= self.settings.cap_tracks:
                return False
            os.pwrite(file, mark, len(data) // 8 * 8)
            return True

    def _today(self, who: str) -> Path:
        """The file of what somebody had today; the guard removes those of days that went."""
        day = self.folder / record.FOLDER / record.TAKEN / clock.timestamp()[:10]
        return day / hashlib.blake2b(who.encode(), digest_size=12).hexdigest()


def who(account: int | None, address: str) -> str:
    """How decisions name somebody."""
    return f"address:{address}" if account is None else f"account:{account}"


def _until_midnight() -> int:
    now = clock.now()
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(int((midnight - now).total_seconds()), 1)


def words(found: Decision, settings: Guarding) -> str:
    """What is decided about somebody, and why, for him to read."""
    what = {
        Act.OBSERVE: "Nothing is restricted",
        Act.SLOW: "Sound comes no faster than it plays",
        Act.CAP: f"There are {settings.cap_tracks} tracks a day",
        Act.HOLD: f"Until a person has looked, there are {settings.cap_tracks} tracks a day, no "
        "faster than they play",
        Act.DISABLE: "There is no sound for you here",
    }[found.act]
    why = f": {found.reasons[0]}" if found.reasons else ""
    return (
        f"{what}, for your listening looks like copying the catalogue{why}. "
        f"If that is wrong, say so at {APPEAL}; a person reads it."
    )
