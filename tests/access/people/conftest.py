"""People without an archive around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from longplay.access.people import accounts, passwords, secrets
from longplay.access.people.store import People
from longplay.archive import PEOPLE

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing at the real cost would take most of the time of these tests."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", cheap)
    monkeypatch.setattr(passwords, "_NOBODY", [])


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    with People(tmp_path / PEOPLE, secrets.load(tmp_path / "keys")) as opened:
        yield opened


@pytest.fixture
def ann(people: People) -> int:
    return accounts.add(people, "Ann", "member").account.id


@pytest.fixture
def bob(people: People) -> int:
    return accounts.add(people, "Bob", "member").account.id
