"""Many different files of real sound, made of few: cut anew, encoded anew, or with other tags.

Of ten files seven are a stretch of 5 to 15 seconds of a real recording in one of four codecs, and
three a real file, as it is, with other tags. The same count and seed give the same files.

    python -m benchmarks.many_files FOLDER [--files 1000] [--audio FOLDER]
"""

from __future__ import annotations

import argparse
import random
import shutil
from contextlib import suppress
from pathlib import Path

import mutagen
import numpy as np
from numpy.typing import NDArray

from benchmarks.data import AUDIO
from longplay.audio.decode import decode
from longplay.audio.encode import Codec, encode
from longplay.errors import MediaError
from longplay.model import Tags
from longplay.settings import Limits

# FFmpeg's own Vorbis encoder aborts the process on some sound.
SUFFIXES: dict[Codec, str] = {
    "flac": ".flac",
    "mp3": ".mp3",
    "opus": ".opus",
    "aac": ".m4a",
}
RETAGGED = (".ogg", ".flac", ".mp3", ".m4a", ".opus")
LARGEST = 1_500_000
"""Bytes of a file that is copied: a thousand of them stay a test."""


def make(folder: Path, count: int, audio: Path = AUDIO, seed: int = 1) -> None:
    """Write `count` files that all differ."""
    chance = random.Random(seed)
    sources = sorted(path for path in audio.iterdir() if path.suffix in RETAGGED)
    small = [path for path in sources if path.stat().st_size < LARGEST]
    sounds = [sound for path in sources if (sound := _sound(path)) is not None]
    for number in range(count):
        title = f"Piece {number}"
        place = folder / f"Artist {number % 37}" / f"Album {number % 111}"
        place.mkdir(parents=True, exist_ok=True)
        if number % 10 < 3:
            source = chance.choice(small)
            copy = (place / f"{number:05}").with_suffix(source.suffix)
            shutil.copyfile(source, copy)
            retag(copy, title, f"Album {number % 111}")
            continue
        samples, rate = chance.choice(sounds)
        codec = chance.choice(list(SUFFIXES))
        length = int(chance.uniform(5, 15) * rate)
        start = chance.randrange(max(1, samples.shape[1] - length))
        tags = Tags(title=title, artists=(f"Artist {number % 37}",), album=f"Album {number % 111}")
        out = place / f"{number:05}{SUFFIXES[codec]}"
        encode(samples[:, start : start + length], rate, out, codec, tags)


def _sound(path: Path) -> tuple[NDArray[np.float32], int] | None:
    """The first three minutes of a file of one or two channels."""
    heard: list[NDArray[np.float32]] = []
    with suppress(MediaError), path.open("rb") as source:
        facts, _ = decode(
            source,
            path.stat().st_size,
            Limits(),
            lambda stretch: heard.append(np.array(stretch.samples, np.float32)),
        )
        sound = np.concatenate(heard, axis=1)[:, : 180 * facts.sample_rate]
        if len(sound) <= 2 and sound.shape[1] > 20 * facts.sample_rate:
            return sound, facts.sample_rate
    return None


def retag(file: Path, title: str, album: str) -> None:
    """Give a file another title and album."""
    opened = mutagen.File(file, easy=True)
    if opened.tags is None:
        opened.add_tags()
    opened["title"], opened["album"] = [title], [album]
    opened.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--audio", type=Path, default=AUDIO)
    options = parser.parse_args()
    make(options.folder, options.files, options.audio)


if __name__ == "__main__":
    main()
