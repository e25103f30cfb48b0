"""Single pieces from a swarm, over loopback, with real libtorrent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from longplay.errors import StoreError
from longplay.model import BLOCK, ObjectKey
from longplay.release import pieces
from longplay.release.pieces import Lying, Swarm
from longplay.release.seeding import Seeder
from tests.release.making import PIECE
from tests.release.test_seeding import SHARING, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def seeder() -> Iterator[Seeder]:
    with Seeder(SHARING) as made:
        yield made


def address(seeder: Seeder) -> tuple[str, int]:
    host, _, port = seeder.address.rpartition(":")
    return host, int(port)


def swarm(store: Store, path: str, scratch: Path, *peers: tuple[str, int]) -> Swarm:
    scratch.mkdir()
    return Swarm(SHARING, lambda _key: [Lying(store.torrent, path)], scratch, peers)


def test_a_block_costs_its_piece_and_neighbours_nothing(
    store: Store, seeder: Seeder, tmp_path: Path
) -> None:
    size = 9 * PIECE
    path = store.path(size)
    data, key = store.files[path].read_bytes(), ObjectKey(*store.wanted[path])
    seeder.update([store.offer()])
    with swarm(store, path, tmp_path / "scratch", address(seeder)) as asked:
        at = 5 * PIECE
        assert asked.read(key, at, BLOCK) == data[at : at + BLOCK]
        assert asked.read(key, at + BLOCK, BLOCK) == data[at + BLOCK : at + 2 * BLOCK]
        assert asked.received == PIECE
        across = asked.read(key, 2 * PIECE - BLOCK, 2 * BLOCK)
        assert across == data[2 * PIECE - BLOCK : 2 * PIECE + BLOCK]
        assert asked.received == 3 * PIECE
    names = [one.name for one in (tmp_path / "scratch").rglob("*")]
    assert [name for name in names if not name.endswith(".parts")] == []


def test_the_last_short_piece_is_what_the_file_ends_with(
    store: Store, seeder: Seeder, tmp_path: Path
) -> None:
    path = store.path(5 * PIECE + 7)
    data, key = store.files[path].read_bytes(), ObjectKey(*store.wanted[path])
    seeder.update([store.offer()])
    with swarm(store, path, tmp_path / "scratch", address(seeder)) as asked:
        assert asked.read(key, 5 * PIECE, 7) == data[-7:]


def test_what_is_in_no_volume_is_not_there(store: Store, tmp_path: Path) -> None:
    path = store.path(40)
    with swarm(store, path, tmp_path / "scratch") as asked:
        assert asked.read(ObjectKey(bytes(32), 41), 0, 9) is None
    with swarm(store, "nothing/like/it", tmp_path / "other") as asked:
        assert asked.read(ObjectKey(*store.wanted[path]), 0, 9) is None


def test_a_swarm_of_nobody_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "FIRST_PEER_SECONDS", 0.2)
    path = store.path(40)
    with (
        swarm(store, path, tmp_path / "scratch") as asked,
        pytest.raises(StoreError, match="the swarm has nobody within 0 s"),
    ):
        asked.read(ObjectKey(*store.wanted[path]), 0, 40)


def test_a_seeder_that_has_it_damaged_too_gives_nothing(
    store: Store, seeder: Seeder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_SECONDS", 2.0)
    monkeypatch.setattr(pieces, "FIRST_PEER_SECONDS", 2.0)
    path = store.path(9 * PIECE)
    store.files[path].write_bytes(bytes(9 * PIECE))
    seeder.update([store.offer()])
    with (
        swarm(store, path, tmp_path / "scratch", address(seeder)) as asked,
        pytest.raises(StoreError, match=r"the swarm (has nobody|does not give piece)"),
    ):
        asked.read(ObjectKey(*store.wanted[path]), 0, BLOCK)
