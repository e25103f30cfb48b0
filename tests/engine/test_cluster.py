"""A function on a Dask cluster whose workers die, hang, come and go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import longplay
from longplay import engine
from longplay.engine import Failure, cluster
from longplay.engine.cluster import Cluster, Versions
from longplay.errors import EngineError, MediaError
from tests.dask_cluster import DaskCluster, dask_cluster


def shout(task: str) -> str:
    return task.upper()


@dataclass(frozen=True)
class Stuck:
    """A result whose worker hangs when it is to hand it over."""

    path: str

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        behave(f"hang:{self.path}")
        return str, ("late",)


def finish(task: str) -> str | Stuck:
    """As `behave`; also with a result that cannot be fetched."""
    kind, _, path = task.partition(":")
    return Stuck(path) if kind == "hang with its result" else behave(task)


def behave(task: str) -> str:
    """What a worker may be asked for."""
    match task.split(":"):
        case ["die"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case ["die once", path]:
            if not Path(path).exists():
                Path(path).write_bytes(b"")
                os.kill(os.getpid(), signal.SIGKILL)
        case ["hang", path]:
            Path(path).write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)
        case ["sleep", seconds]:
            time.sleep(float(seconds))
        case ["wait for", path]:
            while not Path(path).exists():
                time.sleep(0.05)
        case ["refuse"]:
            raise MediaError("is no music", where="x.mp3", hint="none")
        case ["fail"]:
            raise ValueError("of some kind")
        case ["cores"]:
            return str(cluster.cores())
        case ["confined", count]:
            tasks = [f"{number}" for number in range(int(count))]
            done = engine.run(shout, tasks, workers=2, seconds=lambda _: 60, memory_mb=512)
            return ",".join(sorted(str(outcome) for _, outcome in done))
        case ["together", path]:
            mark = Path(path)
            mark.touch(exist_ok=False)  # two at a time would meet here
            time.sleep(0.2)
            mark.unlink()
    return task.upper()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A cluster for tests that leave it as it was."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), workers=1) as made:
        made.add_worker(threads=3)
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[DaskCluster]:
    """A cluster for tests that break it."""
    with dask_cluster(tmp_path / "dask") as made:
        yield made


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "RESULT_SECONDS", 1)


def given(tasks: Iterable[str]) -> Callable[[], str | None]:
    waiting = iter(tasks)
    return lambda: next(waiting, None)


def test_every_task_has_an_outcome(shared: DaskCluster) -> None:
    good = [f"good {number}" for number in range(30)]
    with Cluster(shared.address) as it:
        found = dict(it.run(behave, given([*good, "refuse", "fail"])))
    assert {task: found[task] for task in good} == {task: task.upper() for task in good}
    assert found["refuse"] == Failure("error", "x.mp3: is no music (none)")
    assert found["fail"] == Failure("error", "ValueError: of some kind")


def test_tasks_are_taken_as_workers_are_free(shared: DaskCluster) -> None:
    taken = []

    def tasks() -> Iterator[str]:
        for number in range(10**9):
            taken.append(number)
            yield str(number)

    with Cluster(shared.address) as it:
        pairs = it.run(behave, given(tasks()))
        for _ in range(5):
            next(pairs)
        pairs.close()  # type: ignore[attr-defined]
    assert len(taken) < 10


def test_a_task_starts_confined_processes_of_its_own(shared: DaskCluster) -> None:
    with Cluster(shared.address) as it:
        assert dict(it.run(behave, given(["confined:4"]))) == {"confined:4": "0,1,2,3"}


def test_a_worker_with_many_threads_runs_one_task_and_tells_how_many_it_has(
    own: DaskCluster, tmp_path: Path
) -> None:
    own.add_worker(threads=3)
    with Cluster(own.address) as it:
        assert dict(it.run(behave, given(["cores"]))) == {"cores": "3"}
        it.workers = lambda: 3  # type: ignore[method-assign] # as if it were three
        tasks = [f"together:{tmp_path / 'mark'}" + "/." * number for number in range(6)]
        assert all(outcome == task.upper() for task, outcome in it.run(behave, given(tasks)))


def test_the_task_of_a_worker_that_dies_is_done_by_another(
    own: DaskCluster, tmp_path: Path
) -> None:
    for _ in range(2):
        own.add_worker()
    task = f"die once:{tmp_path / 'died'}"
    with Cluster(own.address) as it:
        found = dict(it.run(behave, given(["a", task, "b"])))
    assert found == {"a": "A", task: task.upper(), "b": "B"}


def test_a_task_that_workers_die_of_is_given_back(own: DaskCluster) -> None:
    for _ in range(5):
        own.add_worker()
    with Cluster(own.address) as it:
        found = dict(it.run(behave, given(["a", "die", "b", "c"])))
    assert found.pop("die") == Failure("crash", "4 workers died of it")
    assert found == {"a": "A", "b": "B", "c": "C"}


@pytest.mark.parametrize("kind", ["hang", "hang with its result"])
def test_a_hanging_worker_is_dropped_with_its_task_and_the_others_go_on(
    own: DaskCluster, tmp_path: Path, kind: str
) -> None:
    for _ in range(2):
        own.add_worker()
    mark = tmp_path / "hangs"
    task = f"{kind}:{mark}"
    with Cluster(own.address) as it:
        wait_for(it, 2)
        run = it.run(
            finish,
            given([task, *"abcdef"]),
            suspects=lambda: [task, "a"] if mark.exists() else [],
        )
        found = dict(run)
        assert it.workers() == 1
    os.kill(int(mark.read_text()), signal.SIGCONT)
    assert found.pop(task) == Failure("timeout", "its worker gave no sign of life and was dropped")
    assert found == {letter: letter.upper() for letter in "abcdef"}


def test_a_worker_is_not_called_silent_because_nobody_listened(shared: DaskCluster) -> None:
    waits = iter([5.0])  # as while a database starts anew

    def suspects() -> list[str]:
        time.sleep(next(waits, 0.0))
        return ["sleep:8"]

    with Cluster(shared.address) as it:
        found = dict(it.run(behave, given(["sleep:8"]), suspects=suspects))
        assert it.workers() == 2
    assert found == {"sleep:8": "SLEEP:8"}


def test_workers_may_come_late(own: DaskCluster) -> None:
    with Cluster(own.address) as it:
        threading.Timer(1, own.add_worker).start()
        assert dict(it.run(behave, given(["a", "b"]))) == {"a": "A", "b": "B"}


def test_without_any_worker_the_wait_ends(
    own: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.5)
    with Cluster(own.address) as it, pytest.raises(EngineError) as caught:
        dict(it.run(behave, given(["a"])))
    assert str(caught.value) == (
        f"{own.address}: the cluster has no workers (start some: dask worker {own.address};"
        " what was done is safe; run the command again)"
    )


def test_a_scheduler_that_dies_is_told_in_one_line(own: DaskCluster) -> None:
    own.add_worker()
    assert own.scheduler is not None
    with Cluster(own.address) as it, pytest.raises(EngineError) as caught:
        for _ in it.run(behave, given(["a", "sleep:60"])):
            own.kill(own.scheduler)
    assert str(caught.value) == (
        f"{own.address}: the Dask scheduler is gone (what was done is safe; run the command again)"
    )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler answers"),
        ("nonsense://x", "is no address of a Dask scheduler"),
    ],
)
def test_what_is_no_scheduler_is_told_in_one_line(
    address: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(EngineError) as caught:
        Cluster(address)
    assert str(caught.value).startswith(f"{address}: {words}")
    assert "\n" not in str(caught.value)


def test_a_worker_of_another_version_is_refused(
    shared: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longplay, "__version__", "9.9.9")
    with Cluster(shared.address) as it, pytest.raises(EngineError) as caught:
        dict(it.run(behave, given(["a"])))
    assert caught.value.message.endswith("has Longplay 0.1.0 instead of 9.9.9")
    assert caught.value.hint == "install the same versions everywhere"


def test_a_scheduler_of_another_version_is_refused(
    shared: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "versions", lambda: Versions("1", "3.99", "2020.1.0"))
    with pytest.raises(EngineError, match=r"the scheduler has Python 3\.1\d instead of 3\.99, Dis"):
        Cluster(shared.address)


def test_a_worker_without_longplay_is_told_in_one_line(own: DaskCluster, tmp_path: Path) -> None:
    empty = tmp_path / "empty" / "longplay"
    empty.mkdir(parents=True)
    (empty / "__init__.py").write_text("")
    own.environment["PYTHONPATH"] = str(empty.parent)
    own.add_worker()
    with Cluster(own.address) as it, pytest.raises(EngineError, match="cannot import") as caught:
        dict(it.run(behave, given(["a"])))
    assert caught.value.hint == f"install Longplay {longplay.__version__} where the workers run"


def test_dask_is_not_imported_where_no_cluster_is_used() -> None:
    program = (
        "import sys, longplay.engine, longplay.workflows.capturing;"
        "sys.exit('distributed' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def wait_for(it: Cluster, workers: int) -> None:
    for _ in range(600):
        if it.workers() == workers:
            return
        time.sleep(0.1)
    raise AssertionError(f"there are {it.workers()} workers")
