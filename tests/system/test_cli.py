"""The command line's manners."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.conftest import Longplay


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["plan"],
        ["capture"],
        ["verify"],
        ["release", "cut"],
        ["release", "list"],
        ["catalogue", "stats"],
        ["source", "list"],
    ],
)
def test_without_an_archive_each_command_says_so_and_exits_1(
    longplay: Longplay, words: list[str]
) -> None:
    answer = longplay.run(*words, expect=1)
    assert "is not an archive" in answer.err
    assert answer.err.count("\n") == 1
    document = longplay.json(*words, expect=1)
    assert document["error"]["code"] == "archive"


@pytest.mark.parametrize(
    "words", [["nonsense"], ["keep"], ["plan", "--budget", "many"], ["capture", "--limit", "0"]]
)
def test_wrong_usage_exits_2(longplay: Longplay, words: list[str]) -> None:
    longplay.run("init", longplay.archive)
    assert longplay.run(*words, expect=2).err
    assert json.loads(longplay.run(*words, "--json", expect=2).out)["error"]["code"] == "usage"


def test_a_fresh_archive_answers_everything_with_nothing(longplay: Longplay) -> None:
    longplay.run("init", longplay.archive)
    assert longplay.json("status")["objects"] == 0
    assert longplay.json("catalogue", "stats")["tracks"] == 0
    assert longplay.json("release", "list") == []
    assert longplay.json("verify")["checked"] == 0
    assert longplay.json("source", "list") == []


def test_sources_need_rights_that_the_gate_knows(longplay: Longplay, tmp_path: Path) -> None:
    longplay.run("init", longplay.archive)
    folder = tmp_path / "m"
    folder.mkdir()
    wrong = longplay.run("source", "add", "m", "folder", folder, "--rights", "whatever", expect=1)
    assert "whatever" in wrong.err
    longplay.run("source", "add", "m", "folder", folder, "--rights", "CC BY 4.0")
    rows = longplay.json("source", "list")
    assert rows[0]["rights"] == "https://creativecommons.org/licenses/by/4.0/"
    assert longplay.run("source", "add", "n", "radio", folder, "--rights", "CC0", expect=2).err


def test_help_names_every_command(longplay: Longplay) -> None:
    words = longplay.run("--help").out
    for command in ("demo", "keep", "restore", "init", "catalogue", "source", "plan", "capture",
                    "status", "verify", "release"):  # fmt: skip
        assert command in words
