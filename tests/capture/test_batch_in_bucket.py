"""Batches into a bucket that machines share: a sweep in between takes nothing that counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from longplay.archive import Archive, create
from longplay.capture.pipeline import capture
from longplay.capture.tidying import sweep_store
from longplay.ledger import queries, tables
from longplay.vault import s3store
from longplay.vault.bucket import Bucket
from longplay.vault.objects import Arrival, Beside, Note
from longplay.vault.s3store import S3Store
from tests.capture.test_pipeline import folder_of, job


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive whose bucket is in memory."""
    with create(tmp_path / "archive") as made:
        bucket = Bucket("the object store", MemoryStore())
        made.store = S3Store(bucket, "s3://bucket", made.folder / "spool")
        made.ledger.witness = replace(made.ledger.witness, shelf=made.evidence_files)
        bucket.put("nothing/at/all", b"")
        yield made


def stored(archive: Archive) -> set[bytes]:
    with archive.ledger.read() as connection:
        return {key.root for key, _ in queries.stored(connection)}


def lying(archive: Archive) -> set[bytes]:
    return {one.root for one in archive.store.walk() if one.root}


def test_a_batch_is_uploaded_again_when_a_sweep_came_in_between(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine has found what a dead worker had brought, which we are about to bring too:
    it read the notes before ours came, and removes when we have uploaded."""
    store = archive.store
    assert isinstance(store, S3Store)
    folder = folder_of(tmp_path, {b"a.txt": b"equal", b"b.txt": b"other"})
    admit, admitted = S3Store.admit, []

    def swept_meanwhile(
        self: S3Store, arrivals: Sequence[Arrival], beside: Sequence[Beside] = ()
    ) -> list[Note]:
        notes = admit(self, arrivals, beside)
        admitted.append(len(arrivals))
        if len(admitted) == 1:
            self.settle(notes)  # as the sweep saw it
            monkeypatch.setattr(s3store, "holder", lambda: "gone:1:1")
            monkeypatch.setattr(s3store, "is_gone", lambda name: name == "gone:1:1")
            admit(self, arrivals)
            monkeypatch.undo()
            monkeypatch.setattr(S3Store, "admit", swept_meanwhile)
            monkeypatch.setattr(s3store, "is_gone", lambda name: name == "gone:1:1")
            sweep_store(archive.places)
            assert lying(archive) == set()
        return notes

    monkeypatch.setattr(S3Store, "admit", swept_meanwhile)
    totals = capture(archive.places, job(archive, folder, [b"a.txt", b"b.txt"]))
    assert totals.captured == 2
    assert admitted[0] == admitted[1]
    assert lying(archive) == stored(archive)
    assert len(lying(archive)) == 2


def test_evidence_and_notes_are_those_that_count(archive: Archive, tmp_path: Path) -> None:
    store = archive.store
    assert isinstance(store, S3Store)
    folder = folder_of(tmp_path, {f"{n}.txt".encode(): f"text {n}".encode() for n in range(5)})
    capture(archive.places, job(archive, folder, [f"{n}.txt".encode() for n in range(5)]))
    with archive.ledger.read() as connection:
        names = {row.name for row in connection.execute(tables.evidence_files.select())}
    assert set(store.bucket.names("evidence")) == names
    assert store.bucket.names("incoming") == []
    for path in archive.evidence.iterdir():
        path.unlink()
    assert {path.name for path in archive.evidence_files.fetch(sorted(names))} == names
