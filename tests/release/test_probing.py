"""A web seed is asked for one piece; whatever it does, that is told in one line and in time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from longplay.errors import TorrentError
from longplay.release import probing
from longplay.release.probing import Finding, Piece, Prober, choose
from longplay.torrent import metainfo
from longplay.torrent.metainfo import File
from tests.release.making import PIECE, World, cut

SIZES = (3 * PIECE + 7, PIECE, 5)


class Asked(BaseHTTPRequestHandler):
    """Answers from `files` as a good seed does; tests replace `give`."""

    files: dict[str, bytes]
    give: Callable[[Asked, bytes, int, int], None] | None = None
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        data = self.files.get(unquote(self.path))
        self.send_response(200 if data is not None else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()

    def do_GET(self) -> None:
        data = self.files[unquote(self.path)]
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        if type(self).give is not None:
            type(self).give(self, data, first, last)
            return
        self.part(data, first, last, data[first : last + 1])

    def part(self, data: bytes, first: int, last: int, body: bytes) -> None:
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def seed(files: dict[str, bytes], **how: object) -> Iterator[str]:
    kind = type("Handler", (Asked,), {"files": files, **how})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/seed/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def released(tmp_path: Path) -> tuple[metainfo.Torrent, dict[str, bytes]]:
    world = World(tmp_path)
    world.add(*SIZES, title="Söng & Co")
    release = cut(world.request(sorted(world.contents)), world.releases)
    assert release is not None
    torrent = metainfo.parse((world.releases / release.music[0].torrent).read_bytes())
    by_root = {found.root: world.contents[number] for number, found in world.hashes.items()}
    files = {
        f"/seed/{torrent.name}/{'/'.join(file.path)}": by_root[file.root] for file in torrent.files
    }
    return torrent, files


def piece_of(torrent: metainfo.Torrent, size: int = SIZES[0], index: int = 2) -> Piece:
    file = next(file for file in torrent.files if file.size == size)
    return choose(torrent.name, file, torrent.piece_length, lambda most: min(index, most - 1))


def asked(address: str, piece: Piece) -> Finding:
    with Prober(address) as prober:
        return prober.ask(piece)


Released = tuple[metainfo.Torrent, dict[str, bytes]]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_what_a_good_seed_gives_is_proved(released: Released, size: int, index: int) -> None:
    torrent, files = released
    with seed(files) as address:
        assert asked(address, piece_of(torrent, size, index)) == Finding("good")
        assert asked(address.rstrip("/"), piece_of(torrent, size, index)) == Finding("good")


def lies(handler: Asked, data: bytes, first: int, last: int) -> None:
    body = bytearray(data[first : last + 1])
    body[-1] ^= 1
    handler.part(data, first, last, bytes(body))


def other_range(handler: Asked, data: bytes, first: int, last: int) -> None:
    handler.part(data, 0, last - first, data[: last - first + 1])


def short(handler: Asked, data: bytes, first: int, last: int) -> None:
    handler.part(data, first, last, data[first:last])


def broken_off(handler: Asked, data: bytes, first: int, last: int) -> None:
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
    handler.send_header("Content-Length", str(last - first + 1))
    handler.end_headers()
    handler.wfile.write(data[first : first + 9])
    handler.close_connection = True


def endless(handler: Asked, data: bytes, first: int, last: int) -> None:
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
    handler.send_header("Connection", "close")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(data)
    except OSError:
        handler.close_connection = True


def whole(handler: Asked, data: bytes, first: int, last: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def elsewhere(handler: Asked, data: bytes, first: int, last: int) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:1/other")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def failing(handler: Asked, data: bytes, first: int, last: int) -> None:
    handler.send_error(503)


@pytest.mark.parametrize(
    ("give", "verdict", "words"),
    [
        (lies, "wrong", "piece 2 is not what the torrent says"),
        (other_range, "wrong", "answers with another range: 'bytes 0-32767/98311'"),
        (short, "wrong", "gives 32767 bytes where 32768 were asked for"),
        (broken_off, "silent", "peer closed connection without sending complete message body"),
        (endless, "wrong", "gives more than the 32768 bytes asked for"),
        (whole, "silent", "serves no ranges: it answers with the whole file"),
        (elsewhere, "silent", "redirects to 'http://127.0.0.1:1/other': name the address that"),
        (failing, "silent", "answers 503 Service Unavailable"),
    ],
)
def test_what_a_bad_seed_does_is_told(
    released: Released, give: Callable[..., None], verdict: str, words: str
) -> None:
    torrent, files = released
    with seed(files, give=give) as address:
        found = asked(address, piece_of(torrent))
    assert found.verdict == verdict
    assert words in found.why


def test_a_file_that_it_does_not_have_or_has_in_another_size(released: Released) -> None:
    torrent, files = released
    with seed({}) as address:
        assert asked(address, piece_of(torrent)) == Finding("silent", "answers 404 Not Found")
    with seed({path: data + b"x" for path, data in files.items()}) as address:
        found = asked(address, piece_of(torrent))
    assert found == Finding("wrong", "says the file has 98312 bytes, not 98311")


def test_nobody_is_there(released: Released) -> None:
    torrent, _ = released
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        assert asked(address, piece_of(torrent)).verdict == "silent"
    assert asked("ftp://127.0.0.1/", piece_of(torrent)).verdict == "silent"
    assert asked("http://[", piece_of(torrent)).verdict == "silent"


def test_a_seed_that_says_nothing_is_not_waited_for(
    released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "CONTACT_SECONDS", 0.2)
    torrent, files = released

    def silent(*_: object) -> None:
        time.sleep(1)

    with seed(files, give=silent) as address:
        assert asked(address, piece_of(torrent)) == Finding("silent", "no answer within 0 s")


def test_a_seed_that_drips_loses_its_connection_and_the_next_piece_is_asked_for(
    released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "ANSWER_SECONDS", 0.3)
    torrent, files = released
    dripping = threading.Event()

    def drip(handler: Asked, data: bytes, first: int, last: int) -> None:
        if dripping.is_set():
            handler.part(data, first, last, data[first : last + 1])
            return
        dripping.set()
        try:
            handler.wfile.write(b"HTTP/1.1 206 Partial Content\r\n")
            while True:
                handler.wfile.write(b"X-Drip: 1\r\n")
                time.sleep(0.05)
        except OSError:
            handler.close_connection = True

    with seed(files, give=drip) as address, Prober(address) as prober:
        found = prober.ask(piece_of(torrent))
        assert found == Finding("silent", "gave no whole answer within 0 s")
        monkeypatch.setattr(probing, "ANSWER_SECONDS", 30.0)
        assert prober.ask(piece_of(torrent)) == Finding("good")


def test_a_file_without_bytes_proves_nothing() -> None:
    with pytest.raises(TorrentError, match="no bytes to prove"):
        choose("t", File(("a",), 0), PIECE, lambda _: 0)
