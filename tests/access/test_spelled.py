"""Copies and API pages that are one recipient's: they tell whose they were, and nothing else of the
archive is touched by them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from longplay.access.app import create_app
from longplay.archive import open_archive
from longplay.catalogue import copies
from longplay.guard.canaries import spelling
from longplay.workflows import marked_copies
from tests.access.conftest import BY
from tests.system.conftest import Longplay, song

ROWS = 900
"""Tracks of a table, each with a sign or two: enough for a tenth of them to tell."""

ON = "\n[access]\ncanaries = true\n"


@dataclass(frozen=True)
class Twins:
    """An archive twice: as it is, and where canaries are in use."""

    plain: Longplay
    marked: Longplay
    key: str


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    place = tmp_path_factory.mktemp("twins")
    plain, marked = Longplay(place / "plain"), Longplay(place / "marked")
    for number, title in enumerate(("Don't Stop (Live)", "Rock-n-Roll... Night")):
        song(
            place / "label" / f"{number}.flac",
            "flac",
            pitch=200 + 40 * number,
            title=title,
            artists=("Ann",),
            album="We're Here (Demo)",
            licences=(),
        )
    table = place / "table.csv"
    rows = [f"{n},Don't Stop {n} (Live),Guns N' Roses (band),We're Here,5" for n in range(ROWS)]
    table.write_text("\n".join(["id,title,artists,album,popularity", *rows]))
    plain.run("init", plain.archive)
    plain.run("source", "add", "label", "folder", place / "label", "--rights", BY)
    plain.run("catalogue", "import", place / "label")
    plain.run("catalogue", "import", table, "--name", "table", "--licence", "CC0-1.0")
    plain.run("plan")
    plain.run("capture")
    shutil.copytree(plain.archive, marked.archive)
    with (marked.archive / "longplay.toml").open("a") as settings:
        settings.write(ON)
    key = marked.json("account", "add", "cid", "--role", "admin")["api_key"]
    return Twins(plain, marked, key)


@pytest.fixture(scope="module")
def exported(twins: Twins) -> dict[str, Path]:
    """A copy for each of three, and one for nobody."""
    place = twins.marked.archive.parent
    for name in ("ann", "bob", "Zoë & co"):
        twins.marked.run("catalogue", "export", place / name, "--for", name)
    twins.marked.run("catalogue", "export", place / "nobody")
    twins.plain.run("catalogue", "export", place / "plainly")
    return {name: place / name for name in ("ann", "bob", "Zoë & co", "nobody", "plainly")}


@pytest.fixture
def web(twins: Twins) -> Iterator[TestClient]:
    with TestClient(create_app(twins.marked.archive)) as client:
        yield client


def rows_of(folder: Path, table: str = "tracks") -> dict[str, dict[str, Any]]:
    found = pq.read_table(folder / f"{table}.parquet").to_pylist()
    return {row["id"]: row for row in found}


def names(told: Any) -> set[tuple[str, str]]:
    return {(one["kind"], one["recipient"]) for one in told["named"]}


def test_each_recipient_has_a_spelling_and_an_order(exported: dict[str, Path]) -> None:
    ann, bob, none = (rows_of(exported[name]) for name in ("ann", "bob", "nobody"))
    assert list(ann) != list(bob)
    assert ann.keys() == bob.keys() == none.keys()
    differs = {name for one in none for name in none[one] if ann[one][name] != bob[one][name]}
    assert differs == {"title"}
    for one, row in none.items():
        assert spelling.same(ann[one]["title"]) == spelling.same(row["title"])
        assert row | {"title": ann[one]["title"]} == ann[one]
    assert rows_of(exported["ann"], "artists") == rows_of(exported["nobody"], "artists")
    for name in ("ann", "bob"):
        copies.verify(exported[name], copies.read(exported[name]))


def test_a_leaked_copy_is_traced(twins: Twins, exported: dict[str, Path], tmp_path: Path) -> None:
    for name in ("ann", "Zoë & co"):
        told = twins.marked.json("guard", "trace", exported[name])
        assert names(told) == {("copy", name)}
        assert told["named"][0]["bound"] < 1e-6
    assert not twins.marked.json("guard", "trace", exported["nobody"])["named"]
    ann, bob = (list(rows_of(exported[name]).values()) for name in ("ann", "bob"))
    leak = tmp_path / "leak.json"
    leak.write_text(json.dumps(sorted(row["title"] for row in ann)[::10]))
    assert names(twins.marked.json("guard", "trace", leak)) == {("copy", "ann")}
    leak.write_text(json.dumps([row["title"] for row in [*ann[::2], *bob[1::2]]]))
    told = twins.marked.json("guard", "trace", leak)
    assert names(told) == {("copy", "ann"), ("copy", "bob")}
    words = twins.marked.run("guard", "trace", leak).out
    assert "from the copy of ann" in words and "joined" in words


def test_a_copy_is_the_same_again_and_differences_fit_on_it(
    twins: Twins, exported: dict[str, Path], tmp_path: Path
) -> None:
    run = twins.marked.run
    run("catalogue", "export", tmp_path / "again", "--for", "ann")
    for table in ("tracks", "albums"):
        name = f"{table}.parquet"
        assert (tmp_path / "again" / name).read_bytes() == (exported["ann"] / name).read_bytes()
    run("catalogue", "export", tmp_path / "since", "--for", "ann", "--since", exported["ann"])
    assert copies.read(tmp_path / "since").sources == ()
    other = Longplay(tmp_path / "other")
    other.run("init", other.archive)
    other.run("catalogue", "apply", exported["ann"])
    found = other.json("catalogue", "stats")
    assert found["tracks"] == ROWS


def ask(web: TestClient, path: str, key: str | None) -> Any:
    got = web.get(path, headers={"authorization": f"Bearer {key}"} if key else {})
    assert got.status_code == 200, got.text
    return got


def test_pages_of_one_key_are_traced(twins: Twins, web: TestClient, tmp_path: Path) -> None:
    path = "/api/search?q=stop&limit=100"
    own = ask(web, path, twins.key)
    everybody = ask(web, path, None)
    assert own.headers["etag"] != everybody.headers["etag"]
    assert "Authorization" in own.headers["vary"]
    assert own.json() == ask(web, path, twins.key).json()
    assert [hit["id"] for hit in own.json()["items"]] == [
        hit["id"] for hit in everybody.json()["items"]
    ]
    assert ask(web, path, "wrong").json() == everybody.json()
    with TestClient(create_app(twins.plain.archive)) as plain:
        assert everybody.json()["items"] == ask(plain, path, None).json()["items"]
    leak = tmp_path / "leak.json"
    pages, cursor = [], ""
    for _ in range(5):
        page = ask(web, path + cursor, twins.key).json()
        pages.append(page)
        cursor = f"&cursor={page['next']}"
    leak.write_text(json.dumps(pages))
    assert names(twins.marked.json("guard", "trace", leak)) == {("key", "cid")}
    known = marked_copies.trace(open_archive(twins.marked.archive), leak, {99: "cid"})
    assert not known.named  # another account, which has the name of one that is gone
    shown = ask(web, f"/api/tracks/{own.json()['items'][0]['id']}", twins.key).json()
    titles = {one["value"] for one in shown["found"][0]["facts"] if one["field"] == "title"}
    assert titles == {own.json()["items"][0]["title"]}


FIXED = ("manifest.jsonl", "metadata.parquet", "members.parquet", "ATTRIBUTION.txt")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in sorted(folder.rglob("*"))
        if one.is_file() and not one.name.endswith("lock")
    }


def test_nothing_else_knows_of_them(
    twins: Twins, exported: dict[str, Path], web: TestClient
) -> None:
    """Releases, snapshots, OAI answers, objects and copies for nobody are the same bytes whether
    or not canaries are in use."""
    ask(web, "/api/search?q=stop", twins.key)
    for part in ("catalogue", "objects", "evidence"):
        assert contents(twins.marked.archive / part) == contents(twins.plain.archive / part)
    for table in ("tracks", "albums", "artists"):
        name = f"{table}.parquet"
        assert (exported["nobody"] / name).read_bytes() == (exported["plainly"] / name).read_bytes()
    for one in (twins.plain, twins.marked):
        one.run("release", "cut", "--share", "100%")
    plain, marked = (one.archive / "releases" / "s1-0001" for one in (twins.plain, twins.marked))
    assert contents(plain).keys() == contents(marked).keys()
    volumes = [one.name for one in plain.glob("*-v*.torrent")]
    assert volumes
    for name in (*FIXED, *volumes):
        assert (plain / name).read_bytes() == (marked / name).read_bytes(), name
    titles = {
        json.loads(line)["title"] for line in (marked / "manifest.jsonl").read_text().splitlines()
    }
    assert titles == {"Don't Stop (Live)", "Rock-n-Roll... Night"}
    with TestClient(create_app(twins.plain.archive)) as unmarked:
        for ending in (
            "verb=ListRecords&metadataPrefix=oai_dc",
            "verb=ListIdentifiers&metadataPrefix=oai_dc",
        ):
            told = [
                re.sub(
                    rb"<(responseDate|datestamp)>[^<]*",
                    b"",
                    ask(each, f"/oai?{ending}", key).content,
                )
                for each, key in ((unmarked, None), (web, None), (web, twins.key))
            ]
            assert told[0] == told[1] == told[2]
    stored = next((twins.marked.archive / "objects").rglob("*.flac"))
    held = ask(web, "/api/recordings", twins.key).json()["items"]
    sounds = [ask(web, one["stream"], twins.key).content for one in held]
    assert stored.read_bytes() in sounds


def test_the_list_of_recipients_is_sealed_and_signed(
    twins: Twins, exported: dict[str, Path], tmp_path: Path
) -> None:
    path = twins.marked.archive / "recipients.json"
    text = path.read_text()
    assert not any(f'"{name}"' in text for name in ("ann", "bob", "Zo\\u00eb"))
    said = json.loads(text)
    assert said["signature"].startswith("untrusted comment")
    broken = Longplay(tmp_path / "broken")
    shutil.copytree(twins.marked.archive, broken.archive)
    sealed = said["sealed"]
    changed = ("A" if sealed[40] != "A" else "B").join([sealed[:40], sealed[41:]])
    (broken.archive / "recipients.json").write_text(json.dumps(said | {"sealed": changed}))
    for words in (
        ("guard", "trace", exported["ann"]),
        ("catalogue", "export", tmp_path / "x", "--for", "ann"),
    ):
        assert "list of recipients" in broken.run(*words, expect=1).err
    assert not (tmp_path / "x").exists()


def test_workers_that_start_at_once_make_one_secret(twins: Twins, tmp_path: Path) -> None:
    fresh = Longplay(tmp_path / "fresh")
    fresh.run("init", fresh.archive)
    with open_archive(fresh.archive) as archive, ThreadPoolExecutor(8) as workers:
        made = workers.map(lambda _: marked_copies.secret(archive, make=True), range(8))
        assert len({one.value for one in made}) == 1
        assert marked_copies.recipients(archive) == []


@pytest.mark.parametrize("name", ["  ", "a\nb"])
def test_recipients_have_names_that_can_be_read(twins: Twins, tmp_path: Path, name: str) -> None:
    told = twins.marked.run("catalogue", "export", tmp_path / "x", "--for", name, expect=2)
    assert "printable" in told.err


def test_without_its_secret_nothing_is_marked_anew(
    twins: Twins, exported: dict[str, Path], tmp_path: Path
) -> None:
    lost = Longplay(tmp_path / "lost")
    shutil.copytree(twins.marked.archive, lost.archive)
    settings = lost.archive / "longplay.toml"
    settings.write_text(f'keys = "{tmp_path / "keys"}"\n' + settings.read_text())
    for words in (
        ("guard", "trace", exported["ann"]),
        ("catalogue", "export", tmp_path / "x", "--for", "ann"),
    ):
        assert "not at hand" in lost.run(*words, expect=1).err
