"""What a capture did, in figures that add up."""

from __future__ import annotations

from dataclasses import dataclass

FAILURES_TOLD = 20
"""Failures named one by one; beyond these the count says enough."""

_WORDS = ("failures", "reasons")


@dataclass(frozen=True, slots=True)
class Totals:
    """What a capture did. `offered` is the sum of the next five; `bytes` were newly stored;
    `reasons` say why files were skipped. `fetched` bytes came from sources over a network, `again`
    of them for a second time; `rehashed` bytes were hashed a second time, because a transfer was
    cut short; `recovered` files had been done, and not committed, by a capture that died."""

    offered: int = 0
    captured: int = 0
    already_held: int = 0
    skipped: int = 0
    quarantined: int = 0
    failed: int = 0
    bytes: int = 0
    expected_bytes: int = 0
    fetched: int = 0
    again: int = 0
    rehashed: int = 0
    recovered: int = 0
    failures: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __add__(self, other: Totals) -> Totals:
        names = [name for name in self.__slots__ if name not in _WORDS]
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Totals(
            **sums,
            failures=(self.failures + other.failures)[:FAILURES_TOLD],
            reasons=(self.reasons + other.reasons)[:FAILURES_TOLD],
        )

    @property
    def tried(self) -> int:
        """Files that were not already held or gone: what a limit counts."""
        return self.captured + self.quarantined + self.failed
