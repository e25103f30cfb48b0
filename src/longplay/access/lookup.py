"""Bulk look-up over HTTP: a list of ISRCs in; what is held, under which rights, by which ids."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from longplay.access import answers, ark
from longplay.access.context import Context, context
from longplay.catalogue import ids
from longplay.workflows import looking_up
from longplay.workflows.looking_up import Row

router = APIRouter()

MAX_BYTES = 1024 * 1024
"""Bytes of one list: codes of 12 letters for `MAX_LINES`, with room for what stands beside."""

MAX_LINES = 10_000
"""Lines of one list; longer ones come in parts, or to `longplay lookup`."""

TYPES = ("text/csv", "text/plain")


class Looked(BaseModel):
    """The answer to one line. `problem` says why it could not be looked up; `access` is the widest
    class of what is held."""

    line: int
    asked: str
    isrc: str | None
    problem: str | None
    held: bool
    access: str | None
    rights: list[str]
    recordings: list[str]
    arks: list[str]
    objects: list[str]


class LookedUp(BaseModel):
    """The answers, a row for each line, in their order."""

    rows: list[Looked]


@router.post(
    "/api/lookup",
    tags=["lookup"],
    response_model=LookedUp,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": {"type": "string"}} for kind in TYPES},
        }
    },
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **answers.documented(413, 415),
    },
)
async def look_up(
    request: Request, accept: Annotated[str, Header(description="text/csv or JSON")] = ""
) -> Response:
    """Which of many ISRCs are held: one row for each line, in their order.

    Lines, or a table with a column `isrc`. With `Accept: text/csv` the answer is CSV.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in TYPES:
        return answers.refuse(415, "media-type", f"send {' or '.join(TYPES)}")
    body, lines = bytearray(), 0
    async for chunk in request.stream():
        body += chunk
        lines += chunk.count(b"\n")
        if len(body) > MAX_BYTES or lines > MAX_LINES:
            words = f"at most {MAX_LINES:,} lines and {MAX_BYTES:,} bytes at a time"
            return answers.refuse(413, "too-large", words)
    rows = await run_in_threadpool(_rows, context(request), bytes(body))
    if "text/csv" in accept.lower():
        return Response(_csv(rows), media_type="text/csv; charset=utf-8")
    return JSONResponse({"rows": rows})


def _rows(here: Context, body: bytes) -> list[dict[str, Any]]:
    lines = looking_up.lines(io.BytesIO(body))
    found = looking_up.look_up(here.archive, lines, claimed=here.standing(), told=True)
    return [_told(here, row) for row in found]


def _told(here: Context, row: Row) -> dict[str, Any]:
    names = (ark.of_archive(here, ids.parse(one)[1]) for one in row.recordings)
    return asdict(row) | {"held": bool(row.held), "arks": [one for one in names if one]}


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(Looked.model_fields)
    writer.writerows([_cell(row[name]) for name in Looked.model_fields] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple() | list():
            return " ".join(map(str, value))
        case None:
            return ""
        case _:
            return value
