"""Decoding: what comes out of whole files, of odd ones, and of those that mean harm."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longplay.audio.decode import DECODERS, DEMUXERS, decode, open_media
from longplay.audio.encode import Codec
from longplay.audio.resample import Stretch
from longplay.errors import MediaError
from longplay.model import DecodeFacts, StreamFacts
from longplay.settings import Limits
from tests.audio.media_made import film, made, muxed, tone, with_external_data

RATE = 44_100


class Heard:
    """Keeps what is heard, by sample rate."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []

    def __call__(self, stretch: Stretch) -> None:
        self.stretches.append(stretch)

    def samples(self, rate: int = RATE) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return np.concatenate([s.samples for s in self.stretches if s.rate == rate], axis=1)


def decoded(
    data: bytes, heard: Callable[[Stretch], None] | None = None, limits: Limits | None = None
) -> tuple[StreamFacts, DecodeFacts]:
    return decode(io.BytesIO(data), len(data), limits or Limits(), heard or Heard())


CODECS: tuple[tuple[Codec, str, str, int | None], ...] = (
    ("flac", "flac", "flac", 16),
    ("wav", "wav", "pcm_s16le", 16),
    ("vorbis", "ogg", "vorbis", None),
    ("opus", "ogg", "opus", None),
    ("mp3", "mp3", "mp3", None),
    ("aac", "mov,mp4,m4a,3gp,3g2,mj2", "aac", None),
)


@pytest.mark.parametrize(("codec", "container", "name", "depth"), CODECS)
def test_facts_of_a_whole_file(
    codec: Codec, container: str, name: str, depth: int | None, tmp_path: Path
) -> None:
    heard = Heard()
    data = made(tmp_path, codec, tone(3.5))
    stream, facts = decoded(data, heard)
    rate = 48_000 if codec == "opus" else RATE
    assert (stream.container, stream.codec, stream.bit_depth) == (container, name, depth)
    assert (stream.sample_rate, stream.channels) == (rate, 2)
    assert stream.declared_ms == pytest.approx(3500, abs=60)
    assert facts.duration_ms == pytest.approx(3500, abs=60)
    assert facts.samples == heard.samples(rate).shape[1]
    assert (facts.gaps, facts.complaints, facts.failure) == (0, (), None)
    assert stream.bit_rate is not None
    assert stream.bit_rate == pytest.approx(len(data) * 8 / 3.5, rel=0.15)


def test_lossless_sound_comes_out_as_it_went_in(tmp_path: Path) -> None:
    heard = Heard()
    decoded(made(tmp_path, "flac", tone(7)), heard)
    assert np.abs(heard.samples() - tone(7)).max() <= 1.01 / 32768
    assert heard.stretches[0].speakers == ("FL", "FR")
    assert sum(len(s.mono) for s in heard.stretches) == pytest.approx(7 * 11_025, abs=20)


@pytest.mark.parametrize(("form", "bits"), [("s16", 16), ("s32", 24)], ids=["16 bits", "24 bits"])
def test_flac_samples_have_the_digest_of_the_header(form: str, bits: int) -> None:
    words = np.random.default_rng(5).integers(-(2**15), 2**15, (1, 40_000))
    packed = words.astype(np.int16) if bits == 16 else (words << 13).astype(np.int32)
    data = muxed(packed, codec="flac", muxer="flac", form=form, layout="stereo")
    stream, facts = decoded(data)
    assert stream.bit_depth == bits
    assert facts.pcm_md5 == data[26:42]  # "fLaC", block header, STREAMINFO up to its MD5
    assert any(data[26:42])


def test_only_flac_has_a_digest(tmp_path: Path) -> None:
    assert decoded(made(tmp_path, "wav", tone(0.5)))[1].pcm_md5 is None


@pytest.mark.parametrize(
    ("codec", "muxer", "form", "depth"),
    [
        ("alac", "ipod", "s32p", 24),
        ("pcm_s24le", "wav", "s32", 24),
        ("pcm_u8", "wav", "u8", 8),
        ("pcm_f32le", "wav", "flt", 32),
        ("wavpack", "wv", "s16p", 16),
        ("tta", "tta", "s32", 24),
    ],
)
def test_bit_depth_of_lossless_codecs(codec: str, muxer: str, form: str, depth: int) -> None:
    kinds = {"u": np.uint8, "f": np.float32}
    kind = kinds.get(form[0], np.int16 if form.startswith("s16") else np.int32)
    silence = np.full((1, 4096), 128 if kind is np.uint8 else 0, kind)
    data = muxed(silence, codec=codec, muxer=muxer, form=form, layout="mono")
    assert decoded(data)[0].bit_depth == depth


def test_a_jump_of_the_time_stamps_is_a_gap() -> None:
    silence = np.zeros((1, 3 * RATE), np.int16)
    how = {"codec": "flac", "muxer": "matroska", "form": "s16", "layout": "mono"}
    assert decoded(muxed(silence, **how))[1].gaps == 0  # type: ignore[arg-type]
    jumping = muxed(silence, jump_at=61 * 1024, jump=RATE, **how)  # type: ignore[arg-type]
    assert decoded(jumping)[1].gaps == 1


def test_a_changed_bit_is_complained_about(tmp_path: Path) -> None:
    data = bytearray(made(tmp_path, "flac", tone(3)))
    data[len(data) // 2] ^= 4
    _, facts = decoded(bytes(data))
    assert facts.complaints
    assert facts.samples > 0


def test_complaints_of_one_file_do_not_hush_those_of_the_next(tmp_path: Path) -> None:
    data = bytearray(made(tmp_path, "flac", tone(3)))
    data[len(data) // 2] ^= 4
    first, second = (decoded(bytes(data))[1].complaints for _ in range(2))
    assert first == second != ()


def test_rate_and_channels_may_change_on_the_way(tmp_path: Path) -> None:
    heard = Heard()
    first = made(tmp_path, "mp3", tone(4))
    second = made(tmp_path, "mp3", tone(4, 22_050, 1), 22_050)
    _, facts = decoded(first + second, heard)
    forms = [(stretch.rate, len(stretch.speakers)) for stretch in heard.stretches]
    assert forms[0] == (44_100, 2)
    assert forms[-1] == (22_050, 1)
    assert heard.samples(22_050).shape[1] == pytest.approx(4 * 22_050, rel=0.05)
    assert facts.duration_ms == pytest.approx(8000, rel=0.05)
    assert sum(len(s.mono) for s in heard.stretches) == pytest.approx(8 * 11_025, rel=0.05)


@pytest.mark.parametrize("layout", ["5.1", "7.1", "hexadecagonal", "3 channels", "16 channels"])
def test_many_channels_with_and_without_places(layout: str) -> None:
    channels = av.AudioLayout(layout).nb_channels
    ramp = np.tile(np.arange(1, channels + 1, dtype=np.int16) * 1000, 5000)[None, :]
    data = muxed(ramp, codec="pcm_s16le", muxer="wav", form="s16", layout=layout)
    heard = Heard()
    stream, _ = decoded(data, heard)
    assert stream.channels == channels
    assert np.allclose(heard.samples()[:, 2500] * 32768, ramp[0, :channels])
    assert any(s.mono.any() for s in heard.stretches)


def test_numbers_that_are_no_sound_are_cut() -> None:
    wild = np.zeros((1, 20_000), np.float32)
    wild[0, 5_000:5_003] = [np.nan, np.inf, -1e30]
    heard = Heard()
    decoded(muxed(wild, codec="pcm_f32le", muxer="wav", form="flt", layout="mono"), heard)
    assert np.isfinite(heard.samples()).all()
    assert heard.samples()[0, 5_000:5_003].tolist() == [0.0, 65_536.0, -65_536.0]


def test_more_hours_than_allowed_are_refused(tmp_path: Path) -> None:
    data = made(tmp_path, "flac", tone(4))
    with pytest.raises(MediaError, match=r"more than 0\.001 hours"):
        decoded(data, limits=Limits(audio_hours=0.001))


def ogg_crc(page: bytes) -> int:
    """RFC 3533: CRC-32 with 0x04c11db7, unreflected, from 0."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def test_what_an_ogg_file_claims_costs_nothing(tmp_path: Path) -> None:
    data = bytearray(made(tmp_path, "vorbis", tone(2)))
    last = data.rindex(b"OggS")
    data[last + 6 : last + 14] = (2**40).to_bytes(8, "little")
    data[last + 22 : last + 26] = bytes(4)
    data[last + 22 : last + 26] = ogg_crc(bytes(data[last:])).to_bytes(4, "little")
    stream, facts = decoded(bytes(data))
    assert stream.declared_ms is not None
    assert stream.declared_ms > 20_000_000_000
    assert facts.duration_ms == pytest.approx(2000, abs=50)


MEMORY_SCRIPT = """
import re, sys
from pathlib import Path
from longplay.audio.describe import describe
from longplay.settings import Limits
with open(sys.argv[1], "rb") as source:
    describe(source, source.seek(0, 2), Limits())
print(re.search("VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1])
"""
"""Not `ru_maxrss`, which begins with what the process that started this one had."""


def peak_memory_kb(path: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT, str(path)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def silence(path: Path, hours: float, rate: int = 8_000) -> Path:
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "mono"
        stream.codec_context.format = "s16"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), "s16", "mono")
        frame.sample_rate = rate
        for number in range(round(hours * 3600 * rate / 4096)):
            frame.pts = number * 4096
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_memory_does_not_grow_with_the_sound(tmp_path: Path) -> None:
    short, long = 0.25, 1.0
    grown = peak_memory_kb(silence(tmp_path / "long", long))
    grown -= peak_memory_kb(silence(tmp_path / "short", short))
    assert grown * 1024 < (long - short) * 3600 * 8_000 * 4 / 2  # half of the sound itself


@pytest.mark.long
def test_ten_hours_of_silence(tmp_path: Path) -> None:
    path = silence(tmp_path / "silence", 10, 44_100)
    assert peak_memory_kb(path) < 256 * 1024


# What means harm


def concat(target: Path) -> str:
    return f"ffconcat version 1.0\nfile '{target.name}'\n"


def playlist(target: Path) -> str:
    return (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n"
        f"#EXTINF:4,\n{target.name}\n#EXT-X-ENDLIST\n"
    )


def session(target: Path) -> str:
    return (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=audio 5004 RTP/AVP 0\na=control:{target.name}\n"
    )


SCRIPTS = {"concat": concat, "playlist": playlist, "session": session}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_list_of_other_files_is_refused(kind: str, tmp_path: Path) -> None:
    made(tmp_path, "aac", tone(4))
    script = SCRIPTS[kind](tmp_path / "made.aac").encode()
    with pytest.raises(MediaError, match="not a sound file"):
        decoded(script)


def test_the_concat_script_would_work_on_ffmpeg_as_it_comes(tmp_path: Path) -> None:
    """Without this, the test above might refuse something that never did harm."""
    made(tmp_path, "vorbis", tone(4))
    script = tmp_path / "song.mp3"
    script.write_text(concat(tmp_path / "made.vorbis"))
    with av.open(str(script)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 3 * RATE


def drawn_in(folder: Path) -> bytes:
    """A movie without media data that refers to those of another, which lies beside it."""
    movie = made(folder, "aac", tone(4))
    return with_external_data(movie, str(folder / "made.aac"))


def test_external_data_would_work_if_they_were_enabled(tmp_path: Path) -> None:
    (tmp_path / "bad.m4a").write_bytes(drawn_in(tmp_path))
    options = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(tmp_path / "bad.m4a"), options=options) as container:
        loudest = max(np.abs(frame.to_ndarray()).max() for frame in container.decode(audio=0))
    assert loudest > 0.1


def test_external_data_stay_outside(tmp_path: Path) -> None:
    heard = Heard()
    try:
        decoded(drawn_in(tmp_path), heard)
    except MediaError:
        return
    assert not heard.samples().any()


OPEN_SCRIPT = """
import sys
from longplay.audio.decode import decode
from longplay.errors import MediaError
from longplay.settings import Limits
for name in sys.argv[1:]:
    with open(name, "rb") as source:
        try:
            decode(source, source.seek(0, 2), Limits(), lambda stretch: None)
        except MediaError:
            pass
"""


@pytest.mark.real
def test_the_kernel_sees_no_other_file_opened(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    bad = {"movie.mp3": drawn_in(tmp_path)}
    bad |= {f"{kind}.mp3": make(tmp_path / "made.aac").encode() for kind, make in SCRIPTS.items()}
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    log = tmp_path / "calls"
    watch = [program("strace"), "-f", "-e", "trace=open,openat,socket,connect", "-o", str(log)]
    subprocess.run([*watch, sys.executable, "-c", OPEN_SCRIPT, *bad], cwd=tmp_path, check=True)
    calls = log.read_text()
    assert all(f'"{name}"' in calls for name in bad)
    assert "made.aac" not in calls
    assert "socket(" not in calls


@pytest.mark.parametrize(
    ("name", "list_", "words"),
    [
        ("demuxers", DEMUXERS, "concat hls sdp rtsp image2 image2pipe tee lavfi ffmetadata dash"),
        ("decoders", DECODERS, "h264 png text ass"),
    ],
)
def test_the_lists_hold_no_way_out(name: str, list_: str, words: str) -> None:
    assert not set(list_.split(",")) & set(words.split()), name


def test_every_decoder_and_demuxer_on_the_lists_exists() -> None:
    assert {av.Codec(name, "r").type for name in DECODERS.split(",")} == {"audio"}
    assert all(av.ContainerFormat(name, "r").is_input for name in DEMUXERS.split(","))


def test_a_codec_that_is_not_on_the_list_is_named() -> None:
    samples = np.zeros((1, 16_000), np.int16)
    data = muxed(samples, codec="g722", muxer="wav", form="s16", layout="mono", rate=16_000)
    with pytest.raises(MediaError, match="g722"):
        decoded(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends before its sound begins|not a sound file"),
        (b"Dear reader, this is a letter.\n" * 50, "not a sound file"),
        (b"\xff" * 5000, "not a sound file"),
        (film(), "holds no sound"),
    ],
    ids=["empty", "letter", "ones", "film"],
)
def test_no_sound_is_told_in_words(data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        decoded(data)


def test_rates_that_no_sound_has_are_refused() -> None:
    silence = np.zeros((1, 4096), np.int16)
    data = bytearray(muxed(silence, codec="pcm_s16le", muxer="wav", form="s16", layout="mono"))
    for rate in (10, 2**31 - 1):
        data[24:28] = rate.to_bytes(4, "little")
        with pytest.raises(MediaError, match=r"sample rate|no sound"):
            decoded(bytes(data))


def test_open_media_reads_tags_without_decoding(tmp_path: Path) -> None:
    with open_media(io.BytesIO(made(tmp_path, "opus", tone(1)))) as (container, stream):
        assert container.format.name == "ogg"
        assert stream.codec_context.codec.name == "opus"


BASES: tuple[Codec, ...] = ("flac", "vorbis", "opus", "mp3", "aac", "wav")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[Codec, bytes]:
    folder = tmp_path_factory.mktemp("bases")
    return {codec: made(folder, codec, tone(0.7)) for codec in BASES}


@given(
    codec=st.sampled_from(BASES),
    damage=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=6
    ),
    keep=st.floats(0.1, 1),
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damage_is_told_or_refused_and_never_a_crash(
    bases: dict[Codec, bytes], codec: Codec, damage: list[tuple[float, bytes]], keep: float
) -> None:
    data = bytearray(bases[codec])
    for place, patch in damage:
        at = int(place * len(data))
        data[at : at + len(patch)] = patch
    data = data[: int(keep * len(data))]
    try:
        stream, facts = decoded(bytes(data))
    except MediaError as error:
        assert error.message
        return
    assert facts.samples > 0
    assert stream.channels > 0


@pytest.mark.real
@pytest.mark.parametrize("folder", ["beets", "flac-faulty", "lofty-fuzz", "mutagen", "tinytag"])
def test_broken_files_play_or_are_refused(folder: str, data: Path) -> None:
    plays = refused = 0
    for path in sorted((data / "broken" / folder).rglob("*")):
        if not path.is_file() or path.stat().st_size > 2_000_000:
            continue
        with path.open("rb") as source:
            try:
                decode(source, path.stat().st_size, Limits(), lambda _: None)
                plays += 1
            except MediaError as error:
                assert error.message
                refused += 1
    assert plays
    assert refused


@pytest.mark.real
def test_flac_digests_of_the_shared_files(data: Path) -> None:
    checked = 0
    for path in sorted((data / "audio").glob("*.flac")):
        content = path.read_bytes()
        assert content[:4] == b"fLaC"
        if any(content[26:42]):
            assert decoded(content)[1].pcm_md5 == content[26:42], path.name
            checked += 1
    assert checked >= 5
