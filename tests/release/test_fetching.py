"""Addresses that a feed names: in which disguises one leads into somebody's own network."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from longplay.release import fetching
from longplay.web import manners

FEED = "https://music.example/releases/feed.json"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0x1",
        "127.0x1",
        "0x7f000001",
        "127.1",
        "public.example.0x",
        "224.0.0.1",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "[::ffff:7f00:1]",
        "a.localhost.",
    ],
)
def test_an_address_in_disguise_is_not_asked(host: str) -> None:
    assert not fetching.may_be_asked(f"http://{host}:8080/seed/", FEED)
    assert not fetching.may_be_asked(f"udp://{host}:8080/announce", FEED)


@pytest.mark.parametrize("host", ["0x7f.example", "1.example.org", "9.9.9.9", "[2a01:4f8::1]"])
def test_a_public_one_is(host: str) -> None:
    assert fetching.may_be_asked(f"https://{host}/seed/", FEED)


def test_who_asks_for_a_feed_says_so() -> None:
    agents = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            agents.append(self.headers["User-Agent"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        origin = fetching.opened(f"http://127.0.0.1:{server.server_address[1]}/feed.json")
        assert isinstance(origin, fetching.Web)
        with origin:
            assert fetching.read(origin, "feed.json", 100) == b""
        thread.join()
    assert agents == [manners.user_agent()]
