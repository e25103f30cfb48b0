"""People without an archive around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from longplay.access.people import accounts, secrets
from longplay.access.people.store import FILE, People

PASSWORD = "correct horse battery"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    with People(tmp_path / FILE, secrets.load(tmp_path / "keys")) as opened:
        yield opened


@pytest.fixture
def ann(people: People) -> int:
    return accounts.add(people, "Ann", "member").account.id


@pytest.fixture
def bob(people: People) -> int:
    return accounts.add(people, "Bob", "member").account.id
