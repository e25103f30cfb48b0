"""A small library, irregular on purpose, and callers of its API.

`label` is open to all: Ann's album of two discs with a composer, words and a picture; Bob's file
with a script in its tags and no album; a name that XML has to escape. `shelf` is for members. One
file of `label` may not be heard by anybody.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from mutagen.flac import FLAC
from mutagen.id3 import ID3, USLT
from PIL import Image

from longplay.access.app import create_app
from longplay.access.context import Context
from longplay.access.people import accounts
from tests.system.conftest import Longplay, song

BY = "https://creativecommons.org/licenses/by/4.0/"
SCRIPT = "<script>alert(1)</script>"
LRC = "[ti:Piece]\n[offset:-100]\n[00:01.50]It is\n[00:00.00]First\n[01:02.003]<&> last"

PASSWORDS = {"root": "root has a password", "member": "member has one too", "guest": "and a guest"}


@dataclass
class Caller:
    """One user of the API, by password unless told otherwise."""

    web: TestClient
    name: str
    proof: dict[str, str]
    told: dict[str, str] = field(default_factory=lambda: {"v": "1.16.1", "c": "tests", "f": "json"})

    def raw(self, call: str, *, post: bool = False, headers: Any = None, **asked: Any) -> Any:
        """The HTTP answer."""
        fields = [*self.proof.items(), *self.told.items()]
        for name, value in asked.items():
            for one in value if isinstance(value, list | tuple) else [value]:
                fields.append((name, str(one)))
        if post:
            form = {"content-type": "application/x-www-form-urlencoded"}
            body = urlencode(fields)
            return self.web.post(f"/rest/{call}", content=body, headers=form | (headers or {}))
        return self.web.get(f"/rest/{call}?{urlencode(fields)}", headers=headers)

    def whole(self, call: str, **asked: Any) -> Any:
        """The whole JSON answer."""
        answer = self.raw(call, **asked)
        assert answer.headers["content-type"] == "application/json", answer.text
        return answer.json()

    def ok(self, call: str, **asked: Any) -> Any:
        """What stands in the envelope of a call that works."""
        answer = self.whole(call, **asked)["subsonic-response"]
        assert answer["status"] == "ok", answer
        return answer

    def code(self, call: str, **asked: Any) -> int:
        """The error code of a call that fails."""
        answer = self.whole(call, **asked)["subsonic-response"]
        assert answer["status"] == "failed", answer
        return int(answer["error"]["code"])

    def songs(self, text: str = "") -> dict[str, Any]:
        """Songs by their titles."""
        found = self.ok("search3", query=text, songCount=500)["searchResult3"]["song"]
        return {one["title"]: one for one in found}


@dataclass
class Rest:
    """A served library and the callers of its API."""

    web: TestClient
    here: Context
    longplay: Longplay
    keys: dict[str, str]

    def caller(self, name: str) -> Caller:
        return Caller(self.web, name, {"u": name, "p": PASSWORDS[name]})

    def keyed(self, name: str) -> Caller:
        return Caller(self.web, name, {"apiKey": self.keys[name]})


def _label(folder: Path) -> None:
    for number, title in ((1, "Piece"), (2, "Quiet & loud"), (3, "Zug")):
        song(
            folder / "Ann" / f"{number}.flac",
            "flac",
            pitch=200 + 40 * number,
            seconds=2,
            title=title,
            artists=("The Ann",),
            album="One",
            album_artists=("The Ann",),
            composers=("Clara C.",),
            track_number=number % 2 + 1,
            disc_number=(number + 1) // 2,
            genres=("Folk", "Rock & Roll"),
            date="1971-03-09",
            isrcs=(f"QZLP02600{number:03}",),
        )
    Image.new("RGB", (40, 40), "teal").save(folder / "Ann" / "cover.png")
    words = FLAC(folder / "Ann" / "1.flac")
    words["LYRICS"] = LRC
    words.save()
    song(
        folder / "script.mp3",
        "mp3",
        pitch=500,
        seconds=2,
        title=SCRIPT,
        artists=(f'Bob" onload="{SCRIPT}', "The Ann"),
        genres=("Noise",),
        date="2001",
    )
    tags = ID3(folder / "script.mp3")
    tags.add(USLT(encoding=3, lang="eng", desc="", text="plain\nwords"))
    tags.save()
    song(folder / "dark.mp3", "mp3", pitch=777, seconds=2, title="Dark", artists=("Bob",),
         licences=("All rights reserved",))  # fmt: skip


def build(place: Path) -> Longplay:
    """Make the library in a folder."""
    longplay = Longplay(place / "archive")
    _label(place / "label")
    song(place / "shelf" / "own.ogg", "vorbis", pitch=300, seconds=2, title="Own", artists=("Eve",),
         album="Shelf", genres=("Folk",), date="1999-12")  # fmt: skip
    longplay.run("init", longplay.archive)
    for name, rights in (("label", BY), ("shelf", "personal")):
        longplay.run("source", "add", name, "folder", place / name, "--rights", rights)
        longplay.run("catalogue", "import", place / name, "--name", name)
    longplay.run("plan")
    longplay.run("capture")
    return longplay


@pytest.fixture(scope="session")
def shelved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive that each module gets a copy of."""
    return build(tmp_path_factory.mktemp("shelved")).archive


@pytest.fixture(scope="module")
def rest(shelved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    longplay = Longplay(tmp_path_factory.mktemp("served") / "archive")
    shutil.copytree(shelved, longplay.archive)
    app = create_app(longplay.archive)
    here: Context = app.state.context
    roles = {"root": "admin", "member": "member", "guest": "guest"}
    keys = {
        name: accounts.add(here.people, name, role, PASSWORDS[name]).api_key  # type: ignore[arg-type]
        for name, role in roles.items()
    }
    with TestClient(app, raise_server_exceptions=True) as web:
        yield Rest(web, here, longplay, keys)


@pytest.fixture
def member(rest: Rest) -> Caller:
    return rest.caller("member")


@pytest.fixture
def guest(rest: Rest) -> Caller:
    return rest.caller("guest")


@pytest.fixture
def root(rest: Rest) -> Caller:
    return rest.caller("root")


def body(answer: Any) -> Any:
    return json.loads(answer.content)
