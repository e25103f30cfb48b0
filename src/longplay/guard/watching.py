"""All accounts of a log that goes on, judged as its lines come: the detectors of `scan`, and what
they remember saved with the place up to which the log was read, in one file.

Two things differ from a scan. How many others take a track is known so far and for the last weeks,
and by samples (`lately`). And times that lie ahead of the clock are no events: they would stand for
the account's present from then on.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import struct
import tokenize
import zipfile
import zlib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.errors import ArchiveError
from longplay.files import write_durably
from longplay.guard import company
from longplay.guard.baseline import Baseline, with_alone
from longplay.guard.events import Events
from longplay.guard.following import Place
from longplay.guard.grouping import Member, look
from longplay.guard.judging import NEVER, ROWS, Accounts, take
from longplay.guard.lately import LEAST_SAMPLED, Lately, judge_alone
from longplay.guard.reading.mapping import FIELDS, Format, Mapping
from longplay.guard.reading.reader import SEEN_ACCOUNTS, Plan, parse
from longplay.guard.record import is_address
from longplay.guard.scan import CROWD, told
from longplay.guard.state import (
    COLUMNS,
    FIRST,
    LAST,
    LATEST_SAMPLED,
    NEW,
    SAMPLED_SECONDS,
    SINCE_NEW,
)
from longplay.guard.verdict import WATCH, Judged

VERSION, WHOLE_NOTES = 4, 3
"""Of what is saved, and the last in which numbers were noted of every account."""

DAMAGED = (
    *(OSError, ValueError, KeyError, TypeError, IndexError, EOFError, AttributeError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, RuntimeError),
    *(OverflowError, SyntaxError),  # RuntimeError: also what zipfile does not implement
)
"""What numpy, zipfile and JSON raise when they read what is cut or has bits flipped."""

AHEAD_SECONDS = 600
"""Clocks of several machines differ by less."""

CANDIDATES = 20_000
"""Accounts that are looked at for groups at a time: those that look most like copying."""

KEEP_SHARE = 0.75
"""What is kept of the accounts when there are more than may be remembered."""

LONGEST_NAME = 200
"""Characters of an account's name that are kept: names come from strangers."""

SKETCHES = ("now", "before")
"""Of `Lately`."""

LEAST_NEW = 30
"""Different tracks from which an account says what is usual to take alone."""


@dataclass(slots=True)
class Watched:
    """What a log said so far: lines that are no event by what is wrong with them, and accounts that
    had to be forgotten."""

    events: int = 0
    no_event: int = 0
    bad_encoding: int = 0
    ahead: int = 0
    forgotten: int = 0


@dataclass(slots=True)
class Watching:
    """The accounts. `most` of them are remembered; `applied` is the last of the changes to what is
    decided that was taken into account, of a record that `began` so ("": not known)."""

    baseline: Baseline
    most: int
    key: int = field(default_factory=lambda: secrets.randbits(64))
    accounts: Accounts = field(default_factory=Accounts.none)
    names: dict[int, str] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    counts: Watched = field(default_factory=Watched)
    applied: int = 0
    lately: Lately = field(default_factory=Lately)
    began: str = ""
    _plan: Plan = field(init=False)

    def __post_init__(self) -> None:
        seen = np.zeros(SEEN_ACCOUNTS, np.uint64)
        self._plan = Plan(Mapping(Format.JSON, FIELDS), np.uint64(self.key), seen)

    def take(self, block: bytes, now: int, mapping: Mapping | None = None) -> int:
        """Judge by some lines; `now` is the present in seconds since 1970, `mapping` how a log is
        read that is not written by `longplay serve`. Answers how many events they were."""
        read = parse(block, replace(self._plan, mapping=mapping) if mapping else self._plan)
        events: Events = read.events[read.events["time"] <= now + AHEAD_SECONDS]
        self.counts.events += len(events)
        self.counts.no_event += read.no_event
        self.counts.bad_encoding += read.bad_encoding
        self.counts.ahead += len(read.events) - len(events)
        for account, name in read.names.items():
            self.names[account] = _short(name)
        if len(events):
            self.lately.count(events)
            take(self.accounts, events, None, self.baseline.vector())
            if len(self.accounts) > self.most:
                self._trim()
        return len(events)

    def _trim(self) -> None:
        """Forget accounts that were away the longest and look like listening."""
        score = np.where(self.accounts.odds >= WATCH, np.inf, self.accounts.numbers[:, LAST])
        kept = np.sort(np.argsort(-score, kind="stable")[: int(self.most * KEEP_SHARE)])
        self.counts.forgotten += len(self.accounts) - len(kept)
        self._keep(kept)

    def _keep(self, rows: Any) -> None:
        self.accounts = self.accounts.only(rows, running=True)
        there = set(self.accounts.hashes.tolist())
        self.names = {h: name for h, name in self.names.items() if h in there}
        self.members = {h: one for h, one in self.members.items() if h in there}
        self._plan.seen[:] = 0  # so that the names of those who come back are noted again

    def forget(self, names: set[str]) -> None:
        """Begin anew with these accounts: a person has judged what they did."""
        gone = [h for h, name in self.names.items() if name in names]
        if gone:
            hashes = self.accounts.hashes
            self._keep(np.flatnonzero(~np.isin(hashes, np.array(gone, np.uint64))))

    def forget_addresses(self, before: float) -> None:
        """Forget addresses that were not seen since a time: whose they are now, nobody knows."""
        hashes, last = self.accounts.hashes.tolist(), self.accounts.numbers[:, LAST]
        away = np.flatnonzero(last < before).tolist()
        old = [at for at in away if is_address(self.names.get(hashes[at], ""))]
        if old:
            kept = np.ones(len(self.accounts), bool)
            kept[old] = False
            self._keep(np.flatnonzero(kept))

    def look_for_alone(self) -> None:
        """Learn what is usual to take alone, and judge everybody by it."""
        hits, known = self.lately.alone(self.accounts)
        new = self.accounts.numbers[:, SINCE_NEW]
        enough = (new >= LEAST_NEW) & (known >= LEAST_SAMPLED) & (self.accounts.odds < WATCH)
        self.baseline = with_alone(hits[enough] / known[enough], self.baseline)
        if self.baseline.alone_a > 0:
            judge_alone(self.accounts, hits, known, self.baseline.vector())

    def look_for_groups(self, taken: int = 0, excluded: frozenset[str] = frozenset()) -> None:
        """Look for accounts that others tell. A new group's number is above `taken`, since
        decisions about groups of old may name those up to it; `excluded` names may copy."""
        accounts = self.accounts
        rows = np.flatnonzero(accounts.candidate >= 0)
        if len(rows) > CANDIDATES:
            rows = rows[np.argsort(-accounts.odds[rows], kind="stable")[:CANDIDATES]]
        if not len(rows):
            return
        drawn = accounts.only(np.argsort(accounts.hashes, kind="stable")[:CROWD])
        candidates = accounts.only(rows)
        at = int(candidates.numbers[:, LAST].max())
        hashes = candidates.hashes.tolist()
        trusted = np.array([h for h in hashes if self.names.get(h) in excluded], np.uint64)
        places = company.empty()
        company.count_in(places, accounts)
        look(self.members, candidates, drawn, places, at, trusted, taken)

    def suspects(self) -> list[Judged]:
        """Everybody who is to be watched, or more."""
        rows = set(np.flatnonzero(self.accounts.odds >= WATCH).tolist())
        if self.members:
            members = np.array(list(self.members), np.uint64)
            rows |= set(np.flatnonzero(np.isin(self.accounts.hashes, members)).tolist())
        vector = self.baseline.vector()
        return [told(self.accounts, row, self.names, self.members, vector) for row in sorted(rows)]

    def breadth(self, most: int) -> list[tuple[str, float, float, float]]:
        """Name, first and last time and different tracks of those who took most."""
        tracks = self.accounts.numbers[:, NEW]
        rows = np.argsort(-tracks, kind="stable")[:most].tolist()
        hashes = self.accounts.hashes
        return [
            (
                self.names.get(int(hashes[row]), ""),
                float(self.accounts.numbers[row, FIRST]),
                float(self.accounts.numbers[row, LAST]),
                float(tracks[row]),
            )
            for row in rows
        ]

    def save(self, path: Path) -> None:
        """Write everything, whole or not at all."""
        facts = {
            "version": VERSION,
            "key": self.key,
            "names": {f"{h:x}": name for h, name in self.names.items()},
            "members": {f"{h:x}": asdict(one) for h, one in self.members.items()},
            "places": {name: asdict(place) for name, place in self.places.items()},
            "counts": asdict(self.counts),
            "applied": self.applied,
            "began": self.began,
            "periods": [self.lately.since, self.lately.earlier],
            "alone": [self.baseline.alone_a, self.baseline.alone_b],
        }
        arrays = {name: getattr(self.accounts, name) for name in ROWS}
        arrays["noted"] = self.accounts.noted[: self.accounts.used[0]]
        arrays |= {name: getattr(self.lately, name) for name in SKETCHES}
        arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        out = io.BytesIO()
        np.savez(out, **arrays)
        write_durably(path, out.getvalue())


def _short(name: bytes) -> str:
    """A name as it is kept. Of a long one a hash tells it from others that begin alike."""
    text = name.decode("utf-8", "replace")
    if len(text) <= LONGEST_NAME:
        return text
    return f"{text[:LONGEST_NAME]}…{hashlib.blake2b(name, digest_size=8).hexdigest()}"


def _accounts(arrays: dict[str, npt.NDArray[Any]], *, all_noted: bool) -> Accounts:
    """The accounts that were saved; as of old with `all_noted`: numbers were noted of every account
    then, and minutes of samples. Raises ValueError, KeyError."""
    if all_noted:
        first = arrays["numbers"][:, FIRST, None]
        since = (arrays["times"] * 60.0 - first) // SAMPLED_SECONDS
        suspected = arrays["odds"] >= WATCH
        arrays |= {
            "times": np.clip(since, 0, LATEST_SAMPLED),
            "odds_at": arrays["at_odds"][:, LAST],
            "noted": arrays["at_odds"][suspected],
            "places": np.where(suspected, np.cumsum(suspected) - 1, NEVER),
        }
    if any(arrays[name].dtype.kind not in "iuf" for name in (*ROWS, "noted")):
        raise ValueError("no numbers")
    rows = {name: arrays[name].astype(kind) for name, (kind, _) in ROWS.items()}
    expected = Accounts.none()
    expected.grow(rows["hashes"], np.zeros(len(rows["hashes"]), np.int64))
    there = rows["places"][rows["places"] >= 0]
    fits = all(rows[name].shape == getattr(expected, name).shape for name in ROWS)
    if not (
        fits
        and arrays["noted"].shape == (len(there), COLUMNS)
        and np.array_equal(np.sort(there), np.arange(len(there)))
    ):
        raise ValueError("not these accounts")
    return Accounts.of(rows, arrays["noted"].astype(np.float64))


def _is_sketch(one: npt.NDArray[Any]) -> bool:
    cells = one.shape[-1] if one.ndim else 0
    return one.dtype == np.uint32 and one.shape == (2, cells) and cells.bit_count() == 1


def load(path: Path, baseline: Baseline, most: int) -> Watching:
    """What was saved; a new beginning where nothing was. Raises ArchiveError."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            facts = json.loads(saved["facts"].tobytes())
            arrays = {name: saved[name] for name in saved.files}
            sketches = [saved[name] for name in SKETCHES if name in saved]
        if facts["version"] not in (VERSION, WHOLE_NOTES):
            raise ValueError(f"version {facts['version']}")
        if not all(_is_sketch(one) for one in sketches):
            raise ValueError("no sketches")
        accounts = _accounts(arrays, all_noted=facts["version"] == WHOLE_NOTES)
        one = Watching(
            baseline,
            most,
            int(facts["key"]),
            accounts,
            {int(h, 16): name for h, name in facts["names"].items()},
            {int(h, 16): Member(**row) for h, row in facts["members"].items()},
            {name: Place(**row) for name, row in facts["places"].items()},
            Watched(**facts["counts"]),
            int(facts["applied"]),
        )
        one.began = str(facts.get("began", ""))
        if len(sketches) == len(SKETCHES):  # not in what was saved before they were kept
            one.lately = Lately(*sketches, *facts["periods"])
            one.baseline = replace(baseline, alone_a=facts["alone"][0], alone_b=facts["alone"][1])
    except FileNotFoundError:
        return Watching(baseline, most)
    except DAMAGED as error:
        raise ArchiveError(
            "does not hold what the guard remembers",
            where=str(path),
            hint="delete it: the guard then reads the logs from their beginning",
        ) from error
    return one
