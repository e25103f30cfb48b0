"""Everything there is to measure of one audio file, in one pass of decoding."""

from __future__ import annotations

from typing import BinaryIO

from longplay.audio.decode import decode, decoder_name
from longplay.audio.fingerprint import Fingerprinter
from longplay.audio.integrity import examine, judge
from longplay.audio.landmarks import INDEXED, METHOD, Lander, kept
from longplay.audio.loudness import LoudnessMeter
from longplay.audio.resample import Stretch
from longplay.errors import MediaError
from longplay.model import AudioDescription
from longplay.settings import Limits


def describe(source: BinaryIO, size: int, limits: Limits) -> AudioDescription:
    """Read the container's proofs, decode the first audio stream once, and measure its sound.

    `source` is seekable and holds `size` bytes. Memory does not grow with the file, but for 4
    bytes of fingerprint, 8 landmarks and 10 energies a second. Raises MediaError, in words for
    people, when no sound can be got out of it.
    """
    structure = examine(source, size)
    meter, printer, lander = LoudnessMeter(), Fingerprinter(), Lander(INDEXED)

    def hear(stretch: Stretch) -> None:
        if stretch.samples.size:
            meter.feed(stretch.samples, stretch.rate, stretch.speakers)
        if stretch.mono.size:
            printer.feed(stretch.mono)
            lander.feed(stretch.mono)

    try:
        stream, decoded = decode(source, size, limits, hear)
    except MediaError as error:
        if not structure.findings:
            raise
        message = f"{error.message}; {structure.findings[0]}"
        raise MediaError(message, where=error.where, hint=error.hint) from error
    return AudioDescription(
        stream=stream,
        decoded=decoded,
        integrity=judge(structure, stream, decoded),
        loudness=meter.result(),
        fingerprint=printer.result().astype("<u4").tobytes(),
        decoder=decoder_name(),
        landmarks=kept(lander.result(), lander.frames),
        landmark_method=METHOD,
    )
