"""The access log: who heard what and who looked, as JSON lines, for the guard.
docs/formats/access-log.md

Whole lines are one write at the end of the file, so that several processes share it. They are
written by a thread of their own: no answer waits for a disk. An account stands there by its number,
never by its name.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import queue
import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Literal

from longplay import clock, logs
from longplay.guard.keeping import Kept
from longplay.settings import Serving

FILE = "access.log.jsonl"

LOCK = "access.log.lock"

Action = Literal["play", "skip", "download"]

Look = Literal["search", "browse"]

MOST_WAITING = 20_000
"""Events that wait to be written, while a disk hangs; what comes then is counted, and lost."""

MOST_AT_ONCE = 65_536
"""Bytes of one write, but for its last line."""

MOST_OPEN = 20_000
"""Plays under way; with more the oldest count as ended."""

MOST_OF_ACCOUNT, MOST_OF_ADDRESS = 8, 64
"""Plays of one account, or of an address without one, that are under way; with more the one that is
longest without a range has ended. Nobody hears so many at once, and what is copied fast stands in
the log as fast, for the guard to see."""

SETTLE_SECONDS = 15.0
"""A play is one line, though players ask for it in many ranges: so long after the last one it has
ended."""

LOOK_SECONDS = 1.0

GATHER_SECONDS = 0.05
"""A line waits so long for others, with which it is written."""

PLAYED_SECONDS, PLAYED_SHARE = 30.0, 0.5
"""Heard for so long, or for such a share of it, a track was played; otherwise it was skipped."""

TIDY_SECONDS = 3600.0
"""Between two looks for what is too old to be kept."""

MOST_PARTS = 8
"""Of a play, apart from each other; with more another line begins: what is between them was not
sent, and may be asked for later."""

OF = 1_000_000
"""Of how many a part is told."""

MOST_TEXT = 200
"""Characters of an address or an id that are written down."""


@dataclass(frozen=True, slots=True)
class Play:
    """Somebody hears a track that plays so many seconds (0: not known)."""

    account: int | None
    address: str
    track: str
    seconds: float


Part = tuple[float, float]
"""From where to where in a track, in shares of it."""


@dataclass(slots=True)
class _Open:
    """A play under way: what was sent so far, and when last. `parts` are those of the track that
    were sent, in order and apart from each other; None where one of them is not known."""

    began: str
    size: int
    listened: float
    last: float
    parts: list[Part] | None


def kept(folder: Path, serving: Serving) -> Kept:
    """The log of the archive at `folder`, with how long it is kept."""
    return Kept(folder / FILE, folder / LOCK, serving.log_files, serving.log_days)


class AccessLog:
    """The log of an archive. Any thread may write; nothing waits."""

    def __init__(self, folder: Path, serving: Serving) -> None:
        self._path = folder / FILE
        self._kept = kept(folder, serving)
        self._most = int(serving.log_mb * 10**6)
        self._queue: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self._plays: OrderedDict[Play, _Open] = OrderedDict()
        self._of: dict[int | str, OrderedDict[Play, None]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._lost = 0
        self._tidied = -math.inf
        self._tidy()

    def note(
        self,
        account: int | None,
        address: str,
        track: str,
        size: int,
        listened_s: float,
        action: Action,
        time: str = "",
        parts: list[Part] | None = None,
    ) -> None:
        """Write an event down."""
        line = _line(time, account, address, track, size, listened_s, action)
        self._put(line | ({"part": _told(parts)} if parts else {}))

    def looked(self, account: int | None, address: str, action: Look, what: str) -> None:
        """Somebody searched or looked at something, by a page or a call that is named so. Which
        words or things, is not written down. The line has the fields of a play, since whoever reads
        the log may go by those of its first lines."""
        line = _line("", account, address, "", 0, 0.0, action)
        self._put(line | {"what": what[:MOST_TEXT]})

    def _put(self, line: dict[str, object]) -> None:
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        self._start()
        try:
            self._queue.put_nowait(data)
        except queue.Full:
            self._lost += 1

    def heard(
        self,
        play: Play,
        size: int,
        listened_s: float,
        part: Part | None = None,
        *,
        download: bool,
    ) -> None:
        """So many bytes of a track went out, which are so many seconds of sound and this part of
        it. What comes soon after is the same play."""
        parts = None if part is None else [part]
        if download:
            self.note(play.account, play.address, play.track, size, 0.0, "download", parts=parts)
            return
        now = clock.monotonic()
        ended: list[tuple[Play, _Open]] = []
        with self._lock:
            known = self._taken_out(play)
            both = _joined(known.parts, parts) if known is not None else parts
            if known is not None and (
                now - known.last > SETTLE_SECONDS or (both and len(both) > MOST_PARTS)
            ):
                ended.append((play, known))
                known, both = None, parts
            known = known or _Open(clock.timestamp(), 0, 0.0, now, None)
            known.parts = both
            known.size, known.last = known.size + size, now
            known.listened += listened_s
            self._plays[play] = known
            own = self._of.setdefault(_who(play), OrderedDict())
            own[play] = None
            most = MOST_OF_ADDRESS if play.account is None else MOST_OF_ACCOUNT
            oldest = next(iter(own if len(own) > most else self._plays))
            if len(own) > most or len(self._plays) > MOST_OPEN:
                ended.append((oldest, self._plays[oldest]))
                self._taken_out(oldest)
        self._end(ended)
        self._start()

    def _taken_out(self, play: Play) -> _Open | None:
        known = self._plays.pop(play, None)
        if known is not None:
            own = self._of[_who(play)]
            del own[play]
            if not own:
                del self._of[_who(play)]
        return known

    def close(self) -> None:
        """Write what waits, and stop."""
        self._settle(everything=True)
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            with suppress(queue.Full):
                self._queue.put(None, timeout=LOOK_SECONDS)
            thread.join(10 * LOOK_SECONDS)

    def _end(self, plays: Iterable[tuple[Play, _Open]]) -> None:
        for play, told in plays:
            listened = min(told.listened, play.seconds) if play.seconds else told.listened
            played = listened >= PLAYED_SECONDS or (
                play.seconds > 0 and listened >= PLAYED_SHARE * play.seconds
            )
            action: Action = "play" if played else "skip"
            self.note(
                play.account, play.address, play.track, told.size, listened, action, told.began,
                told.parts,
            )  # fmt: skip

    def _settle(self, *, everything: bool = False) -> None:
        """Write the plays that have ended: those longest without a range stand first."""
        before = clock.monotonic() - SETTLE_SECONDS
        ended = []
        with self._lock:
            while self._plays:
                play, told = next(iter(self._plays.items()))
                if told.last > before and not everything:
                    break
                self._taken_out(play)
                ended.append((play, told))
        self._end(ended)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="access log", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def _run(self) -> None:
        while True:
            lines, is_open = self._waiting()
            if lines:
                self._write(b"".join(lines))
            if not is_open:
                return
            self._settle()
            self._tidy()
            if self._lost:
                lost, self._lost = self._lost, 0
                logs.event("access log lost events", logs.WARNING, count=lost)

    def _waiting(self) -> tuple[list[bytes], bool]:
        """Lines that wait to be written, a second's wait for one included; and whether others may
        follow."""
        lines: list[bytes] = []
        with suppress(queue.Empty):
            line = self._queue.get(timeout=LOOK_SECONDS)
            if line is not None:
                sleep(GATHER_SECONDS)  # to be woken for each would hold up those who answer
            size = 0
            while line is not None:
                lines.append(line)
                size += len(line)
                if size >= min(MOST_AT_ONCE, self._most):
                    break
                line = self._queue.get_nowait()
            return lines, line is not None
        return lines, True

    def _write(self, data: bytes) -> None:
        """At the end of the file as it is called now. A disk that is full costs the line."""
        try:
            number = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            try:
                os.write(number, data)
                size = os.fstat(number).st_size
            finally:
                os.close(number)
            if size >= self._most:
                self._kept.turn(self._most)
        except OSError as error:
            logs.event("access log cannot be written", logs.WARNING, why=str(error))

    def _tidy(self) -> None:
        """Once an hour, erase what is too old."""
        now = clock.monotonic()
        if now - self._tidied < TIDY_SECONDS:
            return
        self._tidied = now
        try:
            self._kept.tidy()
        except OSError as error:
            logs.event("access log cannot be erased", logs.WARNING, why=str(error))


def _joined(some: list[Part] | None, more: list[Part] | None) -> list[Part] | None:
    """Parts in order, as one where they touch."""
    if some is None or more is None:
        return None
    both: list[Part] = []
    for low, high in sorted([*some, *more]):
        if both and low <= both[-1][1] + 0.5 / OF:
            both[-1] = both[-1][0], max(high, both[-1][1])
        else:
            both.append((low, high))
    return both


def _told(parts: list[Part]) -> str:
    """Parts as the log has them: `0-421299/1000000`, first and last."""
    ends = [(min(int(low * OF), OF - 1), min(math.ceil(high * OF), OF)) for low, high in parts]
    spans = [f"{first}-{max(last - 1, first)}" for first, last in ends]
    return f"{','.join(spans)}/{OF}"


def _who(play: Play) -> int | str:
    return play.address if play.account is None else play.account


def _line(
    time: str,
    account: int | None,
    address: str,
    track: str,
    size: int,
    listened_s: float,
    action: Action | Look,
) -> dict[str, object]:
    return {
        "time": time or clock.timestamp(),
        "account": account,
        "address": address[:MOST_TEXT],
        "track": track[:MOST_TEXT],
        "bytes": size,
        "listened_s": round(listened_s, 1),
        "action": action,
    }
