"""Samples to a small tagged file in one of six codecs; the same samples give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from longplay.audio.tags.write import write_tags
from longplay.errors import MediaError
from longplay.model import Tags

Codec = Literal["flac", "vorbis", "opus", "mp3", "aac", "wav"]

CHUNK = 65_536
"""Samples a channel handed to the encoder at a time; it bounds memory, not the result."""


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How FFmpeg makes one codec: muxer, encoder, sample format, bit/s, fixed rate in Hz."""

    muxer: str
    encoder: str
    form: str
    bit_rate: int | None = None
    rate: int | None = None
    options: tuple[tuple[str, str], ...] = ()
    channels: int | None = None


_RECIPES: dict[Codec, _Recipe] = {
    "flac": _Recipe("flac", "flac", "s16"),
    "wav": _Recipe("wav", "pcm_s16le", "s16"),
    "mp3": _Recipe("mp3", "libmp3lame", "fltp", 192_000),
    "aac": _Recipe("ipod", "aac", "fltp", 160_000),
    "opus": _Recipe("ogg", "libopus", "flt", 128_000, 48_000),
    # FFmpeg's own Vorbis encoder: stereo only, and behind a switch; libvorbis is not in the wheel.
    "vorbis": _Recipe(
        "ogg", "vorbis", "fltp", 192_000, options=(("strict", "experimental"),), channels=2
    ),
}


def encode(
    samples: NDArray[np.float32], rate: int, out: Path, codec: Codec, tags: Tags | None = None
) -> None:
    """Write `samples` (channels, n; 1 or 2 channels, full scale at 1.0) to the file `out`.

    `rate` in Hz. Opus is resampled to 48 kHz, Vorbis is always stereo, FLAC and WAV have 16 bits;
    `aac` is an MP4 file. Nothing in the file depends on time, machine or chance.
    Raises MediaError when FFmpeg cannot encode that.
    """
    recipe = _RECIPES[codec]
    try:
        with av.open(
            str(out), "w", format=recipe.muxer, options={"fflags": "+bitexact"}
        ) as container:
            channels = recipe.channels or len(samples)
            layout = "mono" if channels == 1 else "stereo"
            stream = container.add_stream(recipe.encoder, rate=recipe.rate or rate)
            assert isinstance(stream, AudioStream)
            settle(stream.codec_context, recipe.form, layout, recipe.bit_rate, recipe.options)
            resampler = av.AudioResampler(recipe.form, layout, recipe.rate or rate)
            for frame in _frames(samples, rate):
                for converted in resampler.resample(frame):
                    container.mux(stream.encode(converted))
            for converted in resampler.resample(None):
                container.mux(stream.encode(converted))
            container.mux(stream.encode(None))
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"cannot be encoded as {codec}: {error}", where=str(out)) from error
    if tags is not None:
        with out.open("r+b") as file:
            write_tags(file, codec, tags)


def settle(
    context: AudioCodecContext,
    form: str,
    layout: str,
    bit_rate: int | None,
    options: tuple[tuple[str, str], ...],
) -> None:
    """Set up an encoder so that its output depends on the samples alone."""
    context.format = form
    context.layout = layout
    context.thread_count = 1
    context.options = {"flags": "+bitexact", **dict(options)}
    if bit_rate is not None:
        context.bit_rate = bit_rate


def _frames(samples: NDArray[np.float32], rate: int) -> Iterator[av.AudioFrame]:
    layout = "mono" if len(samples) == 1 else "stereo"
    for start in range(0, samples.shape[1], CHUNK):
        part = np.ascontiguousarray(samples[:, start : start + CHUNK], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
        frame.sample_rate = rate
        frame.pts = start
        yield frame
