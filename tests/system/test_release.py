"""From kept music to torrents: only what may be shared, from stored hashes, append-only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from longplay.model import Picture
from tests.system.conftest import Longplay, song

BY = "https://creativecommons.org/licenses/by/4.0/"


@pytest.fixture
def label(longplay: Longplay, tmp_path: Path) -> Path:
    """An archive with one source under CC BY, and a table that says what is listened to."""
    folder = tmp_path / "label"
    rows = ["id,title,artists,isrc,duration_ms,listens"]
    for number in range(8):
        isrc = f"QZLP02600{number:03}"
        song(
            folder / f"{number}.flac",
            "flac",
            pitch=200 + 40 * number,
            title=f"Piece {number}",
            artists=("Ann",),
            album="One",
            isrcs=(isrc,),
        )
        rows.append(f"{number},Piece {number},Ann,{isrc},4000,{1000 // (number + 1)}")
    song(folder / "closed.mp3", "mp3", pitch=777, title="Closed", artists=("Bob",),
         licences=("All rights reserved",))  # fmt: skip
    table = tmp_path / "charts.csv"
    table.write_text("\n".join([*rows, "x,Elsewhere,Cid,,200000,500"]) + "\n")
    longplay.run("init", longplay.archive)
    longplay.run("source", "add", "label", "folder", folder, "--rights", BY)
    longplay.run("catalogue", "import", folder)
    longplay.run("catalogue", "import", table, "--name", "charts")
    return folder


def keep_all(longplay: Longplay, *budget: str) -> Any:
    longplay.run("plan", *budget)
    return longplay.json("capture")


def hashes(cut: Any) -> dict[str, str]:
    """Info-hash by the torrent's own name; not of metadata, which each release has its own of."""
    return {
        Path(volume["torrent"]).stem: volume["info_hash_v2"]
        for release in cut["releases"]
        for volume in release["volumes"]
        if volume["kind"] != "metadata"
    }


def test_stages_divide_what_may_be_shared_and_the_rest_is_counted(
    longplay: Longplay, label: Path
) -> None:
    captured = keep_all(longplay)
    # Nobody counted the closed one's plays: popularity 0 stands for 1,000 listens.
    assert captured["share_of_listens"] == pytest.approx(3717 / 4217, abs=0.001)
    cut = longplay.json("release", "cut")
    assert [release["stage"] for release in cut["releases"]] == [1, 2, 3, 4]
    assert cut["objects"] == 8
    assert sum(cut["withheld"].values()) == 1
    assert cut["share_of_listens"] == pytest.approx(2717 / 4217, abs=0.001)
    listed = longplay.json("release", "list")
    assert [row["release"] for row in listed] == ["s1-0001", "s2-0001", "s3-0001", "s4-0001"]
    assert all(magnet.count("xt=urn:") == 2 for row in listed for magnet in row["magnets"])


def test_a_cut_opens_no_object(longplay: Longplay, label: Path) -> None:
    keep_all(longplay)
    (longplay.archive / "objects").rename(longplay.archive / "elsewhere")
    cut = longplay.json("release", "cut")
    assert cut["objects"] == 8
    (longplay.archive / "elsewhere").rename(longplay.archive / "objects")
    assert longplay.json("verify")["damaged"] == []


def test_cutting_again_makes_nothing_and_new_files_only_add(
    longplay: Longplay, label: Path
) -> None:
    keep_all(longplay)
    first = longplay.json("release", "cut", "--share", "100%")
    assert longplay.json("release", "cut", "--share", "100%")["releases"] == []
    song(label / "new.flac", "flac", pitch=1500, title="New", artists=("Dee",))
    longplay.run("catalogue", "import", label)
    keep_all(longplay)
    second = longplay.json("release", "cut", "--share", "100%")
    assert len(second["releases"]) == 1
    release = second["releases"][0]
    assert (release["release"], release["unchanged"]) == ("s1-0002", 1)
    document = longplay.archive / "releases" / "s1-0002" / "release.json"
    state = json.loads(document.read_text())
    names = {volume["name"]: volume["info_hash_v2"] for volume in state["volumes"]}
    assert names.items() >= hashes(first).items()
    assert state["objects"] == 9


def test_manifest_has_everything_that_a_mirror_needs(longplay: Longplay, label: Path) -> None:
    keep_all(longplay)
    longplay.run("release", "cut", "--share", "100%")
    folder = longplay.archive / "releases" / "s1-0001"
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert {row["title"] for row in rows} == {f"Piece {number}" for number in range(8)}
    for row in rows:
        assert row["statement"] == BY
        assert len(bytes.fromhex(row["root"])) == len(bytes.fromhex(row["sha256"])) == 32
        assert row["path"].startswith("Ann/One/")
        assert row["isrc"].startswith("QZLP0")
        stored = longplay.archive / "objects" / row["root"][:2] / row["root"][2:4]
        assert (stored / f"{row['root']}.flac").stat().st_size == row["size"]


def test_an_original_that_comes_later_withdraws_no_opus_copy(
    longplay: Longplay, label: Path
) -> None:
    captured = keep_all(longplay, "--budget", "300kB")
    assert captured["bytes"] < 330_000
    first = longplay.json("release", "cut", "--share", "100%")
    keep_all(longplay)
    second = longplay.json("release", "cut", "--share", "100%")
    state = longplay.archive / "releases" / second["releases"][0]["release"] / "release.json"
    names = {v["name"]: v["info_hash_v2"] for v in json.loads(state.read_text())["volumes"]}
    assert names.items() >= hashes(first).items()
    classes = longplay.json("status")
    assert sum(classes["by_access_class"].values()) == classes["objects"]


def test_what_loses_its_right_is_cut_out_and_nothing_else(longplay: Longplay, label: Path) -> None:
    keep_all(longplay)
    longplay.json("release", "cut", "--share", "100%")
    song(label / "3.flac", "flac", pitch=320, title="Piece 3", artists=("Ann",), album="One",
         isrcs=("QZLP02600003",), licences=("All rights reserved",))  # fmt: skip
    longplay.run("catalogue", "import", label)
    cut = longplay.json("release", "cut", "--share", "100%")
    names = [Path(torrent).stem for torrent in cut["torrents"]]
    assert names == ["longplay-s1-m0002", "longplay-s1-v0001-r2"]
    assert cut["objects"] == 7


@pytest.mark.parametrize(
    "words",
    [["--stage", "9"], ["--share", "0"], ["--share", "much"], ["--share", "5%", "--stage", "2"]],
)
def test_wrong_stages_and_shares_are_usage_errors(longplay: Longplay, words: list[str]) -> None:
    longplay.run("init", longplay.archive)
    assert longplay.run("release", "cut", *words, expect=2).err


PICTURE = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(200)) * 3


def front(more: bytes) -> Picture:
    return Picture("image/jpeg", "front cover", "", PICTURE + more)


def test_art_comes_with_its_music_by_a_right_of_its_own(longplay: Longplay, label: Path) -> None:
    """A cover in the folder and a picture in the tags of an open file are released; the picture of
    the closed one is not."""
    (label / "cover.jpg").write_bytes(PICTURE)
    song(label / "art.flac", "flac", pitch=900, title="Seen", artists=("Ann",), album="One",
         pictures=(front(b"inside"),))  # fmt: skip
    song(label / "dark.flac", "flac", pitch=950, title="Unseen", artists=("Bob",), album="Two",
         licences=("All rights reserved",), pictures=(front(b"closed"),))  # fmt: skip
    longplay.run("catalogue", "import", label)
    keep_all(longplay)
    cut = longplay.json("release", "cut", "--share", "100%")
    volumes = cut["releases"][0]["volumes"]
    assert [volume["kind"] for volume in volumes] == ["metadata", "art", "audio"]
    assert [volume["objects"] for volume in volumes] == [6, 2, 9]
    text = (longplay.archive / "releases" / "s1-0001" / "manifest.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    art = {row["title"]: row for row in rows if row["kind"] == "art"}
    assert set(art) == {"cover", "front cover"}
    assert all(row["statement"] == BY and row["path"].startswith("Ann/One/") for row in rows)
    assert art["cover"]["size"] == len(PICTURE)


def test_no_field_of_a_source_that_does_not_permit_it_leaves(
    longplay: Longplay, tmp_path: Path
) -> None:
    """The charts have an album and a code, and are nobody's to share; the files' own tags may."""
    folder = tmp_path / "music"
    song(folder / "a.flac", "flac", pitch=300, title="Own", artists=("Ann",))
    song(folder / "b.flac", "flac", pitch=400)
    (tmp_path / "charts.csv").write_text(
        "id,title,artists,album,isrc,duration_ms,popularity\n"
        "1,Secret Own,Hidden,Concealed,QZSEC2600001,4000,90\n"
    )
    longplay.run("init", longplay.archive)
    longplay.run("source", "add", "music", "folder", folder, "--rights", BY)
    longplay.run("catalogue", "import", folder)
    longplay.run("catalogue", "import", tmp_path / "charts.csv", "--name", "charts")
    found = longplay.json("catalogue", "search", "Own")["hits"]
    own = next(hit for hit in found if hit["title"] == "Own")
    secret = longplay.json("catalogue", "search", "Secret")["hits"][0]
    longplay.run("join", own["id"], secret["id"])
    keep_all(longplay)
    longplay.run("release", "cut", "--share", "100%")
    folder = longplay.archive / "releases" / "s1-0001"
    told = b"".join(path.read_bytes() for path in folder.iterdir() if path.suffix != ".parquet")
    table = pq.read_table(folder / "metadata.parquet").to_pylist()
    for secret in ("Secret", "Hidden", "Concealed", "QZSEC2600001", "charts"):
        assert secret.encode() not in told
        assert secret not in repr(table)
    # What has no title is called after its file.
    assert {row["title"] for row in table} == {"Own", "b"}
    assert "music: the released files' own tags" in (folder / "ATTRIBUTION.txt").read_text()
