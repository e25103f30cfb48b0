"""A PostgreSQL server of our own: a throwaway one on a Unix socket, as a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

OPTIONS = "-c listen_addresses='' -c fsync=off -c max_connections=60 -c shared_buffers=16MB"


@dataclass
class Server:
    """A running server; every database that `fresh` makes is empty."""

    folder: Path
    restart: Callable[[], None]
    made: int = 0

    def url(self, name: str) -> str:
        return f"postgresql:///{name}?host={quote(str(self.folder))}&user=postgres"

    def fresh(self) -> str:
        """The address of a new database."""
        import psycopg

        self.made += 1
        name = f"ledger_{self.made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return self.url(name)


def binaries() -> Path:
    """Where initdb and pg_ctl are; Debian keeps them out of the way."""
    found = shutil.which("pg_ctl")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists():
            return place
    pytest.skip("postgresql is not installed: `make system-packages`")


@contextmanager
def running() -> Iterator[Server]:
    """Start a server in a folder of its own, and stop it in the end."""
    programs = binaries()
    folder = Path(tempfile.mkdtemp(prefix="longplay-pg-"))
    user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        owner = pwd.getpwnam("postgres" if _has("postgres") else "nobody")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    data = folder / "data"

    def run(*words: str) -> None:
        subprocess.run(
            [*user, *words], check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120
        )

    control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
    try:
        run(str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N",
            "--no-locale", "-E", "UTF8")  # fmt: skip
        start = (*control, "-l", str(folder / "log"), "-o", f"{OPTIONS} -k {folder}")

        def restart() -> None:
            """As after a crash: every connection is cut, and what was not committed is gone."""
            run(*start, "-m", "immediate", "restart")

        run(*start, "start")
        try:
            yield Server(folder, restart)
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
