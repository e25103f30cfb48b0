"""A real S3 server for tests: Swift with its S3 layer, from Debian's packages, on loopback.

One machine, one disk, one copy: an account, a container and an object server, and the proxy that
speaks S3. Everything is in one folder and ends with the test run.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

PROGRAMS = (
    "memcached swift-account-server swift-container-server swift-object-server"
    " swift-proxy-server swift-ring-builder"
).split()

STORAGE = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/disks
mount_check = false
disable_fallocate = true
log_address = /dev/null
log_level = WARNING

[pipeline:main]
pipeline = {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}
recon_cache_path = {folder}/recon
"""

PROXY = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
log_address = /dev/null
log_level = WARNING

[pipeline:main]
pipeline = catch_errors cache listing_formats bulk s3api tempauth {filters} proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memory}

[filter:s3api]
use = egg:swift#s3api
location = {region}

[filter:tempauth]
use = egg:swift#tempauth
user_music_archive = {secret} .admin

[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
"""

PLAIN_FILTERS = ("catch_errors", "listing_formats", "bulk", "copy", "slo", "dlo", "symlink")
"""Filters of the proxy that have no settings."""


@dataclass(frozen=True, slots=True)
class Swift:
    """A running server: where it listens, and how one logs in to it."""

    port: int
    access_key: str = "music:archive"
    secret: str = "loopback-only"
    region: str = "us-east-1"

    @property
    def endpoint(self) -> str:
        """The address of its S3 layer."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """What the environment of a program has that shall use it, perhaps by way of a proxy."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": self.region,
        }

    def make_bucket(self, name: str) -> None:
        """Make a bucket, by Swift's own protocol."""
        login = {"X-Auth-User": self.access_key, "X-Auth-Key": self.secret}
        with httpx.Client(trust_env=False) as client:
            found = client.get(f"{self.endpoint}/auth/v1.0", headers=login)
            found.raise_for_status()
            token = {"X-Auth-Token": found.headers["X-Auth-Token"]}
            client.put(f"{found.headers['X-Storage-Url']}/{name}", headers=token).raise_for_status()


@contextmanager
def running() -> Iterator[Swift]:
    """A server of our own; the test is skipped where its programs are not installed."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or not Path("/etc/swift/swift.conf").is_file():
        pytest.skip("swift is not installed: `make system-packages`")
    folder = Path(tempfile.mkdtemp(prefix="longplay-swift-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        ports = _free_ports(5)
        server = Swift(ports[0])
        _configure(folder, ports, server)
        memory = ["memcached", "-l", "127.0.0.1", "-p", str(ports[4]), "-m", "64", "-U", "0"]
        stack.enter_context(_process([*memory, "-u", "root"], folder / "memcached.log"))
        for kind in ("account", "container", "object", "proxy"):
            command = [f"swift-{kind}-server", str(folder / f"{kind}.conf")]
            stack.enter_context(_process(command, folder / f"{kind}.log"))
        for port in ports:
            _wait_for(port, folder)
        yield server


def _configure(folder: Path, ports: list[int], server: Swift) -> None:
    facts = {"folder": folder, "user": "root" if os.getuid() == 0 else os.environ.get("USER", "")}
    (folder / "disks" / "one").mkdir(parents=True)
    (folder / "recon").mkdir()
    for kind, port in zip(("account", "container", "object"), ports[1:4], strict=True):
        text = STORAGE.format(kind=kind, port=port, **facts)
        (folder / f"{kind}.conf").write_text(text)
        ring = str(folder / f"{kind}.builder")
        for step in (
            ["create", "2", "1", "0"],  # 4 partitions, 1 copy
            ["add", f"r1z1-127.0.0.1:{port}/one", "1"],
            ["rebalance", "--seed", "1"],
        ):
            done = subprocess.run(
                ["swift-ring-builder", ring, *step], capture_output=True, check=False
            )
            assert done.returncode in {0, 1}, done.stdout  # 1 is a warning
    text = PROXY.format(
        filters="copy slo dlo versioned_writes symlink",
        port=ports[0],
        memory=ports[4],
        region=server.region,
        secret=server.secret,
        **facts,
    )
    text += "".join(f"\n[filter:{name}]\nuse = egg:swift#{name}\n" for name in PLAIN_FILTERS)
    (folder / "proxy.conf").write_text(text)


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[None]:
    """A program that ends with us, however we end."""
    bound = ["setpriv", "--pdeathsig", "KILL", *command]
    with (
        log.open("wb") as out,
        subprocess.Popen(bound, stdout=out, stderr=out, start_new_session=True) as process,
    ):
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_for(port: int, folder: Path) -> None:
    for _ in range(600):
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    said = "".join(path.read_text(errors="replace") for path in sorted(folder.glob("*.log")))
    raise AssertionError(f"Swift did not start:\n{said[-3000:]}")
