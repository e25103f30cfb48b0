"""Smaller copies: made once, read while they are made, never left half."""

from __future__ import annotations

import fcntl
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from longplay.access.streams import making
from longplay.access.streams.making import Job, Maker, Making, trim
from longplay.audio.encode import encode
from longplay.audio.streaming import Recipe
from longplay.settings import Settings

SECONDS = 4


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("song") / "song.flac"
    time = np.arange(44_100 * SECONDS) / 44_100
    encode(np.sin(2 * np.pi * 440 * time)[None].astype(np.float32), 44_100, path, "flac")
    return path


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[Maker]:
    maker = Maker(tmp_path / "cache", Settings())
    yield maker
    maker.close()


def job(song: Path, recipe: Recipe | None = None) -> Job:
    size = song.stat().st_size
    return Job("ab" * 32, size, song, SECONDS * 1000, recipe or Recipe("mp3", 64))


def files(maker: Maker) -> list[str]:
    return sorted(path.name for path in maker.folder.glob("??/*"))


def played(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    return sum(frame.samples for frame in frames) / frames[0].sample_rate


def test_two_who_want_one_copy_have_it_made_once(maker: Maker, song: Path) -> None:
    wanted = job(song)
    assert maker.kept(wanted) is None
    first, second = maker.join(wanted), maker.join(wanted)
    assert first is second
    path = maker.whole(wanted)
    assert path == maker.kept(wanted)
    assert path is not None
    assert played(path.read_bytes()) == pytest.approx(SECONDS, abs=0.1)
    assert first.read(0, 1 << 20) == path.read_bytes()
    assert files(maker) == [wanted.name]


def test_a_stretch_is_cut_to_the_sample(maker: Maker, song: Path) -> None:
    path = maker.whole(job(song, Recipe("opus", 64, 1_000, 2_500)))
    assert path is not None
    assert played(path.read_bytes()) == pytest.approx(1.5, abs=0.001)


def test_what_is_no_sound_gives_a_reason_and_leaves_nothing(maker: Maker, tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(b"not music" * 1000)
    made = maker.join(job(noise))
    assert made.done.wait(60)
    assert made.failure
    assert files(maker) == []


def test_a_copy_that_nobody_listens_to_any_more_is_given_up(
    maker: Maker, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "GRACE_SECONDS", 0.0)
    started = threading.Event()

    def wait(start: int, length: int) -> bytes:  # a store that takes its time
        started.wait(30)
        return song.read_bytes()[start : start + length]

    size = song.stat().st_size
    wanted = Job("cd" * 32, size, wait, 1000 * SECONDS, Recipe("opus", 64))
    made = maker.join(wanted)
    maker.leave(made)
    started.set()
    assert made.done.wait(60)
    assert len(files(maker)) <= 1  # whole, where it was quicker, or nothing
    assert not any(name.endswith((".part", ".source")) for name in files(maker))


def test_too_many_at_once_are_asked_to_come_back(
    maker: Maker, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "WAITING", 0)
    monkeypatch.setattr(maker, "_workers", 1)
    maker.join(job(song))
    with pytest.raises(making.UnavailableError, match="too many"):
        maker.join(job(song, Recipe("mp3", 32)))


def test_another_process_is_read_along_with(maker: Maker, song: Path) -> None:
    wanted = job(song)
    path = maker.folder / wanted.name[:2] / wanted.name
    path.parent.mkdir(parents=True)
    part = path.with_name(path.name + making.PART)
    with part.open("w+b") as theirs:  # as the other process has it
        fcntl.flock(theirs, fcntl.LOCK_EX)
        theirs.write(b"half")
        theirs.flush()
        made = maker.join(wanted)
        assert (made.foreign, made.read(0, 9), made.is_done()) == (True, b"half", False)
        theirs.write(b" and whole")
        theirs.flush()
        part.replace(path)
        assert (made.is_done(), made.failure, made.read(4, 99)) == (True, "", b" and whole")


def test_what_a_dead_process_left_is_begun_anew(maker: Maker, song: Path) -> None:
    wanted = job(song)
    path = maker.folder / wanted.name[:2] / wanted.name
    path.parent.mkdir(parents=True)
    part = path.with_name(path.name + making.PART)
    part.write_bytes(b"x" * 10_000_000)
    whole = maker.whole(wanted)
    assert whole is not None
    assert played(whole.read_bytes()) == pytest.approx(SECONDS, abs=0.1)


def test_a_process_that_dies_while_it_is_read_along_with_is_noticed(tmp_path: Path) -> None:
    part = tmp_path / "x.part"
    part.write_bytes(b"half")
    theirs = os.open(part, os.O_RDWR)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    made = Making(tmp_path / "x", os.open(part, os.O_RDONLY), foreign=True)
    assert not made.is_done()
    os.close(theirs)
    assert made.is_done()
    assert made.failure


def test_the_cache_is_bounded_and_what_was_used_last_stays(tmp_path: Path) -> None:
    folder = tmp_path / "ab"
    folder.mkdir()
    for number in range(5):
        (folder / str(number)).write_bytes(bytes(100))
        os.utime(folder / str(number), ns=(0, (number + 3) % 5))
    (folder / "left.part").write_bytes(bytes(1000))
    (folder / "left.source").write_bytes(bytes(1000))
    trim(tmp_path, 250)
    assert {path.name for path in folder.iterdir()} == {"0", "1"}
