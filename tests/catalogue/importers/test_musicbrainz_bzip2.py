"""bzip2 by blocks says what Python's bz2 says, and refuses what is damaged."""

from __future__ import annotations

import bz2
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.catalogue.importers.musicbrainz import bzip2
from longplay.errors import InputError


def unpack(data: bytes, chunk: int = 1000) -> bytes:
    chunks = (data[at : at + chunk] for at in range(0, len(data), chunk))
    return b"".join(bzip2.decompressed(chunks, "file"))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=3000)), st.integers(1, 9), st.integers(4, 5000))
def test_streams_after_each_other(parts: list[bytes], level: int, chunk: int) -> None:
    packed = b"".join(bz2.compress(part, level) for part in [b"", *parts])
    assert unpack(packed, chunk) == b"".join(parts)


def test_many_blocks() -> None:
    data = bytes(range(256)) * 3000
    assert unpack(bz2.compress(data, 1)) == data


@pytest.mark.parametrize("mark", [0x314159265359, 0x177245385090])
def test_a_mark_inside_a_block_does_not_end_it(mark: int) -> None:
    """A block's header lists the bytes that occur in it as bits: here, just those of a mark."""
    data = bytes(i for i, bit in enumerate(f"{mark:048b}") if bit == "1") * 5000
    packed = bz2.compress(data)
    assert len(list(bzip2.segments([packed], "file"))) == 3
    assert unpack(packed) == data


@pytest.mark.parametrize("mark", [0x314159265359, 0x177245385090])
def test_marks_that_overlap_do_not_leave_their_memory(mark: int) -> None:
    """The last three bits of a mark may be the first of the next: one every 45 bits."""
    bits = f"{mark:048b}"[:45] * (8 * 2**20 // 45)
    packed = b"BZh9" + int(bits, 2).to_bytes(-(-len(bits) // 8))
    with pytest.raises(InputError, match="damaged"):
        unpack(packed, 2**20)


def test_thousands_of_streams_in_one_chunk() -> None:
    packed = bz2.compress(b"") * 20_000 + bz2.compress(b"x")
    assert unpack(packed, 2**20) == b"x"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    content = b"some text that is long enough\n" * 20
    packed = bytearray(bz2.compress(content) + bz2.compress(content))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(packed) - 1))
        packed[at] ^= data.draw(st.integers(1, 255))
    else:
        del packed[data.draw(st.integers(0, len(packed) - 1)) :]
    found = None
    with contextlib.suppress(InputError):
        found = unpack(bytes(packed))
    assert found in (None, content, content * 2)


def test_something_after_the_end_is_refused() -> None:
    with pytest.raises(InputError, match="after its end"):
        unpack(bz2.compress(b"x") + b"more")
    assert unpack(bz2.compress(b"x") + bytes(512)) == b"x"
