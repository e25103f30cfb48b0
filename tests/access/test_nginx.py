"""nginx in front, as docs/streaming.md has it: it sends the files, we know who asked for what."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from longplay.access import log
from tests.access.conftest import Served
from tests.access.test_repair import running
from tests.access.test_serve import free_port, wait_for

pytestmark = pytest.mark.real

DOCS = Path(__file__).parents[2] / "docs" / "streaming.md"

CONF = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    {server}
}}
"""


@contextmanager
def nginx(program: str, folder: Path, archive: Path, port: int, behind: int) -> Iterator[str]:
    """nginx with the two files that the documentation shows; answers its address."""
    server, headers = re.findall(r"```nginx\n(.*?)```", DOCS.read_text(), re.DOTALL)[:2]
    for shown, ours in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:8440", f"127.0.0.1:{behind}"),
        ("/srv/my-archive/", f"{archive}/"),
        ("longplay-headers", f"{folder}/longplay-headers"),
    ):
        assert shown in server
        server = server.replace(shown, ours)
    folder.mkdir()
    (folder / "longplay-headers").write_text(headers)
    (folder / "conf").write_text(CONF.format(folder=folder, server=server))
    command = [program, "-p", str(folder), "-c", str(folder / "conf")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_nginx_sends_what_may_be_had_and_who_breaks_off_is_not_known(
    program: Callable[[str], str], served: Served, tmp_path: Path
) -> None:
    archive = served.longplay.archive
    settings = archive / "longplay.toml"
    settings.write_text(
        f'{settings.read_text()}\n[serving]\naccel = "/internal/"\n'
        '[access]\nproxies = ["127.0.0.1"]\n'
    )
    front, behind = free_port(), free_port()
    whole, part, broken = served.manifest()[:3]
    with (
        running(served.longplay, "serve", "--port", behind),
        nginx(program("nginx"), tmp_path / "nginx", archive, front, behind) as address,
    ):
        wait_for(f"http://127.0.0.1:{behind}/.well-known/tdmrep.json")
        paths = [f"{address}/api/recordings/{one['recording']}/stream" for one in served.manifest()]
        got = httpx.get(paths[0])
        assert (got.status_code, got.content) == (200, served.stored(whole["root"]))
        assert got.headers["etag"] == f'"{whole["root"]}"'
        assert "x-accel-redirect" not in got.headers
        data = served.stored(part["root"])
        got = httpx.get(paths[1], headers={"Range": f"bytes=0-{len(data) // 2 - 1}"})
        assert (got.status_code, got.content) == (206, data[: len(data) // 2])
        with httpx.stream("GET", paths[2]) as answer:
            assert next(answer.iter_raw(100)) == served.stored(broken["root"])[:100]
        assert httpx.get(f"{address}/internal/objects/").status_code == 404
    lines = [json.loads(line) for line in (archive / log.FILE).read_text().splitlines()]
    plays = [(one["bytes"], one["part"]) for one in lines if one["track"]]
    every = "0-999999/1000000"
    asked = [(len(served.stored(one["root"])), every) for one in (whole, broken)]
    assert [one for one in plays if one[1] == every] == asked
    assert [size for size, of in plays if of != every] == [len(data) // 2]
