"""What a worker does with one file: read it once, and tell everything the archive must know.

Runs confined (`longplay.engine`). It writes what it read to a spool file, which is synced while the
file is decoded, and touches neither ledger nor evidence: the pipeline commits what it tells.
"""

from __future__ import annotations

import io
import os
import stat
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Self

from longplay.audio.describe import describe
from longplay.audio.tags import kind_of, read_tags, suffix_of
from longplay.audio.transcode import to_opus
from longplay.capture.orders import HEAD_BYTES, READ_BYTES, Order, Part, Taken
from longplay.errors import InputError, MediaError
from longplay.files import escape, inside, mtime_ns
from longplay.model import Action, Kind, Verdict
from longplay.torrent.merkle import ObjectHasher

FETCHED_MODE = 0o644
"""Permissions of a file that came from a source that has none."""

SYNCS_UNDER_WAY = 8
"""Files that may wait for the disk at once. Each holds a descriptor, and a worker has few
(`confinement.OPEN_FILES`), but a file may have as many pictures."""


def take(order: Order) -> Taken:
    """Read, hash, decode and describe one file. Raises InputError when it cannot be read, or
    changed while it was; what is readable but cannot be kept comes back with a `refusal`."""
    with _Syncer() as syncer:
        return _take(order, syncer)


class _Syncer:
    """Syncs spool files beside the work on them: a disk takes its time, and needs no processor. All
    are synced when the context ends; raises OSError for one that cannot be."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="syncer")
        self._under_way: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._threads.shutdown(wait=True)
        if kind is None:
            for one in self._under_way:
                one.result()

    def begin(self, written: BinaryIO) -> None:
        """Sync a file that is written, and may be closed meanwhile. Waits for the first of those
        before it when they are many; raises OSError when that cannot be synced."""
        written.flush()
        if len(self._under_way) == SYNCS_UNDER_WAY:
            self._under_way.popleft().result()
        self._under_way.append(self._threads.submit(_sync, os.dup(written.fileno())))


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take(order: Order, syncer: _Syncer) -> Taken:
    with _fetched(order) if order.fetched else _spooled(order, syncer) as (taken, source):
        if order.kind is Kind.AUDIO and taken.main.kind != Kind.AUDIO:
            return replace(taken, refusal="is no sound")
        if taken.main.kind != Kind.AUDIO or not order.listen:
            return taken
        try:
            return _listen(order, syncer, taken, source)
        except MediaError as error:
            for stray in taken.main.spool.parent.glob(f"{Path(order.spool).name}-*"):
                if stray != taken.main.spool:
                    stray.unlink()
            return replace(taken, refusal=error.message)


def _listen(order: Order, syncer: _Syncer, taken: Taken, source: BinaryIO) -> Taken:
    limits = order.settings.limits
    sound = describe(source, taken.source_size, limits)
    if sound.integrity.verdict == Verdict.UNPLAYABLE:
        return replace(taken, refusal="; ".join(sound.integrity.findings) or "cannot be played")
    tags = read_tags(source, taken.source_size, escape(order.path), limits)
    pictures = tuple(
        (
            _part(order, syncer, f"p{number}", io.BytesIO(picture.data), len(picture.data)),
            picture.role,
        )
        for number, picture in enumerate(tags.pictures)
    )
    taken = replace(taken, sound=sound, pictures=pictures)
    if order.action != Action.OPUS:
        suffix = suffix_of(Kind.AUDIO, sound.stream.container, sound.stream.codec)
        return replace(taken, main=replace(taken.main, suffix=suffix))
    source.seek(0)
    return _transcoded(order, syncer, taken, source)


def _transcoded(order: Order, syncer: _Syncer, taken: Taken, source: BinaryIO) -> Taken:
    """Keep an Opus copy in place of the original."""
    limits = order.settings.limits
    encoded = Path(f"{order.spool}-opus.part")
    tags = read_tags(source, taken.source_size, escape(order.path), limits)
    source.seek(0)
    with encoded.open("wb") as out:
        to_opus(source, out, bit_rate=order.settings.policy.opus_bit_rate, tags=tags)
    with encoded.open("rb") as copy:
        size = encoded.stat().st_size
        part = _part(order, syncer, "copy", copy, size)
        copy.seek(0)
        sound = describe(copy, size, limits)
    encoded.unlink()
    taken.main.spool.unlink()
    return replace(taken, main=replace(part, kind=Kind.AUDIO, suffix=".opus"), sound=sound)


@contextmanager
def _spooled(order: Order, syncer: _Syncer) -> Iterator[tuple[Taken, BinaryIO]]:
    """Copy the source to the spool while hashing it; yield it for decoding, read only once."""
    path = inside(Path(order.folder), order.path)
    where = escape(order.path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=where) from error
    with open(descriptor, "rb", buffering=0) as source:  # noqa: PTH123 - a descriptor
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise InputError("is not a regular file", where=where)
        small = before.st_size <= order.settings.limits.memory_file_mb * 2**20
        held = io.BytesIO(_read_all(source, before.st_size)) if small else None
        part = _part(order, syncer, "main", held or source, before.st_size, order.path)
        after = os.fstat(descriptor)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise InputError("changed while it was read", where=where, hint="capture it again")
    taken = Taken(
        part,
        before.st_size,
        mtime_ns(before),
        before.st_mode & 0o7777,
        part.hashes.sha256,
        version=order.version,
    )
    with held or part.spool.open("rb") as again:
        again.seek(0)
        yield taken, again


@contextmanager
def _fetched(order: Order) -> Iterator[tuple[Taken, BinaryIO]]:
    """Yield what lies in the spool already, hashed, for decoding."""
    given = order.fetched
    assert given is not None
    kind = _kind(order.path, given.head)
    part = Part(given.hashes, given.spool, kind, suffix_of(kind, head=given.head))
    size, sha256 = given.hashes.size, given.hashes.sha256
    taken = Taken(part, size, given.mtime_ns, FETCHED_MODE, sha256, version=order.version)
    with given.spool.open("rb") as source:
        yield taken, source


def _read_all(source: io.RawIOBase | io.FileIO, size: int) -> bytes:
    chunks, left = [], size + 1
    while left > 0 and (chunk := source.read(left)):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _part(
    order: Order,
    syncer: _Syncer,
    name: str,
    source: BinaryIO | io.RawIOBase,
    size: int,
    path: bytes = b"",
) -> Part:
    """Hash `source` while writing it to a spool file, which is synced from then on."""
    spool = Path(f"{order.spool}-{name}.part")
    hasher = ObjectHasher(order.settings.piece_length(size))
    head, count = b"", 0
    with spool.open("wb") as out:
        while chunk := source.read(READ_BYTES):
            head = head or bytes(chunk[:HEAD_BYTES])
            count += len(chunk)
            if count > size:
                break
            hasher.update(chunk)
            out.write(chunk)
        syncer.begin(out)
    if count != size:
        raise InputError(
            "changed while it was read", where=escape(order.path), hint="capture it again"
        )
    kind = _kind(path, head)
    return Part(hasher.finish(), spool, kind, suffix_of(kind, head=head))


def _kind(path: bytes, head: bytes) -> Kind:
    """What a file is. Equal bytes are one object, whatever their names: only sound is told by it
    too."""
    kind = kind_of(path.partition(b"?")[0], head)
    return kind if kind is Kind.AUDIO else kind_of(b"", head)
