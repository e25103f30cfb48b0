"""`catalogue sql`, `export`, `apply`, `prune` as people call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from longplay import archive as archives
from longplay.cli import main
from tests.catalogue import made

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    archives.create(tmp_path / "archive")
    made.bring(tmp_path / "archive" / "catalogue")
    monkeypatch.setenv("LONGPLAY_ARCHIVE", str(tmp_path / "archive"))
    return tmp_path / "archive"


def run(monkeypatch: pytest.MonkeyPatch, capsys: Capture, *given: object, status: int = 0) -> Any:
    words = ["catalogue", *map(str, given), "--json"]
    monkeypatch.setattr("sys.argv", ["longplay", *words])
    assert main._status(words) == status
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("archive")
def test_sql_prints_one_document(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    question = "SELECT title, isrcs, 'nan'::DOUBLE AS n, '\\xFF'::BLOB AS b FROM tracks"
    found = run(monkeypatch, capsys, "sql", f"{question} WHERE own_id = '1'")
    assert found == {
        "columns": ["title", "isrcs", "n", "b"],
        "rows": [["Blå", ["NOABC2300001", "NOABC2300002"], None, "ff"]],
        "count": 1,
        "cut": False,
    }
    assert run(monkeypatch, capsys, "sql", "FROM tracks", "--limit", 3)["cut"]
    error = run(monkeypatch, capsys, "sql", "DROP VIEW tracks", status=1)
    assert error["error"]["code"] == "input"


@pytest.mark.usefixtures("archive")
def test_sql_prints_a_table_of_what_is_there(capsys: Capture) -> None:
    question = "SELECT title, genres, '[/b]' || chr(27) AS \"[/c]\" FROM tracks ORDER BY own_id"
    assert main._status(["catalogue", "sql", question, "--limit", "2"]) == 0
    out, err = capsys.readouterr()
    assert [line.split() for line in out.splitlines()] == [
        ["title", "genres", "[/c]"],
        ["Blå", "-", "[/b]\N{REPLACEMENT CHARACTER}"],
        ["Rot;", "og", "svart", "jazz,", "pop", "[/b]\N{REPLACEMENT CHARACTER}"],
    ]
    assert "only 2 rows" in err


def test_a_copy_travels(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    found = run(monkeypatch, capsys, "export", tmp_path / "full")
    assert (found["kind"], found["rows"]["tracks"], found["withheld"]) == ("full", 4, {})
    archives.create(tmp_path / "there")
    other = ("--archive", tmp_path / "there")
    assert run(monkeypatch, capsys, "apply", tmp_path / "full", *other)["tracks"] == 4
    made.bring(archive / "catalogue", tracks=made.TRACKS[:2])
    found = run(monkeypatch, capsys, "export", tmp_path / "diff", "--since", 1)
    assert (found["since"], found["rows"]["tombstones"], found["rows"]["tracks"]) == (1, 2, 0)
    assert run(monkeypatch, capsys, "apply", tmp_path / "diff", *other)["tracks"] == 2
    count = run(monkeypatch, capsys, "sql", "SELECT count(*) FROM tracks", *other)
    assert count["rows"] == [[2]]
    done = run(monkeypatch, capsys, "prune", *other)
    assert (done["removed"], done["kept"]) == ([1], [2])


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("export", "DIR", "--since", "99"), 1),
        (("export", "DIR", "--since", "1", "--sqlite"), 2),
        (("export", "DIR", "--since", "nowhere"), 1),
        (("apply", "nowhere"), 1),
        (("prune", "--keep", "0"), 2),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    arguments: tuple[str, ...],
    status: int,
) -> None:
    words = [str(tmp_path / "copy") if word == "DIR" else word for word in arguments]
    found = run(monkeypatch, capsys, *words, status=status)
    assert "\n" not in found["error"]["message"]
    assert not (tmp_path / "copy").exists()
    assert not list(tmp_path.glob(".copy*"))
