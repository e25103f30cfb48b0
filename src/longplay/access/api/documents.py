"""JSON answers with a validator, and errors in the one shape that all have. RFC 9110, 13."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from longplay.access import answers
from longplay.access.context import context
from longplay.access.listener import listener
from longplay.access.spelled import spelled

ROOT = "/api"
"""Below which everything answers in JSON."""

CODES = {404: "unknown", 405: "method"}


def tell(
    request: Request,
    document: BaseModel,
    *,
    reserved: bool | None = None,
    catalogue: bool = False,
) -> Response:
    """A document with an ETag of what it says; nothing to who has it already. What it says of the
    `catalogue` may be spelled for the API key that asks."""
    data = _said(request, document, catalogue).encode()
    tag = f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Authorization, Cookie"}
    headers |= answers.mining(reserved)
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="application/json")


def _said(request: Request, document: BaseModel, catalogue: bool) -> str:
    scheme = request.headers.get("authorization", "")[:7].lower()
    if not catalogue or scheme != "bearer ":
        return document.model_dump_json()
    marker = context(request).spelled.marker(listener(request))
    if marker is None:
        return document.model_dump_json()
    told = spelled(document.model_dump(mode="json"), marker)
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, with those that every route of this API has."""
    unchanged: dict[int | str, dict[str, Any]] = {
        304: {"description": "What `If-None-Match` names is still so"}
    }
    return unchanged | answers.documented(422, *statuses)


def install(app: FastAPI, unknown: Callable[[Request], Response]) -> None:
    """Give what FastAPI itself refuses the shape of all other errors; `unknown` is the page for
    who looks for one that is not there."""

    def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        reads = "text/html" in request.headers.get("accept", "")
        if error.status_code == 404 and reads and not request.url.path.startswith(ROOT):
            return unknown(request)
        code = CODES.get(error.status_code, "refused")
        found = answers.refuse(error.status_code, code, str(error.detail).lower())
        found.headers.update(error.headers or {})
        if found.headers.get("allow") == "GET":
            found.headers["Allow"] = "GET, HEAD"
        return found

    app.add_exception_handler(HTTPException, refuse)
    app.add_exception_handler(RequestValidationError, _invalid)


def _invalid(_: Request, error: Exception) -> Response:
    """The first thing that is wrong with a request, by its name."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return answers.refuse(422, "invalid", f"{name}: {first['msg'].lower()}")
