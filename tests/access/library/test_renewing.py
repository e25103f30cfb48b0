"""The library follows the archive: what is withdrawn, captured, corrected, killed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from longplay import archive as archives
from longplay.access.library import apart, building, layout, library
from longplay.access.library.view import View
from longplay.archive import open_archive
from longplay.errors import LockedError
from longplay.files import writer_lock
from longplay.ledger import queries
from longplay.rights.claims import Step
from longplay.workflows import claims, withdrawing
from longplay.workflows.claims import Request
from tests.access.library.conftest import BY, GUEST, MEMBER, Shelf
from tests.system.conftest import song

PATIENCE = 120.0


def titles(view: View) -> list[str]:
    return [track.title for track in view.search("", tracks=(500, 0)).tracks]


def eventually(shelf: Shelf, holds: Callable[[View], bool]) -> View:
    """The library as soon as it is so."""
    until = time.monotonic() + PATIENCE
    while not holds(view := shelf.view()):
        assert time.monotonic() < until, titles(view)
        time.sleep(0.05)
    return view


def cache(shelf: Shelf) -> Path:
    return building.folder_of(shelf.here.archive)


def withdraw(shelf: Shelf, recording: str | None) -> None:
    archive = shelf.here.archive
    request = Request("Somebody", "a@b.example", "mine", recordings=(recording or "",))
    claims.decide(archive, claims.add(archive, request).id, Step.UPHOLD, "shown")


def test_what_is_withdrawn_vanishes_before_anything_is_built(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "build", lambda _: None)  # but for the first
    building.build(shelf.here.archive)
    before, guest = shelf.view(), shelf.view(GUEST)
    zed = next(one for one in before.artists("all") if one.name == "Zed")
    mine = before.search("only members").tracks[0]
    assert mine.recording is not None
    withdraw(shelf, mine.recording)
    view = shelf.view()
    assert view.version != before.version
    assert titles(view) == [title for title in titles(before) if title != "Only Members"]
    assert view.track(mine.id) is view.album(mine.album_id) is view.artist(zed.id) is None
    assert view.recording(mine.recording) == view.tracks_of_artist(zed.id) == []
    found = view.search("members")
    assert "Only Members" not in [track.title for track in found.tracks]
    assert found.albums == []
    assert "Members" not in [album.title for album in view.albums("alphabeticalByName")]
    assert "Zed" not in [name for _, some in view.index() for name in [one.name for one in some]]
    assert view.tracks_by_genre("Secret Genre") == []
    assert view.counts.tracks == before.counts.tracks - 1
    assert view.counts.albums == before.counts.albums - 1
    assert shelf.view(GUEST).version == guest.version  # who never heard it


def rot(path: Path) -> None:
    """Damage the first half of a file, not the end that says what is in it."""
    data = path.read_bytes()
    path.write_bytes(b"PAR1" + bytes(len(data) // 2) + data[len(data) // 2 + 4 :])


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda path: path.write_bytes(b"PAR1 rotten"), rot]
)
def test_lost_evidence_of_sounds_costs_measurements_alone(
    shelf: Shelf, damage: Callable[[Path], object]
) -> None:
    archive = shelf.here.archive
    with archive.ledger.read() as connection:
        names = queries.evidence_names(connection, "sounds")
    for name in names:
        damage(archive.evidence / name)
    tracks = shelf.view().search("", tracks=(500, 0)).tracks
    assert {"Help!", "Mix 1", "Only Members"} <= {track.title for track in tracks}
    assert all(track.replay_gain is None for track in tracks)


def test_an_album_keeps_what_is_not_withdrawn_of_it(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "build", lambda _: None)
    building.build(shelf.here.archive)
    first = shelf.view().search("first part").tracks[0]
    helped = shelf.view().search("for members").tracks[0]
    withdraw(shelf, helped.recording)
    view = shelf.view()
    assert len(view.tracks_of_album(helped.album_id)) == 2
    assert view.album(helped.album_id) is not None
    # Both parts of a file go when one must not be heard: the file is what is served.
    withdraw(shelf, first.recording)
    assert shelf.view().tracks_of_album(first.album_id) == []


def test_what_is_captured_comes_and_answers_are_made_before_it_shows(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "REST", 0)
    monkeypatch.setattr(library, "LOOK_SECONDS", 0)
    made = []

    def count(view: View) -> bytes:
        made.append(view.version)
        return b"%d" % view.counts.tracks

    before = shelf.view()
    assert before.cached("count", count) == before.cached("count", count)
    assert made == [before.version]
    more = shelf.longplay.archive.parent / "more"
    song(more / "new.flac", "flac", pitch=1700, title="Brand New", artists=("Ann",), licences=(BY,))
    shelf.longplay.run("source", "add", "more", "folder", more, "--rights", BY)
    shelf.longplay.run("catalogue", "import", more)
    shelf.longplay.run("plan")
    shelf.longplay.run("capture")
    after = eventually(shelf, lambda view: "Brand New" in titles(view))
    assert after.version in made  # no request has asked yet
    assert after.cached("count", count) == b"%d" % (before.counts.tracks + 1)
    ann = [one for one in after.artists("artist") if one.name == "Ann"]
    assert len(ann) == 1  # of both sources
    assert ann[0].tracks == 2


def test_what_a_curator_corrects_is_shown(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "REST", 0)
    monkeypatch.setattr(library, "LOOK_SECONDS", 0)
    view = shelf.view()
    track = view.search("cocoon 1.1").tracks[0]
    shelf.longplay.run("edit", track.id, "title=Put Right", "artists=Ann; Somebody New")
    shelf.longplay.run("edit", track.album_id, "title=Other Album", "release_date=1999")
    view = eventually(shelf, lambda view: "Put Right" in titles(view))
    found = view.track(track.id)
    assert found is not None
    assert (found.artist, found.album, found.album_id) == (
        "Ann, Somebody New", "Other Album", track.album_id,
    )  # fmt: skip
    album = view.album(track.album_id)
    assert album is not None
    assert (album.title, album.year) == ("Other Album", 1999)
    assert [one.title for one in view.search("put right ann").tracks] == ["Put Right"]


def test_another_process_builds_the_same(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = shelf.here.archive
    apart.build(archive)
    here = titles(shelf.view())
    monkeypatch.setattr(apart, "SMALL", -1)
    (cache(shelf) / building.POINTER).unlink()
    apart.build(archive)
    with open_archive(shelf.longplay.archive) as again:
        view = library.Library(again).view(True, shelf.here.standing())
        assert titles(view) == here


def test_what_killed_builds_leave_is_removed(shelf: Shelf) -> None:
    folder = cache(shelf)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("half.part", "half.part-texts", "library-1-1-dead.sqlite3"):
        (folder / name).write_bytes(b"half of it")
    assert titles(shelf.view())
    built = building.current(folder)
    assert built is not None
    names = {path.name for path in folder.iterdir()}
    assert names == {building.LOCK, building.POINTER, built.file}


@pytest.mark.parametrize(
    "pointer",
    ["", "{", "[]", '{"file": "library.sqlite3"}', json.dumps({"version": layout.VERSION + 1})],
)
def test_a_pointer_to_nothing_is_no_library(shelf: Shelf, pointer: str) -> None:
    folder = cache(shelf)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / building.POINTER).write_text(pointer)
    assert building.current(folder) is None
    assert titles(shelf.view())


def test_one_builds_at_a_time(shelf: Shelf) -> None:
    folder = cache(shelf)
    with (
        writer_lock(folder / building.LOCK, "library"),
        pytest.raises(LockedError, match="the library is being written by process"),
    ):
        building.build(shelf.here.archive)
    assert building.build(shelf.here.archive) == building.build(shelf.here.archive)


def test_an_empty_archive_has_an_empty_library(tmp_path: Path) -> None:
    with archives.create(tmp_path / "archive", secrets=tmp_path / "keys") as archive:
        standing = withdrawing.standing(archive)
        view = library.Library(archive).view(MEMBER.signed_in, standing)
        assert view.counts.tracks == view.counts.albums == view.counts.artists == 0
        assert view.albums("newest") == view.random(5) == view.index() == view.folders() == []
        assert view.search("x").tracks == view.search("").tracks == []
