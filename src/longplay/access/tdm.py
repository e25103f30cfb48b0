"""Whether text and data mining is reserved, as TDMRep says it: https://www.w3.org/2022/tdmrep/

Who mines reads this file first, and heeds the first rule that matches a path; the header and the
page's meta element say the same. So everything that is reserved is named here wherever it can be
reached: pages, facts and streams, also under ids that it had before, and its files in web seeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access import answers
from longplay.access.context import Context, context
from longplay.catalogue import ids
from longplay.catalogue.snapshot import open_current
from longplay.release.tables import MEMBERS
from longplay.workflows import seeding, shares
from longplay.workflows.withdrawing import Reserved

router = APIRouter()


@router.get("/.well-known/tdmrep.json")
def reservation(request: Request) -> Response:
    """Reserved are the recordings whose rights holders said so; the rest follows its licences."""
    here = context(request)
    reserved = here.reserved()
    known = here.mining_rules
    if known is None or known[0] is not reserved:
        locations = [*_pages(here, reserved), *_files(here, reserved)]
        rules = [{"location": one, "tdm-reservation": 1} for one in locations]
        known = here.mining_rules = reserved, [*rules, {"location": "/*", "tdm-reservation": 0}]
    return answers.tell(known[1])


def _pages(here: Context, reserved: Reserved) -> Iterator[str]:
    if not reserved.recordings:
        return
    keys = np.array(sorted(reserved.recordings), np.uint64)
    for key in shares.formerly(open_current(here.archive.catalogue), keys).tolist():
        identity = ids.text("rec", key)
        yield f"/recordings/{identity}"
        yield f"/api/recordings/{identity}*"
        yield f"/api/catalogue/{identity}"


def _files(here: Context, reserved: Reserved) -> Iterator[str]:
    """Paths of web seeds; what is special in a pattern is escaped as in any URL."""
    if not reserved.roots:
        return
    roots = pa.array(sorted(reserved.roots), pa.binary())
    for release in seeding.current(here.archive):
        path = here.archive.releases / release.name / MEMBERS
        try:
            members = pq.read_table(path, columns=["path", "root", "volume"])
        except (OSError, pa.ArrowException):
            continue
        inside = pc.is_in(members["root"].cast(pa.binary()), roots)
        for row in members.filter(inside).to_pylist():
            torrent = re.sub(r"-r\d+$", "", row["volume"])
            yield f"/seed/{quote(torrent)}/{quote(row['path'])}"
