"""A cut that dies at any step leaves a whole release or none; every process cuts the same bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from longplay.release import volumes
from longplay.release.cut import Release, Request, sweep
from longplay.torrent import metainfo
from tests.release.making import PIECE, World, cut

STEPS = ("fsync", "replace", "rename", "mkdir", "rmdir")
"""The calls by which a cut changes what a later process finds; each may be the last."""


class Killed(BaseException):
    """Stands for SIGKILL: from here on nothing this process does reaches the disk."""


def dying_at(patch: pytest.MonkeyPatch, last: int) -> None:
    """Let `last` durable steps pass and none after, clean-up included."""
    passed = 0

    def guard(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal passed
            passed += 1
            if passed > last:
                raise Killed
            return step(*arguments, **named)

        return call

    for name in (*STEPS, "unlink"):
        patch.setattr(os, name, guard(getattr(os, name)))
    patch.setattr(shutil, "rmtree", guard(shutil.rmtree))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def small(folder: Path) -> tuple[World, Release, Request]:
    """A world with one release, and the cut that would follow: one volume anew and one more."""
    world = World(folder)
    first = cut(world.request(world.add(5, PIECE + 1, 9)), world.releases)
    assert first is not None
    world.add(3 * PIECE, 6)
    return world, first, world.request([0, 2, 3, 4], before=first)


def test_a_cut_that_dies_at_any_step_can_be_made_again(tmp_path: Path) -> None:
    world, _, request = small(tmp_path / "calm")
    before = digests(world.releases)
    assert cut(request, world.releases) is not None
    after = digests(world.releases)
    for last in range(200):
        world, first, request = small(tmp_path / str(last))
        with pytest.MonkeyPatch.context() as patch:
            dying_at(patch, last)
            try:
                cut(request, world.releases)
                break
            except Killed:
                pass
        names = {path.name for path in world.releases.iterdir() if not path.name.startswith(".")}
        if "s1-0002" in names:  # it has its name: then it is whole
            found = digests(world.releases)
            assert found.items() >= after.items()
        sweep(world.releases, {first.name})
        assert digests(world.releases) == before
        assert cut(request, world.releases) is not None
        assert digests(world.releases) == after
    assert 15 < last < 199


CHILD = """
import sys
from pathlib import Path
from tests.release.test_interrupted import many
many(Path(sys.argv[1]))
"""


def many(folder: Path) -> tuple[World, Release]:
    """Three thousand objects, many of one name, in volumes of at most 100 kB of .torrent."""
    world = World(folder)
    world.add(*(16 + 37 * number % 999 for number in range(3000)), title="Song", track_number=None)
    for number, facts in enumerate(world.facts.values()):
        world.facts[number] = {**facts, "album": f"Album {number % 70}"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "TORRENT_BYTES", 100_000)
        release = cut(world.request(sorted(world.contents)), world.releases)
    assert release is not None
    return world, release


def test_three_thousand_objects_and_every_process_cuts_the_same(tmp_path: Path) -> None:
    world, release = many(tmp_path / "here")
    assert release.objects == 3000
    raw = [(world.releases / volume.torrent).read_bytes() for volume in release.music]
    assert len(raw) > 5
    assert all(len(data) <= 100_000 for data in raw)
    assert sum(map(len, raw)) > 100_000 * (len(raw) - 1) * 0.99
    files = [file for data in raw for file in metainfo.parse(data).files]
    assert {file.root for file in files} == {one.root for one in world.hashes.values()}
    for seed in ("0", "4711"):
        subprocess.run(
            [sys.executable, "-c", CHILD, str(tmp_path / seed)],
            check=True,
            timeout=120,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert digests(tmp_path / seed / "releases") == digests(world.releases)
