"""A cut adds volumes for what is new, cuts anew what lost something, and leaves the rest alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from longplay.errors import ReleaseError, RightsError, StoreError
from longplay.model import ObjectKey
from longplay.release import cut as cutting
from longplay.release import hashes, volumes
from longplay.release.cut import Release, read_release, sweep
from longplay.rights.statements import Act
from longplay.torrent import metainfo
from tests.release.making import PIECE, World, cut, leave_for
from tests.torrent.making import torrent_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def made(world: World, *arguments: Any, **more: Any) -> Release:
    release = cut(world.request(*arguments, **more), world.releases)
    assert release is not None
    return release


def manifest(world: World, release: Release) -> list[dict[str, Any]]:
    text = (world.releases / release.name / "manifest.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def places(world: World, release: Release) -> dict[str, tuple[str, str]]:
    return {row["root"]: (row["volume"], row["path"]) for row in manifest(world, release)}


def root(world: World, number: int) -> str:
    return world.hashes[number].key.hex


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def everything(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_release_has_everything_of_its_objects(world: World) -> None:
    numbers = world.add(5, PIECE, 3 * PIECE + 7)
    release = made(world, numbers)
    assert (release.name, release.stage, release.objects) == ("s1-0001", 1, 3)
    assert release.bytes == 5 + PIECE + 3 * PIECE + 7
    assert release.share_of_listens == pytest.approx((100 + 99 + 98) / 1000)
    (volume,) = release.music
    assert volume.name == "test-s1-v0001"
    raw = (world.releases / volume.torrent).read_bytes()
    contents = {
        f"Somebody/Songs/{number + 1:02} Song {number}.ogg": world.contents[number]
        for number in numbers
    }
    expected = torrent_of("test-s1-v0001", contents, PIECE)
    assert raw == expected.data
    assert volume.info_hash_v1 == expected.info_hash_v1.hex()
    assert volume.info_hash_v2 == expected.info_hash_v2.hex()
    assert (volume.padding, volume.bytes) == (expected.padding, expected.bytes)
    assert volume.info_hash_v2 in volume.magnet_v2
    assert volume.info_hash_v1 not in volume.magnet_v2
    assert volume.info_hash_v1 in volume.magnet
    document = json.loads((world.releases / "s1-0001" / "release.json").read_text())
    assert read_release(document) == release


def test_the_manifest_says_what_each_file_is_and_why_it_may_be_shared(world: World) -> None:
    (number,) = world.add(9, title="Été", artists=["A", "B"])
    (row,) = manifest(world, made(world, [number]))
    found = world.hashes[number]
    assert row == {
        "path": "A/Songs/01 Été.ogg",
        "root": found.root.hex(),
        "size": 9,
        "sha256": found.sha256.hex(),
        "isrc": "XX0000000000",
        "title": "Été",
        "artists": ["A", "B"],
        "album": "Songs",
        "recording": "rec0000000000000",
        "statement": "https://creativecommons.org/publicdomain/zero/1.0/",
        "evidence": "a test",
        "tdm_reserved": False,
        "kind": "audio",
        "volume": "test-s1-v0001",
    }


def test_tables_of_a_release(world: World) -> None:
    numbers = world.add(1, 2)
    folder = world.releases / made(world, numbers).name
    members = pq.read_table(folder / "members.parquet").to_pylist()
    assert [(row["root"], row["size"]) for row in members] == [
        (world.hashes[number].root, number + 1) for number in numbers
    ]
    metadata = pq.read_table(folder / "metadata.parquet").to_pylist()
    assert [row["title"] for row in metadata] == ["Song 0", "Song 1"]
    assert [row["duration_ms"] for row in metadata] == [1000, 1000]


def test_the_same_cut_gives_the_same_bytes(world: World, tmp_path: Path) -> None:
    numbers = world.add(*range(1, 9))
    made(world, numbers)
    first = everything(world.releases)
    made(world, numbers)
    assert everything(world.releases) == first
    cut(world.request(numbers), tmp_path / "elsewhere")
    assert everything(tmp_path / "elsewhere") == first


def test_what_is_new_comes_in_new_volumes_and_the_old_stay(world: World) -> None:
    first = made(world, world.add(5, 6))
    new = world.add(7)
    for number in (0, 1):
        world.facts[number] = {"title": "Another title", "listens": 0.0}
    second = made(world, [2, 0, 1], before=first)
    assert second.name == "s1-0002"
    assert second.supersedes == "s1-0001"
    assert second.music[0] == first.music[0]
    assert second.fresh == ("test-s1-m0002", "test-s1-v0002")
    assert names_in(world.releases / "s1-0002")[-2:] == [
        "test-s1-m0002.torrent",
        "test-s1-v0002.torrent",
    ]
    after = places(world, second)
    assert {key: after[key] for key in places(world, first)} == places(world, first)
    assert after[root(world, new[0])][0] == "test-s1-v0002"


def test_only_volumes_that_lost_something_are_cut_anew(world: World) -> None:
    first = made(world, world.add(5, 6, 7))
    second = made(world, [0, 1, 2, *world.add(8)], before=first)
    third = made(world, [0, 2, 3], before=second)
    again, untouched = third.music
    assert (again.name, again.number, again.supersedes) == ("test-s1-v0001-r2", 1, "test-s1-v0001")
    assert untouched == second.music[1]
    assert third.fresh == ("test-s1-m0003", "test-s1-v0001-r2")
    before, after = places(world, second), places(world, third)
    assert root(world, 1) not in after
    assert {key: path for key, (_, path) in after.items()} == {
        key: path for key, (_, path) in before.items() if key != root(world, 1)
    }
    torrent = metainfo.parse((world.releases / again.torrent).read_bytes())
    assert torrent.name == "test-s1-v0001"  # so that a mirror goes on with the files it has
    assert [file.size for file in torrent.files] == [5, 7]
    fourth = made(world, [0, 3], before=third)
    assert [volume.name for volume in fourth.music] == ["test-s1-v0001-r3", "test-s1-v0002"]


def test_a_volume_that_lost_everything_goes_and_its_number_is_not_used_again(world: World) -> None:
    first = made(world, world.add(5))
    second = made(world, world.add(6), before=first)
    assert [volume.name for volume in second.music] == ["test-s1-v0002"]
    third = made(world, [], before=second)
    assert third.volumes == ()
    assert third.objects == 0
    assert manifest(world, third) == []
    fourth = made(world, world.add(7), before=third)
    assert [volume.name for volume in fourth.music] == ["test-s1-v0003"]


def test_nothing_new_is_no_release(world: World) -> None:
    numbers = world.add(5)
    first = made(world, numbers)
    assert cut(world.request(numbers, before=first), world.releases) is None
    assert names_in(world.releases) == ["s1-0001"]
    assert cut(world.request([], stage=2), world.releases) is None


def test_what_the_stage_no_longer_wants_stays_where_it_is(world: World) -> None:
    first = made(world, world.add(5, 6))
    world.facts[1] = {"in_stage": False}
    assert cut(world.request([0, 1], before=first), world.releases) is None
    (never,) = world.add(7, in_stage=False)
    second = made(world, [0, never, 1, *world.add(8)], before=first)
    assert set(places(world, second)) == {root(world, number) for number in (0, 1, 3)}


def test_what_another_stage_released_is_not_released_again(world: World) -> None:
    world.add(5, 6)
    first = made(world, [0])
    second = made(world, [0, 1], stage=2, others=(first,))
    assert set(places(world, second)) == {root(world, 1)}
    assert [volume.name for volume in second.music] == ["test-s2-v0001"]


def test_a_path_of_another_volume_is_not_used_again(world: World) -> None:
    first = made(world, world.add(5, title="One", track_number=1))
    world.add(6, title="ONE", track_number=1)
    second = made(world, [0, 1], before=first)
    digits = root(world, 1)[:8]
    assert places(world, second)[root(world, 1)][1] == f"Somebody/Songs/01 ONE [{digits}].ogg"


def test_size_classes_do_not_share_a_volume(world: World) -> None:
    world.add(5, 6)
    world.add(7, piece_length=2 * PIECE)
    release = made(world, [2, 0, 1])
    found = [(volume.piece_length, volume.objects) for volume in release.music]
    assert found == [(2 * PIECE, 1), (PIECE, 2)]  # the most listened-to first


def test_no_torrent_grows_past_its_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 2500
    monkeypatch.setattr(volumes, "TORRENT_BYTES", limit)
    monkeypatch.setattr(hashes, "WINDOW_BYTES", 2000)
    world.add(*(PIECE * (number % 3) + 5 for number in range(40)))
    release = made(world, list(range(40)))
    sizes = [(world.releases / volume.torrent).stat().st_size for volume in release.music]
    assert max(sizes) <= limit
    assert all(limit - size < 600 for size in sizes[:-1])  # one more object is 600 bytes
    assert sum(volume.objects for volume in release.music) == 40
    torrents = [(world.releases / volume.torrent).read_bytes() for volume in release.music]
    found = {file.root: file.piece_layer for raw in torrents for file in metainfo.parse(raw).files}
    assert found == {one.root: one.piece_layer for one in world.hashes.values()}


def test_an_object_that_no_torrent_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "TORRENT_BYTES", 2000)
    (number,) = world.add(200 * PIECE)
    with pytest.raises(ReleaseError, match="more hashes than a"):
        made(world, [number])


def test_an_object_without_bytes(world: World) -> None:
    release = made(world, world.add(0, 5))
    torrent = metainfo.parse((world.releases / release.music[0].torrent).read_bytes())
    assert [file.size for file in torrent.files] == [0, 5]


def test_leaves_are_not_read(world: World) -> None:
    numbers = world.add(3 * PIECE)
    table = pq.read_table(world.files[0])
    pq.write_table(table.drop_columns(["leaves", "sha256"]), world.files[0])
    assert made(world, numbers).objects == 1


class TestLeave:
    """Whatever is released has the gate's leave: its own, to be released, and not outdated."""

    def test_one_is_missing(self, world: World) -> None:
        request = world.request(world.add(5, 6))
        with pytest.raises(ReleaseError, match="every object needs its own leave"):
            cut(replace(request, leave=list(request.leave)[:1]), world.releases)

    def test_one_is_too_many(self, world: World) -> None:
        request = world.request(world.add(5))
        with pytest.raises(ReleaseError, match="more leave than there are objects"):
            cut(replace(request, leave=[*request.leave, *request.leave]), world.releases)

    def test_it_is_anothers(self, world: World) -> None:
        request = world.request(world.add(5, 6))
        with pytest.raises(ReleaseError, match="every object needs its own leave"):
            cut(replace(request, leave=list(request.leave)[::-1]), world.releases)

    def test_it_is_for_another_size(self, world: World) -> None:
        request = world.request(world.add(5))
        leave = leave_for(ObjectKey(world.hashes[0].root, 6))
        with pytest.raises(ReleaseError, match="every object needs its own leave"):
            cut(replace(request, leave=[leave]), world.releases)

    def test_it_is_for_another_act(self, world: World) -> None:
        request = world.request(world.add(5))
        leave = leave_for(world.hashes[0].key, Act.STREAM)
        with pytest.raises(RightsError, match="leave to stream is no leave to release"):
            cut(replace(request, leave=[leave]), world.releases)

    def test_it_is_older_than_a_claim(self, world: World) -> None:
        request = world.request(world.add(5))
        leave = leave_for(world.hashes[0].key, position=4)
        made = replace(request, leave=[leave], newest_upheld=4)
        assert cut(made, world.releases) is not None
        with pytest.raises(RightsError, match="5 was upheld since"):
            cut(replace(made, newest_upheld=5), world.releases)

    def test_it_rests_on_another_statement(self, world: World) -> None:
        (number,) = world.add(5, statement="https://creativecommons.org/licenses/by/4.0/")
        with pytest.raises(ReleaseError, match="does not rest on"):
            made(world, [number])

    def test_nothing_was_written(self, world: World) -> None:
        request = world.request(world.add(5))
        with pytest.raises(ReleaseError):
            cut(replace(request, leave=[]), world.releases)
        assert not world.releases.exists()


class TestDamage:
    """What is wrong with the evidence or an older release is told, and nothing is left behind."""

    def test_hashes_are_missing(self, world: World) -> None:
        numbers = world.add(5, 6)
        world.files.clear()
        world.add(7)
        with pytest.raises(ReleaseError, match=r"no hashes in the evidence \(of 2 such"):
            made(world, numbers)
        assert names_in(world.releases) == []

    def test_hashes_are_of_another_size(self, world: World) -> None:
        (number,) = world.add(5)
        found = world.hashes[number]
        world.hashes[number] = replace(found, size=6)
        world.contents[number] += b"x"
        with pytest.raises(ReleaseError, match="has no hashes in the evidence"):
            made(world, [number])

    @pytest.mark.parametrize("column", ["v1_pieces", "piece_layer", "v1_last_bare"])
    @pytest.mark.parametrize("length", [1, 40])
    def test_hashes_have_a_wrong_length(self, world: World, column: str, length: int) -> None:
        numbers = world.add(5, 6)
        table = pq.read_table(world.files[0])
        values = table[column].to_pylist()
        values[1] = bytes(length)
        at = table.column_names.index(column)
        field = table.schema.field(column)
        pq.write_table(table.set_column(at, field, [values]), world.files[0])
        with pytest.raises(ReleaseError, match="do not fit their object's size"):
            made(world, numbers)

    def test_evidence_that_stands_twice_does_no_harm(self, world: World) -> None:
        numbers = world.add(5, 3 * PIECE)
        first = made(world, numbers)
        world.files *= 2
        assert made(world, numbers) == first

    def test_evidence_is_gone(self, world: World) -> None:
        numbers = world.add(5)
        world.files[0].write_bytes(b"no parquet")
        with pytest.raises(StoreError, match="cannot be read"):
            made(world, numbers)

    def test_an_object_stands_twice(self, world: World) -> None:
        (number,) = world.add(5)
        with pytest.raises(ReleaseError, match="stands twice among the objects"):
            made(world, [number, number])

    def test_members_of_the_release_before_are_gone(self, world: World) -> None:
        numbers = world.add(5)
        first = made(world, numbers)
        (world.releases / first.name / "members.parquet").unlink()
        with pytest.raises(ReleaseError, match="cannot be read"):
            made(world, numbers, before=first)

    def test_a_document_of_another_version(self, world: World) -> None:
        document = made(world, world.add(5)).document()
        with pytest.raises(ReleaseError, match="version 2, not 1"):
            read_release({**document, "version": 2})
        with pytest.raises(ReleaseError, match="is no document of a release"):
            read_release({"version": 1})


def test_a_cut_that_fails_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    request = world.request(world.add(5, 6))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cutting, "write_json", fail)
    with pytest.raises(OSError, match="No space"):
        cut(request, world.releases)
    assert names_in(world.releases) == []


def test_what_a_killed_cut_left_does_no_harm_and_is_swept(world: World) -> None:
    numbers = world.add(5, 6)
    made(world, numbers)
    whole = everything(world.releases)
    unfinished = world.releases / ".s1-0001.part"
    unfinished.mkdir()
    (unfinished / "half.torrent").write_bytes(b"half")
    (world.releases / "s1-0001" / "stray").write_bytes(b"of a release that no ledger names")
    made(world, numbers)
    assert everything(world.releases) == whole
    unfinished.mkdir()
    (world.releases / "s1-0002").mkdir()
    (world.releases / "lock").write_bytes(b"")
    sweep(world.releases, {"s1-0001"})
    assert names_in(world.releases) == ["lock", "s1-0001"]
