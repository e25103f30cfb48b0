"""A small archive whose files are as irregular as real ones."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from longplay.access.app import create_app
from longplay.access.context import Context
from longplay.access.library.view import View
from longplay.access.listener import Listener
from longplay.model import Picture
from tests.system.conftest import Longplay, song

BY = "https://creativecommons.org/licenses/by/4.0/"
MEMBER = Listener(1, "mia", "member")
GUEST = Listener(2, "gus", "guest")


@dataclass(frozen=True)
class Shelf:
    """An archive and what answers for it."""

    longplay: Longplay
    here: Context
    music: Path

    def view(self, listener: Listener = MEMBER) -> View:
        return self.here.library(listener)


def png(colour: str, size: tuple[int, int] = (300, 200)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def write_music(folder: Path) -> None:
    """An album of two discs with a cover in its tags; one with a member's track among open ones; a
    compilation without an album artist; a file that a CUE sheet divides; files without tags; names
    with articles, accents and signs; a genre that is spelt in two ways; an album for members."""
    cover = (Picture("front cover", "image/png", "", png("red")),)
    for disc in (1, 2):
        for number in (1, 2):
            song(
                folder / "Bjork" / "Vespertine" / f"CD{disc}" / f"{number:02}.flac", "flac",
                pitch=200 + 100 * disc + 10 * number, title=f"Cocoon {disc}.{number}",
                artists=("Björk",), album="Vespertine", album_artists=("Björk",),
                disc_number=disc, track_number=number, date="2001-08-27", genres=("Art Pop",),
                composers=("Björk", "Thomas Knak"), licences=(BY,), pictures=cover,
                isrcs=(f"GBAAA01000{disc}{number}",),
            )  # fmt: skip
    for number, licences in enumerate(((BY,), (), (BY,)), 1):
        song(
            folder / "beatles" / f"{number}.mp3", "mp3", pitch=500 + 15 * number,
            title=("Help!", "For Members", "Æther ø")[number - 1], artists=("The Beatles", "Guest"),
            album="Help!", track_number=number, date="1965", genres=("Rock", "rock"),
            licences=licences,
        )  # fmt: skip
    for number, artist in enumerate(("Ann", "Bob", "Cleo"), 1):
        song(
            folder / "mix" / f"{number}.ogg", "vorbis", pitch=700 + 20 * number,
            title=f"Mix {number}", artists=(artist,), album="A Mix", track_number=number,
            licences=(BY,),
        )  # fmt: skip
    song(
        folder / "long" / "side.flac",
        "flac",
        pitch=150,
        seconds=9,
        artists=("Long",),
        licences=(BY,),
    )
    (folder / "long" / "side.cue").write_text(
        'PERFORMER "Long"\nTITLE "One Side"\nFILE "side.flac" WAVE\n'
        '  TRACK 01 AUDIO\n    TITLE "First Part"\n    INDEX 01 00:00:00\n'
        '  TRACK 02 AUDIO\n    TITLE "Second Part"\n    INDEX 01 00:04:00\n'
    )
    song(folder / "loose" / "some song.flac", "flac", pitch=1000, licences=(BY,))
    song(folder / "loose" / "100% <b>.flac", "flac", pitch=1040, licences=(BY,))
    song(folder / "closed" / "x.flac", "flac", pitch=1200, title="Only Members", artists=("Zed",),
         album="Members", genres=("Secret Genre",))  # fmt: skip
    (folder / "mix" / "cover.png").write_bytes(png("blue"))


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The archive that each test gets a copy of, and the folder of its music."""
    place = tmp_path_factory.mktemp("library")
    longplay, folder = Longplay(place / "archive"), place / "music"
    write_music(folder)
    song(place / "strict" / "y.flac", "flac", pitch=1300, title="Nobody", artists=("Yan",),
         album="Dark", licences=("All rights reserved",))  # fmt: skip
    (place / "strict" / "cover.png").write_bytes(png("green"))
    longplay.run("init", longplay.archive)
    longplay.run("source", "add", "label", "folder", folder, "--rights", "personal")
    longplay.run("source", "add", "strict", "folder", place / "strict", "--rights", BY)
    longplay.run("catalogue", "import", folder)
    longplay.run("catalogue", "import", place / "strict")
    longplay.run("plan")
    longplay.run("capture")
    return longplay.archive, folder


@pytest.fixture(scope="session")
def still(stocked: tuple[Path, Path]) -> Iterator[Shelf]:
    """The archive itself, for tests that change nothing."""
    archive, music = stocked
    with TestClient(create_app(archive)) as web:
        yield Shelf(Longplay(archive), web.app.state.context, music)  # type: ignore[attr-defined]


@pytest.fixture
def shelf(stocked: tuple[Path, Path], tmp_path: Path) -> Iterator[Shelf]:
    archive, music = stocked
    longplay = Longplay(tmp_path / "archive")
    shutil.copytree(archive, longplay.archive, ignore=shutil.ignore_patterns("cache"))
    with TestClient(create_app(longplay.archive)) as web:
        yield Shelf(longplay, web.app.state.context, music)  # type: ignore[attr-defined]
