"""Many cuts in a row, against a plain model: what is where, and that it never moves."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from longplay.release import volumes
from longplay.release.cut import Release
from longplay.torrent import metainfo
from tests.release.making import PIECE, World, cut


class Cuts(RuleBasedStateMachine):
    """Objects arrive, are withdrawn, come back, change their names; stages 1 and 2 are cut."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.allowed: set[int] = set()
        self.stages: dict[int, Release] = {}
        self.where: dict[int, tuple[int, str]] = {}
        """Of each released object, the stage and the path: the model."""
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(volumes, "TORRENT_BYTES", 2000)

    def teardown(self) -> None:
        self.patch.undo()
        self.folder.cleanup()

    @rule(
        sizes=st.lists(st.integers(1, 3 * PIECE), min_size=1, max_size=3),
        title=st.sampled_from(["Song", "SONG", "Söng", ""]),
        stage=st.sampled_from([1, 2]),
    )
    def arrive(self, sizes: list[int], title: str, stage: int) -> None:
        self.allowed |= set(self.world.add(*sizes, title=title, track_number=1, stage=stage))

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        if self.allowed:
            self.allowed.remove(data.draw(st.sampled_from(sorted(self.allowed))))

    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        gone = sorted(set(self.world.contents) - self.allowed)
        if gone:
            self.allowed.add(data.draw(st.sampled_from(gone)))

    @rule(data=st.data(), stage=st.sampled_from([1, 2]), title=st.sampled_from(["Song", "New"]))
    def change(self, data: st.DataObject, stage: int, title: str) -> None:
        if self.allowed:
            number = data.draw(st.sampled_from(sorted(self.allowed)))
            self.world.facts[number] |= {"title": title, "stage": stage}

    @rule(stage=st.sampled_from([1, 2]))
    def cut(self, stage: int) -> None:
        for facts in self.world.facts.values():
            facts["in_stage"] = facts["stage"] == stage
        request = self.world.request(
            sorted(self.allowed),
            before=self.stages.get(stage),
            stage=stage,
            others=tuple(one for number, one in self.stages.items() if number != stage),
        )
        release = cut(request, self.world.releases)
        if release is not None:
            self.stages[stage] = release
        held = self.rows(stage)
        stays = {n for n, (where, _) in self.where.items() if where == stage and n in self.allowed}
        elsewhere = {n for n, (where, _) in self.where.items() if where != stage}
        new = {n for n in self.allowed - stays - elsewhere if self.world.facts[n]["stage"] == stage}
        assert set(held) == stays | new
        for number in stays:
            assert held[number]["path"] == self.where[number][1]
        self.where = {n: place for n, place in self.where.items() if place[0] != stage}
        self.where |= {n: (stage, row["path"]) for n, row in held.items()}

    def rows(self, stage: int) -> dict[int, dict[str, Any]]:
        release = self.stages.get(stage)
        if release is None:
            return {}
        by_root = {found.root.hex(): number for number, found in self.world.hashes.items()}
        text = (self.world.releases / release.name / "manifest.jsonl").read_text()
        rows = [json.loads(line) for line in text.splitlines()]
        return {by_root[row["root"]]: row for row in rows}

    @invariant()
    def torrents_hold_what_the_manifest_says(self) -> None:
        for stage, release in self.stages.items():
            found = {}
            for volume in release.music:
                raw = (self.world.releases / volume.torrent).read_bytes()
                assert len(raw) <= volumes.TORRENT_BYTES
                for file in metainfo.parse(raw).files:
                    found[file.root.hex()] = (volume.name, "/".join(file.path))
            rows = self.rows(stage).values()
            assert found == {row["root"]: (row["volume"], row["path"]) for row in rows}


Cuts.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestCuts = Cuts.TestCase
