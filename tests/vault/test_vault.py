"""The vault: objects in their places or nowhere, evidence merged and told when it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from longplay.errors import StoreError
from longplay.model import ObjectKey
from longplay.vault import evidence
from longplay.vault.objects import Lying
from longplay.vault.store import FolderStore

ONE = ObjectKey(bytes(range(32)), 5)
TWO = ObjectKey(bytes(range(1, 33)), 5)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path / "objects")
    made.prepare()
    return made


def arrive(store: FolderStore, name: str, data: bytes = b"sound") -> Path:
    path = store.incoming / name
    path.write_bytes(data)
    return path


def test_an_object_admitted_and_settled_lies_in_its_place_alone(store: FolderStore) -> None:
    markers = store.admit([(arrive(store, "1-0-main.part"), ONE, ".ogg")])
    store.settle(markers)
    with store.open(ONE, ".ogg") as source:
        assert source.read() == b"sound"
    assert list(store.incoming.iterdir()) == []
    place = f"objects/{ONE.hex[:2]}/{ONE.hex[2:4]}/{ONE.hex}.ogg"
    assert list(store.walk()) == [Lying(ONE.root, ".ogg", place)]


def test_sweeping_takes_what_the_ledger_does_not_name_and_nothing_else(store: FolderStore) -> None:
    store.admit([(arrive(store, "a.part"), ONE, ".ogg"), (arrive(store, "b.part"), TWO, "")])
    arrive(store, "1-7-main.part")
    assert store.sweep(lambda root: ".ogg" if root == ONE.root else None) == 3
    assert [one.root for one in store.walk()] == [ONE.root]
    assert list(store.incoming.iterdir()) == []


def test_strangers_are_walked_as_such(store: FolderStore) -> None:
    stranger = store.folder / "notes.txt"
    stranger.write_text("hello")
    misplaced = store.folder / "aa" / f"{ONE.hex}.ogg"
    misplaced.parent.mkdir()
    misplaced.write_bytes(b"sound")
    assert set(store.walk()) == {
        Lying(None, "", "objects/notes.txt"),
        Lying(None, "", f"objects/aa/{misplaced.name}"),
    }


def test_a_missing_object_is_told_with_its_path(store: FolderStore) -> None:
    with pytest.raises(StoreError, match=ONE.hex):
        store.open(ONE, ".ogg")


def event(root: bytes, kind: str) -> dict[str, object]:
    return {
        "batch": 1,
        "root": root,
        "size": 1,
        "time": "2026-01-01T00:00:00.000Z",
        "type": kind,
        "outcome": "ok",
        "detail": "",
    }


def test_merged_evidence_is_the_same_rows_sorted(tmp_path: Path) -> None:
    first = evidence.write(tmp_path, "events", [event(b"z" * 32, "b"), event(b"a" * 32, "b")])
    second = evidence.write(tmp_path, "events", [event(b"m" * 32, "c"), event(b"m" * 32, "a")])
    assert first
    assert second
    files = [(file.name, file.kind, file.size) for file in (first, second)]
    names = evidence.to_merge(files)["events"]
    assert sorted(names) == sorted([first.name, second.name])
    merged = evidence.merge(tmp_path, "events", [first.name, second.name])
    batches = list(evidence.read([tmp_path / merged.name], ["root", "type"]))
    rows = [(row["root"][:1], row["type"]) for batch in batches for row in batch.to_pylist()]
    assert rows == [(b"a", "b"), (b"m", "a"), (b"m", "c"), (b"z", "b")]
    assert merged.rows == 4


def test_evidence_of_many_files_is_read_by_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MERGE_ROWS", 1)
    rows = [(b"z", "b"), (b"a", "c"), (b"m", "d"), (b"m", "a"), (b"k", "e")]
    written = [
        evidence.write(tmp_path, "events", [event(root * 32, kind) for root, kind in part])
        for part in (rows[:2], rows[2:3], rows[3:])
    ]
    files = evidence.paths(tmp_path, [file.name for file in written if file])
    read = list(evidence.by_root(files, ["root", "type"]))
    assert [row["root"][:1] for row in read] == [b"a", b"k", b"m", b"m", b"z"]
    assert sorted((row["root"][:1], row["type"]) for row in read) == sorted(rows)


def test_large_evidence_files_are_left_alone() -> None:
    big = evidence.MERGED_BYTES
    files = [("a", "hashes", big), ("b", "hashes", 10), ("c", "hashes", 10), ("d", "sounds", 1)]
    assert evidence.to_merge(files) == {"hashes": ["b", "c"]}


def test_damaged_evidence_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "hashes-x.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(StoreError, match=r"hashes-x\.parquet"):
        list(evidence.read([path], ["root"]))
    with pytest.raises(StoreError, match="missing"):
        evidence.paths(tmp_path, ["gone.parquet"])
