"""Pictures of albums, artists and tracks; where there is none, a sleeve that we draw.

A drawn sleeve follows from the id alone: the same album always has the same, and two beside each
other differ.
"""

from __future__ import annotations

import hashlib
import re
from math import cos, pi, sin

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access.context import context
from longplay.access.library import covers
from longplay.access.listener import listener

router = APIRouter()

SIZES = (120, 300, 600, 1200)
"""Pixels of the pictures that are made; another wish gets the next larger."""

KEPT = "private, max-age=86400"
"""A picture may change with the library, but seldom does."""

ID = re.compile(r"(tr|al|ar|rec|co-|pl-)[0-9A-Za-z_-]{1,80}")

COLOURS = (
    ("#20342f", "#d9c7a0", "#c8553d"),
    ("#2b2d42", "#edf2f4", "#d98e73"),
    ("#5b2a28", "#f0d8b8", "#e0a458"),
    ("#1f3b57", "#e8dcc4", "#7fa9b5"),
    ("#3d3a4b", "#e6dbd0", "#b48291"),
    ("#43523d", "#efe6cf", "#c9a227"),
    ("#6b3e2e", "#f3e3cf", "#8fa998"),
    ("#272932", "#dad2c5", "#a35d4f"),
    ("#e3d3b4", "#3a3530", "#b5482f"),
    ("#c7d1c4", "#2f3d36", "#d07f4f"),
    ("#d9b8a6", "#3c2f2f", "#6d7f91"),
    ("#e7e0d2", "#26323f", "#c06c4e"),
)
"""Ground, lines and accent."""


@router.get("/covers/{identity}")
def cover(identity: str, request: Request, size: str = "300") -> Response:
    """The picture of a cover, an album, an artist or a track."""
    wished = int(size) if size.isascii() and size.isdecimal() and len(size) <= 5 else SIZES[1]
    pixels = next((one for one in SIZES if one >= wished), SIZES[-1])
    found = None
    if ID.fullmatch(identity):
        found = covers.picture(context(request), listener(request), identity, pixels)
    if found is None:
        data, kind = drawn(identity).encode(), "image/svg+xml"
        tag = f"drawn-{hashlib.sha256(data).hexdigest()[:16]}"
    else:
        data, kind, tag = found.data, found.media_type, found.tag
    headers = {"ETag": f'"{tag}"', "Cache-Control": KEPT, "Vary": "Cookie"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=kind)


def drawn(identity: str) -> str:
    """A sleeve as SVG, drawn from an id; nothing of the id's text is in it."""
    bits = hashlib.sha256(identity.encode(errors="replace")).digest()
    ground, line, accent = COLOURS[bits[0] % len(COLOURS)]
    draw = (_grooves, _bars, _sun, _arcs, _waves)[bits[1] % 5]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 300" width="600" height="600">'
        f'<rect width="300" height="300" fill="{ground}"/>{draw(bits, line, accent)}</svg>\n'
    )


def _grooves(bits: bytes, line: str, accent: str) -> str:
    x, y = 90 + bits[2] % 120, 90 + bits[3] % 120
    rings = "".join(
        f'<circle cx="{x}" cy="{y}" r="{radius}"/>' for radius in range(34, 240, 7 + bits[4] % 6)
    )
    return (
        f'<g fill="none" stroke="{line}" stroke-opacity=".55">{rings}</g>'
        f'<circle cx="{x}" cy="{y}" r="24" fill="{accent}"/>'
    )


def _bars(bits: bytes, line: str, accent: str) -> str:
    bars = []
    for place in range(15):
        height = 24 + bits[2 + place] % 170
        fill = accent if bits[20] % 15 == place else line
        bars.append(
            f'<rect x="{30 + 16 * place}" y="{150 - height / 2}" width="7" height="{height}"'
            f' rx="3.5" fill="{fill}"/>'
        )
    return "".join(bars)


def _sun(bits: bytes, line: str, accent: str) -> str:
    level = 150 + bits[2] % 70
    radius = 50 + bits[3] % 45
    lines = "".join(
        f'<rect y="{level + step * step // 3}" width="300" height="{2 + step // 4}"/>'
        for step in range(1, 22, 2)
    )
    return (
        f'<circle cx="{80 + bits[4] % 140}" cy="{level - bits[5] % 40}" r="{radius}"'
        f' fill="{accent}"/><g fill="{line}">{lines}</g>'
    )


def _arcs(bits: bytes, line: str, accent: str) -> str:
    found = []
    for place in range(4):
        corner = (place * 150 % 300, place // 2 * 150)
        turn = bits[2 + place] % 4 * 90
        middle = f"{corner[0] + 75} {corner[1] + 75}"
        for radius in (30, 62, 94, 126):
            colour = accent if (place + radius) % 4 == bits[9] % 4 else line
            found.append(
                f'<path d="M{corner[0] + radius} {corner[1]}A{radius} {radius} 0 0 1 {corner[0]}'
                f' {corner[1] + radius}" transform="rotate({turn} {middle})" fill="none"'
                f' stroke="{colour}" stroke-width="11"/>'
            )
    return "".join(found)


def _waves(bits: bytes, line: str, accent: str) -> str:
    found = []
    for row in range(13):
        height, shift = 4 + bits[2 + row] % 13, bits[16 + row] % 60
        points = " ".join(
            f"{x},{36 + 19 * row + height * sin(2 * pi * (x + shift) / 75) * cos(x / 190):.1f}"
            for x in range(0, 301, 6)
        )
        colour = accent if row == 3 + bits[30] % 7 else line
        found.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        )
    return "".join(found)
