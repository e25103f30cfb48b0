"""What was written of one object."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Written:
    """The files of one object's package as (name, SHA-512 in hexadecimal, bytes); `fresh` says
    that this run wrote some of it."""

    files: tuple[tuple[str, str, int], ...]
    fresh: bool
