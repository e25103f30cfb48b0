"""Files from a real web server (nginx) with its own limits of requests, connections and speed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from longplay.capture.sources import Wanted
from longplay.capture.sources.polite import PoliteClient
from longplay.errors import SourceError, UnavailableError
from longplay.settings import Politeness

pytestmark = pytest.mark.real

SONG = b"fLaC" + os.urandom(3_000_000)

CONF = """
daemon off; master_process off; pid {folder}/pid; error_log stderr notice; worker_rlimit_nofile 256;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log combined;
    default_type application/octet-stream;
    types {{ audio/flac flac; text/html html; }}
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    limit_req_zone $server_port zone=requests:1m rate=600r/m;
    limit_conn_zone $server_port zone=connections:1m;
    limit_req_status 429;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/www;
        location /often/ {{ alias {folder}/www/; limit_req zone=requests; }}
        location /few/ {{ alias {folder}/www/; limit_conn connections 1; limit_rate 100k; }}
        location /slow/ {{ alias {folder}/www/; limit_rate 100k; }}
        location /moved/ {{ return 301 /a.flac; }}
        location /page/ {{ try_files /none /sorry.html; }}
        location /later/ {{ add_header Retry-After 3600 always; return 503; }}
    }}
}}
"""


@dataclass
class Nginx:
    """nginx, which can be stopped and started again on the same port."""

    program: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [self.program, "-p", str(self.folder), "-c", str(self.folder / "conf")]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for _ in range(500):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            time.sleep(0.02)
        raise AssertionError("nginx does not start")

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def log(self) -> list[tuple[str, int, int]]:
        """Path, status and bytes of each request."""
        lines = (self.folder / "access.log").read_text().splitlines()
        found = [re.search(r'"GET (\S+) HTTP/1.1" (\d+) (\d+) "-" "Longplay/', x) for x in lines]
        assert all(found), "each request says who we are"
        return [(x[1], int(x[2]), int(x[3])) for x in found if x]


@pytest.fixture
def nginx(program: Callable[[str], str], tmp_path: Path) -> Iterator[Nginx]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Nginx(program("nginx"), tmp_path, port)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.flac").write_bytes(SONG)
    (tmp_path / "www" / "sorry.html").write_text("<html>Sorry")
    (tmp_path / "www" / "robots.txt").write_text("User-agent: *\nDisallow: /secret\n")
    os.utime(tmp_path / "www" / "a.flac", (1.7e9, 1.7e9))
    (tmp_path / "conf").write_text(CONF.format(folder=tmp_path, port=port))
    tmp_path.chmod(0o755)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def client() -> Iterator[PoliteClient]:
    made = PoliteClient(Politeness(private=True, patience_seconds=20))
    yield made
    made.close()


def got(client: PoliteClient, nginx: Nginx, path: str, **more: object) -> bytes:
    wanted = Wanted((nginx.address + path).encode(), **more)  # type: ignore[arg-type]
    with client.open(wanted, sound=True) as stream:
        return b"".join(stream.chunks)


def test_a_file_comes_whole_also_by_a_redirect(nginx: Nginx, client: PoliteClient) -> None:
    with client.open(Wanted(f"{nginx.address}/moved/x".encode()), sound=True) as stream:
        assert (stream.size, stream.mtime_ns) == (len(SONG), 1_700_000_000 * 10**9)
        assert stream.version.startswith('"')
        assert b"".join(stream.chunks) == SONG


def test_a_transfer_that_is_cut_goes_on_and_brings_no_byte_twice(
    nginx: Nginx, client: PoliteClient
) -> None:
    wanted = Wanted(f"{nginx.address}/slow/a.flac".encode())
    have, version = bytearray(), ""
    with client.open(wanted, sound=True) as stream, pytest.raises(UnavailableError) as told:
        version = stream.version
        for chunk in stream.chunks:
            have += chunk
            if len(have) > 100_000 and nginx.process and nginx.process.returncode is None:
                nginx.stop()
    assert "broke off after" in str(told.value)
    assert 100_000 < len(have) < len(SONG)
    nginx.start()

    again = Wanted(f"{nginx.address}/a.flac".encode(), version=version, start=len(have))
    with client.open(again, sound=True) as stream:
        assert stream.start == len(have)
        have += b"".join(stream.chunks)
    assert bytes(have) == SONG
    path, status, sent = nginx.log()[-1]
    assert (path, status, sent) == ("/a.flac", 206, len(SONG) - stream.start)


def test_a_file_that_changed_in_between_comes_anew(nginx: Nginx, client: PoliteClient) -> None:
    with client.open(Wanted(f"{nginx.address}/a.flac".encode()), sound=True) as stream:
        version = stream.version
    os.utime(nginx.folder / "www" / "a.flac", (1.7e9 + 60, 1.7e9 + 60))
    wanted = Wanted(f"{nginx.address}/a.flac".encode(), version=version, start=1000)
    with client.open(wanted, sound=True) as stream:
        assert stream.start == 0
        assert stream.version != version
        assert b"".join(stream.chunks) == SONG


def test_what_is_here_whole_is_not_sent_again(nginx: Nginx, client: PoliteClient) -> None:
    with client.open(Wanted(f"{nginx.address}/a.flac".encode()), sound=True) as stream:
        version = stream.version
    assert got(client, nginx, "/a.flac", version=version, start=len(SONG)) == b""
    assert nginx.log()[-1][1] == 416


def test_a_limit_of_requests_is_met_with_pauses(nginx: Nginx, client: PoliteClient) -> None:
    for _ in range(3):
        assert got(client, nginx, "/often/a.flac") == SONG
    statuses = [status for path, status, _ in nginx.log() if path == "/often/a.flac"]
    assert statuses.count(200) == 3
    assert set(statuses) <= {200, 429}


def test_a_limit_of_connections_puts_off_the_second(nginx: Nginx) -> None:
    waits: list[float] = []
    manners = Politeness(private=True, robots=False, per_second=1e9)
    client = PoliteClient(manners, pause=waits.append)
    wanted = Wanted(f"{nginx.address}/few/a.flac".encode())
    with client.open(wanted, sound=True) as stream:
        first = next(stream.chunks)
        with pytest.raises(UnavailableError, match="answers 503"):
            got(client, nginx, "/few/a.flac")
        assert len(waits) == 4
    client.close()
    assert first == SONG[: len(first)]


def test_what_nginx_refuses(nginx: Nginx, client: PoliteClient) -> None:
    with pytest.raises(SourceError, match=r"does not have it \(404\)"):
        got(client, nginx, "/b.flac")
    with pytest.raises(SourceError, match="the host sent a web page instead of sound"):
        got(client, nginx, "/page/a.flac")
    with pytest.raises(SourceError, match="forbids it to programmes"):
        got(client, nginx, "/secret/a.flac")
    with pytest.raises(UnavailableError, match="answers 503") as told:
        got(client, nginx, "/later/a.flac")
    assert told.value.seconds == 3600
    asked = [path for path, _, _ in nginx.log()]
    assert asked.count("/robots.txt") == 1
    assert "/secret/a.flac" not in asked
