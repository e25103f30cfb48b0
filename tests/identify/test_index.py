"""The index on disk: what counts, what is merged, what is torn."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from longplay.audio.landmarks import marked
from longplay.errors import StoreError
from longplay.identify import confirming, hashing, index, shard
from longplay.identify.hashing import FAN_INDEXED, FIRSTS_INDEXED
from longplay.identify.index import Manifest
from longplay.identify.shard import Printed, Shard
from longplay.model import ObjectKey
from tests.identify.made import key, printed
from tests.killed import killed


def small(number: int, count: int = 40) -> Printed:
    rng = np.random.default_rng(number)
    frame = np.sort(rng.integers(0, 1000, count)).astype("i4")
    place = rng.integers(100, 150, count).astype("f4")
    return Printed(key(number), 1000, frame, place, rng.integers(0, 2**32, 30).astype("u4"))


def built(folder: Path, numbers: range) -> Manifest:
    manifest = Manifest()
    for number in numbers:
        manifest = index.add(folder, manifest, [small(number)], "decoder 1")
    return manifest


Held = dict[ObjectKey, tuple[list, list, list]]
"""(hash, place), landmarks and items of objects."""


def held(folder: Path, manifest: Manifest) -> Held:
    """Every object, from the shards."""
    found: Held = {}
    for one in index.open_shards(folder, manifest):
        for number in range(len(one)):
            assert one.key(number) not in found
            found[one.key(number)] = (
                [],
                one.marks_of(number).tolist(),
                one.print_of(number).tolist(),
            )
        for posting in one.all_postings().tolist():
            place = posting & ((1 << one.place_bits) - 1)
            number = one.object_at(place)
            entry = (posting >> one.place_bits, place - int(one.starts[number]))
            found[one.key(number)][0].append(entry)
    return found


def expected(numbers: Iterable[int]) -> Held:
    found = {}
    for made in map(small, numbers):
        marks = hashing.triples(made.frame, made.bin, FAN_INDEXED, FIRSTS_INDEXED, False)
        entries = sorted(
            (int(one), int(time) // shard.UNIT)
            for hashes, times in (marks, confirming.hashed(made.items))
            for one, time in zip(hashes, times, strict=True)
        )
        kept = made.items[:: confirming.KEPT].tolist()
        found[made.key] = (entries, marked(made.frame, made.bin).tolist(), kept)
    return found


def test_merging_loses_and_doubles_nothing(tmp_path: Path) -> None:
    manifest = built(tmp_path, range(9))
    assert len(manifest.shards) == 9
    merged = index.merge(tmp_path, manifest, set(expected(range(9))))
    assert len(merged.shards) < 9
    assert index.load(tmp_path) == merged
    assert held(tmp_path, merged) == expected(range(9))
    assert {path.name for path in tmp_path.glob("*.shard")} == {one.name for one in merged.shards}


def test_what_is_not_held_any_more_leaves_the_index(tmp_path: Path) -> None:
    manifest = built(tmp_path, range(3))
    merged = index.merge(tmp_path, manifest, {key(0), key(2)})
    assert held(tmp_path, merged) == expected((0, 2))
    less = index.merge(tmp_path, merged, {key(2)})
    assert held(tmp_path, less) == expected([2])
    assert index.merge(tmp_path, less, set()).shards == ()


def test_an_object_in_two_shards_is_kept_once(tmp_path: Path) -> None:
    manifest = built(tmp_path, range(4))
    double = index.add(tmp_path, manifest, [small(1), small(9)], "decoder 2")
    merged = index.merge(tmp_path, double, {key(at) for at in (0, 1, 2, 3, 9)})
    assert merged.objects == 5
    assert merged.decoders == ["decoder 1", "decoder 2"]


def test_merging_in_ranges_of_hashes_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = built(tmp_path, range(3))
    monkeypatch.setattr(shard, "RANGE_POSTINGS", 20)
    merged = index.merge(tmp_path, index.add(tmp_path, manifest, [small(3)], "decoder 1"),
                         set(expected(range(4))))  # fmt: skip
    assert len(merged.shards) == 1
    assert held(tmp_path, merged) == expected(range(4))


def test_leftovers_of_the_killed_do_not_count_and_are_swept(tmp_path: Path) -> None:
    manifest = built(tmp_path, range(2))
    shard.write(tmp_path, [small(7)], "decoder 1")
    (tmp_path / "landmarks-1-00.shard.77.part").write_bytes(b"half")
    assert index.load(tmp_path) == manifest
    index.tidy(tmp_path, manifest)
    assert len(list(tmp_path.glob("*.shard*"))) == 2


COUNT = 6
"""Objects that are indexed one by one, and then merged."""


def growing(folder: Path) -> Callable[[], None]:
    """What an update does: add what lacks, and merge."""

    def grow() -> None:
        manifest = index.load(folder)
        index.tidy(folder, manifest)
        known = index.indexed(folder, manifest)
        for number in range(COUNT):
            if key(number) not in known:
                manifest = index.add(folder, manifest, [small(number)], "decoder 1")
        index.merge(folder, manifest, {key(number) for number in range(COUNT)})

    return grow


def objects_of(folder: Path) -> set[ObjectKey]:
    """The objects of an index that was killed, after seeing that each is whole and there once."""
    there = held(folder, index.load(folder))
    whole = expected(range(COUNT))
    assert there == {one: whole[one] for one in there}
    return set(there)


def check_killed(folder: Path, moments: Iterable[int]) -> bool:
    """Kill an update before these of its steps, one after another, and let it end; whether each
    moment came before its end."""
    folder.mkdir()
    before: set[ObjectKey] = set()
    for at in moments:
        if not killed(growing(folder), at, within=str(folder)):
            return False
        there = objects_of(folder)
        assert there >= before
        before = there
    growing(folder)()
    assert objects_of(folder) == {key(number) for number in range(COUNT)}
    manifest = index.load(folder)
    assert len(manifest.shards) < COUNT
    assert {path.name for path in folder.iterdir()} == {
        index.MANIFEST, *(one.name for one in manifest.shards)
    }  # fmt: skip
    shutil.rmtree(folder)
    return True


def test_killed_while_shards_are_written_and_merged(tmp_path: Path) -> None:
    moments = [at for at in range(1, 1000, 17) if check_killed(tmp_path / str(at), [at])]
    assert len(moments) > 4


@pytest.mark.long
def test_killed_before_every_step(tmp_path: Path) -> None:
    done = 0
    while check_killed(tmp_path / str(done), [done]):
        done += 1
    assert done > 80
    chance = random.Random(5)
    for number in range(100):
        moments = [chance.randrange(30) for _ in range(chance.randrange(2, 6))]
        check_killed(tmp_path / f"again {number}", moments)


@pytest.mark.parametrize("cut", [0, 5, 40, 1023, 1100, -1])
def test_a_torn_shard_is_never_opened(tmp_path: Path, cut: int) -> None:
    manifest = built(tmp_path, range(1))
    path = tmp_path / manifest.shards[0].name
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(StoreError, match="bytes, not"):
        index.open_shards(tmp_path, manifest)
    if cut >= 0:  # what lacks but its filling cannot be told by itself
        with pytest.raises(StoreError, match="is not a whole shard"):
            Shard(path)
    path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        index.open_shards(tmp_path, manifest)


def test_rot_is_found(tmp_path: Path) -> None:
    manifest = built(tmp_path, range(2))
    assert list(index.rotten(tmp_path, manifest.shards)) == []
    path = tmp_path / manifest.shards[1].name
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    assert list(index.rotten(tmp_path, manifest.shards)) == [path.name]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "x"}, "is no fingerprint index"),
        ({"version": 3}, "was made by another version"),
        ({"method": "landmarks-9"}, "was made by another version"),
        ({"shards": [{"name": 1}]}, "is no fingerprint index"),
        ({"shards": 7}, "is no fingerprint index"),
    ],
)
def test_manifests_of_others_are_refused(tmp_path: Path, change: dict, words: str) -> None:
    built(tmp_path, range(1))
    path = tmp_path / index.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StoreError, match=words):
        index.load(tmp_path)


def test_a_large_shard_keeps_to_its_bytes(tmp_path: Path) -> None:
    """Under 20 KB for 4 minutes, as soon as a shard has some hundred recordings."""
    made = [printed(seed, 60) for seed in range(4)]
    frame = np.concatenate([one.frame + one.frames * at for at, one in enumerate(made)])
    place = np.concatenate([one.bin for one in made])
    many = [
        Printed(
            key(at),
            10_335,
            frame,
            np.clip(place + at % 40, 8, 380).astype("f4"),
            np.concatenate([one.items for one in made]) ^ np.uint32(at),
        )
        for at in range(300)
    ]
    written = shard.write(tmp_path, many, "test")
    assert written.bytes / 300 < 20_000
