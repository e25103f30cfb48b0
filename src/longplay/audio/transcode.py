"""A smaller copy of a recording: Opus at a promised rate, with the tags and pictures it had.

The same input gives the same bytes, so that a copy made twice is one object. What does that: the
muxer's and encoder's bit-exact modes (fixed serial number, no version in the vendor string), one
thread, and tags in a fixed order.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from longplay.audio.decode import open_media
from longplay.audio.encode import settle
from longplay.audio.tags.write import write_tags
from longplay.errors import MediaError
from longplay.model import Tags

RATE = 48_000
"""Opus has no other rate (RFC 6716, 2)."""

FRAME = 960
"""Samples in a packet: 20 ms, where Opus is at its best."""

MIN_RATE = 6_000
"""Bit/s below which Opus cannot go."""

OGG_RATE = 700
"""Bit/s that Ogg itself takes: 50 lacing values and one page header a second."""

_OPTIONS = (("vbr", "constrained"), ("application", "audio"), ("frame_duration", "20"))
"""Constrained VBR holds the rate within 2 %; free VBR strays by 20 %."""


@dataclass(frozen=True, slots=True)
class Transcoded:
    """What came out: duration in ms, channels, bytes of the file, and bit/s of its sound in Ogg
    (all but tags and pictures)."""

    duration_ms: int
    channels: int
    size: int
    bit_rate: int


def to_opus(
    source: BinaryIO, out: BinaryIO | Path, *, bit_rate: int = 75_000, tags: Tags | None = None
) -> Transcoded:
    """Encode the sound of `source` to Ogg Opus (RFC 7845) with `tags`, a block at a time.

    Mono stays mono; more than two channels are mixed down to stereo, because the promised rate
    is one for stereo. `bit_rate` is that of sound and Ogg together. What cannot be decoded is
    left out. `out` is a path or an empty file open for writing.

    ReplayGain is not carried: it was measured on other samples, and Opus players read
    R128_TRACK_GAIN instead (RFC 7845, 5.2.1), which the caller may measure and add.
    Raises MediaError when no sound comes out.
    """
    if isinstance(out, Path):
        with out.open("w+b") as file:
            return to_opus(source, file, bit_rate=bit_rate, tags=tags)
    if not out.readable():
        # Tags go in afterwards, and Ogg's pages must be read again for that.
        with tempfile.TemporaryFile() as file:
            made = to_opus(source, file, bit_rate=bit_rate, tags=tags)
            file.seek(0)
            shutil.copyfileobj(file, out)
            return made
    source.seek(0)
    try:
        with open_media(source) as (container, stream):
            samples, channels = _encode(container, stream, out, bit_rate)
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"cannot be encoded as Opus: {error}") from error
    if not samples:
        raise MediaError("no sound comes out of it", hint="the file is damaged or empty")
    sound_bytes = out.seek(0, 2)
    write_tags(out, "opus", tags or Tags())
    return Transcoded(
        duration_ms=round(samples * 1000 / RATE),
        channels=channels,
        size=out.seek(0, 2),
        bit_rate=round(sound_bytes * 8 * RATE / samples),
    )


def _encode(
    container: InputContainer, stream: AudioStream, out: BinaryIO, bit_rate: int
) -> tuple[int, int]:
    """Write the stream as Opus; returns samples a channel and channels."""
    channels = 1 if stream.channels == 1 else 2
    layout = "mono" if channels == 1 else "stereo"
    samples = 0
    with av.open(out, "w", format="ogg", options={"fflags": "+bitexact"}) as target:
        encoder = target.add_stream("libopus", rate=RATE)
        assert isinstance(encoder, AudioStream)
        settle(encoder.codec_context, "flt", layout, max(bit_rate - OGG_RATE, MIN_RATE), _OPTIONS)
        for frame in _packets(converted(decoded(container, stream), layout, "flt", RATE)):
            frame.pts = samples
            samples += frame.samples
            target.mux(encoder.encode(frame))
        if samples:
            target.mux(encoder.encode(None))
    return samples, channels


def decoded(container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
    """The stream's frames; a packet that cannot be decoded costs itself."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError, OSError):
            return
        try:
            yield from stream.decode(packet)
        except av.FFmpegError:
            continue


def converted(
    frames: Iterator[av.AudioFrame], layout: str, sample_format: str, rate: int
) -> Iterator[av.AudioFrame]:
    """The frames at `rate` in `layout`, also where their form changes on the way."""
    form, resampler = None, None
    for frame in frames:
        found = (frame.sample_rate, frame.format.name, frame.layout.name)
        if resampler is None or found != form:
            if resampler is not None:
                yield from resampler.resample(None)
            form, resampler = found, av.AudioResampler(sample_format, layout, rate)
        frame.pts = None
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


def _packets(frames: Iterator[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """The same samples in frames of 20 ms, the last one short."""
    queue = av.AudioFifo()
    for frame in frames:
        frame.pts = None
        queue.write(frame)
        while (part := queue.read(FRAME)) is not None:
            yield part
    rest = queue.read(0, partial=True)
    if rest is not None:
        yield rest
