"""When a file is sent as it is held, and what is made of it otherwise."""

from __future__ import annotations

import pytest

from longplay.access.streams import asking
from longplay.access.streams.deciding import Held, Wanted, decide
from longplay.audio.streaming import Recipe
from longplay.errors import InputError
from longplay.rights.statements import Act

FLAC, MP3, OPUS = Held(".flac", 900), Held(".mp3", 320), Held(".opus", 96)
PART = Held(".flac", 900, 10_000, 70_000)


@pytest.mark.parametrize(
    ("held", "wanted", "made"),
    [
        (FLAC, Wanted(), None),
        (FLAC, Wanted(format="raw", max_bit_rate=64), None),
        (FLAC, Wanted(Act.DOWNLOAD, "mp3", 64, 5000), None),
        (FLAC, Wanted(max_bit_rate=1000), None),
        (FLAC, Wanted(format="aac"), None),
        (FLAC, Wanted(max_bit_rate=130), Recipe("mp3", 128)),
        (FLAC, Wanted(format="opus"), Recipe("opus", 128)),
        (FLAC, Wanted(format="OGG", max_bit_rate=75), Recipe("opus", 72)),
        (FLAC, Wanted(format="mp3", max_bit_rate=1), Recipe("mp3", 32)),
        (FLAC, Wanted(format="opus", max_bit_rate=999_999), Recipe("opus", 128)),
        (FLAC, Wanted(offset_ms=30_000), Recipe("mp3", 192, 30_000)),
        (MP3, Wanted(format="mp3"), None),
        (MP3, Wanted(format="mp3", max_bit_rate=192), Recipe("mp3", 192)),
        (MP3, Wanted(max_bit_rate=320), None),
        (OPUS, Wanted(max_bit_rate=64), Recipe("opus", 64)),
        (OPUS, Wanted(format="opus", max_bit_rate=96), None),
        (Held(".ogg"), Wanted(max_bit_rate=320), Recipe("mp3", 192)),
        (PART, Wanted(), Recipe("mp3", 192, 10_000, 70_000)),
        (PART, Wanted(offset_ms=5_000), Recipe("mp3", 192, 15_000, 70_000)),
        (PART, Wanted(Act.DOWNLOAD), Recipe("mp3", 192, 10_000, 70_000)),
    ],
)
def test_what_is_made(held: Held, wanted: Wanted, made: Recipe | None) -> None:
    assert decide(held, wanted) == made


def test_a_query_says_what_is_wanted() -> None:
    said = b"format=Opus&max_bit_rate=64&offset=90&estimate_length=true&other=1"
    assert asking.wanted(said) == Wanted(Act.STREAM, "opus", 64, 90_000, True)
    assert asking.wanted(b"download=1") == Wanted(Act.DOWNLOAD)
    assert asking.wanted(b"") == Wanted()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"format=exe", "format is none of raw, opus, mp3"),
        (b"max_bit_rate=-1", "max_bit_rate is no whole number"),
        (b"offset=1e9", "offset is no whole number"),
        (b"offset=9999999", "offset is no whole number"),
        (b"max_bit_rate=%D9%A3", "max_bit_rate is no whole number"),
        (b"download=maybe", "download is neither true nor false"),
        (b"x=" + b"y" * 3000, "the query has more than 2000 bytes"),
    ],
)
def test_what_is_wrong_with_a_query_is_said(said: bytes, error: str) -> None:
    with pytest.raises(InputError, match=error):
        asking.wanted(said)
