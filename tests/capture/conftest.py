"""An archive, and a source that gives it what a test tells it to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from longplay.archive import Archive, create
from longplay.capture import crew, fetchers, outcomes, pipeline
from tests.capture.giving import Giving
from tests.capture.jobs import NAMES


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with create(tmp_path / "archive") as made:
        yield made


@pytest.fixture
def giving(monkeypatch: pytest.MonkeyPatch) -> Giving:
    made = Giving({name: name * 100 for name in NAMES})
    monkeypatch.setattr(crew, "open_source", lambda *_: made)
    monkeypatch.setattr(fetchers, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(outcomes, "GIVE_WAY_SECONDS", 0.3)
    monkeypatch.setattr(pipeline, "WAIT_SECONDS", 5.0)
    return made
