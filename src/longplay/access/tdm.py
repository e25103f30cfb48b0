"""Whether text and data mining is reserved, as TDMRep says it: https://www.w3.org/2022/tdmrep/"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access import answers
from longplay.access.context import context
from longplay.catalogue import ids

router = APIRouter()


@router.get("/.well-known/tdmrep.json")
def reservation(request: Request) -> Response:
    """Reserved are the recordings whose rights holders said so; the rest follows its licences."""
    here = context(request)
    rules: list[dict[str, object]] = []
    for recording in sorted(here.all_reserved()):
        identity = ids.text("rec", recording)
        rules += [
            {"location": f"/recordings/{identity}", "tdm-reservation": 1},
            {"location": f"/api/recordings/{identity}*", "tdm-reservation": 1},
        ]
    return answers.tell([*rules, {"location": "/*", "tdm-reservation": 0}])
