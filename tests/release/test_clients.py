"""A release before the programs that others use: they accept it, check it whole and share it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import libtorrent as lt
import pytest

from longplay.release.cut import Release, Volume
from longplay.torrent import metainfo
from tests.release.making import PIECE, World, cut

SECONDS = 60
"""Longest wait for a client: minutes would mean that it never comes."""

SESSION: Any = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "allow_multiple_connections_per_ip": True,
}

Program = Callable[[str], str]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Release]:
    """A release with odd names, files around piece boundaries and an empty one."""
    world = World(tmp_path_factory.mktemp("released"))
    for number, size in enumerate([0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7, 40]):
        names = ["a b/c", "Été", "CON", ".pad", "aé" * 60, "日本", "x."]
        world.add(size, title=names[number], artists=["a", "a b"][number % 2 :])
    world.add(3 * PIECE, 7, piece_length=2 * PIECE)
    release = cut(world.request(sorted(world.contents)), world.releases)
    assert release is not None
    return world, release


def lay_out(world: World, volume: Volume, folder: Path) -> Path:
    """Put a volume's files where its torrent has them."""
    torrent = metainfo.parse((world.releases / volume.torrent).read_bytes())
    by_root = {found.root: number for number, found in world.hashes.items() if found.size}
    for file in torrent.files:
        path = folder.joinpath(torrent.name, *file.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(world.contents[by_root[file.root]] if file.size else b"")
    return folder / torrent.name


@contextmanager
def session() -> Iterator[lt.session]:
    made = lt.session(SESSION)
    yield made
    made.pause()


def wait_for(what: Callable[[], bool], why: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


def add(made: lt.session, folder: Path, torrent: bytes) -> lt.torrent_handle:
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent)
    parameters.save_path = str(folder)
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return made.add_torrent(parameters)


def is_checked(handle: lt.torrent_handle) -> bool:
    return handle.status().state in {lt.torrent_status.seeding, lt.torrent_status.finished}


def test_libtorrent_sees_the_same_files_and_hashes(released: tuple[World, Release]) -> None:
    world, release = released
    for volume in release.music:
        raw = (world.releases / volume.torrent).read_bytes()
        info = lt.torrent_info(raw)
        assert str(info.info_hashes().v1) == volume.info_hash_v1
        assert str(info.info_hashes().v2) == volume.info_hash_v2
        files = info.layout()
        pad = lt.file_storage.flag_pad_file
        plain = [n for n in range(files.num_files()) if not files.file_flags(n) & pad]
        ours = metainfo.parse(raw)
        assert [(files.file_path(n), files.file_size(n)) for n in plain] == [
            ("/".join((ours.name, *file.path)), file.size) for file in ours.files
        ]
        pads = [n for n in range(files.num_files()) if files.file_flags(n) & pad]
        assert sum(files.file_size(n) for n in pads) == volume.padding


def test_libtorrents_own_check_finds_everything_and_a_second_session_gets_it(
    released: tuple[World, Release], tmp_path: Path
) -> None:
    world, release = released
    for volume in release.music:
        raw = (world.releases / volume.torrent).read_bytes()
        there = tmp_path / "there" / volume.name
        here = lay_out(world, volume, tmp_path / "here" / volume.name)
        with session() as seeding, session() as fetching:
            seed = add(seeding, here.parent, raw)
            wait_for(lambda seed=seed: is_checked(seed), seed.status)  # type: ignore[misc]
            assert seed.status().progress == 1.0
            assert seed.status().total_wanted_done == volume.bytes
            fetch = add(fetching, there, raw)
            fetch.connect_peer(("127.0.0.1", seeding.listen_port()))
            wait_for(lambda fetch=fetch: is_checked(fetch), fetch.status)  # type: ignore[misc]
        assert tree(there / here.name) == tree(here)


def test_libtorrents_check_finds_a_flipped_bit(
    released: tuple[World, Release], tmp_path: Path
) -> None:
    world, release = released
    volume = next(one for one in release.music if one.piece_length == PIECE)
    here = lay_out(world, volume, tmp_path)
    (victim,) = (path for path in here.rglob("*") if path.is_file() and path.stat().st_size == 40)
    victim.write_bytes(bytes([victim.read_bytes()[0] ^ 1]) + victim.read_bytes()[1:])
    with session() as seeding:
        seed = add(seeding, tmp_path, (world.releases / volume.torrent).read_bytes())
        state = lt.torrent_status.downloading
        wait_for(lambda: seed.status().state == state, seed.status)
        assert seed.status().total_wanted - seed.status().total_wanted_done == 40


@pytest.mark.long
@pytest.mark.parametrize("which", ["magnet", "magnet_v2"])
def test_magnets_lead_to_the_files(
    released: tuple[World, Release], tmp_path: Path, which: str
) -> None:
    world, release = released
    volume = release.music[0]
    here = lay_out(world, volume, tmp_path / "here")
    with session() as seeding, session() as fetching:
        seed = add(seeding, here.parent, (world.releases / volume.torrent).read_bytes())
        wait_for(lambda: is_checked(seed), seed.status)
        parameters = lt.parse_magnet_uri(getattr(volume, which))
        parameters.save_path = str(tmp_path / "there")
        parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        fetch = fetching.add_torrent(parameters)
        fetch.connect_peer(("127.0.0.1", seeding.listen_port()))
        wait_for(lambda: is_checked(fetch), fetch.status)
    assert tree(tmp_path / "there" / here.name) == tree(here)


def tree(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def run(*command: str, cwd: Path) -> str:
    environment = {**os.environ, "HOME": str(cwd), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
    return done.stdout.decode(errors="replace")


@pytest.mark.real
def test_aria2_lists_the_files_and_finds_them_whole(
    released: tuple[World, Release], program: Program, tmp_path: Path
) -> None:
    """Up to 1.36 aria2 drops the empty keys of the v2 tree when it computes the v1 info-hash
    (https://github.com/aria2/aria2/pull/1905), so the info-hash is not compared."""
    aria2c = program("aria2c")
    world, release = released
    for volume in release.music:
        torrent = world.releases / volume.torrent
        listed = run(aria2c, "-S", str(torrent), cwd=tmp_path)
        for file in metainfo.parse(torrent.read_bytes()).files:
            assert "/".join(file.path) in listed
        here = lay_out(world, volume, tmp_path)
        lay_out_padding(torrent.read_bytes(), tmp_path)
        before = tree(here)
        options = ["-V", "--bt-hash-check-seed=false", "--hash-check-only=true"]
        quiet = ["--enable-dht=false", "--bt-enable-lpd=false", "--bt-stop-timeout=5"]
        out = run(aria2c, *options, *quiet, "-d", str(tmp_path), str(torrent), cwd=tmp_path)
        assert "Verification finished successfully" in out
        assert tree(here) == before


def lay_out_padding(torrent: bytes, folder: Path) -> None:
    """To aria2 padding is files like others: it asks for them to be there."""
    files = lt.torrent_info(torrent).layout()
    for number in range(files.num_files()):
        if files.file_flags(number) & lt.file_storage.flag_pad_file:
            pad = folder / files.file_path(number)
            pad.parent.mkdir(parents=True, exist_ok=True)
            pad.write_bytes(bytes(files.file_size(number)))


@pytest.mark.real
def test_qbittorrent_finds_the_files_whole(
    released: tuple[World, Release], program: Program, tmp_path: Path
) -> None:
    world, release = released
    places = {}
    for volume in release.music:
        lay_out(world, volume, tmp_path / "here")
        places[volume.info_hash_v1] = str(world.releases / volume.torrent)
    with qbittorrent(program("qbittorrent-nox"), tmp_path, list(places.values())) as ask:
        wait_for(
            lambda: len(ask()) == len(places) and all(one["progress"] == 1 for one in ask()), ask
        )
        found = {one["infohash_v1"]: one["infohash_v2"] for one in ask()}
    assert found == {volume.info_hash_v1: volume.info_hash_v2 for volume in release.music}


@contextmanager
def qbittorrent(
    program: str, folder: Path, torrents: list[str]
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Run qBittorrent on these torrents, with the files in `here`; gives what it says of them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = folder / "profile" / "qBittorrent" / "config" / "qBittorrent.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(QBITTORRENT)
    command = [program, f"--profile={folder / 'profile'}", f"--webui-port={port}"]
    command += [f"--save-path={folder / 'here'}", "--skip-dialog=true", *torrents]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask() -> list[dict[str, Any]]:
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/v2/torrents/info") as answer:
                found: list[dict[str, Any]] = json.load(answer)
                return found
        except OSError:
            assert running.poll() is None, "qBittorrent ended"
            return []

    try:
        yield ask
    finally:
        running.terminate()
        running.wait(SECONDS)


QBITTORRENT = """
[LegalNotice]
Accepted=true
[Preferences]
WebUI\\Address=127.0.0.1
WebUI\\LocalHostAuth=false
[BitTorrent]
Session\\InterfaceAddress=127.0.0.1
Session\\DHTEnabled=false
Session\\LSDEnabled=false
Session\\PeXEnabled=false
[Network]
PortForwardingEnabled=false
"""


@pytest.mark.long
@pytest.mark.real
def test_real_audio_is_shared_whole(data: Path, tmp_path: Path) -> None:
    world = World(tmp_path)
    songs = sorted(path for path in (data / "audio").iterdir() if path.is_file())[:30]
    assert songs
    seen = set()
    for path in songs:
        raw = path.read_bytes()
        if raw not in seen:
            seen.add(raw)
            world.hold(raw, title=path.stem, piece_length=256 * 1024)
    release = cut(world.request(sorted(world.contents)), world.releases)
    assert release is not None
    (volume,) = release.music
    here = lay_out(world, volume, tmp_path / "here")
    with session() as seeding:
        raw = (world.releases / volume.torrent).read_bytes()
        seed = add(seeding, here.parent, raw)
        wait_for(lambda: is_checked(seed), seed.status)
        assert seed.status().progress == 1.0
