"""`kill -9` in the middle of an import: the old snapshot answers, and nothing is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from longplay.catalogue import coverage, layout
from longplay.catalogue.snapshot import open_current
from tests.catalogue.importers.databases import MAP, many
from tests.system.conftest import Longplay

KILLED = """
import os, pkgutil, signal, sys
from longplay.cli.main import run
holder, _, name = sys.argv[1].rpartition(".")
left = int(sys.argv[2])
held = pkgutil.resolve_name(holder)
function = getattr(held, name)

def counted(*given, **named):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*given, **named)

setattr(held, name, counted)
sys.argv[1:] = sys.argv[3:]
run()
"""
"""Runs `longplay`, and kills it when a function is called for the nth time."""

STEPS = [
    ("longplay.catalogue.staging.Staging.tracks", 1),
    ("longplay.catalogue.layers.write", 1),
    ("longplay.catalogue.evidence.Evidence.write_lookups", 1),
    ("longplay.catalogue.search.build.build", 1),
    ("longplay.catalogue.search.terms.write", 1),
    ("longplay.catalogue.layout.publish_part", 1),
    ("longplay.catalogue.layout.publish_part", 9),
    ("longplay.catalogue.joins.update", 1),
    ("longplay.catalogue.layout.commit", 1),
    ("longplay.files.write_durably", 1),
]
"""Where an import is killed: from its first row to the pointer, that is swapped last."""


def orphans(catalogue: Path) -> set[str]:
    """Files of a catalogue that no snapshot lists."""
    listed = {"current", "writer.lock"}
    for number in range(1, layout.current_number(catalogue) + 1):
        manifest = layout.read(catalogue, number)
        listed.add(f"snapshots/{number:06d}.json")
        listed |= {part.file for part in manifest.parts()}
        listed |= {part.file for layer in manifest.layers.values() for part in layer.index}
    present = {str(each.relative_to(catalogue)) for each in catalogue.rglob("*") if each.is_file()}
    return present - listed


@pytest.fixture
def command(tmp_path: Path, longplay: Longplay) -> list[object]:
    column_map = tmp_path / "map.toml"
    column_map.write_text(MAP)
    longplay.run("init", longplay.archive)
    small = many(tmp_path / "a.sqlite", 100)
    longplay.run("catalogue", "import", small, "--map", column_map, "--name", "s")
    large = many(tmp_path / "b.sqlite", 3_000)
    return ["catalogue", "import", large, "--map", column_map, "--name", "s"]


@pytest.mark.parametrize(
    "steps",
    [pytest.param(STEPS[::3], id="some"), pytest.param(STEPS, id="all", marks=pytest.mark.long)],
)
def test_an_import_can_be_killed_at_every_step(
    longplay: Longplay, command: list[object], steps: list[tuple[str, int]]
) -> None:
    catalogue = longplay.archive / "catalogue"
    for step, count in steps:
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, step, str(count), *map(str, command)],
            capture_output=True,
            env=longplay.environment(),
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, f"{step} is not called"
        assert open_current(catalogue).number == 1, step
        assert coverage.stats(open_current(catalogue)).tracks == 100, step
    assert orphans(catalogue), "a killed import leaves something, which the next one removes"
    assert longplay.json(*command)["rows"]["tracks"] == 3_000
    found = coverage.stats(open_current(catalogue))
    assert (found.tracks, found.artists) == (3_000, 750)
    assert not orphans(catalogue)
