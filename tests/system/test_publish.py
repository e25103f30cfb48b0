"""The feed through the command line: who signs it, what it says after each event."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from longplay import clock
from longplay.archive import open_archive
from longplay.errors import ReleaseError
from longplay.files import writer_lock
from longplay.ledger import tables
from longplay.release import cut as cutting
from longplay.release import feed as feeds
from longplay.release.cut import Release, Request, cut
from longplay.workflows import publishing, releasing, seeding
from tests.system.conftest import Longplay, song

BY = "https://creativecommons.org/licenses/by/4.0/"
SCHEMA = json.loads(Path(feeds.__file__).with_name(feeds.SCHEMA_FILE).read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of three songs, cut; its secret keys lie beside it."""
    place = tmp_path_factory.mktemp("published")
    longplay = Longplay(place / "archive")
    for number in range(3):
        song(
            place / "label" / f"{number}.flac",
            "flac",
            pitch=200 + 40 * number,
            title=f"Piece {number}",
            artists=("Ann",),
            isrcs=(f"QZLP02600{number:03}",),
        )
    longplay.run("init", longplay.archive, "--keys", place / "keys")
    longplay.run("source", "add", "label", "folder", place / "label", "--rights", BY)
    longplay.run("catalogue", "import", place / "label")
    longplay.run("plan")
    longplay.run("capture")
    longplay.run("release", "cut", "--share", "100%")
    return place


@pytest.fixture
def longplay(made: Path, tmp_path: Path) -> Longplay:
    shutil.copytree(made, tmp_path / "place")
    path = tmp_path / "place" / "archive" / "longplay.toml"
    path.write_text(path.read_text().replace(str(made), str(tmp_path / "place")))
    return Longplay(tmp_path / "place" / "archive")


def feed(longplay: Longplay) -> Any:
    said = json.loads((longplay.archive / "releases" / "feed.json").read_bytes())
    jsonschema.validate(said, SCHEMA)
    return said


def test_a_cut_publishes_what_it_made(longplay: Longplay) -> None:
    said = feed(longplay)
    assert said["serial"] == 1
    (release,) = said["releases"]
    audio = [one for one in release["volumes"] if one["kind"] == "audio"]
    assert sum(one["objects"] for one in audio) == 3
    assert {one["volume"] for one in said["scarcity"]} == {
        one["name"] for one in release["volumes"]
    }
    assert said["tombstones"] == []
    assert "<rss" in (longplay.archive / "releases" / "feed.rss").read_text()


def test_a_decision_on_a_claim_is_in_the_feed_at_once_without_the_claimants_name(
    longplay: Longplay,
) -> None:
    claim = longplay.json(
        "claim", "add", "--who", "Zacharias Quist", "--contact", "z@example.org",
        "--ground", "mine", "--isrc", "QZLP02600001",
    )["claim"]  # fmt: skip
    assert feed(longplay)["tombstones"] == []
    longplay.run("claim", "uphold", claim)
    said = feed(longplay)
    (stone,) = said["tombstones"]
    assert stone["isrcs"] == ["QZLP02600001"]
    for path in (longplay.archive / "releases").rglob("*"):
        if path.is_file():
            assert b"Quist" not in path.read_bytes(), path
            assert b"z@example.org" not in path.read_bytes(), path
    longplay.run("claim", "restore", claim, "--reason", "an error")
    after = feed(longplay)
    assert after["tombstones"] == []
    assert after["serial"] > said["serial"]


def test_each_feed_vouches_for_the_log_of_those_before(longplay: Longplay) -> None:
    first = feed(longplay)
    for _ in range(2):
        longplay.run("release", "publish")
    last = feed(longplay)
    assert last["serial"] == 3
    assert [1, first["log"]["entries"], first["log"]["hash"]] in last["log"]["heads"]


def test_without_the_key_a_cut_holds_and_says_that_the_feed_was_not_renewed(
    longplay: Longplay,
) -> None:
    before = feed(longplay)
    shutil.rmtree(longplay.archive.parent / "keys")
    done = longplay.run("release", "cut", "--share", "100%")
    assert "the feed was not renewed" in done.err
    assert "release publish" in done.err
    assert feed(longplay) == before
    refused = longplay.run("release", "publish", expect=1)
    assert "the secret key is not at hand" in refused.err


def test_a_feed_key_is_replaced_with_the_root_key_alone(longplay: Longplay) -> None:
    before = longplay.json("release", "keys")
    after = longplay.json("release", "rotate-key")
    assert after["key"] == before["key"]
    assert after["version"] == before["version"] + 1
    assert after["feed_keys"] != before["feed_keys"]
    (Path(after["folder"]) / "root.key").unlink()
    assert longplay.json("release", "keys")["root_at_hand"] is False
    assert "not at hand" in longplay.run("release", "rotate-key", expect=1).err
    longplay.run("release", "publish")


def test_a_torrent_that_is_gone_is_told(longplay: Longplay) -> None:
    for path in (longplay.archive / "releases").rglob("*.torrent"):
        path.unlink()
    assert "the torrent is gone" in longplay.run("release", "publish", expect=1).err


def test_a_served_archive_renews_its_feed_before_it_expires(
    longplay: Longplay, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = feed(longplay)
    issued = datetime.fromisoformat(before["issued"])
    with open_archive(longplay.archive) as archive:
        monkeypatch.setattr(clock, "now", lambda: issued + timedelta(days=19))
        assert publishing.renew_due(archive) is None
        monkeypatch.setattr(clock, "now", lambda: issued + timedelta(days=21))
        done = publishing.renew_due(archive)
        assert done is not None
        assert done.feed == 2
        assert publishing.renew_due(archive) is None
    assert feed(longplay)["expires"] > before["expires"]


def test_a_feed_whose_signing_was_cut_short_is_signed_again(longplay: Longplay) -> None:
    signature = longplay.archive / "releases" / "feed.json.minisig"
    before = signature.read_bytes()
    longplay.run("release", "publish")
    signature.write_bytes(before)  # as if the process had died between the two files
    with open_archive(longplay.archive) as archive:
        done = publishing.renew_due(archive)
        assert done is not None
        assert done.feed == 3
        assert publishing.renew_due(archive) is None
        signature.unlink()
        assert publishing.renew_due(archive) is not None


def test_the_newest_release_is_the_last_one_whatever_the_clock_said(longplay: Longplay) -> None:
    asked = ("--who", "Ann", "--contact", "ann@music.example", "--ground", "mine")
    claim = longplay.json("claim", "add", *asked, "--isrc", "QZLP02600001")["claim"]
    longplay.run("claim", "uphold", claim)
    longplay.run("release", "cut", "--share", "100%")
    r = tables.releases
    with open_archive(longplay.archive) as archive:
        with archive.ledger.write() as connection:
            late = r.update().where(r.c.name == "s1-0001").values(time="2099-01-01T00:00:00.000Z")
            connection.execute(late)
        publishing.publish(archive)
        assert [one.name for one in seeding.current(archive)] == ["s1-0002"]
    said = feed(longplay)["releases"]
    assert [one["release"] for one in said if one["current"]] == ["s1-0002"]


def test_a_decision_holds_where_somebody_else_is_publishing(longplay: Longplay) -> None:
    asked = ("--who", "Ann", "--contact", "ann@music.example", "--ground", "mine")
    claim = longplay.json("claim", "add", *asked, "--isrc", "QZLP02600001")["claim"]
    with writer_lock(longplay.archive / "releases" / "feed.lock", "feed"):
        told = longplay.run("claim", "uphold", claim)
    assert "the feed was not renewed" in told.err
    assert "then run `longplay release publish`" in told.err
    assert feed(longplay)["tombstones"] == []
    longplay.run("release", "publish")
    assert len(feed(longplay)["tombstones"]) == 1


def test_a_claim_that_is_decided_while_a_release_is_cut_keeps_it_from_being_named(
    longplay: Longplay, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("--who", "Ann", "--contact", "ann@music.example", "--ground", "mine")
    first, second = (
        longplay.json("claim", "add", *asked, "--isrc", f"QZLP0260000{number}")["claim"]
        for number in (0, 1)
    )
    longplay.run("claim", "uphold", first)  # so that there is something to cut

    def meanwhile(request: Request, folder: Path) -> list[Release]:
        made = cut(request, folder)
        longplay.run("claim", "uphold", second)
        return made

    with open_archive(longplay.archive) as archive:
        with monkeypatch.context() as patched:
            patched.setattr(cutting, "cut", meanwhile)
            with pytest.raises(ReleaseError, match="a claim was decided meanwhile"):
                releasing.cut(archive, stage=None, share=1.0)
        assert len(releasing.list_releases(archive)) == 1
        made = releasing.cut(archive, stage=None, share=1.0)
    assert [one.name for one in made.releases] == ["s1-0002"]
    assert made.releases[0].objects == 1


@pytest.mark.real
def test_the_real_minisign_verifies_the_feed(
    longplay: Longplay, program: Callable[[str], str]
) -> None:
    key = longplay.json("release", "keys")["feed_keys"][0]
    path = longplay.archive / "releases" / "feed.json"
    command = [program("minisign"), "-V", "-P", key, "-m", str(path)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    path.write_bytes(path.read_bytes() + b" ")
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0
