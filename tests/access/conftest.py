"""A small archive with releases, served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from longplay.access.app import create_app
from longplay.archive import open_archive
from longplay.torrent import metainfo
from longplay.workflows import releasing
from tests.system.conftest import Longplay, song

BY = "https://creativecommons.org/licenses/by/4.0/"


@dataclass(frozen=True)
class Served:
    """An archive under CC BY (one file of it is not), its newest cut, and what answers for it."""

    longplay: Longplay
    cut: Any
    web: TestClient

    @property
    def releases(self) -> Path:
        return self.longplay.archive / "releases"

    def listed(self) -> list[dict[str, Any]]:
        """As `longplay release list` prints, without the seconds that a command takes to start."""
        with open_archive(self.longplay.archive) as archive:
            return releasing.list_releases(archive)

    def manifest(self) -> list[dict[str, Any]]:
        lines = []
        for release in self.listed():
            text = (self.releases / release["release"] / "manifest.jsonl").read_text()
            lines += [json.loads(line) for line in text.splitlines()]
        return lines

    def torrents(self) -> list[metainfo.Torrent]:
        return [metainfo.parse(Path(path).read_bytes()) for path in self.cut["torrents"]]

    def stored(self, root: str) -> bytes:
        found = list((self.longplay.archive / "objects").glob(f"*/*/{root}*"))
        return found[0].read_bytes()


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The archive that each test gets a copy of, and what its cut said."""
    place = tmp_path_factory.mktemp("released")
    longplay = Longplay(place / "archive")
    folder = place / "label"
    for number in range(4):
        song(
            folder / f"{number}.flac",
            "flac",
            pitch=200 + 40 * number,
            title=f"Piece {number}",
            artists=("Ann",),
            album="One",
            isrcs=(f"QZLP02600{number:03}",),
        )
    song(folder / "closed.mp3", "mp3", pitch=777, title="Closed", artists=("Bob",),
         licences=("All rights reserved",))  # fmt: skip
    longplay.run("init", longplay.archive)
    longplay.run("source", "add", "label", "folder", folder, "--rights", BY)
    longplay.run("catalogue", "import", folder)
    longplay.run("plan")
    longplay.run("capture")
    return longplay.archive, longplay.json("release", "cut", "--share", "100%")


@pytest.fixture
def served(released: tuple[Path, Any], tmp_path: Path) -> Iterator[Served]:
    archive, cut = released
    longplay = Longplay(tmp_path / "archive")
    shutil.copytree(archive, longplay.archive)
    with TestClient(create_app(longplay.archive)) as web:
        yield Served(longplay, cut, web)
