"""Real recordings, from archives that give them freely, as listeners find them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from longplay.access.app import create_app
from longplay.access.library.covers import picture
from tests.access.library.conftest import MEMBER
from tests.system.conftest import Longplay


@pytest.mark.real
@pytest.mark.long
def test_all_real_recordings_that_are_held_are_found(data: Path, tmp_path: Path) -> None:
    longplay = Longplay(tmp_path / "archive")
    longplay.run("keep", data / "audio")
    objects = longplay.json("status")["objects"]
    with TestClient(create_app(longplay.archive)) as web:
        here = web.app.state.context  # type: ignore[attr-defined]
        view = here.library(MEMBER)
        tracks = view.search("", tracks=(500, 0)).tracks
        assert 40 < len({track.root for track in tracks}) <= objects
        assert all(track.duration_ms > 0 and track.bit_rate for track in tracks)
        assert all(track.sample_rate and track.channels for track in tracks)
        measured = [track.replay_gain for track in tracks if track.replay_gain]
        assert len(measured) > 40
        assert all(-40 < (gain.track_gain or 0) < 40 for gain in measured)
        for track in tracks:
            assert track in view.tracks_of_album(track.album_id)
            assert track.id in [one.id for one in view.search(track.title, tracks=(500, 0)).tracks]
        covered = [track for track in tracks if track.cover]
        assert covered
        assert all(picture(here, MEMBER, track.id, 128) is not None for track in covered)
