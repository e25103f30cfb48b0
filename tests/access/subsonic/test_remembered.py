"""What is remembered of callers holds until something changes, and only what was right is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from longplay.access.library.view import View
from longplay.access.listener import Listener
from longplay.access.people import accounts, playlists, stars
from longplay.access.subsonic.failures import CallError, Code
from longplay.access.subsonic.parameters import read
from longplay.access.subsonic.remembered import Known, Remembered
from longplay.rights.claims import Step
from longplay.workflows import claims
from longplay.workflows.claims import Request
from tests.access.conftest import Served


@pytest.fixture
def reads(served: Served, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The API keys that are looked up from now on."""
    found: list[str] = []
    by_key = accounts.by_key

    def counted(people: Any, key: str) -> Any:
        found.append(key)
        return by_key(people, key)

    monkeypatch.setattr(accounts, "by_key", counted)
    return found


def ask(served: Served, name: str, **params: str) -> Any:
    fields = {"v": "1.16.1", "c": "test", "f": "json"} | params
    return served.web.get(f"/rest/{name}", params=fields).json()["subsonic-response"]


def test_a_key_is_looked_up_once_until_an_account_changes(served: Served, reads: list[str]) -> None:
    people = served.web.app.state.context.people  # type: ignore[attr-defined]
    key = accounts.add(people, "ann", "member").api_key
    for _ in range(3):
        assert ask(served, "ping", apiKey=key)["status"] == "ok"
    assert reads == [key]
    accounts.disable(people, "ann")
    assert ask(served, "ping", apiKey=key)["error"]["code"] == Code.INVALID_KEY
    accounts.enable(people, "ann")
    assert ask(served, "ping", apiKey=key)["status"] == "ok"


def test_wrong_keys_are_looked_up_each_time(served: Served, reads: list[str]) -> None:
    for _ in range(2):
        assert ask(served, "ping", apiKey="lp_wrong")["error"]["code"] == Code.INVALID_KEY
    assert reads == ["lp_wrong"] * 2


def test_a_star_is_seen_by_the_next_call(served: Served) -> None:
    people = served.web.app.state.context.people  # type: ignore[attr-defined]
    key = accounts.add(people, "ann", "member").api_key
    found = accounts.find(people, "ann").id
    album = ask(served, "getAlbumList2", type="newest", apiKey=key)["albumList2"]["album"][0]["id"]
    assert "starred" not in ask(served, "getAlbum", id=album, apiKey=key)["album"]
    stars.star(people, found, [album])
    assert "starred" in ask(served, "getAlbum", id=album, apiKey=key)["album"]
    stars.unstar(people, found, [album])
    assert "starred" not in ask(served, "getAlbum", id=album, apiKey=key)["album"]


def test_lists_of_playlists_look_at_tracks_when_something_changed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = served.web.app.state.context.people  # type: ignore[attr-defined]
    key = accounts.add(people, "ann", "member").api_key
    asked = ask(served, "search3", query="piece", apiKey=key)["searchResult3"]["song"]
    songs = [(one["id"], one["duration"]) for one in asked]
    looked: list[int] = []
    total = View.total

    def counted(view: View, identities: Iterable[str]) -> Any:
        looked.append(1)
        return total(view, identities)

    def told() -> list[tuple[str, int, int]]:
        found = ask(served, "getPlaylists", apiKey=key)["playlists"]["playlist"]
        return [(one["name"], one["songCount"], one["duration"]) for one in found]

    ann = accounts.find(people, "ann").id
    twice = [songs[0][0], songs[1][0], songs[0][0], "tr0000000000000"]
    first = playlists.create(people, ann, "First", twice)
    playlists.create(people, ann, "Second", [songs[2][0]])
    monkeypatch.setattr(View, "total", counted)
    seconds = songs[0][1] * 2 + songs[1][1]
    for _ in range(3):
        assert told() == [("First", 3, seconds), ("Second", 1, songs[2][1])]
    assert len(looked) == 2
    playlists.append(people, ann, first.id, [songs[2][0]])
    assert told() == [("First", 4, seconds + songs[2][1]), ("Second", 1, songs[2][1])]
    assert len(looked) == 3
    mine = next(one["recording"] for one in served.manifest() if one["title"] == asked[0]["title"])
    claim = claims.add(
        served.web.app.state.context.archive,  # type: ignore[attr-defined]
        Request("A. Holder", "a@example.org", "mine", recordings=(mine,)),
    )
    claims.decide(served.web.app.state.context.archive, claim.id, Step.UPHOLD, "shown")  # type: ignore[attr-defined]
    assert told()[0] == ("First", 2, songs[1][1] + songs[2][1])


def test_callers_are_told_apart_by_every_proof_and_their_address() -> None:
    remembered, looked = Remembered(), iter(range(100))

    def caller(query: bytes, address: str = "::1", changes: int | None = 1) -> int | None:
        def find() -> Known:
            return Known(Listener(next(looked), "", "member", ""))

        return remembered.caller(changes, read(query), address, find).listener.account

    queries = (
        b"apiKey=a",
        b"u=a&p=b",
        b"u=a&t=b&s=c",
        b"u=a&t=b&s=d",
        b"u=a&p=b&p=c",
        b"u=a%00p&p=b",
    )
    assert [caller(one) for one in queries] == [0, 1, 2, 3, 4, 5]
    assert [caller(one + b"&id=tr1") for one in queries] == [0, 1, 2, 3, 4, 5]
    assert caller(queries[0], "::2") == 6
    assert (caller(queries[0], changes=2), caller(queries[0], changes=2)) == (7, 7)
    assert caller(queries[0], changes=None) == 8  # nobody can tell whether something changed


def test_who_is_refused_is_not_remembered() -> None:
    def refuse() -> Known:
        raise CallError(Code.INVALID_KEY, "the API key is not valid")

    remembered, asked = Remembered(), read(b"apiKey=a")
    with pytest.raises(CallError):
        remembered.caller(1, asked, "::1", refuse)
    known = Known(Listener(7, "ann", "member", ""))
    assert remembered.caller(1, asked, "::1", lambda: known) is known
