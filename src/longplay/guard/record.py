"""What is decided about accounts: one small file that every web worker reads, and that the guard
process, the operator's commands and the operator's page write by turns. docs/formats/guard.md

Whoever changes it holds a lock, replaces it by a whole new file, and then enters the change into
the ledger's log and at the end of the stream (`stream`). What a killed process did not enter yet
stands in the file, and the next one who writes enters it: each change has a number, and no number
is entered twice.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from longplay import clock
from longplay.errors import ArchiveError
from longplay.files import secret, turns, write_durably
from longplay.guard import stream
from longplay.ledger import log
from longplay.ledger.database import Ledger
from longplay.ledger.tables import log as log_table

FOLDER, FILE, SALT = "guard", "decisions.json", "salt"

STATE = "state.npz"
"""What the guard remembers; it is there from when it begins."""

TAKEN = "taken"
"""The folder of what capped accounts had, a folder a day: a file each, of eight bytes a track."""

VERSION = 1

MOST_BYTES = 64 * 2**20
"""Of the file: about a hundred thousand decisions."""

MOST_DECISIONS = 50_000
"""About that many accounts the guard decides by itself; beyond it somebody must look first."""


class Act(StrEnum):
    """What is done about somebody, the mildest first."""

    OBSERVE = "observe"
    SLOW = "slow"
    CAP = "cap"
    HOLD = "hold"
    DISABLE = "disable"


SEVERITY = {act: at for at, act in enumerate(Act)}

GUARD = "guard"
"""Who decides where no person does."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about `who` (`account:7`, `address:192.0.2.1`), by whom and why. `tracks`
    is how many different ones it had when it was noticed, `hours` how long it took for them."""

    who: str
    act: Act
    since: str
    by: str
    verdict: str
    probability: float
    tracks: int
    hours: float
    group: int | None
    reasons: tuple[str, ...]

    @property
    def account(self) -> int | None:
        """The number of the account, if it is one of this archive."""
        kind, _, name = self.who.partition(":")
        return int(name) if kind == "account" and name.isascii() and name.isdigit() else None


@dataclass(frozen=True, slots=True)
class Excluded:
    """Somebody who may take what he likes, by an agreement."""

    why: str
    since: str
    by: str


@dataclass(slots=True)
class Record:
    """All that stands. `cleared` has, for whom a person released, the change by which he did, until
    the guard has begun anew with them; `unlogged` are changes that the ledger's log does not have
    yet. `began` is drawn by chance when a record begins, so that a change's number and it are never
    given twice."""

    changes: int = 0
    decisions: dict[str, Decision] = field(default_factory=dict)
    excluded: dict[str, Excluded] = field(default_factory=dict)
    cleared: dict[str, int] = field(default_factory=dict)
    unlogged: list[dict[str, Any]] = field(default_factory=list)
    began: str = field(default_factory=lambda: secrets.token_hex(8))

    def decide(self, made: Decision) -> None:
        """Put a decision in the place of what was decided before."""
        self.decisions[made.who] = made
        told = {"act": made.act.value, "by": made.by, "verdict": made.verdict,
                "probability": round(made.probability, 6), "tracks": made.tracks,
                "group": made.group, "reasons": list(made.reasons)}  # fmt: skip
        self._changed(f"guard {made.act.value}", made.who, made.since, told)

    def release(self, who: str, by: str, why: str) -> bool:
        """Take a decision back; False where there is none. The guard forgets what led to it."""
        before = self.decisions.pop(who, None)
        if before is None:
            return False
        self._changed("guard release", who, clock.timestamp(), {"by": by, "reason": why})
        self.cleared[who] = self.changes
        return True

    def exclude(self, who: str, by: str, why: str) -> None:
        """Leave somebody out from now on, whatever the guard thinks."""
        self.release(who, by, why)
        now = clock.timestamp()
        self.excluded[who] = Excluded(why, now, by)
        self._changed("guard exclude", who, now, {"by": by, "reason": why})

    def include(self, who: str, by: str) -> bool:
        """End an exclusion; False where there is none."""
        if self.excluded.pop(who, None) is None:
            return False
        self._changed("guard include", who, clock.timestamp(), {"by": by})
        self.cleared[who] = self.changes
        return True

    def settle(self, applied: int) -> None:
        """Name nobody any longer whom the guard has begun anew with: it has saved that, with all
        changes up to the one `applied`."""
        self.cleared = {who: number for who, number in self.cleared.items() if number > applied}

    def note(self, event: str, who: str, detail: dict[str, Any]) -> None:
        """Note an event that changes no decision, such as an appeal."""
        self._changed(event, who, clock.timestamp(), detail)

    def _changed(self, event: str, who: str, time: str, detail: dict[str, Any]) -> None:
        self.changes += 1
        self.unlogged.append(
            {"number": self.changes, "event": event, "who": who, "time": time, "detail": detail}
        )


def path_of(folder: Path) -> Path:
    """Where the file lies in the archive at `folder`."""
    return folder / FOLDER / FILE


def load(path: Path) -> Record:
    """What stands in the file; nothing where there is none. Raises ArchiveError."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return Record()
    except OSError as error:
        raise ArchiveError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        return parse(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(
            f"is no record of decisions: {type(error).__name__}",
            where=str(path),
            hint="restore it from a backup, or delete it: nothing is then decided",
        ) from error


def parse(data: bytes) -> Record:
    """The record that these bytes are. Raises ValueError, KeyError or TypeError."""
    if len(data) > MOST_BYTES:
        raise ValueError("too long")
    found = json.loads(data)
    if found["version"] > VERSION:
        raise ArchiveError(
            f"was written by a newer Longplay (version {found['version']})",
            hint="install that version; nothing was touched",
        )
    decisions = {}
    for who, row in found["decisions"].items():
        decisions[who] = Decision(
            **row | {"who": who, "act": Act(row["act"]), "reasons": tuple(row["reasons"])}
        )
    excluded = {who: Excluded(**row) for who, row in found["excluded"].items()}
    record = Record(
        int(found["changes"]), decisions, excluded, dict(found["cleared"]), list(found["unlogged"])
    )
    record.began = str(found.get("began", ""))  # records of old have none until they change
    return record


def _text(record: Record) -> bytes:
    decisions = {who: asdict(one) for who, one in record.decisions.items()}
    for row in decisions.values():
        del row["who"]
    document = {
        "version": VERSION,
        "began": record.began,
        "changes": record.changes,
        "decisions": decisions,
        "excluded": {who: asdict(one) for who, one in record.excluded.items()},
        "cleared": record.cleared,
        "unlogged": record.unlogged,
    }
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


@contextmanager
def changing(folder: Path, ledger: Ledger) -> Iterator[Record]:
    """Change what is decided in the archive at `folder`; others wait. What changed is in the file,
    in the ledger's log and in the stream, when the block ends. Raises ArchiveError, LedgerError."""
    path = path_of(folder)
    with turns(path.with_name(stream.LOCK)):
        record = load(path)
        _begin_anew_if_restored(record, folder, ledger)
        before = record.changes, len(record.cleared)
        yield record
        if not (path.parent / STATE).exists():
            record.cleared.clear()  # nothing is remembered that could be begun anew
        if (record.changes, len(record.cleared)) != before:
            write_durably(path, _text(record))
        if record.unlogged:
            _enter(folder, ledger, record.unlogged)
            stream.append(path.parent, record.began, record.unlogged)
            record.unlogged = []
            write_durably(path, _text(record))


def _begin_anew_if_restored(record: Record, folder: Path, ledger: Ledger) -> None:
    """A record that was restored from a backup would give numbers again that the stream has, and
    who follows would pass over what they stand for now: it `began` now. What it had not entered,
    the stream has."""
    if not record.began:
        record.began = secrets.token_hex(8)
    last = stream.last_of(folder / FOLDER)
    if last is None or last.began != record.began or last.number <= record.changes:
        return
    record.began = secrets.token_hex(8)
    if record.unlogged:
        _enter(folder, ledger, record.unlogged)
        record.unlogged = []


def _enter(folder: Path, ledger: Ledger, changes: list[dict[str, Any]]) -> None:
    """Enter changes into the log, each once."""
    called = pseudonyms(folder)
    first = min(one["time"] for one in changes)
    table = log_table.c
    query = sa.select(table.subject, table.time, table.detail).where(
        table.event.like("guard %"), table.time >= first
    )
    with ledger.write() as connection:
        known = {
            (row.subject, row.time, json.loads(row.detail).get("change"))
            for row in connection.execute(query)
        }
        for one in changes:
            subject = called(one["who"])
            if (subject, one["time"], one["number"]) not in known:
                detail = one["detail"] | {"change": one["number"]}
                log.append(connection, one["event"], subject, detail, time=one["time"])


def pseudonyms(folder: Path) -> Callable[[str], str]:
    """What somebody is called where he must not be known: in the ledger's log, which is for ever,
    and in exports. The same name each time; who has the salt of this archive can tell them."""
    return pseudonyms_by(folder / FOLDER / SALT)


def pseudonyms_by(path: Path) -> Callable[[str], str]:
    """The same by the salt in a file, which is made if it is not there. Raises ArchiveError."""
    hint = "restore it from a backup, or delete it: names in the log are then told no more"
    salt = secret(path, "the salt of pseudonyms", hint=hint)

    def called(who: str) -> str:
        kind = who.partition(":")[0]
        return f"{kind}:{hashlib.blake2b(who.encode(), key=salt, digest_size=8).hexdigest()}"

    return called


def who_of(name: str) -> str:
    """Whom a name in an access log means: where nobody is named, the address stands there."""
    return f"address:{name}" if is_address(name) else f"account:{name}"


def is_address(name: str) -> bool:
    """Whether it is one of the Internet."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
