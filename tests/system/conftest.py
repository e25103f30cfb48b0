"""The archive as its user meets it: through the command line, on folders of small files."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.audio.encode import Codec, encode
from longplay.model import Tags
from tests import warm

RATE = 22_050


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Longplay:
    """Runs the command on one archive."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive

    def arguments(self, *words: object) -> list[str]:
        """What starts the command in a process that nothing was imported into."""
        return [sys.executable, "-m", "longplay", *map(str, words)]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LONGPLAY_ARCHIVE": str(self.archive)}

    def run(self, *words: object, expect: int | None = 0) -> Answer:
        done = warm.run([*map(str, words)], self.environment())
        assert "Traceback" not in done.stderr, done.stderr
        if expect is not None:
            assert done.returncode == expect, done.stderr + done.stdout
        return Answer(done.returncode, done.stdout, done.stderr)

    def json(self, *words: object, expect: int | None = 0) -> Any:
        return self.run(*words, "--json", expect=expect).json


@pytest.fixture
def longplay(tmp_path: Path) -> Longplay:
    return Longplay(tmp_path / "archive")


def tone(seconds: float, pitch: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 1.7 * time)
    wave = 0.3 * swell * (np.sin(2 * np.pi * pitch * time) + 0.3 * np.sin(5 * np.pi * pitch * time))
    return np.stack([wave, wave * 0.8]).astype(np.float32)


def song(path: Path, codec: Codec, *, pitch: float = 440, seconds: float = 4, **tags: Any) -> Path:
    """Write a small tagged file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(tone(seconds, pitch), RATE, path, codec, Tags(**tags))
    return path


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder with what real ones have: albums, covers, notes, twins, damage, odd names."""
    folder = tmp_path / "music"
    for number, codec in enumerate(("flac", "vorbis", "opus", "mp3"), 1):
        song(
            folder / "Ann" / "First" / f"{number:02} Piece.{'ogg' if codec == 'vorbis' else codec}",
            codec,  # type: ignore[arg-type]
            pitch=200 + 60 * number,
            title=f"Piece {number}",
            artists=("Ann",),
            album="First",
            track_number=number,
            licences=("https://creativecommons.org/licenses/by/4.0/",),
        )
    first = folder / "Ann" / "First"
    (first / "twin.flac").write_bytes((first / "01 Piece.flac").read_bytes())
    (first / "cover.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (first / "rip.log").write_text("Exact Audio Copy\n")
    song(
        folder / "Bob" / "secret.flac",
        "flac",
        pitch=900,
        title="Secret",
        artists=("Bob",),
        copyrights=("© 2020 Bob, all rights reserved",),
    )
    (folder / "empty").mkdir()
    (folder / "no sound.mp3").write_bytes(b"this is not music at all " * 100)
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("a name in Latin-1")
    (folder / "nothing.txt").write_bytes(b"")
    (folder / "link").symlink_to("Ann/First/rip.log")
    os.utime(folder / "empty", (1_000_000_000, 1_000_000_000))
    os.utime(first / "rip.log", ns=(1_234_567_890_123_456_789,) * 2)
    (first / "rip.log").chmod(0o600)
    return folder
