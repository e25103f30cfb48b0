"""A Dask cluster of our own on loopback: a scheduler, and workers that can be killed and hung."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 60
"""How long a process may take to start on a busy machine."""


@dataclass
class DaskCluster:
    """Scheduler and workers as processes; workers are started without a nanny unless asked for.
    `prefix` stands before the command of each worker."""

    folder: Path
    port: int
    environment: dict[str, str]
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: int = 0
    prefix: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"
        )
        wait_for_port(self.port)

    def add_worker(
        self, *, threads: int = 1, nanny: bool = False, prefix: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        worker = self._start(
            *("worker", self.address, "--host", "127.0.0.1", "--nworkers", "1"),
            *("--nthreads", str(threads), "--no-dashboard", "--memory-limit", "0"),
            "--nanny" if nanny else "--no-nanny",
            *("--local-directory", str(self.folder), "--death-timeout", "30"),
            prefix=prefix or self.prefix,
        )
        self.workers.append(worker)
        return worker

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL, as when a machine loses its power."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process in self.workers:
            self.workers.remove(process)

    def stop(self) -> None:
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            self.kill(process)

    def _start(self, *words: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        self.started += 1
        log = (self.folder / f"{words[0]}-{self.started}.log").open("wb")
        with log:
            return subprocess.Popen(
                [*prefix, sys.executable, "-m", "dask", *words],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextmanager
def dask_cluster(folder: Path, *, workers: int = 0, **environment: str) -> Iterator[DaskCluster]:
    """A running cluster, which ends with the block."""
    folder.mkdir(exist_ok=True)
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    cluster = DaskCluster(folder, free_port(), {**os.environ, "PYTHONPATH": path, **environment})
    try:
        cluster.start_scheduler()
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        cluster.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    for _ in range(SECONDS * 10):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on {port}")
