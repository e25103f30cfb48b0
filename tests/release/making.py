"""Small archives for the release's tests: objects, their evidence, the gate's leave."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from longplay.model import ObjectHashes, ObjectKey, Statement
from longplay.release import cut as cutting
from longplay.release.cut import OBJECTS, Release, Request
from longplay.release.describing import About, Credit
from longplay.rights.gate import Shareable, decide
from longplay.rights.statements import CC0, Act
from longplay.vault import evidence
from tests.torrent.making import content, hashed

AT = datetime(2026, 11, 23, tzinfo=UTC)
PIECE = 32 * 1024
ABOUT = About("test", "2026-11-23", (Credit("table", "", "nothing"),))


def leave_for(key: ObjectKey, act: Act = Act.RELEASE, position: int = 0) -> Shareable:
    judged = decide(
        [Statement("source:test", CC0, "a test")], act, AT, subject=key, log_position=position
    )
    assert isinstance(judged, Shareable)
    return judged


@dataclass
class World:
    """Objects by number, and where their evidence lies. What is not said of one is made up."""

    folder: Path
    contents: dict[int, bytes] = field(default_factory=dict)
    hashes: dict[int, ObjectHashes] = field(default_factory=dict)
    facts: dict[int, dict[str, Any]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    def add(self, *sizes: int, piece_length: int = PIECE, **facts: Any) -> list[int]:
        """Objects of these sizes, in a file of evidence of their own."""
        first = len(self.contents)
        bodies = [content(size, first + index) for index, size in enumerate(sizes)]
        return self.hold(*bodies, piece_length=piece_length, **facts)

    def hold(self, *bodies: bytes, piece_length: int = PIECE, **facts: Any) -> list[int]:
        """Objects with these bytes, in a file of evidence of their own."""
        numbers = list(range(len(self.contents), len(self.contents) + len(bodies)))
        for number, body in zip(numbers, bodies, strict=True):
            self.contents[number] = body
            self.hashes[number] = hashed(body, piece_length)
            self.facts[number] = dict(facts)
        rows = [evidence.hashes_row(1, self.hashes[number]) for number in numbers]
        written = evidence.write(self.folder / "evidence", "hashes", rows)
        assert written is not None
        self.files.append(self.folder / "evidence" / written.name)
        return numbers

    def row(self, number: int) -> dict[str, Any]:
        found = self.hashes[number]
        return {
            "kind": "audio",
            "recording": f"rec{number:013x}",
            "title": f"Song {number}",
            "artists": ["Somebody"],
            "album": "Songs",
            "album_artist": None,
            "disc_number": None,
            "track_number": number + 1,
            "isrc": f"XX00000000{number:02}",
            "release_date": "2020",
            "duration_ms": 1000,
            "listens": float(100 - number),
            "suffix": ".ogg",
            "root": found.root,
            "size": found.size,
            "sha256": hashlib.sha256(self.contents[number]).digest(),
            "piece_length": found.piece_length,
            "statement": CC0,
            "evidence": "a test",
            "tdm_reserved": False,
            **self.facts[number],
        }

    def request(
        self,
        numbers: list[int],
        before: Release | None = None,
        *,
        stage: int = 1,
        prefix: str = "test",
        others: tuple[Release, ...] = (),
        **more: Any,
    ) -> Request:
        """A cut of these objects, after the release `before` of the stage. It wants those that are
        not said to be in another stage (`in_stage`)."""
        rows = [self.row(number) for number in numbers]
        wanted = np.array([row.pop("in_stage", True) for row in rows], bool)
        for row in rows:
            row.pop("stage", None)
        made = Request(
            objects=pa.Table.from_pylist(rows, schema=OBJECTS),
            wanted={stage: wanted},
            leave=[leave_for(self.hashes[number].key) for number in numbers],
            before={one.stage: one for one in (*others, before) if one is not None},
            evidence=tuple(self.files),
            listens=1000.0,
            about=replace(ABOUT, archive=prefix),
        )
        return replace(made, **more)

    @property
    def releases(self) -> Path:
        return self.folder / "releases"


def cut(request: Request, folder: Path) -> Release | None:
    """The one release that a cut of one stage makes."""
    made = cutting.cut(request, folder)
    assert len(made) <= 1
    return made[0] if made else None
