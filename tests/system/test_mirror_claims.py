"""A claim is upheld while a mirror is downloading: after the next feed the recording is gone from
all that anybody can reach, and when the claim is reversed all comes back."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from longplay.torrent import metainfo
from tests.system.conftest import Longplay
from tests.system.mirroring import (
    SECONDS,
    Origin,
    check,
    follow,
    free_port,
    make,
    mirror_in,
    served,
    stored,
)

SONGS = 6


def status(address: str) -> int:
    try:
        with urlopen(address) as answer:
            answer.read()
            return int(answer.status)
    except HTTPError as error:
        return error.code


def doors(address: str, line: dict[str, Any], torrent: str) -> list[str]:
    """Every address under which a recording can be had: page, facts, sound, web seed."""
    recording = line["recording"]
    return [
        f"{address}/recordings/{recording}",
        f"{address}/api/recordings/{recording}",
        f"{address}/api/recordings/{recording}/stream",
        f"{address}/seed/{quote(torrent)}/{quote(line['path'])}",
    ]


def wait_for_objects(mirror: Longplay, count: int) -> None:
    end = time.monotonic() + SECONDS
    while len(list((mirror.archive / "objects").glob("??/??/*"))) < count:
        assert time.monotonic() < end
        time.sleep(0.05)


def cut(origin: Origin) -> Any:
    return origin.longplay.json("release", "cut", "--share", "100%")


def audio(made: Any) -> Any:
    """The one volume of music that a cut made."""
    volumes = made["releases"][0]["volumes"]
    return next(one for one in volumes if re.search(r"-v\d+(-r\d+)?\.torrent$", one["torrent"]))


def torrent_name(made: Any) -> str:
    return metainfo.parse(Path(audio(made)["torrent"]).read_bytes()).name


@pytest.mark.long
def test_a_claim_reaches_a_mirror_at_work_and_its_reversal_too(tmp_path: Path) -> None:
    origin = make(tmp_path, songs=SONGS)
    made = cut(origin)
    name = torrent_name(made)
    origin.serve()
    mirror = mirror_in(tmp_path / "mirror", rest=0, follow=0.2)
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    # One object is withheld from the store for a while, so that the mirror cannot be done.
    line, *others = sorted(origin.manifest(), key=lambda one: one["size"])
    late = others[-1]
    (place,) = stored(origin.longplay.archive, late["root"])
    aside = place.rename(tmp_path / "aside")
    words = ["mirror", origin.feed, mirror.archive, "--accept-withdrawals", "--json"]
    with subprocess.Popen(
        mirror.arguments(*words), stdout=subprocess.PIPE, text=True, env=mirror.environment()
    ) as running:
        try:
            wait_for_objects(mirror, SONGS - 1)
            with served(mirror, "127.0.0.1", port):
                there = doors(here, line, name)
                assert [status(door) for door in there] == [200] * 4
                claim = origin.longplay.json(
                    "claim", "add", "--who", "A. Holder", "--contact", "a@example.org",
                    "--ground", "mine", "--recording", line["recording"],
                )["claim"]  # fmt: skip
                assert running.poll() is None, "the mirror should still be waiting"
                origin.longplay.run("claim", "uphold", claim)
                assert [status(door) for door in doors(origin.address, line, name)] == [451] * 4
                end = time.monotonic() + SECONDS
                while stored(mirror.archive, line["root"]):
                    assert time.monotonic() < end
                    time.sleep(0.05)
                assert all(status(door) in (404, 451) for door in there)
                aside.rename(place)
                again = cut(origin)
                assert line["root"] not in {one["root"] for one in origin.manifest()}
                found = json.loads(running.communicate(timeout=SECONDS)[0])
                assert running.returncode == 0
                counts = found["objects"], found["tombstones"], found["deleted"]
                assert counts == (SONGS - 1, 1, 1)
                assert b"A. Holder" not in (mirror.archive / "releases" / "feed.json").read_bytes()
                # What is the same in the next edition did not travel again.
                unique = sum(one["size"] for one in (line, *others))
                assert found["downloaded"] < 1.5 * unique, (found["downloaded"], unique)
                print(f"travelled {found['downloaded']:,} bytes for {unique:,} bytes of objects")
                assert audio(again)["objects"] == SONGS - 1
                assert all(status(door) in (404, 451) for door in there)
                origin.longplay.run("claim", "restore", claim, "--reason", "settled")
                cut(origin)
                back = follow(mirror, origin.feed)
                assert (back["objects"], back["tombstones"], back["verified"]) == (SONGS, 0, 1)
                assert back["downloaded"] <= 2 * line["size"] + 2**18
                assert [status(door) for door in there[:3]] == [200] * 3
        finally:
            running.kill()
    assert check(mirror) == SONGS
    origin.stop()
