"""What a container proves of itself: the value, the notebook it grows in, and bounded reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

WINDOW = 1 << 20
"""Bytes held of a file at a time: enough that seeking costs nothing, few enough for any worker."""

MAX_FINDINGS = 12
"""Findings told one by one; a file with more is told by their number, for nobody reads the rest."""

MAX_RESYNCS = 1_000
"""Places at which a reader looks for the next good frame before it calls the rest unreadable:
bounds the time that a hostile file costs, and no damage worth listing has more."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What the bytes of a file prove and betray before anything is decoded.

    `container` is the name of the format ("" where the bytes have none that is known here).
    `proofs` say what was checked and held; `findings` what is wrong with the bits, with byte
    offsets; `notes` what is odd but costs no sound. What only decoding can settle:
    `expected_samples` per channel at the stream's rate (`exact` where not one may differ),
    `expected_pcm_md5` as FLAC defines it, `expected_ms` of sound. `checksum` names the check that
    covered every byte of audio and held; "" where none does.
    """

    container: str
    proofs: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    expected_samples: int | None = None
    exact: bool = False
    expected_pcm_md5: bytes | None = None
    expected_ms: int | None = None
    checksum: str = ""


@dataclass(slots=True)
class Notebook:
    """Collects what a reader sees of one file; `close` makes it a `Structure`."""

    container: str
    proofs: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    damages: int = 0
    expected_samples: int | None = None
    exact: bool = False
    expected_pcm_md5: bytes | None = None
    expected_ms: int | None = None
    checksum: str = ""

    def prove(self, words: str) -> None:
        """Something was checked and held."""
        self.proofs.append(words)

    def find(self, words: str) -> None:
        """Something is wrong with the bits."""
        self.damages += 1
        if self.damages <= MAX_FINDINGS:
            self.findings.append(words)

    def note(self, words: str) -> None:
        """Something is odd and costs no sound."""
        if len(self.notes) < MAX_FINDINGS:
            self.notes.append(words)

    def close(self) -> Structure:
        """The finished value. A checksum proves nothing beside damage."""
        findings = list(self.findings)
        if self.damages > MAX_FINDINGS:
            findings.append(f"and {self.damages - MAX_FINDINGS} more findings of this kind")
        return Structure(
            container=self.container,
            proofs=tuple(self.proofs),
            findings=tuple(findings),
            notes=tuple(self.notes),
            expected_samples=self.expected_samples,
            exact=self.exact,
            expected_pcm_md5=self.expected_pcm_md5,
            expected_ms=self.expected_ms,
            checksum="" if self.damages else self.checksum,
        )


class Window:
    """Random reads from a file of `size` bytes through one buffer of about `WINDOW` bytes."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self.source = source
        self.size = size
        self._start = 0
        self._held = b""

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from `offset`: `count` of them, at most `WINDOW`, fewer at the end of the file."""
        count = min(count, WINDOW, self.size - offset)
        if count <= 0 or offset < 0:
            return b""
        begin = offset - self._start
        if begin < 0 or begin + count > len(self._held):
            self.source.seek(offset)
            self._held = self.source.read(min(max(count, WINDOW), self.size - offset))
            self._start = offset
            begin = 0
        return self._held[begin : begin + count]

    def number(self, offset: int, count: int, *, little: bool = False) -> int:
        """An unsigned integer of `count` bytes; -1 where the file ends before it."""
        data = self.read(offset, count)
        if len(data) < count:
            return -1
        return int.from_bytes(data, "little" if little else "big")

    def search(self, pattern: bytes, offset: int, limit: int | None = None) -> int:
        """Where `pattern` next stands from `offset` on and before `limit`; -1 where it does not."""
        end = self.size if limit is None else min(limit, self.size)
        while offset < end:
            data = self.read(offset, min(WINDOW, end - offset))
            at = data.find(pattern)
            if at >= 0:
                return offset + at
            offset += max(1, len(data) - len(pattern) + 1)
            if len(data) < len(pattern):
                return -1
        return -1
