"""A host with one song, and a client that asks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.capture.sources.asking import SONG, Asking
from tests.capture.sources.host import Host, serving


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host({"/a.flac": SONG})
    with serving(made):
        yield made


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    yield
    while Asking.made:
        Asking.made.pop().client.close()


@pytest.fixture
def asking() -> Asking:
    return Asking()
