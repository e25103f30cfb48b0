"""Fixtures shared by all tests: the real data, and real programs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from longplay import telemetry
from tests.collecting import Seen
from tests.postgres import Server, running
from tests.swift import Swift
from tests.swift import running as s3_running

DATA = Path(
    os.environ.get("LONGPLAY_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")
).resolve()

COMPILED_FIRST = (
    "catalogue/search/test_index.py",
    "guard/test_scan.py",
    "catalogue/importers/test_musicbrainz.py",
    "identify/test_matching.py",
)
"""Files that need much of what Numba compiles, in turn for two processes: of what all others need
each compiles another part, and finds the rest in the cache."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files of `COMPILED_FIRST` before all others, whose order stays."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(COMPILED_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real catalogues, audio and broken files."""
    if not DATA.is_dir():
        pytest.skip("no real data: set LONGPLAY_TEST_DATA to its folder")
    return DATA


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Secret keys of the tests' archives stay out of the user's settings."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("settings"))


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Find a real program, or skip the test."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed: `make system-packages`")
        return path

    return find


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server that lives as long as the tests."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def swift() -> Iterator[Swift]:
    """A real S3 server that lives as long as the tests."""
    with s3_running() as server:
        yield server


@pytest.fixture
def seen() -> Iterator[Seen]:
    """What is told to who collects metrics and traces."""
    one = Seen()
    telemetry.use(one.traces.get_tracer("test"), one.metrics.get_meter("test"))
    yield one
    telemetry.stop()
    one.traces.shutdown()
    one.metrics.shutdown()
