"""Whether a track is sent as it is held, or what is made of it. Pure: values in, a recipe out."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.audio.streaming import MP3_RATES, Format, Recipe
from longplay.rights.statements import Act

RAW = "raw"

FORMATS: dict[str, Format] = {"opus": "opus", "ogg": "opus", "mp3": "mp3"}
"""What can be made, by what clients call it."""

SUFFIXES: dict[str, Format] = {".opus": "opus", ".mp3": "mp3"}
"""Held files that are of such a format already. `.ogg` may be Vorbis: it is made anew."""

LIKELY: Format = "mp3"
"""What is made for who names no format: nothing plays everywhere as surely."""

KBIT: dict[Format, int] = {"opus": 128, "mp3": 192}
"""Bit rates (kbit/s) of what is made with no limit: hardly anybody hears a difference."""

OPUS_KBIT = range(8, 513, 8)
"""Bit rates of Opus: few enough that the same copies serve many."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a track is to be sent. `act` is STREAM, or DOWNLOAD for the file as it is held. With a
    `format` (`opus`, `mp3`), or where it has more than `max_bit_rate` (kbit/s; 0: no limit), it is
    made smaller on the way; `raw` forbids that. `offset_ms` is where it begins; `estimate` asks for
    a length even where none is known yet."""

    act: Act = Act.STREAM
    format: str = ""
    max_bit_rate: int = 0
    offset_ms: int = 0
    estimate: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What a track is as it is held: the file's suffix, its bit rate (kbit/s; 0: not known), and
    from where to where (ms) in the file it goes."""

    suffix: str
    bit_rate: int = 0
    start_ms: int = 0
    end_ms: int | None = None


def decide(held: Held, wanted: Wanted) -> Recipe | None:
    """What is to be made of a track; None where the file is sent as it is.

    Parts of files are cut by making them anew, also for downloads: there is no file of theirs.
    """
    part = held.start_ms > 0 or held.end_ms is not None
    streamed = wanted.act is not Act.DOWNLOAD
    offset = wanted.offset_ms if streamed else 0
    form = FORMATS.get(wanted.format.lower()) if streamed else None
    limit = wanted.max_bit_rate if streamed and wanted.format != RAW else 0
    mine = SUFFIXES.get(held.suffix)
    too_much = bool(limit) and not 0 < held.bit_rate <= limit
    if not (part or offset or too_much or form not in (None, mine)):
        return None
    form = form or mine or LIKELY
    kbit = min(KBIT[form], limit) if limit else KBIT[form]
    return Recipe(form, _rate(form, kbit), held.start_ms + offset, held.end_ms)


def _rate(form: Format, kbit: int) -> int:
    """The nearest bit rate that the format has and that is not above, if there is one."""
    rates = MP3_RATES if form == "mp3" else OPUS_KBIT
    return max((rate for rate in rates if rate <= kbit), default=rates[0])


def most_bytes(recipe: Recipe, duration_ms: int) -> int:
    """More bytes than a copy has that plays so long: Opus strays by some percent, MP3 begins and
    ends with a frame of silence."""
    return int(duration_ms * recipe.kbit / 8 * 1.06) + 16_384
