"""Manifests from elsewhere: lines that are JSON, and nothing that can be kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from longplay.errors import ReleaseError
from longplay.release import checking
from longplay.release.checking import Index

LINE: dict[str, Any] = {
    "volume": "a-s1-v0001",
    "path": "Ann/One.flac",
    "root": "ab" * 32,
    "sha256": "cd" * 32,
    "size": 10,
    "statement": "https://creativecommons.org/licenses/by/4.0/",
    "evidence": "a page",
    "recording": "rec1",
}


def members(folder: Path, **changes: object) -> list[checking.Member]:
    path = folder / "manifest.jsonl"
    path.write_text(json.dumps(LINE | changes) + "\n")
    return Index(path, {"a-s1-v0001": (0, 1)}).members("a-s1-v0001")


def test_a_line_is_read(tmp_path: Path) -> None:
    (member,) = members(tmp_path, evidence=None)
    assert (member.path, member.key.size, member.evidence) == ("Ann/One.flac", 10, "")


@pytest.mark.parametrize("name", ["path", "statement", "evidence", "recording"])
@pytest.mark.parametrize("text", ["half a pair: \ud800", "a zero: \0", 7, ["x"]])
def test_what_no_ledger_keeps_is_refused(tmp_path: Path, name: str, text: object) -> None:
    with pytest.raises(ReleaseError, match="a line that is no file of a release"):
        members(tmp_path, **{name: text})


@pytest.mark.parametrize("size", [-1, True, 1.5, "10", None])
def test_a_size_is_a_count(tmp_path: Path, size: object) -> None:
    with pytest.raises(ReleaseError, match="a line that is no file of a release"):
        members(tmp_path, size=size)
