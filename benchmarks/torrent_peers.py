"""Making a torrent of real files: by programs that read them, and from hashes stored before.

What: the same folder of real music (some 56 MB, from memory: the page cache is warm), pieces of
256 KiB. The others read and hash; Longplay assembles what capture stored, and its hashing (one pass
for SHA-256, BEP 52 leaves and v1 pieces, while a file is captured) is measured beside it, in one
process. Best of three. Padding is what each adds to the v1 view.

    python -m benchmarks.torrent_peers FOLDER     (with the extra `bench`; mktorrent from Debian)
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import libtorrent as lt

from longplay.model import ObjectHashes
from longplay.torrent import hybrid, metainfo, v2
from longplay.torrent.merkle import ObjectHasher

PIECE = 256 * 1024
ROUNDS = 3

Make = Callable[[Path, Path], bytes]
"""Makes a torrent of a folder, with a scratch folder beside it; the bytes of the .torrent."""


def files_of(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(found, key=lambda path: v2.tree_key(str(path.relative_to(folder)).encode()))


def hash_all(folder: Path) -> list[ObjectHashes]:
    found = []
    for path in files_of(folder):
        hasher = ObjectHasher(PIECE)
        with path.open("rb") as source:
            while data := source.read(2**20):
                hasher.update(data)
        found.append(hasher.finish())
    return found


def assembled(folder: Path, hashes: Sequence[ObjectHashes]) -> bytes:
    """From hashes that are there already."""
    files = hybrid.Files(
        paths=[str(path.relative_to(folder)).encode() for path in files_of(folder)],
        sizes=[one.size for one in hashes],
        roots=[one.root for one in hashes],
        piece_layers=memoryview(b"".join(one.piece_layer for one in hashes)),
        v1_pieces=memoryview(b"".join(one.v1_pieces for one in hashes)),
        v1_last_bare=hashes[-1].v1_last_bare,
    )
    return hybrid.assemble(folder.name, PIECE, files).data


def mktorrent(threads: int) -> Make:
    def make(folder: Path, scratch: Path) -> bytes:
        target = scratch / f"{time.perf_counter_ns()}.torrent"
        command = ["mktorrent", "-l", "18", "-t", str(threads), "-o", str(target), str(folder)]
        subprocess.run(command, check=True, capture_output=True)
        return target.read_bytes()

    return make


def torf(folder: Path, scratch: Path) -> bytes:
    from torf import Torrent

    torrent = Torrent(folder, piece_size=PIECE)
    torrent.generate(threads=2)
    return bytes(torrent.dump())


def torrent_models(version: str) -> Make:
    def make(folder: Path, scratch: Path) -> bytes:
        from torrent_models import TorrentCreate

        made = TorrentCreate(path_root=folder, piece_length=PIECE, info={"name": folder.name})
        return bytes(made.generate(version=version, n_processes=2).bencode())

    return make


def libtorrent(flags: int) -> Make:
    def make(folder: Path, scratch: Path) -> bytes:
        files = lt.list_files(str(folder))
        torrent = lt.create_torrent(files, PIECE, flags)
        lt.set_piece_hashes(torrent, str(folder.parent))
        return bytes(lt.bencode(torrent.generate()))

    return make


def peers() -> Iterator[tuple[str, Make]]:
    if shutil.which("mktorrent"):
        yield "mktorrent, v1, 2 threads", mktorrent(2)
    if importlib.util.find_spec("torf"):
        yield "torf, v1, 2 threads", torf
    if importlib.util.find_spec("torrent_models"):
        yield "torrent-models, v1, 2 processes", torrent_models("v1")
        yield "torrent-models, hybrid, 2 processes", torrent_models("hybrid")
    yield "libtorrent, v1", libtorrent(lt.create_torrent.v1_only)
    yield "libtorrent, hybrid", libtorrent(0)


def best(make: Callable[[], bytes]) -> tuple[float, bytes]:
    seconds, data = float("inf"), b""
    for _ in range(ROUNDS):
        start = time.perf_counter()
        data = make()
        seconds = min(seconds, time.perf_counter() - start)
    return seconds, data


def padding_of(data: bytes, total: int) -> str:
    padding = metainfo.parse(data).padding
    return f"{padding / (total + padding):6.2%}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder.resolve()
    total = sum(path.stat().st_size for path in files_of(folder))
    hashes = hash_all(folder)
    ours, data = best(lambda: assembled(folder, hashes))
    start = time.perf_counter()
    hash_all(folder)
    hashing = time.perf_counter() - start
    print(f"{len(hashes)} files, {total / 1e6:.1f} MB; .torrent {len(data):,} bytes")
    stored = "Longplay, hybrid, from stored hashes"
    print(f"{stored:<40} {1000 * ours:8.2f} ms  {padding_of(data, total)}")
    print(f"{'  its hashing, done at capture, 1 process':<40} {1000 * hashing:8.0f} ms")
    with tempfile.TemporaryDirectory() as scratch:
        for name, make in peers():
            seconds, made = best(lambda make=make: make(folder, Path(scratch)))  # type: ignore[misc]
            print(
                f"{name:<40} {1000 * seconds:8.0f} ms  {padding_of(made, total)}"
                f"  {seconds / ours:8,.0f} x  {total / seconds / 1e6:6,.0f} MB/s"
            )


if __name__ == "__main__":
    main()
