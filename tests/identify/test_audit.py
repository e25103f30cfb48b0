"""Audits: corpora in all layouts, hostile ones, stopped ones; reports that others can check."""

from __future__ import annotations

import csv
import gzip
import io
import json
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

from longplay.archive import KEYS, open_archive
from longplay.errors import InputError
from longplay.identify import corpus as corpora
from longplay.release import keys, minisign
from longplay.workflows import auditing
from longplay.workflows.auditing import Audit
from tests.identify.made import quiet, tune
from tests.identify.test_commands import BY, RATE, longplay, write
from tests.killed import NEVER, killed
from tests.system.conftest import Longplay

__all__ = ["longplay"]

SOUND = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

WRONG_TYPES = {
    "text": pa.array(["a.mp3"]),
    "lists": pa.array([[b"ID3"]]),
    "text in a struct": pa.array([{"bytes": "ID3", "path": "a.mp3"}]),
    "numbers in a struct": pa.array([{"bytes": [73, 68, 51], "path": "a.mp3"}]),
    "nothing": pa.nulls(3),
    "a struct without bytes": pa.array([{"path": "a.mp3"}]),
}
"""Columns called `audio` that have no bytes of sound."""


def sound(folder: Path, name: str, samples: np.ndarray, codec: str = "mp3") -> bytes:
    return write(folder / name, samples, codec).read_bytes()


def clip(number: int, start: float, seconds: float = 8) -> np.ndarray:
    return tune(number, 25, RATE)[int(start * RATE) : int((start + seconds) * RATE)]


def add(tar: tarfile.TarFile, name: str, data: bytes, **kind: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in kind.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layouts, with what is of the archive (tunes 0 to 3) and what is not (from 40)."""
    made = tmp_path_factory.mktemp("made")
    folder = tmp_path_factory.mktemp("corpus")
    mix = np.concatenate([clip(0, 2, 12), tune(40, 8, RATE), clip(1, 10, 12)])
    write(folder / "plain" / "mix.ogg", mix, "vorbis")
    write(folder / "plain" / "whole.opus", tune(3, 25, RATE), "opus")
    write(folder / "plain" / "other.mp3", tune(41, 12, RATE), "mp3")
    (folder / "plain" / "notes.txt").write_text("read me")
    with tarfile.open(folder / "shard.tar", "w") as tar:
        add(tar, "00.mp3", sound(made, "a.mp3", clip(2, 5)))
        add(tar, "00.json", b"{}")
        add(tar, "01.mp3", sound(made, "b.mp3", tune(42, 9, RATE)))
    (folder / "packed.tar.gz").write_bytes(gzip.compress((folder / "shard.tar").read_bytes()))
    rows = [
        {"bytes": sound(made, "c.mp3", clip(1, 4)), "path": "c.mp3"},
        {"bytes": sound(made, "d.mp3", tune(43, 9, RATE)), "path": None},
    ]
    table = pa.table({"audio": pa.array(rows, SOUND), "text": ["x", "y"]})
    pq.write_table(table, folder / "table.parquet")
    with (
        pa.OSFile(str(folder / "stream.arrow"), "wb") as out,
        pa.ipc.new_stream(out, table.schema) as stream,
    ):
        stream.write_table(table)
    return folder


def test_all_layouts_are_audited_and_the_report_is_signed(
    longplay: Longplay, corpus: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    found = longplay.json("audit", corpus, "--report", report, "--self-test", 3)
    named = {(one["file"].removeprefix(f"{corpus}/"), one["title"]) for one in found["matches"]}
    assert named == {
        ("plain/mix.ogg", "Tune 0"),
        ("plain/mix.ogg", "Tune 1"),
        ("plain/whole.opus", "Tune 3"),
        ("shard.tar/00.mp3", "Tune 2"),
        ("packed.tar.gz/00.mp3", "Tune 2"),
        ("table.parquet/0/0 c.mp3", "Tune 1"),
        ("stream.arrow/0/0 c.mp3", "Tune 1"),
    }
    assert (found["files"], found["matched_files"], found["ignored"]) == (11, 6, 3)
    assert found["unreadable"] == []
    (second,) = (one for one in found["matches"] if one["file"].endswith("mix.ogg")
                 and one["title"] == "Tune 1")  # fmt: skip
    assert 19 < second["start_s"] < 23 and 29 < second["end_s"] < 33
    assert abs(second["offset_s"] - 10 - (second["start_s"] - 20)) < 0.3
    assert BY in second["rights"]
    assert found["matched_hours"] * 3600 == pytest.approx(24 + 25 + 8 * 4, abs=15)
    assert found["statement"]["asked"] == "quickly"
    test = found["statement"]["self_test"]
    assert (test["clips"], test["found"], test["claims"]) == (6, 1.0, 0)
    assert test["false_claims_below"] == 0.5
    summary = found["public_summary"]
    assert summary["content_recognised"]["recordings"] == 4
    (sound,) = (one for one in summary["1_general_information"].values() if one)
    assert (sound["modality"], sound["training_data_size"]) == ("audio", "less than 10,000 hours")
    assert summary["2_list_of_data_sources"]["2.5_synthetic_data"] is None
    assert list(summary["content_recognised"]["of_rights_holders"]) == ["Small Label"]
    page = report.read_text()
    assert "Tune 3" in page and "<script" not in page
    signature = report.with_name("report.html.minisig").read_text()
    (key,) = keys.read(longplay.archive / KEYS).feed
    comment = minisign.verify(key, report.read_bytes(), signature, str(report))
    assert found["statement"]["index"] in comment
    assert list((longplay.archive / "identify" / "audits").iterdir()) == []


def test_lists_and_single_shards_and_other_reports(
    longplay: Longplay, corpus: Path, tmp_path: Path
) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text(f"# a corpus\n{corpus}/plain/whole.opus\n\n/none.mp3\n{corpus}\n")
    report = tmp_path / "r.csv"
    found = longplay.json("audit", listing, "--report", report, "--self-test", 0, "--thorough")
    assert [one["title"] for one in found["matches"]] == ["Tune 3"]
    assert {one["why"] for one in found["unreadable"]} == {
        "cannot be read: No such file or directory",
        "is not a regular file",
    }
    assert found["statement"]["self_test"] is None
    assert found["statement"]["asked"] == "thoroughly"
    (row,) = csv.DictReader(io.StringIO(report.read_text()))
    assert (row["title"], row["artists"]) == ("Tune 3", "Ann")
    assert row["rights_holders"] == "Small Label"
    as_json = tmp_path / "r.json"
    found = longplay.json("audit", corpus / "shard.tar", "--report", as_json, "--self-test", 0)
    assert json.loads(as_json.read_text())["matches"] == found["matches"]
    wrong = longplay.run("audit", corpus, "--report", tmp_path / "r.pdf", expect=2)
    assert "a report is written as .html, .json, .csv" in wrong.err
    missing = longplay.run("audit", tmp_path / "none", expect=1)
    assert "is not there" in missing.err
    assert list((longplay.archive / "identify" / "audits").iterdir()) == []


def make_hostile(folder: Path, good: bytes) -> None:
    """A corpus of all that somebody hostile could think of, with sound between it."""
    with tarfile.open(folder / "evil.tar", "w") as tar:
        add(tar, "../../climb.mp3", good)
        add(tar, "/abs.mp3", good)
        add(tar, "dev.mp3", b"", type=tarfile.CHRTYPE)
        add(tar, "link.mp3", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(tar, "same.mp3", good)
        add(tar, "same.mp3", b"no sound at all " * 50)
    (folder / "cut.tar").write_bytes((folder / "evil.tar").read_bytes()[:20_000])
    (folder / "noise.tar").write_bytes(np.random.default_rng(1).bytes(5000))
    with gzip.open(folder / "bomb.tar.gz", "wb") as bomb:
        for _ in range(64):
            bomb.write(bytes(2**20))
    (folder / "half.tar.gz").write_bytes(gzip.compress(good)[:-20])
    (folder / "a.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    pq.write_table(pa.table({"audio": [1, 2]}), folder / "numbers.parquet")
    with pa.OSFile(str(folder / "bomb.arrow"), "wb") as out:  # 128 MB of zeros in 20 KB
        zeros = pa.table({"audio": pa.array([bytes(2**27)])})
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(out, zeros.schema, options=options) as packed:
            packed.write_table(zeros)
    pq.write_table(pa.table({"audio": pa.array([good, None, b"x"])}), folder / "some.parquet")
    rows = pa.array([{"bytes": None, "path": "/etc/passwd"}], SOUND)
    pq.write_table(pa.table({"audio": rows}), folder / "paths.parquet")
    (folder / "torn.parquet").write_bytes(b"PAR1" + bytes(50) + b"PAR1")
    (folder / "torn.arrow").write_bytes(b"\xff\xff\xff\xff" + b"\x90" * 60)
    (folder / "empty.mp3").write_bytes(b"")
    (folder / "link.mp3").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.mp3")


def test_a_hostile_corpus_is_audited_around(longplay: Longplay, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    make_hostile(folder, sound(tmp_path, "good.mp3", clip(2, 5)))
    found = longplay.json("audit", folder, "--self-test", 0)
    assert {one["file"].removeprefix(f"{folder}/") for one in found["matches"]} == {
        "evil.tar/same.mp3",
        "some.parquet/0/0",
    }
    whys = {one["file"].removeprefix(f"{folder}/"): one["why"] for one in found["unreadable"]}
    expected = {
        "bomb.arrow/0/0": "is not a sound file",
        "evil.tar/../../climb.mp3": "its path leaves its folder",
        "evil.tar//abs.mp3": "its path leaves its folder",
        "evil.tar/dev.mp3": "is not a regular file",
        "evil.tar/link.mp3": "is not a regular file",
        "evil.tar/same.mp3 (2)": "is not a sound file",
        "cut.tar/": "is damaged after 1 members",
        "noise.tar": "is no tar, or damaged",
        "bomb.tar.gz": "unpacks to more than",
        "half.tar.gz": "cannot be unpacked",
        "a.zip": "is packed in a way that is not read",
        "numbers.parquet": "has no column of sound",
        "some.parquet/0/1": "has no bytes in it",
        "some.parquet/0/2": "is not a sound file",
        "paths.parquet/0/0 /etc/passwd": "has no bytes in it",
        "torn.parquet": "is no table, or damaged",
        "torn.arrow": "is no table, or damaged",
        "empty.mp3": "is not a sound file",
        "link.mp3": "is a link",
        "pipe.mp3": "is not a regular file",
    }
    for name, words in expected.items():
        assert whys.get(name, "").startswith(words), (name, whys.get(name))
    assert not (tmp_path.parent / "climb.mp3").exists()


@pytest.mark.parametrize("name", WRONG_TYPES)
def test_columns_of_wrong_types_are_no_sound(tmp_path: Path, name: str) -> None:
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"audio": WRONG_TYPES[name]}), table)
    with pytest.raises(InputError, match="has no column of sound"):
        corpora.parts(table)


def test_a_file_of_more_hours_than_the_limit_is_refused(longplay: Longplay, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    hours = folder / "hours.wav"
    # 100 hours of 8 bits at 8 kHz, nearly all of them holes of the file system.
    size = 100 * 3600 * 8000
    head = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    form = (1, 2), (1, 2), (8000, 4), (8000, 4), (1, 2), (8, 2)
    head += b"".join(value.to_bytes(width, "little") for value, width in form)
    hours.write_bytes(head + b"data" + size.to_bytes(4, "little"))
    os.truncate(hours, 44 + size)
    write(folder / "good.ogg", clip(1, 5), "vorbis")
    settings = longplay.archive / "longplay.toml"
    before = settings.read_text()
    settings.write_text(f"{before}\n[limits]\naudio_hours = 0.5\n")  # 24 would take a minute
    try:
        found = longplay.json("audit", folder, "--self-test", 0)
    finally:
        settings.write_text(before)
    assert [one["title"] for one in found["matches"]] == ["Tune 1"]
    (refused,) = found["unreadable"]
    assert refused["file"] == str(hours)
    assert refused["why"].startswith("holds more than 0.5 hours of sound")


@pytest.mark.long
@pytest.mark.parametrize("moment", [2.0, 4.0, 6.0])
def test_an_audit_that_was_killed_goes_on(
    longplay: Longplay, corpus: Path, tmp_path: Path, moment: float
) -> None:
    whole = longplay.json("audit", corpus, "--self-test", 0)
    running = subprocess.Popen(
        longplay.arguments("audit", corpus, "--self-test", "0"),
        env=longplay.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(moment)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    for journal in (longplay.archive / "identify" / "audits").glob("*.jsonl"):
        with journal.open("ab") as out:
            out.write(b'{"entry": "torn')
    again = longplay.json("audit", corpus, "--self-test", 0)
    for name in ("files", "hours", "matched_files", "ignored", "unreadable", "matches"):
        assert again[name] == whole[name], name


def test_an_audit_killed_between_two_entries_goes_on(longplay: Longplay, corpus: Path) -> None:
    entries = 2

    def deadly(done: int, _total: int, _words: str) -> None:
        if done == entries:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(progress: auditing.Progress) -> Audit:
        with open_archive(longplay.archive) as it:
            return auditing.audit(it, corpus / "plain", workers=1, progress=progress)[1]

    journals = longplay.archive / "identify" / "audits"
    before = set(journals.glob("*"))
    assert killed(lambda: audit(deadly), NEVER, within="/")
    assert len(set(journals.glob("*")) - before) == 2
    done = audit(quiet)
    assert 0 < done.resumed <= entries
    assert [(Path(one.file).name, one.match.title) for one in done.matches] == [
        ("mix.ogg", "Tune 0"),
        ("mix.ogg", "Tune 1"),
        ("whole.opus", "Tune 3"),
    ]
    assert (done.files, done.ignored, done.matched_files) == (3, 1, 2)
    assert set(journals.glob("*")) == before


def test_a_table_alone_is_matched_by_what_it_says(longplay: Longplay, tmp_path: Path) -> None:
    table = tmp_path / "corpus.csv"
    table.write_text(
        "URL,ISRC,Track_Name,Artist\n"
        "https://x/1,gb-aye-68-00001,,\n"
        "https://x/2,,TUNE  2!,Bob; ann\n"
        "https://x/3,,Tune 3,Somebody else\n"
        "https://x/4,ZZZZZ0000000,Nothing,Nobody\n"
    )
    found = longplay.json("audit", table, "--manifest-only")
    assert [(one["file"], one["title"], one["by"]) for one in found["matches"]] == [
        ("https://x/1", "Tune 1", "isrc"),
        ("https://x/2", "Tune 2", "title and artists"),
    ]
    assert (found["files"], found["matched_files"]) == (4, 2)
    assert BY in found["matches"][0]["rights"]
    lone = tmp_path / "t.csv"
    lone.write_text("a,b\n1,2\n")
    answer = longplay.run("audit", lone, "--manifest-only", expect=1)
    assert "has neither ISRCs, nor SHA-256, nor titles with artists" in answer.err
    broken = tmp_path / "t.parquet"
    broken.write_bytes(b"PAR1")
    assert "cannot be read" in longplay.run("audit", broken, "--manifest-only", expect=1).err
