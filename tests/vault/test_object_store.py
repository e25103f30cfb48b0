"""Object stores: one contract, whatever keeps the objects."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from longplay import clock, logs
from longplay.errors import StoreError
from longplay.model import BLOCK, ObjectKey
from longplay.torrent.merkle import ObjectHasher
from longplay.vault import s3store
from longplay.vault.bucket import Bucket
from longplay.vault.objects import Lying, ObjectStore, object_path
from longplay.vault.s3store import S3Store
from longplay.vault.shelves import Shelf
from longplay.vault.store import FolderStore
from longplay.vault.whole import whole

DATA = b"".join(bytes([n]) * BLOCK for n in range(5)) + b"end"


def key_of(data: bytes) -> ObjectKey:
    hasher = ObjectHasher(BLOCK)
    hasher.update(data)
    return hasher.finish().key


ONE, TWO = key_of(DATA), key_of(b"two")


def in_folder(place: Path) -> ObjectStore:
    return FolderStore(place / "objects")


def in_memory(place: Path) -> ObjectStore:
    return S3Store(Bucket("the object store", MemoryStore()), "s3://bucket", place / "spool")


def in_local_bucket(place: Path) -> ObjectStore:
    bucket = Bucket("the object store", LocalStore(place / "bucket", mkdir=True))
    return S3Store(bucket, "s3://bucket", place / "spool")


@pytest.fixture(params=[in_folder, in_memory, in_local_bucket])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    made: Callable[[Path], ObjectStore] = request.param
    store = made(tmp_path)
    if isinstance(store, FolderStore):
        store.prepare()
    else:
        store.staging.mkdir(parents=True)
    return store


@pytest.fixture
def remote(tmp_path: Path) -> S3Store:
    return S3Store(Bucket("the object store", MemoryStore()), "s3://bucket", tmp_path / "spool")


def arrive(store: ObjectStore, data: bytes = DATA) -> Path:
    store.spool.mkdir(parents=True, exist_ok=True)
    path = store.spool / f"arrival-{len(list(store.spool.iterdir()))}"
    path.write_bytes(data)
    return path


def put(store: ObjectStore, data: bytes = DATA, suffix: str = ".ogg") -> ObjectKey:
    store.settle(store.admit([(arrive(store, data), key_of(data), suffix)]))
    return key_of(data)


def never() -> None:
    raise AssertionError("nothing was left behind")


def nothing(_: object) -> None:
    return None


def test_an_object_is_read_whole_and_in_parts(store: ObjectStore) -> None:
    put(store)
    assert store.size(ONE, ".ogg") == len(DATA)
    assert store.read(ONE, ".ogg", 5, 3) == DATA[5:8]
    assert store.read(ONE, ".ogg", len(DATA) - 2, 10) == DATA[-2:]
    assert store.read(ONE, ".ogg", len(DATA) + 7, 10) == b""
    with store.open(ONE, ".ogg") as source:
        assert source.seek(-3, io.SEEK_END) == len(DATA) - 3
        assert source.read() == b"end"
        source.seek(BLOCK)
        assert source.read(2) == b"\1\1"
        assert source.seek(-1, io.SEEK_CUR) == BLOCK + 1
        assert source.read() == DATA[BLOCK + 1 :]


def test_what_is_not_there_is_told(store: ObjectStore) -> None:
    assert store.size(ONE, ".ogg") is None
    for ask in (lambda: store.open(ONE, ".ogg"), lambda: store.read(ONE, ".ogg", 0, 1)):
        with pytest.raises(StoreError, match=ONE.hex):
            ask()


def test_admitting_again_changes_nothing(store: ObjectStore) -> None:
    put(store)
    put(store)
    assert [one.root for one in store.walk()] == [ONE.root]
    assert store.read(ONE, ".ogg", 0, len(DATA)) == DATA
    assert store.sweep(nothing, lambda _: False, never) == 0


def test_checks_find_what_is_damaged_and_what_is_gone(store: ObjectStore) -> None:
    put(store)
    put(store, b"two", "")
    leaves = b"".join(s3store.fixity.block_leaves(DATA))
    rotten = store.staging / "rotten"
    rotten.write_bytes(DATA[:BLOCK] + b"?" + DATA[BLOCK + 1 :])
    store.replace(rotten, ONE, ".ogg")
    gone = key_of(b"gone")
    rows = [(ONE, ".ogg", leaves), (TWO, "", b""), (gone, "", b"")]
    found = {finding.key: finding for finding in store.check(rows, workers=2)}
    assert found[ONE].blocks == (1,)
    assert found[TWO].sound
    assert found[gone].missing


def test_replacing_is_whole(store: ObjectStore) -> None:
    put(store)
    staged = store.staging / "repaired"
    staged.write_bytes(b"new")
    store.replace(staged, ONE, ".ogg")
    assert store.read(ONE, ".ogg", 0, 99) == b"new"


def test_destroying_takes_every_suffix_and_no_neighbour(store: ObjectStore) -> None:
    put(store)
    put(store, suffix=".opus")
    put(store, b"two", "")
    assert store.destroy(ONE) == 2
    assert store.destroy(ONE) == 0
    assert [one.root for one in store.walk()] == [TWO.root]


def test_a_whole_object_is_a_file_for_a_while(store: ObjectStore) -> None:
    put(store)
    with whole(store, ONE, ".ogg") as path:
        assert path is not None
        assert path.read_bytes() == DATA
    assert list(store.staging.iterdir()) == []
    rotten = store.staging / "rotten"
    rotten.write_bytes(b"?" * len(DATA))
    store.replace(rotten, ONE, ".ogg")
    for key in (ONE, TWO):
        with whole(store, key, ".ogg") as path:
            assert path is None
    rotten.unlink(missing_ok=True)
    assert list(store.staging.iterdir()) == []


# --- what only a store has that several machines share --------------------------------------------


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Who wrote a note until now has died."""
    yield lambda: monkeypatch.setattr(s3store, "is_gone", lambda _: True)


def test_the_spool_stays_until_its_owner_clears_it(remote: S3Store) -> None:
    file = arrive(remote)
    remote.admit([(file, ONE, ".ogg")])
    assert file.read_bytes() == DATA


def test_what_a_dead_capture_brought_and_nobody_named_is_swept(
    remote: S3Store, tmp_path: Path, dead: Callable[[], None]
) -> None:
    facts = tmp_path / "facts"
    facts.write_bytes(b"rows")
    beside = [(facts, "evidence/named"), (facts, "evidence/unnamed")]
    remote.admit([(arrive(remote), ONE, ".ogg"), (arrive(remote, b"two"), TWO, "")], beside)
    begun = []
    assert remote.sweep(nothing, lambda _: False, never) == 0  # we live
    dead()
    swept = remote.sweep(
        lambda root: ".ogg" if root == ONE.root else None,
        lambda path: path == "evidence/named",
        lambda: begun.append(1),
    )
    assert swept == 3
    assert begun == [1]
    assert [one.root for one in remote.walk()] == [ONE.root]
    assert remote.bucket.names("evidence") == ["named"]
    assert remote.bucket.names("incoming") == []


def test_what_a_living_capture_expects_too_stays(
    remote: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3store, "holder", lambda: "here:1:1")
    remote.admit([(arrive(remote), ONE, ".ogg"), (arrive(remote, b"two"), TWO, "")])
    monkeypatch.setattr(s3store, "holder", lambda: "here:2:2")
    notes = remote.admit([(arrive(remote), ONE, ".ogg")])
    monkeypatch.setattr(s3store, "is_gone", lambda name: name == "here:1:1")
    remote.sweep(nothing, lambda _: False, lambda: None)
    assert [one.root for one in remote.walk()] == [ONE.root]
    assert remote.bucket.names("incoming") == [note.partition("/")[2] for note in notes]


def test_a_note_of_another_machine_counts_for_a_day(
    remote: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3store, "holder", lambda: "far away:1:1")
    remote.admit([(arrive(remote), ONE, ".ogg")])
    assert remote.sweep(nothing, lambda _: False, never) == 0
    later = clock.now() + s3store.ABANDONED + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert remote.sweep(nothing, lambda _: False, lambda: None) == 2
    assert list(remote.walk()) == []


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b'{"holder": "a:1:1"}', b'{"holder": "a:1:1", "paths": 7}', b"\xff"]
)
def test_what_is_no_note_is_told_and_left_and_stops_no_sweep(
    remote: S3Store,
    dead: Callable[[], None],
    note: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(logs.VARIABLE, str(tmp_path / "log"))
    remote.bucket.put("incoming/strange.json", note)
    put(remote)
    assert remote.sweep(nothing, lambda _: False, never) == 0
    remote.note([object_path(ONE, ".ogg")])
    dead()
    assert remote.sweep(nothing, lambda _: False, lambda: None) == 2
    assert list(remote.walk()) == []
    assert remote.bucket.names("incoming") == ["strange.json"]
    assert remote.strangers() == [f"{remote.location}/incoming/strange.json"]
    first, *_ = (tmp_path / "log").read_text().splitlines()
    told = json.loads(first)
    assert (told["event"], told["level"]) == ("sweep", "warning")
    assert told["problem"].startswith("is no note of arrivals")
    assert told["where"] == "incoming/strange.json"


def test_a_note_takes_nothing_from_where_nothing_of_ours_lies(
    remote: S3Store, dead: Callable[[], None]
) -> None:
    for path in ("objects/notes.txt", f"objects/{ONE.hex}"):
        remote.bucket.put(path, b"somebody's")
    remote.note(["objects/notes.txt"])
    dead()
    remote.sweep(nothing, lambda _: True, lambda: None)
    assert set(remote.walk()) == {
        Lying(None, "", "objects/notes.txt"),
        Lying(None, "", f"objects/{ONE.hex}"),
    }


def test_a_file_is_asked_for_by_ranges_with_a_little_ahead(
    remote: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(3 * s3store.READ_AHEAD)
    key = put(remote, data)
    asked: list[tuple[int, int]] = []
    read = Bucket.read

    def counted(bucket: Bucket, path: str, start: int, length: int) -> bytes | None:
        asked.append((start, length))
        return read(bucket, path, start, length)

    monkeypatch.setattr(Bucket, "read", counted)
    with remote.open(key, ".ogg") as source:
        for at in range(0, 4096, 64):
            assert source.read(64) == data[at : at + 64]
        assert asked == [(0, s3store.READ_AHEAD)]
        source.seek(2 * s3store.READ_AHEAD)
        assert source.read() == data[2 * s3store.READ_AHEAD :]
    assert sum(length for _, length in asked) <= len(data)


# --- shelves --------------------------------------------------------------------------------------

NAME = "events-" + hashlib.sha256(b"rows").hexdigest()[:32] + ".parquet"


@pytest.fixture(params=[in_folder, in_memory])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    made: Callable[[Path], ObjectStore] = request.param
    (tmp_path / "evidence").mkdir()
    return Shelf(tmp_path / "evidence", made(tmp_path))


def write(shelf: Shelf, name: str = NAME, data: bytes = b"rows") -> None:
    (shelf.folder / name).write_bytes(data)
    shelf.settle(shelf.upload([name]))


def test_what_is_on_a_shelf_is_there_whole(shelf: Shelf) -> None:
    digest = hashlib.sha256(b"rows").digest()
    assert not shelf.is_whole(NAME, digest)
    write(shelf)
    assert shelf.names() == {NAME}
    assert shelf.is_whole(NAME, digest)
    assert not shelf.is_whole(NAME, bytes(32))
    with shelf.open(NAME) as source:
        assert source.read() == b"rows"
    assert shelf.fetch([NAME]) == [shelf.folder / NAME]
    assert shelf.drop([NAME, "gone"]) == 1
    assert shelf.names() == set()
    assert list(shelf.folder.iterdir()) == []
    with pytest.raises(StoreError, match=r"evidence/gone: is (missing|not in the store)"):
        shelf.fetch(["gone"])


def test_a_shelf_in_a_bucket_fills_its_folder_again(remote: S3Store, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "evidence", remote)
    shelf.folder.mkdir()
    write(shelf)
    (shelf.folder / NAME).unlink()
    assert [path.read_bytes() for path in shelf.fetch([NAME])] == [b"rows"]


def test_what_is_not_what_its_name_says_is_not_brought(remote: S3Store, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "evidence", remote)
    shelf.folder.mkdir()
    write(shelf)
    (shelf.folder / NAME).unlink()
    remote.bucket.put(shelf.path(NAME), b"rots")
    with pytest.raises(StoreError, match="is damaged in the bucket"):
        shelf.fetch([NAME])
    assert list(shelf.folder.iterdir()) == []
