"""The engine: one task's misfortune is its own."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from longplay import engine
from longplay.engine import Failure
from longplay.errors import EngineError, MediaError

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
        case ["has", module]:
            return str(module in sys.modules)
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


PROGRAM = """
import sys
from longplay import engine
from tests.engine.test_engine import behave
print(sys.argv[1] in sys.modules, flush=True)
words = {"imports": ["colorsys"], "seconds": lambda _: 60, "memory_mb": 512}
for _, outcome in engine.run(behave, sys.argv[2:], workers=1, **words):
    print(outcome, flush=True)
"""


def program(*tasks: str, folder: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "colorsys", *tasks],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path} | environment,
    )


def test_workers_have_from_their_beginning_what_this_process_does_without(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text(
        "from pathlib import Path; Path('run').touch()\n"  # by whoever gave us a folder of music
    )
    with program("has:colorsys", folder=tmp_path) as running:
        assert running.stdout is not None
        assert running.stdout.read().split() == ["False", "True"]
    assert not (tmp_path / "run").exists()


def test_temporary_files_may_lie_deep(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    with program("a", TMPDIR=str(deep)) as running:
        assert running.stdout is not None
        assert running.stdout.read().split() == ["False", "A"]
    assert not list(deep.iterdir())


def test_workers_end_with_the_process_they_work_for() -> None:
    with program("pid:1", "hang") as running:
        try:
            assert running.stdout is not None
            _, worker = (running.stdout.readline().strip() for _ in range(2))
            _, parent = status(worker)
            assert parent != str(running.pid)
            assert is_alive(parent)
            assert is_alive(worker)
        finally:
            running.kill()
    wait_for(lambda: not is_alive(parent) and not is_alive(worker))


def test_a_lost_parent_of_workers_costs_what_is_under_way_and_no_more() -> None:
    tasks = ["pid:1", "hang", *"abcdef"]
    pairs = engine.run(behave, tasks, workers=1, seconds=lambda _: 20, memory_mb=512)
    _, worker = next(pairs)
    os.kill(int(status(str(worker))[1]), signal.SIGKILL)
    found = {}
    with suppress(EngineError):  # where a worker is started in the moment that its parent dies
        for task, outcome in pairs:
            found[task] = outcome
    for task, outcome in found.items():  # no file's fault: it is not told as a crash
        assert outcome == task.upper() or (isinstance(outcome, Failure) and outcome.kind == "error")
    assert outcomes("a", "b") == {"a": "A", "b": "B"}


def test_a_fork_of_this_process_has_workers_of_its_own() -> None:
    assert outcomes("a") == {"a": "A"}
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if outcomes("b") == {"b": "B"} else 1)
        except BaseException:  # it must not go on as the tests
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert outcomes("c") == {"c": "C"}


def status(process: str) -> tuple[str, str]:
    """Its state, and the process it was started by."""
    state, parent, *_ = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return state, parent


def is_alive(process: str) -> bool:
    try:
        return status(process)[0] != "Z"
    except OSError:
        return False


def wait_for(it: Callable[[], bool]) -> None:
    for _ in range(600):
        if it():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within a minute")
