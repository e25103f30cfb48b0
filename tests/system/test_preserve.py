"""`backup`, `rebuild` and `forget` as somebody types them."""

from __future__ import annotations

from pathlib import Path

from tests.system.conftest import Longplay, song


def test_a_lost_ledger_comes_back_and_an_object_goes(longplay: Longplay, tmp_path: Path) -> None:
    music = tmp_path / "music"
    song(music / "one.flac", "flac", seconds=1, title="One", artists=("Ann",))
    song(music / "two.flac", "flac", seconds=1, pitch=300, title="Two", artists=("Ann",))
    longplay.json("keep", music, "--archive", longplay.archive)
    saved = longplay.json("backup", tmp_path / "backups")
    assert Path(saved["folder"]).is_dir()
    assert (saved["entries"] > 0, saved["rows"] > 0, saved["bytes"] > 0) == (True,) * 3
    for path in longplay.archive.glob("ledger.sqlite3*"):
        path.unlink()
    told = longplay.run("status", expect=1).err
    assert "longplay rebuild" in told
    done = longplay.json("rebuild")
    assert (done["ledger"], done["lost"], done["objects"]) == ("missing", [], 2)
    assert "'--reason'" in longplay.run("forget", "obj" + "0" * 64, expect=2).err
    root = sorted(path.name[:64] for path in longplay.archive.rglob("*.flac"))[0]
    gone = longplay.json("forget", f"obj{root}", "--reason", "by mistake")
    assert (gone["objects"], gone["files"]) == ([f"obj{root}"], 1)
    assert list(longplay.archive.rglob(f"{root}*")) == []
    assert longplay.json("verify")["checked"] == 1
    assert longplay.json("keep", music, "--archive", longplay.archive)["capture"]["skipped"] == 1
