"""Two captures that bring the same bytes at once: one brings them, and its evidence tells of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from obstore.store import MemoryStore

from longplay.archive import Archive, create
from longplay.capture import journal
from longplay.capture.pipeline import capture
from longplay.capture.tidying import sweep
from longplay.ledger import tables
from longplay.vault.bucket import Bucket
from longplay.vault.objects import Arrival, Beside, Note
from longplay.vault.s3store import S3Store
from longplay.workflows.verifying import verify
from tests.capture.test_pipeline import folder_of, job

FILES = {b"mine.txt": b"equal", b"more.txt": b"other", b"yours.txt": b"equal"}


@pytest.fixture(params=["folder", "bucket"])
def archive(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Archive]:
    with create(tmp_path / "archive") as made:
        if request.param == "bucket":
            bucket = Bucket("the object store", MemoryStore())
            made.store = S3Store(bucket, "s3://bucket", made.folder / "spool")
            made.ledger.witness = replace(made.ledger.witness, shelf=made.evidence_files)
        yield made


def evidence(archive: Archive, kind: str) -> list[bytes]:
    """The roots that evidence of a kind tells of."""
    e = tables.evidence_files.c
    with archive.ledger.read() as connection:
        names = list(connection.scalars(sa.select(e.name).where(e.kind == kind)))
    paths = archive.evidence_files.fetch(names)
    return [root for path in paths for root in pq.read_table(path)["root"].to_pylist()]


def test_one_brings_it_and_tells_of_it(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, FILES)
    store = type(archive.store)
    admit, brought = store.admit, []

    def overtaken(
        self: object, arrivals: Sequence[Arrival], beside: Sequence[Beside] = ()
    ) -> list[Note]:
        notes = admit(self, arrivals, beside)  # type: ignore[arg-type]
        if not brought:
            brought.append(arrivals)
            other = job(archive, folder, [b"yours.txt"], plan="q")
            brought.append(capture(archive.places, other))
        return notes

    monkeypatch.setattr(store, "admit", overtaken)
    totals = capture(archive.places, job(archive, folder, [b"mine.txt", b"more.txt"]))
    assert [len(brought[0]), brought[1].bytes] == [2, len(b"equal")]
    assert (totals.captured, totals.bytes) == (2, len(b"other"))
    for kind in ("hashes", "events"):
        told = evidence(archive, kind)
        assert len(set(told)) == 2, kind
        assert all(told.count(root) == len(told) // 2 for root in told), kind
    with archive.ledger.read() as connection:
        assert set(connection.scalars(sa.select(tables.holdings.c.path))) == set(FILES)
        named = set(connection.scalars(sa.select(tables.evidence_files.c.name)))
    assert {path.name for path in archive.evidence.iterdir()} <= named
    with journal.adopted(archive.store.spool) as left:
        sweep(archive.places, left.missing)
    assert verify(archive, progress=lambda *_: None).sound
