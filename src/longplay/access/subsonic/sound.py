"""A track's sound as an answer to a call, by leave of the gate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NoReturn

from fastapi.responses import Response

from longplay.access.answers import Content
from longplay.access.conditions import conditions
from longplay.access.context import Leave
from longplay.access.guarding import Refused
from longplay.access.listener import Listener
from longplay.access.streams import answering
from longplay.access.streams.deciding import Wanted
from longplay.access.subsonic import things
from longplay.access.subsonic.calls import Call, Sound
from longplay.access.subsonic.failures import CallError, Code, by_guard, not_found
from longplay.rights.gate import Refusal
from longplay.rights.statements import Act

Remember = Callable[[Listener, Leave, Act, Content], None]
"""Remembers who asks, by which leave an object is sent, and as what."""


def answer(call: Call, sound: Sound, remember: Remember | None = None) -> Response:
    """The sound, or the range of it that is asked for. Raises CallError."""
    here, signed_in = call.here, call.listener.signed_in
    track = things.track(call.view, sound.track)
    leave = here.leave(track.root, sound.act, signed_in=signed_in)
    if leave is None:
        raise not_found("the song")
    if isinstance(leave.answer, Refusal):
        raise CallError(Code.NOT_AUTHORIZED, leave.answer.words)
    address = call.request.client.host if call.request.client else ""
    estimate = call.asked.text_or_none("estimateContentLength") == "true"
    wanted = Wanted(sound.act, sound.form, sound.kbit, round(sound.offset * 1000), estimate)
    return answering.answer(
        here,
        call.listener,
        track.id,
        wanted,
        conditions(call.request.scope),
        address,
        partial(remember, call.listener) if remember else None,
        _refuse,
    )


def _refuse(why: Refused) -> NoReturn:
    raise by_guard(why)
