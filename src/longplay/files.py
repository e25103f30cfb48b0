"""Durable writes, safe paths, bounded reads, the writer's lock.

Whatever an archive keeps is synced before it gets its final name: here, or by the same steps in
the room that streams it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from longplay.errors import ArchiveError, InputError, LockedError

TEMPORARY = ".part"
"""Suffix of a file that is not yet whole; whatever bears it and is not locked may be swept."""


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def durable(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that exists whole or not at all.

    Yields a file opened for writing beside `path`; on leaving without an exception it is synced,
    renamed to `path`, and the folder is synced. On an exception it is removed.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def publish(temporary: Path, path: Path) -> None:
    """Give a synced temporary file its final name, durably. Both lie on one file system."""
    temporary.replace(path)
    sync_folder(path.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Replace `path` with `data`, whole or not at all."""
    with durable(path) as out:
        out.write(data)


def write_json(path: Path, document: Any) -> None:
    """Replace `path` with a JSON document in one canonical spelling (sorted keys, UTF-8)."""
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)
    write_durably(path, text.encode() + b"\n")


SECRET_BYTES = 32


def secret(path: Path, what: str, *, hint: str, make: bool = True) -> bytes:
    """The secret bytes in a file, made unless they are there or `make` is not. `what` they are and
    what helps where they are none stand in the ArchiveError that is raised then."""
    try:
        if make and not path.exists():
            _make_secret(path)
        text = read_bounded(path, 1000).decode("ascii", "replace").strip()
    except (OSError, InputError) as error:
        raise ArchiveError(
            f"{what} cannot be kept: {error}",
            where=str(path),
            hint="name a folder that can be written as `keys` in the settings",
        ) from error
    if not re.fullmatch(rf"[0-9a-f]{{{2 * SECRET_BYTES}}}", text):
        raise ArchiveError(f"does not hold {what}", where=str(path), hint=hint)
    return bytes.fromhex(text)


def _make_secret(path: Path) -> None:
    """Write random bytes as hexadecimal digits, for the owner alone, unless another process is
    first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY}")
    descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, f"{secrets.token_hex(SECRET_BYTES)}\n".encode())
        os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        os.close(descriptor)
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def read_bounded(path: Path, limit: int) -> bytes:
    """The whole of `path`, or InputError when it is longer than `limit` bytes or unreadable."""
    try:
        with path.open("rb") as source:
            data = source.read(limit + 1)
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            hint="check the path and its permissions",
        ) from error
    if len(data) > limit:
        raise InputError(
            f"is longer than {limit} bytes", where=str(path), hint="is this the right file?"
        )
    return data


def escape(name: bytes) -> str:
    """A file name as text that can be turned back into the same bytes by `unescape`.

    Plain UTF-8 stays as it is; bytes that are not UTF-8, controls and `%` become `%XX`.
    """
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return quote_from_bytes(name, safe=b"/ !#$&'()+,;=@[]{}^~`")
    return re.sub(r"[%\x00-\x1f\x7f]", lambda match: f"%{ord(match[0]):02X}", text)


def unescape(text: str) -> bytes:
    """The bytes of a name written by `escape`."""
    return unquote_to_bytes(text)


def inside(folder: Path, relative: bytes) -> Path:
    """`folder / relative`, or InputError when the name would climb out of the folder."""
    parts = relative.split(b"/")
    if (
        relative.startswith(b"/")
        or b"\x00" in relative
        or any(part in (b"", b".", b"..") for part in parts)
    ):
        raise InputError(
            "path leaves its folder", where=escape(relative), hint="the entry was refused"
        )
    return folder / os.fsdecode(relative)


def mtime_ns(facts: os.stat_result) -> int:
    """A file's modification time, held within the 64 bits that tables have (to the year 2262)."""
    return min(max(facts.st_mtime_ns, -(2**63)), 2**63 - 1)


@contextmanager
def writer_lock(path: Path, what: str) -> Iterator[None]:
    """Be the only writer of one kind (`what`: catalogue, plan, release).

    The kernel drops the lock when the process dies, however it dies; the file's text only tells a
    second command who holds it. Raises LockedError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace").strip()
            since = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
            holder = f"{holder or 'another process'} since {since:%Y-%m-%d %H:%M:%S} UTC"
            raise LockedError(
                f"the {what} is being written by {holder}",
                where=str(path),
                hint="wait for it, or stop it",
            ) from error
        text = f"process {os.getpid()} on {socket.gethostname()}\n"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


@contextmanager
def turns(path: Path) -> Iterator[int]:
    """Be the only one at work on something small, after waiting for those who were first; with the
    open file, for whoever keeps in it what the work is on. The kernel ends the turn of a process
    that dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def sweep(folder: Path, keep: set[str], *, pattern: str = "*") -> list[Path]:
    """Remove the files directly in `folder` that no transaction names; the caller holds its lock.

    Returns what was removed. A missing folder has nothing to sweep.
    """
    removed = []
    for path in sorted(folder.glob(pattern)) if folder.is_dir() else []:
        if path.is_file() and path.name not in keep:
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def free(folder: Path) -> int:
    """Bytes that may still be written where `folder` lies, or would lie."""
    facts = os.statvfs(nearest(folder))
    return facts.f_bavail * facts.f_frsize


def nearest(folder: Path) -> Path:
    """`folder`, or the first above it that is there."""
    return next((one for one in (folder, *folder.parents) if one.is_dir()), folder)


def require_free(folder: Path, needed: int) -> None:
    """Raise ArchiveError when fewer than `needed` bytes are free where `folder` lies."""
    found = free(folder)
    if found < needed:
        raise ArchiveError(
            f"{found:,} bytes are free, {needed:,} are needed",
            where=str(folder),
            hint="free some space",
        )
