"""Fixity: damage is found to the block, and nothing that rotted with it is believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.model import BLOCK, ObjectKey
from longplay.vault import fixity
from longplay.vault.fixity import Finding, Reading
from tests.torrent.making import content, hashed

PIECE = 256 * 1024


def of(data: bytes) -> tuple[ObjectKey, bytes]:
    hashes = hashed(data, PIECE)
    return hashes.key, hashes.leaves


def judged(data: bytes, kept: bytes) -> Finding:
    """What is found of an object whose file has `kept` in it."""
    key, leaves = of(data)
    reading = fixity.read_by(lambda start, length: kept[start : start + length], key.size)
    return fixity.judge(key, leaves, reading)


@given(
    size=st.sampled_from([1, BLOCK - 1, BLOCK, BLOCK + 1, 17 * BLOCK, 70 * BLOCK + 5]),
    flips=st.sets(st.integers(0, 10**9), max_size=4),
)
def test_exactly_the_flipped_blocks_are_found(size: int, flips: set[int]) -> None:
    data = bytearray(size)
    places = {flip % size for flip in flips}
    for place in places:
        data[place] ^= 1
    found = judged(bytes(size), bytes(data))
    assert found.blocks == tuple(sorted({place // BLOCK for place in places}))
    assert found.sound == (not places)


@pytest.mark.parametrize(
    ("change", "expected"),
    [(-1, (2,)), (-BLOCK, (1, 2)), (-3 * BLOCK, (0, 1, 2)), (+1, (3,))],
)
def test_a_wrong_length_is_damage(change: int, expected: tuple[int, ...]) -> None:
    data = b"x" * (2 * BLOCK + 100)
    kept = data[: max(len(data) + change, 0)] if change < 0 else data + b"y" * change
    assert judged(data, kept).blocks == expected


def test_rotten_leaves_are_not_believed_and_a_whole_object_needs_none() -> None:
    data = content(5 * BLOCK, 1)
    key, leaves = of(data)
    rotten = bytes(32) + leaves[32:]
    whole = fixity.read_by(lambda start, length: data[start : start + length], key.size)
    assert fixity.judge(key, rotten, whole) == Finding(key, (), False, None)
    assert fixity.judge(key, leaves, whole) == Finding(key, (), False, leaves)
    torn = Reading(bytes(32) + leaves[32:], b"", False)
    # The leaves agree with the file here: both are wrong, and no block is known to be right.
    assert fixity.judge(key, rotten, torn).blocks == (0, 1, 2, 3, 4)
    assert fixity.judge(key, leaves, torn).blocks == (0,)
    assert fixity.judge(key, b"", None) == Finding(key, (), True, None)


def test_a_block_that_cannot_be_read_costs_itself_alone() -> None:
    data = content(70 * BLOCK, 2)
    key, leaves = of(data)

    def read(start: int, length: int) -> bytes:
        if start <= 66 * BLOCK < start + length:
            raise OSError(5, "Input/output error")
        return data[start : start + length]

    reading = fixity.read_by(read, key.size)
    assert fixity.judge(key, leaves, reading).blocks == (66,)


def test_what_is_no_file_is_damaged_and_nothing_waits_for_it(tmp_path: Path) -> None:
    data = content(2 * BLOCK, 3)
    key, leaves = of(data)
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        reading = fixity.read_file(tmp_path / name, key.size)
        assert fixity.judge(key, leaves, reading).blocks == (0, 1)
    assert fixity.read_file(tmp_path / "nothing", key.size) is None


def test_many_objects_are_read_by_workers_and_each_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixity, "TASK_OBJECTS", 4)
    rows, expected = [], {}
    for number in range(13):
        data = content(number * BLOCK + number, number)
        key, leaves = of(data)
        path = tmp_path / str(number)
        kept = bytearray(data)
        expected[key] = Finding(key, (), False, leaves)
        if number == 3:
            kept[BLOCK] ^= 1
            expected[key] = Finding(key, (1,), False, leaves)
        if number == 5:
            kept += b"more"
            expected[key] = Finding(key, (6,), False, leaves)
        if number == 7:
            del kept[-1]
            expected[key] = Finding(key, (7,), False, leaves)
        path.write_bytes(kept)
        if number == 11:
            path.unlink()
            expected[key] = Finding(key, (), True, leaves)
        rows.append((key, path, leaves))
    found = {one.key: one for one in fixity.check(iter(rows), workers=2)}
    assert found == expected


def test_what_workers_cannot_finish_is_read_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is stopped, or dies on a failing disk, costs none of its objects."""
    rows = []
    for number in range(6):
        data = content(BLOCK + number, number)
        key, leaves = of(data)
        (tmp_path / str(number)).write_bytes(data if number else bytes(len(data)))
        rows.append((key, tmp_path / str(number), leaves))
    monkeypatch.setattr(fixity, "TASK_OBJECTS", 3)
    allowed = iter([1e-3, 1e-3])
    whole = fixity._seconds
    monkeypatch.setattr(fixity, "_seconds", lambda sizes: next(allowed, whole(sizes)))
    found = {one.key: one.blocks for one in fixity.check(iter(rows), workers=1)}
    assert found == {key: (0,) if not number else () for number, (key, _, _) in enumerate(rows)}
