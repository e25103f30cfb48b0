"""Who asks the same again is answered at once, for as long as nothing has changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from longplay import clock
from longplay.access.people import accounts
from longplay.access.streams import answering
from longplay.access.streams.recent import Recent
from longplay.guard import record
from longplay.guard.record import Act, Decision
from tests.access.conftest import Served
from tests.access.streams.test_streams import Piece, logged, member, piece

__all__ = ["member", "piece"]


@pytest.fixture
def looked(served: Served, piece: Piece, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The ids that are looked up from now on, the library being open."""
    # A look whether another library is due would come in between on a slow machine.
    monkeypatch.setattr("longplay.access.library.library.LOOK_SECONDS", 600.0)
    for _ in range(2):
        served.web.get(piece.path)
    found: list[str] = []
    find = answering.finding.find

    def counted(here: Any, identity: str, *rest: Any, **more: Any) -> Any:
        found.append(identity)
        return find(here, identity, *rest, **more)

    monkeypatch.setattr(answering.finding, "find", counted)
    yield found


def ask(served: Served, door: str, start: int, **more: Any) -> Any:
    return served.web.get(door, headers={"Range": f"bytes={start}-{start + 9}"}, **more)


@pytest.mark.parametrize("door", ["/api/recordings/{}/stream", "/rest/stream", "/rest/download"])
def test_ranges_after_the_first_are_not_looked_up(
    served: Served, piece: Piece, member: dict[str, str], looked: list[str], door: str
) -> None:
    params = member | {"id": piece.track} if "rest" in door else {}
    got = [ask(served, door.format(piece.track), start, params=params) for start in (0, 10, 20)]
    assert [one.content for one in got] == [piece.data[at : at + 10] for at in (0, 10, 20)]
    assert {one.status_code for one in got} == {206}
    assert dict(got[0].headers) | {"content-range": ""} == dict(got[1].headers) | {
        "content-range": ""
    }
    assert looked == [piece.track]
    size = sum(line["bytes"] for line in logged(served))
    assert size == 30 + 2 * len(piece.data)  # those of the fixture's requests


def test_an_account_that_is_disabled_hears_no_more(
    served: Served, piece: Piece, member: dict[str, str], looked: list[str]
) -> None:
    here = served.web.app.state.context  # type: ignore[attr-defined]
    params = member | {"id": piece.track}
    for _ in range(2):
        assert ask(served, "/rest/stream", 0, params=params).status_code == 206
    assert len(looked) == 1
    accounts.disable(here.people, "ann")
    got = ask(served, "/rest/stream", 0, params=params)
    assert "The API key is not valid".lower() in got.text.lower()


def test_a_withdrawn_track_is_heard_no_more(
    served: Served, piece: Piece, looked: list[str]
) -> None:
    for _ in range(2):
        assert ask(served, piece.path, 0).status_code == 206
    assert len(looked) == 1
    claim = served.longplay.json(
        "claim", "add", "--who", "A", "--contact", "a@example.org", "--ground", "mine",
        "--recording", piece.recording,
    )["claim"]  # fmt: skip
    served.longplay.run("claim", "uphold", claim)
    assert ask(served, piece.path, 0).status_code == 451


def test_proofs_and_addresses_are_told_apart(
    served: Served, piece: Piece, looked: list[str]
) -> None:
    recent = Recent(served.web.app.state.context)  # type: ignore[attr-defined]
    scope = {
        "method": "GET",
        "path": piece.path,
        "query_string": b"",
        "headers": [],
        "client": ("::1", 1),
    }
    others = [
        scope,
        scope | {"path": "/api/recordings/rec0/stream"},
        scope | {"query_string": b"format=mp3"},
        scope | {"headers": [(b"cookie", b"longplay_session=a")]},
        scope | {"headers": [(b"authorization", b"longplay_session=a")]},
        scope | {"client": ("::2", 1)},
    ]
    assert len({getattr(recent.look(one), "request", None) for one in others}) == len(others)
    same = scope | {"method": "HEAD", "headers": [(b"range", b"bytes=0-9")], "client": ("::1", 2)}
    assert recent.look(same) == recent.look(scope)
    assert recent.look(scope | {"method": "POST"}) is None


def test_whom_the_guard_shuts_out_hears_no_more(
    served: Served, piece: Piece, member: dict[str, str], looked: list[str], tmp_path: Path
) -> None:
    here = served.web.app.state.context  # type: ignore[attr-defined]
    who = f"account:{accounts.find(here.people, 'ann').id}"
    elsewhere = tmp_path / "elsewhere"
    with record.changing(elsewhere, here.archive.ledger) as decided:
        now = clock.timestamp()
        decided.decide(Decision(who, Act.DISABLE, now, "ann", "", 1.0, 9, 1.0, None, ("much",)))
    params = member | {"id": piece.track}
    for _ in range(2):
        assert ask(served, "/rest/stream", 0, params=params).status_code == 206
    assert len(looked) == 1
    # The file alone, without the entry of the log that other things are told by.
    path = record.path_of(served.longplay.archive)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(record.path_of(elsewhere).read_bytes())
    assert "There is no sound for you here" in ask(served, "/rest/stream", 0, params=params).text
