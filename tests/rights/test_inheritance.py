"""Inheritance: what a source says, until something nearer narrows or opens it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from longplay.model import Statement
from longplay.rights.gate import access_class
from longplay.rights.inheritance import Level, explain, resolve, together
from longplay.rights.statements import (
    AGREEMENT,
    CC0,
    CONTRADICTORY,
    IN_COPYRIGHT,
    LEGAL_DEPOSIT,
    PERSONAL,
    UNKNOWN,
    licence_uri,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BY = licence_uri("by", "3.0") or ""
BY_NC = licence_uri("by-nc", "3.0") or ""


def level(name: str, *uris: str) -> Level:
    return Level(name, tuple(Statement(name, uri, f"from the {name}") for uri in uris))


@pytest.mark.parametrize(
    ("source", "album", "file", "expected"),
    [
        ([PERSONAL], [], [], "restricted"),
        ([PERSONAL], [], [BY], "open"),
        ([PERSONAL], [], [UNKNOWN], "restricted"),
        ([PERSONAL], [], [IN_COPYRIGHT], "restricted"),
        ([BY], [], [], "open"),
        ([BY], [], [UNKNOWN], "dark"),
        ([BY], [], [CONTRADICTORY], "dark"),
        ([BY], [], [IN_COPYRIGHT], "dark"),
        ([IN_COPYRIGHT], [], [BY], "open"),
        ([IN_COPYRIGHT], [BY], [], "open"),
        ([IN_COPYRIGHT], [AGREEMENT], [], "restricted"),
        ([CC0], [AGREEMENT], [], "restricted"),
        ([CC0], [LEGAL_DEPOSIT], [], "dark"),
        ([CC0], [LEGAL_DEPOSIT], [BY], "open"),
        ([AGREEMENT], [PERSONAL], [UNKNOWN], "restricted"),
        ([BY], [UNKNOWN], [BY], "open"),
        ([], [], [], "dark"),
    ],
)
def test_what_is_in_force(
    source: list[str], album: list[str], file: list[str], expected: str
) -> None:
    levels = [level("source", *source), level("album", *album), level("file", *file)]
    assert access_class(resolve(levels), NOW) == expected


def test_a_files_own_licence_replaces_its_sources() -> None:
    found = resolve([level("source", CC0), level("file", BY_NC)])
    assert [one.uri for one in found] == [BY_NC]


def test_two_licences_of_one_file_both_hold() -> None:
    found = resolve([level("source", PERSONAL), level("file", BY, BY_NC, BY)])
    assert [one.uri for one in found] == [PERSONAL, BY, BY_NC]


def test_each_step_is_explained() -> None:
    found = explain([level("source", CC0), level("track"), level("file", BY_NC)])
    first, second, outcome = found.steps
    assert first == "the source says “CC0 1.0 Universal” (from the source)"
    assert "the file says" in second and "instead of CC0 1.0 Universal" in second
    assert outcome == "in force: Creative Commons Attribution-NonCommercial 3.0"
    assert explain([]).steps == ("in force: nothing: it stays dark",)


def test_equal_bytes_from_several_places_carry_all_their_statements() -> None:
    open_, closed = level("a", BY).statements, level("b", IN_COPYRIGHT).statements
    assert together([open_, closed, open_]) == (*open_, *closed)
    assert access_class(together([open_, closed]), NOW) == "dark"
