"""The web site: pages made on the server, and a player that goes on from page to page."""

from __future__ import annotations

from fastapi import FastAPI

from longplay.access.site import (
    account,
    accounts,
    album,
    archive,
    artist,
    assets,
    browse,
    claims,
    favourites,
    guard,
    listening,
    playlists,
    recording,
    search,
    sleeves,
    stages,
)

ROOMS = (
    assets,
    sleeves,
    search,
    recording,
    album,
    artist,
    browse,
    listening,
    favourites,
    playlists,
    account,
    accounts,
    claims,
    guard,
    stages,
    archive,
)
"""Everything with pages, each with its `router`."""


def include(app: FastAPI) -> None:
    """Put the pages into an application. They are no part of its description for programs."""
    app.add_exception_handler(account.ElsewhereError, account.go_there)
    for room in ROOMS:
        app.include_router(room.router, include_in_schema=False)
