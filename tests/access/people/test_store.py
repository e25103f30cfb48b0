"""The file of people: its version, many processes at once, and what it does when it cannot."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from longplay.access.people import accounts, playlists, plays, secrets, stars, tables
from longplay.access.people.store import People
from longplay.archive import PEOPLE
from longplay.errors import AccessError, ArchiveError, LongplayError

SCROBBLES = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from longplay.access.people import plays, secrets
from longplay.access.people.store import People
from longplay.archive import PEOPLE
folder, who = Path(sys.argv[1]), int(sys.argv[2])
with People(folder / "people.sqlite3", secrets.load(folder / "keys")) as people:
    for number in range(150):
        at = datetime.fromtimestamp(1_700_000_000 + number, UTC)
        plays.scrobble(people, 1, f"tr{who}", at)
        plays.report(people, 1, f"tr{who}", client=str(who))
"""


def test_processes_that_write_at_once_lose_nothing(
    people: People, ann: int, tmp_path: Path
) -> None:
    assert ann == 1
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SCROBBLES, str(tmp_path), str(who)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for who in range(4)
    ]
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert plays.counts(people, 1) == {
        f"tr{who}": (150, "2023-11-14T22:15:49.000Z") for who in range(4)
    }


def test_two_hundred_threads_see_no_lock(people: People, ann: int) -> None:
    failed: list[Exception] = []

    def listen(number: int) -> None:
        try:
            for at in range(5):
                stars.star(people, ann, [f"tr{number}x{at}"])
                plays.report(people, ann, f"tr{number}", client=str(number))
                stars.starred(people, ann)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=listen, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(stars.starred(people, ann)) == 1000


def test_a_failed_transaction_leaves_nothing(people: People, ann: int) -> None:
    with pytest.raises(RuntimeError), people.write() as connection:
        connection.execute("INSERT INTO star VALUES (?, 'tr1', '2026')", (ann,))
        raise RuntimeError
    assert stars.starred(people, ann) == {}
    stars.star(people, ann, ["tr2"])
    assert set(stars.starred(people, ann)) == {"tr2"}


def test_it_is_its_owners_alone(people: People) -> None:
    assert people.path.stat().st_mode & 0o777 == 0o600


def refused(path: Path) -> ArchiveError:
    with pytest.raises(ArchiveError) as error:
        People(path, secrets.Secrets(bytes(32)))
    return error.value


def test_a_newer_one_is_refused_untouched(people: People) -> None:
    people.close()
    raw = sqlite3.connect(people.path)
    raw.execute(f"PRAGMA user_version = {tables.VERSION + 1}")
    raw.close()
    before = people.path.read_bytes()
    error = refused(people.path)
    assert error.message == "was made by a newer Longplay (version 2 of its tables)"
    assert error.hint == "install that version; nothing was touched"
    assert people.path.read_bytes() == before


def test_a_strange_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / PEOPLE
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE mine (x)")
    raw.commit()
    raw.close()
    before = path.read_bytes()
    assert refused(path).message == "is a database, but not one of accounts"
    assert path.read_bytes() == before


def test_garbage_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / PEOPLE
    path.write_bytes(b"garbage " * 1000)
    assert refused(path).message.startswith("cannot be opened: file is not a database")
    assert path.read_bytes() == b"garbage " * 1000


def test_many_that_open_it_first_make_one(tmp_path: Path) -> None:
    known = secrets.load(tmp_path / "keys")
    opened: list[People] = []
    failed: list[Exception] = []

    def first() -> None:
        try:
            opened.append(People(tmp_path / PEOPLE, known))
        except LongplayError as error:
            failed.append(error)

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    accounts.add(opened[0], "Ann", "member")
    assert [one.name for one in accounts.list_all(opened[-1])] == ["Ann"]
    for one in opened:
        one.close()


def test_a_damaged_page_is_told_in_one_line(people: People, ann: int) -> None:
    for number in range(2000):
        playlists.create(people, ann, f"Playlist {number}", ["tr0"])
    people.forget_deleted()
    people.close()
    size = people.path.stat().st_size
    with people.path.open("r+b") as out:
        out.seek(2**18)  # behind the pages with the tables' definitions
        out.write(b"\xff" * (size - 2**18))
    with People(people.path, people.secrets) as again, pytest.raises(AccessError) as error:
        list(playlists.all_of(again, ann))
    assert "malformed" in error.value.message
