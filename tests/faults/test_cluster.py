"""Captures on a cluster whose parts die or hang: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from longplay.archive import open_archive
from longplay.ledger import leases, tables
from tests.dask_cluster import DaskCluster
from tests.faults.checking import check, facts, settle, use
from tests.faults.conftest import SONGS
from tests.system.conftest import Longplay

TOTAL = SONGS + 1


@contextmanager
def running(longplay: Longplay, *words: object) -> Iterator[subprocess.Popen[str]]:
    """A command at work."""
    with subprocess.Popen(
        longplay.arguments(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=longplay.environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_holdings(longplay: Longplay, count: int) -> None:
    """Wait until so many files are held."""
    for _ in range(2400):
        with (
            suppress(Exception),
            open_archive(longplay.archive) as archive,
            archive.ledger.read() as connection,
        ):
            query = sa.select(sa.func.count()).select_from(tables.holdings)
            if (connection.scalar(query) or 0) >= count:
                return
        time.sleep(0.05)
    raise AssertionError("nothing was captured for two minutes")


def hang(process: subprocess.Popen[bytes], longplay: Longplay) -> None:
    """Stop a worker where a range is held and it does not write: nobody can write SQLite's file
    while one who does stands still."""
    for _ in range(200):
        os.killpg(process.pid, signal.SIGSTOP)
        with (
            suppress(sqlite3.OperationalError),
            closing(sqlite3.connect(longplay.archive / "ledger.sqlite3", timeout=0.2)) as ledger,
        ):
            ledger.execute("BEGIN IMMEDIATE")
            if held_leases(longplay):
                return
        os.killpg(process.pid, signal.SIGCONT)
        time.sleep(0.05)
    raise AssertionError("the worker always writes, or had nothing to do")


def held_leases(longplay: Longplay) -> set[str]:
    """The names of the runs that hold a range now."""
    table = tables.leases.c
    with open_archive(longplay.archive) as archive, archive.ledger.read() as connection:
        return set(connection.scalars(sa.select(table.holder).where(table.done == 0)))


def test_it_captures_what_one_machine_does(
    longplay: Longplay, calm: Longplay, songs: Path, cluster: DaskCluster
) -> None:
    cluster.add_worker(nanny=True)  # a daemon, which may start no processes by itself
    cluster.add_worker(threads=2)
    use(longplay, engine=cluster.address)
    done = longplay.json("keep", songs)["capture"]
    assert (done["offered"], done["captured"], done["quarantined"]) == (TOTAL, TOTAL - 1, 1)
    assert facts(longplay) == facts(calm)
    check(longplay)
    again = longplay.json("capture")
    assert (again["already_held"], again["quarantined"]) == (TOTAL - 1, 1)
    assert longplay.json("capture", "--limit", 5)["captured"] == 0


@pytest.mark.long
def test_a_limit_is_kept_to(longplay: Longplay, songs: Path, cluster: DaskCluster) -> None:
    for _ in range(2):
        cluster.add_worker()
    use(longplay, engine=cluster.address)
    import_and_plan(longplay, songs)
    done = longplay.json("capture", "--limit", 80)
    assert done["captured"] + done["quarantined"] == 80
    check(longplay, due=TOTAL - 80)
    done = longplay.json("capture")
    assert done["captured"] + done["quarantined"] == TOTAL - 80
    check(longplay)


def import_and_plan(longplay: Longplay, songs: Path) -> None:
    """All that comes before a capture."""
    name = songs.name  # as `keep` calls it
    longplay.run("source", "add", name, "folder", songs, "--rights", "personal")
    longplay.run("catalogue", "import", songs, "--format", "tags", "--name", name)
    longplay.run("plan")


@pytest.mark.long
def test_killed_workers_cost_nothing_but_time(
    longplay: Longplay, calm: Longplay, songs: Path, cluster: DaskCluster
) -> None:
    for _ in range(3):
        cluster.add_worker()
    use(longplay, engine=cluster.address)
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    kills = 0
    with running(longplay, "keep", songs, "--json") as process:
        wait_for_holdings(longplay, 1)
        while process.poll() is None:
            cluster.kill(chance.choice(cluster.workers))
            cluster.add_worker()
            kills += 1
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=chance.uniform(0.5, 2.5))
        _, err = process.communicate()
        assert process.returncode == 0, err
    assert kills
    assert facts(longplay) == facts(calm)
    settle(longplay, cluster)
    check(longplay)


@pytest.mark.long
def test_a_worker_that_hung_commits_nothing_once_it_was_taken_over(
    longplay: Longplay, calm: Longplay, songs: Path, cluster: DaskCluster
) -> None:
    hung = cluster.add_worker()
    use(longplay, engine=cluster.address)
    with running(longplay, "keep", songs) as process:
        wait_for_holdings(longplay, 1)
        hang(hung, longplay)
        before = held_leases(longplay)
        assert before
        process.kill()
        process.wait()
    expire_leases(longplay)
    other = cluster.add_worker()
    try:
        # A second client: its scheduler still believes in the worker that hangs.
        with running(longplay, "capture", "--json") as process:
            wait_for_other(longplay, before)
            os.killpg(hung.pid, signal.SIGCONT)
            _, err = process.communicate(timeout=300)
            assert process.returncode == 0, err
    finally:
        with suppress(ProcessLookupError):
            os.killpg(hung.pid, signal.SIGCONT)
    assert other.poll() is None
    assert facts(longplay) == facts(calm)
    settle(longplay, cluster)
    check(longplay)


def expire_leases(longplay: Longplay) -> None:
    """As if a minute had gone by."""
    with open_archive(longplay.archive) as archive, archive.ledger.write() as connection:
        connection.execute(tables.leases.update().values(expires=leases.FREE))


def wait_for_other(longplay: Longplay, before: set[str]) -> None:
    for _ in range(1200):
        now = held_leases(longplay)
        if now and not now & before:
            return
        time.sleep(0.05)
    raise AssertionError("nobody took the range over")


@pytest.mark.long
def test_a_worker_that_hangs_is_dropped_by_its_client(
    longplay: Longplay, calm: Longplay, songs: Path, cluster: DaskCluster
) -> None:
    hung, _ = cluster.add_worker(), cluster.add_worker()
    use(longplay, engine=cluster.address)
    with running(longplay, "keep", songs, "--json") as process:
        wait_for_holdings(longplay, 1)
        hang(hung, longplay)
        _, err = process.communicate(timeout=400)
        assert process.returncode == 0, err
    os.killpg(hung.pid, signal.SIGCONT)
    assert facts(longplay) == facts(calm)
    settle(longplay, cluster)
    check(longplay)


@pytest.mark.long
def test_without_its_scheduler_it_says_so_and_goes_on_with_another(
    longplay: Longplay, calm: Longplay, songs: Path, cluster: DaskCluster
) -> None:
    worker = cluster.add_worker()
    use(longplay, engine=cluster.address)
    assert cluster.scheduler is not None
    with running(longplay, "keep", songs) as process:
        wait_for_holdings(longplay, 1)
        cluster.kill(cluster.scheduler)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert f"{cluster.address}: the Dask scheduler is gone" in err
    assert "run the command again" in err
    cluster.kill(worker)
    told = longplay.run("capture", expect=1).err
    assert f"{cluster.address}: no Dask scheduler answers" in told
    cluster.start_scheduler()
    cluster.add_worker()
    assert longplay.json("capture")["failed"] == 0
    assert facts(longplay) == facts(calm)
    settle(longplay, cluster)
    check(longplay)


@pytest.mark.long
def test_an_interrupted_client_stops_its_workers(
    longplay: Longplay, calm: Longplay, songs: Path, cluster: DaskCluster
) -> None:
    cluster.add_worker()
    use(longplay, engine=cluster.address)
    with running(longplay, "keep", songs) as process:
        wait_for_holdings(longplay, 1)
        process.send_signal(signal.SIGTERM)  # SIGINT is not heard in a shell's background
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert longplay.json("capture")["failed"] == 0
    assert facts(longplay) == facts(calm)
    settle(longplay, cluster)
    check(longplay)


@pytest.mark.long
def test_a_worker_without_memory_costs_time_alone(
    longplay: Longplay, calm: Longplay, songs: Path, cluster: DaskCluster
) -> None:
    # With so little address space the worker itself fails, not only its decoders.
    starved = cluster.add_worker(prefix=("prlimit", f"--as={700 * 2**20}", "--"))
    use(longplay, engine=cluster.address)
    timer = threading.Timer(20, cluster.add_worker)
    timer.start()
    try:
        done = longplay.json("keep", songs, expect=None)
    finally:
        timer.join()
    said = (cluster.folder / "worker-2.log").read_text()
    assert starved.poll() is not None or "emory" in said or "allocate" in said, said
    cluster.kill(starved)
    assert done["capture"]["offered"] == TOTAL
    assert longplay.json("capture")["failed"] == 0
    assert facts(longplay) == facts(calm)
    settle(longplay, cluster)
    check(longplay)


@pytest.mark.long
def test_a_worker_that_cannot_see_the_archive_says_what_to_do(
    longplay: Longplay, songs: Path, cluster: DaskCluster, program: object
) -> None:
    unshare = program("unshare")  # type: ignore[operator]
    script = f'mount -t tmpfs none {longplay.archive.parent} && exec "$@"'
    made = subprocess.run([unshare, "--mount", "true"], check=False)
    if os.geteuid() or made.returncode:
        pytest.skip("only root may hide a folder from a process")
    use(longplay, engine=cluster.address)
    hidden = longplay.archive.parent
    cluster.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    cluster.folder = Path(os.environ.get("TMPDIR", "/tmp"))
    cluster.add_worker(prefix=(unshare, "--mount", "sh", "-c", script, "sh"))
    found = longplay.run("keep", songs, expect=1)
    assert "is not to be seen from" in found.err
    assert "docs/scale.md" in found.err
    assert hidden.is_dir()
    check(longplay, due=TOTAL)


@pytest.mark.long
def test_processes_of_a_dead_worker_die_with_it(
    longplay: Longplay, songs: Path, cluster: DaskCluster
) -> None:
    worker = cluster.add_worker()
    use(longplay, engine=cluster.address)
    with running(longplay, "keep", songs):
        wait_for_holdings(longplay, 1)
        children = children_of(worker.pid)
        assert children
        os.kill(worker.pid, signal.SIGKILL)
        for _ in range(200):
            if not any(Path(f"/proc/{pid}/exe").exists() for pid in children):
                break
            time.sleep(0.05)
        assert [pid for pid in children if Path(f"/proc/{pid}/exe").exists()] == []


def children_of(parent: int) -> list[int]:
    """The process that its confined ones are forked from, and those."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
            if int(fields[1]) == parent and b"forkserver" in command:
                found.append(int(stat.parent.name))
    return [*found, *(child for one in found for child in children_of(one))]
