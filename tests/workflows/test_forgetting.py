"""Forgetting: the bits are gone everywhere, stay known to have been, and do not come back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from longplay.archive import Archive, open_archive
from longplay.errors import InputError, StoreError, UsageError
from longplay.ledger import claims, log, queries, tables
from longplay.model import ObjectKey
from longplay.vault import replicas
from longplay.vault.objects import OBJECTS
from longplay.vault.store import FolderStore
from longplay.workflows import (
    forgetting,
    judging,
    keeping,
    rebuilding,
    releasing,
    replicating,
    verifying,
)
from longplay.workflows.status import status
from tests.workflows.conftest import quiet

REASON = "recorded without the singer's leave"


def root_of(archive: Archive, name: bytes) -> bytes:
    h = tables.holdings.c
    with archive.ledger.read() as connection:
        found = connection.scalar(sa.select(h.root).where(h.path == name))
    assert found is not None
    return bytes(found)


def files_of(folder: Path, root: bytes) -> list[Path]:
    return [path for path in folder.rglob(f"{root.hex()}*") if path.is_file()]


def check_gone(archive: Archive, root: bytes) -> None:
    """No bits, no row of an object, but a tombstone, a reason and an entry of the log."""
    assert files_of(archive.folder, root) == []
    with archive.ledger.read() as connection:
        assert queries.object_of(connection, root) is None
        told = claims.forgotten_on(connection, root)
        stones = claims.tombstones_on(connection, root)
        entries = connection.execute(
            sa.select(tables.log.c.detail).where(tables.log.c.event == "forget")
        ).scalars()
        assert any(root.hex() in detail for detail in entries)
        assert log.walk(connection).ok
    assert told is not None
    assert told.reason == REASON
    assert [stone.cause for stone in stones if stone.cause == "forget"] == ["forget"]


def test_a_forgotten_object_is_gone_and_known_and_dark(archive: Archive, tmp_path: Path) -> None:
    root = root_of(archive, b"Ann/01.flac")
    before = status(archive)
    path = files_of(archive.folder, root)[0]
    size = path.stat().st_size
    done = forgetting.forget(archive, f"obj{root.hex()}", REASON)
    assert (done.objects, done.bytes, done.before, done.files) == (
        (f"obj{root.hex()}",),
        size,
        0,
        1,
    )
    check_gone(archive, root)
    after = status(archive)
    assert (after.objects, after.bytes) == (before.objects - 1, before.bytes - size)
    assert after.recordings == before.recordings - 1
    assert verifying.verify(archive, progress=quiet).sound
    explained = judging.explain(archive, f"obj{root.hex()}")
    assert not any(answer.permitted for one in explained for answer in one.answers)
    restored = keeping.restore(archive, tmp_path / "out", None, [], progress=quiet)
    assert restored[0].lost == ()
    assert not (tmp_path / "out" / "Ann" / "twin.flac").exists()


def test_it_leaves_its_volume_in_the_next_cut_and_others_stay(archive: Archive) -> None:
    root = root_of(archive, b"Ann/01.flac")
    names = {one["release"] for one in releasing.list_releases(archive)}
    forgetting.forget(archive, f"obj{root.hex()}", REASON)
    cut = releasing.cut(archive, stage=None, share=None)
    fresh = [one for one in releasing.list_releases(archive) if one["release"] not in names]
    assert [one.supersedes in names for one in cut.releases] == [True]
    manifest = archive.releases / fresh[0]["release"] / "manifest.jsonl"
    assert root.hex() not in manifest.read_text()


def test_a_capture_skips_the_same_bytes_and_says_why(copied: Path, past: Path) -> None:
    with open_archive(copied) as archive:
        root = root_of(archive, b"Ann/04.flac")
        forgetting.forget(archive, f"obj{root.hex()}", REASON)
    done = keeping.keep(past / "music", copied, workers=1, progress=quiet)
    totals = done.captured.totals
    assert (totals.skipped, totals.captured, totals.failed) == (1, 0, 0)
    assert totals.reasons == (f"Ann/04.flac: was forgotten: {REASON}",)
    with open_archive(copied) as archive:
        check_gone(archive, root)


def test_a_copy_under_another_name_does_not_bring_it_back(
    copied: Path, past: Path, tmp_path: Path
) -> None:
    with open_archive(copied) as archive:
        root = root_of(archive, b"Ann/04.flac")
        forgetting.forget(archive, f"obj{root.hex()}", REASON)
    other = tmp_path / "other"
    other.mkdir()
    (other / "innocent.flac").write_bytes((past / "music" / "Ann" / "04.flac").read_bytes())
    for _ in range(2):
        totals = keeping.keep(other, copied, workers=1, progress=quiet).captured.totals
        assert (totals.skipped, totals.captured) == (1, 0)
    with open_archive(copied) as archive:
        check_gone(archive, root)
        assert verifying.verify(archive, progress=quiet).sound


def test_a_recording_and_quarantined_bytes_can_be_forgotten(archive: Archive) -> None:
    root = root_of(archive, b"Ann/03.ogg")
    with archive.ledger.read() as connection:
        recording = queries.recordings_of(connection, root)[0]
        q = tables.quarantine.c
        aside = connection.scalar(sa.select(q.root))
    from longplay.catalogue import ids

    done = forgetting.forget(archive, ids.text("rec", recording), REASON)
    assert done.objects == (f"obj{root.hex()}",)
    check_gone(archive, root)
    assert files_of(archive.quarantine, aside)
    assert forgetting.forget(archive, aside.hex(), REASON).files == 1
    check_gone(archive, aside)
    with archive.ledger.read() as connection:
        row = connection.execute(sa.select(tables.quarantine)).one()
    assert row.root is None
    assert REASON in row.reason


def test_cut_short_after_the_ledger_the_same_command_finishes_it(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = root_of(archive, b"Ann/01.flac")

    def die(_self: object, _key: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(archive.store), "destroy", die)
        with pytest.raises(KeyboardInterrupt):
            forgetting.forget(archive, f"obj{root.hex()}", REASON)
    assert files_of(archive.folder, root)
    done = forgetting.forget(archive, f"obj{root.hex()}", REASON)
    assert (done.objects, done.before, done.files) == ((), 1, 1)
    check_gone(archive, root)


def test_every_replica_lets_go_and_one_that_is_away_is_told(copied: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    settings = copied / "longplay.toml"
    settings.write_text(
        settings.read_text() + f'\n[[replicas]]\nname = "second"\nlocation = "{second}"\n'
    )
    with open_archive(copied) as archive:
        root = root_of(archive, b"Ann/01.flac")
        path = files_of(archive.folder, root)[0]
        with pytest.raises(StoreError):
            forgetting.forget(archive, f"obj{root.hex()}", REASON)
        second.mkdir()
        place = second / OBJECTS / root.hex()[:2] / root.hex()[2:4] / path.name
        place.parent.mkdir(parents=True)
        place.write_bytes(b"copy")
        done = forgetting.forget(archive, f"obj{root.hex()}", REASON)
    assert done.replicas == ("second",)
    assert files_of(second, root) == []


def test_what_is_forgotten_while_it_is_copied_stays_in_no_replica(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    settings = copied / "longplay.toml"
    settings.write_text(
        settings.read_text() + f'\n[[replicas]]\nname = "second"\nlocation = "{second}"\n'
    )
    put = replicas.FolderReplica.put
    with open_archive(copied) as archive:
        root = root_of(archive, b"Ann/01.flac")
        taken = tmp_path / "taken"

        def meanwhile(store: replicas.FolderReplica, path: str, source: Path) -> None:
            if root.hex() in path:
                taken.write_bytes(source.read_bytes())  # as if it had been opened before
                forgetting.forget(archive, f"obj{root.hex()}", REASON)
                source = taken
            put(store, path, source)

        monkeypatch.setattr(replicas.FolderReplica, "put", meanwhile)
        (done,) = replicating.replicate(archive, limit=None, progress=quiet)
        assert taken.exists()
        assert files_of(second, root) == []
        assert (done.failed, done.lacking, done.copied) == ("", 0, done.held)
        check_gone(archive, root)


def test_what_is_forgotten_while_it_is_repaired_does_not_come_back(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    settings = copied / "longplay.toml"
    settings.write_text(
        settings.read_text() + f'\n[[replicas]]\nname = "second"\nlocation = "{second}"\n'
    )
    replace = FolderStore.replace
    with open_archive(copied) as archive:
        replicating.replicate(archive, limit=None, progress=quiet)
        root = root_of(archive, b"Ann/01.flac")
        path = files_of(archive.store.folder, root)[0]
        path.write_bytes(bytes(16_384) + path.read_bytes()[16_384:])

        def meanwhile(store: FolderStore, staged: Path, key: ObjectKey, suffix: str) -> None:
            forgetting.forget(archive, f"obj{root.hex()}", REASON)
            replace(store, staged, key, suffix)

        monkeypatch.setattr(FolderStore, "replace", meanwhile)
        verifying.verify(archive, verifying.Request(1.0, False, True), progress=quiet)
        check_gone(archive, root)
        assert files_of(second, root) == []


def test_what_was_forgotten_stays_so_in_a_rebuilt_ledger(copied: Path) -> None:
    with open_archive(copied) as archive:
        root = root_of(archive, b"Ann/01.flac")
        forgetting.forget(archive, f"obj{root.hex()}", REASON)
    for path in copied.glob("ledger.sqlite3*"):
        path.unlink()
    assert rebuilding.rebuild(copied, progress=quiet).lost == ()
    with open_archive(copied) as archive:
        check_gone(archive, root)
        assert verifying.verify(archive, progress=quiet).sound


@pytest.mark.parametrize(
    ("asked", "reason", "error", "words"),
    [
        ("obj" + "0" * 64, REASON, InputError, "nothing of it is held"),
        ("obj" + "0" * 64, "  ", UsageError, "needs a reason"),
        ("obj" + "0" * 64, "x" * 2001, UsageError, "at most 2,000 characters"),
        ("obj" + "0" * 64, "a\x00b", UsageError, "signs that are none"),
        ("nonsense", REASON, InputError, "nonsense"),
    ],
)
def test_what_cannot_be_forgotten(
    archive: Archive, asked: str, reason: str, error: type[Exception], words: str
) -> None:
    with archive.ledger.read() as connection:
        before = log.head(connection)
    with pytest.raises(error, match=words):
        forgetting.forget(archive, asked, reason)
    with archive.ledger.read() as connection:
        assert log.head(connection) == before


def test_links_in_the_store_are_not_followed(archive: Archive, tmp_path: Path) -> None:
    root = root_of(archive, b"Ann/01.flac")
    path = files_of(archive.folder, root)[0]
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    forgetting.forget(archive, f"obj{root.hex()}", REASON)
    assert not os.path.lexists(path)
    assert outside.exists()
