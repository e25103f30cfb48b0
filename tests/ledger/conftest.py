"""Ledgers on every database that we support."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from longplay.ledger.database import Ledger, create
from tests.postgres import Server

URL = "sqlite:///ledger.sqlite3"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest) -> str:
    """The address of a ledger that is not there yet, on every database that we support."""
    if request.param == "sqlite":
        return URL
    server: Server = request.getfixturevalue("postgres")
    return server.fresh()


@pytest.fixture
def ledger(url: str, tmp_path: Path) -> Iterator[Ledger]:
    made = create(url, tmp_path)
    yield made
    made.close()
