"""Sound files made on the spot, small and the same every time, to be damaged by tests."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream

SECONDS = 6


@cache
def made(container: str, codec: str, rate: int = 44100, **options: str) -> bytes:
    """A stereo tone in noise, `SECONDS` long, in FFmpeg's `container` and `codec`."""
    target = io.BytesIO()
    with av.open(target, "w", format=container, options=options) as output:
        stream: AudioStream = output.add_stream(codec, rate=rate)  # type: ignore[assignment]
        context = stream.codec_context
        context.layout = "stereo"
        times = np.arange(SECONDS * rate) / rate
        noise = np.random.default_rng(7).normal(0, 0.05, len(times))
        tone = np.sin(2 * np.pi * 440 * times) * 0.3 + noise
        pcm = (np.repeat(tone, 2) * 32767).astype("<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="stereo")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=context.format,
            layout="stereo",
            rate=rate,
            frame_size=context.frame_size or 1024,
        )
        frames: list[Any] = [*resampler.resample(frame), *resampler.resample(None)]
        for piece in frames:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return target.getvalue()


def opus() -> bytes:
    return made("ogg", "libopus", 48000)


def flac() -> bytes:
    return made("flac", "flac")


def mp3() -> bytes:
    return made("mp3", "libmp3lame")


def wav() -> bytes:
    return made("wav", "pcm_s16le")


def mp4() -> bytes:
    return made("mp4", "aac")


def fragmented() -> bytes:
    return made("mp4", "aac", movflags="frag_keyframe+empty_moov", frag_duration="1000000")


def matroska() -> bytes:
    return made("matroska", "libopus", 48000)


def pages(data: bytes) -> list[bytes]:
    """The pages of an Ogg file."""
    found, offset = [], 0
    while offset < len(data):
        laces = data[offset + 27 : offset + 27 + data[offset + 26]]
        length = 27 + len(laces) + sum(laces)
        found.append(data[offset : offset + length])
        offset += length
    return found


def boxes(data: bytes) -> list[bytes]:
    """The top-level boxes of an MP4 file."""
    found, offset = [], 0
    while offset < len(data):
        length = int.from_bytes(data[offset : offset + 4], "big")
        found.append(data[offset : offset + length])
        offset += length
    return found


def flac_frames(data: bytes) -> int:
    """Where the frames of a FLAC file begin."""
    offset = 4
    while True:
        last = data[offset] & 0x80
        offset += 4 + int.from_bytes(data[offset + 1 : offset + 4], "big")
        if last:
            return offset


def flipped(data: bytes, offset: int, bit: int = 0) -> bytes:
    """`data` with one bit changed."""
    changed = bytearray(data)
    changed[offset] ^= 1 << bit
    return bytes(changed)
