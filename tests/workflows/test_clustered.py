"""What a capture on a cluster makes of ranges that come to nothing, without a cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from longplay import clock
from longplay.archive import Archive, create
from longplay.capture.batch import Carried
from longplay.capture.due import Item
from longplay.capture.pipeline import Job
from longplay.engine import Failure
from longplay.ledger import postponing
from longplay.ledger.postponing import Postponed
from longplay.model import Action
from longplay.workflows import clustered
from longplay.workflows.ranges import Range

FILES = 3


class Dying:
    """A cluster on which every task kills its worker."""

    def __init__(self, _address: str) -> None:
        self.given: list[Range] = []
        self.suspected: list[Range] = []

    def __enter__(self) -> Dying:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def workers(self) -> int:
        return 1

    def run(
        self,
        _function: object,
        next_range: Callable[[], Range | None],
        *,
        suspects: Callable[[], Collection[Range]],
    ) -> Iterator[tuple[Range, Failure]]:
        while (task := next_range()) is not None:
            self.given.append(task)
            self.suspected += suspects()
            yield task, Failure("crash", "its worker died")


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Dying:
    one = Dying("")
    monkeypatch.setattr(clustered, "Cluster", lambda _: one)
    return one


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with create(tmp_path / "archive") as made:
        yield made


def job(archive: Archive) -> Job:
    carried = Carried("m", None, None, ())
    items = [Item(at, b"%d.txt" % at, Action.ORIGINAL, 0, carried) for at in range(FILES)]
    return Job(
        plan="p",
        total=FILES,
        load=lambda ordinals: [items[ordinal] for ordinal in ordinals],
        folders={"m": str(archive.folder / "no music")},
        settings=archive.settings,
        workers=1,
    )


def test_a_range_that_kills_its_workers_is_given_up(archive: Archive, dying: Dying) -> None:
    totals = clustered.capture(archive, job(archive), workers=1)
    assert [task.span for task in dying.given] == [(0, FILES - 1)] * clustered.ATTEMPTS
    assert (totals.offered, totals.failed) == (FILES, FILES)
    assert totals.failures == ("3 files from 0 in the plan: its worker died",)


def test_what_had_been_put_off_and_kills_its_workers_is_given_up(
    archive: Archive, dying: Dying
) -> None:
    past = clock.text_of(clock.now() - timedelta(seconds=1))
    with archive.ledger.write() as connection:
        rows = [Postponed(at, "slow.example", past, 1, "is busy") for at in range(FILES)]
        postponing.put_off(connection, "p", rows)
    totals = clustered.capture(archive, job(archive), workers=1)
    claimed = [task for task in dying.given if task.span is None]
    assert [len(task.claimed) for task in claimed] == [FILES] * clustered.ATTEMPTS
    assert dying.suspected == claimed, "nothing is seen of who has them, as it is of a lease"
    assert "3 files that were put off: its worker died" in totals.failures
    # They are due still, and nobody has them.
    assert len(postponing.claim(archive.ledger, "p", FILES, "another")) == FILES
