"""Where histories lie: files, folders, tar and zip archives, each compressed or not, become one
stream of bytes after another. Nothing is unpacked to disk."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn, Protocol, Self

import pyarrow as pa

from longplay.errors import InputError

COMPRESSIONS = {".gz": "gzip", ".tgz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
ARCHIVES = (".tar", ".tgz", ".txz")
HISTORIES = (".listens", ".jsonl", ".ndjson", ".json", ".tsv", ".csv", ".txt", ".tab")
"""How files that can be histories end, without what tells their compression."""

EXPORTED = ("streaming_history_audio", "endsong", "streaminghistory")
"""How the JSON files of a person's own data begin; the others there are not about listening."""

MAX_MEMBERS = 100_000
"""Files in one folder or archive: a dump has some hundred, one for each month."""

TAR_BLOCK = 512
MAX_TAR_HEADER = 16 * 1024
"""Bytes of a long name or of extended attributes in a tar archive: names have at most 4 KiB, and
Python's reader takes time by the square of it."""


class Readable(Protocol):
    """What bytes come from; an empty answer is the end."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""


@dataclass(frozen=True, slots=True)
class Member:
    """One history: its name for people, the file that it lies in, its bytes, and how many bytes of
    all input files were read so far. What goes wrong with a read is for `told` to tell."""

    name: str
    path: Path
    stream: Readable
    done: Callable[[], int]


def total_bytes(paths: Sequence[Path]) -> int:
    """The size of everything that `members` will read."""
    return sum(each.stat().st_size for path in paths for each in _files(path))


def members(paths: Sequence[Path]) -> Iterator[Member]:
    """Every history in these files, folders and archives, in the order of their names.

    Each stream ends to be readable when the next is asked for. Raises InputError for an archive
    that is damaged or ends early, and for a path in which there is no history at all.
    """
    before = 0
    for path in paths:
        found = 0
        for file in _files(path):
            for member in _of_file(file, before, str(file.relative_to(path.parent))):
                found += 1
                yield member
            before += file.stat().st_size
        if not found:
            raise InputError(
                "has no listening history in it",
                where=str(path),
                hint="a ListenBrainz dump, a table of plays, or the data that a service sent you",
            )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.is_file():
            raise InputError("is not there", where=str(path), hint="check the path")
        return [path]
    names = [each for each in sorted(path.rglob("*")) if each.is_file() and not each.is_symlink()]
    if len(names) > MAX_MEMBERS:
        raise InputError(f"holds more than {MAX_MEMBERS} files", where=str(path))
    return [each for each in names if is_history(str(each.relative_to(path)))]


def is_history(name: str) -> bool:
    """Whether a file found in a folder or an archive may be a history, by its name."""
    path = PurePosixPath(name.replace("\\", "/"))
    inner = path.with_suffix("") if path.suffix.lower() in {*COMPRESSIONS, ".xz"} else path
    suffix = inner.suffix.lower()
    if any(part.startswith((".", "__MACOSX")) for part in path.parts):
        return False
    if suffix == ".json":
        return inner.name.lower().startswith(EXPORTED)
    return suffix in HISTORIES and not inner.name.lower().startswith(("readme", "copying"))


def _of_file(path: Path, before: int, name: str) -> Iterator[Member]:
    with told(path), ExitStack() as opened:
        raw = opened.enter_context(path.open("rb"))
        inner, suffix = _suffixes(path)
        if zipfile.is_zipfile(raw):
            yield from _zipped(raw, path, name, before)
            return
        raw.seek(0)
        stream = opened.enter_context(_decompressed(raw, suffix))
        if inner in ARCHIVES or suffix in ARCHIVES:
            yield from _tarred(stream, path, name, lambda: before + raw.tell())
        else:
            yield Member(name, path, stream, lambda: before + raw.tell())


def _suffixes(path: Path) -> tuple[str, str]:
    """How the name ends below its compression, and that compression's suffix."""
    suffix = path.suffix.lower()
    compressed = suffix in COMPRESSIONS or suffix in (".xz", ".txz")
    return (Path(path.stem).suffix.lower() if compressed else suffix, suffix)


@contextmanager
def _decompressed(raw: IO[bytes], suffix: str) -> Iterator[Readable]:
    if suffix in (".xz", ".txz"):
        with lzma.open(raw) as plain:
            yield plain
    elif suffix in COMPRESSIONS:
        with pa.input_stream(raw, compression=COMPRESSIONS[suffix]) as stream:
            yield stream
    else:
        yield raw


class _Entry(tarfile.TarInfo):
    """A tar entry whose header cannot ask for all memory, or for an exabyte of zeros: sparse files,
    whose holes are listed and not stored, are refused in each of the forms that they come in."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        entry = super().frombuf(buf, encoding, errors)
        if entry.type in b"xgXLK" and entry.size > MAX_TAR_HEADER:
            raise tarfile.ReadError("a header of the archive is far too long")
        if entry.type == tarfile.GNUTYPE_SPARSE:
            entry._refuse_sparse()
        return entry

    def _refuse_sparse(self, *_: object) -> NoReturn:
        raise tarfile.ReadError("has a sparse file in it, which no dump has")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


class _Ending(io.RawIOBase):
    """Passes bytes on, and remembers the last ones: a whole tar archive ends in zeros."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.last = b""

    def read(self, size: int = -1, /) -> bytes:
        data = bytes(self._stream.read(size))
        if data:
            self.last = (self.last + data)[-TAR_BLOCK:]
        return data


def _tarred(stream: Readable, path: Path, name: str, done: Callable[[], int]) -> Iterator[Member]:
    ending = _Ending(stream)
    with closing(tarfile.open(fileobj=ending, mode="r|", tarinfo=_Entry)) as archive:
        for count, entry in enumerate(archive):
            if count > MAX_MEMBERS:
                raise InputError(f"holds more than {MAX_MEMBERS} files", where=str(path))
            file = archive.extractfile(entry) if entry.isreg() else None
            if file is not None and is_history(entry.name):
                with _decompressed(file, PurePosixPath(entry.name).suffix.lower()) as plain:
                    yield Member(f"{name}/{entry.name}", path, plain, done)
            # The archive remembers every entry; a dump's are few, a hostile one's are not.
            archive.members = []  # type: ignore[attr-defined]
    if ending.last.strip(b"\0"):
        raise InputError("the archive ends early", where=str(path), hint="fetch it again")


def _zipped(raw: IO[bytes], path: Path, name: str, before: int) -> Iterator[Member]:
    with zipfile.ZipFile(raw) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: entry.filename)
        if len(entries) > MAX_MEMBERS:
            raise InputError(f"holds more than {MAX_MEMBERS} files", where=str(path))
        done = before
        for entry in entries:
            if not entry.is_dir() and is_history(entry.filename):
                so_far = done
                with archive.open(entry) as file:
                    whole = f"{name}/{entry.filename}"
                    yield Member(whole, path, file, partial(int, so_far))
            done += entry.compress_size


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Tell what goes wrong with a file's container or compression as one line: InputError."""
    try:
        yield
    except InputError:
        raise
    except (
        OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
        RuntimeError, NotImplementedError,  # zipfile: encrypted, or a method that it lacks
        ValueError,  # tarfile: a header whose numbers are none
    ) as error:  # fmt: skip
        line = str(error).strip().splitlines()[:1] or ["ends early"]
        raise InputError(
            line[0][:300], where=str(path), hint="is it whole? fetch it again"
        ) from error
