"""A folder of files: tracks, albums, offers, parts, and what restoring needs."""

from __future__ import annotations

import os
import socket
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mutagen.wave import WAVE

from longplay.catalogue import coverage, popularity
from longplay.catalogue.importers.tags import import_tags
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError


def sound(path: Path, seconds: float = 1.0, **frames: str) -> None:
    """A quiet WAV file with ID3 frames."""
    import mutagen.id3

    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(8000)
        out.writeframes(b"\x80" * int(8000 * seconds))
    if frames:
        tagged = WAVE(path)
        tagged.add_tags()
        for name, text in frames.items():
            kind = getattr(mutagen.id3, name)
            tagged.tags.add(kind(url=text) if name.startswith("W") else kind(text=text))
        tagged.save()


Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def rows(catalogue: Path) -> Rows:
    def ask(query: str) -> list[tuple[Any, ...]]:
        with open_current(catalogue).connect() as connection:
            return connection.execute(query).fetchall()

    return ask


def test_tags_make_tracks_and_albums(catalogue: Path, tmp_path: Path, rows: Rows) -> None:
    music = tmp_path / "music"
    sound(
        music / "d" / "1.wav",
        TIT2="One",
        TPE1="X",
        TALB="L",
        TPE2="X",
        TSRC="USABC0000001",
        TDRC="1999-05-01",
        TRCK="1/2",
        WCOP="https://creativecommons.org/licenses/by/4.0/",
        TCOP="1999 X",
    )
    sound(music / "d" / "2.wav", TIT2="Two", TPE1="X", TALB="L", TPE2="X", TRCK="2")
    sound(music / "untagged.wav")
    done = import_tags(catalogue, "mine", music)
    assert (done.tracks, done.albums, done.artists, done.rejected) == (3, 1, 1, 0)
    query = (
        "SELECT title, artists, isrcs, release_date, track_number FROM named_tracks ORDER BY own_id"
    )
    assert rows(query) == [
        ("One", ["X"], ["USABC0000001"], "1999-05-01", 1),
        ("Two", ["X"], [], None, 2),
        ("untagged", [], [], None, None),
    ]  # fmt: skip
    texts = dict(rows("SELECT field, text FROM rights WHERE place = 'd/1.wav'"))
    assert texts["LICENSE"] == "https://creativecommons.org/licenses/by/4.0/"
    assert "1999 X" in texts["copyright"]


def test_everything_beside_the_sound_is_offered(
    catalogue: Path, tmp_path: Path, rows: Rows
) -> None:
    music = tmp_path / "music"
    sound(music / "L" / "CD1" / "1.wav", TIT2="One", TPE1="X", TALB="L")
    sound(music / "L" / "CD2" / "1.wav", TIT2="Two", TPE1="X", TALB="L")
    sound(music / "M" / "1.wav", TIT2="Three", TPE1="X", TALB="M")
    for name in ("L/cover.jpg", "L/scans/back.png", "L/CD1/rip.log", "top.txt", "M/booklet.pdf"):
        (music / name).parent.mkdir(exist_ok=True)
        (music / name).write_text("text")
    (music / "empty").mkdir()
    (music / "link").symlink_to("L/cover.jpg")
    (music / "out").symlink_to("/etc")
    odd = os.path.join(os.fsencode(music), b"caf\xe9 \n.bin")  # noqa: PTH118 - bytes
    with open(odd, "wb") as out:  # noqa: PTH123 - bytes
        out.write(b"\0\1\2")
    os.utime(odd, ns=(5, 1_234_567_891))
    with socket.socket(socket.AF_UNIX) as pipe:
        pipe.bind(str(music / "socket"))
        done = import_tags(catalogue, "mine", music)
    assert (done.tracks, done.albums, done.rejected) == (3, 2, 1)
    assert rows("SELECT place, reason FROM rejects") == [("socket", "is no file, folder or link")]
    albums = dict(rows("SELECT path, a.title FROM offers o JOIN albums a ON o.album = a.key"))
    assert albums == {
        b"L/CD1/1.wav": "L", b"L/CD2/1.wav": "L", b"L/CD1/rip.log": "L", b"L/cover.jpg": "L",
        b"L/scans/back.png": "L", b"M/1.wav": "M", b"M/booklet.pdf": "M",
    }  # fmt: skip
    assert rows("SELECT path, bytes, mtime_ns FROM offers WHERE mtime_ns = 1234567891") == [
        (b"caf\xe9 \n.bin", 3, 1_234_567_891)
    ]
    assert rows("SELECT path, target FROM offers WHERE kind = 'symlink' ORDER BY 1") == [
        (b"link", b"L/cover.jpg"), (b"out", b"/etc"),
    ]  # fmt: skip
    folders = {path for (path,) in rows("SELECT path FROM offers WHERE kind = 'folder'")}
    assert folders == {b"L", b"L/CD1", b"L/CD2", b"L/scans", b"M", b"empty"}
    offered = popularity.candidates(open_current(catalogue))
    assert offered.num_rows == 9
    assert offered["recording"].null_count == 6


def test_a_cue_sheet_makes_parts(catalogue: Path, tmp_path: Path, rows: Rows) -> None:
    music = tmp_path / "music"
    sound(music / "all.wav", seconds=9)
    (music / "all.cue").write_text(
        'PERFORMER "X"\nTITLE "L"\nFILE "ALL.WAV" WAVE\n'
        '  TRACK 01 AUDIO\n    TITLE "One"\n    INDEX 01 00:00:00\n'
        '  TRACK 02 AUDIO\n    TITLE "Two"\n    PERFORMER "Y"\n    INDEX 01 00:04:00\n'
    )
    (music / "bad.cue").write_text("WHAT is this\n")
    done = import_tags(catalogue, "mine", music)
    assert (done.tracks, done.albums, done.rejected) == (2, 1, 0)
    assert rows("SELECT title, artists, duration_ms FROM named_tracks ORDER BY own_id") == [
        ("One", ["X"], 4000),
        ("Two", ["Y"], 5000),
    ]
    assert rows("SELECT start_ms, end_ms, track IS NULL FROM offers WHERE kind = 'audio'") == [
        (None, None, True),
        (0, 4000, False),
        (4000, None, False),
    ]
    snapshot = open_current(catalogue)
    assert popularity.candidates(snapshot)["path"].to_pylist() == [
        b"all.cue",
        b"all.wav",
        b"bad.cue",
    ]
    assert popularity.parts(snapshot)["start_ms"].to_pylist() == [0, 4000]
    (found,) = coverage.stats(snapshot).sources
    assert found.declared == found.rows == 2


def test_one_file_more_changes_no_id(catalogue: Path, tmp_path: Path, rows: Rows) -> None:
    music = tmp_path / "music"
    sound(music / "b.wav", TIT2="B", TPE1="X")
    import_tags(catalogue, "mine", music)
    before = rows("SELECT track, recording FROM members")
    sound(music / "a.wav", TIT2="A", TPE1="X")
    import_tags(catalogue, "mine", music)
    assert set(before) < set(rows("SELECT track, recording FROM members"))
    again = import_tags(catalogue, "mine", music)
    assert again.snapshot == 2


def test_a_folder_whose_sound_is_gone_changes_nothing(
    catalogue: Path, tmp_path: Path, rows: Rows
) -> None:
    music, away = tmp_path / "music", tmp_path / "away"
    music.mkdir()
    assert import_tags(catalogue, "mine", music).tracks == 0  # it never had any
    sound(music / "a.wav", TIT2="A", TPE1="X")
    import_tags(catalogue, "mine", music)
    music.rename(away)
    music.mkdir()  # what a disk was mounted on
    for _ in range(2):
        with pytest.raises(InputError, match="no sound is left in it"):
            import_tags(catalogue, "mine", music)
        assert rows("SELECT title FROM tracks") == [("A",)]
        (music / "note.txt").touch()


def test_no_folder_is_one_line(catalogue: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        import_tags(catalogue, "mine", tmp_path / "nowhere")
