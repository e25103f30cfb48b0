"""Whether a player can play a file as it is, and what it should be sent otherwise.

The rules of the extension `transcoding`: https://opensubsonic.netlify.app/docs/extensions/transcoding/
A player describes itself (`ClientInfo`); nothing that it says is believed to be of the right kind,
and what it leaves out limits nothing. Bit rates are in bits per second here, as the extension has
them. Pure: values in, a value out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from longplay.access.library.things import Track

MOST_PROFILES = 200
"""Profiles of one kind that are looked at: a player has some ten."""

SOUNDS = {
    "aac": ("aac", "aac"),
    "aiff": ("aiff", "pcm"),
    "amr": ("amr", "amr"),
    "flac": ("flac", "flac"),
    "m4a": ("mp4", "aac"),
    "mp3": ("mp3", "mp3"),
    "mp4": ("mp4", "aac"),
    "oga": ("ogg", "vorbis"),
    "ogg": ("ogg", "vorbis"),
    "opus": ("ogg", "opus"),
    "spx": ("ogg", "speex"),
    "wav": ("wav", "pcm"),
    "webm": ("webm", "opus"),
    "wv": ("wavpack", "wavpack"),
}
"""Container and codec that files with a suffix have nearly always."""

LOSSLESS_M4A = 400
"""An MP4 file of more kbit/s holds ALAC, one of fewer AAC."""

ALIASES = {"m4a": "mp4", "oga": "ogg", "opus": "ogg", "aif": "aiff", "wave": "wav", "adts": "aac"}
"""What players call containers, besides their names."""

TARGETS = {("mp3", "mp3"): ("mp3", 192_000, 320_000), ("ogg", "opus"): ("opus", 128_000, 256_000)}
"""What can be made, by container and codec: the format of `stream`, its usual bit rate and its
highest."""

LOWEST = 32_000
"""No stream is made of fewer bits per second."""

STEREO = 2


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of sound, as the extension tells of one."""

    container: str
    codec: str
    channels: int | None
    bit_rate: int | None
    sample_rate: int | None = None
    bit_depth: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a player does with a track: `reasons` say, profile by profile, why not to play it as it
    is; `target` is what it is sent then, in the `format` of `stream`, None when nothing fits."""

    source: Stream
    direct: bool
    reasons: tuple[str, ...]
    format: str = ""
    target: Stream | None = None


def source_of(track: Track) -> Stream:
    """What a track is as it is held."""
    suffix = track.suffix.lstrip(".").lower()
    container, codec = SOUNDS.get(suffix, (suffix, suffix))
    if (container, codec) == ("mp4", "aac") and (track.bit_rate or 0) > LOSSLESS_M4A:
        codec = "alac"
    rate = None if track.bit_rate is None else track.bit_rate * 1000
    return Stream(container, codec, track.channels, rate, track.sample_rate, track.bit_depth)


def decide(source: Stream, client: dict[str, Any]) -> Decision:
    """What a player should do with a stream."""
    whole = _too_fast(source, client) or _limited(source, client)
    reasons = []
    for profile in _profiles(client, "directPlayProfiles"):
        reason = whole or _unplayable(source, profile)
        if not reason:
            return Decision(source, True, ())
        reasons.append(reason)
    for profile in _profiles(client, "transcodingProfiles"):
        found = _target(source, profile, client)
        if found is not None:
            return Decision(source, False, tuple(reasons), *found)
    return Decision(source, False, tuple(reasons))


def _too_fast(source: Stream, client: dict[str, Any]) -> str:
    most = _number(client.get("maxAudioBitrate"))
    return "AudioBitrateNotSupported" if most and (source.bit_rate or 0) > most else ""


def _unplayable(source: Stream, profile: dict[str, Any]) -> str:
    """Why a profile does not fit a stream; empty when it does. An empty list is any."""
    checks = (
        ("containers", source.container, "ContainerNotSupported"),
        ("audioCodecs", source.codec, "AudioCodecNotSupported"),
        ("protocols", "http", "ProtocolNotSupported"),
    )
    for name, value, reason in checks:
        allowed = [_name(one) for one in _list(profile.get(name))]
        if name == "containers":
            allowed = [ALIASES.get(one, one) for one in allowed]
        if allowed and value not in allowed:
            return reason
    most = _number(profile.get("maxAudioChannels"))
    return "AudioChannelsNotSupported" if most and (source.channels or 0) > most else ""


def _limitations(codec: str, client: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for profile in _profiles(client, "codecProfiles"):
        if _name(profile.get("name")) == codec:
            yield from _profiles(profile, "limitations")


_COMPARISONS: dict[str, Callable[[float, list[float]], bool]] = {
    "Equals": lambda value, others: value in others,
    "NotEquals": lambda value, others: value not in others,
    "LessThanEqual": lambda value, others: not others or value <= others[0],
    "GreaterThanEqual": lambda value, others: not others or value >= others[0],
}


def _limited(source: Stream, client: dict[str, Any]) -> str:
    """Which required limitation of its codec a stream breaks; empty when none."""
    values = {
        "audioChannels": source.channels,
        "audioBitrate": source.bit_rate,
        "audioSamplerate": source.sample_rate,
        "audioBitdepth": source.bit_depth,
    }
    for limitation in _limitations(source.codec, client):
        value = values.get(str(limitation.get("name")))
        compare = _COMPARISONS.get(str(limitation.get("comparison")))
        if value is None or compare is None or limitation.get("required") is not True:
            continue
        others = [number for one in _list(limitation.get("values")) if (number := _number(one))]
        if not compare(value, others):
            name = str(limitation.get("name"))
            return f"{name[:1].upper()}{name[1:]}NotSupported"
    return ""


def _target(
    source: Stream, profile: dict[str, Any], client: dict[str, Any]
) -> tuple[str, Stream] | None:
    """What is made for a transcoding profile; None when that cannot be made."""
    container = _name(profile.get("container"))
    codec = _name(profile.get("audioCodec"))
    known = TARGETS.get((ALIASES.get(container, container), codec))
    if known is None or _name(profile.get("protocol")) not in ("http", ""):
        return None
    form, usual, highest = known
    limits = [usual, highest]
    asked = _number(client.get("maxTranscodingAudioBitrate"))
    if asked:
        limits = [highest, int(asked)]
    most = _number(client.get("maxAudioBitrate"))
    if most:
        limits.append(int(most))
    for limitation in _limitations(codec, client):
        numbers = [_number(one) for one in _list(limitation.get("values"))]
        if limitation.get("name") == "audioBitrate" and numbers and numbers[0]:
            limits.append(int(numbers[0]))
    channels = min(source.channels or STEREO, STEREO)
    rate = 48_000 if codec == "opus" else source.sample_rate
    return form, Stream(container, codec, channels, max(LOWEST, min(limits)), rate)


def _profiles(client: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    for one in _list(client.get(name)):
        if isinstance(one, dict):
            yield one


def _list(value: Any) -> list[Any]:
    return value[:MOST_PROFILES] if isinstance(value, list) else []


def _name(value: Any) -> str:
    return value[:64].lower() if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    """A number above 0, also in text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 < number < 2**53 else None
