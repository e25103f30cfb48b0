"""Harvests against a repository that pages, fails, delays, forgets and lies."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from longplay.catalogue.importers.oai import fetching, harvesting, replies
from longplay.catalogue.importers.oai.fetching import Client, Manners
from longplay.catalogue.importers.oai.harvesting import State
from longplay.errors import ArchiveError, InputError, LockedError, UsageError
from longplay.web import addresses
from tests.catalogue.importers.repository import Answer, Repository, dc, serving

XML = {"Content-Type": "text/xml"}


class Asked:
    """Manners that note how long they were asked to wait instead of waiting."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def manners(self, **more: Any) -> Manners:
        return Manners(**{"pause": 0, "allow_private": True, "sleep": self.waits.append, **more})


@pytest.fixture
def repository() -> Repository:
    made = Repository()
    for number in range(35):
        made.put(number)
    return made


@pytest.fixture
def url(repository: Repository) -> Iterator[str]:
    with serving(repository) as address:
        yield address


def harvest(folder: Path, url: str, *, manners: Manners | None = None, **more: Any) -> State:
    fresh = more.pop("fresh", False)
    wanted = State(url=url, **{"prefix": "oai_dc", "set": None, "since": None, **more})
    return harvesting.harvest(
        folder, wanted, manners or Asked().manners(), lambda _done, _total: None, fresh=fresh
    )


def identifiers(folder: Path, state: State) -> list[str]:
    return [
        identifier
        for number in range(1, state.pages + 1)
        for identifier in replies.read(
            harvesting.page(folder, number), "page", lambda header, _: header.identifier
        )[1]
    ]


def test_all_pages_come_in_order_and_the_servers_count_is_kept(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    state = harvest(tmp_path, url)

    assert (state.done, state.pages, state.records, state.declared) == (True, 4, 35, 35)
    assert identifiers(tmp_path, state) == sorted(repository.records)
    assert [each.get("verb") for each in repository.asked] == ["Identify"] + ["ListRecords"] * 4
    assert all(set(each) == {"verb", "resumptionToken"} for each in repository.asked[2:])


def test_a_finished_harvest_asks_only_for_what_changed_since(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    harvest(tmp_path, url)
    repository.put(3, dc("Song 3, remastered"), stamp="2024-06-02T00:00:00Z")
    repository.put(5, None, stamp="2024-06-03T00:00:00Z")
    repository.put(99, stamp="2024-06-03T00:00:00Z")
    repository.asked.clear()

    state = harvest(tmp_path, url)

    assert repository.asked == [
        {"verb": "ListRecords", "metadataPrefix": "oai_dc", "from": "2024-06-01T00:00:00Z"}
    ]
    assert identifiers(tmp_path, state)[35:] == ["oai:test:0003", "oai:test:0005", "oai:test:0099"]
    assert state.declared == 35

    repository.records = {i: r for i, r in repository.records.items() if r[0] < "2024-06"}
    assert harvest(tmp_path, url).records == 38, "noRecordsMatch is an answer, not an error"


def test_days_are_asked_for_in_days(tmp_path: Path, repository: Repository, url: str) -> None:
    repository.granularity = "YYYY-MM-DD"
    harvest(tmp_path, url, since="2023-05-01T10:00:00Z")
    harvest(tmp_path, url, since="2023-05-01T10:00:00Z")

    assert [each["from"] for each in repository.asked if "from" in each] == [
        "2023-05-01",
        "2024-06-01",
    ]


def expire(repository: Repository) -> Any:
    def fault(_arguments: dict[str, str]) -> Answer | None:
        repository.epoch += 1
        return None

    return fault


def passing(_arguments: dict[str, str]) -> Answer | None:
    return None


@pytest.mark.parametrize(("shuffled", "page"), [(False, 10), (True, 10), (True, 2)])
def test_an_expired_token_begins_the_list_again(
    tmp_path: Path, repository: Repository, url: str, shuffled: bool, page: int
) -> None:
    # Shuffled, the seconds 0, 10, 20, 30 come first: in order, and yet older ones follow.
    repository.shuffled, repository.page = shuffled, page
    repository.faults = [passing, passing, passing, expire(repository)]
    state = harvest(tmp_path, url)

    assert {*identifiers(tmp_path, state)} == {*repository.records}
    assert [each.get("from") for each in repository.asked if "metadataPrefix" in each] == [None] * 2
    assert (state.declared, state.records) == (35, 35 + 2 * page)


def test_a_server_that_always_forgets_is_given_up(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    repository.shuffled = True
    repository.faults = [passing, passing, *([expire(repository), passing] * 50)]
    with pytest.raises(InputError, match="forgets its lists"):
        harvest(tmp_path, url)
    repository.faults.clear()
    assert {*identifiers(tmp_path, harvest(tmp_path, url))} == {*repository.records}


def answer(status: int, body: bytes = b"", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _arguments: (status, named, body)


def test_a_busy_server_is_waited_for_as_it_asks(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    asked = Asked()
    repository.faults = [
        passing,
        answer(503, Retry_After="7"),
        answer(429, Retry_After="Sat, 01 Jan 2000 00:00:00 GMT"),
        answer(502),
        answer(503, Retry_After="\xb2"),
    ]
    state = harvest(tmp_path, url, manners=asked.manners())

    assert state.records == 35
    assert asked.waits == [7, 0, 8, 16]


def test_a_server_that_asks_for_much_patience_ends_the_harvest_for_now(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    asked = Asked()
    repository.faults = [passing, passing, passing, answer(503, Retry_After="86400")]
    with pytest.raises(InputError, match="86400 s of patience"):
        harvest(tmp_path, url, manners=asked.manners())
    assert asked.waits == []
    assert harvest(tmp_path, url).records == 35
    assert len({str(each) for each in repository.asked}) == 5, "no page is asked for again"


def test_requests_keep_their_distance(tmp_path: Path, repository: Repository, url: str) -> None:
    asked = Asked()
    harvest(tmp_path, url, manners=asked.manners(pause=1000))
    assert len(asked.waits) == 5
    assert all(990 < wait <= 1000 for wait in asked.waits)


def test_a_server_may_ask_for_longer_pauses(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    repository.robots = (200, {}, b"User-agent: *\nCrawl-delay: 1500")
    asked = Asked()
    harvest(tmp_path, url, manners=asked.manners(pause=1000))
    assert len(asked.waits) == 5
    assert all(1490 < wait <= 1500 for wait in asked.waits)


def test_a_head_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MAX_REPLY_SECONDS", 0.2)
    monkeypatch.setattr(fetching, "ATTEMPTS", 2)

    class Dripping(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 404 Not Found\r\nX: " + b"x" * 100:
                    self.request.sendall(bytes([byte]))
                    time.sleep(0.02)
                self.request.sendall(b"\r\nContent-Length: 0\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            with pytest.raises(InputError, match="ReadTimeout"):
                harvest(tmp_path, f"http://127.0.0.1:{server.server_address[1]}/oai")
        finally:
            server.shutdown()


GARBAGE = {
    "html": (b"<html><body>Welcome</body></html>", "is no reply of OAI-PMH 2.0 but <html>"),
    "text": (b"broken xml", "is not well-formed XML"),
    "empty": (b"", "is not well-formed XML"),
    "cut off": (b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRec', "well-formed"),
    "bomb": (
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
        b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
        b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">&c;</OAI-PMH>',
        "has a document type",
    ),
    "outside": (
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
        b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">&a;</OAI-PMH>',
        "has a document type",
    ),
    "refused": (
        b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        b'<error code="badArgument">no such set</error></OAI-PMH>',
        "answers badArgument: no such set",
    ),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_ends_a_harvest_in_one_line_and_nothing_is_lost(
    kind: str, tmp_path: Path, repository: Repository, url: str
) -> None:
    body, message = GARBAGE[kind]
    repository.faults = [passing, passing, *([answer(200, body)] * fetching.ATTEMPTS)]
    with pytest.raises(InputError) as told:
        harvest(tmp_path, url)
    assert message in str(told.value)
    assert "\n" not in str(told.value)

    repository.faults.clear()
    state = harvest(tmp_path, url)
    assert identifiers(tmp_path, state) == sorted(repository.records)


def test_bad_bytes_in_a_page_cost_only_themselves(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    good = dc("Café")
    repository.records = {}
    repository.put(1, good)
    body = repository.answer({"verb": "ListRecords"})[2]
    broken = body.replace("Café".encode(), b"Caf\xe9 \x01 &#0; ")
    repository.faults = [passing, answer(200, broken)]
    state = harvest(tmp_path, url)
    assert state.records == 1


def test_a_list_that_goes_round_in_circles_ends(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    page = repository.reply("<ListRecords><resumptionToken>again</resumptionToken></ListRecords>")
    repository.faults = [passing, *([answer(200, page)] * 50)]
    with pytest.raises(InputError, match="round in circles"):
        harvest(tmp_path, url)


def test_replies_that_never_end_are_refused(
    tmp_path: Path, repository: Repository, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MAX_REPLY_BYTES", 100_000)
    bomb = gzip.compress(b" " * 10_000_000)
    repository.faults = [passing, answer(200, bomb, Content_Encoding="gzip")]
    with pytest.raises(InputError, match="sends more than 100000 bytes"):
        harvest(tmp_path, url)


def test_a_reply_that_is_cut_off_is_asked_for_again(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    repository.faults = [passing, answer(200, b"<OAI", Length="1000")]
    assert harvest(tmp_path, url).records == 35


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1:9/oai", "lies in a private network"),
        ("http://[::1]:9/oai", "lies in a private network"),
        ("http://[::ffff:127.0.0.1]:9/oai", "lies in a private network"),
        ("http://169.254.169.254/latest", "lies in a private network"),
        ("http://10.0.0.1/oai", "lies in a private network"),
        ("http://localhost:9/oai", "lies in a private network"),
        ("http://user:word@127.0.0.1/oai", "carries a password"),
    ],
)
def test_the_own_network_is_not_asked(address: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        harvest(tmp_path, address, manners=Asked().manners(allow_private=False))


def test_a_name_is_reached_at_the_address_that_answers(
    tmp_path: Path, repository: Repository, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = urlsplit(url).port
    known = socket.getaddrinfo

    def found(host: str, *more: Any, **named: Any) -> list[Any]:
        names = ("127.0.0.2", "127.0.0.1") if host == "library.test" else (host,)
        return [each for name in names for each in known(name, *more, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    assert harvest(tmp_path, f"http://library.test:{port}/oai").records == 35


RULES = b"User-agent: *\nDisallow: /\n\nUser-agent: Longplay\nDisallow: /private\nAllow: /\n"


@pytest.mark.parametrize(
    ("robots", "says"),
    [
        ((404, {}, b""), ""),
        ((403, {}, b""), ""),
        ((200, {}, b""), ""),
        ((200, {}, RULES), ""),
        ((200, {}, b"\xff\xfe\0<html>"), ""),
        ((200, {}, RULES.replace(b"/private", b"/oai")), "forbids it .*User-agent: longplay"),
        ((200, {}, b"User-agent: *\nDisallow: /"), "forbids it to programmes"),
        ((200, {}, b"\xef\xbb\xbfUser-agent: *\nDisallow: /"), "forbids it to programmes"),
        (
            (200, {"Content-Encoding": "gzip"}, gzip.compress(b"User-agent: *\nDisallow: /")),
            "forbids it to programmes",
        ),
        ((302, {"Location": "/robots.txt"}, b""), ""),
        ((302, {"Location": "ftp://library.test/"}, b""), ""),
        ((500, {}, b""), "answers 500"),
    ],
)
def test_a_servers_rules_are_kept(
    tmp_path: Path, repository: Repository, url: str, robots: Answer, says: str
) -> None:
    repository.robots = robots
    if not says:
        assert harvest(tmp_path, url).records == 35
        return
    with pytest.raises(InputError, match=says):
        harvest(tmp_path, url)
    assert repository.asked == []


def test_a_state_of_an_older_version_goes_on(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    harvest(tmp_path, url)
    path = tmp_path / harvesting.STATE
    old = {**json.loads(path.read_text()), "newest": "2024-01-01T00:00:34Z", "ordered": True}
    path.write_text(json.dumps(old))
    assert harvest(tmp_path, url).records == 35


def test_redirects_are_followed_and_checked(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    with serving(repository) as other:
        moved = answer(302, Location=f"{other}?verb=Identify")
        repository.faults = [moved]
        assert harvest(tmp_path / "a", url).records == 35
        for target, message in (
            ("file:///etc/passwd", "no web address"),
            ("http://user:word@127.0.0.1/", "carries a password"),
        ):
            repository.faults = [answer(301, Location=target)]
            with pytest.raises(InputError, match=message):
                harvest(tmp_path / "b", url)
        repository.faults = [answer(302, Location=url)] * 20
        with pytest.raises(InputError, match="redirects more than"):
            harvest(tmp_path / "c", url)


def test_a_redirect_into_the_own_network_is_refused(
    repository: Repository, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = urlsplit(url).port
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    repository.faults = [answer(302, Location=f"http://127.0.0.2:{port}/oai")]
    with (
        Client(Asked().manners(allow_private=False)) as client,
        pytest.raises(InputError, match="private network"),
    ):
        client.get(f"{url}?verb=Identify", lambda _body: None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x/oai"},
        {"url": "http://["},
        {"url": "http://x/oai?verb=Identify"},
        {"since": "May"},
        {"since": "\u0661\u0669\u0669\u0669-01-01"},
    ],
)
def test_what_cannot_be_asked_is_refused_before_asking(
    wrong: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        harvest(tmp_path, **{"url": "http://127.0.0.1:9/oai", **wrong})


def test_another_harvest_does_not_mix_with_one_of_the_same_name(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    harvest(tmp_path, url)
    with pytest.raises(UsageError, match="another harvest"):
        harvest(tmp_path, url, set="sound")
    state = harvest(tmp_path, url, set="sound", fresh=True)
    assert (state.pages, state.records) == (4, 35)
    assert len(list(tmp_path.glob("*.xml.zst"))) == 4


def test_damaged_state_and_pages_say_what_to_do(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    harvest(tmp_path, url)
    page = harvesting.page_path(tmp_path, 2)
    page.write_bytes(page.read_bytes()[:-9])
    with pytest.raises(ArchiveError, match="harvest afresh"):
        harvesting.page(tmp_path, 2)
    (tmp_path / harvesting.STATE).write_text('{"url": ')
    with pytest.raises(ArchiveError, match="state is damaged"):
        harvest(tmp_path, url)


def test_one_harvest_at_a_time(tmp_path: Path, repository: Repository, url: str) -> None:
    def second(_arguments: dict[str, str]) -> Answer | None:
        with pytest.raises(LockedError):
            harvest(tmp_path, url)
        return None

    repository.faults = [second]
    assert harvest(tmp_path, url).records == 35


KILLED = """
import sys
from longplay.catalogue.importers.oai import harvesting
from longplay.catalogue.importers.oai.fetching import Manners
from pathlib import Path
wanted = harvesting.State(url=sys.argv[1], prefix="oai_dc", set=None, since=None)
harvesting.harvest(
    Path(sys.argv[2]), wanted, Manners(pause=0.05, allow_private=True), lambda done, total: None
)
"""


def test_a_killed_harvest_goes_on_where_it_was(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    for number in range(35, 400):
        repository.put(number)
    kills = 0
    while True:
        before = len(repository.asked)
        process = subprocess.Popen([sys.executable, "-c", KILLED, url, str(tmp_path)])
        deadline = time.monotonic() + 60
        while len(repository.asked) < before + 12 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    assert process.returncode == 0
    assert kills >= 2
    state = harvesting.load(tmp_path)
    assert state is not None
    assert identifiers(tmp_path, state) == sorted(repository.records)
    # Each kill costs the page that was under way, never more.
    assert len(repository.asked) <= 1 + 40 + kills
    assert not list(tmp_path.glob("*.part"))
