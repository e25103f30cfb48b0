"""Streams over HTTP: as held, smaller, from a place on; by leave of the gate, and written down."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from longplay.access import log
from longplay.access.people import accounts
from longplay.audio.decode import open_media
from longplay.audio.transcode import decoded
from longplay.catalogue import ids
from longplay.ledger import tables
from tests.access.conftest import Served


@dataclass(frozen=True)
class Piece:
    recording: str
    track: str
    root: str
    data: bytes

    @property
    def path(self) -> str:
        return f"/api/recordings/{self.recording}/stream"


@pytest.fixture
def piece(served: Served) -> Piece:
    line = next(line for line in served.manifest() if line["title"] == "Piece 1")
    here = served.web.app.state.context  # type: ignore[attr-defined]
    h = tables.holdings.c
    with here.archive.ledger.read() as connection:
        rows = connection.execute(h.track.table.select()).all()
    track = next(row.track for row in rows if row.root.hex() == line["root"])
    root = line["root"]
    return Piece(line["recording"], ids.text("tr", track), root, served.stored(root))


@pytest.fixture
def member(served: Served) -> Iterator[dict[str, str]]:
    """The parameters of a member's calls."""
    here = served.web.app.state.context  # type: ignore[attr-defined]
    added = accounts.add(here.people, "ann", "member", None)
    yield {"apiKey": added.api_key, "v": "1.16.1", "c": "test"}


def sound(data: bytes) -> tuple[str, float]:
    with open_media(io.BytesIO(data)) as (container, stream):
        frames = list(decoded(container, stream))  # as players do, over what is no sound
    seconds = sum(frame.samples for frame in frames) / frames[0].sample_rate
    return stream.codec_context.name, seconds


def logged(served: Served) -> list[dict[str, Any]]:
    served.web.app.state.context.log.close()  # type: ignore[attr-defined]
    path = served.longplay.archive / log.FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_track_is_streamed_under_either_of_its_ids(served: Served, piece: Piece) -> None:
    for identity in (piece.recording, piece.track):
        got = served.web.get(f"/api/recordings/{identity}/stream")
        assert (got.status_code, got.content) == (200, piece.data)
        assert got.headers["content-type"] == "audio/flac"
        assert got.headers["etag"] == f'"{piece.root}"'
        assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("form", "codec"), [("opus", "libopus"), ("mp3", "mp3float")])
def test_a_smaller_copy_is_made_and_kept(
    served: Served, piece: Piece, form: str, codec: str
) -> None:
    whole = sound(piece.data)[1]
    asked = f"{piece.path}?format={form}&max_bit_rate=64"
    first = served.web.get(asked)
    assert first.status_code == 200
    assert "content-length" not in first.headers
    name, seconds = sound(first.content)
    assert name.removesuffix("float") in codec
    assert seconds == pytest.approx(whole, abs=0.1)
    again = served.web.get(asked, headers={"Range": "bytes=10-19"})
    assert (again.status_code, again.content) == (206, first.content[10:20])
    assert again.headers["content-range"] == f"bytes 10-19/{len(first.content)}"
    known = served.web.get(asked, headers={"If-None-Match": first.headers["etag"]})
    assert known.status_code == 304
    cache = served.longplay.archive / "cache" / "transcodes"
    assert [path.read_bytes() for path in cache.glob("??/*")] == [first.content]


def test_a_later_range_of_a_copy_waits_until_it_is_made(served: Served, piece: Piece) -> None:
    asked = f"{piece.path}?format=opus"
    got = served.web.get(asked, headers={"Range": "bytes=-10"})
    assert (got.status_code, got.content) == (206, served.web.get(asked).content[-10:])


def test_an_offset_cuts_the_beginning(served: Served, piece: Piece) -> None:
    whole = sound(piece.data)[1]
    got = served.web.get(f"{piece.path}?format=opus&offset=1")
    assert sound(got.content)[1] == pytest.approx(whole - 1, abs=0.05)


def test_a_length_that_is_promised_is_kept(served: Served, piece: Piece) -> None:
    asked = f"{piece.path}?format=mp3&estimate_length=true"
    head = served.web.head(asked)
    got = served.web.get(asked)
    assert len(got.content) == int(got.headers["content-length"])
    assert head.headers["content-length"] == got.headers["content-length"]
    assert sound(got.content)[1] == pytest.approx(sound(piece.data)[1], abs=0.1)


def test_what_is_asked_wrongly_is_said(served: Served, piece: Piece) -> None:
    got = served.web.get(f"{piece.path}?format=exe")
    assert got.status_code == 400
    assert got.json()["error"]["message"].startswith("format is none of")


def test_a_withdrawn_track_is_given_in_no_form(served: Served, piece: Piece) -> None:
    asked = f"{piece.path}?format=opus"
    assert served.web.get(asked).status_code == 200
    claim = served.longplay.json(
        "claim", "add", "--who", "A", "--contact", "a@example.org", "--ground", "mine",
        "--recording", piece.recording,
    )["claim"]  # fmt: skip
    served.longplay.run("claim", "uphold", claim)
    for door in (asked, piece.path, f"{piece.path}?download=true"):
        assert served.web.get(door).status_code == 451


def test_a_listener_is_written_down_by_number(
    served: Served, piece: Piece, member: dict[str, str]
) -> None:
    for start in (0, 100):
        served.web.get(
            "/rest/stream", params=member | {"id": piece.track},
            headers={"Range": f"bytes={start}-{start + 99}"},
        )  # fmt: skip
    got = served.web.get("/rest/download.view", params=member | {"id": piece.track})
    assert got.content == piece.data
    made = served.web.post(
        "/rest/stream", data=member | {"id": piece.track, "format": "mp3", "maxBitRate": "32"}
    )
    assert sound(made.content)[0] in ("mp3", "mp3float")
    served.web.get(piece.path, headers={"Range": "bytes=0-9"})
    found = [(one["account"], one["bytes"], one["action"]) for one in logged(served)]
    assert sorted(found, key=str) == sorted(
        [
            (1, 200 + len(made.content), "play"),
            (1, len(piece.data), "download"),
            (None, 10, "skip"),
        ],
        key=str,
    )
    assert {one["track"] for one in logged(served)} == {piece.track}


def test_the_part_that_was_sent_is_written_down(
    served: Served, piece: Piece, member: dict[str, str]
) -> None:
    size = len(piece.data)
    ranges = {"x": f"bytes=0-{size // 2 - 1}", "y": f"bytes=-{size // 4}"}
    for ask in ranges.values():
        served.web.get("/rest/stream", params=member | {"id": piece.track}, headers={"Range": ask})
    served.web.get("/rest/download.view", params=member | {"id": piece.track})
    made = f"{piece.path}?format=opus&max_bit_rate=64&offset=1"
    assert served.web.get(made).status_code == 200
    seconds = sound(piece.data)[1]
    told = {}
    for one in logged(served):
        spans, _, of = one["part"].partition("/")
        assert of == "1000000"
        told[one["account"], one["action"]] = [
            [int(end) / 1e6 for end in span.split("-")] for span in spans.split(",")
        ]
    near = 1e-4
    play = told.pop((1, "play"), None) or told.pop((1, "skip"))
    assert play == [pytest.approx([0, 0.5], abs=near), pytest.approx([0.75, 1], abs=near)]
    assert told.pop((1, "download")) == [pytest.approx([0, 1], abs=near)]
    ((later,),) = told.values()
    assert later == pytest.approx([1 / seconds, 1], abs=0.02)


def test_nothing_sent_is_nothing_written(served: Served, piece: Piece) -> None:
    served.web.head(piece.path)
    served.web.get(piece.path, headers={"If-None-Match": f'"{piece.root}"'})
    served.web.get(piece.path, headers={"Range": "bytes=999999999-"})
    assert logged(served) == []


def test_the_log_can_be_scanned(served: Served, piece: Piece, member: dict[str, str]) -> None:
    served.web.get("/rest/stream", params=member | {"id": piece.track})
    assert logged(served)
    path = Path(served.longplay.archive / log.FILE)
    scanned = served.longplay.json("guard", "scan", path, "--all")
    assert (scanned["events"], scanned["accounts"]) == (1, 1)
