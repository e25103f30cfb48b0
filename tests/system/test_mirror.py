"""`longplay mirror`, through the command line, from an origin on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from longplay.errors import ArchiveError
from tests.system.conftest import Longplay
from tests.system.mirroring import Origin, add_songs, check, follow, make, mirror_in, share, stored


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """An archive with one release, served and seeded."""
    found = make(tmp_path_factory.mktemp("origin"))
    found.longplay.json("release", "cut", "--share", "100%")
    found.serve()
    found.seed()
    yield found
    found.stop()


def same(origin: Origin, mirror: Longplay) -> None:
    """All that is released is here, byte for byte, and the mirror's own check agrees."""
    objects = origin.objects()
    assert objects
    for root, data in objects.items():
        (place,) = stored(mirror.archive, root)
        assert place.read_bytes() == data
    assert check(mirror) == len(objects)


def test_a_mirror_holds_what_was_released_and_asks_for_nothing_twice(
    origin: Origin, tmp_path: Path
) -> None:
    mirror = mirror_in(tmp_path / "mirror")
    found = mirror.json("mirror", origin.feed, mirror.archive, "--key", origin.key)
    assert (found["feed_version"], found["objects"], found["verified"]) == (1, 6, 6)
    assert (found["refused"], found["missing"], found["tombstones"]) == ([], 0, 0)
    same(origin, mirror)
    again = follow(mirror, origin.feed)
    assert (again["objects"], again["verified"], again["downloaded"]) == (6, 0, 0)
    assert list((mirror.archive / "arriving").iterdir()) == []
    for name in ("feed.json", "feed.json.minisig", "keys.json", "keys.json.minisig"):
        there = (origin.longplay.archive / "releases" / name).read_bytes()
        assert (mirror.archive / "releases" / name).read_bytes() == there


def test_a_mirror_signs_and_cuts_nothing(origin: Origin, tmp_path: Path) -> None:
    mirror = mirror_in(tmp_path / "mirror")
    follow(mirror, origin.feed)
    for words in (("release", "cut"), ("release", "publish")):
        refused = mirror.run(*words, expect=1)
        assert "is a mirror of the archive" in refused.err
    found = mirror.json("release", "list")
    assert [one["release"] for one in found] == ["s1-0001"]


@pytest.mark.long
def test_a_budget_takes_a_part_and_a_larger_one_the_rest(origin: Origin, tmp_path: Path) -> None:
    mirror = mirror_in(tmp_path / "mirror")
    part = follow(mirror, origin.feed, budget=250_000)
    assert 0 < part["objects"] < 6
    assert part["bytes"] <= 250_000
    same_part = follow(mirror, origin.feed, budget=250_000)
    assert (same_part["objects"], same_part["verified"]) == (part["objects"], 0)
    whole = follow(mirror, origin.feed)
    assert (whole["objects"], whole["verified"]) == (6, 6 - part["objects"])
    same(origin, mirror)


def test_a_budget_for_nothing_is_told(origin: Origin, tmp_path: Path) -> None:
    mirror = mirror_in(tmp_path / "mirror")
    found = mirror.run("mirror", origin.feed, mirror.archive, "--budget", "100", expect=1)
    assert "nothing of the feed was taken (see why above, or give a larger --budget)" in found.err


def test_a_disk_sent_by_post_is_enough(origin: Origin, tmp_path: Path) -> None:
    feed = origin.longplay.archive / "releases" / "feed.json"
    mirror = mirror_in(tmp_path / "mirror")
    found = follow(mirror, feed, key=origin.key)
    assert (found["verified"], found["downloaded"], found["missing"]) == (6, 0, 0)
    same(origin, mirror)


def test_an_archive_of_ones_own_is_no_mirror(origin: Origin, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is an archive of its own"):
        follow(origin.longplay, origin.feed)


@pytest.mark.long
def test_a_mirror_of_a_mirror_has_the_same(origin: Origin, tmp_path: Path) -> None:
    first = mirror_in(tmp_path / "first")
    follow(first, origin.feed)
    middle = Origin(first)
    middle.serve()
    try:
        second = mirror_in(tmp_path / "second")
        found = follow(second, middle.feed, key=origin.key)
        assert (found["objects"], found["missing"]) == (6, 0)
        same(origin, second)
    finally:
        middle.stop()


def test_only_the_difference_travels(tmp_path: Path) -> None:
    origin = make(tmp_path)
    origin.longplay.json("release", "cut", "--share", "100%")
    origin.serve()
    try:
        mirror = mirror_in(tmp_path / "mirror")
        follow(mirror, origin.feed)
        folder = tmp_path / "label"
        add_songs(folder, [9])
        for words in (("catalogue", "import", folder), ("plan",), ("capture",)):
            origin.longplay.run(*words)
        origin.longplay.json("release", "cut", "--share", "100%")
        found = follow(mirror, origin.feed)
        assert (found["objects"], found["verified"]) == (7, 1)
        size = len(origin.objects()) and max(map(len, origin.objects().values()))
        assert found["downloaded"] <= 2 * size + 2**18
        same(origin, mirror)
    finally:
        origin.stop()


@pytest.mark.long
def test_nobody_to_fetch_from_ends_in_bounded_time(origin: Origin, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    for path in (origin.longplay.archive / "releases").rglob("*"):
        target = disk / path.relative_to(origin.longplay.archive / "releases")
        target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
    mirror = mirror_in(tmp_path / "mirror", patience=1)
    found = follow(mirror, disk / "feed.json")
    assert (found["missing"], found["objects"]) == (6, 0)
    why = {one["why"] for one in found["refused"]}
    assert "no source gave anything for 1 s" in why
    assert "lies in a private network that the feed does not lie in" in why
    share(mirror)
    again = follow(mirror, origin.feed)
    assert (again["objects"], again["missing"]) == (6, 0)


def test_the_gate_is_asked_again(origin: Origin, tmp_path: Path) -> None:
    """A claim upheld on the mirror itself keeps out what the origin still releases."""
    mirror = mirror_in(tmp_path / "mirror")
    line = origin.manifest()[0]
    claim = mirror.json(
        "claim", "add", "--who", "H", "--contact", "h@example.org", "--ground", "mine",
        "--object", f"obj{line['root']}",
    )["claim"]  # fmt: skip
    mirror.run("claim", "uphold", claim)
    found = follow(mirror, origin.feed)
    assert (found["objects"], found["withheld"], found["missing"]) == (5, 1, 0)
    assert [one["why"] for one in found["refused"]] == ["a rights holder's claim was upheld"]
    assert stored(mirror.archive, line["root"]) == []
    assert json.dumps(found).count("H") == 0
