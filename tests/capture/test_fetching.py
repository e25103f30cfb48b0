"""One file from a source: whole, proved, and no byte twice that need not come twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from longplay.capture import journal
from longplay.capture.fetching import Listed, Traffic, fetch
from longplay.capture.sources import Wanted
from longplay.errors import SourceError, UnavailableError
from longplay.settings import Settings
from longplay.torrent.merkle import ObjectHasher
from tests.capture.giving import Giving, order

DATA = os.urandom(700_001)


def digests(data: bytes) -> object:
    hasher = ObjectHasher(Settings().piece_length(len(data)))
    hasher.update(data)
    return hasher.finish()


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256", ""])
def test_a_file_comes_whole_with_its_hashes(tmp_path: Path, kind: str) -> None:
    checksum = f"{kind}:{hashlib.new(kind, DATA).hexdigest()}" if kind else ""
    source, traffic = Giving({b"a": DATA}), Traffic()
    found = fetch(source, order(tmp_path), Listed(checksum=checksum), traffic=traffic)
    assert found.spool.read_bytes() == DATA
    assert found.hashes == digests(DATA)
    assert found.head == DATA[:4096]
    assert (traffic.received, traffic.again, traffic.rehashed) == (len(DATA), 0, 0)


def test_a_size_that_nobody_tells_is_no_obstacle(tmp_path: Path) -> None:
    source = Giving({b"a": DATA}, sizes={b"a": None})
    assert fetch(source, order(tmp_path), Listed(), traffic=Traffic()).hashes == digests(DATA)


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    source, traffic = Giving({b"a": DATA}), Traffic()
    source.breaks[b"a"] = 3
    found = fetch(source, order(tmp_path), Listed(), traffic=traffic)
    assert found.hashes == digests(DATA)
    assert (traffic.received, traffic.again, traffic.rehashed) == (len(DATA), 0, 0)
    assert [start for _, start in source.asked] == sorted({start for _, start in source.asked})


def test_a_source_that_cannot_resume_begins_anew_and_that_is_counted(tmp_path: Path) -> None:
    source, traffic = Giving({b"a": DATA}, resumes=False), Traffic()
    source.breaks[b"a"] = 1
    assert fetch(source, order(tmp_path), Listed(), traffic=traffic).hashes == digests(DATA)
    assert traffic.received == source.given > len(DATA)
    assert traffic.again == source.given - len(DATA)


def test_a_next_try_goes_on_with_what_the_first_left(tmp_path: Path) -> None:
    source, traffic = Giving({b"a": DATA}), Traffic()
    source.breaks[b"a"] = 99
    with pytest.raises(UnavailableError):
        fetch(source, order(tmp_path), Listed(), traffic=traffic)
    source.breaks[b"a"] = 0
    partial = journal.begun(order(tmp_path).spool)
    assert partial is not None
    found = fetch(source, order(tmp_path), Listed(), partial=partial, traffic=traffic)
    assert found.hashes == digests(DATA)
    assert (traffic.received, traffic.again) == (len(DATA), 0)
    assert 0 < traffic.rehashed < len(DATA)


def test_a_file_that_changed_between_two_transfers_is_fetched_whole(tmp_path: Path) -> None:
    checksum = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
    other = os.urandom(len(DATA))
    source = Giving({b"a": other})
    source.breaks[b"a"] = 99
    with pytest.raises(UnavailableError):
        fetch(source, order(tmp_path), Listed(), traffic=Traffic())
    source.files[b"a"], source.breaks[b"a"] = DATA, 0  # a server that lies: the version is the same
    partial = journal.begun(order(tmp_path).spool)
    found = fetch(
        source, order(tmp_path), Listed(checksum=checksum), partial=partial, traffic=Traffic()
    )
    assert found.spool.read_bytes() == DATA


def too_much(_wanted: Wanted, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield from chunks
    yield b"more"


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (Listed(checksum="md5:" + "0" * 32), "is not the file that was listed: md5:"),
        (Listed(size=5), "has 700,001 bytes, 5 were listed"),
    ],
)
def test_what_is_not_what_was_listed_is_refused(tmp_path: Path, listed: Listed, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        fetch(Giving({b"a": DATA}), order(tmp_path), listed, traffic=Traffic())
    assert "source refresh" in str(caught.value)
    assert leftovers(tmp_path) == []


def test_more_than_was_promised_is_refused(tmp_path: Path) -> None:
    source = Giving({b"a": DATA}, behaviour={b"a": too_much})
    with pytest.raises(SourceError, match="more than the 700,001 bytes"):
        fetch(source, order(tmp_path), Listed(), traffic=Traffic())
    assert leftovers(tmp_path) == []


def test_less_than_was_promised_is_for_later(tmp_path: Path) -> None:
    source = Giving({b"a": DATA}, sizes={b"a": len(DATA) + 10})
    with pytest.raises(UnavailableError, match="broke off after 700,001 of 700,011 bytes"):
        fetch(source, order(tmp_path), Listed(), traffic=Traffic())
