"""What a worker process may do: limits on memory, CPU, open files and written bytes; no network.

Media decoders are large C programs fed with strangers' bytes. What they could do when they are
broken into is bounded here, by the kernel. Where the system is not Linux, or its kernel refuses the
filter, the resource limits hold and the network is not closed.
"""

from __future__ import annotations

import ctypes
import gc
import math
import multiprocessing
import os
import platform
import resource
import signal
import struct
import sys

from longplay.engine import forking

OPEN_FILES = 64
"""Descriptors a worker may hold: its pipes, one source, one output, the libraries' own few."""

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 1, 38, 22, 2
BPF_LOAD, BPF_JUMP_EQUAL, BPF_RETURN = 0x20, 0x15, 0x06
SECCOMP_ALLOW, SECCOMP_DENY = 0x7FFF0000, 0x00050000 | 13  # EACCES

NATIVE_CALLS = {
    # machine: (AUDIT_ARCH, socket, socketpair, io_uring_setup) of its own system call table
    "x86_64": (0xC000003E, 41, 53, 425),
    "aarch64": (0xC00000B7, 198, 199, 425),
}

_own: set[int] = set()
"""Descriptors that this process had when it was confined."""


def confine(memory_mb: int) -> None:
    """Confine this process for the rest of its life; called once as a worker starts. It ends with
    the process that it was forked from, which ends with the one whose worker it is."""
    gc.freeze()  # what was imported before the fork stays, and stays shared
    gc.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _limit(resource.RLIMIT_DATA, memory_mb * 2**20)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    _own.update(filter(_is_open, range(OPEN_FILES)))
    die_with_parent(signal.SIGKILL)
    ours = multiprocessing.parent_process()
    if ours is not None and not ours.is_alive():  # it died before it could be followed
        os._exit(1)
    if forking.PARENT not in sys.modules:  # nobody would end us with it
        os._exit(1)
    if sys.platform == "linux":
        _deny_network(ctypes.CDLL(None, use_errno=True))


def die_with_parent(how: signal.Signals) -> None:
    """Get a signal when the process that started this one ends, however it ends (Linux only).

    For the kernel the parent is the *thread* that started it (prctl(2), PR_SET_PDEATHSIG).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, how, 0, 0, 0)


def allow(seconds: float, written: int) -> None:
    """Set this task's own allowance: CPU seconds from now, and bytes in any one file.

    Descriptors that tasks before it left open are closed where they would leave it too few.
    """
    _close_leaked()
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds) + 1, hard))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, hard))


def _close_leaked() -> None:
    leaked = [number for number in range(OPEN_FILES) if number not in _own and _is_open(number)]
    if len(_own) + len(leaked) > OPEN_FILES // 2:
        for number in leaked:
            os.close(number)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def _deny_network(libc: ctypes.CDLL) -> None:
    """Refuse socket(), socketpair() and io_uring by a seccomp filter (seccomp(2))."""
    calls = NATIVE_CALLS.get(platform.machine())
    if calls is None:
        return
    arch, *denied = calls
    count = len(denied)
    program = [
        (BPF_LOAD, 0, 0, 4),  # the call's architecture
        (BPF_JUMP_EQUAL, 0, count + 2, arch),  # another table: deny
        (BPF_LOAD, 0, 0, 0),  # the call's number
        *((BPF_JUMP_EQUAL, count - at, 0, number) for at, number in enumerate(denied)),
        (BPF_RETURN, 0, 0, SECCOMP_ALLOW),
        (BPF_RETURN, 0, 0, SECCOMP_DENY),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *row) for row in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0)
