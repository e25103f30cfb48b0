"""Walking through what is held: by genre, year, name; what is new, what is popular; by chance."""

from __future__ import annotations

from typing import get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access.context import context
from longplay.access.library.things import Order
from longplay.access.library.view import View
from longplay.access.listener import listener
from longplay.access.site import rendering, rows

router = APIRouter()

SHELF = 12
"""Albums that an overview shows of each kind."""

PAGE = 48
"""Albums of a page."""

LAST = 20_000
"""The last page of a list that is looked at."""

BY_CHANCE = 50
"""Tracks that a shuffle brings at a time."""

MOST_GENRES = 60
"""Genres that the overview names, those with the most tracks."""

ORDERS: dict[Order, str] = {
    "newest": "Newest here",
    "popular": "Most popular",
    "byYearDescending": "Latest release",
    "byYear": "Earliest release",
    "alphabeticalByName": "Title",
    "alphabeticalByArtist": "Artist",
    "random": "By chance",
}
"""Orders of albums, and what pages call them."""


@router.get("/")
def home(request: Request) -> Response:
    """What this is, how much of it there is, and where to begin."""
    view = _view(request)
    counts = view.counts
    values = {
        "counts": counts,
        "newest": view.albums("newest", SHELF),
        "popular": view.albums("popular", SHELF),
        "genres": _genres(view)[:20],
    }
    return rendering.page(request, "home.html", values)


@router.get("/browse")
def browse(request: Request) -> Response:
    """Genres, decades, orders, letters."""
    view = _view(request)
    values = {
        "counts": view.counts,
        "genres": _genres(view)[:MOST_GENRES],
        "decades": decades(view.years()),
        "orders": ORDERS,
        "popular": view.albums("popular", SHELF // 2),
        "newest": view.albums("newest", SHELF // 2),
    }
    return rendering.page(request, "browse.html", values)


@router.get("/albums")
def albums(
    request: Request,
    order: str = "newest",
    genre: str = "",
    years: str = "",
    page: str = "1",
) -> Response:
    """Albums in an order; of a genre, or of a year or a decade (`1968`, `1960s`)."""
    view = _view(request)
    chosen: Order = order if order in get_args(Order) else "newest"  # type: ignore[assignment]
    first, last = span(years)
    number = _number(page)
    found = view.albums(
        chosen, PAGE + 1, (number - 1) * PAGE, genre or None, from_year=first, to_year=last
    )

    def address(**changed: str) -> str:
        asked = {"order": chosen, "genre": genre, "years": years} | changed
        return f"/albums?{urlencode({key: one for key, one in asked.items() if one})}"

    values = {
        "headline": genre or years or "Albums",
        "genre": genre,
        "years": years,
        "chosen": chosen,
        "orders": [(one, name, address(order=one)) for one, name in ORDERS.items()],
        "albums": found[:PAGE],
        "before": address(page=str(number - 1)) if number > 1 else None,
        "after": address(page=str(number + 1)) if len(found) > PAGE else None,
    }
    return rendering.page(request, "albums.html", values)


@router.get("/genres/{name:path}")
def genre(name: str, request: Request) -> Response:
    """A genre: albums and tracks."""
    view = _view(request)
    known = next((one for one in view.genres() if one.name == name), None)
    if known is None:
        return rendering.unknown(request)
    values = {
        "genre": known,
        "albums": view.albums("popular", SHELF * 2, genre=name),
        "listed": [rows.of_track(one) for one in view.tracks_by_genre(name, BY_CHANCE)],
    }
    return rendering.page(request, "genre.html", values)


@router.get("/artists")
def artists(request: Request, letter: str = "") -> Response:
    """All album artists, letter by letter."""
    index = _view(request).index()
    letters = [one for one, _ in index]
    chosen = letter if letter in letters else letters[0] if letters else ""
    values = {"letters": letters, "chosen": chosen, "artists": dict(index).get(chosen, [])}
    return rendering.page(request, "artists.html", values)


@router.get("/shuffle")
def shuffle(request: Request) -> Response:
    """Tracks by chance out of everything that is held."""
    found = [rows.of_track(one) for one in _view(request).random(BY_CHANCE)]
    headers = {"Cache-Control": "no-store"}
    return rendering.page(request, "shuffle.html", {"listed": found}, headers=headers)


def decades(years: list[tuple[int, int]]) -> list[tuple[str, int]]:
    """Decades with how many albums are of them, the latest first."""
    found: dict[int, int] = {}
    for year, count in years:
        found[year // 10 * 10] = found.get(year // 10 * 10, 0) + count
    return [(f"{decade}s", count) for decade, count in sorted(found.items(), reverse=True)]


def span(years: str) -> tuple[int | None, int | None]:
    """The first and the last year of `1968` or `1960s`; nothing of anything else."""
    digits = years.removesuffix("s")
    if len(digits) != 4 or not (digits.isascii() and digits.isdecimal()):
        return None, None
    first = int(digits)
    return (first, first + 9) if years.endswith("s") else (first, first)


def _genres(view: View) -> list[tuple[str, int]]:
    """Genres with their tracks, the largest first."""
    return [(one.name, one.tracks) for one in sorted(view.genres(), key=lambda one: -one.tracks)]


def _number(page: str) -> int:
    wanted = int(page) if page.isascii() and page.isdecimal() and len(page) <= 6 else 1
    return max(1, min(wanted, LAST))


def _view(request: Request) -> View:
    return context(request).library(listener(request))
