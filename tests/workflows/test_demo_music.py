"""The demo's folder: is everything in it that the demo promises to show?"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import pytest
from numpy.typing import NDArray

from longplay.workflows.demo_music import (
    COVER_SIDE,
    FILE_TIME,
    KNOWN_ONLY,
    POPULARITY_COLUMNS,
    DemoMusic,
    write_demo_music,
)

SOUND = {".flac": "flac", ".ogg": "vorbis", ".opus": "opus", ".mp3": "mp3", ".m4a": "aac"} | {
    ".wav": "pcm_s16le"
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoMusic:
    return write_demo_music(tmp_path_factory.mktemp("demo"))


def sounds(demo: DemoMusic) -> list[Path]:
    return sorted(
        path for path in demo.music.rglob("*") if path.suffix in SOUND and path != demo.not_audio
    )


def decode(path: Path) -> tuple[str, NDArray[np.float32], int]:
    """Codec, samples (channels, n) and rate."""
    with av.open(str(path), "r") as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("fltp", "stereo", stream.rate)
        parts = [
            out.to_ndarray()
            for frame in container.decode(stream)
            for out in resampler.resample(frame)
        ]
        return stream.codec_context.codec.canonical_name, np.concatenate(parts, axis=1), stream.rate


def rows(demo: DemoMusic) -> list[dict[str, str]]:
    with demo.popularity.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def tag_text(path: Path) -> str:
    tags: Any = mutagen.File(path).tags
    return str(tags.pprint())


def test_every_codec_is_there_and_sounds(demo: DemoMusic) -> None:
    found = set()
    for path in sounds(demo):
        codec, samples, rate = decode(path)
        assert codec == SOUND[path.suffix]
        found.add(codec)
        if path != demo.damaged:
            assert 10 < samples.shape[1] / rate < 100
            assert 0.05 < np.sqrt(np.mean(samples**2)) < 0.5
            assert np.abs(samples).max() < 1.05
    assert found == set(SOUND.values())


def test_the_figures_are_what_lies_there(demo: DemoMusic) -> None:
    files = [path for path in demo.music.rglob("*") if path.is_file()]
    assert demo.files == len(files)
    assert demo.bytes == sum(path.stat().st_size for path in files)
    assert {path.stat().st_mtime for path in files} == {FILE_TIME}
    assert 600 < demo.seconds < 1000
    assert demo.known == len(rows(demo)) == demo.recordings + KNOWN_ONLY
    kinds = {path.suffix for path in files} - set(SOUND)
    assert kinds == {".png", ".cue", ".log", ".lrc", ".m3u8"}


def test_copies_are_equal_in_bytes_or_in_sound(demo: DemoMusic) -> None:
    for original, copy in demo.same_bytes:
        assert original.read_bytes() == copy.read_bytes()
    for original, copy in demo.same_sound:
        assert original.read_bytes() != copy.read_bytes()
        isrc = re.search(r"QZLP0\d{7}", tag_text(original))
        assert isrc is not None
        assert isrc[0] in tag_text(copy)
        first, second = (_envelope(path) for path in (original, copy))
        size = min(len(first), len(second))
        assert np.corrcoef(first[:size], second[:size])[0, 1] > 0.98


def _envelope(path: Path) -> NDArray[np.float64]:
    """Level in steps of 100 ms."""
    _, samples, rate = decode(path)
    step = rate // 10
    mono = samples.mean(axis=0)[: samples.shape[1] // step * step]
    return np.asarray(np.sqrt(np.mean(mono.reshape(-1, step) ** 2, axis=1)), dtype=np.float64)


def test_the_damaged_file_is_one_block_off_and_still_plays(demo: DemoMusic) -> None:
    whole = next(
        path
        for path in sounds(demo)
        if path.name.endswith(demo.damaged.name[3:])
        and path.stat().st_size == demo.damaged.stat().st_size
        and path != demo.damaged
    )
    before, after = (np.frombuffer(path.read_bytes(), np.uint8) for path in (whole, demo.damaged))
    places = np.flatnonzero(before != after)
    assert 3000 < len(places) <= 4096
    assert places[-1] - places[0] < 4096
    assert decode(demo.damaged)[1].shape[1] > 0


def test_what_is_not_audio_cannot_be_opened(demo: DemoMusic) -> None:
    assert demo.not_audio.suffix == ".mp3"
    with pytest.raises(av.FFmpegError):
        av.open(str(demo.not_audio))


def test_two_files_reserve_all_rights_and_all_others_carry_a_licence(demo: DemoMusic) -> None:
    assert len(demo.reserved) == 2
    for path in sounds(demo):
        text = tag_text(path)
        closed = path in demo.reserved
        assert ("All rights reserved" in text) == closed, path
        assert ("creativecommons.org" in text) != closed, path


def test_the_cue_sheet_points_between_the_pieces(demo: DemoMusic) -> None:
    text = demo.cue_sheet.read_text(encoding="utf-8")
    name = re.search(r'FILE "(.+)" WAVE', text)
    assert name is not None
    _, samples, rate = decode(demo.cue_sheet.with_name(name[1]))
    marks = [
        (int(minutes) * 60 + int(seconds) + int(frames) / 75) * rate
        for minutes, seconds, frames in re.findall(r"INDEX 01 (\d+):(\d+):(\d+)", text)
    ]
    assert marks[0] == 0
    assert len(marks) == text.count("TRACK ") == text.count("ISRC ") == 4
    for mark in marks[1:]:
        before = samples[:, round(mark) - rate // 50 : round(mark)]
        after = samples[:, round(mark) : round(mark) + rate // 4]
        assert np.abs(before).max() < 0.01 < np.abs(after).max()


def test_covers_are_pictures_in_folders_and_in_tags(demo: DemoMusic) -> None:
    covers = [path.read_bytes() for path in sorted(demo.music.rglob("cover.png"))]
    assert len(covers) == 4
    assert len(set(covers)) == 4
    embedded = [path for path in sounds(demo) if b"\x89PNG" in path.read_bytes()]
    assert {path.suffix for path in embedded} >= {".mp3", ".m4a"}
    for data in covers:
        with av.open(io.BytesIO(data), "r") as container:
            frame = next(container.decode(video=0))
        assert (frame.width, frame.height) == (COVER_SIDE, COVER_SIDE)
        assert frame.to_ndarray(format="rgb24").std() > 20


def test_the_playlist_names_files_that_are_there(demo: DemoMusic) -> None:
    playlist = next(demo.music.rglob("*.m3u8"))
    songs = [
        line
        for line in playlist.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert len(songs) == 6
    assert all(playlist.with_name(song).is_file() for song in songs)


def test_popularity_has_a_long_tail_that_is_mostly_not_offered(demo: DemoMusic) -> None:
    table = rows(demo)
    assert tuple(table[0]) == POPULARITY_COLUMNS
    listens = np.array([int(row["listens"]) for row in table])
    popularity = np.array([float(row["popularity"]) for row in table])
    assert np.all(np.diff(listens) < 0)
    assert np.all(np.diff(popularity) <= 0)
    assert popularity[0] == 100
    assert popularity[-1] > 0
    assert listens[:24].sum() > 0.6 * listens.sum()
    for column in ("id", "isrc"):
        assert len({row[column] for row in table}) == len(table)
    assert len({(row["title"], row["artists"]) for row in table if row["id"][0] == "k"}) == 200
    assert all(re.fullmatch(r"[A-Z]{2}[A-Z0-9]{3}\d{7}", row["isrc"]) for row in table)
    held = np.array([row["id"].startswith("demo") for row in table])
    assert 0.6 < listens[held].sum() / listens.sum() < 0.9


def test_the_table_and_the_tags_name_the_same_recordings(demo: DemoMusic) -> None:
    durations = {row["isrc"]: int(row["duration_ms"]) for row in rows(demo)}
    for path in sounds(demo):
        isrc = re.search(r"QZLP0\d{7}", tag_text(path))
        if isrc is None:
            assert path.stem == "Side A"  # its four recordings have theirs in the CUE sheet
        elif path != demo.damaged:
            _, samples, rate = decode(path)
            assert abs(samples.shape[1] / rate * 1000 - durations[isrc[0]]) < 120


@pytest.mark.long
def test_another_run_writes_the_same_bytes(demo: DemoMusic, tmp_path: Path) -> None:
    again = write_demo_music(tmp_path)
    assert again.popularity.read_bytes() == demo.popularity.read_bytes()
    for path in demo.music.rglob("*"):
        if path.is_file():
            twin = again.music / path.relative_to(demo.music)
            assert twin.read_bytes() == path.read_bytes(), path
