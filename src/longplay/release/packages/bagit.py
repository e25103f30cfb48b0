"""BagIt bags (RFC 8493): one folder for each object in the payload, SHA-512 manifests.

`bagit.txt` is written last: what was cut short is no bag. An object's folder appears whole, and
its `mets.xml` has the digest of its file, so that going on reads no object twice.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO

from longplay.errors import InputError
from longplay.files import durable, read_bounded, write_durably
from longplay.release.packages import copying, folder, mets, names, premis
from longplay.release.packages.folder import MARKER, STAGING
from longplay.release.packages.item import Item
from longplay.release.packages.written import Written

FORMAT = "bagit"

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

MANIFEST, TAG_MANIFEST = "manifest-sha512.txt", "tagmanifest-sha512.txt"

DOCUMENT_BYTES = 16 * 2**20
"""Bytes that a document which we wrote may have."""


class Bag:
    """A bag that is being filled. Objects are `put` from several threads, `enlist`ed in order."""

    format = FORMAT

    def __init__(self, place: Path, software: str, date: str, archive: str) -> None:
        self.place = place
        self.software = software
        self.date = date
        self.archive = archive
        self.bytes = 0
        self.files = 0

    def begin(self) -> None:
        """From now on it is no bag, until it is finished."""
        (self.place / "bagit.txt").unlink(missing_ok=True)
        folder.make(self.place / "data")

    def put(self, item: Item, opened: Callable[[], BinaryIO]) -> Written:
        """Write an object's folder unless it is there. Raises IntegrityFoundError, StoreError."""
        place = self._place(item)
        kept = self._kept(place, item)
        if kept is not None:
            return kept
        shutil.rmtree(place, ignore_errors=True)
        staged = self.place / STAGING / item.key.hex
        staged.mkdir()
        with opened() as source:
            digest = copying.copy(source, staged / item.name, item.sha256)
        documents = self._documents(item, digest)
        for name, data in documents.items():
            copying.write(staged / name, data)
        folder.settle(staged, place)
        return _written(item, digest, documents, fresh=True)

    def enlist(self, item: Item, written: Written, manifest: IO[bytes]) -> None:
        """Write an object's files into the manifest."""
        base = self._place(item).relative_to(self.place).as_posix()
        for name, digest, size in written.files:
            manifest.write(f"{digest}  {base}/{name}\n".encode())
            self.bytes += size
            self.files += 1

    def finish(self, belongs: folder.Roots) -> int:
        """Remove what no longer belongs, and make it a bag. The manifest is written."""
        removed = folder.sweep(self.place / "data", belongs)
        info = (
            f"Bag-Software-Agent: Longplay {self.software}\n"
            f"Bagging-Date: {self.date}\n"
            f"External-Description: {len(belongs)} objects of the archive {self.archive}\n"
            f"Payload-Oxum: {self.bytes}.{self.files}\n"
        )
        write_durably(self.place / "bag-info.txt", info.encode())
        digests = {"bagit.txt": hashlib.sha512(DECLARATION).hexdigest()}
        for name in ("bag-info.txt", MARKER, MANIFEST):
            with (self.place / name).open("rb") as source:
                digests[name] = hashlib.file_digest(source, "sha512").hexdigest()
        lines = (f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
        write_durably(self.place / TAG_MANIFEST, "".join(lines).encode())
        write_durably(self.place / "bagit.txt", DECLARATION)
        return removed

    def manifest(self) -> Path:
        """Where the payload's manifest lies."""
        return self.place / MANIFEST

    def _place(self, item: Item) -> Path:
        digits = item.key.hex
        return self.place / "data" / digits[:2] / digits[2:4] / item.id

    def _documents(self, item: Item, digest: str) -> dict[str, bytes]:
        told = premis.render(item, self.software)
        digest_of_it = hashlib.sha512(told).hexdigest()
        about = mets.render(item, self.software, digest, told, digest_of_it)
        return {names.PREMIS: told, names.METS: about}

    def _kept(self, place: Path, item: Item) -> Written | None:
        """What is there of an object already, with its documents brought up to date; None when
        its file is not there as it should be."""
        try:
            digest = mets.digest_in(read_bounded(place / names.METS, DOCUMENT_BYTES))
            is_whole = (place / item.name).stat().st_size == item.key.size
        except (InputError, OSError):
            return None
        expected = {item.name, names.METS, names.PREMIS}
        if digest is None or not is_whole:
            return None
        if {path.name for path in place.iterdir()} != expected:
            return None
        documents = self._documents(item, digest)
        changed = [
            name
            for name, data in documents.items()
            if read_bounded(place / name, DOCUMENT_BYTES) != data
        ]
        for name in changed:
            with durable(place / name) as out:
                out.write(documents[name])
        return _written(item, digest, documents, fresh=bool(changed))


def _written(item: Item, digest: str, documents: dict[str, bytes], *, fresh: bool) -> Written:
    files = [(item.name, digest, item.key.size)]
    for name, data in documents.items():
        files.append((name, hashlib.sha512(data).hexdigest(), len(data)))
    return Written(tuple(files), fresh)
