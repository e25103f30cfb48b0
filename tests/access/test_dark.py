"""Everything that may not be handed on is asked for at every door, in every way, and not given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from longplay import clock
from longplay.access import answers
from longplay.access.conditions import Conditions
from longplay.archive import Archive, open_archive
from longplay.catalogue import curation
from longplay.catalogue.curation import Hand
from longplay.ledger import claims as claim_record
from longplay.ledger import log, naming, record, tables
from longplay.ledger.claims import Tombstone
from longplay.model import Action, ObjectKey, Statement
from longplay.rights.claims import Step
from longplay.rights.statements import AGREEMENT, IN_COPYRIGHT, LEGAL_DEPOSIT, PERSONAL, UNKNOWN
from longplay.workflows import claims, publishing
from longplay.workflows.claims import Request as Claim
from tests.access.conftest import Served

BY_ND = "https://creativecommons.org/licenses/by-nd/4.0/"
CLAIMANT, CONTACT = "Zebulon Quartermaine", "zq@example.org"


@dataclass(frozen=True)
class Asked:
    """A released object with all its names."""

    torrent: str
    path: str
    key: ObjectKey
    recording: str
    isrc: str
    data: bytes


DOORS: dict[str, Callable[[Asked], str]] = {
    "/seed/{torrent}/{path:path}": lambda it: f"/seed/{quote(it.torrent)}/{quote(it.path)}",
    "/api/recordings/{identity}/stream": lambda it: f"/api/recordings/{it.recording}/stream",
    "/api/recordings/{identity}": lambda it: f"/api/recordings/{it.recording}",
    "/recordings/{identity}": lambda it: f"/recordings/{it.recording}",
    "/api/catalogue/{identity}": lambda it: f"/api/catalogue/{it.recording}",
}
"""Each route that gives an object or speaks of one, and how to ask it."""

BITS = {"/seed/{torrent}/{path:path}", "/api/recordings/{identity}/stream"}

OTHERS = {
    "/releases/{name}": "signed documents, which name no object but in tombstones",
    "/releases/{release}/{name}": "signed, unchangeable documents of a release: no bits",
    "/announce": "who has a torrent, of all that were ever released",
    "/scrape": "how many have it",
    "/.well-known/tdmrep.json": "ids of recordings",
    "/ark:/{naan}/{name:path}": "leads to the page; what it tells itself is tested in test_ark",
    "/ark:{naan}/{name:path}": "the same",
    "/api/lookup": "ids of catalogue and objects; see test_lookup",
    "/rest": "OpenSubsonic, which lists what is in the library and streams as above",
    "/static/{name}": "styles and scripts of the site",
    "/covers/{identity}": "pictures, which are objects of their own, and drawn ones",
    "/": "how much there is, and albums of the library",
    "/browse": "albums of the library",
    "/genres/{name:path}": "tracks of the library",
    "/artists": "artists of the library",
    "/shuffle": "tracks of the library",
    "/queue": "tracks of the library",
    **dict.fromkeys(
        (
            "/playlists",
            "/playlists/add",
            "/playlists/{identity}",
            "/playlists/{identity}/tracks",
            "/playlists/{identity}/delete",
        ),
        "tracks of the library, others by the id that somebody wrote there",
    ),
    **dict.fromkeys(
        ("/favourites", "/favourites/star", "/favourites/rate"),
        "what is in the library, by ids that are looked up there",
    ),
    "/plays": "takes, and gives nothing",
    "/login": "a form",
    "/logout": "a form",
    "/account": "what one keeps oneself; tracks by their ids",
    "/account/password": "a form",
    "/account/keys": "a form",
    "/account/keys/{number}/revoke": "a form",
    "/account/app-passwords": "a form",
    "/account/app-passwords/{number}/revoke": "a form",
    "/account/delete": "a form",
    "/account/export": "what one keeps oneself; tracks by their ids",
    "/admin/accounts": "names of accounts, for admins",
    "/admin/guard": "accounts and counts, for admins",
    "/appeal": "what is decided about the one who asks",
    "/admin/accounts/{number}/{action}": "a form",
    "/search": "see `test_withdrawn_is_not_found`",
    "/albums/{identity}": "as above",
    "/artists/{identity}": "as above",
    "/albums": "as above",
    "/tracks/{identity}": "leads to a recording",
    **dict.fromkeys(
        (
            "/login",
            "/logout",
            "/account",
            "/account/password",
            "/account/keys",
            "/account/keys/{number}/revoke",
            "/account/app-passwords",
            "/account/app-passwords/{number}/revoke",
            "/account/export",
            "/account/delete",
            "/admin/accounts",
            "/admin/accounts/{number}/{action}",
        ),
        "accounts: no music",
    ),
    "/claims": "ids and states; a form",
    "/archive": "counts, which name nothing",
    "/stages": "releases and their torrents",
    "/oai": "tells of what is withdrawn as deleted; see tests/access/oai",
    "/api/search": "leaves out what may not be spoken of; see tests/access/api",
    "/api/tracks": "what may be heard; a dark track is asked for in tests/access/api",
    "/api/albums": "the same",
    "/api/artists": "the same",
    "/api/recordings": "the same",
    "/api/releases": "what releases.json says",
    "/api/stages": "the same",
    "/api/claims": "ids and states",
    "/api/statistics": "figures",
    "/api/tracks/{identity}": "as /api/catalogue/{identity}",
    "/api/albums/{identity}": "as /api/catalogue/{identity}",
    "/api/artists/{identity}": "as /api/catalogue/{identity}",
    "/api/openapi.json": "the API's own description",
    "/api": "the same as a page",
    "/api/": "the same",
    **dict.fromkeys(
        (
            "/login",
            "/logout",
            "/account",
            "/account/password",
            "/account/delete",
            "/account/export",
            "/account/import",
            "/account/keys",
            "/account/keys/{number}/revoke",
            "/account/app-passwords",
            "/account/app-passwords/{number}/revoke",
            "/admin/accounts",
            "/admin/accounts/{number}/{action}",
        ),
        "accounts, which have no more of an object than the id of a track",
    ),
}

WAYS: list[tuple[str, dict[str, str]]] = [
    ("GET", {}),
    ("HEAD", {}),
    ("GET", {"Range": "bytes=0-9"}),
    ("GET", {"Range": "bytes=-5"}),
    ("GET", {"Range": "bytes=99999999-"}),
    ("HEAD", {"Range": "bytes=0-0"}),
    ("GET", {"If-None-Match": "TAG"}),
    ("GET", {"If-None-Match": "*"}),
    ("HEAD", {"If-None-Match": 'W/"x", TAG'}),
    ("GET", {"Range": "bytes=0-9", "If-Range": "TAG"}),
    ("GET", {"If-Modified-Since": "Sat, 28 Nov 2026 12:00:00 GMT"}),
]


def paths(routes: Iterable[object]) -> Iterator[str]:
    """The paths of an application, its routers' included."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route.path  # type: ignore[attr-defined]
        else:
            yield from paths(inner.routes)


def test_every_route_is_known_here(served: Served) -> None:
    routes = set(paths(served.web.app.routes))  # type: ignore[attr-defined]
    assert routes >= DOORS.keys()
    unknown = routes - DOORS.keys() - OTHERS.keys()
    assert not unknown, f"how could a dark object be asked for at {unknown}? Say it in DOORS"


@pytest.fixture
def archive(served: Served) -> Archive:
    return open_archive(served.longplay.archive)


@pytest.fixture
def asked(served: Served) -> Asked:
    line = next(line for line in served.manifest() if line["title"] == "Piece 2")
    for torrent in served.torrents():
        for file in torrent.files:
            if file.root.hex() == line["root"]:
                return Asked(
                    torrent.name,
                    "/".join(file.path),
                    ObjectKey(file.root, file.size),
                    line["recording"],
                    line["isrc"],
                    served.stored(line["root"]),
                )
    raise AssertionError("it was not released")


def uphold(archive: Archive, **named: object) -> str:
    made = claims.add(archive, Claim(CLAIMANT, CONTACT, "mine", **named))  # type: ignore[arg-type]
    claims.decide(archive, made.id, Step.UPHOLD, "shown")
    return made.id


def state(archive: Archive, key: ObjectKey, *statements: Statement) -> None:
    """Say something about the file itself."""
    mine = [
        Statement(f"obj{key.hex}", one.uri, "told", one.start, one.end, one.territories, one.uses)
        for one in statements
    ]
    with archive.ledger.write() as connection:
        record.replace_statements(connection, "somebody", mine)


def forget(archive: Archive, key: ObjectKey) -> None:
    with archive.ledger.write() as connection:
        number = log.append(connection, "forget", f"obj{key.hex}", {})
        tombstone = Tombstone(key, "forget", (), (), clock.timestamp(), number)
        claim_record.bury(connection, [tombstone])
        naming.lose(connection, [key.root])


def silence(archive: Archive, _: ObjectKey) -> None:
    with archive.ledger.write() as connection:
        connection.execute(tables.rights_statements.delete())
        log.append(connection, "rights", "test", {})


def recode(archive: Archive, key: ObjectKey) -> None:
    h = tables.holding_rows
    with archive.ledger.write() as connection:
        mine = naming.known(connection, [key.root])[key.root].number
        connection.execute(h.update().where(h.c.object == mine).values(action=Action.OPUS))
    state(archive, key, Statement("", BY_ND, ""))


Darken = Callable[[Archive, Asked], object]

WITHDRAWALS: dict[str, Darken] = {
    "claim on the recording": lambda it, a: uphold(it, recordings=(a.recording,)),
    "claim on the ISRC": lambda it, a: uphold(it, isrcs=(a.isrc,)),
    "claim on the artist": lambda it, a: uphold(it, artists=("ann",)),
    "claim on the object": lambda it, a: uphold(it, objects=(f"obj{a.key.hex}",)),
}

SHUT: dict[str, Darken] = {
    "forgotten": lambda it, a: forget(it, a.key),
    "nobody said anything": lambda it, a: silence(it, a.key),
    "what was said is unknown": lambda it, a: state(it, a.key, Statement("", UNKNOWN, "")),
}
"""Causes after which not even its name is given."""

NAMED: dict[str, Darken] = {
    "in copyright": lambda it, a: state(it, a.key, Statement("", IN_COPYRIGHT, "")),
    "personal": lambda it, a: state(it, a.key, Statement("", PERSONAL, "")),
    "legal deposit": lambda it, a: state(it, a.key, Statement("", LEGAL_DEPOSIT, "")),
    "a deal with an end": lambda it, a: state(
        it, a.key, Statement("", AGREEMENT, "", end="2099-01-01", uses=("release",))
    ),
    "a deal with a border": lambda it, a: state(
        it, a.key, Statement("", AGREEMENT, "", territories=("DE",), uses=("release", "stream"))
    ),
    "a copy of what allows no derivatives": lambda it, a: recode(it, a.key),
}
"""Causes that shut the sound, not the name."""


@pytest.mark.parametrize("cause", [*WITHDRAWALS, *SHUT, *NAMED])
def test_no_door_opens(served: Served, archive: Archive, asked: Asked, cause: str) -> None:
    urls = {route: door(asked) for route, door in DOORS.items()}
    for url in urls.values():
        assert served.web.get(url).status_code == 200
    darken = (WITHDRAWALS | SHUT | NAMED)[cause]
    darken(archive, asked)
    for route, url in urls.items():
        if cause in NAMED and route not in BITS:
            continue
        for method, headers in WAYS:
            told = {name: text.replace("TAG", f'"{asked.key.hex}"')
                    for name, text in headers.items()}  # fmt: skip
            got = served.web.request(method, url, headers=told)
            assert got.status_code in (404, 405, 451), (route, method, headers)
            assert asked.data[:200] not in got.content
            assert asked.key.hex not in str(got.headers) + got.text
            assert "accept-ranges" not in got.headers
            assert int(got.headers.get("content-length", 0)) < (
                20_000 if "/api" not in url else 2000
            )
            if cause not in NAMED:
                assert "Piece 2" not in got.text
    assert all(asked.data not in page for page in everything_public(served))


@pytest.mark.parametrize("cause", WITHDRAWALS)
def test_what_is_restored_is_given_again(
    served: Served, archive: Archive, asked: Asked, cause: str
) -> None:
    claim = str(WITHDRAWALS[cause](archive, asked))
    claims.decide(archive, claim, Step.RESTORE, "settled")
    for door in DOORS.values():
        assert served.web.get(door(asked)).status_code == 200
    assert served.web.get(DOORS["/seed/{torrent}/{path:path}"](asked)).content == asked.data


def everything_public(served: Served) -> list[bytes]:
    """All files that anybody may fetch, and what pages say."""
    files = [path for path in served.releases.rglob("*") if path.is_file()]
    found = []
    for path in files:
        got = served.web.get(f"/releases/{path.relative_to(served.releases)}")
        if got.status_code == 200:
            found.append(got.content)
    assert len(found) > 5
    return [*found, served.web.get("/.well-known/tdmrep.json").content]


def test_the_claimant_is_named_nowhere(served: Served, archive: Archive, asked: Asked) -> None:
    claim = uphold(archive, recordings=(asked.recording,), evidence=f"a letter of {CLAIMANT}")
    claims.answer(archive, claim, "Ysolde Pemberton", "yp@example.org", "I wrote it with them")
    served.longplay.run("release", "cut")
    served.longplay.run("release", "publish")
    feed = served.web.get("/releases/feed.json").json()
    assert [one["root"] for one in feed["tombstones"]] == [asked.key.hex]
    assert feed["tombstones"][0]["isrcs"] == [asked.isrc]
    pages = [served.web.get(door(asked)).content for door in DOORS.values()]
    for text in (CLAIMANT, CONTACT, "Ysolde Pemberton", "yp@example.org", "a letter of"):
        for page in [*everything_public(served), *pages]:
            assert text.encode() not in page
    with archive.ledger.read() as connection:
        entries = "".join(map(str, connection.execute(sa.select(tables.log)).all()))
    for text in (CLAIMANT, CONTACT, "Ysolde Pemberton"):
        assert text not in entries


def test_a_decision_whose_command_was_killed_reaches_the_feed(
    served: Served, archive: Archive, asked: Asked
) -> None:
    served.longplay.run("release", "publish")
    uphold(archive, recordings=(asked.recording,))  # and nobody publishes
    assert served.web.get("/releases/feed.json").json()["tombstones"] == []
    assert publishing.renew_due(archive) is not None
    (tombstone,) = served.web.get("/releases/feed.json").json()["tombstones"]
    assert tombstone["root"] == asked.key.hex
    assert publishing.renew_due(archive) is None


def test_an_old_id_opens_no_door(served: Served, archive: Archive, asked: Asked) -> None:
    others = [one["recording"] for one in served.manifest() if one["title"] == "Piece 3"]
    curation.join(archive.catalogue, [asked.recording, others[0]], Hand("me", "the same"))
    both = [asked.recording, others[0]]
    assert [served.web.get(f"/recordings/{one}").status_code for one in both] == [200, 200]
    uphold(archive, recordings=(others[0],))
    for one in both:
        for door in (f"/recordings/{one}", f"/api/recordings/{one}/stream"):
            assert served.web.get(door).status_code == 451


def test_an_answer_that_was_judged_by_older_claims_counts_for_nothing(
    served: Served, archive: Archive, asked: Asked
) -> None:
    here = served.web.app.state.context  # type: ignore[attr-defined]
    door = DOORS["/seed/{torrent}/{path:path}"](asked)
    assert served.web.get(door).status_code == 200
    kept = dict(here._answers)
    claim = uphold(archive, recordings=(asked.recording,))
    assert served.web.get(door).status_code == 451
    here._answers.update(kept)  # as a thread does that judged before the claim, and was slow
    assert served.web.get(door).status_code == 451
    claims.decide(archive, claim, Step.RESTORE, "settled")
    assert served.web.get(door).status_code == 200


def test_a_long_answer_stops_when_it_may_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * 4096 * 8
    (tmp_path / "file").write_bytes(data)
    now = [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    chunks = 0

    def still() -> bool:
        return chunks < 3

    async def taken(may: Callable[[], bool]) -> bytes:
        nonlocal chunks
        chunks, found = 0, bytearray()

        async def send(message: Any) -> None:
            nonlocal chunks
            if message["type"] == "http.response.body":
                found.extend(message["body"])
                chunks += 1
                now[0] += answers.ASK_SECONDS

        async def receive() -> Any:
            await asyncio.Event().wait()

        content = answers.Content(tmp_path / "file", len(data), "tag", "audio/ogg", may)
        await answers.answer(Conditions(), content)({"type": "http"}, receive, send)
        return bytes(found)

    assert len(asyncio.run(taken(still))) == answers.SMALL + 2 * answers.CHUNK
    assert asyncio.run(taken(lambda: True)) == data


def test_reservations_are_said_wherever_mining_starts(
    served: Served, archive: Archive, asked: Asked
) -> None:
    doors = [door(asked) for door in DOORS.values()]
    assert {served.web.get(door).headers["tdm-reservation"] for door in doors} == {"0"}
    made = claims.add(
        archive, Claim(CLAIMANT, CONTACT, "mine", asks=claims.Asks.RESERVE_TDM,
                       isrcs=(asked.isrc,))
    )  # fmt: skip
    claims.decide(archive, made.id, Step.UPHOLD, "")
    assert {served.web.get(door).headers["tdm-reservation"] for door in doors} == {"1"}
    assert {served.web.head(door).headers["tdm-reservation"] for door in doors[:2]} == {"1"}
    rules = served.web.get("/.well-known/tdmrep.json").json()
    reserved = [one["location"] for one in rules if one["tdm-reservation"] == 1]
    assert doors[0] in reserved
    assert f"/recordings/{asked.recording}" in reserved
    assert f"/api/recordings/{asked.recording}*" in reserved
    assert rules[-1] == {"location": "/*", "tdm-reservation": 0}
    page = served.web.get(f"/recordings/{asked.recording}").text
    assert '<meta name="tdm-reservation" content="1">' in page
    assert served.web.get(f"/api/recordings/{asked.recording}").json()["tdm_reserved"] is True
    claims.decide(archive, made.id, Step.RESTORE, "settled")
    assert {served.web.get(door).headers["tdm-reservation"] for door in doors} == {"0"}
    assert len(served.web.get("/.well-known/tdmrep.json").json()) == 1
