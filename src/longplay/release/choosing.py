"""What a mirror takes first: where a byte carries the most listening, and then what is rarest."""

from __future__ import annotations

from collections.abc import Sequence

from longplay.release.feed import Feed, Release, Volume

KINDS = {"metadata": 0, "art": 1, "audio": 2}
"""What a stage hands on first: little, and without it the rest is hard to use."""


def stages(feed: Feed) -> list[Release]:
    """The current releases by listens per byte, the densest first."""
    return sorted(
        feed.current, key=lambda one: (-_density(one.share_of_listens, one.bytes), one.stage)
    )


def volumes(release: Release) -> list[Volume]:
    """The volumes of a release in the order in which to take them: metadata, art and audio by their
    listens per byte, of equals the one with the fewest copies, as the archive's tracker counts."""

    def order(one: Volume) -> tuple[int, float, int, str]:
        density = _density(one.share_of_listens, one.bytes)
        return KINDS[one.kind], -density, one.copies or 0, one.name

    return sorted(release.volumes, key=order)


def fitting(sizes: Sequence[int], left: int | None) -> int:
    """How many of these, from the first on, fit into the bytes that are left (None: all do)."""
    if left is None:
        return len(sizes)
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > left:
            return count
    return len(sizes)


def _density(share: float, size: int) -> float:
    return share / max(1, size)
