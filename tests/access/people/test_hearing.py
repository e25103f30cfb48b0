"""Who hears what: restricted music is for those signed in, at the moment they ask."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from longplay.access.app import create_app
from longplay.access.people import accounts
from longplay.access.people.opening import open_people
from longplay.access.people.store import People
from longplay.archive import open_archive
from longplay.rights.statements import PERSONAL
from tests.access.conftest import BY
from tests.access.people.conftest import PASSWORD
from tests.access.people.test_pages import log_in
from tests.system.conftest import Longplay


@pytest.fixture
def restricted(released: tuple[Path, Any], tmp_path: Path) -> Path:
    """The archive of a label that keeps its music for its own people."""
    folder = tmp_path / "archive"
    shutil.copytree(released[0], folder)
    settings = folder / "longplay.toml"
    settings.write_text(settings.read_text().replace(BY, PERSONAL))
    return folder


@pytest.fixture
def people(restricted: Path) -> Iterator[People]:
    with open_archive(restricted) as archive, open_people(archive) as found:
        yield found


def test_restricted_music_is_heard_by_members_alone(restricted: Path, people: People) -> None:
    keys = {
        role: accounts.add(people, role, role, PASSWORD).api_key
        for role in ("member", "guest", "admin")
    }
    once = accounts.add(people, "once", "member", PASSWORD, once=True).api_key
    hits = Longplay(restricted).json("catalogue", "search", "Piece 1")["hits"]
    address = f"/api/recordings/{hits[0]['recording']}/stream"
    with TestClient(create_app(restricted), follow_redirects=False) as web:

        def heard(key: str = "") -> bool:
            answer = web.get(address, headers={"authorization": f"Bearer {key}"} if key else {})
            assert answer.status_code in (200, 401, 403, 451), answer.text
            return answer.status_code == 200

        assert not heard()
        assert not heard("lp_forged")
        assert not heard(keys["guest"])
        assert not heard(once)
        assert heard(keys["member"])
        assert heard(keys["admin"])
        assert not heard()  # what a member was told is no answer for others

        log_in(web, "member")
        assert heard()
        accounts.set_role(people, "member", "guest")
        assert not heard()
        accounts.set_role(people, "member", "member")
        assert heard()
        accounts.disable(people, "member")
        assert not heard()
        assert not heard(keys["member"])
