"""Keys and signatures: ours are minisign's, and nothing that was changed passes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.errors import FeedError
from longplay.release import keys, minisign

KEY = minisign.SecretKey(b"12345678", bytes(range(32)))
DATA = b"what is signed\n" * 9
SIGNATURE = minisign.sign(KEY, DATA, "a comment")


def test_what_was_signed_is_believed() -> None:
    assert minisign.verify(KEY.public, DATA, SIGNATURE, "x") == "a comment"


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_data_with_any_byte_changed_is_not(at: int, by: int) -> None:
    changed = DATA[:at] + bytes([DATA[at] ^ by]) + DATA[at + 1 :]
    with pytest.raises(FeedError):
        minisign.verify(KEY.public, changed, SIGNATURE, "x")


@given(st.integers(SIGNATURE.index("\n") + 1, len(SIGNATURE) - 2), st.integers(1, 127))
def test_a_signature_with_any_byte_changed_is_not(at: int, by: int) -> None:
    changed = SIGNATURE[:at] + chr(ord(SIGNATURE[at]) ^ by) + SIGNATURE[at + 1 :]
    with pytest.raises(FeedError):
        minisign.verify(KEY.public, DATA, changed, "x")


@given(st.text(max_size=300))
def test_any_text_is_refused_in_one_line(text: str) -> None:
    for read in (
        lambda: minisign.read_public(text, "x"),
        lambda: minisign.read_secret(text, "x"),
        lambda: minisign.verify(KEY.public, DATA, text, "x"),
        lambda: minisign.signer(text, "x"),
        lambda: keys.parse(text.encode("utf-8", "replace"), SIGNATURE, "x"),
    ):
        with pytest.raises(FeedError) as caught:
            read()
        assert "\n" not in str(caught.value)


def test_keys_are_made_once_and_belong_to_their_owner(tmp_path: Path) -> None:
    made = keys.make(tmp_path / "secret", tmp_path / "public")
    assert (
        keys.make(tmp_path / "secret", tmp_path / "public")
        == made
        == keys.read(tmp_path / "public")
    )
    folder = tmp_path / "secret" / made.root.name
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert keys.load(folder / keys.FEED).public == made.feed[0]


def test_a_feed_key_is_replaced_by_the_root_key_alone(tmp_path: Path) -> None:
    made = keys.make(tmp_path / "secret", tmp_path / "public")
    again = keys.rotate(tmp_path / "secret", tmp_path / "public")
    assert (again.version, again.root) == (2, made.root)
    assert again.feed != made.feed
    (tmp_path / "secret" / made.root.name / keys.ROOT).unlink()
    with pytest.raises(FeedError, match="not at hand"):
        keys.rotate(tmp_path / "secret", tmp_path / "public")


def test_keys_that_another_root_signed_are_refused(tmp_path: Path) -> None:
    keys.make(tmp_path / "secret", tmp_path / "public")
    data = (tmp_path / "public" / keys.DOCUMENT).read_bytes()
    forged = minisign.sign(KEY, data, "x")
    with pytest.raises(FeedError, match="another key"):
        keys.parse(data, forged, "keys.json")


@pytest.mark.real
def test_minisign_itself_believes_us_and_we_it(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    tool = program("minisign")
    key = minisign.generate()
    for name, text in {
        "ours.pub": key.public.text(),
        "ours.key": key.text(),
        "data": DATA.decode(),
        "data.minisig": minisign.sign(key, DATA, "by us"),
    }.items():
        (tmp_path / name).write_text(text)

    def run(*words: str) -> str:
        done = subprocess.run(
            [tool, *words], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout

    assert "by us" in run("-V", "-p", "ours.pub", "-m", "data")
    run("-S", "-s", "ours.key", "-m", "data", "-t", "by it", "-x", "theirs.minisig")
    theirs = (tmp_path / "theirs.minisig").read_text()
    assert minisign.verify(key.public, DATA, theirs, "x") == "by it"
    run("-G", "-W", "-p", "made.pub", "-s", "made.key")
    made = minisign.read_secret((tmp_path / "made.key").read_text(), "x")
    assert made.public == minisign.read_public((tmp_path / "made.pub").read_text(), "x")
    run("-S", "-l", "-s", "made.key", "-m", "data", "-t", "old", "-x", "old.minisig")
    old = (tmp_path / "old.minisig").read_text()
    assert minisign.verify(made.public, DATA, old, "x") == "old"
