"""Verdicts: what the bytes prove, held against what decoding gave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longplay.audio.integrity import Structure, judge
from longplay.model import DecodeFacts, StreamFacts, Verdict

STREAM = StreamFacts("flac", "flac", 44100, 2, 16, 900_000, 10_000)
DECODED = DecodeFacts(441_000, 10_000, 108, 0, (), bytes(16), None)
FLAC = Structure(
    "flac",
    ("all frames",),
    expected_samples=441_000,
    exact=True,
    expected_pcm_md5=bytes(16),
    expected_ms=10_000,
    checksum="FLAC frame CRC-16",
)
AAC = Structure("mp4", ("all lengths",), expected_ms=10_000)
LOSSY = replace(DECODED, pcm_md5=None)


def test_what_agrees_is_whole_and_says_why() -> None:
    integrity = judge(FLAC, STREAM, DECODED)
    assert integrity.verdict is Verdict.WHOLE
    assert integrity.findings == ()
    assert "MD5 of the decoded samples" in integrity.proofs
    assert "441000 samples decoded, as declared" in integrity.proofs


@pytest.mark.parametrize("decoded", [None, replace(DECODED, samples=0)])
def test_no_sound_is_unplayable(decoded: DecodeFacts | None) -> None:
    assert judge(FLAC, STREAM, decoded).verdict is Verdict.UNPLAYABLE
    assert judge(FLAC, None, decoded).verdict is Verdict.UNPLAYABLE


def test_the_reason_for_no_sound_is_kept() -> None:
    failed = replace(DECODED, samples=0, failure="the header is missing")
    assert any("the header is missing" in words for words in judge(FLAC, STREAM, failed).findings)


@pytest.mark.parametrize(
    ("structure", "decoded", "words"),
    [
        (FLAC, replace(DECODED, pcm_md5=b"x" * 16), "the MD5 of the decoded samples"),
        (FLAC, replace(DECODED, samples=440_999), "440999 samples were decoded, 441000"),
        (AAC, replace(LOSSY, duration_ms=9_700), "9.700 s were decoded, 10.000 s are declared"),
        (AAC, replace(LOSSY, complaints=("invalid band type",)), "FFmpeg: invalid band type"),
        (AAC, replace(LOSSY, failure="end of file"), "decoding stopped: end of file"),
        (replace(AAC, container="matroska"), replace(LOSSY, gaps=2), "2 gaps between time stamps"),
        (replace(AAC, findings=("a lost box",)), LOSSY, "a lost box"),
    ],
)
def test_what_disagrees_is_damage(structure: Structure, decoded: DecodeFacts, words: str) -> None:
    integrity = judge(structure, STREAM, decoded)
    assert integrity.verdict is Verdict.DAMAGED
    assert any(words in finding for finding in integrity.findings)


@pytest.mark.parametrize(
    ("structure", "decoded"),
    [
        # Under a checksum the encoder wrote what the decoder complains of.
        (FLAC, replace(DECODED, complaints=("odd block",))),
        # Remarks on pictures, and FFmpeg's guesses of the duration.
        (AAC, replace(LOSSY, complaints=("Unknown cover type: 0xc.",))),
        # Encoder's padding that the decoder did not trim.
        (AAC, replace(LOSSY, duration_ms=10_900)),
        (AAC, replace(LOSSY, duration_ms=9_850)),
        # Edit lists move time stamps; MP4's come from a table.
        (AAC, replace(LOSSY, gaps=1)),
        (Structure("", notes=("no proof",)), LOSSY),
    ],
)
def test_what_costs_no_sound_is_whole(structure: Structure, decoded: DecodeFacts) -> None:
    stream = replace(STREAM, container="ac3" if not structure.container else "mov")
    assert judge(structure, stream, decoded).verdict is Verdict.WHOLE


def test_a_file_that_plays_and_has_lost_its_first_bytes_is_damaged() -> None:
    integrity = judge(Structure(""), replace(STREAM, container="ogg"), LOSSY)
    assert integrity.verdict is Verdict.DAMAGED


def test_an_unknown_container_is_held_against_what_ffmpeg_declares() -> None:
    stream = replace(STREAM, container="ac3", declared_ms=20_000)
    assert judge(Structure(""), stream, LOSSY).verdict is Verdict.DAMAGED
