"""The engine: one task's misfortune is its own."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from longplay import engine
from longplay.engine import Failure
from longplay.errors import MediaError

MB = 2**20


def behave(task: str) -> str:
    match task.split(":"):
        case ["hang"]:
            time.sleep(60)
        case ["spin"]:
            while True:
                pass
        case ["crash"]:
            os.kill(os.getpid(), signal.SIGSEGV)
        case ["grow"]:
            return str(len(bytearray(4096 * MB)))
        case ["refuse"]:
            raise MediaError("is no music", where="x.mp3", hint="none")
        case ["call home"]:
            socket.create_connection(("127.0.0.1", 9), timeout=1)
        case ["write", path]:
            with Path(path).open("wb") as out:
                for _ in range(64):
                    out.write(bytes(MB))
        case ["pid", _]:
            return str(os.getpid())
        case ["open"]:
            return str([os.open(os.devnull, os.O_RDONLY) for _ in range(100)])
    return task.upper()


def outcomes(*tasks: str, seconds: float = 20) -> dict[str, str | Failure]:
    return dict(engine.run(behave, tasks, workers=2, seconds=lambda _: seconds, memory_mb=512))


def test_every_task_has_an_outcome_and_the_good_ones_their_result(tmp_path: Path) -> None:
    big = tmp_path / "big"
    bad = ["crash", "grow", "refuse", "call home", f"write:{big}", "open"]
    good = [f"good {number}" for number in range(20)]
    mixed = [task for pair in zip(good, bad * 4, strict=False) for task in pair]
    found = outcomes(*mixed)
    assert {task: found[task] for task in good} == {task: task.upper() for task in good}
    kinds = {task: found[task].kind for task in bad}  # type: ignore[union-attr]
    assert kinds == {
        "crash": "crash",
        "grow": "memory",
        "refuse": "error",
        "call home": "error",
        f"write:{big}": "error",
        "open": "error",
    }
    assert found["refuse"] == Failure("error", "x.mp3: is no music (none)")
    assert "Permission" in found["call home"].reason  # type: ignore[union-attr]
    assert big.stat().st_size <= MB


def test_what_a_task_left_open_is_not_missing_to_the_next() -> None:
    tasks = ["open", "call home"]
    found = list(engine.run(behave, tasks * 8, workers=1, seconds=lambda _: 20, memory_mb=512))
    reasons = [outcome.reason for _, outcome in found if isinstance(outcome, Failure)]
    assert len(reasons) == len(found) == 16
    assert sum("Too many open files" in reason for reason in reasons) == 8
    assert sum("Permission" in reason for reason in reasons) == 8


@pytest.mark.parametrize("task", ["hang", "spin"])
def test_a_task_past_its_time_is_stopped_and_the_others_go_on(task: str) -> None:
    found = outcomes("a", task, "b", "c", seconds=2)
    assert found[task].kind == "timeout"  # type: ignore[union-attr]
    assert (found["a"], found["b"], found["c"]) == ("A", "B", "C")


def test_an_endless_iterable_is_taken_as_needed_and_closing_stops_the_workers() -> None:
    taken = []

    def tasks() -> object:
        for number in range(10**9):
            taken.append(number)
            yield str(number)

    pairs = engine.run(behave, tasks(), workers=1, seconds=lambda _: 20, memory_mb=512)  # type: ignore[arg-type]
    assert next(pairs)[1] in {"0", "1"}
    pairs.close()  # type: ignore[attr-defined]
    assert len(taken) < 10


def test_the_thread_that_began_may_end_before_the_workers_do() -> None:
    tasks = [f"pid:{number}" for number in range(20)]
    pairs = engine.run(behave, tasks, workers=1, seconds=lambda _: 20, memory_mb=512)
    found: list[object] = []
    first = threading.Thread(target=lambda: found.append(next(pairs)[1]))
    first.start()
    first.join()
    found += [outcome for _, outcome in pairs]
    assert (len(found), len(set(found))) == (20, 1)  # all of them in one process


def test_this_process_is_left_unconfined() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    assert outcomes("a") == {"a": "A"}
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    with socket.socket() as probe:
        assert probe.fileno() >= 0
