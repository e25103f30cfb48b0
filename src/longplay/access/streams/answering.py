"""A track's sound as an answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fastapi.responses import Response

from longplay.access import answers
from longplay.access.answers import Content
from longplay.access.conditions import Conditions
from longplay.access.context import Context
from longplay.access.people.listeners import Listener
from longplay.access.streams import finding
from longplay.rights.gate import Refusal
from longplay.rights.statements import Act

MEDIA_TYPES = {
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".spx": "audio/ogg",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".mp4": "audio/mp4",
    ".wav": "audio/wav",
    ".aiff": "audio/aiff",
    ".webm": "audio/webm",
}
"""What players go by; everything else is sent as bytes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a track is to be sent. `act` is STREAM, or DOWNLOAD for the file as it is held. With a
    `format` (`opus`, `mp3`) or above `max_bit_rate` (kbit/s; 0: no limit) it is made smaller on the
    way; `raw` forbids that. `offset_ms` is where it begins; `estimate` asks for a length even where
    none is known yet."""

    act: Act = Act.STREAM
    format: str = ""
    max_bit_rate: int = 0
    offset_ms: int = 0
    estimate: bool = False


async def answer(
    here: Context, listener: Listener, identity: str, wanted: Wanted, asked: Conditions
) -> Response:
    """The sound of a track (`tr…`) or recording (`rec…`), or a refusal."""
    signed_in = listener.signed_in
    found = await answers.in_thread(
        partial(finding.find, here, identity, wanted.act, signed_in=signed_in)
    )
    if found is None:
        return answers.refuse(404, "unknown", "nothing of it is held")
    if isinstance(found, Refusal):
        return answers.withheld(found)
    leave, act = found.leave, wanted.act
    root = leave.key.root
    content = Content(
        here.source(leave),
        leave.key.size,
        leave.key.hex,
        MEDIA_TYPES.get(leave.suffix, "application/octet-stream"),
        still=partial(here.permits, root, act, signed_in=signed_in),
        reserved=root in here.reserved().roots,
    )
    return answers.answer(asked, content)
