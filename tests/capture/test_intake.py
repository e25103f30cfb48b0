"""Taking one file: what it is, what it says, and why it cannot be kept."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pytest

from longplay.audio.encode import encode
from longplay.capture.intake import take
from longplay.capture.orders import Order, Taken
from longplay.engine.confinement import OPEN_FILES
from longplay.errors import InputError
from longplay.model import Action, Kind, Picture, Tags, Verdict
from longplay.settings import Limits, Settings

PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)


def order(folder: Path, name: bytes, *, action: Action = Action.ORIGINAL, **limits: int) -> Order:
    spool = folder.parent / "spool"
    spool.mkdir(exist_ok=True)
    settings = Settings(limits=Limits(**limits))
    return Order(0, "m", str(folder), name, action, str(spool / "1"), 0, settings)


def tone(path: Path, codec: str = "flac", seconds: float = 3.0, **tags: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    wave = 0.3 * np.sin(np.arange(int(seconds * 44_100)) * 2 * np.pi * 330 / 44_100)
    encode(np.stack([wave, wave]).astype(np.float32), 44_100, path, codec, Tags(**tags))  # type: ignore[arg-type]
    return path


def spooled(taken: Taken) -> bytes:
    return taken.main.spool.read_bytes()


@pytest.mark.parametrize("memory_file_mb", [64, 1])
def test_sound_is_described_and_copied_byte_for_byte(tmp_path: Path, memory_file_mb: int) -> None:
    path = tone(tmp_path / "m" / "a.wav", "wav", seconds=8)
    taken = take(order(tmp_path / "m", b"a.wav", memory_file_mb=memory_file_mb))
    assert spooled(taken) == path.read_bytes()
    assert taken.main.hashes.sha256 == hashlib.sha256(path.read_bytes()).digest()
    assert (taken.main.kind, taken.main.suffix) == (Kind.AUDIO, ".wav")
    assert taken.sound
    assert taken.sound.integrity.verdict == Verdict.WHOLE
    assert taken.sound.decoded.duration_ms == pytest.approx(8000, abs=5)
    assert taken.sound.fingerprint
    assert taken.refusal is None
    assert taken.mtime_ns == path.stat().st_mtime_ns


def test_an_opus_copy_takes_the_originals_place(tmp_path: Path) -> None:
    path = tone(tmp_path / "m" / "a.flac", title="A", artists=("Ann", "Bo"))
    taken = take(order(tmp_path / "m", b"a.flac", action=Action.OPUS))
    assert taken.main.suffix == ".opus"
    assert spooled(taken).startswith(b"OggS")
    assert b"ARTIST=Bo" in spooled(taken)
    assert taken.source_sha256 == hashlib.sha256(path.read_bytes()).digest()
    assert taken.sound
    assert taken.sound.stream.codec == "opus"
    assert [p.name for p in taken.main.spool.parent.iterdir()] == [taken.main.spool.name]


def test_embedded_pictures_become_parts(tmp_path: Path) -> None:
    picture = Picture("image/png", "front cover", "", PNG)
    tone(tmp_path / "m" / "a.flac", pictures=(picture,))
    taken = take(order(tmp_path / "m", b"a.flac"))
    [(part, role)] = taken.pictures
    assert part.spool.read_bytes() == PNG
    assert (part.kind, part.suffix) == (Kind.IMAGE, ".png")
    assert "front" in role


def test_what_a_worker_tells_of_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, sync = set(), os.fsync

    def slowly(descriptor: int) -> None:
        time.sleep(0.3)
        sync(descriptor)
        synced.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", slowly)
    tone(tmp_path / "m" / "a.flac", pictures=(Picture("image/png", "front cover", "", PNG),))
    taken = take(order(tmp_path / "m", b"a.flac"))
    [(picture, _)] = taken.pictures
    assert {part.spool.stat().st_ino for part in (taken.main, picture)} <= synced


def test_many_pictures_on_a_slow_disk_leave_a_worker_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, sync = [], os.fsync

    def slowly(descriptor: int) -> None:
        time.sleep(0.03)
        held.append(len(os.listdir("/dev/fd")))  # noqa: PTH208 - pathlib has no shorter way
        sync(descriptor)

    pictures = tuple(Picture("image/png", "other", "", PNG + bytes([n])) for n in range(64))
    tone(tmp_path / "m" / "a.flac", pictures=pictures)
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208
    monkeypatch.setattr(os, "fsync", slowly)
    taken = take(order(tmp_path / "m", b"a.flac"))
    assert [part.spool.read_bytes() for part, _ in taken.pictures] == [p.data for p in pictures]
    assert len(held) == 65
    assert max(held) - before < OPEN_FILES // 2


def test_what_cannot_be_synced_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(os, "fsync", fail)
    tone(tmp_path / "m" / "a.flac")
    with pytest.raises(OSError, match="the disk is broken"):
        take(order(tmp_path / "m", b"a.flac"))


def test_what_is_no_sound_is_refused_with_its_bytes_at_hand(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "a.mp3").write_bytes(b"ID3\x03\x00\x00\x00\x00\x00\x00" + b"no frames here" * 99)
    taken = take(order(folder, b"a.mp3"))
    assert taken.refusal
    assert spooled(taken) == (folder / "a.mp3").read_bytes()


def test_a_script_named_as_sound_opens_no_other_file(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    secret = tone(tmp_path / "secret" / "s.flac")
    folder.mkdir()
    (folder / "a.mp3").write_text(f"ffconcat version 1.0\nfile {secret}\n")
    taken = take(order(folder, b"a.mp3"))
    assert taken.sound is None or taken.refusal
    assert taken.main.hashes.size < 200


def test_half_a_file_plays_and_is_marked(tmp_path: Path) -> None:
    path = tone(tmp_path / "m" / "a.flac", seconds=6)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    taken = take(order(tmp_path / "m", b"a.flac"))
    assert taken.refusal is None
    assert taken.sound
    assert taken.sound.integrity.verdict == Verdict.DAMAGED
    assert taken.sound.integrity.findings


def test_other_files_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "rip.log").write_text("EAC")
    (folder / "nothing").write_bytes(b"")
    assert take(order(folder, b"rip.log")).main.kind == Kind.TEXT
    empty = take(order(folder, b"nothing"))
    assert empty.main.hashes.size == 0
    assert empty.refusal is None


def test_names_in_any_bytes_and_none_that_climb(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    assert take(order(folder, b"caf\xe9.txt")).main.hashes.size == 1
    (tmp_path / "outside.txt").write_text("x")
    with pytest.raises(InputError, match="leaves its folder"):
        take(order(folder, b"../outside.txt"))


def test_links_pipes_and_absent_files_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (tmp_path / "target.txt").write_text("x")
    (folder / "link").symlink_to(tmp_path / "target.txt")
    os.mkfifo(folder / "pipe")
    for name in (b"link", b"pipe", b"absent"):
        with pytest.raises(InputError):
            take(order(folder, name))


@pytest.mark.parametrize("memory_file_mb", [64, 1])
def test_a_file_that_changes_while_it_is_read_is_not_taken(
    tmp_path: Path, memory_file_mb: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    path = folder / "a.bin"
    path.write_bytes(bytes(3 * 2**20))
    real = os.fstat

    def growing(descriptor: int) -> os.stat_result:
        facts = real(descriptor)
        if facts.st_ino == path.stat().st_ino:
            with path.open("ab") as out:
                out.write(b"more")
        return facts

    monkeypatch.setattr(os, "fstat", growing)
    with pytest.raises(InputError, match="changed while it was read"):
        take(order(folder, b"a.bin", memory_file_mb=memory_file_mb))
