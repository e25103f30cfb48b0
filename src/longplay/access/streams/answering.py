"""A track's sound as an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from fastapi.responses import Response

from longplay.access import answers
from longplay.access.answers import Bare, Content
from longplay.access.conditions import Conditions
from longplay.access.context import Context, Leave
from longplay.access.guarding import Refused
from longplay.access.people.listeners import Listener
from longplay.access.streams import deciding, finding
from longplay.access.streams.deciding import Held, Wanted
from longplay.access.streams.finding import Found, Stretch
from longplay.access.streams.growing import Growing
from longplay.access.streams.hearing import Heard
from longplay.access.streams.making import Job, Maker
from longplay.audio.streaming import Recipe
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

Keep = Callable[[Leave, Act, Content], None]
"""Remembers by which leave an object is sent, and as what."""

MADE = {"opus": "audio/ogg", "mp3": "audio/mpeg"}


def answer(
    here: Context,
    listener: Listener,
    identity: str,
    wanted: Wanted,
    asked: Conditions,
    address: str = "",
    keep: Keep | None = None,
    refuse: Callable[[Refused], Response] = answers.refused,
) -> Response:
    """The sound of a track (`tr…`) or recording (`rec…`) for somebody who asks from `address`, or a
    refusal. It looks into ledger and library: not to be called where nothing may wait. `keep` is
    told what is sent as it is held, for those who ask the same again; `refuse` words what the guard
    has against it."""
    found = finding.find(here, identity, wanted.act, signed_in=listener.signed_in)
    if found is None:
        return answers.refuse(404, "unknown", "nothing of it is held")
    if isinstance(found, Refusal):
        return answers.withheld(found)
    leave, stretch = found.leave, found.stretch
    refused = here.guarded.refuses(listener.account, address, stretch.track or identity)
    if refused is not None:
        return refuse(refused)
    held = Held(leave.suffix, stretch.kbit, stretch.start_ms, stretch.end_ms)
    recipe = deciding.decide(held, wanted)
    heard = Heard(
        here.log,
        listener.account,
        address,
        stretch.track or identity,
        _bytes_a_second(leave, stretch, recipe),
        stretch.duration_ms / 1000,
        wanted.act is Act.DOWNLOAD,
        wanted.offset_ms / 1000 if recipe is not None and wanted.act is not Act.DOWNLOAD else 0.0,
    )
    content = _content(here, found, wanted.act, listener.signed_in, heard)
    if recipe is None:
        if not here.guarded.slows(listener.account, address):
            content = replace(content, accel=here.accel(leave))
        if keep is not None:
            keep(leave, wanted.act, content)
        sound = answers.answer(asked, content)
    else:
        job = Job(leave.key.hex, leave.key.size, content.source, _left(stretch, wanted), recipe)
        sound = _made(here.maker, asked, content, job, estimate=wanted.estimate)
    slowed = here.guarded.slowed(listener.account, address, sound)
    return refuse(slowed) if isinstance(slowed, Refused) else slowed


def _content(here: Context, found: Found, act: Act, signed_in: bool, heard: Heard) -> Content:
    leave = found.leave
    root = leave.key.root
    return Content(
        here.source(leave),
        leave.key.size,
        leave.key.hex,
        MEDIA_TYPES.get(leave.suffix, "application/octet-stream"),
        still=partial(here.permits, root, act, signed_in=signed_in),
        reserved=root in here.reserved().roots,
        sent=heard.sent,
    )


MOST_WAITING = 4
"""Requests that may hold up a thread until a copy is made: others need the threads too."""

_waiting = threading.BoundedSemaphore(MOST_WAITING)


def _made(
    maker: Maker, asked: Conditions, content: Content, job: Job, *, estimate: bool
) -> Response:
    """A copy: from the cache like any file, or while it is made. Who asks for a later range of one
    that is not there yet waits until it is; where too many wait, all of it comes, as a server may
    answer (RFC 9110, section 14.2)."""
    tag = f"{job.object}-{job.recipe.name}"
    media_type = MADE[job.recipe.format]
    path = maker.kept(job)
    later = asked.range and not asked.range.startswith(b"bytes=0-")
    if path is None and later and asked.method == "GET" and _waiting.acquire(blocking=False):
        try:
            path = maker.whole(job)
        finally:
            _waiting.release()
    if path is not None:
        copy = Content(path, path.stat().st_size, tag, media_type, content.still, content.reserved,
                       sent=content.sent)  # fmt: skip
        return answers.answer(asked, copy)
    quoted = b'"%s"' % tag.encode()
    headers = [(b"etag", quoted), *answers.raw_mining(content.reserved)]
    if asked.knows(quoted):
        return Bare(304, headers)
    headers.append((b"content-type", media_type.encode()))
    length = None
    if estimate and job.duration_ms:
        length = deciding.most_bytes(job.recipe, job.duration_ms)
        headers.append((b"content-length", b"%d" % length))
    if asked.method == "HEAD":
        return Bare(200, headers)
    return Growing(headers, maker, job, content, length)


def _left(stretch: Stretch, wanted: Wanted) -> int:
    """About how long (ms) a copy plays; 0 where that is not known."""
    return max(0, stretch.duration_ms - wanted.offset_ms)


def _bytes_a_second(leave: Leave, stretch: Stretch, recipe: Recipe | None) -> float:
    """How many bytes of what is sent are a second of sound; 0 where that is not known."""
    if recipe is not None:
        return recipe.kbit * 125.0
    return leave.key.size * 1000 / stretch.duration_ms if stretch.duration_ms else 0.0
