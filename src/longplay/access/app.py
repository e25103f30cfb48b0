"""The web application: routes put together, errors as JSON, headers that every answer carries."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import Response

from longplay.access import answers, ark, feeding, lookup, recordings, site, tdm, tracker
from longplay.access.answers import HEADERS
from longplay.access.api import catalogue, description, documents, library, published
from longplay.access.bare import Doors
from longplay.access.context import Context
from longplay.access.oai import provider
from longplay.access.people import opening
from longplay.access.site import mishaps, rendering
from longplay.archive import Archive, open_archive
from longplay.errors import AccessError, InputError, LongplayError, ThrottledError, UsageError
from longplay.workflows import publishing, rights, stocking

STATUSES: tuple[tuple[type[LongplayError], int], ...] = (
    (ThrottledError, 429), (AccessError, 403), (UsageError, 400), (InputError, 400),
)  # fmt: skip
"""What the fault of the one who asks is answered with; other failures are ours: 500."""

RENEW_SECONDS = 60.0
"""How often a served archive looks whether its feed is about to expire, or lacks a decision."""


COUNT_SECONDS = 3600.0
"""How often what was played is counted: an import, which makes another snapshot."""


def create_app(folder: Path) -> Doors:
    """The application that serves the archive in `folder`. Raises ArchiveError."""
    archive = open_archive(folder)
    rights.catch_up(archive)
    stocking.bring_releases(archive)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one) for one in (_keep_feed_fresh(archive), _count(here))]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.to_thread(here.close)
        archive.ledger.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    here = app.state.context = Context(archive, opening.open_people(archive))
    for room in (tracker, tdm, recordings, ark, lookup):
        app.include_router(room.router)
    for room in (catalogue, library, published, description, provider):
        app.include_router(room.router)
    site.include(app)
    app.add_exception_handler(LongplayError, _tell)
    documents.install(app, mishaps.no_page)
    app.middleware("http")(_with_headers)
    return Doors(here, app)


async def _keep_feed_fresh(archive: Archive) -> None:
    """Renew the feed when it is due. Of several workers one does; who finds the lock taken, or the
    ledger busy, looks again later."""
    while True:
        with suppress(LongplayError, OSError):
            await asyncio.to_thread(publishing.renew_due, archive)
        await asyncio.sleep(RENEW_SECONDS)


async def _count(here: Context) -> None:
    """Take what was played here into the catalogue's listens, from time to time. Of several
    workers one does."""
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        here.counting_plays.begin(partial(_count_now, here))


def _count_now(here: Context) -> None:
    with suppress(LongplayError, OSError):
        feeding.feed_apart(here.archive, here.people)


async def _with_headers(
    request: Request, answer: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await answer(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _tell(request: Request, error: Exception) -> Response:
    """An expected failure; where the file lies is nobody's business outside."""
    message = error.message if isinstance(error, LongplayError) else "something went wrong"
    code = error.code if isinstance(error, LongplayError) else "error"
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    if mishaps.wants_page(request):
        hint = error.hint if isinstance(error, LongplayError) and status < 500 else ""
        words = ". ".join(one[:1].upper() + one[1:] for one in (message, hint) if one)
        response = rendering.refused(request, status, "That did not work", f"{words}.")
    else:
        response = answers.refuse(status, code, message)
    if isinstance(error, ThrottledError):
        response.headers["Retry-After"] = str(math.ceil(error.seconds))
    return response
