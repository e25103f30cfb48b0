"""One guard process for an archive that is served: reads what the web workers write, judges, and
decides as the settings say. What it decides, they read (`record`).

Killed at any moment it goes on from the state that it saved last: what it judges again leads to the
decisions that stand already. A decision of a person is never changed by the guard; one of its own
only to something graver.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from longplay import clock, logs
from longplay.errors import ArchiveError, LongplayError
from longplay.files import write_json, writer_lock
from longplay.guard import record, stream
from longplay.guard.baseline import Baseline
from longplay.guard.baseline import load as load_baseline
from longplay.guard.following import Follower
from longplay.guard.keeping import Kept
from longplay.guard.reading.mapping import Mapping, recognise
from longplay.guard.reading.reader import HEAD_LINES
from longplay.guard.record import GUARD, SEVERITY, Act, Decision, Record
from longplay.guard.verdict import Judged, Verdict
from longplay.guard.watching import Watching
from longplay.guard.watching import load as load_state
from longplay.ledger.database import Ledger
from longplay.settings import Guarding

LOG = "access.log.jsonl"
"""The file that web workers write, in the archive's folder."""

LOCK, PICTURE = "run.lock", "picture.json"

SAVE_SECONDS = 60.0
"""How much is read again after a kill."""

GROUP_SECONDS = 20.0
"""How often groups are looked for: that takes longer than judging."""

TIDY_SECONDS = 3600.0
"""How often it is looked for what is kept too long."""

PICTURE_SECONDS = 5.0

PICTURED = 500
"""Accounts in the operator's picture: those that took most."""

BLOCKS = 16
"""Blocks of a log that are read before what follows from them is decided."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one look at the logs brought: events, and decisions that are new."""

    events: int
    decided: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Others:
    """Logs of another service, and what they call our fields (`reading.mapping`)."""

    logs: Sequence[Path] = ()
    wishes: dict[str, str] = field(default_factory=dict)


class Guard:
    """The guard of one archive, and of a service whose logs it follows."""

    def __init__(
        self,
        folder: Path,
        settings: Guarding,
        ledger: Ledger,
        others: Others | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._ledger = ledger
        self._state_path = folder / record.FOLDER / record.STATE
        known = load_baseline(Path(settings.baseline)) if settings.baseline else Baseline()
        self.watching: Watching = load_state(self._state_path, known, settings.accounts)
        self._others = others or Others()
        self._foreign = {Path(log).absolute() for log in self._others.logs}
        self._mappings: dict[Path, Mapping] = {}
        self.followers = []
        for log in (folder / LOG, *map(Path, settings.logs), *sorted(self._foreign)):
            one = Follower(folder / log)
            one.place = self.watching.places.get(str(one.path), one.place)
            self.followers.append(one)
        self._kept = kept
        self._saved = self._grouped = self._pictured = clock.monotonic()
        self._tidied = -math.inf
        self._known: object = None
        if not self._state_path.exists():  # from now on whom a person releases is told to us
            self._begin()

    def _begin(self) -> None:
        """Save before anything is judged. Who cannot would fail at the next save, a minute later:
        better now, while whoever started it looks. Raises ArchiveError."""
        try:
            self.watching.save(self._state_path)
        except OSError as error:
            words = (error.strerror or str(error)).lower()
            raise ArchiveError(
                f"what the guard remembers cannot be saved: {words}",
                where=str(self._state_path),
                hint="check the folder's permissions and the free space",
            ) from error

    def step(self) -> Step:
        """Read what is new, and decide what follows from it."""
        standing = self._apply()
        now = int(clock.now().timestamp())
        events = 0
        for follower in self.followers:
            for _ in range(BLOCKS):
                block = follower.read()
                if not block:
                    break
                events += self.watching.take(block, now, self._mapping(follower))
        grouped = self._due("_grouped", GROUP_SECONDS)
        if grouped:
            self._group(standing)
        decided = self._decide(standing) if events or grouped else ()
        if self._due("_pictured", PICTURE_SECONDS):
            self._draw()
        # Not while a log that has turned may have a line yet: it would count as lost.
        kept = self._kept if not self.reads_on else None
        if kept and kept.days and self._due("_tidied", TIDY_SECONDS):
            self._tidy(kept)
        if self._due("_saved", SAVE_SECONDS):
            self.save()
        return Step(events, decided)

    def _mapping(self, follower: Follower) -> Mapping | None:
        """How a log of another service is read; None: as `longplay serve` writes. Raises
        InputError where that cannot be told."""
        path = follower.path
        if path not in self._foreign:
            return None
        found = self._mappings.get(path)
        if found is None:
            head = follower.beginning()[:HEAD_LINES]
            found = recognise(head, self._others.wishes, str(path))
            if head:
                self._mappings[path] = found
        return found

    def conclude(self) -> tuple[Decision, ...]:
        """Look for groups now, when no more is to be read."""
        standing = self._apply()
        self._group(standing)
        return self._decide(standing)

    @property
    def reads_on(self) -> bool:
        """Whether a log has turned whose followers are not read yet, though nothing came last."""
        return any(one.ended for one in self.followers)

    def _group(self, standing: Record) -> None:
        self.watching.look_for_alone()
        taken = max((one.group or 0 for one in standing.decisions.values()), default=0)
        excluded = frozenset(who.partition(":")[2] for who in standing.excluded)
        self.watching.look_for_groups(taken, excluded)

    def save(self) -> None:
        """Write down what is remembered, and how far the logs were read."""
        self.watching.places = {str(one.path): replace(one.place) for one in self.followers}
        self.watching.save(self._state_path)
        self._settle()
        self._draw()
        yesterday = (clock.now() - timedelta(days=1)).date().isoformat()
        for day in (self._folder / record.FOLDER / record.TAKEN).glob("*"):
            if day.name < yesterday:
                shutil.rmtree(day, ignore_errors=True)

    def _tidy(self, kept: Kept) -> None:
        """Erase what is kept too long: lines of the archive's log, changes that were told, and
        addresses that were not seen since, with what the guard decided about them."""
        try:
            kept.tidy()
        except OSError as error:
            logs.event("access log cannot be erased", logs.WARNING, why=str(error))
        before = clock.now() - timedelta(days=kept.days)
        self.watching.forget_addresses(before.timestamp())
        known = set(self.watching.names.values())
        with record.changing(self._folder, self._ledger) as now:
            for who, one in list(now.decisions.items()):
                old = one.by == GUARD and one.since < clock.text_of(before)
                if old and who.startswith("address:") and who.partition(":")[2] not in known:
                    now.release(who, GUARD, f"not seen for {kept.days:g} days")
            stream.erase(self._folder / record.FOLDER, kept.days)

    def _due(self, name: str, seconds: float) -> bool:
        now = clock.monotonic()
        if now - getattr(self, name) < seconds:
            return False
        setattr(self, name, now)
        return True

    def _apply(self) -> Record:
        """What is decided. Takes into account what persons did since: whom they released begins
        anew."""
        now = record.load(record.path_of(self._folder))
        if self._known == (now.began, now.changes):
            return now
        after = self._applied(now)
        cleared = {who.partition(":")[2] for who, number in now.cleared.items() if number > after}
        if cleared:
            self.watching.forget(cleared)
        self.watching.began, self.watching.applied = self._known = now.began, now.changes
        return now

    def _applied(self, now: Record) -> int:
        """The last change of a record that was taken into account: none of one that was restored,
        or begun anew, since."""
        same = self.watching.began in ("", now.began) and self.watching.applied <= now.changes
        return self.watching.applied if same else 0

    def _settle(self) -> None:
        """Take out of the record whom it names only for the guard to begin anew with them, now that
        it has saved that it did."""
        numbers = record.load(record.path_of(self._folder)).cleared.values()
        if numbers and min(numbers) <= self.watching.applied:
            with record.changing(self._folder, self._ledger) as now:
                now.settle(self._applied(now))

    def _decide(self, standing: Record) -> tuple[Decision, ...]:
        suspects = self.watching.suspects()
        if not any(self._wanted(one, standing) for one in suspects):
            return ()
        made = []
        with record.changing(self._folder, self._ledger) as now:
            for one in suspects:
                decision = self._wanted(one, now)
                if decision is None:
                    continue
                full = len(now.decisions) >= record.MOST_DECISIONS
                if full and decision.who not in now.decisions:
                    logs.event("guard holds too many decisions", logs.WARNING)
                    continue
                now.decide(decision)
                made.append(decision)
        return tuple(made)

    def _wanted(self, one: Judged, standing: Record) -> Decision | None:
        """The decision that an account calls for, where it is not made yet."""
        who = record.who_of(one.account)
        if not one.account or who in standing.excluded:
            return None
        # Released a moment ago, by a person: `_apply` makes it begin anew first.
        if standing.cleared.get(who, 0) > self._applied(standing):
            return None
        act = Act(self._settings.act if one.verdict is Verdict.SCRAPER else self._settings.watch)
        if who.startswith("address:"):
            act = min(act, Act(self._settings.anonymous), key=SEVERITY.__getitem__)
        known = standing.decisions.get(who)
        if known is not None:
            graver = SEVERITY[act] > SEVERITY[known.act] or (
                act is known.act and known.verdict != one.verdict.value
            )
            worse = one.verdict is Verdict.SCRAPER or known.verdict == Verdict.WATCH.value
            if known.by != GUARD or not (graver and worse):
                return None
        until = one.decided_at if one.decided_at is not None else clock.now().timestamp()
        hours = round(max(until - one.first_seen, 0) / 3600, 1)
        return Decision(
            who, act, clock.timestamp(), GUARD, one.verdict.value, one.probability, one.tracks,
            hours, one.group, one.reasons,
        )  # fmt: skip

    def _draw(self) -> None:
        """Write what the operator's page shows: who took how many tracks in how long."""
        counts = self.watching.counts
        rows = [
            {"who": record.who_of(name), "hours": round((last - first) / 3600, 2),
             "tracks": round(tracks)}
            for name, first, last, tracks in self.watching.breadth(PICTURED)
            if name
        ]  # fmt: skip
        damage = [one.damage.too_long for one in self.followers]
        document = {
            "time": clock.timestamp(),
            "accounts": len(self.watching.accounts),
            "events": counts.events,
            "no_event": counts.no_event,
            "too_long": sum(damage),
            "ahead": counts.ahead,
            "forgotten": counts.forgotten,
            "lost_logs": sum(one.lost for one in self.followers),
            "shown": rows,
        }
        write_json(self._folder / record.FOLDER / PICTURE, document)


@contextmanager
def opened(
    folder: Path,
    settings: Guarding,
    ledger: Ledger,
    others: Others | None = None,
    kept: Kept | None = None,
) -> Iterator[Guard]:
    """The only guard of an archive; what it remembers is saved when the block ends. Raises
    LockedError, ArchiveError, InputError."""
    with writer_lock(folder / record.FOLDER / LOCK, "guard's state"):
        with record.changing(folder, ledger):
            pass  # enters what a killed process did not
        guard = Guard(folder, settings, ledger, others, kept)
        try:
            yield guard
        finally:
            with suppress(OSError, LongplayError):
                guard.save()


def run(guard: Guard, pause: Callable[[], bool], tell: Callable[[Decision], None]) -> None:
    """Watch until `pause`, which waits between two looks, says that it is enough."""
    while True:
        step = guard.step()
        for decision in step.decided:
            tell(decision)
        if not step.events and not guard.reads_on and pause():
            break
    for decision in guard.conclude():
        tell(decision)
