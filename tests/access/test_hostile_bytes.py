"""What strangers send to the doors of bytes: ranges, paths, methods, headers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from longplay.access.app import create_app
from tests.access.conftest import Served
from tests.access.test_webseeds import path_of
from tests.system.conftest import Longplay


@pytest.fixture(scope="module")
def served(
    released: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """One archive for all of these tests: they only read."""
    archive, cut = released
    longplay = Longplay(tmp_path_factory.mktemp("hostile") / "archive")
    shutil.copytree(archive, longplay.archive)
    with TestClient(create_app(longplay.archive)) as web:
        yield Served(longplay, cut, web)


@pytest.fixture(scope="module")
def doors(served: Served) -> list[str]:
    """A file at each door."""
    line = next(line for line in served.manifest() if line["title"] == "Piece 1")
    release = served.listed()[0]["release"]
    return [
        path_of(served)[0],
        f"/api/recordings/{line['recording']}/stream",
        f"/releases/{release}/release.json",
    ]


RANGES = [
    "bytes=" + ",".join(f"{at}-{at}" for at in range(5000)),
    "bytes=" + ",".join(["0-"] * 1300),
    "bytes=-" + "9" * 18,
    "bytes=0-" + "9" * 18,
    "bytes=" + "9" * 19 + "-",
    "bytes=--1",
    "bytes=-1-",
    "bytes=1--1",
    "bytes=0x0-0x9",
    "bytes=٠-٩",
    "bytes = 0 - 9",
    "bytes=",
    "=0-9",
    "items=0-9",
    "bytes=9-0",
    "bytes=0-9;q=1",
    " " * 5000,
    "bytes=" + " " * 5000 + "0-9",
]


@pytest.mark.parametrize("asked", RANGES, ids=range(len(RANGES)))
def test_no_range_gives_more_than_the_file(served: Served, doors: list[str], asked: str) -> None:
    for door in doors:
        whole = served.web.get(door).content
        got = served.web.get(door, headers={"Range": asked.encode()})
        assert got.status_code in (200, 206, 416)
        assert got.content in (whole, whole[:10], b"")


@pytest.mark.parametrize("outside", ["bytes=99999999-", "bytes=-0", "bytes=99999999-99999999"])
def test_what_lies_outside_is_refused(served: Served, doors: list[str], outside: str) -> None:
    for door in doors:
        got = served.web.get(door, headers={"Range": outside})
        assert (got.status_code, got.content) == (416, b"")


DOORS = ("/seed/", "/releases/", "/api/recordings/")

UP = ["..", "%2e%2e", "%2E.", "..%2f..", "..%5c..", "%00", "%c0%ae%c0%ae", "....//", "/etc", "~"]


@pytest.mark.parametrize("up", UP)
def test_no_path_leads_out(served: Served, doors: list[str], up: str) -> None:
    torrent = doors[0].split("/")[2]
    release = doors[2].split("/")[2]
    for path in (
        f"/seed/{up}/longplay.toml",
        f"/seed/{torrent}/{up}/longplay.toml",
        f"/seed/{torrent}/{up}",
        f"/releases/{up}",
        f"/releases/{up}/longplay.toml",
        f"/releases/{release}/{up}",
        f"/releases/{release}/{up}/{up}/longplay.toml",
        f"/releases/{release}/{up}/release.json",
        f"/api/recordings/{up}/stream",
        f"/api/recordings/{up}/longplay.toml/stream",
    ):
        got = served.web.get(path)
        # What the client itself takes for the way up leads to other pages, as it should.
        assert got.status_code in (404, 405) or not str(got.url.path).startswith(DOORS), path
        assert b"version = 1" not in got.content


def test_a_link_out_of_a_release_is_not_followed(served: Served, doors: list[str]) -> None:
    release = doors[2].split("/")[2]
    link = served.releases / release / "link.txt"
    link.symlink_to(served.longplay.archive / "longplay.toml")
    assert served.web.get(f"/releases/{release}/link.txt").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"])
def test_bytes_can_be_read_and_no_more(served: Served, doors: list[str], method: str) -> None:
    for door in doors:
        got = served.web.request(method, door, content=b"x" * 100_000)
        assert (got.status_code, got.headers["allow"]) == (405, "GET, HEAD")


def test_head_says_what_get_would(served: Served, doors: list[str]) -> None:
    for door in doors:
        for headers in ({}, {"Range": "bytes=1-3"}, {"Range": "bytes=99999999-"}):
            head = served.web.head(door, headers=headers)
            got = served.web.get(door, headers=headers)
            assert (head.status_code, head.content) == (got.status_code, b"")
            for name in ("content-length", "content-range", "etag", "content-type"):
                assert head.headers.get(name) == got.headers.get(name), (door, name)


def test_many_and_long_headers_change_nothing(served: Served, doors: list[str]) -> None:
    headers = [(f"X-{at}", "y" * 100) for at in range(1000)]
    headers += [
        ("If-None-Match", ", ".join(f'"{at}"' for at in range(20_000))),
        ("If-Range", '"' + "z" * 100_000 + '"'),
        ("Cookie", "longplay_session=" + "a" * 100_000),
        ("Authorization", "Bearer " + "b" * 100_000),
        ("X-Forwarded-For", ", ".join(["1.2.3.4"] * 10_000)),
    ]
    for door in doors:
        assert served.web.get(door, headers=headers).status_code == 200


def test_ranges_that_come_twice_give_one(served: Served, doors: list[str]) -> None:
    headers = [("Range", "bytes=0-0"), ("Range", "bytes=1-2")]
    for door in doors:
        got = served.web.get(door, headers=headers)
        assert (got.status_code, len(got.content)) == (206, 2)
