"""What is held, as listeners browse it."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.access.context import Context
from longplay.archive import open_archive
from tests.access.conftest import Served


@dataclass(frozen=True)
class Hears:
    signed_in: bool


MEMBER, GUEST = Hears(True), Hears(False)


def test_guests_hear_what_is_open_and_members_what_is_restricted_too(served: Served) -> None:
    with open_archive(served.longplay.archive) as archive:
        here = Context(archive)
        guest, member = here.library(GUEST), here.library(MEMBER)
        titles = ["Piece 0", "Piece 1", "Piece 2", "Piece 3"]
        assert [track.title for track in guest.search("").tracks] == titles
        assert [album.title for album in guest.albums("alphabeticalByName")] == ["One"]
        assert [one.name for one in guest.artists("artist")] == ["Ann"]
        assert guest.counts.tracks <= member.counts.tracks
        track = guest.search("piece 2").tracks[0]
        assert guest.track(track.id) == track
        assert [one.id for one in guest.tracks_of_album(track.album_id)][2] == track.id
