"""Bringing volumes to a mirror: from peers and web seeds, each object proved before it counts.

Files come under the roots that they must turn out to have, never under names that somebody else
chose, so that an edition of a volume goes on with what its predecessor left half done. What the
mirror already holds is mapped to its own store and marked as had: only the difference travels.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libtorrent as lt

from longplay import clock
from longplay.errors import ReleaseError
from longplay.model import ObjectHashes
from longplay.release import session
from longplay.release.session import Placed, Span
from longplay.settings import Sharing
from longplay.torrent import v1
from longplay.torrent.merkle import ObjectHasher

READ_BYTES = 1024 * 1024
"""Bytes of an arrived file read at once."""

MOST_REFUSALS = 100
"""Refusals that are kept: a lying web seed makes one for each piece."""

FAULTS = 3
"""Times that a web seed which is asked alone may give what is wrong: the first may be of the time
before, or a peer's doing."""

PEER_BANNED = 91
"""libtorrent's number for a source that gave what is wrong (`errors::peer_banned`)."""

IDLE_SECONDS = 10
"""Seconds without a byte after which a web seed that is asked alone gives place to the next."""

AWAY_SECONDS = 45
"""Seconds without a byte after which web seeds are asked anew: libtorrent, which tries again after
30, takes a file that was answered with an error for one that the web seed has not."""

SETTLE_READS = 20
"""Times that a file is read again when it has just come and is not yet what its pieces were."""


@dataclass(frozen=True, slots=True)
class Job:
    """A volume to be brought: `held` are the paths in it that the mirror has already, with their
    places; `wanted` those to fetch, by path with what they must turn out to be (root, size)."""

    name: str
    torrent: Path
    held: Mapping[str, Path]
    wanted: Mapping[str, tuple[bytes, int]]
    folder: Path
    web_seeds: tuple[str, ...] = ()

    def place(self, path: str) -> Path:
        """Where a file comes in."""
        return self.folder / self.wanted[path][0].hex()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that came whole and is what it must be."""

    job: str
    path: str
    file: Path
    hashes: ObjectHashes


@dataclass(frozen=True, slots=True)
class Refused:
    """What did not come in, and why."""

    what: str
    why: str


@dataclass(slots=True)
class _Running:
    job: Job
    handle: Any
    piece_length: int
    waiting: dict[str, Span]
    moved: float
    """When it last got further than ever before."""
    best: int = -1
    seeds: list[str] = field(default_factory=list)
    """The web seeds; only the first is asked once a piece was wrong, or nothing came for long."""
    alone: bool = False
    faults: Counter[str] = field(default_factory=Counter)
    came: tuple[int, float] = field(kw_only=True)
    """Bytes that had come, wrong ones too, and when that became known."""
    failed: str = ""
    reads: dict[str, int] = field(default_factory=dict)

    def asked(self) -> list[str]:
        """The web seeds that are asked now."""
        return self.seeds[:1] if self.alone else self.seeds


class Downloader:
    """A libtorrent session that brings volumes, and gives what it has to others meanwhile. Use it
    as a context manager.

    `add` jobs, then ask `poll` for arrivals until `waiting` is 0, and `remove` jobs that need not
    be offered any longer. What came and was not what it should be, and sources that lied, are in
    `refused`; libtorrent has banned them by then and asks others.
    """

    def __init__(self, sharing: Sharing) -> None:
        wanted = session.settings(sharing)
        wanted["alert_mask"] |= int(lt.alert.category_t.status_notification)
        self._sharing = sharing
        self._session = lt.session(wanted)
        self._running: dict[str, _Running] = {}
        self._gone = 0
        self.refused: list[Refused] = []

    def __enter__(self) -> Downloader:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.pause()
        self._running.clear()
        del self._session

    def add(self, job: Job) -> None:
        """Begin to bring a volume; what an earlier run left of it is used. Raises ReleaseError."""
        job.folder.mkdir(parents=True, exist_ok=True)
        info = session.load(job.torrent)
        spans = {span.path: span for span in session.spans(info)}
        absent = sorted({*job.held, *job.wanted} - spans.keys())
        if absent:
            raise ReleaseError(f"has no file {absent[0]!r}", where=str(job.torrent))
        places: dict[str, Placed | None] = {path: Placed(at) for path, at in job.held.items()}
        hashes = _piece_hashes(info)
        for path in job.wanted:
            span, place = spans[path], job.place(path)
            if not span.size:
                place.touch()
            places[path] = Placed(place, _at_hand(place, span, info.piece_length(), hashes))
        added = session.parameters(info, places, self._sharing, web_seeds=job.web_seeds)
        # Not yet a seed, whatever is at hand: its files are still to be proved.
        handle = self._session.add_torrent(added)
        waiting = {path: spans[path] for path in job.wanted}
        now = clock.monotonic()
        seeds = list(dict.fromkeys(handle.url_seeds()))
        self._running[job.name] = _Running(
            job, handle, info.piece_length(), waiting, now, seeds=seeds, came=(0, now)
        )

    def remove(self, name: str) -> None:
        """Let go of a volume: it is no longer asked for, nor offered."""
        running = self._running.pop(name)
        self._gone += int(running.handle.status().total_payload_download)
        self._session.remove_torrent(running.handle)

    def connect(self, host: str, port: int) -> None:
        """Ask a peer for every volume that is being brought."""
        for running in self._running.values():
            running.handle.connect_peer((host, port))

    @property
    def address(self) -> tuple[str, int]:
        """Where this session listens."""
        return self._sharing.listen.rpartition(":")[0], self._session.listen_port()

    @property
    def waiting(self) -> int:
        """Files that are still to come."""
        return sum(len(running.waiting) for running in self._running.values())

    def jobs(self) -> dict[str, int]:
        """The volumes here, oldest first, each with the files that are still to come of it."""
        return {name: len(running.waiting) for name, running in self._running.items()}

    def received(self) -> int:
        """Bytes that have come and fit, of all volumes."""
        states = (running.handle.status() for running in self._running.values())
        return sum(int(state.total_wanted_done) for state in states)

    def downloaded(self) -> int:
        """Bytes of content that have travelled, whether they fitted or not."""
        states = (running.handle.status() for running in self._running.values())
        return self._gone + sum(int(state.total_payload_download) for state in states)

    def poll(self) -> Iterator[Arrival]:
        """The files that have come since, each proved by its root and size."""
        self._note_alerts()
        for running in self._running.values():
            if not running.waiting:
                continue
            done = running.handle.file_progress(lt.file_progress_flags_t.piece_granularity)
            for path, span in list(running.waiting.items()):
                if done[span.index] >= span.size:
                    yield from self._prove(running, path, span)

    def stalled(self, seconds: float) -> dict[str, str]:
        """The volumes that will not go on, with the reason: they failed, or for so many seconds
        got no further than they had been."""
        found = {}
        for name, running in self._running.items():
            if not running.waiting:
                continue
            done = int(running.handle.status().total_wanted_done)
            if done > running.best:
                running.best, running.moved = done, clock.monotonic()
            if running.failed:
                found[name] = running.failed
            elif clock.monotonic() - running.moved > seconds:
                found[name] = f"no source gave anything for {seconds:,.0f} s"
        return found

    def give_up(self, name: str, why: str) -> dict[str, tuple[bytes, int]]:
        """Count what is still to come of a volume as refused; returns it, by path."""
        running = self._running[name]
        missing = {path: running.job.wanted[path] for path in running.waiting}
        for path in missing:
            self._refuse(f"{name}/{path}", why)
        running.waiting.clear()
        return missing

    def _prove(self, running: _Running, path: str, span: Span) -> Iterator[Arrival]:
        file = running.job.place(path)
        root, size = running.job.wanted[path]
        hashes = _hash(file, running.piece_length)
        if hashes is not None and (hashes.root, hashes.size) == (root, size):
            del running.waiting[path]
            running.moved = clock.monotonic()
            yield Arrival(running.job.name, path, file, hashes)
            return
        running.handle.flush_cache()
        running.reads[path] = running.reads.get(path, 0) + 1
        if running.reads[path] > SETTLE_READS:
            running.failed = "is not the object that the feed names"

    def _note_alerts(self) -> None:
        wrong: list[_Running] = []
        for alert in self._session.pop_alerts():
            if isinstance(alert, lt.hash_failed_alert):
                self._refuse(alert.torrent_name, "a piece that came was not what it should be")
                wrong += [one for one in self._of(alert.handle) if len(one.seeds) > 1]
            elif isinstance(alert, lt.url_seed_alert):
                self._refuse(
                    alert.torrent_name, alert.message().removeprefix(f"{alert.torrent_name} ")
                )
                if alert.error.value() == PEER_BANNED:
                    asked = self._of(alert.handle)
                    wrong += [one for one in asked if alert.server_url() in one.asked()]
            elif isinstance(alert, lt.torrent_error_alert | lt.file_error_alert):
                self._refuse(alert.torrent_name, alert.message())
                for running in self._of(alert.handle):
                    running.failed = alert.message()
        for running in self._running.values():
            others = running.alone and len(running.seeds) > 1
            if running in wrong:
                self._ask_next(running, fault=True)
            elif running.waiting and _is_idle(running, IDLE_SECONDS if others else AWAY_SECONDS):
                self._ask_next(running, fault=False)

    def _of(self, handle: Any) -> list[_Running]:
        return [running for running in self._running.values() if running.handle == handle]

    def _ask_next(self, running: _Running, *, fault: bool) -> None:
        """Ask a single web seed, and after it the next. A piece that several gave is wrong by the
        fault of one, and libtorrent may ban another, or wait long before it asks an honest one
        again; one that is asked alone and gives what is wrong lied by itself. Those that did so
        too often come last, and are not asked anew.
        """
        if not running.seeds:
            return
        if running.alone:
            first = running.seeds.pop(0)
            running.faults[first] += fault
            running.seeds.append(first)
        running.alone = True
        running.came = (running.came[0], clock.monotonic())
        running.seeds.sort(key=lambda one: running.faults[one] >= FAULTS)
        if running.faults[running.seeds[0]] >= FAULTS:
            return  # libtorrent does with them what it will
        for one in {*running.seeds, *running.handle.url_seeds()}:
            running.handle.remove_url_seed(one)
        running.handle.add_url_seed(running.seeds[0])

    def _refuse(self, what: str, why: str) -> None:
        one = Refused(what, why)
        if one not in self.refused and len(self.refused) < MOST_REFUSALS:
            self.refused.append(one)


def _is_idle(running: _Running, seconds: float) -> bool:
    """Whether nothing has come for so long."""
    count, since = running.came
    now = clock.monotonic()
    came = int(running.handle.status().total_payload_download)
    if came != count:
        running.came = (came, now)
        return False
    return now - since > seconds


def _piece_hashes(info: Any) -> Sequence[bytes]:
    return [info.hash_for_piece(piece) for piece in range(info.num_pieces())]


def _at_hand(
    place: Path, span: Span, length: int, hashes: Sequence[bytes]
) -> bool | tuple[bool, ...]:
    """Which pieces of a file an interrupted run has left whole."""
    if not span.size:
        return True
    try:
        with place.open("rb") as source:
            return tuple(
                _is_piece(source.read(length), length, hashes[piece])
                for piece in range(span.first, span.first + span.count)
            )
    except FileNotFoundError:
        return False


def _is_piece(data: bytes, length: int, expected: bytes) -> bool:
    """Whether these bytes are a v1 piece, padded (BEP 47) or as a torrent's last one is."""
    padded = data + bytes(length - len(data))
    return expected in (_sha1(data), _sha1(padded))


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()[: v1.DIGEST]


def _hash(file: Path, piece_length: int) -> ObjectHashes | None:
    hasher = ObjectHasher(piece_length)
    try:
        with file.open("rb") as source:
            while data := source.read(READ_BYTES):
                hasher.update(data)
    except FileNotFoundError:
        return None
    return hasher.finish()
