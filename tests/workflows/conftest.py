"""An archive with a past: kept files, twins, refusals, a cue, releases, claims, a feed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from longplay import archive as archives
from longplay.archive import Archive, open_archive
from longplay.rights.claims import Step
from longplay.workflows import claims, keeping, publishing, releasing
from longplay.workflows.claims import Request
from tests.system.conftest import song

OPEN = ("https://creativecommons.org/licenses/by/4.0/",)


def quiet(_done: int, _total: int, _words: str) -> None:
    pass


def fill(folder: Path) -> Path:
    """A folder of short songs, most of which may be released."""
    for number, codec in enumerate(("flac", "mp3", "vorbis", "flac"), 1):
        song(
            folder / "Ann" / f"{number:02}.{'ogg' if codec == 'vorbis' else codec}",
            codec,  # type: ignore[arg-type]
            pitch=200 + 60 * number,
            seconds=1,
            title=f"Piece {number}",
            artists=("Ann",),
            album="First",
            track_number=number,
            isrcs=(f"USABC260000{number}",),
            licences=OPEN,
        )
    (folder / "Ann" / "twin.flac").write_bytes((folder / "Ann" / "01.flac").read_bytes())
    (folder / "Ann" / "cover.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (folder / "no sound.mp3").write_bytes(b"this is not music at all " * 100)
    (folder / "caf\udce9.txt").write_text("a name in Latin-1")
    return folder


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive with a past, with its music and its keys beside it; nobody changes it."""
    home = tmp_path_factory.mktemp("past")
    music, place = fill(home / "music"), home / "archive"
    archives.create(place, secrets=home / "keys").ledger.close()
    keeping.keep(music, place, workers=1, progress=quiet)
    (music / "Ann" / "cover.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(101))
    keeping.keep(music, place, workers=1, progress=quiet)
    with open_archive(place) as it:
        ask = Request("Claire Mant", "claire@example.org", "mine", isrcs=("USABC2600002",))
        upheld = claims.add(it, ask)
        claims.answer(it, upheld.id, "Ann", "ann@example.org", "it is not")
        releasing.cut(it, stage=None, share=None)
        claims.decide(it, upheld.id, Step.UPHOLD, "it is hers")
        claims.add(it, Request("Olaf", "o@example.org", "hm", artists=("Nobody",)))
        publishing.publish(it)
        releasing.cut(it, stage=None, share=None)
    return home


@pytest.fixture
def copied(past: Path, tmp_path: Path) -> Path:
    """A copy of that archive; its source is where it was."""
    return Path(shutil.copytree(past / "archive", tmp_path / "archive", symlinks=True))


@pytest.fixture
def archive(copied: Path) -> Iterator[Archive]:
    """That copy, opened."""
    with open_archive(copied) as it:
        yield it
