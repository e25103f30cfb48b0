"""What is held, as listeners browse it."""

from __future__ import annotations

from longplay.access.context import Context
from longplay.access.library.view import View
from longplay.access.listener import ANONYMOUS, Listener
from tests.access.conftest import Served

MEMBER = Listener(1, "mia", "member")


def library(served: Served, listener: Listener = MEMBER) -> View:
    here = served.web.app.state.context  # type: ignore[attr-defined]
    assert isinstance(here, Context)
    return here.library(listener)


def test_guests_hear_what_is_open_and_members_what_is_restricted_too(served: Served) -> None:
    guest, member = library(served, ANONYMOUS), library(served)
    titles = ["Piece 0", "Piece 1", "Piece 2", "Piece 3"]
    assert [track.title for track in guest.search("").tracks] == titles
    assert [album.title for album in guest.albums("alphabeticalByName")] == ["One"]
    assert [one.name for one in guest.artists("artist")] == ["Ann"]
    assert guest.counts.tracks <= member.counts.tracks
    track = guest.search("piece 2").tracks[0]
    assert guest.track(track.id) == track
    assert [one.id for one in guest.tracks_of_album(track.album_id)][2] == track.id
