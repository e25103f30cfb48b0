"""Our Chromaprint against the real fpcalc, and its compressed form against itself."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from longplay.audio.decode import decode
from longplay.audio.fingerprint import (
    FRAME,
    HOP,
    WIDEST,
    Fingerprinter,
    compress,
    decompress,
    fingerprint,
)
from longplay.audio.resample import FINGERPRINT_RATE
from longplay.errors import InputError
from longplay.settings import Limits
from tests.audio import real_files
from tests.audio.media_made import made, tone

SILENT_ITEM = 627_964_279
"""What Chromaprint says of silence, again and again."""

SHORTEST = FRAME + (WIDEST + 4 - 1) * HOP
"""Samples that make one item: 16 rows of the picture, each smoothed over 5 frames."""


def noise(length: int, seed: int = 1) -> NDArray[np.int16]:
    return (np.random.default_rng(seed).standard_normal(length) * 4_000).astype(np.int16)


def melody(seed: int) -> NDArray[np.int16]:
    """Forty notes of half a second, by chance."""
    steps = np.random.default_rng(seed).integers(0, 24, 40)
    time = np.arange(FINGERPRINT_RATE // 2) / FINGERPRINT_RATE
    hertz = 220 * 2 ** (steps[:, None] / 12)
    return (8_000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16).ravel()


def fingerprint_of(path: Path) -> NDArray[np.uint32]:
    printer = Fingerprinter()
    with path.open("rb") as source:
        decode(source, path.stat().st_size, Limits(), lambda stretch: printer.feed(stretch.mono))
    return printer.result()


def fpcalc(program: str, path: Path, *options: str) -> str:
    """Its output. This version ends with status 3 after complete output unless told not to."""
    command = [program, "-plain", "-ignore-errors", "-length", "0", *options, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.real
@pytest.mark.parametrize("number", real_files.NUMBERS)
def test_fpcalc_gives_the_same_bits(number: int, data: Path, program: Callable[[str], str]) -> None:
    files = sorted(path for path in (data / "audio").iterdir() if path.suffix != ".tsv")
    if number >= len(files):
        pytest.skip("fewer files than that")
    path = files[number]
    items = fingerprint_of(path)
    raw = fpcalc(program("fpcalc"), path, "-raw")
    assert items.tolist() == [int(item) % 2**32 for item in raw.split(",")]
    assert compress(items) == fpcalc(program("fpcalc"), path)


@pytest.mark.real
@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_fpcalc_gives_the_same_bits_at_every_rate(
    rate: int, channels: int, tmp_path: Path, program: Callable[[str], str]
) -> None:
    made(tmp_path, "flac", tone(12, rate, channels), rate)
    path = tmp_path / "made.flac"
    raw = fpcalc(program("fpcalc"), path, "-raw")
    assert fingerprint_of(path).tolist() == [int(item) % 2**32 for item in raw.split(",")]


def test_different_sounds_differ() -> None:
    first, second = (fingerprint(melody(seed)) for seed in (1, 2))
    same = np.unpackbits(~(first ^ second).view(np.uint8)).mean()
    assert 0.4 < same < 0.7


def test_silence_has_its_known_item() -> None:
    items = fingerprint(np.zeros(10 * FINGERPRINT_RATE, np.int16))
    assert set(items.tolist()) == {SILENT_ITEM}


@pytest.mark.parametrize(("length", "items"), [(0, 0), (SHORTEST - 1, 0), (SHORTEST, 1)])
def test_short_sounds(length: int, items: int) -> None:
    assert len(fingerprint(noise(length))) == items


@given(cuts=st.lists(st.integers(0, 12 * FINGERPRINT_RATE), max_size=20))
@settings(max_examples=25, deadline=None)
def test_pieces_of_any_length_give_the_same(cuts: list[int]) -> None:
    sound, printer = noise(12 * FINGERPRINT_RATE), Fingerprinter()
    for piece in np.split(sound, sorted(cuts)):
        printer.feed(piece)
    assert printer.result().tolist() == fingerprint(sound).tolist()


def slowly(items: list[int]) -> str:
    """The compressed form, bit by bit, as its description says."""
    normal, large, before = [], [], 0
    for item in items:
        change, before, last = item ^ before, item, 0
        for bit in range(1, 33):
            if change >> bit - 1 & 1:
                step = bit - last
                normal.append(min(step, 7))
                large += [step - 7] if step >= 7 else []
                last = bit
        normal.append(0)

    def packed(values: list[int], width: int) -> bytes:
        number = sum(value << width * place for place, value in enumerate(values))
        return number.to_bytes((len(values) * width + 7) // 8, "little")

    data = b"\x01" + len(items).to_bytes(3, "big") + packed(normal, 3) + packed(large, 5)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@given(items=st.lists(st.integers(0, 2**32 - 1), max_size=60))
def test_compressing_follows_its_description_and_comes_back(items: list[int]) -> None:
    text = compress(np.array(items, np.uint32))
    assert text == slowly(items)
    back, algorithm = decompress(text)
    assert back.tolist() == items
    assert back.dtype == np.uint32
    assert algorithm == 1


def test_the_number_of_another_algorithm_is_kept() -> None:
    assert decompress(compress(np.array([5, 6], np.uint32), 2))[1] == 2


@given(data=st.one_of(st.text(max_size=60), st.binary(max_size=60)))
def test_a_damaged_compressed_form_is_refused_or_read(data: str | bytes) -> None:
    text = data if isinstance(data, str) else base64.urlsafe_b64encode(data).decode()
    try:
        items, _ = decompress(text)
    except InputError:
        return
    assert items.dtype == np.uint32


GOOD = compress(np.array([1, 2**31, 0xFFFF0000, 12345], np.uint32))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no header"),
        ("!!!!", "not base64"),
        ("ä" * 8, "not base64"),
        (GOOD[:-3], "ends before"),
        (GOOD[:8], "ends before"),
        (base64.urlsafe_b64encode(b"\x01\xff\xff\xff" + bytes(40)).decode(), "ends before"),
        # One item of 3-bit steps 6 6 6 6 6 6: bit 36.
        (base64.urlsafe_b64encode(b"\x01\x00\x00\x01\xb6\x6d\x03").decode(), "beyond the 32nd"),
    ],
)
def test_why_a_compressed_form_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        decompress(text)
