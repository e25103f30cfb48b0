"""A mirror that is given, in turn, everything that somebody hostile could think of: each refused
with its reason, nothing written where it should not be."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from longplay.errors import FeedError, LongplayError, ReleaseError
from longplay.release import fetching
from tests.release.feeding import NOW, secret, tombstone
from tests.workflows.mirrored import (
    SIZES,
    Answer,
    Published,
    absent,
    circling,
    dripping,
    endless,
    follow,
    held,
    honest,
    lying,
    mirror_in,
    serving,
)

WATCHED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "longplay", *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(done.returncode)
"""
"""Runs the command, and says last how many KiB of memory it took at most."""

Tree = dict[bytes, Any]


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path / "origin")


def surroundings(folder: Path, mirror: Path) -> set[str]:
    """Every file that lies around a mirror."""
    found = (path for path in folder.rglob("*") if mirror not in path.parents)
    return {str(path) for path in found}


# --- feeds ---------------------------------------------------------------------------------------


def tampered(published: Published) -> None:
    published.publish()
    path = published.world.releases / "feed.json"
    path.write_bytes(path.read_bytes().replace(b'"test"', b'"tost"'))


def rolled_back(published: Published) -> None:
    published.publish()


def by_another(published: Published) -> None:
    published.origin = published.origin.next(root=secret(7), feed=secret(8))
    published.publish()


def expired(published: Published) -> None:
    published.origin = published.origin.next().next()
    published.publish(expires=(NOW - timedelta(days=1)).isoformat())


def rewritten(published: Published) -> None:
    published.origin = published.origin.next().next()
    published.publish(log={"entries": 90, "hash": "0" * 64, "heads": []})


def absurd(published: Published) -> None:
    published.origin = published.origin.next().next()
    published.publish(tombstones=[tombstone(1) | {"root": "../../etc/passwd"}])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (tampered, "the signature is wrong"),
        (rolled_back, "it was rolled back"),
        (by_another, "not by the archive's root key"),
        (expired, "expired on"),
        (rewritten, "the past was rewritten"),
        (absurd, "is no feed: tombstones.0.root"),
    ],
)
def test_a_feed_that_cannot_be_believed_changes_nothing(
    published: Published, tmp_path: Path, spoil: Callable[[Published], None], why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(fetching, "SIGNING_PAUSE", 0.01)
    first = published.origin
    published.origin = first.next()
    published.publish()
    with serving(published) as address:
        published.seeds = (f"{address}/seed/",)
        published.publish()
        mirror = mirror_in(tmp_path / "mirror")
        follow(mirror, f"{address}/releases/feed.json")
        before = held(mirror), (mirror / "following.json").read_bytes()
        published.origin = first
        spoil(published)
        with pytest.raises(FeedError, match=why):
            follow(mirror, f"{address}/releases/feed.json")
        fresh = tmp_path / "fresh"
        if spoil in (tampered, expired, absurd):
            with pytest.raises(FeedError, match=why):
                follow(fresh, f"{address}/releases/feed.json")
            assert not fresh.exists()
    assert (held(mirror), (mirror / "following.json").read_bytes()) == before


def test_what_an_expired_feed_releases_can_be_had_and_its_news_not(
    published: Published, tmp_path: Path
) -> None:
    with serving(published) as address:
        published.seeds = (f"{address}/seed/",)
        published.publish()
        mirror = mirror_in(tmp_path / "mirror")
        follow(mirror, f"{address}/releases/feed.json")
        remembered = (mirror / "following.json").read_bytes()
        victim = next(root for root, data in held(mirror).items() if len(data) == 40)
        published.origin = published.origin.next()
        buried = {**tombstone(1, 40), "root": victim}
        published.publish(expires=(NOW - timedelta(days=1)).isoformat(), tombstones=[buried])
        found = follow(mirror, f"{address}/releases/feed.json", accept_expired=True)
        assert (found["expired"], found["tombstones"], found["objects"]) == (True, 0, len(SIZES))
        assert (mirror / "following.json").read_bytes() == remembered
        late = mirror_in(tmp_path / "late")
        found = follow(late, f"{address}/releases/feed.json", accept_expired=True)
        # What even an old feed withdraws is not fetched any more.
        assert (found["objects"], found["withheld"]) == (len(SIZES) - 1, 1)


def test_a_feed_that_withdraws_much_waits_for_the_operator(
    published: Published, tmp_path: Path
) -> None:
    with serving(published) as address:
        published.seeds = (f"{address}/seed/",)
        published.publish()
        mirror = mirror_in(tmp_path / "mirror")
        follow(mirror, f"{address}/releases/feed.json")
        published.origin = published.origin.next()
        buried = [{**tombstone(1, len(data)), "root": root} for root, data in held(mirror).items()]
        published.publish(tombstones=buried[:3])
        with pytest.raises(FeedError, match=r"withdraws 3 of the 7 objects here at once"):
            follow(mirror, f"{address}/releases/feed.json")
        found = follow(mirror, f"{address}/releases/feed.json", accept_withdrawals=True)
        assert found["tombstones"] == 3


# --- torrents, manifests, documents --------------------------------------------------------------


def renamed(old: bytes, new: bytes) -> Callable[[Tree, Tree], None]:
    """A component of a path under another name, in both views."""

    def change(_: Tree, info: Tree) -> None:
        for file in info[b"files"]:
            file[b"path"] = [new if part == old else part for part in file[b"path"]]
        _rename(info[b"file tree"], old, new)

    return change


def _rename(tree: Tree, old: bytes, new: bytes) -> None:
    for key in list(tree):
        if isinstance(tree[key], dict) and key:
            _rename(tree[key], old, new)
        if key == old:
            tree[new] = tree.pop(key)


def linked(_: Tree, info: Tree) -> None:
    info[b"files"][0][b"attr"] = b"l"
    info[b"files"][0][b"symlink path"] = [b"..", b"x"]


def disagreeing(_: Tree, info: Tree) -> None:
    plain = next(file for file in info[b"files"] if b"attr" not in file)
    plain[b"path"][-1] = b"another.ogg"


def without_layers(whole: Tree, _: Tree) -> None:
    whole[b"piece layers"] = {}


def misnamed(_: Tree, info: Tree) -> None:
    info[b"name"] = b".."


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (renamed(b"Somebody", b".."), "has the name '..', which is none"),
        (renamed(b"Somebody", b"/etc"), "has the name '/etc', which is none"),
        (renamed(b"Somebody", b"a\\b"), "which is none"),
        (renamed(b"Somebody", b"CON"), "is no name that every file system takes"),
        (renamed(b"Somebody", b"dot."), "is no name that every file system takes"),
        (renamed(b"Somebody", b"n" * 300), "has a name of 300 bytes"),
        (renamed(b"03 T2.ogg", b"02 t1.ogg"), "differs from another path by capitals or accents"),
        (linked, "is a symbolic link"),
        (disagreeing, "other files in its v1 half"),
        (without_layers, "piece layer"),
        (misnamed, "has the name '..', which is none"),
    ],
)
def test_a_torrent_that_would_do_harm_is_refused(
    published: Published, tmp_path: Path, change: Callable[[Tree, Tree], None], why: str
) -> None:
    published.spoil(change)
    published.publish()
    refuses(published, tmp_path, why, len(SIZES))


def refuses(published: Published, tmp_path: Path, why: str, missing: int) -> None:
    mirror = mirror_in(tmp_path / "mirror")
    around = surroundings(tmp_path, mirror)
    found = follow(mirror, published.world.releases / "feed.json")
    assert any(why in told for _, told in found["refused"]), found["refused"]
    assert (found["missing"], found["objects"]) == (missing, 0)
    assert surroundings(tmp_path, mirror) == around
    assert held(mirror) == {}
    assert not list(mirror.rglob("*.torrent"))


def test_a_torrent_that_is_not_the_feeds_is_refused(published: Published, tmp_path: Path) -> None:
    published.publish()
    data = published.torrent.read_bytes()
    published.torrent.write_bytes(data.replace(b"T1.ogg", b"T9.ogg"))
    refuses(published, tmp_path, "has other info-hashes than the feed names", len(SIZES))


def other_root(text: str) -> str:
    head, _, tail = text.partition('"root":"')
    return f'{head}"root":"{"0" * 63}1{tail[64:]}'


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("manifest.jsonl", other_root, "is of another file"),
        ("manifest.jsonl", lambda text: text + text.splitlines()[0] + "\n", "has more files"),
        ("manifest.jsonl", lambda text: text.partition("\n")[2], "has fewer files"),
        ("manifest.jsonl", lambda text: text + "[" * 100_000, "has a line that is none"),
        ("manifest.jsonl", lambda text: text + "x" * 100_000, "has a line that is none"),
        ("manifest.jsonl", lambda text: text.replace("-v0001", "-v0002"), "names a volume that"),
        ("manifest.jsonl", lambda text: text.replace("T1.ogg", "../T1.ogg"), "than the torrent"),
        ("release.json", lambda text: text.replace("s1-0001", "s1-0002"), "of another release"),
        ("release.json", lambda _: "{}", "is no document of a release"),
        ("release.json", lambda _: "[" * 9_999, "is no document of a release"),
    ],
)
def test_what_does_not_fit_the_torrent_is_refused(
    published: Published, tmp_path: Path, name: str, change: Callable[[str], str], why: str
) -> None:
    published.rewrite(name, change)
    published.publish()
    refuses(published, tmp_path, why, len(SIZES))


def test_members_that_are_no_table_are_refused(published: Published, tmp_path: Path) -> None:
    path = published.world.releases / published.release.name / "members.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    published.publish()
    refuses(published, tmp_path, "members.parquet: cannot be read", len(SIZES))


def test_a_file_that_is_not_what_the_feed_signed_is_refused(
    published: Published, tmp_path: Path
) -> None:
    published.publish()
    published.rewrite("manifest.jsonl", lambda text: text.replace("Song", "Sung", 1) + " ")
    refuses(published, tmp_path, "is not the file that the feed names", len(SIZES))


def test_what_the_gate_does_not_let_through_is_not_fetched(
    published: Published, tmp_path: Path
) -> None:
    closed = "http://rightsstatements.org/vocab/InC/1.0/"

    def change(text: str) -> str:
        first, _, rest = text.partition("\n")
        return (
            first.replace("https://creativecommons.org/publicdomain/zero/1.0/", closed)
            + "\n"
            + rest
        )

    published.rewrite("manifest.jsonl", change)
    with serving(published) as address:
        published.seeds = (f"{address}/seed/",)
        published.publish()
        mirror = mirror_in(tmp_path / "mirror")
        found = follow(mirror, f"{address}/releases/feed.json")
    assert (found["objects"], found["withheld"], found["missing"]) == (len(SIZES) - 1, 1, 0)
    assert "describes an item; it licenses nothing" in found["refused"][0][1]


# --- web seeds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [lying, endless, circling, absent, dripping])
def test_a_bad_web_seed_is_left_for_a_good_one(
    published: Published, tmp_path: Path, answer: Answer
) -> None:
    with (
        serving(published, answer, host="127.0.0.2") as bad,
        serving(published, honest, host="127.0.0.3") as good,
    ):
        published.seeds = (f"{bad}/seed/",)
        published.publish()
        mirror = mirror_in(tmp_path / "mirror", f"{good}/seed/")
        found = follow(mirror, f"{bad}/releases/feed.json")
    assert (found["objects"], found["missing"]) == (len(SIZES), 0)
    contents = {len(data): data for data in published.world.contents.values()}
    assert {len(data): data for data in held(mirror).values()} == contents


@pytest.mark.long
def test_a_web_seed_that_is_away_for_a_moment_is_asked_again(
    published: Published, tmp_path: Path
) -> None:
    back = time.monotonic() + 6

    def restarting(handler: BaseHTTPRequestHandler, data: bytes) -> None:
        if time.monotonic() > back:
            return honest(handler, data)
        handler.send_response(503)
        handler.send_header("Retry-After", "3")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return None

    with serving(published, restarting) as address:
        published.seeds = (f"{address}/seed/",)
        published.publish()
        mirror = mirror_in(tmp_path / "mirror", patience=120)  # libtorrent waits for 30 s
        found = follow(mirror, f"{address}/releases/feed.json")
    assert (found["objects"], found["missing"]) == (len(SIZES), 0)


@pytest.mark.parametrize("answer", [lying, endless, circling, absent, dripping])
def test_a_bad_web_seed_alone_costs_bounded_time_memory_and_disk(
    published: Published, tmp_path: Path, answer: Answer
) -> None:
    with serving(published, answer, host="127.0.0.2") as bad:
        published.seeds = (f"{bad}/seed/",)
        published.publish()
        mirror = mirror_in(tmp_path / "mirror", patience=3)
        words = ["mirror", f"{bad}/releases/feed.json", str(mirror), "--json"]
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, *words], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1, done.stderr
    assert "no source gave anything for 3 s" in done.stdout
    if answer is lying:
        assert "a piece that came was not what it should be" in done.stdout
    if answer is absent:
        assert "url seed" in done.stdout
    # The file without bytes needs no source.
    assert sorted(len(data) for data in held(mirror).values()) == [0]
    size = sum(path.stat().st_blocks * 512 for path in mirror.rglob("*") if path.is_file())
    assert size < 4 * sum(SIZES) + 2**21
    assert int(done.stderr.split()[-1]) * 1024 < 700 * 2**20


# --- the feed's own server -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (endless, r"is longer than 8,192 bytes"),
        (circling, "redirects more than 5 times"),
        (absent, "answers 404"),
        (dripping, "takes longer than 2 s"),
    ],
)
def test_a_server_that_does_not_end_is_left(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, why: str
) -> None:
    monkeypatch.setattr(fetching, "PATIENCE_SECONDS", 1.0)
    published.publish()
    only = "/releases/feed.json.minisig"
    with serving(published, answer, only=only) as address, pytest.raises(ReleaseError, match=why):
        follow(tmp_path / "mirror", f"{address}/releases/feed.json")
    assert not (tmp_path / "mirror").exists()


def test_a_redirection_to_another_host_is_not_followed(
    published: Published, tmp_path: Path
) -> None:
    def elsewhere(handler: Any, data: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://169.254.169.254/latest/meta-data/")
        handler.end_headers()

    published.publish()
    why = r"redirects to another host, 169\.254"
    with (
        serving(published, elsewhere, only="/releases/feed") as address,
        pytest.raises(ReleaseError, match=why),
    ):
        follow(tmp_path / "mirror", f"{address}/releases/feed.json")


@pytest.mark.parametrize(
    "feed", ["ftp://x/feed.json", "http://", "http://u:p@x/feed.json", "file:///x"]
)
def test_what_is_no_address_of_a_feed_is_told(tmp_path: Path, feed: str) -> None:
    with pytest.raises(LongplayError, match="address"):
        follow(tmp_path / "mirror", feed)
    assert not (tmp_path / "mirror").exists()


@pytest.mark.parametrize(
    ("address", "named", "asked"),
    [
        ("http://example.org/seed/", "https://music.example/feed.json", True),
        ("udp://tracker.example.org:80/announce", "https://music.example/feed.json", True),
        ("http://127.0.0.1/seed/", "https://music.example/feed.json", False),
        ("http://127.0.0.1:1/seed/", "http://127.0.0.1:8440/feed.json", True),
        ("http://169.254.169.254/", "https://music.example/feed.json", False),
        ("http://10.0.0.1/", "/media/disk/feed.json", False),
        ("http://[::1]/", "https://music.example/feed.json", False),
        ("http://[::ffff:127.0.0.1]/", "https://music.example/feed.json", False),
        ("http://localhost:6379/", "https://music.example/feed.json", False),
        ("http://printer.local/", "https://music.example/feed.json", False),
        ("http://intranet/", "https://music.example/feed.json", False),
        ("http://2130706433/", "https://music.example/feed.json", False),
        ("http://0x7f.1/", "https://music.example/feed.json", False),
        ("http://me:secret@example.org/", "https://music.example/feed.json", False),
        ("file:///etc/passwd", "https://music.example/feed.json", False),
        ("http://exa mple/", "https://music.example/feed.json", False),
    ],
)
def test_a_feed_does_not_reach_into_the_mirrors_own_network(
    address: str, named: str, asked: bool
) -> None:
    assert fetching.may_be_asked(address, named) is asked
