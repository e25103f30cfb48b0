"""The command line in processes that need not start from nothing.

Of a short command's two seconds, Python and its imports take most. Here one process imports them
once, and each command is a fork of it: a process with arguments, environment, working folder,
output and exit status of its own, that ends as any other does, and nothing that it did is left for
the next. What differs from `python -m longplay`, which is started where a test is about that, or
kills: the imports are done, and sets of strings have one order throughout the session.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from functools import cache
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import Any

from numba.core.registry import CPUDispatcher

from longplay.engine.forking import PARENT

SECONDS = 300
"""After this time a command is killed: none of the tests' needs a tenth of it."""

DECODING = {"keep", "capture", "import", "demo", "identify", "audit", "fingerprint"}
"""Words of commands that decode in worker processes."""


def run(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`longplay WORDS` in this folder. Raises TimeoutError if it doesn't end."""
    request = {"words": words, "environment": environment, "folder": str(Path.cwd())}
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
        socket.socket(socket.AF_UNIX) as link,
    ):
        link.connect(_started())
        socket.send_fds(link, [b"\n"], [out.fileno(), err.fileno()])
        link.sendall(json.dumps(request).encode() + b"\n")
        with link.makefile() as answer:
            status = answer.readline()
        if not status:
            raise TimeoutError(f"longplay {words} gave no status in {SECONDS} s, or was killed")
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, int(status), out.read(), err.read())


@cache
def _started() -> str:
    """The address of the process that is forked, which lives as long as this one."""
    folder = tempfile.TemporaryDirectory(prefix="longplay-warm-")
    address = str(Path(folder.name) / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", str(listener.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            cwd=Path(__file__).parents[1],
            # Threads do not live through a fork: none may be started by an import. Nor may Arrow
            # reserve a gigabyte, which workers that are forked from here could not have then.
            env=os.environ
            | {
                "OPENBLAS_NUM_THREADS": "1",
                "JE_ARROW_MALLOC_CONF": "background_thread:false",
                "ARROW_DEFAULT_MEMORY_POOL": "system",
            },
        )

    def end() -> None:
        process.communicate()
        folder.cleanup()

    atexit.register(end)
    return address


def _serve(listener: socket.socket) -> None:
    """Fork for each who connects, until standard input is closed."""
    _import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets those that have ended
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        link, _ = listener.accept()
        _load_compiled()
        with link:
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _attend(link)


def _import_all() -> None:
    for module in pkgutil.walk_packages(importlib.import_module("longplay").__path__, "longplay."):
        # Whoever imports the latter becomes the process that workers are forked from.
        if not module.name.endswith("__main__") and module.name != PARENT:
            importlib.import_module(module.name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "an import starts a thread"
    gc.collect()
    gc.freeze()


_loaded: set[tuple[str, str, object]] = set()


def _load_compiled() -> None:
    """Load what has been compiled since, which each fork would have to otherwise."""
    for name, module in sorted(sys.modules.items()):
        if not name.startswith("longplay."):
            continue
        for function in vars(module).values():
            if isinstance(function, CPUDispatcher) and function.py_func.__module__ == name:
                for signature, *_ in function._cache._cache_file._load_index():
                    key = (name, function.py_func.__name__, signature)
                    if key not in _loaded:
                        _loaded.add(key)
                        function.compile(signature)


def _attend(link: socket.socket) -> None:
    """Read a request, run it in a process of its own, and answer its exit status."""
    from longplay.engine.confinement import die_with_parent

    _, outputs, _, _ = socket.recv_fds(link, 1, 2)
    with link.makefile() as lines:
        request = json.loads(lines.readline())
    child = os.fork()
    if child == 0:
        die_with_parent(signal.SIGKILL)
        link.close()
        for number, output in enumerate(outputs, 1):
            os.dup2(output, number)
            os.close(output)
        _become(request["words"], request["environment"], request["folder"])
    signal.alarm(SECONDS)
    _, status = os.waitpid(child, 0)
    link.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _fork_parent_of_workers() -> None:
    """What `forkserver.ensure_running` starts, and what that would have to import first."""
    server: Any = forkserver._forkserver
    alive_r, alive_w = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        address = connection.arbitrary_address("AF_UNIX")
        listener.bind(address)
        listener.listen()
        process = os.fork()
        if process == 0:
            os.close(alive_w)
            importlib.import_module(PARENT)
            forkserver.main(listener.detach(), alive_r, [])
            os._exit(0)
    os.close(alive_r)
    server._forkserver_address = address
    server._forkserver_alive_fd = alive_w
    server._forkserver_pid = process


def _become(words: list[str], environment: dict[str, str], folder: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    tempfile.tempdir = None  # of another environment
    if set(words) & DECODING:
        _fork_parent_of_workers()
    sys.argv[1:] = words
    status = 1
    try:
        runpy.run_module("longplay", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    # As a process ends, but for the taking apart of what was imported and never used: libraries
    # complain there of what they find.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
