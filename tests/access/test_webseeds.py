"""Web seeds: a torrent's paths give the objects' bytes, by leave of the gate."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from longplay.access.app import create_app
from longplay.archive import open_archive
from longplay.workflows import judging, seeding
from tests.access.conftest import BY, Served
from tests.system.conftest import Longplay, song


def path_of(served: Served) -> tuple[str, str, bytes]:
    """The web seed path of one released file, its root, its bytes."""
    torrent = next(one for one in served.torrents() if one.name.rpartition("-")[2][0] != "m")
    file = torrent.files[0]
    path = "/seed/" + quote("/".join((torrent.name, *file.path)))
    return path, file.root.hex(), served.stored(file.root.hex())


def test_every_file_of_every_torrent_is_served_whole(served: Served) -> None:
    for torrent in served.torrents():
        for file in torrent.files:
            got = served.web.get("/seed/" + quote("/".join((torrent.name, *file.path))))
            assert got.status_code == 200
            assert len(got.content) == file.size


def test_ranges_are_the_bytes_asked_for(served: Served) -> None:
    path, _, data = path_of(served)
    for asked, expected in (
        ("bytes=0-9", data[:10]),
        ("bytes=5-", data[5:]),
        ("bytes=-7", data[-7:]),
        (f"bytes=10-{len(data) + 99}", data[10:]),
    ):
        got = served.web.get(path, headers={"Range": asked})
        assert got.status_code == 206
        assert got.content == expected
        first = len(data) - len(expected) if asked != "bytes=0-9" else 0
        last = first + len(expected) - 1
        assert got.headers["content-range"] == f"bytes {first}-{last}/{len(data)}"


def test_what_is_no_range_gets_the_whole_and_what_lies_outside_is_refused(served: Served) -> None:
    path, _, data = path_of(served)
    for odd in ("bytes=9-2", "bytes=1-2,4-5", "lines=1-2", "bytes=-", "bytes=" + "9" * 30 + "-"):
        got = served.web.get(path, headers={"Range": odd})
        assert (got.status_code, got.content) == (200, data)
    for outside in (f"bytes={len(data)}-", "bytes=-0"):
        got = served.web.get(path, headers={"Range": outside})
        assert got.status_code == 416
        assert got.headers["content-range"] == f"bytes */{len(data)}"


def test_head_and_validators(served: Served) -> None:
    path, root, data = path_of(served)
    head = served.web.head(path)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(data)))
    assert head.headers["etag"] == f'"{root}"'
    tag = {"If-None-Match": f'"x", "{root}"'}
    assert served.web.get(path, headers=tag).status_code == 304
    ranged = {"Range": "bytes=0-3", "If-Range": f'"{root}"'}
    assert served.web.get(path, headers=ranged).status_code == 206
    assert served.web.get(path, headers=ranged | {"If-Range": '"old"'}).status_code == 200


def test_padding_is_zeros(served: Served) -> None:
    name = served.torrents()[0].name
    got = served.web.get(f"/seed/{name}/.pad/70000", headers={"Range": "bytes=10-19"})
    assert (got.status_code, got.content) == (206, bytes(10))
    assert served.web.get(f"/seed/{name}/.pad/70000").content == bytes(70000)
    assert served.web.get(f"/seed/{name}/.pad/999999999").status_code == 404


def test_nothing_else_is_served(served: Served) -> None:
    name = served.torrents()[0].name
    for path in (
        f"/seed/{name}/../../longplay.toml",
        f"/seed/{name}/%2e%2e/%2e%2e/longplay.toml",
        f"/seed/{name}/nothing",
        "/seed/other-s1-v0001/a",
        "/releases/../longplay.toml",
        "/releases/s1-0001/..%2f..%2flongplay.toml",
        "/releases/s9-0001/release.json",
        "/releases/lock",
    ):
        assert served.web.get(path).status_code == 404, path


def test_a_claim_shuts_page_facts_stream_and_web_seed_at_once(served: Served) -> None:
    path, root, data = path_of(served)
    line = next(line for line in served.manifest() if line["root"] == root)
    recording = line["recording"]
    doors = [
        path,
        f"/recordings/{recording}",
        f"/api/recordings/{recording}",
        f"/api/recordings/{recording}/stream",
    ]
    assert [served.web.get(door).status_code for door in doors] == [200] * 4
    assert served.web.get(doors[3]).content == data
    claim = served.longplay.json(
        "claim", "add", "--who", "A. Holder", "--contact", "a@example.org",
        "--ground", "mine", "--recording", recording,
    )["claim"]  # fmt: skip
    assert [served.web.get(door).status_code for door in doors] == [200] * 4
    served.longplay.run("claim", "uphold", claim)
    answers = [served.web.get(door) for door in doors]
    assert [answer.status_code for answer in answers] == [451] * 4
    assert all(b"A. Holder" not in answer.content for answer in answers)
    served.longplay.run("claim", "restore", claim, "--reason", "settled")
    assert [served.web.get(door).status_code for door in doors] == [200] * 4


def test_what_may_not_be_shared_is_not_served(served: Served) -> None:
    found = served.longplay.json("catalogue", "search", "Closed")["hits"][0]["recording"]
    assert served.web.get(f"/api/recordings/{found}/stream").status_code == 451
    assert served.web.get("/api/recordings/rec0000000000000/stream").status_code == 404
    assert served.web.get("/api/recordings/nonsense").status_code == 404


def test_page_names_the_recording_and_carries_no_foreign_host(served: Served) -> None:
    line = next(line for line in served.manifest() if line["title"] == "Piece 1")
    page = served.web.get(f"/recordings/{line['recording']}")
    assert "Piece 1" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    facts = served.web.get(f"/api/recordings/{line['recording']}").json()
    assert (facts["title"], facts["artists"], facts["isrc"]) == ("Piece 1", ["Ann"], line["isrc"])


def painted(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def covered(tmp_path: Path) -> Iterator[Served]:
    """Two albums with a cover in the folder of each, and one that lies in both."""
    longplay, folder = Longplay(tmp_path / "archive"), tmp_path / "label"
    for number, album in enumerate(("One", "One", "Two")):
        song(folder / album / f"{number}.flac", "flac", pitch=200 + 40 * number,
             title=f"Piece {number}", artists=("Ann",), album=album)  # fmt: skip
        (folder / album / "cover.png").write_bytes(painted({"One": "red", "Two": "blue"}[album]))
        (folder / album / "label.png").write_bytes(painted("green"))
    longplay.run("init", longplay.archive)
    longplay.run("source", "add", "label", "folder", folder, "--rights", BY)
    longplay.run("catalogue", "import", folder)
    longplay.run("plan")
    longplay.run("capture")
    cut = longplay.json("release", "cut", "--share", "100%")
    with TestClient(create_app(longplay.archive)) as web:
        yield Served(longplay, cut, web)


def statuses(served: Served) -> dict[str, int]:
    """What the web seed of each picture answers: those of the albums One, Two and both."""
    data = {painted(colour): name for colour, name in
            (("red", "One"), ("blue", "Two"), ("green", "both"))}  # fmt: skip
    found = {}
    for torrent in served.torrents():
        if "-a" not in torrent.name:
            continue
        for file in torrent.files:
            got = served.web.get("/seed/" + quote("/".join((torrent.name, *file.path))))
            name = data[served.stored(file.root.hex())]
            assert (name in map(data.get, [got.content])) == (got.status_code == 200)
            found[name] = got.status_code
    return found


def offered(served: Served) -> int:
    """How many pictures `longplay seed` offers."""
    with open_archive(served.longplay.archive) as archive:
        volumes = seeding.offered(archive, seeding.Part())
    return sum(
        place is not None for one in volumes if "-a" in one.name for place in one.files.values()
    )


def test_a_picture_goes_with_the_last_of_its_music(covered: Served) -> None:
    """Of One all is withdrawn, by two claims; then of Two, too; and then it comes back."""
    recordings = {one["title"]: one["recording"] for one in covered.manifest()}
    assert statuses(covered) == {"One": 200, "Two": 200, "both": 200}
    claims = []
    for title, expected in (
        ("Piece 0", {"One": 200, "Two": 200, "both": 200}),
        ("Piece 1", {"One": 451, "Two": 200, "both": 200}),
        ("Piece 2", {"One": 451, "Two": 451, "both": 451}),
    ):
        claims.append(uphold(covered, "--recording", recordings[title]))
        assert statuses(covered) == expected
        assert offered(covered) == list(expected.values()).count(200)
    covered.longplay.run("claim", "restore", claims[1], "--reason", "settled")
    assert statuses(covered) == {"One": 200, "Two": 451, "both": 200}
    for claim in (claims[0], claims[2]):
        covered.longplay.run("claim", "restore", claim, "--reason", "settled")
    assert statuses(covered) == {"One": 200, "Two": 200, "both": 200}


def test_mirrors_are_told_of_a_picture_whose_music_one_claim_withdraws(covered: Served) -> None:
    claim = uphold(covered, "--artist", "Ann")
    covered.longplay.run("release", "publish")
    told = covered.web.get("/releases/feed.json").json()["tombstones"]
    kinds = {one["root"]: one["kind"] for one in covered.manifest()}
    assert sorted(kinds[one["root"]] for one in told) == ["art"] * 3 + ["audio"] * 3
    assert set(statuses(covered).values()) == {451}
    covered.longplay.run("claim", "restore", claim, "--reason", "settled")
    assert set(statuses(covered).values()) == {200}


def test_a_picture_is_not_given_whose_music_may_no_longer_be_released(covered: Served) -> None:
    """No claim: the files of an album say now that they are not free."""
    for number in (0, 1):
        song(covered.longplay.archive.parent / "label" / "One" / f"{number}.flac", "flac",
             pitch=200 + 40 * number, title=f"Piece {number}", artists=("Ann",), album="One",
             licences=("All rights reserved",))  # fmt: skip
    covered.longplay.run("catalogue", "import", covered.longplay.archive.parent / "label")
    assert statuses(covered) == {"One": 451, "Two": 200, "both": 200}
    assert offered(covered) == 2


def test_a_cover_that_was_replaced_goes_with_its_music_too(covered: Served) -> None:
    """The release still has the old one, which no file of the source is any more."""
    source, longplay = covered.longplay.archive.parent / "label", covered.longplay
    (source / "One" / "cover.png").write_bytes(painted("black"))
    longplay.run("catalogue", "import", source)
    longplay.run("plan")
    longplay.run("capture")
    assert (statuses(covered)["One"], offered(covered)) == (200, 3)
    recordings = {one["title"]: one["recording"] for one in covered.manifest()}
    for title in ("Piece 0", "Piece 1"):
        uphold(covered, "--recording", recordings[title])
    assert statuses(covered) == {"One": 451, "Two": 200, "both": 200}
    assert offered(covered) == 2


def test_a_seeder_drops_a_cover_with_its_music_before_all_is_judged_anew(
    covered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = {one["title"]: one["recording"] for one in covered.manifest()}
    judged = Event()
    with (
        open_archive(covered.longplay.archive) as archive,
        closing(seeding.Offer(archive, seeding.Part())) as offer,
    ):
        offer()
        monkeypatch.setattr(seeding, "_offered", lambda *_: [judged.wait(60)][:0])
        for title in ("Piece 0", "Piece 1"):
            uphold(covered, "--recording", recordings[title])
        given = [place for one in offer() if "-a" in one.name for place in one.files.values()]
        judged.set()
    assert [place is None for place in given].count(True) == 1


def test_whoever_asks_for_a_picture_costs_little(
    covered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate is asked until it gives leave, and not again what it refused a moment ago."""
    judged: list[object] = []
    judge = judging.judge

    def counted(*asked: object, **more: object) -> object:
        judged.append(asked)
        return judge(*asked, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(judging, "judge", counted)
    (place,) = [
        "/".join((torrent.name, *file.path))
        for torrent in covered.torrents()
        if "-a" in torrent.name
        for file in torrent.files
        if covered.stored(file.root.hex()) == painted("red")
    ]
    assert covered.web.get("/seed/" + quote(place)).status_code == 200
    assert len(judged) == 2  # the picture, and the first of its two tracks
    recordings = {one["title"]: one["recording"] for one in covered.manifest()}
    for title in ("Piece 0", "Piece 1"):
        uphold(covered, "--recording", recordings[title])
    assert covered.web.get("/seed/" + quote(place)).status_code == 451
    looked: list[object] = []
    monkeypatch.setattr(judging, "music_with", lambda *asked: looked.append(asked) or {})
    assert covered.web.get("/seed/" + quote(place)).status_code == 451
    assert looked == []


def uphold(served: Served, *named: str) -> str:
    claim: str = served.longplay.json(
        "claim", "add", "--who", "A. Holder", "--contact", "a@example.org", "--ground", "mine",
        *named,
    )["claim"]  # fmt: skip
    served.longplay.run("claim", "uphold", claim)
    return claim
