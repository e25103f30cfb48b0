"""A process that is killed, as by `kill -9`, right before a chosen one of its steps on the disk."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

STEPS = ("open", "os.rename", "os.remove", "os.truncate", "os.fsync")
"""Audit events (PEP 578) that are steps; of `os.fsync` the interpreter tells nothing, so it is
announced here."""

NEVER = -1
"""No step: for work that kills itself."""


def killed(work: Callable[[], object], at: int, *, within: str) -> bool:
    """Whether some work, done in a process of its own, was killed before its step number `at` on a
    path that begins with `within`; false where it has fewer steps, and was done."""
    child = os.fork()
    if child == 0:
        _kill_before(at, within)
        try:
            work()
        except BaseException:  # it must not go on as the tests
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def _kill_before(at: int, within: str) -> None:
    done = 0

    def step(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        if event not in STEPS or not _concerns(arguments, within):
            return
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1

    sync = os.fsync

    def announced(descriptor: int) -> None:
        sys.audit("os.fsync", Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    os.fsync = announced
    sys.addaudithook(step)


def _concerns(arguments: tuple[object, ...], within: str) -> bool:
    return any(
        isinstance(one, str | os.PathLike) and os.fspath(one).startswith(within)
        for one in arguments
    )
