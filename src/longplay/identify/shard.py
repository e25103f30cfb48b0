"""A shard: landmarks, fingerprints and hashes of some recordings, written once, read through a map.

The recordings lie one after another on one line of time, in units of UNIT frames, with gaps between
them; a posting is (hash, place on that line) as one number, and the shard has all of them, sorted
and coded. So a question needs no table but the directory until it knows where on the line it lies.
Then the landmarks of the recording that lies there, one after another, and what is kept of its
Chromaprint fingerprint, say whether it is that.
Format: docs/formats/fingerprint-index.md
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longplay.audio.landmarks import METHOD, marked
from longplay.catalogue.compiled import compiled, whole
from longplay.files import durable
from longplay.identify import coding, opening
from longplay.identify.confirming import ASKED_BY, hashed, some_runs, thinned
from longplay.identify.hashing import FAN_INDEXED, FIRSTS_INDEXED, HASH_BITS, triples
from longplay.identify.opening import ALIGNED, GAP, MAGIC, VERSION, broken, place_bits
from longplay.model import ObjectKey

UNIT = 8
"""Frames, 186 ms, that are one place on the line: the landmarks tell where exactly."""

PER_BUCKET = 24
"""Postings that a bucket has on average: a look-up reads half a line of the cache."""

RANGE_POSTINGS = 1 << 24
"""Postings that are sorted at once when shards are merged: 400 MB of memory."""

_NO_ITEMS: NDArray[np.uint32] = np.empty(0, np.uint32)


@dataclass(frozen=True, slots=True)
class Printed:
    """What is to be indexed of one object: its length in frames; its landmarks in order of time, as
    frames and bins; its Chromaprint fingerprint, and of how many of its items one is
    a hash."""

    key: ObjectKey
    frames: int
    frame: NDArray[np.int32]
    bin: NDArray[np.float32]
    items: NDArray[np.uint32]
    asked_by: int = ASKED_BY


@dataclass(frozen=True, slots=True)
class Written:
    """A shard that lies on disk, as the index names it; `prints` says that it has fingerprints of
    its objects, which it has not where an older version made it."""

    name: str
    objects: int
    postings: int
    bytes: int
    sha256: str
    decoder: str
    prints: bool = False


class Shard:
    """An opened shard; its arrays are views of the map. Raises StoreError for a broken one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as source:
                self._map = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise broken(path, str(error)) from error
        facts = opening.facts(self._map, path)

        def section(name: str, form: Any) -> NDArray[Any]:
            return opening.section(self._map, path, facts, name, form)

        self.width, self.place_bits = facts.width, facts.place_bits
        self.postings, self.decoder, self.has_prints = facts.postings, facts.decoder, facts.prints
        self.roots = section("roots", np.uint8).reshape(-1, 32)
        self.sizes = section("sizes", np.int64)
        self.starts = section("starts", np.int64)
        self.directory = section("directory", np.uint32)
        self.words = section("data", np.uint64)
        self.mark_starts = section("mark_starts", np.int64)
        self.marks = section("marks", np.uint16)
        self.print_starts, self.prints = np.zeros(len(self.starts), np.int64), _NO_ITEMS
        if facts.version == VERSION:
            self.print_starts = section("print_starts", np.int64)
            self.prints = section("prints", np.uint32)
        opening.check(self, facts, path)

    def __len__(self) -> int:
        return len(self.roots)

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
        found = self.some_postings(0, 0)
        if len(found) != self.postings:
            raise broken(self.path, "its postings cannot be decoded")
        return found

    def some_postings(self, part: int, bits: int) -> NDArray[np.int64]:
        """The postings whose hashes begin with the `bits` bits of `part`."""
        each = (len(self.directory) - 1) >> bits
        first, last = part * each, (part + 1) * each
        # A posting takes one bit at least.
        length = max(0, int(self.directory[last]) - int(self.directory[first]))
        room = min(self.postings, 8 * length)
        return coding.decode(self.words, self.directory, self.width, first, last, room)

    def marks_of(self, number: int) -> NDArray[np.uint16]:
        """The landmarks of an object, as `marked` writes them."""
        first, last = (int(one) for one in self.mark_starts[number : number + 2])
        if not 0 <= first <= last <= len(self.marks):
            raise broken(self.path, "its landmarks lie outside of it")
        return self.marks[first:last]

    @cached_property
    def runs(self) -> NDArray[np.uint32]:
        """Stretches from all over the fingerprints, which tell what chance gives."""
        return some_runs(self.prints)

    def print_of(self, number: int) -> NDArray[np.uint32]:
        """What is kept of an object's fingerprint."""
        first, last = (int(one) for one in self.print_starts[number : number + 2])
        if not 0 <= first <= last <= len(self.prints):
            raise broken(self.path, "its fingerprints lie outside of it")
        return self.prints[first:last]


@dataclass(slots=True)
class _Content:
    """What a shard has beside its postings."""

    keys: list[ObjectKey]
    starts: NDArray[np.int64]
    marks: list[NDArray[np.uint16]]
    prints: list[NDArray[np.uint32]]
    decoder: str


@dataclass(frozen=True, slots=True)
class _Coded:
    """Postings as bytes: of each range of hashes its words, and all its directory."""

    parts: list[NDArray[np.uint8]]
    directory: NDArray[np.uint32]
    width: int
    postings: int


def write(folder: Path, printed: Sequence[Printed], decoder: str) -> Written:
    """Write the objects' landmarks and hashes as a new shard, durably."""
    starts = _line([-(-one.frames // UNIT) for one in printed])
    bits = place_bits(starts)
    parts = [np.empty(0, np.int64)]
    for one, start in zip(printed, starts, strict=False):
        hashes, times = triples(one.frame, one.bin, FAN_INDEXED, FIRSTS_INDEXED, False)
        parts.append(hashes.astype(np.int64) << bits | (times // UNIT + start))
        hashes, times = hashed(one.items, of=one.asked_by)
        parts.append(hashes.astype(np.int64) << bits | (times // UNIT + start))
    postings = np.sort(np.concatenate(parts))
    marks = [marked(one.frame, one.bin) for one in printed]
    prints = [thinned(one.items) for one in printed]
    content = _Content([one.key for one in printed], starts, marks, prints, decoder)
    return _write(folder, content, _coded([postings], bits, len(postings)), prints=True)


def merge(
    folder: Path, shards: Sequence[Shard], keep: Sequence[set[ObjectKey]], decoder: str
) -> Written:
    """Write what each shard has of its objects to keep as one shard, durably, range by range of
    hashes: the memory is that of the new shard. Raises StoreError."""
    keys: list[ObjectKey] = []
    places: list[int] = []
    marks: list[NDArray[np.uint16]] = []
    prints: list[NDArray[np.uint32]] = []
    wanted = []
    for shard, kept in zip(shards, keep, strict=True):
        chosen = np.array([shard.key(at) in kept for at in range(len(shard))], bool)
        wanted.append(chosen)
        numbers = np.flatnonzero(chosen).tolist()
        keys += [shard.key(at) for at in numbers]
        marks += [shard.marks_of(at) for at in numbers]
        prints += [shard.print_of(at) for at in numbers]
        places += (np.diff(shard.starts) - GAP)[chosen].tolist()
    starts = _line(places)
    bits = place_bits(starts)
    shifts = []
    done = 0
    for shard, chosen in zip(shards, wanted, strict=True):
        shift = np.full(len(shard), -1, np.int64)
        count = int(chosen.sum())
        shift[chosen] = starts[done : done + count]
        shifts.append(shift)
        done += count
    total = sum(one.postings for one in shards)
    deep = min((len(one.directory) - 1).bit_length() - 1 for one in shards)
    cut = min(deep, max(0, (total // RANGE_POSTINGS).bit_length()))

    def merged() -> Iterator[NDArray[np.int64]]:
        seen = [0] * len(shards)
        for part in range(1 << cut):
            found = [np.empty(0, np.int64)]
            for at, shard in enumerate(shards):
                postings = shard.some_postings(part, cut)
                seen[at] += len(postings)
                moved = _moved(postings, shard.place_bits, shard.starts, shifts[at], bits)
                found.append(moved)
            yield np.sort(np.concatenate(found))
        for count, shard in zip(seen, shards, strict=True):
            if count != shard.postings:
                raise broken(shard.path, "its postings cannot be decoded")

    content = _Content(keys, starts, marks, prints, decoder)
    prints_too = all(one.has_prints for one in shards)
    return _write(folder, content, _coded(merged(), bits, total, cut), prints=prints_too)


@compiled
def _moved(
    postings: NDArray[np.int64],
    place_bits: int,
    starts: NDArray[np.int64],
    shift: NDArray[np.int64],
    bits: int,
) -> NDArray[np.int64]:
    """Postings on another line, on which each object begins at `shift`, or is not where -1."""
    out = np.empty(len(postings), np.int64)
    total = 0
    mask = (whole(1) << place_bits) - 1
    for posting in postings:
        place = posting & mask
        owner = np.searchsorted(starts, place, side="right") - 1
        if 0 <= owner < len(shift) and shift[owner] >= 0:
            out[total] = (posting >> place_bits) << bits | (place - starts[owner] + shift[owner])
            total += 1
    return out[:total]


def _line(places: Sequence[int]) -> NDArray[np.int64]:
    """Where each object begins on the line, and where a next one would."""
    return np.concatenate([[0], np.cumsum(np.array(places, np.int64) + GAP)]).astype(np.int64)


def _ends(lengths: Iterable[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.fromiter(lengths, np.int64))]).astype(np.int64)


def _coded(
    ranges: Iterable[NDArray[np.int64]], place_bits: int, about: int, cut: int = 0
) -> _Coded:
    """Sorted postings, which come in 2^cut ranges of hashes, as bytes."""
    leading = max(1, cut, min(HASH_BITS + 6, (about // PER_BUCKET).bit_length()))
    width = HASH_BITS + place_bits - leading
    each = 1 << (leading - cut)
    directory = np.zeros((1 << leading) + 1, np.uint32)
    parts = []
    length, count = 0, 0
    for number, postings in enumerate(ranges):
        data, starts = coding.encode(postings, width, each, number * each)
        parts.append(data[: starts[-1]])
        directory[number * each : (number + 1) * each + 1] = starts + length
        length += int(starts[-1])
        if length >= 1 << 32:
            raise OverflowError("the postings of a shard take 4 GiB or more")
        count += len(postings)
    parts.append(np.zeros(-length % 8 + coding.PADDING, np.uint8))
    return _Coded(parts, directory, width, count)


def _write(folder: Path, content: _Content, coded: _Coded, *, prints: bool) -> Written:
    sections: dict[str, list[NDArray[Any]]] = {
        "roots": [np.frombuffer(b"".join(key.root for key in content.keys), np.uint8)],
        "sizes": [np.array([key.size for key in content.keys], np.int64)],
        "starts": [content.starts],
        "mark_starts": [_ends(map(len, content.marks))],
        "marks": content.marks,
        "print_starts": [_ends(map(len, content.prints))],
        "prints": content.prints,
        "directory": [coded.directory],
        "data": [*coded.parts],
    }
    facts = {
        "version": VERSION,
        "method": METHOD,
        "decoder": content.decoder,
        "prints": prints,
        "objects": len(content.keys),
        "postings": coded.postings,
        "width": coded.width,
        "place_bits": place_bits(content.starts),
        "buckets": len(coded.directory) - 1,
    }
    parts, count = _laid_out(facts, sections)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    name = f"{METHOD}-{digest.hexdigest()[:32]}.shard"
    with durable(folder / name) as out:
        for part in parts:
            out.write(part)
    return Written(
        name=name,
        objects=len(content.keys),
        postings=coded.postings,
        bytes=count,
        sha256=digest.hexdigest(),
        decoder=content.decoder,
        prints=prints,
    )


def _laid_out(
    facts: dict[str, Any], sections: dict[str, list[NDArray[Any]]]
) -> tuple[list[bytes | memoryview], int]:
    """The bytes of a shard: magic, length of the header, header, sections at whole lines."""
    places: dict[str, tuple[int, int]] = {}
    parts: list[bytes | memoryview] = [b""]
    at = 1024
    for name, arrays in sections.items():
        length = sum(one.nbytes for one in arrays)
        places[name] = (at, length)
        parts += [one.data.cast("B") for one in arrays if one.nbytes]
        parts.append(bytes(-length % ALIGNED))
        at += length + -length % ALIGNED
    header = json.dumps({**facts, "sections": places}, sort_keys=True).encode()
    parts[0] = (MAGIC + struct.pack("<I", len(header)) + header).ljust(1024, b"\0")
    return parts, at
