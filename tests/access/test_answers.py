"""Answers with parts of files: what they hold on to, and what they do when files change."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from fastapi.responses import Response

from longplay.access import answers, descriptors, line
from longplay.access.answers import Content
from longplay.access.conditions import Conditions
from longplay.access.descriptors import Descriptors


def opened(path: Path) -> int:
    """How often this process has a file open."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.exists() and link.samefile(path) for link in links)


def sent(answer: Response) -> list[dict[str, Any]]:
    """What an answer sends."""
    messages: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "headers": [], "path": "/"}
    asyncio.run(answer(scope, receive, send))
    return messages


def body(answer: Response) -> bytes:
    return b"".join(one.get("body", b"") for one in sent(answer))


def test_an_answer_that_is_never_sent_opens_no_file(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(bytes(2 * answers.SMALL))
    content = Content(path, 2 * answers.SMALL, "tag", "audio/flac")
    answer = answers.answer(Conditions(), content)
    assert (answer.status_code, opened(path)) == (200, 0)


def test_a_file_that_was_replaced_is_not_served_from_its_old_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "object"
    for data in (b"first", b"other"):
        (tmp_path / "new").write_bytes(data)
        (tmp_path / "new").replace(path)
        content = Content(path, 5, "tag", "audio/flac")
        assert body(answers.answer(Conditions(), content)) == data
    path.unlink()
    assert sent(answers.answer(Conditions(), content))[0]["status"] == 404


def test_few_descriptors_are_kept_and_none_is_closed_while_it_is_read(tmp_path: Path) -> None:
    kept = Descriptors(most=2)
    paths = [tmp_path / str(number) for number in range(5)]
    for path in paths:
        path.write_text(path.name)
    first = kept.open(paths[0])
    assert [kept.open(path).read(0, 9) for path in paths] == [b"0", b"1", b"2", b"3", b"4"]
    assert (len(kept), first.read(0, 9)) == (2, b"0")
    assert [opened(path) for path in paths] == [1, 0, 0, 1, 1]
    number = first.number
    del first
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_what_does_not_lie_in_memory_is_read_by_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "object"
    path.write_bytes(b"cold")
    threads = []

    async def in_thread(function: Any, *arguments: Any) -> Any:
        threads.append(function.__name__)
        return function(*arguments)

    monkeypatch.setattr(answers, "in_thread", in_thread)
    content = Content(path, 4, "tag", "audio/flac")
    monkeypatch.setattr(descriptors.Descriptor, "read_at_once", lambda *_: None)
    assert (body(answers.answer(Conditions(), content)), threads) == (b"cold", ["read"])


def test_a_client_that_takes_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "object"
    size = answers.SMALL + 10 * answers.CHUNK
    path.write_bytes(bytes(size))
    told: list[tuple[int, ...]] = []
    content = Content(path, size, "tag", "audio/flac", sent=lambda *one: told.append(one))
    monkeypatch.setattr(line, "IDLE_SECONDS", 0.01)

    async def send(message: Any) -> None:
        if len(message.get("body", b"")) == answers.CHUNK:
            await asyncio.Event().wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    asyncio.run(answers.answer(Conditions(), content)({"type": "http"}, receive, send))
    assert told == [(0, answers.SMALL, size)]


@pytest.mark.parametrize("size", [0, 1, 5])
def test_files_of_every_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "object"
    path.write_bytes(bytes(size))
    content = Content(path, size, "tag", "audio/flac")
    assert len(body(answers.answer(Conditions(), content))) == size
    outside = answers.answer(Conditions(range=b"bytes=5-"), content)
    assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{size}")


def test_nginx_is_told_which_file_to_send_once_it_may(tmp_path: Path) -> None:
    told: list[tuple[int, ...]] = []
    content = Content(
        tmp_path / "object", 5, "tag", "audio/flac", reserved=True,
        sent=lambda *one: told.append(one), accel="/internal/objects/ab/cd/abcd.flac",
    )  # fmt: skip
    answer = answers.answer(Conditions(range=b"bytes=1-2"), content)
    assert (answer.status_code, answer.body, told) == (200, b"", [(1, 2, 5)])
    assert dict(answer.headers) | {
        "x-accel-redirect": "/internal/objects/ab/cd/abcd.flac",
        "x-longplay-etag": '"tag"',
        "tdm-reservation": "1",
        "content-length": "0",
    } == dict(answer.headers)
    for asked in (
        Conditions(range=b"bytes=0-1,3-4"),
        Conditions(range=b"bytes=1-2", if_range=b'"tag"'),
    ):
        assert "x-accel-redirect" not in answers.answer(asked, content).headers
    assert told == [(1, 2, 5)]
    known = answers.answer(Conditions(if_none_match=b'"tag"'), content)
    assert (known.status_code, "x-accel-redirect" in known.headers) == (304, False)
