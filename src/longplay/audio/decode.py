"""One pass over a stranger's media file: its sound in blocks, and what there is to say about it.

Rules of this module:
1. FFmpeg reads the bytes that it is handed and opens nothing: it is given no file name, every
   demuxer that could ask for another file is not on the list, and asking is refused.
2. A packet that cannot be decoded costs itself; what FFmpeg complains about is kept.
3. Memory is bounded by the block, never by what the file claims.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, NoReturn

import av
import av.logging
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from longplay.audio.resample import Splitter, Stretch, form_of, plane
from longplay.errors import MediaError
from longplay.model import DecodeFacts, StreamFacts
from longplay.settings import Limits

DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,caf,dsf,dts,dtshd,eac3,flac,iff,matroska,mlp,mov,mp3,"
    "mpc,mpc8,ogg,shn,tak,truehd,tta,w64,wav,wv"
)
"""Containers that hold one piece of sound in their own bytes. None is a list of other files."""

LOSSLESS = (
    "alac,ape,dsd_lsbf,dsd_lsbf_planar,dsd_msbf,dsd_msbf_planar,flac,mlp,als,shorten,tak,truehd,"
    "tta,wavpack,wmalossless,pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_s16be,pcm_s16be_planar,"
    "pcm_s16le,pcm_s16le_planar,pcm_s24be,pcm_s24le,pcm_s24le_planar,pcm_s32be,pcm_s32le,"
    "pcm_s32le_planar,pcm_s64be,pcm_s64le,pcm_s8,pcm_s8_planar,pcm_u8,pcm_u16be,pcm_u16le,"
    "pcm_u24be,pcm_u24le,pcm_u32be,pcm_u32le,pcm_sga,pcm_bluray,pcm_dvd"
)
LOSSY = (
    "aac,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,amrnb,amrwb,atrac3,atrac3plus,dca,eac3,gsm,gsm_ms,"
    "mp1float,mp2float,mp3float,mp1,mp2,mp3,mpc7,mpc8,opus,pcm_alaw,pcm_mulaw,qdm2,qdmc,"
    "speex,vorbis,wmapro,wmav1,wmav2,wmavoice"
)
DECODERS = f"{LOSSLESS},{LOSSY}"
"""FFmpeg's decoders for the sound that archives hold."""

ERROR_DETECTION = "crccheck+bitstream+buffer"
"""Check what can be checked and say so; `explode` would stop at the first fault instead."""

READ_BYTES = 256 * 1024
"""Bytes FFmpeg asks for at a time: few calls into Python, and little read ahead in vain."""

RATES = range(1_000, 6_144_001)
"""Sample rates in Hz that sound is recorded at (DSD1024 decodes to 5.6 MHz); outside, filters
would need tables of any size a file likes."""

MAX_CHANNELS = 64
"""Channels that FFmpeg itself can name; a file that claims more is not music."""

MAX_COMPLAINTS = 20
"""Different complaints kept of one file; a person reads no more."""

MAX_DISTINCT = 1_000
"""Different complaints counted of one file before the rest counts as one."""

COMPLAINT_CHARACTERS = 200
"""Characters kept of one complaint."""

HARMLESS = re.compile(
    "Estimating duration from bitrate"
    "|Codec .*not on whitelist|Failed to open codec in "
    "|Could not find codec parameters for stream|Consider increasing the value for"
    "|Could not update timestamps for (skipped|discarded) samples"
    "|Incorrect BOM value|Error reading comment frame|Unknown attached picture mimetype"
)
"""What FFmpeg says where nothing is wrong with the sound: of tags, pictures, its own guesses, and
of streams beside the sound that it may not decode."""


@dataclass(slots=True)
class _Tally:
    """What is counted while frames go by. `tick` is the time stamps' unit in seconds."""

    tick: float = 0.0
    frames: int = 0
    samples: int = 0
    seconds: float = 0.0
    gaps: int = 0
    expected: float | None = None
    longest: float = 0.0
    complaints: Counter[str] = field(default_factory=Counter)
    failure: str | None = None


@contextmanager
def open_media(source: BinaryIO) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open what the seekable `source` holds, from its start, and find its first audio stream.

    FFmpeg sees these bytes and nothing else. Raises MediaError.
    """
    source.seek(0)
    try:
        container = av.open(
            _Bytes(source),
            "r",
            options={
                "format_whitelist": DEMUXERS,
                "codec_whitelist": DECODERS,
                "protocol_whitelist": "",
                "err_detect": ERROR_DETECTION,
            },
            metadata_errors="replace",
            buffer_size=READ_BYTES,
            io_open=_refuse,
        )
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(_unopened(error), hint="is it a sound file?") from error
    with closing(container):
        yield container, _first_sound(container)


def decode(
    source: BinaryIO,
    size: int,
    limits: Limits,
    hear: Callable[[Stretch], None],
    *,
    mono_only: bool = False,
) -> tuple[StreamFacts, DecodeFacts]:
    """Decode the first audio stream of `source` (`size` bytes) once and hand its sound to `hear`.

    With `mono_only` a stretch has no samples but the mono ones, and FLAC's sum is not made: that
    takes a fifth less time. Faults in the file are counted, not raised. Raises MediaError when no
    sound comes out at all, or more than the limit of hours.
    """
    tally = _Tally()
    with _listening(tally) as drain, open_media(source) as (container, stream):
        tally.tick = float(stream.time_base or 0)
        declared = None if drain() else _declared_ms(container, stream)
        flac = stream.codec_context.codec.name == "flac"
        digest = _FlacDigest(stream) if flac and not mono_only else None
        most = limits.audio_hours * 3600
        outlet = _Outlet(hear, mono_only)
        for frame in _frames(container, stream, tally, drain):
            _count(frame, tally)
            if tally.seconds > most:
                raise MediaError(
                    f"holds more than {limits.audio_hours:g} hours of sound",
                    hint="raise limits.audio_hours in longplay.toml if that is right",
                )
            if digest is not None:
                digest.update(frame)
            outlet.push(frame)
        outlet.finish()
        drain()
        if not tally.samples:
            raise MediaError(_silent(tally), hint="the file is damaged or empty")
        facts = _stream_facts(container, stream, size, declared, tally)
    return facts, _decode_facts(tally, digest)


def decoder_name() -> str:
    """The software that decodes, for the record."""
    version = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return f"FFmpeg libavcodec {version} via PyAV {av.__version__}"


class _Bytes:
    """What FFmpeg sees of a file: reading and seeking, where an impossible seek is refused with a
    number, as FFmpeg expects, and not with an exception."""

    def __init__(self, source: BinaryIO) -> None:
        self.read, self.tell, self._seek = source.read, source.tell, source.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._seek(offset, whence & 3)  # FFmpeg adds flags above the two lowest bits
        except (OSError, ValueError):
            return -errno.EINVAL


class _Outlet:
    """Leads frames through a splitter to the listener; changes it when the sound's form changes."""

    def __init__(self, hear: Callable[[Stretch], None], mono_only: bool) -> None:
        self._hear, self._mono_only = hear, mono_only
        self._form: tuple[int, str, int, str] | None = None
        self._splitter: Splitter | None = None
        self._since = 0

    def push(self, frame: av.AudioFrame) -> None:
        form = form_of(frame)
        if form != self._form or self._splitter is None:
            self.finish()
            _check_form(form)
            try:
                self._form, self._splitter = form, Splitter(frame, self._mono_only)
            except (av.FFmpegError, ValueError) as error:
                raise MediaError(f"holds sound of an unknown form: {_words(error)}") from error
        self._since += frame.samples
        self._splitter.push(frame)
        if self._since >= PULL_SAMPLES:
            self._since = 0
            for stretch in self._splitter.pull():
                self._hear(stretch)

    def finish(self) -> None:
        if self._splitter is not None:
            for stretch in self._splitter.finish():
                self._hear(stretch)
        self._splitter = None


PULL_SAMPLES = 65_536
"""Samples a channel after which blocks are fetched: they wait inside FFmpeg until then."""


class _FlacDigest:
    """MD5 of the decoded samples, interleaved, little-endian, at the stream's own bit depth
    (RFC 9639, section 8.2)."""

    def __init__(self, stream: AudioStream) -> None:
        self._depth = _streaminfo_depth(stream.codec_context.extradata)
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, frame: av.AudioFrame) -> None:
        depth = self._depth
        if depth is None or frame.format.is_planar:
            self._depth = None
            return
        width = frame.format.bytes
        data = plane(frame, 0, np.dtype(f"<i{width}"), frame.samples * frame.layout.nb_channels)
        if depth != width * 8:
            # FFmpeg moves samples to the top of its word; FLAC hashes whole bytes of the bottom.
            kept = (depth + 7) // 8
            words = np.right_shift(data, width * 8 - depth)
            data = words.view(np.uint8).reshape(-1, width)[:, :kept]
        self._md5.update(data.tobytes())

    def digest(self) -> bytes | None:
        return None if self._depth is None else self._md5.digest()


def _refuse(*_: object) -> NoReturn:
    """What a demuxer gets that asks for another file."""
    raise PermissionError("a media file may not open another file")


def _first_sound(container: InputContainer) -> AudioStream:
    for stream in container.streams:
        if isinstance(stream, AudioStream):
            break
    else:
        raise MediaError("holds no sound")
    context = stream.codec_context
    if context is None:
        raise MediaError("holds sound in a codec that FFmpeg cannot decode")
    if context.codec.name not in DECODERS.split(","):
        raise MediaError(
            f"holds sound in the codec {context.codec.name}, which is not on the list of decoders"
        )
    context.thread_count = 1
    context.options = {"codec_whitelist": DECODERS, "err_detect": ERROR_DETECTION}
    return stream


def _frames(
    container: InputContainer, stream: AudioStream, tally: _Tally, drain: Callable[[], bool]
) -> Iterator[av.AudioFrame]:
    """Every frame that can be had; complaints are gathered on the way."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, OSError) as error:
            tally.failure = f"reading stopped: {_words(error)}"
            return
        yield from _decoded(stream, packet, tally)
        drain()


def _decoded(
    stream: AudioStream, packet: Packet[AudioStream], tally: _Tally
) -> list[av.AudioFrame]:
    try:
        return stream.decode(packet)
    except av.EOFError:
        return []
    except av.FFmpegError as error:
        tally.complaints[f"a packet cannot be decoded: {_words(error)}"] += 1
        return []


def _count(frame: av.AudioFrame, tally: _Tally) -> None:
    """Add a frame to the tally.

    A gap is a jump of the time stamps by more than the longest frame so far: FFmpeg's stamps waver
    by nearly that much where Vorbis changes its block size.
    """
    length = frame.samples / (frame.sample_rate or 1)
    tally.frames += 1
    tally.samples += frame.samples
    tally.seconds += length
    pts = frame.pts
    if pts is not None:
        start = pts * tally.tick
        if tally.expected is not None:
            tolerance = max(tally.longest, length, tally.tick)
            tally.gaps += abs(start - tally.expected) > tolerance
        tally.expected = start + length
    elif tally.expected is not None:
        tally.expected += length
    tally.longest = max(tally.longest, length)


@contextmanager
def _listening(tally: _Tally) -> Iterator[Callable[[], bool]]:
    """Gather what FFmpeg logs. Yields a function that moves it to the tally, and tells whether
    FFmpeg said that it guessed the duration."""
    previous, skipping = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as logs:

            def drain() -> bool:
                if not logs:
                    return False
                guessed = _gather(logs, tally.complaints)
                logs.clear()
                return guessed

            yield drain
    finally:
        av.logging.set_skip_repeated(skipping)
        av.logging.set_level(previous)


def _gather(logs: list[tuple[int, str, str]], complaints: Counter[str]) -> bool:
    guessed = False
    for _, _, message in logs:
        text = message.strip()[:COMPLAINT_CHARACTERS]
        guessed = guessed or text.startswith("Estimating duration from bitrate")
        if text and not HARMLESS.search(text):
            known = text in complaints or len(complaints) < MAX_DISTINCT
            complaints[text if known else "other complaints"] += 1
    return guessed


def _check_form(form: tuple[int, str, int, str]) -> None:
    rate, _, channels, _ = form
    if rate not in RATES:
        raise MediaError(f"claims a sample rate of {rate} Hz, which no sound has")
    if not 0 < channels <= MAX_CHANNELS:
        raise MediaError(f"claims {channels} channels")


def _declared_ms(container: InputContainer, stream: AudioStream) -> int | None:
    if stream.duration is not None and stream.time_base is not None and stream.duration > 0:
        return round(stream.duration * stream.time_base * 1000)
    if container.duration is not None and container.duration > 0:
        return round(container.duration / 1000)  # FFmpeg counts microseconds there
    return None


def _stream_facts(
    container: InputContainer, stream: AudioStream, size: int, declared: int | None, tally: _Tally
) -> StreamFacts:
    context = stream.codec_context
    return StreamFacts(
        container=container.format.name,
        codec=_CODEC_NAMES.get(context.codec.name, context.codec.name),
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        bit_depth=_bit_depth(container, stream),
        bit_rate=stream.bit_rate or round(size * 8 / tally.seconds),
        declared_ms=declared,
    )


_CODEC_NAMES = {"mp3float": "mp3", "mp2float": "mp2", "mp1float": "mp1"}
"""Decoders that differ from their codec in name."""


def _bit_depth(container: InputContainer, stream: AudioStream) -> int | None:
    """Bits a sample where the codec is lossless; FFmpeg tells odd ones only in its description."""
    context = stream.codec_context
    if context.codec.name not in LOSSLESS.split(","):
        return None
    if context.codec.name.startswith("dsd"):
        return 1
    if context.codec.name == "flac":
        return _streaminfo_depth(context.extradata)
    pattern = rf"^ +Stream #0:{stream.index}\b.*: Audio: .*\((\d+) bit\)"
    found = re.search(pattern, _description(container), re.MULTILINE)
    if found:
        return int(found[1])
    named = re.search(r"^pcm_[suf](\d+)", context.codec.name)
    if named:
        return int(named[1])
    return context.format.bits if context.format is not None else None


def _description(container: InputContainer) -> str:
    """FFmpeg's own lines about a container, which it gives as log messages only."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        return str(container.dumps_format())  # type: ignore[attr-defined] # not in PyAV's stubs
    finally:
        av.logging.set_level(level)


def _streaminfo_depth(extradata: bytes | None) -> int | None:
    """Bits a sample in FLAC's STREAMINFO block (RFC 9639, section 8.2)."""
    if extradata is None or len(extradata) < 34:
        return None
    return ((extradata[12] & 1) << 4 | extradata[13] >> 4) + 1


def _decode_facts(tally: _Tally, digest: _FlacDigest | None) -> DecodeFacts:
    return DecodeFacts(
        samples=tally.samples,
        duration_ms=round(tally.seconds * 1000),
        frames=tally.frames,
        gaps=tally.gaps,
        complaints=tuple(
            text if count == 1 else f"{text} ({count} times)"
            for text, count in tally.complaints.most_common(MAX_COMPLAINTS)
        ),
        pcm_md5=digest.digest() if digest is not None else None,
        failure=tally.failure,
    )


def _words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[
        :COMPLAINT_CHARACTERS
    ]


def _unopened(error: Exception) -> str:
    if isinstance(error, av.EOFError):
        return "ends before its sound begins"
    if isinstance(error, av.InvalidDataError | av.ArgumentError):
        return "is not a sound file of any kind known here, or its beginning is damaged"
    return f"cannot be opened as sound: {_words(error)}"


def _silent(tally: _Tally) -> str:
    why = tally.failure or next((text for text, _ in tally.complaints.most_common(1)), "")
    return f"no sound can be got out of it: {why}" if why else "no sound can be got out of it"
