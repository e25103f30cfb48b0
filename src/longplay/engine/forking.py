"""Starts the process that workers are forked from (`parent`), and ends it."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any

PARENT = "longplay.engine.parent"
"""What that process imports first."""

LONGEST_FOLDER, SHORT_FOLDER = 60, "/tmp"  # nosec B108
"""Characters of the folder of temporary files with which a socket in it can still be named (of 107,
sun_path of unix(7)); the folder for it where they are more."""

_server: Any = forkserver._forkserver
_starter = ThreadPoolExecutor(1, "parent of workers")


def prepare(imports: Sequence[str]) -> None:
    """Begin to import what workers will need, while this process does other things. Once is enough:
    the first call's modules count."""
    # The kernel takes the thread that starts a process for its parent, and ends it with that: this
    # one lives as long as we do.
    _starter.submit(_start, imports).result()


def _start(imports: Sequence[str]) -> None:
    """Start the process that workers are forked from, if there is none. It imports what this one
    would, and nothing from the folder in which a command happens to be given."""
    if _server._forkserver_pid is None:
        forkserver.set_forkserver_preload([PARENT, *imports])
        _make_short_folder()
    # Ctrl-C is for us, also before it has begun to ignore that; the tracker would unblock it.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")}
    os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, sys.path)), PYTHONSAFEPATH="1")
    try:
        with suppress(OSError):  # the first worker meets it again
            forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _make_short_folder() -> None:
    """Where temporary files lie so deep that no socket can be named there, have a folder for it."""
    if len(tempfile.gettempdir()) > LONGEST_FOLDER and Path(SHORT_FOLDER).is_dir():
        folder = tempfile.mkdtemp(prefix="longplay-", dir=SHORT_FOLDER)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        multiprocessing.current_process()._config["tempdir"] = folder  # type: ignore[attr-defined]


def end() -> None:
    """End the process that workers are forked from, so that what they used is counted among what
    children of this one did (getrusage(2)); for when no pool is open."""
    if _server._forkserver_pid is not None:
        with suppress(OSError):
            os.kill(_server._forkserver_pid, signal.SIGKILL)
        with suppress(OSError):
            _server._stop()


def _forget() -> None:
    """In a fork of this process, which is not the parent of what this one started."""
    global _starter  # noqa: PLW0603 - its thread is not here
    _starter = ThreadPoolExecutor(1, "parent of workers")
    _server._lock = threading.Lock()
    if _server._forkserver_pid is not None:
        os.close(_server._forkserver_alive_fd)
        _server._forkserver_alive_fd = _server._forkserver_address = _server._forkserver_pid = None


os.register_at_fork(after_in_child=_forget)
atexit.register(end)
