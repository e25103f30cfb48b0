"""Lists of fingerprints that can be handed on: no sound, only Chromaprint and what a recording is.

A list is JSON lines, the first of which says what it is. Whoever has a corpus compares it with such
a list offline: whole tracks and long passages, as AcoustID does. Format: docs/formats/prints.md
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longplay.audio import fingerprint
from longplay.errors import InputError

FORMAT = "longplay-fingerprints"
VERSION = 1
ITEM_SECONDS = fingerprint.HOP / 11_025

MAX_LIST = 2**31
"""Bytes of a list that is read: a million recordings."""

LEAST_VOTES = 3
"""Items that must be equal, bit by bit, on one line before two fingerprints are compared."""

LEAST_ITEMS = 24
"""Items, 3 s, that must lie side by side to be compared."""

LIKE = 0.2
"""Share of differing bits up to which two fingerprints are of one recording; others differ in half
of their bits, and transcodes of one in some hundredths."""

Items = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Entry `number` of a list is like the file from `start_s` to `end_s`, where it is at
    `offset_s`; `differing` is the share of their bits that are not equal."""

    number: int
    start_s: float
    end_s: float
    offset_s: float
    differing: float


def header(count: int, time: str) -> str:
    """The first line of a list."""
    said = {"format": FORMAT, "version": VERSION, "algorithm": fingerprint.ALGORITHM,
            "entries": count, "time": time}  # fmt: skip
    return json.dumps(said)


def read(path: Path) -> list[dict[str, Any]]:
    """The entries of a list, each with its `items`. Raises InputError, naming the line."""
    try:
        with path.open("rb") as source:
            data = source.read(MAX_LIST + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    lines = data[:MAX_LIST].splitlines()
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            if number == 1:
                if entry["format"] != FORMAT or entry["version"] != VERSION:
                    raise ValueError("another format")
                continue
            items, algorithm = fingerprint.decompress(entry["chromaprint"])
            if algorithm != fingerprint.ALGORITHM:
                raise ValueError("another algorithm")
        except (ValueError, KeyError, TypeError, RecursionError, InputError) as error:
            raise InputError(
                f"line {number} is no fingerprint of a list",
                where=str(path),
                hint="lists come from `longplay fingerprint export`",
            ) from error
        found.append({**entry, "items": items})
    if not lines:
        raise InputError("is empty", where=str(path), hint="is this the right file?")
    return found


class Lookup:
    """Fingerprints by their items, to find those that share some with another."""

    def __init__(self, prints: Sequence[Items]) -> None:
        self._prints = prints
        values = np.concatenate([np.empty(0, np.uint32), *prints])
        self._order = np.argsort(values, kind="stable")
        self._values = values[self._order]
        self._starts = np.concatenate([[0], np.cumsum([len(one) for one in prints])])

    def like(self, items: Items) -> list[Likeness]:
        """The entries that a fingerprint is like, most alike first."""
        if not len(self._prints) or not len(items):
            return []
        fresh = np.unique(items, return_index=True)
        low = np.searchsorted(self._values, fresh[0], "left")
        high = np.searchsorted(self._values, fresh[0], "right")
        count = np.minimum(high - low, 4096)  # silence is alike everywhere
        at = np.repeat(low - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
        places = self._order[at + np.arange(count.sum())]
        lines = places - np.repeat(fresh[1], count)
        owner = np.searchsorted(self._starts, places, "right") - 1
        pairs, votes = np.unique(np.stack([owner, lines]), axis=1, return_counts=True)
        best: dict[int, Likeness] = {}
        for (number, line), vote in zip(pairs.T.tolist(), votes.tolist(), strict=True):
            one = self._compared(number, line, items) if vote >= LEAST_VOTES else None
            if one and (number not in best or one.differing < best[number].differing):
                best[number] = one
        return sorted(best.values(), key=lambda one: one.differing)

    def _compared(self, number: int, line: int, items: Items) -> Likeness | None:
        shift = line - int(self._starts[number])
        own = self._prints[number]
        start, end = max(0, -shift), min(len(items), len(own) - shift)
        if end - start < LEAST_ITEMS:
            return None
        wrong = np.bitwise_count(items[start:end] ^ own[start + shift : end + shift]).sum()
        differing = float(wrong) / (32 * (end - start))
        if differing > LIKE:
            return None
        first, last, there = (round(one * ITEM_SECONDS, 2) for one in (start, end, start + shift))
        return Likeness(number, first, last, there, round(differing, 4))


def items_of(data: bytes) -> Items:
    """A fingerprint as evidence has it."""
    return np.frombuffer(data, "<u4").astype(np.uint32)


def written(entries: Iterable[dict[str, Any]]) -> Iterable[bytes]:
    """Entries as lines."""
    for entry in entries:
        yield json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
