"""Web seeds as sources: an honest one, and every kind of bad one, over loopback."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from longplay.errors import StoreError
from longplay.model import BLOCK, ObjectKey
from longplay.vault import webseed
from longplay.vault.webseed import WebSeed
from tests.torrent.making import content

DATA = content(5 * BLOCK, 1)
KEY = ObjectKey(bytes(range(32)), len(DATA))


class Handler(BaseHTTPRequestHandler):
    """What the path's first word says is done."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Range"]))  # type: ignore[attr-defined]
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
        assert span
        first, last = int(span[1]), int(span[2])
        getattr(self, self.path.split("/")[1])(first, last)

    def head(self, status: int, *fields: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*fields, ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()

    def honest(self, first: int, last: int) -> None:
        body = DATA[first : last + 1]
        self.head(206, ("Content-Range", f"bytes {first}-{last}/{len(DATA)}"),
                  ("Content-Length", str(len(body))))  # fmt: skip
        self.wfile.write(body)

    def whole(self, _first: int, _last: int) -> None:
        self.head(200, ("Content-Length", str(len(DATA))))
        self.wfile.write(DATA)

    def shifted(self, first: int, last: int) -> None:
        self.head(206, ("Content-Range", f"bytes {first + 1}-{last + 1}/{len(DATA)}"))
        self.wfile.write(DATA[first + 1 : last + 2])

    def unsaid(self, first: int, last: int) -> None:
        self.head(206)
        self.wfile.write(DATA[first : last + 1])

    def endless(self, first: int, last: int) -> None:
        self.head(206, ("Content-Range", f"bytes {first}-{last}/{len(DATA)}"))
        sent = 0
        try:
            while sent < 10**9:
                sent += self.wfile.write(bytes(BLOCK))
        except OSError:
            self.server.sent = sent  # type: ignore[attr-defined]
            self.server.closed.set()  # type: ignore[attr-defined]

    def silent(self, first: int, last: int) -> None:
        self.head(206, ("Content-Range", f"bytes {first}-{last}/{len(DATA)}"))
        self.wfile.flush()
        self.server.released.wait(20)  # type: ignore[attr-defined]

    def drip(self, first: int, last: int) -> None:
        self.head(206, ("Content-Range", f"bytes {first}-{last}/{len(DATA)}"))
        try:
            while not self.server.released.wait(0.01):  # type: ignore[attr-defined]
                self.wfile.write(b"x")
        except OSError:
            return

    def drip_head(self, _first: int, _last: int) -> None:
        self.wfile.write(b"HTTP/1.1 206 Partial Content\r\nX-Slow: ")
        try:
            while not self.server.released.wait(0.01):  # type: ignore[attr-defined]
                self.wfile.write(b"x")
        except OSError:
            return

    def gone(self, _first: int, _last: int) -> None:
        self.head(404, ("Content-Length", "0"))

    def withheld(self, _first: int, _last: int) -> None:
        self.head(451, ("Content-Length", "0"))

    def broken(self, _first: int, _last: int) -> None:
        self.head(500, ("Content-Length", "0"))

    def circle(self, _first: int, _last: int) -> None:
        self.head(302, ("Location", self.path), ("Content-Length", "0"))

    def moved(self, _first: int, _last: int) -> None:
        self.head(302, ("Location", "/honest/a"), ("Content-Length", "0"))


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked, made.sent = [], 0  # type: ignore[attr-defined]
    made.released, made.closed = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.released.set()  # type: ignore[attr-defined]
    made.shutdown()
    made.server_close()
    thread.join()


Ask = Callable[..., WebSeed]


@pytest.fixture
def seed(server: ThreadingHTTPServer) -> Iterator[Ask]:
    made: list[WebSeed] = []

    def ask(*paths: str) -> WebSeed:
        made.append(WebSeed(f"http://127.0.0.1:{server.server_port}", lambda _key: paths))
        return made[-1]

    yield ask
    for one in made:
        one.__exit__(None, None, None)


def test_a_range_is_what_was_asked_for_and_no_more_travels(
    server: ThreadingHTTPServer, seed: Ask
) -> None:
    one = seed("honest/Ä name.ogg")
    assert one.read(KEY, BLOCK, BLOCK) == DATA[BLOCK : 2 * BLOCK]
    assert one.received == BLOCK
    assert server.asked == [("/honest/%C3%84%20name.ogg", "bytes=16384-32767")]  # type: ignore[attr-defined]


def test_what_is_not_there_is_looked_for_under_its_other_path(seed: Ask) -> None:
    assert seed("gone/a", "withheld/a", "moved/a").read(KEY, 0, 9) == DATA[:9]
    assert seed("gone/a", "withheld/a").read(KEY, 0, 9) is None
    assert seed().read(KEY, 0, 9) is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("whole", "answers 200 to a range"),
        ("broken", "answers 500 to a range"),
        ("shifted", "answers with another range than was asked for"),
        ("unsaid", "answers with another range than was asked for"),
        ("endless", "sends more than the 100 bytes asked for"),
        ("silent", "ReadTimeout"),
        ("drip", "takes more than 0 s for one answer"),
        ("drip_head", "takes more than 0 s for one answer"),
        ("circle", "TooManyRedirects"),
    ],
)
def test_a_bad_answer_is_refused_with_its_reason(
    seed: Ask, path: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webseed, "TIMEOUT", httpx.Timeout(10, read=0.3))
    if path.startswith("drip"):
        monkeypatch.setattr(webseed, "MOST_SECONDS", 0.4)
    one = seed(f"{path}/a")
    with pytest.raises(StoreError, match=words) as told:
        one.read(KEY, 0, 100)
    assert f"{path}/a" in told.value.where
    assert one.received <= 100 + 64 * 1024


def test_who_was_given_up_is_asked_again(seed: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webseed, "MOST_SECONDS", 0.4)
    one = seed("drip_head/a", "honest/a")
    with pytest.raises(StoreError):
        one.read(KEY, 0, 9)
    monkeypatch.setattr(webseed, "MOST_SECONDS", 60)
    one._locate = lambda _key: ["honest/a"]
    assert one.read(KEY, 0, 9) == DATA[:9]


def test_an_endless_answer_is_cut_off(server: ThreadingHTTPServer, seed: Ask) -> None:
    with pytest.raises(StoreError):
        seed("endless/a").read(KEY, 0, 100)
    assert server.closed.wait(20)  # type: ignore[attr-defined]
    assert server.sent < 50 * 2**20  # type: ignore[attr-defined] # what the sockets held


def test_a_server_that_is_down_is_told_in_one_line() -> None:
    with WebSeed("http://127.0.0.1:9/", lambda _key: ["a/b"]) as one:
        with pytest.raises(StoreError, match="ConnectError") as told:
            one.read(KEY, 0, 9)
        assert "\n" not in str(told.value)
    with WebSeed("no address", lambda _key: ["a"]) as one, pytest.raises(StoreError):
        one.read(KEY, 0, 9)
