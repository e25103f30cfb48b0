"""Hostile bytes: no exception, no memory to speak of, no more reading than the file is worth."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longplay.audio.integrity import Structure, examine
from tests.audio.integrity_made import (
    flac,
    fragmented,
    made,
    matroska,
    mp3,
    mp4,
    opus,
    wav,
)

MAGIC = (
    b"OggS\0\2",
    b"fLaC\0\0\0\x22",
    b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
    b"RIFF\xff\xff\xff\xffWAVE",
    b"RF64\xff\xff\xff\xffWAVEds64",
    b"riff\x2e\x91\xcf\x11" + bytes(8),
    b"FORM\0\0\xff\xffAIFF",
    b"FORM\0\0\xff\xffAIFC",
    b"\0\0\0\x40ftyp".ljust(64, b"\0"),
    b"\0\0\0\x40moof".ljust(64, b"\0"),
    b"#!AMR\n",
    b"#!AMR-WB\n",
    b"MAC \x8c\x0f",
    b"wvpk",
    b"TTA1",
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    b"DSD ",
    b"FRM8",
    b"caff",
    b".snd",
    b"MPCK",
    b"ID3\4\0\0\0\0\0\x01",
    b"\xff\xfb\x90\x44",
    b"\xff\xf1\x50\x80",
)

MAKERS: tuple[Callable[[], bytes], ...] = (
    opus,
    flac,
    mp3,
    wav,
    mp4,
    fragmented,
    matroska,
    lambda: made("webm", "libopus", 48000),
    lambda: made("tta", "tta"),
    lambda: made("wv", "wavpack"),
    lambda: made("aiff", "pcm_s16be"),
    lambda: made("w64", "pcm_s16le"),
    lambda: made("wav", "pcm_s16le", rf64="always"),
    lambda: made("adts", "aac"),
)


class Counted(io.BytesIO):
    """Counts the bytes that are read."""

    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.total += len(data)
        return data


def check_bounded(data: bytes) -> Structure:
    source = Counted(data)
    structure = examine(source, len(data))
    # Each place that is read twice costs at most a window; files here are smaller than one.
    assert source.total <= 40 * (len(data) + 1)
    return structure


@given(st.sampled_from(MAGIC), st.binary(max_size=3000))
def test_random_bytes_behind_every_mark(magic: bytes, body: bytes) -> None:
    check_bounded(magic + body)
    check_bounded(body)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_mutated_files(data: st.DataObject) -> None:
    made_file = data.draw(st.sampled_from(MAKERS))()
    changed = bytearray(made_file[: data.draw(st.sampled_from((600, 5000, 60_000, 1 << 30)))])
    for _ in range(data.draw(st.integers(1, 6))):
        # Headers stand at the start and the end, so that is where most changes go.
        span = data.draw(st.sampled_from((64, 1000, len(changed))))
        offset = data.draw(st.integers(0, min(span, len(changed)) - 1))
        offset = data.draw(st.sampled_from((offset, len(changed) - 1 - offset)))
        value = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)) | st.integers(0, 255))
        changed[offset] = value
    check_bounded(bytes(changed))


@pytest.mark.parametrize("pattern", [*MAGIC, b"\0", b"\xff", b"\xff\xfb", b"\xff\xf8\xc9\x18\0"])
def test_memory_is_bounded_by_the_window(pattern: bytes) -> None:
    data = (pattern * (1_200_000 // len(pattern) + 1))[:1_200_000]
    source = io.BytesIO(data)
    examine(io.BytesIO(data[:1000]), 1000)  # the tables of the CRCs are made once
    tracemalloc.start()
    examine(source, len(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20


def test_a_size_that_the_source_does_not_have() -> None:
    for maker in MAKERS:
        data = maker()
        assert isinstance(examine(io.BytesIO(data), len(data) + 100_000), Structure)
