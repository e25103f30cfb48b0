"""A server gets ready for its first listener."""

from __future__ import annotations

from longplay.access import warming
from tests.access.conftest import Served


def test_getting_ready_opens_what_listeners_ask_for(served: Served) -> None:
    here = served.web.app.state.context  # type: ignore[attr-defined]
    warming.warm(here)
    known = here.known()
    assert known.snapshot.number > 0
    assert here.known() is known
    assert served.web.get("/search", params={"q": "piece"}).status_code == 200


def test_a_catalogue_that_cannot_be_read_stops_no_server(served: Served) -> None:
    here = served.web.app.state.context  # type: ignore[attr-defined]
    for pointer in (served.longplay.archive / "catalogue").iterdir():
        if pointer.is_file():
            pointer.write_bytes(b"\x00 no pointer")
    warming.warm(here)
    assert served.web.get("/static/nothing").status_code == 404
