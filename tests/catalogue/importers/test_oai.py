"""Layers made of harvests: held, duplicates, rejected; later versions and tombstones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from longplay.catalogue import imports
from longplay.catalogue.importers.oai.fetching import Manners
from longplay.catalogue.importers.oai.importing import import_oai
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError, UsageError
from tests.catalogue.importers.repository import Repository, dc, serving


@pytest.fixture
def repository() -> Repository:
    made = Repository()
    for number in range(25):
        made.put(number)
    return made


@pytest.fixture
def url(repository: Repository) -> Iterator[str]:
    with serving(repository) as address:
        yield address


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


def bring(catalogue: Path, url: str, **more: Any) -> imports.Imported:
    manners = Manners(pause=0, retry=0, allow_private=True)
    done = import_oai(catalogue, "library", url, manners=manners, **more)
    layer = open_current(catalogue).manifest.layers["library"]
    assert layer.input == done.tracks + done.duplicates + done.rejected
    return done


def rows(catalogue: Path, query: str) -> list[tuple[Any, ...]]:
    with open_current(catalogue).connect() as connection:
        return list(connection.execute(query).fetchall())


def test_a_repository_becomes_a_layer(catalogue: Path, repository: Repository, url: str) -> None:
    repository.put(30, dc("A book", kind="Text"))
    repository.put(31, None)
    done = bring(catalogue, url)

    assert (done.tracks, done.artists, done.rejected, done.duplicates) == (25, 7, 2, 0)
    assert done.coverage == pytest.approx(25 / 27)
    assert rows(catalogue, "SELECT own_id, reason FROM rejects ORDER BY own_id") == [
        ("oai:test:0030", "is not sound"), ("oai:test:0031", "was deleted at its source"),
    ]  # fmt: skip
    assert ("Song 3", ["Singer 3"]) in rows(catalogue, "SELECT title, artists FROM named_tracks")


def test_what_comes_twice_is_not_held_twice(
    catalogue: Path, repository: Repository, url: str
) -> None:
    for number in range(25, 50):
        repository.put(number, dc("A book", kind="Text"))

    def forget(arguments: dict[str, str]) -> None:
        repository.epoch += arguments.get("resumptionToken") == "0|40|"

    repository.faults = [forget] * 6
    done = bring(catalogue, url)
    assert (done.tracks, done.coverage) == (25, 0.5)
    assert done.duplicates


def test_later_versions_and_tombstones_count_once(
    catalogue: Path, repository: Repository, url: str
) -> None:
    bring(catalogue, url)
    repository.put(3, dc("Song 3, remastered"), stamp="2024-06-02T00:00:00Z")
    repository.put(5, None, stamp="2024-06-03T00:00:00Z")
    repository.put(6, dc("Song 6", kind="Text"), stamp="2024-06-03T00:00:00Z")
    done = bring(catalogue, url)

    assert (done.tracks, done.duplicates, done.rejected) == (23, 1, 4)
    titles = {title for (title,) in rows(catalogue, "SELECT title FROM tracks")}
    assert "Song 3, remastered" in titles
    assert not titles & {"Song 3", "Song 5", "Song 6"}
    # A deleted record that comes back is held again.
    repository.put(5, dc("Song 5"), stamp="2024-06-09T00:00:00Z")
    assert bring(catalogue, url).tracks == 24


def test_rights_and_identifiers_are_staged(
    catalogue: Path, repository: Repository, url: str
) -> None:
    repository.records.clear()
    rights = "https://creativecommons.org/licenses/by/4.0/"
    repository.put(
        1,
        dc(
            "One",
            f"<dc:rights>{rights}</dc:rights><dc:rights>Ask us</dc:rights>",
            "<dc:identifier>ISRC DE-A61-93-00020</dc:identifier><dc:date>c1967</dc:date>",
        ),
    )
    bring(catalogue, url)
    assert rows(catalogue, "SELECT text, field, place FROM rights ORDER BY text") == [
        ("Ask us", "licence", "000001.xml:1"), (rights, "licence", "000001.xml:1"),
    ]  # fmt: skip
    assert rows(catalogue, "SELECT isrcs, release_date, licence FROM tracks") == [
        (["DEA619300020"], "1967", rights)
    ]


def test_a_harvest_that_fails_leaves_the_snapshot_and_what_it_got(
    catalogue: Path, repository: Repository, url: str
) -> None:
    bring(catalogue, url)
    for number in range(25, 60):
        repository.put(number, stamp=f"2024-07-01T00:00:{number:02d}Z")
    repository.faults = [lambda _: None, *([lambda _: (500, {}, b"")] * 5)]
    with pytest.raises(InputError, match="answers 500"):
        bring(catalogue, url)
    assert open_current(catalogue).number == 1
    repository.asked.clear()
    assert bring(catalogue, url).tracks == 60
    assert all("resumptionToken" in each for each in repository.asked), "it goes on, not again"


def test_an_empty_repository_and_one_without_identifiers(
    catalogue: Path, repository: Repository, url: str
) -> None:
    repository.records.clear()
    assert bring(catalogue, url).tracks == 0
    repository.records[""] = ("2024-06-05T00:00:00Z", dc("Nobody's"))
    done = bring(catalogue, url)
    assert (done.tracks, done.rejected) == (0, 1)
    assert rows(catalogue, "SELECT own_id, reason FROM rejects") == [(None, "has no identifier")]


def test_a_name_cannot_leave_the_harvests_folder(catalogue: Path, url: str) -> None:
    with pytest.raises(UsageError):
        import_oai(catalogue, "../evil", url)
    assert not catalogue.exists()
