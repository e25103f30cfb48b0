"""Answers that are begun and never sent."""

from __future__ import annotations

from pathlib import Path

from fastapi import Request

from longplay.access import answers
from longplay.access.answers import Content


def opened(path: Path) -> int:
    """How often this process has a file open."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.exists() and link.samefile(path) for link in links)


def test_who_hangs_up_before_the_first_byte_leaves_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(bytes(2 * answers.SMALL))
    request = Request({"type": "http", "method": "GET", "headers": []})
    answer = answers.send(request, Content(path, 2 * answers.SMALL, "tag", "audio/flac"))
    assert (answer.status_code, opened(path)) == (200, 1)
    del answer
    assert opened(path) == 0
