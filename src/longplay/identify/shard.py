"""A shard: the hashes of some recordings, written once, read through a memory map.

The recordings lie one after another on one line of time, in frames, with gaps between them; a
posting is (hash, place on that line) as one number, and the shard is all of them, sorted and coded.
So a question needs no table but the directory until it knows where on the line it lies.
Format: docs/formats/fingerprint-index.md
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longplay.errors import StoreError
from longplay.files import durable
from longplay.identify import coding
from longplay.identify.landmarks import HASH_BITS, METHOD
from longplay.model import ObjectKey

MAGIC = b"LPFPIDX1"
ALIGNED = 64
VERSION = 1

GAP = 2_048
"""Frames between two recordings: longer than any question reaches out of one."""

PER_BUCKET = 16
"""Postings that a bucket has on average: a look-up reads half a line of the cache."""

MAX_HEADER = 2**20


@dataclass(frozen=True, slots=True)
class Printed:
    """What is to be indexed of one object: its length in frames, and its hashes with the frames
    that they begin at."""

    key: ObjectKey
    frames: int
    hashes: NDArray[np.uint32]
    times: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Written:
    """A shard that lies on disk, as the index names it."""

    name: str
    objects: int
    postings: int
    bytes: int
    sha256: str
    decoder: str


class Shard:
    """An opened shard; its arrays are views of the map. Raises StoreError for a broken one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as source:
                self._map = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise _broken(path, str(error)) from error
        self.facts = _header(self._map, path)
        self.width: int = self.facts["width"]
        self.place_bits: int = self.facts["place_bits"]
        self.postings: int = self.facts["postings"]
        self.decoder: str = self.facts["decoder"]
        self.roots = self._section("roots", np.uint8).reshape(-1, 32)
        self.sizes = self._section("sizes", np.int64)
        self.starts = self._section("starts", np.int64)
        self.directory = self._section("directory", np.uint32)
        self.data = self._section("data", np.uint8)
        self._widest: int | None = None
        whole = len(self.roots) == len(self.sizes) == len(self.starts) - 1
        if not whole or len(self.directory) != self.facts["buckets"] + 1:
            raise _broken(path, "its sections do not fit each other")

    def __len__(self) -> int:
        return len(self.roots)

    @property
    def widest(self) -> int:
        """Bytes of the largest bucket."""
        if self._widest is None:
            self._widest = int(np.diff(self.directory).max())
        return self._widest

    def key(self, number: int) -> ObjectKey:
        """The object of that number in the shard."""
        return ObjectKey(self.roots[number].tobytes(), int(self.sizes[number]))

    def objects(self) -> set[ObjectKey]:
        """All objects of the shard."""
        return {self.key(number) for number in range(len(self))}

    def object_at(self, place: int) -> int:
        """The number of the object nearest to a place on the line."""
        number = int(np.searchsorted(self.starts, place + GAP // 2, side="right")) - 1
        return min(max(number, 0), len(self) - 1)

    def all_postings(self) -> NDArray[np.int64]:
        """Every posting, sorted. Raises StoreError where the bytes have rotted."""
        found = coding.decode(self.data, self.directory, self.width, self.postings)
        if len(found) != self.postings:
            raise _broken(self.path, "its postings cannot be decoded")
        return found

    def _section(self, name: str, form: Any) -> NDArray[Any]:
        start, length = self.facts["sections"][name]
        if start < 0 or length < 0 or start + length > len(self._map):
            raise _broken(self.path, "is shorter than it says")
        return np.frombuffer(self._map, form, length // np.dtype(form).itemsize, start)


def write(folder: Path, printed: Sequence[Printed], decoder: str) -> Written:
    """Write the objects' hashes as a new shard, durably."""
    starts = _line([one.frames for one in printed])
    bits = _place_bits(starts)
    parts = [
        one.hashes.astype(np.int64) << bits | (one.times + start)
        for one, start in zip(printed, starts, strict=False)
    ]
    postings = np.sort(np.concatenate([np.empty(0, np.int64), *parts]))
    return _write(folder, [one.key for one in printed], starts, postings, decoder)


def merge(
    folder: Path, shards: Sequence[Shard], keep: Sequence[set[ObjectKey]], decoder: str
) -> Written:
    """Write what each shard has of its objects to keep as one shard, durably. Raises StoreError."""
    keys: list[ObjectKey] = []
    frames: list[int] = []
    wanted = []
    for shard, kept in zip(shards, keep, strict=True):
        chosen = np.array([shard.key(at) in kept for at in range(len(shard))], bool)
        wanted.append(chosen)
        keys += [shard.key(int(at)) for at in np.flatnonzero(chosen)]
        frames += (np.diff(shard.starts) - GAP)[chosen].tolist()
    starts = _line(frames)
    bits = _place_bits(starts)
    parts = [np.empty(0, np.int64)]
    done = 0
    for shard, chosen in zip(shards, wanted, strict=True):
        count = int(chosen.sum())
        shift = np.zeros(len(shard), np.int64)
        shift[chosen] = starts[done : done + count] - shard.starts[:-1][chosen]
        postings = shard.all_postings()
        place = postings & ((1 << shard.place_bits) - 1)
        owner = np.searchsorted(shard.starts, place, side="right") - 1
        moved = (postings >> shard.place_bits) << bits | (place + shift[owner])
        parts.append(moved[chosen[owner]])
        done += count
    return _write(folder, keys, starts, np.sort(np.concatenate(parts)), decoder)


def _place_bits(starts: NDArray[np.int64]) -> int:
    return max(1, int(starts[-1]).bit_length())


def _line(frames: Sequence[int]) -> NDArray[np.int64]:
    """Where each object begins on the line, and where a next one would."""
    return np.concatenate([[0], np.cumsum(np.array(frames, np.int64) + GAP)]).astype(np.int64)


def _write(
    folder: Path,
    keys: Sequence[ObjectKey],
    starts: NDArray[np.int64],
    postings: NDArray[np.int64],
    decoder: str,
) -> Written:
    bits = HASH_BITS + _place_bits(starts)
    leading = max(1, min(HASH_BITS + 6, (len(postings) // PER_BUCKET).bit_length()))
    width = bits - leading
    data, directory = coding.encode(postings, width, 1 << leading)
    sections: dict[str, NDArray[Any]] = {
        "roots": np.frombuffer(b"".join(key.root for key in keys), np.uint8),
        "sizes": np.array([key.size for key in keys], np.int64),
        "starts": starts,
        "directory": directory,
        "data": data,
    }
    facts = {
        "version": VERSION,
        "method": METHOD,
        "decoder": decoder,
        "objects": len(keys),
        "postings": len(postings),
        "width": width,
        "place_bits": _place_bits(starts),
        "buckets": 1 << leading,
    }
    content, count = _laid_out(facts, sections)
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    name = f"{METHOD}-{digest.hexdigest()[:32]}.shard"
    with durable(folder / name) as out:
        for part in content:
            out.write(part)
    return Written(name, len(keys), len(postings), count, digest.hexdigest(), decoder)


def _laid_out(facts: dict[str, Any], sections: dict[str, NDArray[Any]]) -> tuple[list[bytes], int]:
    """The bytes of a shard: magic, length of the header, header, sections at whole lines."""
    places: dict[str, tuple[int, int]] = {}
    room = 1024
    at = room
    for name, array in sections.items():
        places[name] = (at, array.nbytes)
        at += -(-array.nbytes // ALIGNED) * ALIGNED
    header = json.dumps({**facts, "sections": places}, sort_keys=True).encode()
    head = (MAGIC + struct.pack("<I", len(header)) + header).ljust(room, b"\0")
    parts = [head]
    for array in sections.values():
        parts.append(array.tobytes().ljust(-(-array.nbytes // ALIGNED) * ALIGNED, b"\0"))
    return parts, at


def _header(data: mmap.mmap, path: Path) -> dict[str, Any]:
    if data[: len(MAGIC)] != MAGIC or len(data) < len(MAGIC) + 4:
        raise _broken(path, "is no shard of a fingerprint index")
    (length,) = struct.unpack("<I", data[len(MAGIC) : len(MAGIC) + 4])
    try:
        facts = json.loads(data[len(MAGIC) + 4 : len(MAGIC) + 4 + min(length, MAX_HEADER)])
        if facts["version"] > VERSION or facts["method"] != METHOD:
            raise StoreError(
                "was made by another version of Longplay",
                where=str(path),
                hint="install that version, or run `longplay fingerprint update --anew`",
            )
        return dict(facts)
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(path, "its header cannot be read") from error


def _broken(path: Path, why: str) -> StoreError:
    return StoreError(
        f"is not a whole shard: {why}",
        where=str(path),
        hint="make the index anew with `longplay fingerprint update --anew`",
    )
