"""`longplay catalogue import`: what it takes for one source, and what it refuses to guess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from longplay import archive as archives
from longplay.catalogue import layout
from longplay.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    archives.create(tmp_path / "archive")
    monkeypatch.setenv("LONGPLAY_ARCHIVE", str(tmp_path / "archive"))
    return tmp_path / "archive"


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Two tables of one name."""
    found = []
    for folder in "ab":
        (tmp_path / folder).mkdir()
        found.append(tmp_path / folder / "tracks.csv")
        found[-1].write_text(f"id,title\n1,of {folder}\n")
    return found[0], found[1]


def run(monkeypatch: pytest.MonkeyPatch, capsys: Capture, *given: object, status: int = 0) -> Any:
    words = ["catalogue", "import", *map(str, given), "--json"]
    monkeypatch.setattr("sys.argv", ["longplay", *words])
    assert main._status(words) == status
    return json.loads(capsys.readouterr().out)


def sources(archive: Path) -> dict[str, tuple[str, ...]]:
    folder = archive / "catalogue"
    layers = layout.read(folder, layout.current_number(folder)).layers
    return {name: layer.origin for name, layer in layers.items()}


def test_a_table_of_the_same_name_is_no_new_edition(
    archive: Path, tables: tuple[Path, Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = tables
    run(monkeypatch, capsys, one)
    refused = run(monkeypatch, capsys, other, status=2)["error"]
    assert refused["message"] == f"there is a source tracks already, which came from {one}"
    assert refused["where"] == str(other)
    assert refused["hint"] == (
        "give this one another --name, or replace that one with --name tracks"
    )
    assert sources(archive) == {"tracks": (str(one),)}


def test_a_source_is_replaced_from_where_it_came_or_by_name(
    archive: Path, tables: tuple[Path, Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = tables
    run(monkeypatch, capsys, one)
    monkeypatch.chdir(one.parent)
    assert run(monkeypatch, capsys, "tracks.csv")["source"] == "tracks"
    run(monkeypatch, capsys, other, "--name", "mine")
    assert sources(archive) == {"mine": (str(other),), "tracks": (str(one),)}
    run(monkeypatch, capsys, other, "--name", "tracks")
    assert sources(archive)["tracks"] == (str(other),)


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(
    ("form", "given", "users"),
    [
        ("table", ["--half-life", "30"], "listens"),
        ("table", ["--set", "music"], "oai"),
        ("table", ["--fresh"], "oai"),
        ("table", ["--allow-private"], "oai"),
        ("table", ["--pause", "2"], "oai"),
        ("table", ["--workers", "2"], "tags"),
        ("listens", ["--map", "reference"], "table"),
        ("discogs", ["--prefix", "mods"], "oai"),
        ("musicbrainz", ["--since", "2024-01-01"], "oai"),
        ("tags", ["--declared", "12"], "table, musicbrainz, discogs, listens, oai"),
    ],
)
def test_an_option_that_a_format_does_not_use_is_refused(
    tables: tuple[Path, Path],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    given: list[str],
    users: str,
) -> None:
    refused = run(monkeypatch, capsys, tables[0], "--format", form, *given, status=2)["error"]
    assert refused["message"] == f"{given[0]} means nothing to an import of {form}"
    assert refused["hint"] == f"it is for {users}: leave it out, or say --format"
