"""A whole object as a local file, proved: where it lies, or a copy out of a bucket for a while."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from longplay.files import TEMPORARY
from longplay.model import ObjectKey
from longplay.vault import fixity
from longplay.vault.objects import ObjectStore

COPY_BYTES = 8 * 2**20
"""Bytes that are copied at once."""


@contextmanager
def whole(store: ObjectStore, key: ObjectKey, suffix: str) -> Iterator[Path | None]:
    """A file with the object's bytes, None where the store does not have them whole. A copy goes
    at the end. Raises StoreError when the store cannot be reached."""
    path = store.local(key, suffix)
    if path is not None:
        yield path if _is_whole(path, key) else None
        return
    if store.size(key, suffix) != key.size:
        yield None
        return
    store.staging.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix="whole-", suffix=TEMPORARY, dir=store.staging)
    copy = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out, store.open(key, suffix) as source:
            shutil.copyfileobj(source, out, COPY_BYTES)
        yield copy if _is_whole(copy, key) else None
    finally:
        copy.unlink(missing_ok=True)


def _is_whole(path: Path, key: ObjectKey) -> bool:
    reading = fixity.read_file(path, key.size)
    return reading is not None and reading.root == key.root and not reading.longer
