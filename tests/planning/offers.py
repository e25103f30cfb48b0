"""Candidates tables for the tests: one ordinary file, and what differs from it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from longplay.planning.candidates import SCHEMA

MB = 1_000_000

ORDINARY: dict[str, Any] = {
    "recording": 1,
    "track": 11,
    "album": 21,
    "source": "own",
    "path": b"a.mp3",
    "kind": "audio",
    "bytes": 8 * MB,
    "duration_ms": 200_000,
    "codec": "mp3",
    "bit_rate": 320_000,
    "lossless": False,
    "popularity": 50.0,
    "listens": None,
    "keep_all": False,
    "damaged": False,
}


def offers(*rows: dict[str, Any]) -> pa.Table:
    """A candidates table; each row says what is not ordinary about it."""
    return pa.Table.from_pylist([ORDINARY | row for row in rows], schema=SCHEMA)


def companion(path: bytes, size: int, **more: Any) -> dict[str, Any]:
    """A file beside the sound."""
    silent = dict.fromkeys(("recording", "track", "duration_ms", "codec", "bit_rate", "popularity"))
    return {**silent, "path": path, "bytes": size, "kind": "image", **more}
