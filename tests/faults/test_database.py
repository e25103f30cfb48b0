"""A database server that starts anew in the middle of a capture."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.dask_cluster import DaskCluster
from tests.faults.checking import check, facts, settle, use
from tests.faults.test_cluster import import_and_plan, running, wait_for_holdings
from tests.postgres import Server
from tests.postgres import running as running_server
from tests.system.conftest import Longplay

pytestmark = [pytest.mark.real, pytest.mark.long]


@pytest.fixture
def server() -> Iterator[Server]:
    """One that is nobody else's: it is restarted."""
    with running_server() as made:
        yield made


def on_server(longplay: Longplay, songs: Path, server: Server) -> None:
    longplay.run("init", longplay.archive)
    longplay.run("move-ledger", server.fresh())
    import_and_plan(longplay, songs)


def test_a_capture_on_one_machine_says_so_and_goes_on_the_next_time(
    longplay: Longplay, calm: Longplay, songs: Path, server: Server
) -> None:
    on_server(longplay, songs, server)
    with running(longplay, "capture", "--json") as process:
        wait_for_holdings(longplay, 1)
        server.restart()
        _, err = process.communicate(timeout=300)
    assert "Traceback" not in err
    assert process.returncode in {0, 1}  # it may have been between two transactions
    done = longplay.json("capture")
    assert done["failed"] == 0
    assert facts(longplay) == facts(calm)
    check(longplay)


def test_a_capture_on_a_cluster_waits_for_it(
    longplay: Longplay, calm: Longplay, songs: Path, server: Server, cluster: DaskCluster
) -> None:
    for _ in range(2):
        cluster.add_worker()
    on_server(longplay, songs, server)
    use(longplay, engine=cluster.address)
    with running(longplay, "capture", "--json") as process:
        wait_for_holdings(longplay, 1)
        for _ in range(2):
            server.restart()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=3)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    settle(longplay, cluster)
    assert facts(longplay) == facts(calm)
    check(longplay)
