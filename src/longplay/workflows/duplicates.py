"""`duplicates find`: which held recordings are copies of each other, asked of the index itself.

Every object is asked once, and again only when other speeds are wanted that it was not asked at;
what comes later finds it by its own question. May be stopped at any moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from longplay import clock
from longplay.archive import Archive
from longplay.files import writer_lock
from longplay.identify import comparing, pairs
from longplay.identify.likeness import Likeness
from longplay.model import ObjectKey
from longplay.workflows import identifying, likenesses

NOTED = 32
"""Objects asked between two notes: what a kill costs."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search did: objects asked by it, and pairs of objects that it found."""

    objects: int
    pairs: int
    lacking: int
    seconds: float


def find(
    archive: Archive, *, own_speed: bool, workers: int | None = None, progress: Progress
) -> Asked:
    """Ask the index about each object in it that was not asked yet. Raises StoreError,
    LockedError."""
    folder = archive.folder / likenesses.FOLDER
    with writer_lock(folder / "lock", "search for near-duplicates"):
        began = clock.monotonic()
        opened = identifying.open_index(archive, workers=workers, progress=progress)
        total = sum(map(len, opened.shards))
        asked, found, done = 0, 0, 0
        waiting: list[tuple[ObjectKey, Mapping[ObjectKey, Likeness]]] = []
        with pairs.opened(folder) as known:
            for at, shard in enumerate(opened.shards):
                for number in range(len(shard)):
                    done += 1
                    key = shard.key(number)
                    if known.asked(key, otherwise=not own_speed):
                        continue
                    alike = comparing.alike(opened.shards, at, number, own_speed=own_speed)
                    waiting.append((key, alike))
                    asked, found = asked + 1, found + len(alike)
                    if len(waiting) == NOTED:
                        known.note(waiting, otherwise=not own_speed)
                        waiting = []
                    progress(done, total, f"{found:,} pairs")
            known.note(waiting, otherwise=not own_speed)
        seconds = round(clock.monotonic() - began, 2)
        return Asked(asked, found, opened.lacking, seconds)
