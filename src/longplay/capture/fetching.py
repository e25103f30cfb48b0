"""One file from a source to the spool: streamed once, hashed as it comes, proved at its end.

A transfer that breaks off goes on where it stopped, in this process or the next. What the source
listed must be what comes: size, checksum.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longplay import telemetry
from longplay.capture import journal
from longplay.capture.journal import Partial, Step
from longplay.capture.orders import HEAD_BYTES, READ_BYTES, Fetched, Order
from longplay.capture.sources import Source, Stream, Wanted
from longplay.errors import SourceError, UnavailableError
from longplay.files import escape
from longplay.settings import Settings
from longplay.torrent.merkle import ObjectHasher

BREAKS = 3
"""Times that a transfer which gave something goes on at once after it broke off."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a source listed of a file; None and empty where it did not say."""

    size: int | None = None
    mtime_ns: int | None = None
    checksum: str = ""
    version: str = ""

    @property
    def token(self) -> str | None:
        """What tells this state of the file from another, beside size and time."""
        return self.checksum or self.version or None


@dataclass(slots=True)
class Traffic:
    """Bytes that came from sources; of these `again` had been here before; bytes that were hashed a
    second time because a transfer was cut short; steps of dead captures that were not repeated."""

    received: int = 0
    again: int = 0
    rehashed: int = 0
    recovered: int = 0


def fetch(
    source: Source,
    order: Order,
    listed: Listed,
    *,
    partial: Partial | None = None,
    traffic: Traffic,
    stopped: Callable[[], bool] = lambda: False,
) -> Fetched:
    """Bring the whole file into the order's spool.

    Raises SourceError when it cannot be had or is not what was listed, UnavailableError when it may
    be had later; what came by then stays for a next try.
    """
    transfer = _Transfer(source, order, listed, traffic, stopped)
    if partial is not None:
        transfer.go_on_with(partial)
    try:
        with telemetry.step("fetch"):
            fetched = _whole(transfer)
    except UnavailableError:
        raise
    except SourceError:
        transfer.discard()
        raise
    step = Step(order.source, order.path, order.action, order.version, fetched)
    journal.note(order.spool, ".fetched", step)
    Path(f"{order.spool}.fetching").unlink(missing_ok=True)
    return fetched


@dataclass(slots=True)
class _Transfer:
    """A file on its way. `have` bytes of its state `version` lie in the spool."""

    source: Source
    order: Order
    listed: Listed
    traffic: Traffic
    stopped: Callable[[], bool]
    have: int = 0
    version: str = ""
    most: int = 0
    mtime_ns: int = 0
    hashes: _Hashes | None = field(default=None)

    @property
    def spool(self) -> Path:
        return Path(f"{self.order.spool}-main.part")

    @property
    def where(self) -> str:
        return escape(self.order.path)

    def go_on_with(self, partial: Partial) -> None:
        """Begin with what came of the file before. At every moment one of the two names has both
        the bytes and the note that tells of them."""
        self.note(partial.version)
        if partial.spool != self.spool:
            partial.spool.replace(self.spool)
            journal.forget(journal.stem_of(partial.spool))
        self.have, self.version = self.spool.stat().st_size, partial.version

    def note(self, version: str) -> None:
        """Write down which state of the file is on its way."""
        order = self.order
        partial = Partial(order.source, order.path, self.spool, version, journal.boot())
        journal.note(order.spool, ".fetching", partial)

    def discard(self) -> None:
        """Leave nothing of it."""
        self.spool.unlink(missing_ok=True)
        journal.forget(self.order.spool)
        self.have, self.version, self.hashes = 0, "", None


def _whole(transfer: _Transfer) -> Fetched:
    """All bytes, going on after breaks; and a second time from the start where what was put
    together of two states is not what was listed."""
    resumed = transfer.have > 0
    while True:
        breaks = 0
        while True:
            before = transfer.have
            try:
                _stream(transfer)
                break
            except UnavailableError as error:
                breaks += 1
                if transfer.have == before or breaks > BREAKS or transfer.stopped():
                    raise error
                resumed = True
        try:
            return _proved(transfer)
        except SourceError:
            if not resumed:
                raise
        transfer.discard()
        resumed = False


def _stream(transfer: _Transfer) -> None:
    """Take what one opening of the file gives, to its end."""
    order, listed = transfer.order, transfer.listed
    start = transfer.have if transfer.version else 0
    wanted = Wanted(order.path, listed.size, listed.checksum, transfer.version, start)
    with transfer.source.open(wanted) as stream:
        if stream.start not in (0, start):
            raise SourceError("gives another part than was asked for", where=transfer.where)
        _begin(transfer, stream)
        limit = stream.size
        # Without a buffer of ours what came is on its way to the disk when this process is killed.
        with transfer.spool.open("r+b" if transfer.have else "wb", buffering=0) as out:
            out.seek(transfer.have)
            for chunk in stream.chunks:
                _take(transfer, chunk, out, limit)
                if transfer.stopped():
                    raise UnavailableError("was stopped", where=transfer.where)
            os.fsync(out.fileno())
        if limit is not None and transfer.have < limit:
            raise UnavailableError(
                f"broke off after {transfer.have:,} of {limit:,} bytes", where=transfer.where
            )


def _begin(transfer: _Transfer, stream: Stream) -> None:
    """Make ready for the first byte of a stream: anew, or after what is here."""
    order = transfer.order
    if stream.start == 0:
        transfer.have, transfer.hashes = 0, None
    if transfer.hashes is None:
        size = stream.size if stream.size is not None else transfer.listed.size
        transfer.hashes = _Hashes(order.settings, size, transfer.listed.checksum)
        if transfer.have:
            with transfer.spool.open("rb") as already:
                while chunk := already.read(READ_BYTES):
                    transfer.hashes.update(chunk)
                    transfer.traffic.rehashed += len(chunk)
    transfer.version, transfer.mtime_ns = stream.version, stream.mtime_ns or 0
    if stream.version:
        transfer.note(stream.version)


def _take(transfer: _Transfer, chunk: bytes, out: Any, limit: int | None) -> None:
    assert transfer.hashes is not None
    traffic = transfer.traffic
    traffic.received += len(chunk)
    traffic.again += max(0, min(transfer.most - transfer.have, len(chunk)))
    transfer.hashes.update(chunk)
    rest = memoryview(chunk)
    while rest:  # without a buffer of ours a disk that becomes full may take a part
        rest = rest[out.write(rest) :]
    transfer.have += len(chunk)
    transfer.most = max(transfer.most, transfer.have)
    if limit is not None and transfer.have > limit:
        raise SourceError(
            f"gives more than the {limit:,} bytes that it said it would", where=transfer.where
        )


def _proved(transfer: _Transfer) -> Fetched:
    """The fetched file, if it is what the source listed."""
    listed, hashes = transfer.listed, transfer.hashes
    assert hashes is not None
    found = hashes.checksum(transfer.spool)
    if listed.checksum and found != listed.checksum:
        raise SourceError(
            f"is not the file that was listed: {found}, not {listed.checksum}",
            where=transfer.where,
            hint="list the source again: longplay source refresh",
        )
    if not listed.checksum and listed.size not in (None, transfer.have):
        raise SourceError(
            f"has {transfer.have:,} bytes, {listed.size:,} were listed",
            where=transfer.where,
            hint="list the source again: longplay source refresh",
        )
    with transfer.spool.open("rb") as spool:
        head = spool.read(HEAD_BYTES)
    time = transfer.mtime_ns if listed.mtime_ns is None else listed.mtime_ns
    return Fetched(transfer.spool, hashes.finish(transfer.spool), time, head)


class _Hashes:
    """All digests of a file as it comes. Where its size is not known before its end, nor the piece
    length, the objects' digests are computed from the spool, once."""

    def __init__(self, settings: Settings, size: int | None, checksum: str) -> None:
        self.settings = settings
        self.size = size
        self.kind = checksum.partition(":")[0]
        self.object = None if size is None else ObjectHasher(settings.piece_length(size))
        self.other = hashlib.new(self.kind) if self.kind in ("md5", "sha1") else None
        self._finished: Any = None

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self.object is not None:
            self.object.update(chunk)
        if self.other is not None:
            self.other.update(chunk)

    def finish(self, spool: Path) -> Any:
        """The object's digests."""
        if self._finished is None:
            size = spool.stat().st_size
            length = self.settings.piece_length(size)
            if self.object is None or self.settings.piece_length(self.size or 0) != length:
                self.object = ObjectHasher(length)
                with spool.open("rb") as data:
                    while chunk := data.read(READ_BYTES):
                        self.object.update(chunk)
            self._finished = self.object.finish()
        return self._finished

    def checksum(self, spool: Path) -> str:
        """The digest of the kind that the source listed, written as it writes it."""
        if self.other is not None:
            return f"{self.kind}:{self.other.hexdigest()}"
        return f"sha256:{self.finish(spool).sha256.hex()}" if self.kind else ""
