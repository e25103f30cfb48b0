"""`identify` and `fingerprint update`, as their user meets them."""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from longplay.audio.encode import encode
from longplay.model import Tags
from tests.identify.made import tune
from tests.system.conftest import Longplay

RATE = 22_050
BY = "https://creativecommons.org/licenses/by/4.0/"


def write(path: Path, sound: np.ndarray, codec: str, **tags: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(np.stack([sound, sound]), RATE, path, codec, Tags(**tags))  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def longplay(tmp_path_factory: pytest.TempPathFactory) -> Longplay:
    """An archive of four tunes."""
    folder = tmp_path_factory.mktemp("identify")
    for number in range(4):
        write(
            folder / "music" / f"{number}.flac",
            tune(number, 25, RATE),
            "flac",
            title=f"Tune {number}",
            artists=("Ann",),
            album="Tunes",
            label="Small Label",
            isrcs=(f"GBAYE680000{number}",),
            licences=(BY,),
        )
    made = Longplay(folder / "archive")
    made.run("keep", folder / "music", "--archive", made.archive)
    return made


def test_whole_tracks_have_an_index_that_is_made_when_asked_for(
    longplay: Longplay, tmp_path: Path
) -> None:
    other = write(tmp_path / "other.ogg", tune(50, 40, RATE), "vorbis")
    failed = longplay.json("identify", "--whole", other, expect=1)["error"]
    assert failed["message"] == "there is no index of whole tracks"
    assert failed["hint"] == "run `longplay fingerprint update --whole`"
    made = longplay.json("fingerprint", "update", "--whole")
    assert (made["objects"], made["decoded"], made["renewed"]) == (4, 0, 0)
    (answer,) = longplay.json("identify", "--whole", other)["files"]
    assert answer["matches"] == []


@pytest.mark.parametrize(
    ("name", "cut", "message"),
    [
        ("index.json", 60, "is no fingerprint index"),
        ("*.shard", 1500, "has 1,500 bytes, not"),
        ("*.shard", 0, "is not a whole shard"),
    ],
)
def test_a_damaged_index_of_whole_tracks_is_made_anew_as_the_hint_says(
    longplay: Longplay, tmp_path: Path, name: str, cut: int, message: str
) -> None:
    """Cut to so many bytes, or of the same length with other bytes where its header was."""
    known = write(tmp_path / "known.ogg", tune(1, 40, RATE), "vorbis")
    before = longplay.json("fingerprint", "update", "--whole")
    (path,) = (longplay.archive / "identify" / "whole").glob(name)
    data = path.read_bytes()
    path.write_bytes(data[:cut] if cut else data[:20].ljust(1024, b"\0") + data[1024:])
    failed = longplay.json("identify", "--whole", known, expect=1)["error"]
    assert failed["message"].startswith(message)
    assert failed["where"] == str(path)
    assert failed["hint"].endswith(" anew with `longplay fingerprint update --whole --anew`")
    longplay.json("fingerprint", "update", "--whole", expect=1)
    made = longplay.json("fingerprint", "update", "--whole", "--anew")
    assert (made["objects"], made["version"]) == (4, before["version"])
    assert longplay.json("identify", "--whole", known)["files"]


def test_a_clip_in_another_codec_is_named(longplay: Longplay, tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.mp3", tune(2, 25, RATE)[8 * RATE : 16 * RATE], "mp3")
    other = write(tmp_path / "other.ogg", tune(50, 10, RATE), "vorbis")
    (tmp_path / "text.txt").write_text("no sound")
    answer = longplay.json(
        "identify", clip, other, tmp_path / "text.txt", tmp_path / "none", tmp_path
    )
    first, second = answer["files"]
    assert (first["file"], second["file"]) == (str(clip), str(other))
    (match,) = first["matches"]
    assert match["title"] == "Tune 2"
    assert match["artists"] == ["Ann"]
    assert match["isrc"] == "GBAYE6800002"
    assert match["recording"].startswith("rec")
    assert BY in match["rights"]
    assert match["tdm_reserved"] is False
    assert abs(match["offset_s"] - match["start_s"] - 8) < 0.2
    assert match["end_s"] - match["start_s"] > 5
    assert match["confidence"] > 0.99
    assert second["matches"] == []
    whys = {Path(one["file"]).name: one["why"] for one in answer["unreadable"]}
    assert whys["none"] == "cannot be read: No such file or directory"
    assert "is not a sound file" in whys["text.txt"]
    assert whys[tmp_path.name] == "is not a regular file"


def test_an_update_adds_what_lacks_and_nothing_twice(longplay: Longplay) -> None:
    first = longplay.json("fingerprint", "update")
    assert first["objects"] == 4
    again = longplay.json("fingerprint", "update")
    assert (again["added"], again["objects"], again["version"]) == (0, 4, first["version"])
    anew = longplay.json("fingerprint", "update", "--anew")
    assert (anew["objects"], anew["postings"]) == (4, first["postings"])


def test_an_empty_archive_says_what_to_do(tmp_path: Path) -> None:
    made = Longplay(tmp_path / "archive")
    made.run("init", made.archive)
    answer = made.run("identify", tmp_path / "x.mp3", expect=1)
    assert "the fingerprint index is empty" in answer.err
    assert "capture something first" in answer.err


@pytest.mark.long
@pytest.mark.parametrize("moment", [0.5, 1.5, 2.5, 3.5])
def test_killed_at_any_moment_it_goes_on(longplay: Longplay, moment: float) -> None:
    before = longplay.json("fingerprint", "update")
    running = subprocess.Popen(
        longplay.arguments("fingerprint", "update", "--anew"),
        env=longplay.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(moment)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    after = longplay.json("fingerprint", "update")
    assert (after["objects"], after["postings"]) == (before["objects"], before["postings"])
    names = {path.suffix for path in (longplay.archive / "identify").iterdir()}
    assert names <= {".json", ".lock", ".shard"}


def test_a_list_of_fingerprints_is_checked_without_an_archive(
    longplay: Longplay, tmp_path: Path
) -> None:
    listing = tmp_path / "list.jsonl"
    assert longplay.json("fingerprint", "export", listing)["entries"] == 4
    assert '"title": "Tune 1"' in listing.read_text()
    assert listing.read_text().count('"iscc": "ISCC:EID') == 4
    corpus = tmp_path / "corpus"
    whole = write(corpus / "whole.ogg", tune(1, 25, RATE), "vorbis")
    other = write(corpus / "other.ogg", tune(60, 25, RATE), "vorbis")
    (corpus / "bad.mp3").write_bytes(b"no sound")
    (corpus / "notes.txt").write_text("read me")
    with tarfile.open(corpus / "shard.tar.gz", "w:gz") as tar:
        for path in (whole, other, corpus / "notes.txt"):
            tar.add(path, path.name)
    rows = pa.array([{"bytes": path.read_bytes(), "path": None} for path in (other, whole)])
    pq.write_table(pa.table({"audio": rows}), corpus / "table.parquet")
    alone = Longplay(tmp_path / "no archive")
    found = alone.json("fingerprint", "check", listing, corpus)
    matched = {Path(one["file"]).relative_to(corpus): one for one in found["matches"]}
    assert {*map(str, matched)} == {"whole.ogg", "shard.tar.gz/whole.ogg", "table.parquet/0/1"}
    assert {one["title"] for one in matched.values()} == {"Tune 1"}
    assert all(one["differing"] < 0.1 for one in matched.values())
    assert [Path(one["file"]).name for one in found["unreadable"]] == ["bad.mp3"]
    assert (found["files"], found["ignored"]) == (7, 2)
    listing.write_text(listing.read_text().replace("chromaprint", "x"))
    refused = alone.run("fingerprint", "check", listing, corpus, expect=1)
    assert "line 2 is no fingerprint of a list" in refused.err
