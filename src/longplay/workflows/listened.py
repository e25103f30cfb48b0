"""Listens of every recording of a snapshot, at hand: a few are looked up without reading all.

A file `plans/listens-<key>`: the recordings' ids in order (unsigned 64-bit), then the listens of
each (32-bit floats), little-endian. It can be made again at any time; only the newest stays.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from longplay.archive import Archive
from longplay.catalogue.snapshot import Snapshot
from longplay.files import durable, sweep
from longplay.workflows.shares import Listening

ENTRY = 12
"""Bytes of one recording: 8 of its id, 4 of its listens."""


def key(archive: Archive, snapshot: Snapshot) -> str:
    """What the listens depend on: the snapshot, and the policy's curve."""
    text = repr((snapshot.manifest, archive.settings.policy.curve))
    return f"{snapshot.number:06}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def write(archive: Archive, key: str, listening: Listening) -> None:
    """Keep these for `opened`, in place of those of other snapshots."""
    path = _path(archive, key)
    with durable(path) as out:
        out.write(listening.recordings.astype("<u8", copy=False).data)
        out.write(listening.listens.astype("<f4", copy=False).data)
    sweep(archive.plans, {path.name}, pattern="listens-*")


def opened(archive: Archive, key: str) -> Listening | None:
    """Those of this key, mapped into memory; None where they were not kept."""
    path = _path(archive, key)
    try:
        count = path.stat().st_size // ENTRY
    except FileNotFoundError:
        return None
    if not count:
        return Listening(np.zeros(0, np.uint64), np.zeros(0, np.float32), False)
    return Listening(
        np.memmap(path, "<u8", "r", 0, (count,)),
        np.memmap(path, "<f4", "r", 8 * count, (count,)),
        True,
    )


def _path(archive: Archive, key: str) -> Path:
    return archive.plans / f"listens-{key}"
