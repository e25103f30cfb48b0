"""Replica stores: one contract, whatever keeps the bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from longplay.errors import StoreError
from longplay.ledger import database, naming, tables
from longplay.ledger.database import Ledger
from longplay.model import ObjectKey
from longplay.settings import Replica
from longplay.vault import replicas
from longplay.vault.objects import object_path
from longplay.vault.replicas import FolderReplica, ObjectStoreReplica, ReplicaStore

KEY = ObjectKey(bytes(range(32)), 10)
PATH = object_path(KEY, ".ogg")
FOLDER = PATH.rpartition("/")[0]


def folder_replica(place: Path) -> ReplicaStore:
    (place / "disk").mkdir()
    return FolderReplica("second", place / "disk")


def memory_replica(_place: Path) -> ReplicaStore:
    return ObjectStoreReplica("second", MemoryStore())


def local_replica(place: Path) -> ReplicaStore:
    return ObjectStoreReplica("second", LocalStore(place / "local", mkdir=True))


@pytest.fixture(params=[folder_replica, memory_replica, local_replica])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ReplicaStore:
    made: Callable[[Path], ReplicaStore] = request.param
    return made(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"0123456789")
    return path


def test_what_was_put_is_read_in_parts(store: ReplicaStore, source: Path) -> None:
    store.put(PATH, source)
    assert store.size(PATH) == 10
    assert store.read(PATH, 0, 4) == b"0123"
    assert store.read(PATH, 8, 4) == b"89"
    assert store.read(PATH, 10, 4) == b""
    assert store.read(PATH, 99, 4) == b""


def test_what_is_not_there_is_nothing(store: ReplicaStore) -> None:
    assert store.size(PATH) is None
    assert store.read(PATH, 0, 4) is None
    assert store.read(PATH, 99, 4) is None
    assert store.names(FOLDER) == []
    store.remove(PATH)


def test_putting_again_replaces(store: ReplicaStore, source: Path) -> None:
    store.put(PATH, source)
    source.write_bytes(b"other")
    store.put(PATH, source)
    assert store.read(PATH, 0, 99) == b"other"
    assert store.names(FOLDER) == [PATH.rpartition("/")[2]]


def test_what_was_removed_is_gone_and_its_neighbour_is_not(
    store: ReplicaStore, source: Path
) -> None:
    neighbour = f"{FOLDER}/{'ff' * 32}.ogg"
    store.put(PATH, source)
    store.put(neighbour, source)
    store.remove(PATH)
    store.remove(PATH)
    assert store.size(PATH) is None
    assert store.size(neighbour) == 10


def test_a_large_file_arrives_whole(store: ReplicaStore, source: Path) -> None:
    data = bytes(range(256)) * 25_000  # more than one part of an S3 upload
    source.write_bytes(data)
    store.put(PATH, source)
    assert store.size(PATH) == len(data)
    assert store.read(PATH, len(data) - 5, 10) == data[-5:]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return database.create("sqlite:///ledger.sqlite3", tmp_path)


def holders(ledger: Ledger) -> list[str]:
    with ledger.read() as connection:
        return [row.replica for row in connection.execute(tables.copies.select())]


def test_an_object_is_destroyed_in_every_store_that_has_it(
    ledger: Ledger, source: Path, tmp_path: Path
) -> None:
    one, other = memory_replica(tmp_path), folder_replica(tmp_path)
    one.put(PATH, source)
    with ledger.write() as connection:
        for name in ("second", "gone"):
            number = naming.numbers(connection, [KEY.root])[KEY.root].number
            row = {"object": number, "replica": name}
            connection.execute(tables.copy_rows.insert().values(row))
    away = FolderReplica("away", tmp_path / "unplugged")
    with pytest.raises(StoreError, match="the replica away is not there"):
        replicas.remove([away, one, other], ledger, KEY)
    assert one.size(PATH) is None
    assert holders(ledger) == ["gone"]
    assert replicas.remove([one, other], ledger, KEY) == []


def test_leftovers_of_an_object_are_destroyed_with_it(
    ledger: Ledger, source: Path, tmp_path: Path
) -> None:
    store = folder_replica(tmp_path)
    store.put(PATH, source)
    store.put(f"{PATH}.123.part", source)
    assert replicas.remove([store], ledger, KEY) == ["second"]
    assert store.names(FOLDER) == []


@pytest.mark.parametrize("location", ["s3://", "s3://bucket\0"])
def test_an_impossible_address_is_told_with_the_remedy(location: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the replica far cannot be (opened|used)"):
        replicas.open_replica(Replica(name="far", location=location), tmp_path).size(PATH)


def test_a_store_that_is_down_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(replicas, "RETRIES", 0)
    for name, value in (
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ACCESS_KEY_ID", "somebody"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "none"),
    ):
        monkeypatch.setenv(name, value)
    store = replicas.open_replica(Replica(name="far", location="s3://bucket/prefix"), tmp_path)
    with pytest.raises(StoreError, match="the replica far cannot be used") as told:
        store.size(PATH)
    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value)
