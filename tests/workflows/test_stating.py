"""`rights import`: what a file states reaches the gate, and goes when it says so no longer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from longplay.archive import open_archive
from longplay.errors import InputError, RightsError
from longplay.rights.gate import Refusal
from longplay.rights.statements import Act
from longplay.workflows import judging, stating
from longplay.workflows.withdrawing import Standing
from tests.ddex_made import FREE, STREAM, WORLD, Delivery, Recording
from tests.workflows.archives import Made, made

NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("stating"), 4)


@pytest.fixture
def world(template: Made, tmp_path: Path) -> Iterator[Made]:
    shutil.copytree(template.folder, tmp_path / "world")
    archive = open_archive(tmp_path / "world" / "archive")
    yield Made(archive, tmp_path, template.rows)
    archive.ledger.close()


def reason(world: Made, root: bytes, act: Act, **more: object) -> str:
    with world.archive.ledger.read() as connection:
        found = judging.stated(connection, root)
    assert found is not None
    answer = judging.judge(found, act, NOW, Standing(frozenset(), 0), **more)  # type: ignore[arg-type]
    return answer.reason if isinstance(answer, Refusal) else ""


def table(world: Made, text: str) -> stating.Stated:
    path = world.folder / "terms.csv"
    path.write_text(text)
    return stating.import_rights(world.archive, path)


def test_a_table_of_rights(world: Made) -> None:
    keys = [world.hold(number) for number in range(4)]
    done = table(
        world,
        "subject,statement,evidence,from,until,territories,uses\n"
        "QZTST2600000,CC BY 4.0,a letter,,,,\n"
        f"{world.recording(1)},agreement,contract 7,2026-01-01,2027-12-31,DE FR,stream\n"
        f"obj{keys[2].hex},agreement,contract 8,,,,release\n"
        "QZTST2699999,CC BY 4.0,,,,,\n",
    )
    assert (done.statements, done.subjects, done.unmatched) == (3, 3, ("QZTST2699999",))
    assert [reason(world, key.root, Act.RELEASE) for key in keys] == [
        "", "agreement", "", "no-statement",
    ]  # fmt: skip
    there = {"signed_in": True, "territory": "FR"}
    assert reason(world, keys[1].root, Act.STREAM, **there) == ""
    assert reason(world, keys[1].root, Act.STREAM, signed_in=True, territory="US") == "territory"
    table(world, "subject,statement\nQZTST2600001,CC BY 4.0\n")
    assert [reason(world, key.root, Act.RELEASE) for key in keys] == [
        "no-statement", "", "no-statement", "no-statement",
    ]  # fmt: skip


def test_a_ddex_message(world: Made) -> None:
    key = world.hold(1)
    path = world.folder / "message.xml"
    made = Delivery(terms=(FREE + STREAM + WORLD,), recordings=[Recording(1, "QZTST2600001")])
    path.write_text(made.xml())
    assert stating.import_rights(world.archive, path).statements == 1
    assert reason(world, key.root, Act.STREAM, signed_in=True) == ""
    assert reason(world, key.root, Act.STREAM) == "sign-in"
    assert reason(world, key.root, Act.RELEASE) == "agreement"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no column subject"),
        ("a,b\n1,2\n", "has no column 'a'"),
        ("subject,statement\nQZTST2600000,https://creativecommons.org/licenses/by/9.9/\n",
         "terms.csv:2"),
        ("subject,statement,until\nQZTST2600000,agreement,31.12.2030\n", "is no date"),
        ("subject,statement,territories\nQZTST2600000,agreement,Mars\n", "is no territory"),
        ("subject,statement\n,CC BY 4.0\n", "has no subject"),
        ("subject,statement\nar0000000000001,CC BY 4.0\n", "nothing that a statement"),
        ('subject,statement\n"QZ', "is no CSV"),
    ],
)  # fmt: skip
def test_a_table_with_a_mistake_changes_nothing(world: Made, text: str, words: str) -> None:
    key = world.hold(0)
    table(world, "subject,statement\nQZTST2600000,CC BY 4.0\n")
    with pytest.raises((RightsError, InputError), match=words):
        table(world, text)
    assert reason(world, key.root, Act.RELEASE) == ""


def test_no_file_and_no_text_are_told(world: Made) -> None:
    with pytest.raises(InputError, match="is not a file"):
        stating.import_rights(world.archive, world.folder / "none.csv")
    (world.folder / "latin.csv").write_bytes(b"subject,statement\ncaf\xe9,x\n")
    with pytest.raises(RightsError, match="is not UTF-8"):
        stating.import_rights(world.archive, world.folder / "latin.csv")
