"""Media files made for tests, in memory: sound of known content, and files that mean harm."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from longplay.audio.encode import Codec, encode


def tone(
    seconds: float, rate: int = 44_100, channels: int = 2, hertz: float = 440.0
) -> NDArray[np.float32]:
    """A chord over `hertz` at about -12 dBFS, slightly different in each channel."""
    time = np.arange(round(seconds * rate)) / rate
    parts = [
        0.12 * np.sin(2 * np.pi * hertz * step * time + number)
        for number in range(channels)
        for step in (1, 1.25, 1.5)
    ]
    chord: NDArray[np.float32] = np.array(parts, np.float32).reshape(channels, 3, -1).sum(axis=1)
    return chord


def made(folder: Path, codec: Codec, samples: NDArray[np.float32], rate: int = 44_100) -> bytes:
    """The bytes of a file with that sound."""
    path = folder / f"made.{codec}"
    encode(samples, rate, path, codec)
    return path.read_bytes()


def muxed(
    samples: NDArray[np.generic],
    *,
    codec: str,
    muxer: str,
    form: str,
    layout: str,
    rate: int = 44_100,
    jump_at: int | None = None,
    jump: int = 0,
) -> bytes:
    """Packed samples (1, n·channels) through any of FFmpeg's encoders; from sample `jump_at` on the
    time stamps lie `jump` samples later."""
    out = io.BytesIO()
    channels = av.AudioLayout(layout).nb_channels
    with av.open(out, "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = layout
        stream.codec_context.format = form
        for start in range(0, samples.shape[1] // channels, 1024):
            part = np.ascontiguousarray(samples[:, start * channels : (start + 1024) * channels])
            frame = av.AudioFrame.from_ndarray(part, format=form, layout=layout)
            frame.sample_rate = rate
            frame.pts = start + (jump if jump_at is not None and start >= jump_at else 0)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def film() -> bytes:
    """Matroska with a picture that moves and no sound."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def with_external_data(movie: bytes, elsewhere: str) -> bytes:
    """An MP4 file whose media data are gone, and whose data reference names another file.

    The reference is a QuickTime alias record (Inside Macintosh: Files), as FFmpeg reads it.
    """
    name = elsewhere.encode()
    padded = name + b"\0" * (len(name) % 2)
    record = bytes(10) + bytes([0]) + bytes(27) + bytes(12) + bytes([0]) + bytes(63) + bytes(16)
    record += b"\xff\xff\xff\xff" + bytes(16)
    record += (2).to_bytes(2, "big") + len(name).to_bytes(2, "big") + padded
    record += b"\xff\xff\x00\x00"
    alias = (12 + len(record)).to_bytes(4, "big") + b"alis" + bytes(4) + record
    data = bytearray(movie)
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    old = data.index(b"url ", end) - 4
    size = int.from_bytes(data[old : old + 4], "big")
    data[old : old + size] = alias
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = data.index(box, end) - 4
        grown = int.from_bytes(data[at : at + 4], "big") + len(alias) - size
        data[at : at + 4] = grown.to_bytes(4, "big")
    return bytes(data)
