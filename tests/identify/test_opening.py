"""Shards that have rotted or were made up: an error that says so, or answers; never a crash."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.audio.landmarks import Landmarks
from longplay.errors import StoreError
from longplay.identify import matching, shard, whole_tracks
from longplay.identify.matching import BLURRED, STEPS
from longplay.identify.shard import Printed, Shard
from tests.identify.made import key

HEADER = 1024


def some(number: int, marks: int = 300) -> Printed:
    rng = np.random.default_rng(number)
    frame = np.sort(rng.integers(0, 2000, marks)).astype("i4")
    place = rng.uniform(10, 380, marks).astype("f4")
    return Printed(key(number), 2100, frame, place, rng.integers(0, 2**32, 400).astype("u4"))


OBJECTS = [some(number) for number in range(4)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("shards")
    return (folder / shard.write(folder, OBJECTS, "decoder 1").name).read_bytes()


def header(data: bytes) -> dict[str, Any]:
    (length,) = struct.unpack("<I", data[8:12])
    return json.loads(data[12 : 12 + length])


def with_header(data: bytes, said: object) -> bytes:
    told = json.dumps(said).encode()
    return (data[:8] + struct.pack("<I", len(told)) + told).ljust(HEADER, b"\0") + data[HEADER:]


def asked(path: Path, folder: Path) -> int:
    """Ask a shard all that can be asked; how many places of it were likely."""
    opened = Shard(path)
    frame, place = OBJECTS[2].frame[:80], OBJECTS[2].bin[:80]
    heard = Landmarks(frame, place, np.arange(80, dtype=np.int32) % 20)
    items = np.repeat(OBJECTS[2].items[:100], 4)
    found = len(matching.ask([opened], heard, (*STEPS[:1], BLURRED), items))
    found += len(whole_tracks.look_up([opened], items))
    opened.objects()
    shard.merge(folder, [opened, opened], [opened.objects(), set()], "decoder 2")
    opened.all_postings()
    return found


def damaged(data: bytes) -> Iterator[bytes]:
    """The same shard with flipped bits and other bytes in its header and in each section; cut."""
    chance = random.Random(11)
    parts = header(data)["sections"] | {"header": (0, HEADER // 2)}
    for start, length in parts.values():
        for _ in range(12):
            other = bytearray(data)
            for _ in range(chance.choice([1, 1, 5])):
                at = start + chance.randrange(length)
                other[at] = chance.choice([other[at] ^ 1 << chance.randrange(8), 0, 255])
            yield bytes(other)
    for _ in range(12):
        yield data[: chance.randrange(len(data))]


def test_a_damaged_shard_answers_or_says_that_it_is_none(made: bytes, tmp_path: Path) -> None:
    path = tmp_path / "some.shard"
    path.write_bytes(made)
    assert asked(path, tmp_path) > 0
    answered, refused = 0, 0
    for number, data in enumerate(damaged(made)):
        path = tmp_path / f"{number}.shard"
        path.write_bytes(data)
        try:
            asked(path, tmp_path)
            answered += 1
        except StoreError as error:
            assert error.where == str(path)
            assert error.hint == "make the index anew with `longplay fingerprint update --anew`"
            refused += 1
    assert answered > 5
    assert refused > 60


Change = Callable[[dict[str, Any]], object]


def of(name: str, value: object) -> Change:
    return lambda said: said | {name: value}


def placed(name: str, *place: object) -> Change:
    return lambda said: said | {"sections": said["sections"] | {name: list(place)}}


def without(name: str) -> Change:
    return lambda said: {one: it for one, it in said.items() if one != name}


UNREADABLE = "its header cannot be read"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *((without(name), UNREADABLE) for name in ("width", "postings", "objects", "sections")),
        *((of("width", value), UNREADABLE) for value in (0, 64, -1, 3.5, True, "9", 1 << 70)),
        *((of("place_bits", value), UNREADABLE) for value in (0, 3, 40, 1 << 80, None)),
        *((of("buckets", value), UNREADABLE) for value in (0, 1, 1 << 40)),
        *((of("objects", value), UNREADABLE) for value in (0, 3, 5, 1 << 62)),
        *((of("postings", value), UNREADABLE) for value in (-1, 1e3, None)),
        (of("postings", 1 << 40), "its sections do not fit each other"),
        (of("sections", 7), UNREADABLE),
        (of("sections", {}), UNREADABLE),
        (placed("starts", 1024), UNREADABLE),
        (placed("starts", 1024, 41), UNREADABLE),
        (placed("data", -64, 64), UNREADABLE),
        (placed("data", 0, 64), "its sections do not fit each other"),
        (placed("marks", 0, 64), "its sections do not fit each other"),
        (placed("prints", 1 << 60, 64), "is shorter than it says"),
        (lambda said: [said], UNREADABLE),
    ],
)
def test_a_header_that_cannot_be_so_is_refused(
    made: bytes, tmp_path: Path, change: Change, words: str
) -> None:
    path = tmp_path / "some.shard"
    path.write_bytes(with_header(made, change(header(made))))
    with pytest.raises(StoreError, match=f"is not a whole shard: {words}"):
        Shard(path)


@pytest.mark.parametrize("name", ["starts", "mark_starts", "print_starts"])
@pytest.mark.parametrize("number", [0, 2, -1])
@pytest.mark.parametrize("value", [-1, -(2**63), 2**63 - 1, 77_777])
def test_numbers_that_fall_or_end_elsewhere_are_refused(
    made: bytes, tmp_path: Path, name: str, number: int, value: int
) -> None:
    start, length = header(made)["sections"][name]
    data = bytearray(made)
    numbers = np.frombuffer(data, np.int64, length // 8, start)
    numbers[number] = value
    path = tmp_path / "some.shard"
    path.write_bytes(data)
    with pytest.raises(StoreError, match="its sections do not fit each other"):
        Shard(path)


def test_a_directory_that_falls_leaves_out_what_it_hides(made: bytes, tmp_path: Path) -> None:
    start, length = header(made)["sections"]["directory"]
    data = bytearray(made)
    directory = np.frombuffer(data, np.uint32, length // 4, start)
    directory[1:-1] = directory[1:-1][::-1].copy()
    path = tmp_path / "some.shard"
    path.write_bytes(data)
    with pytest.raises(StoreError, match="its postings cannot be decoded"):
        Shard(path).all_postings()
    directory[-1] += 1 << 20
    path.write_bytes(data)
    with pytest.raises(StoreError, match="its sections do not fit each other"):
        Shard(path)
