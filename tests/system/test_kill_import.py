"""`kill -9` in the middle of an import: the old snapshot answers, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

from longplay.catalogue.snapshot import open_current
from tests.catalogue.importers.databases import MAP, many
from tests.system.conftest import Longplay
from tests.system.test_kill import run_until


def files(archive: Path) -> set[str]:
    catalogue = archive / "catalogue"
    return {str(path.relative_to(catalogue)) for path in catalogue.rglob("*") if path.is_file()}


def test_an_import_can_be_killed_at_any_moment(tmp_path: Path, longplay: Longplay) -> None:
    column_map = tmp_path / "map.toml"
    column_map.write_text(MAP)
    small, large = many(tmp_path / "a.sqlite", 100), many(tmp_path / "b.sqlite", 30_000)
    longplay.run("init", longplay.archive)

    def command(path: Path) -> list[object]:
        return ["catalogue", "import", path, "--map", column_map, "--name", "s"]

    longplay.run(*command(small))
    before = files(longplay.archive)
    killed = 0
    for tenths in range(12, 40, 4):
        if not run_until(longplay, command(large), tenths / 10):
            break
        killed += 1
        assert open_current(longplay.archive / "catalogue").number == 1
        assert longplay.json("catalogue", "stats", "--json")["tracks"] == 100
    assert killed
    assert longplay.json(*command(large), "--json")["rows"]["tracks"] == 30_000
    stats = longplay.json("catalogue", "stats", "--json")
    assert (stats["tracks"], stats["artists"]) == (30_000, 7_500)
    left = files(longplay.archive) - before
    listed = {part.file for part in open_current(longplay.archive / "catalogue").manifest.parts()}
    assert {name for name in left if name.endswith(".parquet")} <= listed
    assert not any(name.startswith("scratch") for name in left)
