"""What a release says of itself: metadata as a volume, art, descriptions that others read."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from longplay.release.cut import Release, read_release
from longplay.release.describing import About, Credit
from longplay.torrent import metainfo
from tests.release.making import PIECE, World, cut
from tests.torrent.making import torrent_of

FILES = [
    "ATTRIBUTION.txt",
    "croissant.json",
    "manifest.jsonl",
    "metadata.parquet",
    "ro-crate-metadata.json",
    "tdmrep.json",
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def made(world: World, *arguments: object, **more: object) -> Release:
    release = cut(world.request(*arguments, **more), world.releases)  # type: ignore[arg-type]
    assert release is not None
    return release


def test_the_metadata_are_a_torrent_of_the_releases_own_files(world: World) -> None:
    release = made(world, world.add(5, PIECE))
    folder = world.releases / release.name
    volume = release.volumes[0]
    assert (volume.name, volume.kind, volume.objects) == ("test-s1-m0001", "metadata", 6)
    contents = {name: (folder / name).read_bytes() for name in FILES}
    expected = torrent_of(volume.name, contents, volume.piece_length)
    assert (world.releases / volume.torrent).read_bytes() == expected.data
    assert (volume.bytes, volume.padding) == (expected.bytes, expected.padding)
    assert release.bytes == 5 + PIECE  # the music alone
    told = {file.path: (file.bytes, file.sha256) for file in release.files}
    assert told == {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.iterdir()
        if path.suffix != ".torrent" and path.name != "release.json"
    }


def test_each_release_has_its_own_metadata_which_supersede_those_before(world: World) -> None:
    first = made(world, world.add(5))
    second = made(world, [0, *world.add(6)], before=first)
    assert second.metadata is not None
    assert (second.metadata.name, second.metadata.supersedes) == ("test-s1-m0002", "test-s1-m0001")


def test_a_release_of_old_is_superseded_and_gets_its_metadata(world: World) -> None:
    numbers = world.add(5, 6)
    first = made(world, numbers)
    folder = world.releases / first.name
    document = json.loads((folder / "release.json").read_text())
    del document["files"], document["last_art"]
    document["volumes"] = [one for one in document["volumes"] if one["kind"] == "audio"]
    for volume in document["volumes"]:
        del volume["kind"]
    members = pq.read_table(folder / "members.parquet")
    pq.write_table(members.drop_columns(["tdm_reserved"]), folder / "members.parquet")
    old = read_release(document)
    second = made(world, numbers, before=old)
    assert second.music == first.music
    assert [volume.kind for volume in second.volumes] == ["metadata", "audio"]
    assert second.metadata is not None
    assert second.metadata.supersedes is None
    assert cut(world.request(numbers, before=second), world.releases) is None


def test_art_has_volumes_of_its_own_before_the_music(world: World) -> None:
    world.add(PIECE, 7)
    world.add(40, 50, kind="art", title="front cover", track_number=None, recording=None,
              suffix=".jpg", isrc=None)  # fmt: skip
    release = made(world, [0, 1, 2, 3])
    assert [volume.name for volume in release.volumes] == [
        "test-s1-m0001",
        "test-s1-a0001",
        "test-s1-v0001",
    ]
    assert [volume.objects for volume in release.volumes] == [6, 2, 2]
    assert (release.objects, release.last_number, release.last_art) == (4, 1, 1)
    assert release.share_of_listens == pytest.approx((100 + 99) / 1000)  # art is not listened to
    art = metainfo.parse((world.releases / release.volumes[1].torrent).read_bytes())
    digits = [world.hashes[number].root.hex()[:8] for number in (2, 3)]
    assert {file.path for file in art.files} == {
        ("Somebody", "Songs", f"front cover [{one}].jpg") for one in digits
    }
    folder = world.releases / release.name
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert [(row["kind"], row["recording"] is None) for row in rows] == [
        *[("art", True)] * 2,
        *[("audio", False)] * 2,
    ]
    assert pq.read_table(folder / "metadata.parquet").num_rows == 2


def test_art_stays_and_comes_as_music_does(world: World) -> None:
    facts = {"kind": "art", "title": "back", "track_number": None, "recording": None}
    world.add(7)
    world.add(40, 50, **facts)
    first = made(world, [0, 1, 2])
    world.add(60, **facts)
    second = made(world, [0, 1, 3], before=first)
    assert [volume.name for volume in second.volumes] == [
        "test-s1-m0002",
        "test-s1-a0001-r2",
        "test-s1-a0002",
        "test-s1-v0001",
    ]
    assert second.volumes[1].kind == "art"
    assert second.volumes[3] == first.volumes[2]


def test_what_is_reserved_from_mining_is_told_and_a_change_of_it_is_a_release(world: World) -> None:
    numbers = world.add(5, 6, title="A & B")
    first = made(world, numbers)
    world.facts[1] |= {"tdm_reserved": True}
    second = made(world, numbers, before=first)
    assert second.music == first.music
    assert cut(world.request(numbers, before=second), world.releases) is None
    folder = world.releases / second.name
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert [row["tdm_reserved"] for row in rows] == [False, True]
    assert json.loads((folder / "tdmrep.json").read_text()) == [
        {"location": "/seed/test-s1-v0001/Somebody/Songs/02%20A%20%26%20B.ogg",
         "tdm-reservation": 1},
        {"location": "/seed/test-s1-v0001/*", "tdm-reservation": 0},
        {"location": "/releases/s1-0002/*", "tdm-reservation": 0},
    ]  # fmt: skip
    world.facts[1] |= {"tdm_reserved": False}
    assert made(world, numbers, before=second).music == first.music


def test_a_paths_folder_stays_the_torrents_name_when_a_volume_is_cut_anew(world: World) -> None:
    numbers = world.add(5, 6)
    first = made(world, numbers)
    world.facts[1] |= {"tdm_reserved": True}
    second = made(world, [1], before=first)
    rules = json.loads((world.releases / second.name / "tdmrep.json").read_text())
    assert [rule["location"].split("/")[2] for rule in rules[:2]] == ["test-s1-v0001"] * 2


def test_ro_crate_reads_the_description(world: World) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate")
    release = made(world, world.add(5, PIECE))
    folder = world.releases / release.name
    crate = rocrate.ROCrate(folder)
    root = crate.root_dataset
    assert (root["name"], root["identifier"]) == ("test s1-0001", "s1-0001")
    assert root["datePublished"] == "2026-11-23"
    parts = {entity.id: entity for entity in root["hasPart"]}
    assert parts.keys() >= {"manifest.jsonl", "metadata.parquet", "tdmrep.json"}
    table = (folder / "metadata.parquet").read_bytes()
    assert parts["metadata.parquet"]["sha256"] == hashlib.sha256(table).hexdigest()
    assert parts[release.music[0].magnet]["name"] == release.music[0].name
    assert [one.id for one in root["license"]] == [
        "https://creativecommons.org/publicdomain/zero/1.0/"
    ]


def test_croissant_validates_the_description_and_reads_the_recordings(world: World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlcroissant = pytest.importorskip("mlcroissant")
        release = made(world, world.add(5, PIECE, title="Été"))
        folder = world.releases / release.name
        dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
        issues = dataset.metadata.ctx.issues
        assert (list(issues.errors), list(issues.warnings)) == ([], [])
        records = list(dataset.records("recordings"))
    assert [record["recordings/title"].decode() for record in records] == ["Été"] * 2
    assert [record["recordings/size"] for record in records] == [5, PIECE]
    assert dataset.metadata.version == "1.1.0"


def test_attributions_name_sources_and_statements(world: World) -> None:
    about = About("test", "2026-11-23", (
        Credit("label", "", "the released files' own tags"),
        Credit("other", "https://creativecommons.org/licenses/by/4.0/", "CC BY 4.0"),
    ))  # fmt: skip
    release = made(world, world.add(5, 6), about=about)
    text = (world.releases / release.name / "ATTRIBUTION.txt").read_text()
    assert "  https://creativecommons.org/publicdomain/zero/1.0/: 2\n" in text
    assert "  label: the released files' own tags\n  other: CC BY 4.0\n" in text
