"""`move-ledger` through the command line: there, back, killed, and refused."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from longplay.archive import open_archive
from longplay.capture import places
from longplay.ledger import tables
from tests.postgres import Server
from tests.system.conftest import Longplay

pytestmark = pytest.mark.real


@pytest.fixture
def kept(longplay: Longplay, music: Path) -> Longplay:
    longplay.run("keep", music)
    return longplay


@pytest.fixture
def fresh(longplay: Longplay) -> Longplay:
    longplay.run("init", longplay.archive)
    return longplay


def facts(longplay: Longplay) -> tuple[object, object]:
    return figures(longplay), longplay.json("verify")["log"]


def figures(longplay: Longplay) -> dict[str, object]:
    """What does not pass with time."""
    return {
        name: value
        for name, value in longplay.json("status").items()
        if name not in ("rate", "next_stage", "disk_free")
    }


def test_there_and_back(kept: Longplay, postgres: Server) -> None:
    before = facts(kept)
    there = postgres.fresh()
    moved = kept.json("move-ledger", there)
    assert set(moved["tables"]) == set(tables.metadata.tables)
    assert moved["tables"]["object"]["rows"] == kept.json("status")["objects"] > 0
    assert facts(kept) == before
    settings = (kept.archive / "longplay.toml").read_text()
    assert f'ledger = "{there}"' in settings
    assert "# What to keep at best" in settings
    again = kept.json("move-ledger", there)
    assert again["already"]
    assert again["tables"]["holding"] == moved["tables"]["holding"]

    refused = kept.run("move-ledger", "sqlite:///ledger.sqlite3", expect=2)
    assert "ledger.sqlite3: is not empty" in refused.err
    (kept.archive / "ledger.sqlite3").rename(kept.archive / "left.sqlite3")
    back = kept.json("move-ledger", "sqlite:///ledger.sqlite3")
    differ = {name for name, one in back["tables"].items() if one != moved["tables"][name]}
    assert differ == {"object"}  # they were checked meanwhile
    assert facts(kept) == before
    kept.run("plan")  # it is written to as well


def test_killed_at_any_moment_and_run_again(kept: Longplay, postgres: Server) -> None:
    before = facts(kept)
    there = postgres.fresh()
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    started = time.monotonic()
    kept.run("status")
    usual = time.monotonic() - started
    for _ in range(6):
        process = subprocess.Popen(
            kept.arguments("move-ledger", there), env=kept.environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(chance.uniform(0.3, 1.6) * usual)
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept.run("move-ledger", there)
    assert facts(kept) == before


def test_not_beside_a_capture(fresh: Longplay) -> None:
    with places.sharing(fresh.archive / "evidence"):
        refused = fresh.run("move-ledger", "sqlite:///other.sqlite3", expect=1)
    assert "is at work" in refused.err
    with open_archive(fresh.archive) as archive, archive.ledger.write() as connection:
        connection.execute(
            tables.leases.insert().values(
                plan="p", first=0, last=9, holder="elsewhere:1:1", expires="2999", done=0
            )
        )
    refused = fresh.run("move-ledger", "sqlite:///other.sqlite3", expect=1)
    assert "a capture is at work: elsewhere:1:1" in refused.err
    assert not (fresh.archive / "other.sqlite3").exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://host/ledger", "is no address of a ledger"),
        ("ledger.sqlite3", "is no address of a ledger"),
        ("sqlite:///longplay.toml", "file is not a database"),
        ("sqlite:///no/such/folder/ledger.sqlite3", "unable to open database file"),
        ("postgresql://nobody:secret@/none?host=/nowhere", "cannot be used"),
    ],
)
def test_impossible_places(fresh: Longplay, url: str, words: str) -> None:
    refused = fresh.run("move-ledger", url, expect=None)
    assert refused.status in (1, 2)
    assert words in refused.err
    assert "secret" not in refused.err
    fresh.run("status")


def test_a_move_that_was_begun_is_finished_or_taken_back(fresh: Longplay, tmp_path: Path) -> None:
    before = figures(fresh)
    other = f"sqlite:///{tmp_path}/other.sqlite3"
    settings = fresh.archive / "longplay.toml"
    text = settings.read_bytes()
    fresh.run("move-ledger", other)
    settings.write_bytes(text)  # as if it had been killed just before the settings
    refused = fresh.run("status", expect=1)
    assert "the ledger was moved to sqlite:////" in refused.err
    refused = fresh.run("move-ledger", f"sqlite:///{tmp_path}/third.sqlite3", expect=2)
    assert "a move to sqlite:////" in refused.err
    fresh.run("move-ledger", other)
    assert figures(fresh) == before
    settings.write_bytes(text)
    fresh.run("move-ledger", "sqlite:///ledger.sqlite3")
    assert figures(fresh) == before
