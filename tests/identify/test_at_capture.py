"""What a capture heard is indexed, and nothing is decoded again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from longplay.archive import Archive, open_archive
from longplay.audio import landmarks
from longplay.audio.encode import encode
from longplay.identify import index, shard
from longplay.identify.shard import Printed
from longplay.model import ObjectKey, Tags
from longplay.vault import evidence
from longplay.workflows import capturing, identifying, indexing, keeping
from tests.identify.made import mono, quiet, tune
from tests.killed import killed

RATE = 22_050


def keep(folder: Path, numbers: range) -> None:
    """Capture some more tunes."""
    for number in numbers:
        path = folder / "music" / f"{number}.flac"
        path.parent.mkdir(exist_ok=True)
        sound = tune(number, 9 + number, RATE)
        encode(np.stack([sound, sound]), RATE, path, "flac", Tags(title=f"Tune {number}"))
    keeping.keep(folder / "music", folder / "archive", workers=1, progress=quiet)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """An archive of three tunes, of which the first came before captures told landmarks."""
    now = evidence.SCHEMAS["sounds"]
    old = pa.schema([field for field in now if not field.name.startswith("landmark")])
    with monkeypatch.context() as before:
        before.setitem(evidence.SCHEMAS, "sounds", old)
        keep(tmp_path, range(1))
    keep(tmp_path, range(1, 3))
    with open_archive(tmp_path / "archive") as it:
        yield it


def contents(
    archive: Archive, *, whole: bool = False
) -> dict[ObjectKey, tuple[list[int], list[tuple[int, int]]]]:
    """Landmarks, items and (hash, place) of every object in the index."""
    folder = indexing.folder_of(archive, whole=whole)
    found: dict[ObjectKey, tuple[list[int], list[tuple[int, int]]]] = {}
    for one in index.open_shards(folder, index.load(folder)):
        for number in range(len(one)):
            assert one.key(number) not in found
            kept = one.marks_of(number).tolist() + one.print_of(number).tolist()
            found[one.key(number)] = (kept, [])
        for posting in one.all_postings().tolist():
            place = posting & ((1 << one.place_bits) - 1)
            number = one.object_at(place)
            entry = (posting >> one.place_bits, place - int(one.starts[number]))
            found[one.key(number)][1].append(entry)
    return found


def test_only_what_no_capture_told_is_decoded(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = indexing.update(archive, workers=1, progress=quiet)
    assert (first.objects, first.added, first.decoded) == (3, 3, 1)
    told = contents(archive)
    again = indexing.update(archive, workers=1, progress=quiet)
    assert (again.added, again.decoded, again.version) == (0, 0, first.version)
    monkeypatch.setattr(indexing, "METHOD", "landmarks-0")  # as if all were of another version
    anew = indexing.update(archive, workers=1, progress=quiet, anew=True)
    assert (anew.objects, anew.decoded) == (3, 3)
    assert contents(archive) == told


def test_a_large_capture_is_indexed_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capturing, "INDEXED_FROM", 2)
    keep(tmp_path, range(2))
    keep(tmp_path, range(2, 3))
    with open_archive(tmp_path / "archive") as it:
        assert index.load(indexing.folder_of(it)).objects == 2
        indexing.absorb(it)
        assert len(contents(it)) == 3


def test_an_index_of_whole_tracks_loses_and_doubles_nothing_when_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each so many of its steps on the disk, while shards are written and merged."""
    monkeypatch.setattr(indexing, "SHARD_OBJECTS", 1)
    keep(tmp_path, range(5))
    folder = tmp_path / "archive" / "identify" / "whole"

    def update() -> None:
        with open_archive(tmp_path / "archive") as it:
            indexing.update(it, workers=1, progress=quiet, whole=True)

    def there() -> dict[ObjectKey, tuple[list[int], list[tuple[int, int]]]]:
        with open_archive(tmp_path / "archive") as it:
            return contents(it, whole=True)

    update()
    expected, shards = there(), index.load(folder).shards
    assert (len(expected), len(shards)) == (5, 2)  # four of them were merged
    moments = 0
    kept = []
    while killed(update, 13 * moments, within=str(folder)):
        half = there()
        assert half == {one: expected[one] for one in half}
        kept.append(len(half))
        update()
        assert there() == expected
        named = {one.name for one in index.load(folder).shards}
        assert {path.name for path in folder.glob("*.shard*")} == named
        shutil.rmtree(folder)
        moments += 1
    assert moments > 4
    there_was, *made = kept  # the first was killed over an index that had all
    assert there_was == 5
    assert made == sorted(made)  # who is killed later has no less
    assert made[-1] == 5


def test_an_index_of_an_older_version_is_asked_and_renewed(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = indexing.update(archive, workers=1, progress=quiet)
    told = contents(archive)
    folder = indexing.folder_of(archive)
    as_older_versions_wrote(folder, monkeypatch)
    opened = identifying.open_index(archive, workers=1, progress=quiet)
    assert (opened.lacking, opened.older) == (0, 3)
    assert contents(archive).keys() == told.keys()
    again = indexing.update(archive, workers=1, progress=quiet)
    assert (again.objects, again.added, again.renewed, again.removed) == (3, 0, 3, 0)
    assert contents(archive) == told
    assert again.version == first.version
    assert {one.prints for one in index.load(folder).shards} == {True}


@pytest.mark.parametrize("heard", [None, b"no sound any more"])
def test_what_was_renewed_is_not_told_as_older(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, heard: bytes | None
) -> None:
    """One is away, or cannot be heard: the older shard that has it stays, beside what was renewed.
    No update would help what cannot be heard."""
    indexing.update(archive, workers=1, progress=quiet)
    as_older_versions_wrote(indexing.folder_of(archive), monkeypatch)
    first = min(indexing.lacking(archive, index.Manifest()), key=lambda one: one.size)
    path = archive.store.local(first, ".flac")
    assert path is not None
    path.chmod(0o600)
    path.unlink()
    if heard is None:
        monkeypatch.setattr(type(archive.store), "local", lambda *_: None)
    else:
        path.write_bytes(heard)
    done = indexing.update(archive, workers=1, progress=quiet)
    assert (done.objects, done.renewed, done.removed) == (3, 2, 0)
    opened = identifying.open_index(archive, workers=1, progress=quiet)
    assert (opened.lacking, opened.older) == (0, 1 if heard is None else 0)


def as_older_versions_wrote(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index without fingerprints, in version 2 of shards and 1 of their list."""
    written = []
    for one in index.open_shards(folder, index.load(folder)):
        printed = [
            Printed(
                one.key(at),
                int(np.diff(one.starts)[at] - shard.GAP) * shard.UNIT,
                *landmarks.unmarked(one.marks_of(at)),
                np.empty(0, np.uint32),
            )
            for at in range(len(one))
        ]
        with monkeypatch.context() as before:
            before.setattr(shard, "VERSION", 2)
            fresh = shard.write(folder, printed, one.decoder)
        written.append({k: v for k, v in asdict(fresh).items() if k != "prints"})
    said = json.loads((folder / index.MANIFEST).read_text())
    said |= {"version": 1, "shards": written}
    (folder / index.MANIFEST).write_text(json.dumps(said))


def test_lost_evidence_is_decoded_instead(archive: Archive) -> None:
    for path in archive.evidence.glob("sounds-*"):
        path.unlink()
    done = indexing.update(archive, workers=1, progress=quiet)
    assert (done.objects, done.decoded) == (3, 3)


def test_what_is_kept_of_a_recording_can_be_read() -> None:
    sound = mono(tune(7, 20))
    sound[60_000:150_000] = 0  # longer than marks can say at once
    found = landmarks.landmarks(sound)
    frames = len(sound) // landmarks.HOP
    few = landmarks.sparse(found)
    told, frame, place = landmarks.read_kept(landmarks.kept(found, frames))
    assert (told, frame.tolist()) == (frames, few.frame.tolist())
    assert place.tolist() == np.floor(few.bin + 0.5).tolist()
    none = landmarks.landmarks(np.zeros(5000, np.int16))
    told, frame, _ = landmarks.read_kept(landmarks.kept(none, 19))
    assert (told, len(frame)) == (19, 0)
