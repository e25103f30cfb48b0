"""The OAI-PMH provider: every verb, every error, what changes and what goes."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest
from lxml import etree
from sickle import Sickle

from longplay.access import serving
from longplay.access.oai import index, provider, requests
from longplay.archive import open_archive
from longplay.catalogue import curation
from longplay.catalogue.curation import Hand
from longplay.rights.claims import Step
from longplay.workflows import claims
from tests.access.conftest import Served

NS = {
    "o": "http://www.openarchives.org/OAI/2.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "m": "http://www.loc.gov/mods/v3",
}
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


def ask(served: Served, query: str) -> Any:
    got = served.web.get(f"/oai?{query}")
    assert got.status_code == 200 and got.headers["content-type"] == "text/xml; charset=utf-8"
    root = etree.fromstring(got.content)
    assert root.tag == f"{{{NS['o']}}}OAI-PMH"
    names = [etree.QName(child).localname for child in root]
    assert names[:2] == ["responseDate", "request"] and len(names) >= 3
    assert TIME.fullmatch(root[0].text)
    return root


def texts(root: Any, path: str) -> list[str]:
    return [one if isinstance(one, str) else one.text for one in root.xpath(path, namespaces=NS)]


def error(served: Served, query: str) -> str:
    root = ask(served, query)
    (code,) = root.xpath("o:error/@code", namespaces=NS)
    if code in ("badVerb", "badArgument"):
        assert not root.find("o:request", NS).attrib
    return str(code)


def withdraw(served: Served, recording: str) -> str:
    archive = open_archive(served.longplay.archive)
    request = claims.Request("Me", "me@example.org", "mine", recordings=(recording,))
    made = claims.add(archive, request)
    claims.decide(archive, made.id, Step.UPHOLD, "shown")
    return made.id


def test_the_repository_says_what_it_is(served: Served) -> None:
    root = ask(served, "verb=Identify").find("o:Identify", NS)
    names = [etree.QName(child).localname for child in root]
    assert names == [
        "repositoryName", "baseURL", "protocolVersion", "adminEmail", "earliestDatestamp",
        "deletedRecord", "granularity", "description",
    ]  # fmt: skip
    assert root.findtext("o:protocolVersion", namespaces=NS) == "2.0"
    assert root.findtext("o:deletedRecord", namespaces=NS) == "persistent"
    assert TIME.fullmatch(root.findtext("o:earliestDatestamp", namespaces=NS))


def test_formats_and_sets_are_listed(served: Served) -> None:
    assert texts(ask(served, "verb=ListMetadataFormats"), "//o:metadataPrefix") == [
        "oai_dc",
        "mods",
    ]
    sets = texts(ask(served, "verb=ListSets"), "//o:setSpec")
    assert {"access", "access:open", "source", "source:label", "stage", "stage:1"} <= set(sets)
    counts = {
        name: len(texts(ask(served, f"verb=ListIdentifiers&metadataPrefix=mods&set={name}"),
                        "//o:identifier"))
        for name in ("access", "access:open", "source:label", "stage")
    }  # fmt: skip
    assert counts == {"access": 5, "access:open": 4, "source:label": 5, "stage": 4}


def test_records_say_what_is_known(served: Served) -> None:
    line = next(line for line in served.manifest() if line["title"] == "Piece 1")
    identifier = f"oai:longplay.invalid:{line['recording']}"
    root = ask(served, f"verb=GetRecord&metadataPrefix=oai_dc&identifier={identifier}")
    assert texts(root, "//dc:title") == ["Piece 1"]
    assert texts(root, "//dc:creator") == ["Ann"]
    assert texts(root, "//dc:type") == ["Sound"]
    assert "urn:isrc:QZLP02600001" in texts(root, "//dc:identifier")
    assert texts(root, "//dc:rights") == ["https://creativecommons.org/licenses/by/4.0/"]
    root = ask(served, f"verb=GetRecord&metadataPrefix=mods&identifier={identifier}")
    assert texts(root, "//m:mods/m:titleInfo/m:title") == ["Piece 1"]
    assert texts(root, "//m:relatedItem/m:titleInfo/m:title") == ["One"]
    assert texts(root, "//m:identifier[@type='isrc']") == ["QZLP02600001"]


ERRORS = {
    "": "badVerb",
    "verb=Nonsense": "badVerb",
    "verb=Identify&verb=Identify": "badVerb",
    "verb=Identify&set=x": "badArgument",
    "verb=GetRecord&metadataPrefix=oai_dc": "badArgument",
    "verb=ListRecords": "badArgument",
    "verb=ListRecords&metadataPrefix=oai_dc&metadataPrefix=mods": "badArgument",
    "verb=ListRecords&metadataPrefix=oai_dc&resumptionToken=x": "badArgument",
    "verb=ListRecords&metadataPrefix=oai_dc&from=yesterday": "badArgument",
    "verb=ListRecords&metadataPrefix=oai_dc&from=2026-02-30": "badArgument",
    "verb=ListRecords&metadataPrefix=oai_dc&from=2026-01-01&until=2025-01-01": "badArgument",
    "verb=ListRecords&metadataPrefix=oai_dc&from=2026-01-01&until=2026-01-01T00:00:00Z":
        "badArgument",
    "verb=ListRecords&metadataPrefix=oai_dc&from=": "badArgument",
    "verb=ListRecords&metadataPrefix=marc21": "cannotDisseminateFormat",
    "verb=ListRecords&metadataPrefix=oai_dc&set=nowhere": "noRecordsMatch",
    "verb=ListRecords&metadataPrefix=oai_dc&until=1990-01-01": "noRecordsMatch",
    "verb=ListIdentifiers&metadataPrefix=oai_dc&from=2190-01-01": "noRecordsMatch",
    "verb=ListRecords&resumptionToken=nonsense": "badResumptionToken",
    "verb=ListRecords&resumptionToken=%00": "badResumptionToken",
    "verb=ListSets&resumptionToken=nonsense": "badResumptionToken",
    "verb=GetRecord&metadataPrefix=oai_dc&identifier=nonsense": "idDoesNotExist",
    "verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:longplay.invalid:rec0000000000000":
        "idDoesNotExist",
    "verb=ListMetadataFormats&identifier=oai:elsewhere.org:rec0000000000000": "idDoesNotExist",
    "verb=Identify&" + "&".join(f"a{n}=1" for n in range(50)): "badVerb",
    "verb=%ff%fe": "badVerb",
}  # fmt: skip


def test_what_cannot_be_asked_is_told_by_its_code(served: Served) -> None:
    assert {query: error(served, query) for query in ERRORS} == ERRORS


def test_forms_are_answered_too(served: Served) -> None:
    got = served.web.post("/oai", data={"verb": "Identify"})
    assert etree.fromstring(got.content).find("o:Identify", NS) is not None
    assert served.web.post("/oai", content=b"x" * 20_000).status_code == 413


def test_lists_go_on_by_tokens(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "PAGE", 2)
    whole: list[str] = []
    query = "verb=ListIdentifiers&metadataPrefix=oai_dc"
    for size in (2, 2, 1):
        root = ask(served, query)
        page = texts(root, "//o:identifier")
        assert len(page) == size
        token = root.find(".//o:resumptionToken", NS)
        assert token.get("cursor") == str(len(whole))
        whole += page
        query = f"verb=ListIdentifiers&resumptionToken={token.text}"
    assert token.text is None and len(set(whole)) == 5
    first = ask(served, "verb=ListIdentifiers&metadataPrefix=oai_dc")
    token = texts(first, "//o:resumptionToken")[0]
    changed = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
    assert error(served, f"verb=ListIdentifiers&resumptionToken={changed}") == "badResumptionToken"
    assert error(served, f"verb=ListRecords&resumptionToken={token}") == "badResumptionToken"
    monkeypatch.setattr(requests, "TOKEN_SECONDS", -1)
    old = texts(ask(served, "verb=ListIdentifiers&metadataPrefix=oai_dc"), "//o:resumptionToken")
    assert error(served, f"verb=ListIdentifiers&resumptionToken={old[0]}") == "badResumptionToken"


def test_changes_and_deletions_are_told_of_afterwards(served: Served) -> None:
    root = ask(served, "verb=ListRecords&metadataPrefix=oai_dc")
    since = texts(root, "o:responseDate")[0]
    one, two, three = (line["recording"] for line in served.manifest()[:3])
    claim = withdraw(served, one)
    curation.join(open_archive(served.longplay.archive).catalogue, [two, three], Hand("me", "same"))
    changed = ask(served, f"verb=ListRecords&metadataPrefix=oai_dc&from={since}")
    deleted = set(texts(changed, "//o:header[@status='deleted']/o:identifier"))
    joined = {f"oai:longplay.invalid:{two}", f"oai:longplay.invalid:{three}"}
    assert f"oai:longplay.invalid:{one}" in deleted and len(deleted & joined) == 1
    assert len(deleted) == 2
    assert not changed.xpath("//o:record[o:header[@status='deleted']]/o:metadata", namespaces=NS)
    claims.decide(open_archive(served.longplay.archive), claim, Step.RESTORE, "settled")
    back = ask(
        served, f"verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:longplay.invalid:{one}"
    )
    assert texts(back, "//dc:title")


def test_a_withdrawal_shows_before_the_index_knows_of_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(served, "verb=Identify")
    monkeypatch.setattr(index.Index, "refresh", lambda self: True)
    recording = served.manifest()[0]["recording"]
    withdraw(served, recording)
    query = f"verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:longplay.invalid:{recording}"
    root = ask(served, query)
    assert root.xpath("//o:header/@status", namespaces=NS) == ["deleted"]
    assert not texts(root, "//dc:title")


def test_an_index_that_was_lost_or_damaged_is_made_anew(served: Served) -> None:
    before = texts(ask(served, "verb=ListIdentifiers&metadataPrefix=oai_dc"), "//o:identifier")
    gone = served.manifest()[0]["recording"]
    withdraw(served, gone)
    path = served.longplay.archive / index.FILE
    for data in (None, b"nonsense" * 1000):
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        if data:
            path.write_bytes(data)
        root = ask(served, "verb=ListIdentifiers&metadataPrefix=oai_dc")
        assert set(texts(root, "//o:identifier")) == set(before)
        deleted = texts(root, "//o:header[@status='deleted']/o:identifier")
        assert deleted == [f"oai:longplay.invalid:{gone}"]


def test_pages_far_along_cost_what_the_first_does(tmp_path: Any) -> None:
    connection = sqlite3.connect(tmp_path / "index.sqlite3", isolation_level=None)
    connection.executescript(index._SCHEMA)
    connection.execute("BEGIN")
    for number in range(1, 101):
        connection.execute("INSERT INTO generation VALUES (?, ?)", (number, f"2026-{number:03}"))
    rows = [(key, 2 + key // 49_000, 0, "access:open", "{}") for key in range(50_000)]
    connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?)", rows)
    connection.executemany(
        "INSERT INTO member VALUES ('access:open', ?, ?)", [(row[1], row[0]) for row in rows]
    )
    connection.execute("COMMIT")

    def steps(after: index.Place, name: str) -> int:
        """Instructions of SQLite's machine, in hundreds."""
        counted = 0

        def count() -> int:
            nonlocal counted
            counted += 1
            return 0

        connection.set_progress_handler(count, 100)
        found = index.records(connection, after, 100, name, 100)
        connection.set_progress_handler(None, 0)
        assert len(found) == 100
        return counted

    for name in ("", "access:open"):
        assert steps((2, 48_950), name) <= 2 * steps((1, 2**63 - 1), name)


@pytest.mark.real
def test_others_harvesters_and_our_own_take_it(served: Served, tmp_path: Any) -> None:
    port = serving.free_port()
    url = f"http://127.0.0.1:{port}/oai"
    with serving.in_background(served.longplay.archive, port):
        sickle = Sickle(url)
        assert sickle.Identify().deletedRecord == "persistent"
        assert {one.setSpec for one in sickle.ListSets()} >= {"stage:1"}
        for prefix in ("oai_dc", "mods"):
            assert len(list(sickle.ListRecords(metadataPrefix=prefix))) == 5
        titles = [one.metadata["title"][0] for one in sickle.ListRecords(metadataPrefix="oai_dc")]
        assert "Piece 3" in titles
        other = type(served.longplay)(tmp_path / "other")
        other.run("init", other.archive)
        for prefix in ("oai_dc", "mods"):
            done = other.json("catalogue", "import", url, "--format", "oai", "--name", prefix,
                              "--prefix", prefix, "--allow-private", "--pause", "0")  # fmt: skip
            assert done["rows"]["tracks"] == 5, done
        hits = other.json("catalogue", "search", "piece 3")["hits"]
        assert hits[0]["artists"] == ["Ann"] and hits[0]["isrc"] == "QZLP02600003"
        withdraw(served, served.manifest()[0]["recording"])
        again = other.json("catalogue", "import", url, "--format", "oai", "--name", "oai_dc",
                           "--allow-private", "--pause", "0")  # fmt: skip
        assert again["rows"]["tracks"] == 4, again
