"""A browser, where there is one; and an archive whose tags are hostile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, sync_playwright

from longplay.access import serving
from longplay.access.app import create_app
from longplay.archive import create, open_archive
from longplay.workflows import capturing, importing, planning, releasing, sources
from tests.access.site.shots import FLAGS
from tests.system.conftest import song

HOSTILE = "</script><script>alert(1)</script>'\"><img src=x onerror=alert(2)>&amp;{{7*7}}"
"""A tag that is a script, ends one, ends an attribute, and is a template."""

PERSONAL = "longplay:personal"
CC_BY = "https://creativecommons.org/licenses/by/4.0/"


def quiet(*_: object) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of hostile names, with plain music, somebody's own, and what may not be heard."""
    place = tmp_path_factory.mktemp("hostile")
    archive = place / "archive"
    bad, good, own = place / "bad", place / "good", place / "own"
    for number in range(2):
        song(
            bad / f"{number}.flac", "flac", pitch=300 + 40 * number, title=f"{number}{HOSTILE}",
            artists=(HOSTILE,), album=HOSTILE, genres=(HOSTILE,), track_number=number + 1,
            isrcs=(f"QZLP02700{number:03}",),
        )  # fmt: skip
    song(good / "closed.mp3", "mp3", pitch=900, title="Closed", artists=("Bob",),
         album="Shut", licences=("All rights reserved",))  # fmt: skip
    song(own / "own.flac", "flac", pitch=1100, title="Mine", artists=("Me",), album="At home")
    for number in range(3):
        song(good / f"{number}.ogg", "vorbis", pitch=500 + 50 * number, seconds=20,
             title=f"Plain {number}", artists=("Nan Ott",), album="Plainly", genres=("Folk",),
             track_number=number + 1, date="1968-03-01")  # fmt: skip
    create(archive).ledger.close()
    for name, folder, uri in (("bad", bad, CC_BY), ("good", good, CC_BY), ("own", own, PERSONAL)):
        sources.add_source(archive, name, "folder", str(folder), uri, "told")
    with open_archive(archive) as it:
        for folder in (bad, good, own):
            importing.import_paths(it, importing.Request((str(folder),)), progress=quiet)
        planning.plan_archive(it, None)
        capturing.capture(it, limit=None, workers=1, progress=quiet)
        releasing.cut(it, stage=None, share=1.0)
    return archive


@pytest.fixture
def web(hostile: Path) -> Iterator[TestClient]:
    with TestClient(create_app(hostile), follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="session")
def address(hostile: Path) -> Iterator[str]:
    """The archive, served by a process of its own."""
    port = serving.free_port()
    with serving.in_background(hostile, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def browser(program: Callable[[str], str]) -> Iterator[Browser]:
    """A browser for the tests of one module: while it is driven, this thread has an event loop at
    work, and no other test could run one."""
    path = program("chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose scripts may not fail."""
    context = browser.new_context()
    context.set_default_timeout(20_000)
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("dialog", lambda dialog: failures.append(f"alert: {dialog.message}"))
    page.on("console", lambda said: failures.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert not [one for one in failures if "404" not in one and "451" not in one]
