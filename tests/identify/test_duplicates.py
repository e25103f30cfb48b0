"""Near-duplicates: found by the index, judged by a curator, counted once by the plan."""

from __future__ import annotations

import os
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from longplay.archive import Archive, open_archive
from longplay.audio import landmarks
from longplay.audio.encode import encode
from longplay.catalogue import ids, likenesses
from longplay.catalogue.curation import Hand
from longplay.catalogue.likenesses import Word
from longplay.catalogue.snapshot import open_current
from longplay.errors import StoreError
from longplay.identify import comparing, pairs, shard
from longplay.identify.likeness import Likeness
from longplay.identify.pairs import Found
from longplay.identify.shard import Printed, Shard
from longplay.model import ObjectKey, Tags
from longplay.workflows import duplicates, planning
from longplay.workflows import likenesses as likenesses_found
from tests.identify.made import key, mono, tune
from tests.killed import NEVER, killed
from tests.system.conftest import Longplay

RATE = 11_025
Sound = NDArray[np.float32]


def mastered(sound: Sound) -> Sound:
    """More bass and treble, much compression, louder."""
    bass = scipy.signal.sosfilt(scipy.signal.butter(1, 200, fs=RATE, output="sos"), sound)
    treble = scipy.signal.sosfilt(
        scipy.signal.butter(1, 3000, "high", fs=RATE, output="sos"), sound
    )
    return (0.8 * np.tanh(3 * (sound + bass + treble))).astype(np.float32)


def faster(sound: Sound, percent: int) -> Sound:
    """As a turntable does it."""
    return scipy.signal.resample_poly(sound, 100, 100 + percent).astype(np.float32)


def files() -> dict[str, tuple[Sound, str]]:
    """Titles, sounds and codecs."""
    song = tune(0, 24, RATE)
    return {
        "Song": (song, "flac"),
        "Upload": (song, "mp3"),
        "Loud": (mastered(song), "vorbis"),
        "Fast": (faster(song, 3), "flac"),
        "Cut": (song[2 * RATE : 22 * RATE], "mp3"),
        "First Take": (tune(1, 24, RATE, take=1), "flac"),
        "Second Take": (tune(1, 24, RATE, take=2), "flac"),
    }


COPIES = {"Song", "Upload", "Loud", "Fast", "Cut"}


@pytest.fixture(scope="module")
def longplay(tmp_path_factory: pytest.TempPathFactory) -> Longplay:
    """An archive of seven recordings, five of which are copies of one."""
    folder = tmp_path_factory.mktemp("duplicates")
    for number, (title, (sound, codec)) in enumerate(files().items()):
        path = folder / "music" / f"{title}.{ {'vorbis': 'ogg'}.get(codec, codec) }"
        path.parent.mkdir(exist_ok=True)
        tags = Tags(title=title, artists=(f"Artist {number}",), isrcs=(f"GBAYE681000{number}",))
        encode(np.stack([sound, sound]), RATE, path, codec, tags)  # type: ignore[arg-type]
    made = Longplay(folder / "archive")
    made.run("keep", folder / "music", "--archive", made.archive)
    return made


def titles(cluster: dict[str, Any]) -> dict[str, str]:
    return {one["title"]: one["recording"] for one in cluster["recordings"]}


def test_copies_are_found_judged_and_counted_once(longplay: Longplay) -> None:
    first = longplay.json("duplicates", "find")
    assert (first["asked"], first["held_but_not_indexed"]) == (7, 0)
    (cluster,) = first["clusters"]
    called = titles(cluster)
    assert called.keys() == COPIES
    assert cluster["state"] == "likely"
    named = {called[title]: title for title in called}
    kinds = {
        frozenset((named[one["recording"]], named[one["other"]])): one for one in cluster["pairs"]
    }
    assert kinds[frozenset(("Song", "Upload"))]["certain"]
    fast = kinds[frozenset(("Song", "Fast"))]
    assert (fast["kind"], fast["certain"]) == ("speed", False)
    assert min(fast["speed"], 1 / fast["speed"]) == pytest.approx(1 / 1.03, abs=0.001)
    again = longplay.json("duplicates", "find")
    assert (again["asked"], again["clusters"]) == (0, first["clusters"])
    shown = longplay.run("duplicates", "list").out
    assert "1. likely" in shown
    assert "Song by Artist 0" in shown
    said = longplay.json("duplicates", "confirm", *called.values(), "--why", "heard")
    assert said["added"] == 4
    once = longplay.json("plan")
    assert once["recordings"] == 3
    assert once["share_of_listens"] == pytest.approx(1)
    refused = longplay.run("duplicates", "confirm", called["Song"], expect=2)
    assert "one id is no pair" in refused.err


def test_what_was_said_can_be_taken_back(longplay: Longplay) -> None:
    with open_archive(longplay.archive) as it:
        named = [ids_of(it, title) for title in ("Song", "Upload", "First Take")]
        song, upload, take = named

        def say(word: Word, *which: str, undo: bool = False) -> int:
            return likenesses.say(it.catalogue, which, word, Hand("Ann"), undo=undo).added

        def planned() -> int:
            return planning.plan_archive(it, None).recordings

        copies = [ids_of(it, title) for title in COPIES]
        say("alike", *copies, undo=True)
        start = planned()
        assert say("alike", song, upload) + say("alike", upload, song) == 1
        assert say("alike", upload, take) == 1
        assert planned() == start - 2
        assert say("apart", song, take) == 1  # though both are like the upload
        assert planned() == start - 1
        assert say("apart", song, take, undo=True) == 1
        assert say("alike", *named, undo=True) == 2
        assert planned() == start
        policy = it.settings.policy.model_copy(update={"near_duplicates": "certain"})
        it.settings = it.settings.model_copy(update={"policy": policy})
        assert planned() < start  # the upload is, and nobody need say so
        assert say("apart", *copies) == 10
        assert planned() == start
        assert say("apart", *copies, undo=True) == 10


def ids_of(archive: Archive, title: str) -> str:
    """The recording of that title."""
    with open_current(archive.catalogue).connect() as connection:
        found = connection.execute(
            "SELECT recording FROM tracks JOIN members USING (track) WHERE title = ?",
            [title],
        ).fetchone()
    assert found is not None
    return ids.text("rec", int(found[0]))


def printed(number: int, sound: Sound) -> Printed:
    samples = mono(sound)
    found = landmarks.sparse(landmarks.landmarks(samples))
    frames = len(samples) // landmarks.HOP
    return Printed(key(number), frames, found.frame, found.bin, np.empty(0, np.uint32))


def test_music_over_the_same_loop_is_not_the_same(tmp_path: Path) -> None:
    loop = np.tile(tune(900, 6), 10)
    sounds = [0.5 * loop + 0.3 * tune(seed, 60)[: len(loop)] for seed in (1, 2)]
    sounds.append(0.5 * loop)
    made = [printed(number, sound) for number, sound in enumerate(sounds)]
    one = Shard(tmp_path / shard.write(tmp_path, made, "test").name)
    for number in range(len(one)):
        found = comparing.alike([one], 0, number, own_speed=True)
        assert [like for like in found.values() if like.kind in ("same", "speed")] == []


@pytest.mark.parametrize("asked", [1, 4])
def test_a_search_that_was_killed_goes_on(
    longplay: Longplay, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    """Killed while it asks about one object; two are noted at once."""
    with open_archive(longplay.archive) as it:
        shutil.rmtree(it.folder / likenesses_found.FOLDER, ignore_errors=True)
        find = partial(duplicates.find, it, own_speed=True, workers=1, progress=lambda *_: None)
        find()
        whole = found_in(it)
        shutil.rmtree(it.folder / likenesses_found.FOLDER)
        monkeypatch.setattr(duplicates, "NOTED", 2)
        alike, count = comparing.alike, 0

        def killing(*words: Any, **named: Any) -> dict[ObjectKey, Likeness]:
            nonlocal count
            if count == asked:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            return alike(*words, **named)

        with monkeypatch.context() as deadly:
            deadly.setattr(comparing, "alike", killing)
            assert killed(find, NEVER, within="/")
        rest = find()
        assert rest.objects == 7 - asked // 2 * 2
        assert found_in(it) == whole
        assert find().objects == 0


def found_in(archive: Archive) -> list[Found]:
    with pairs.opened(archive.folder / likenesses_found.FOLDER) as known:
        return sorted(known.all(), key=lambda one: (one.one, one.other))


LIKE = Likeness(1.25, 1.25, -10.0, 0.9, 0.1, 0.95, 0.8)


def test_pairs_are_kept_once_and_one_way(tmp_path: Path) -> None:
    one, other = ObjectKey(b"a" * 32, 1), ObjectKey(b"b" * 32, 2)
    with pairs.opened(tmp_path) as kept:
        kept.note([(other, {one: LIKE})], otherwise=False)
        kept.note([(one, {other: LIKE})], otherwise=True)
    with pairs.opened(tmp_path) as kept:
        (found,) = kept.all()
        assert (found.one, found.other) == (one, other)
        assert found.likeness == LIKE.turned()
        assert found.likeness.speed == 0.8
        assert kept.asked(other, otherwise=False)
        assert not kept.asked(other, otherwise=True)
        assert kept.asked(one, otherwise=True)


def test_what_is_noted_in_part_is_not_noted(tmp_path: Path) -> None:
    one, other = ObjectKey(b"a" * 32, 1), ObjectKey(b"b" * 32, 2)
    with pairs.opened(tmp_path) as kept:
        with pytest.raises(AttributeError):
            kept.note([(one, {}), (other, {one: None})], otherwise=True)  # type: ignore[dict-item]
        assert not kept.asked(one, otherwise=True)


def test_a_broken_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / pairs.NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be used"), pairs.opened(tmp_path):
        pass
