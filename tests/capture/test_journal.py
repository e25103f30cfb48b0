"""What dead captures leave in a spool folder: ours is found again, a stranger's harms nothing."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import pytest

from longplay.capture import journal
from longplay.capture.journal import Partial

DEAD = "4194304-1-7"
"""Of a process that cannot be there: beyond the greatest number that Linux gives."""


def calling(module: str, name: str, argument: str) -> bytes:
    """A pickle that calls `module.name(argument)` when it is read."""
    out = io.BytesIO()
    out.write(b"\x80\x04")
    for word in (module, name):
        data = word.encode()
        out.write(b"\x8c" + bytes([len(data)]) + data)
    out.write(b"\x93")  # STACK_GLOBAL
    data = argument.encode()
    out.write(b"\x8c" + bytes([len(data)]) + data + b"\x85R.")
    return out.getvalue()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("longplay.capture.journal", "os.system"),
        ("longplay.capture.journal", "suppress"),
        ("pathlib", "os.system"),
        ("longplay.capture.orders", "Order.__init__.__globals__"),
    ],
)
def test_a_strangers_step_runs_nothing(tmp_path: Path, module: str, name: str) -> None:
    spool, witness = tmp_path / "spool", tmp_path / "witness"
    spool.mkdir()
    (spool / f"{DEAD}.taken").write_bytes(calling(module, name, f"touch {witness}"))
    (spool / f"{DEAD}-main").write_bytes(b"bytes")
    with journal.adopted(spool) as left:
        assert (left.taken, left.fetched, left.partial) == ({}, {}, {})
    assert not witness.exists()
    assert list(spool.iterdir()) == []


def test_such_a_pickle_would_run_where_pickles_are_trusted(tmp_path: Path) -> None:
    pickle.loads(calling("os", "system", f"touch {tmp_path}/witness"))
    assert (tmp_path / "witness").exists()


@pytest.mark.parametrize("cut", [0, 1, 10, -1])
def test_a_step_that_is_half_written_is_none(tmp_path: Path, cut: int) -> None:
    spool = tmp_path / f"{DEAD}-main"
    spool.write_bytes(b"beginning")
    partial = Partial("web", b"a", spool, "v1", journal.boot())
    journal.note(str(tmp_path / DEAD), ".fetching", partial)
    with journal.adopted(tmp_path) as left:
        assert left.partial == {("web", b"a"): partial}
    sidecar = tmp_path / f"{DEAD}.fetching"
    sidecar.write_bytes(sidecar.read_bytes()[:cut])
    with journal.adopted(tmp_path) as left:
        assert left.partial == {}
    assert list(tmp_path.iterdir()) == []


def test_beginnings_stay_for_the_next_capture_when_the_rest_is_cleared(tmp_path: Path) -> None:
    spool = tmp_path / f"{DEAD}-main"
    spool.write_bytes(b"beginning")
    partial = Partial("web", b"a", spool, "v1", journal.boot())
    journal.note(str(tmp_path / DEAD), ".fetching", partial)
    with journal.adopted(tmp_path) as left:
        journal.clear(left)
    with journal.adopted(tmp_path) as left:
        assert left.partial == {("web", b"a"): partial}


def test_names_are_never_used_twice_and_files_at_work_are_left_alone(tmp_path: Path) -> None:
    first, second = journal.fresh(), journal.fresh()
    assert first != second
    with journal.adopted(tmp_path):
        (tmp_path / f"{first}-main").write_bytes(b"at work")
        with journal.adopted(tmp_path):
            pass
        assert (tmp_path / f"{first}-main").exists()
    (tmp_path / f"{os.getpid()}-1-1-main").write_bytes(b"of a process that had our number")
    with journal.adopted(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_only_steps_are_believed(tmp_path: Path) -> None:
    (tmp_path / f"{DEAD}.taken").write_bytes(pickle.dumps((journal.VERSION, {"not": "a step"})))
    with journal.adopted(tmp_path) as left:
        assert left.taken == {}
    assert list(tmp_path.iterdir()) == []
