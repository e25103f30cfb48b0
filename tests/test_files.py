"""Files: whole or not at all, inside their folder, one writer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay import files
from longplay.errors import ArchiveError, InputError, LockedError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_durably(path, b"old")
    with pytest.raises(RuntimeError), files.durable(path) as out:
        out.write(b"half of the n")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_killed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_durably(path, b"old")
    program = (
        "import os, signal, sys; from pathlib import Path; from longplay.files import durable\n"
        "with durable(Path(sys.argv[1])) as out:\n"
        "    out.write(b'new'); out.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert path.read_bytes() == b"old"


def test_json_has_one_spelling(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a", {"b": 1, "a": "é"})
    files.write_json(tmp_path / "b", {"a": "é", "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@given(st.binary(min_size=1).filter(lambda name: b"\x00" not in name))
def test_names_survive_being_told_as_text(name: bytes) -> None:
    text = files.escape(name)
    text.encode("utf-8")
    assert files.unescape(text) == name
    assert text.isprintable() or not name.isascii()


@pytest.mark.parametrize(
    "name", [b"..", b"../x", b"a/../../x", b"/etc/passwd", b"a//b", b"", b"a/./b", b"a\x00b"]
)
def test_names_that_climb_out_are_refused(tmp_path: Path, name: bytes) -> None:
    with pytest.raises(InputError):
        files.inside(tmp_path, name)


def test_odd_names_stay_inside(tmp_path: Path) -> None:
    name = b"caf\xe9/..hidden/\xff"
    assert os.fsencode(files.inside(tmp_path, name)) == os.fsencode(tmp_path) + b"/" + name


def test_bounded_reads(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert files.read_bounded(path, 5) == b"12345"
    with pytest.raises(InputError, match="longer than 4 bytes"):
        files.read_bounded(path, 4)
    with pytest.raises(InputError, match="cannot be read"):
        files.read_bounded(tmp_path / "none", 4)


def test_the_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        files.writer_lock(lock, "catalogue"),
        pytest.raises(LockedError, match=f"process {os.getpid()}"),
        files.writer_lock(lock, "catalogue"),
    ):
        pass
    with files.writer_lock(lock, "catalogue"):
        pass


def test_sweeping_keeps_what_is_named(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in files.sweep(tmp_path, {"b"})] == ["a", "c"]
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert files.sweep(tmp_path / "none", set()) == []


def test_free_space_is_told_of_a_folder_that_will_be_made(tmp_path: Path) -> None:
    later = tmp_path / "not" / "yet"
    assert files.nearest(later) == tmp_path
    files.require_free(later, 1)
    with pytest.raises(ArchiveError, match="bytes are free, 1,000,000,000,000,000 are needed"):
        files.require_free(later, 10**15)
