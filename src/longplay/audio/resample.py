"""Decoded frames of any form become even blocks: float samples, and Chromaprint's mono stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.filter.context import FilterContext
from numpy.typing import NDArray

FINGERPRINT_RATE = 11_025
"""Hz at which Chromaprint listens."""

BLOCK_SAMPLES = 131_072
"""Samples a channel in one block, about 3 s: NumPy's cost per call vanishes, and stereo float32
still fits the processor's cache."""

MAX_PLANES = 7
"""Channels that may be fetched plane by plane: PyAV 18.1 counts planes up to the first empty one,
and an FFmpeg frame with all of its eight in use has none."""

FULL_SCALE_LIMIT = 65_536.0
"""No sound is 96 dB above full scale; float files may hold infinities, and those are cut here."""

FINGERPRINT_RESAMPLER = (
    # What fpcalc 1.5.1 asks of libswresample; with it the 16-bit samples are the same bits.
    f"{FINGERPRINT_RATE}:resampler=swr:filter_size=16:phase_shift=8:linear_interp=1:cutoff=0.8"
    ":out_chlayout=mono:out_sample_fmt=s16"
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of sound as it comes out of the decoder.

    `samples` is float32 of shape (channels, n), full scale at 1.0, at `rate` Hz; `speakers` names
    the channels as FFmpeg does (FL, FR, FC, LFE, …). `mono` is int16 at 11025 Hz for the
    fingerprint. The two run side by side but not in step: either may be empty.
    """

    rate: int
    speakers: tuple[str, ...]
    samples: NDArray[np.float32]
    mono: NDArray[np.int16]


def form_of(frame: av.AudioFrame) -> tuple[int, str, int, str]:
    """What must not change while frames run through one `Splitter`."""
    layout = frame.layout
    return frame.sample_rate, frame.format.name, layout.nb_channels, layout.name


class Splitter:
    """An FFmpeg filter graph with one way in and two ways out, or one with `mono_only`.

    Working on large blocks inside FFmpeg saves most of what Python would spend on each frame.
    Raises av.FFmpegError where FFmpeg cannot convert that form of sound.
    """

    def __init__(self, frame: av.AudioFrame, mono_only: bool = False) -> None:
        self.rate, form, channels, layout = form_of(frame)
        self.speakers = tuple(channel.name for channel in frame.layout.channels)
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        self._source = self._graph.add(
            "abuffer",
            sample_rate=str(self.rate),
            sample_fmt=form,
            channel_layout=layout,
            time_base=f"1/{self.rate}",
        )
        self._whole: FilterContext | None = None
        start, pad = self._source, 0
        if not mono_only:
            start, pad = self._chain(self._source, 0, ("asplit", "2")), 1
            form = "fltp" if channels <= MAX_PLANES else "flt"
            whole = self._chain(start, 0, ("aformat", f"sample_fmts={form}"))
            self._whole = self._end(whole, BLOCK_SAMPLES)
        narrow = self._chain(start, pad, *_to_mono(channels, layout))
        self._narrow = self._end(narrow, BLOCK_SAMPLES)
        self._graph.configure()

    def push(self, frame: av.AudioFrame) -> None:
        """Take a frame of the form that the graph was made for."""
        frame.pts = None  # gaps are counted elsewhere; here they would only confuse the filters
        self._source.push(frame)

    def pull(self) -> Iterator[Stretch]:
        """The full blocks that have come together."""
        yield from self._drain()

    def finish(self) -> Iterator[Stretch]:
        """Everything that is left; nothing can be pushed any more."""
        self._source.push(None)
        yield from self._drain()

    def _drain(self) -> Iterator[Stretch]:
        while True:
            wide = _take(self._whole) if self._whole else None
            narrow = _take(self._narrow)
            if wide is None and narrow is None:
                return
            yield Stretch(
                self.rate,
                self.speakers,
                np.empty((len(self.speakers), 0), np.float32) if wide is None else _planes(wide),
                np.empty(0, np.int16) if narrow is None else _packed(narrow),
            )

    def _chain(self, start: FilterContext, pad: int, *filters: tuple[str, str]) -> FilterContext:
        for name, arguments in filters:
            following = self._graph.add(name, arguments)
            start.link_to(following, pad, 0)
            start, pad = following, 0
        return start

    def _end(self, last: FilterContext, block: int) -> FilterContext:
        return self._chain(last, 0, ("asetnsamples", f"{block}:p=0"), ("abuffersink", ""))


def _to_mono(channels: int, layout: str) -> list[tuple[str, str]]:
    """Filters to Chromaprint's stream; channels without a known place are mixed evenly."""
    try:
        known = layout == av.AudioLayout(layout).name and "channels" not in layout
    except ValueError:
        known = False
    resampler = ("aresample", FINGERPRINT_RESAMPLER)
    if known:
        return [resampler]
    even = "+".join(f"c{number}" for number in range(channels))
    return [("pan", f"mono|c0<{even}"), resampler]


def _take(sink: FilterContext) -> av.AudioFrame | None:
    try:
        frame = sink.pull()
    except (av.BlockingIOError, av.EOFError):
        return None
    assert isinstance(frame, av.AudioFrame)
    return frame


def plane(frame: av.AudioFrame, number: int, form: np.dtype[Any], count: int) -> NDArray[Any]:
    """The first `count` values of one plane of a frame, as a view that lives as long as it."""
    return np.frombuffer(memoryview(frame.planes[number]), form, count)


def _planes(frame: av.AudioFrame) -> NDArray[np.float32]:
    count, channels = frame.samples, frame.layout.nb_channels
    form = np.dtype(np.float32)
    samples: NDArray[np.float32]
    if frame.format.is_planar:
        samples = np.stack([plane(frame, number, form, count) for number in range(channels)])
    else:
        packed = plane(frame, 0, form, count * channels)
        samples = np.ascontiguousarray(packed.reshape(count, channels).T)
    if not np.vdot(samples, samples) <= FULL_SCALE_LIMIT**2:
        samples = np.nan_to_num(samples, nan=0.0)
        np.clip(samples, -FULL_SCALE_LIMIT, FULL_SCALE_LIMIT, out=samples)
    return samples


def _packed(frame: av.AudioFrame) -> NDArray[np.int16]:
    return plane(frame, 0, np.dtype(np.int16), frame.samples).copy()
