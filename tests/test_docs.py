"""What the documents say exists, and what exists is said."""

from __future__ import annotations

import re
from pathlib import Path

import typer.main
from pydantic import BaseModel

from longplay.cli.commands import app
from longplay.errors import LongplayError
from longplay.ledger import tables
from longplay.settings import Settings
from longplay.vault import evidence

ROOT = Path(__file__).parents[1]
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()


def commands(group: object, before: str = "longplay") -> dict[str, set[str]]:
    """Every command with its options, from the program itself."""
    found: dict[str, set[str]] = {}
    for name, command in getattr(group, "commands", {}).items():
        path = f"{before} {name}"
        if hasattr(command, "commands"):
            found |= commands(command, path)
        else:
            options = {option for param in command.params for option in param.opts}
            found[path] = {option for option in options if option.startswith("--")}
    return found


def test_every_command_and_option_is_documented() -> None:
    for path, options in commands(typer.main.get_command(app)).items():
        section = COMMANDS.partition(f"## {path}\n")[2].partition("\n## ")[0]
        assert section, path
        missing = {option for option in options if option not in section} - {"--help"}
        missing -= {option for option in ("--json", "--archive") if option in COMMANDS[:3000]}
        assert not missing, (path, missing)


def test_no_command_is_documented_that_does_not_exist() -> None:
    known = set(commands(typer.main.get_command(app)))
    assert set(re.findall(r"^## (longplay .+)$", COMMANDS, re.MULTILINE)) == known


def test_every_error_code_is_documented() -> None:
    def all_of(kind: type[LongplayError]) -> set[type[LongplayError]]:
        return {kind}.union(*(all_of(child) for child in kind.__subclasses__()))

    for kind in all_of(LongplayError):
        assert f"`{kind.code}`" in COMMANDS, kind


def test_every_setting_is_documented_with_its_default() -> None:
    def names(model: object, before: str = "") -> list[str]:
        found = []
        for name in type(model).model_fields:  # type: ignore[attr-defined]
            value = getattr(model, name)
            nested = isinstance(value, BaseModel)
            found += names(value, f"{before}{name}.") if nested else [f"{before}{name}"]
        return found

    for name in names(Settings()):
        assert f"`{name}`" in SETTINGS, name


def test_every_table_and_every_kind_of_evidence_is_documented() -> None:
    ledger = (ROOT / "docs" / "formats" / "ledger.md").read_text()
    for table in tables.metadata.tables:
        assert f"`{table}`" in ledger, table
    facts = (ROOT / "docs" / "formats" / "evidence.md").read_text()
    for kind, schema in evidence.SCHEMAS.items():
        assert f"`{kind}`" in facts, kind
        for name in schema.names:
            assert f"`{name}`" in facts, (kind, name)


def test_tests_that_attack_are_there() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`([a-z_/]+/(?:test_[a-z_*]+\.py)?)`", text)
    assert len(named) > 15
    for name in named:
        assert any((ROOT / "tests").glob(name)), name
