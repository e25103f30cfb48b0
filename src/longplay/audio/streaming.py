"""A stretch of a recording, made smaller while somebody listens: Ogg Opus or MP3, from front to
back, so that whoever reads along has sound from the first second on.

The same input gives the same bytes (as in `transcode`), so what broke off can be gone on with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from longplay.audio.decode import open_media
from longplay.audio.encode import settle
from longplay.audio.transcode import OGG_RATE, converted, decoded
from longplay.errors import MediaError

Format = Literal["opus", "mp3"]

MP3_RATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
"""The bit rates of MPEG-1 layer III, in kbit/s."""

FRAMES = {"opus": 960, "mp3": 1152}
"""Samples of a packet: 20 ms of Opus; a frame of layer III."""

_OPTIONS = {
    "opus": (("vbr", "constrained"), ("application", "audio"), ("frame_duration", "20")),
    "mp3": (("reservoir", "0"), ("compression_level", "7")),
}
"""Without its reservoir each frame of MP3 is complete by itself; level 7 is twice as fast as the
best ones, which matters while somebody waits."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is made: a format at a bit rate (kbit/s), from a place in the file to another (ms; None:
    to its end)."""

    format: Format
    kbit: int
    start_ms: int = 0
    end_ms: int | None = None

    @property
    def name(self) -> str:
        """The same as part of a file's name."""
        end = "" if self.end_ms is None else str(self.end_ms)
        return f"{self.format}-{self.kbit}-{self.start_ms}-{end}"


def stream(source: BinaryIO, out: BinaryIO, recipe: Recipe) -> int:
    """Write the stretch to `out`, which need not be seekable; more than two channels become stereo.
    Gives its duration in ms. What cannot be decoded is left out. Raises MediaError when no sound
    comes out."""
    try:
        with open_media(source) as (container, sound):
            rate = _rate(recipe.format, sound.rate)
            layout = "mono" if sound.channels == 1 else "stereo"
            frames = _stretch(container, sound, layout, rate, recipe)
            samples = _write(frames, out, recipe, layout, rate)
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"cannot be encoded as {recipe.format}: {error}") from error
    if not samples:
        raise MediaError("no sound comes out of it", hint="the file is damaged or empty")
    return round(samples * 1000 / rate)


def _rate(form: Format, rate: int) -> int:
    """Opus has one rate (RFC 6716, 2); of MP3's the one that the source's is a multiple of."""
    return 44_100 if form == "mp3" and rate % 11_025 == 0 else 48_000


def _stretch(
    container: InputContainer,
    sound: AudioStream,
    layout: str,
    rate: int,
    recipe: Recipe,
) -> Iterator[av.AudioFrame]:
    """Frames of the stretch's samples, of the size that the encoder likes."""
    begins, frames = _from(container, sound, recipe.start_ms / 1000)
    form = "flt" if recipe.format == "opus" else "fltp"
    skip = round((recipe.start_ms / 1000 - begins) * rate)
    left = None
    if recipe.end_ms is not None:
        left = max(round((recipe.end_ms - recipe.start_ms) * rate / 1000), 0)
    queue, size = av.AudioFifo(), FRAMES[recipe.format]
    for frame in converted(frames, layout, form, rate):
        frame.pts = None
        queue.write(frame)
        if skip > 0:
            gone = queue.read(min(skip, queue.samples))
            skip -= gone.samples if gone is not None else 0
            if skip > 0:
                continue
        while (part := queue.read(size)) is not None:
            if left is not None and left <= size:
                yield from _first(part, left)
                return
            left = None if left is None else left - size
            yield part
    rest = queue.read(0, partial=True) if skip <= 0 else None
    if rest is not None:
        yield from [rest] if left is None else _first(rest, left)


def _first(frame: av.AudioFrame, count: int) -> Iterator[av.AudioFrame]:
    """The first samples of a frame."""
    queue = av.AudioFifo()
    frame.pts = None
    queue.write(frame)
    part = queue.read(min(count, frame.samples)) if count else None
    if part is not None:
        yield part


def _from(
    container: InputContainer, sound: AudioStream, seconds: float
) -> tuple[float, Iterator[av.AudioFrame]]:
    """The frames from some place before `seconds` on, and where that is. Files that cannot be
    searched, or do not tell the time, are decoded from their beginning."""
    if seconds:
        try:
            container.seek(int(seconds * 1_000_000))
            frames = decoded(container, sound)
            first = next(frames, None)
        except av.FFmpegError:
            first = None
        tick, start = sound.time_base, sound.start_time or 0
        if first is not None and first.pts is not None and tick is not None:
            at = float((first.pts - start) * tick)
            if 0 <= at <= seconds:
                return at, _after(first, frames)
        container.seek(0)
    return 0.0, decoded(container, sound)


def _after(first: av.AudioFrame, frames: Iterator[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    yield first
    yield from frames


def _write(
    frames: Iterator[av.AudioFrame], out: BinaryIO, recipe: Recipe, layout: str, rate: int
) -> int:
    options = {"fflags": "+bitexact+flush_packets", "flush_packets": "1"}
    if recipe.format == "mp3":
        # What stands before the sound can be written only when all of it is known.
        options |= {"write_xing": "0", "id3v2_version": "0"}
    muxer, encoder = ("ogg", "libopus") if recipe.format == "opus" else ("mp3", "libmp3lame")
    bit_rate = recipe.kbit * 1000 - (OGG_RATE if recipe.format == "opus" else 0)
    samples = 0
    with av.open(_Forward(out), "w", format=muxer, options=options) as target:
        made = target.add_stream(encoder, rate=rate)
        assert isinstance(made, AudioStream)
        form = "flt" if recipe.format == "opus" else "fltp"
        settle(made.codec_context, form, layout, bit_rate, _OPTIONS[recipe.format])
        for frame in frames:
            frame.pts = samples
            samples += frame.samples
            target.mux(made.encode(frame))
        if samples:
            target.mux(made.encode(None))
    return samples


class _Forward:
    """A file that is written to and never turned back in."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        self._out.write(data)
        return len(data)
