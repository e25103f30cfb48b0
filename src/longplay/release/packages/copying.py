"""Bytes out of the store: hashed and proved while they are copied, synced before they count."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from longplay.errors import IntegrityFoundError

CHUNK = 1024 * 1024
"""Bytes copied at once."""


def copy(source: BinaryIO, target: Path, sha256: bytes) -> str:
    """Copy an object to `target`, durably; its SHA-512 in hexadecimal.

    Raises IntegrityFoundError when the bytes are not those that came in, or cannot be read to
    their end: then `target` holds nothing to rely on.
    """
    proof, digest = hashlib.sha256(), hashlib.sha512()
    with target.open("xb") as out:
        while chunk := _read(source):
            proof.update(chunk)
            digest.update(chunk)
            out.write(chunk)
        if proof.digest() != sha256:
            raise IntegrityFoundError("its stored bytes are damaged", hint="see `longplay verify`")
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _read(source: BinaryIO) -> bytes:
    # Only reading: a full or failing target is no damage of ours, and stops the export.
    try:
        return source.read(CHUNK)
    except OSError as error:
        raise IntegrityFoundError(
            f"its stored bytes cannot be read: {error.strerror}", hint="see `longplay verify`"
        ) from error


def write(target: Path, data: bytes) -> None:
    """Write a new file and sync it; its folder is synced by whoever gives that its name."""
    with target.open("xb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
