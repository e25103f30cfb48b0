"""The provider's answers: one XML document for each request, errors of the protocol among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import Response
from lxml import etree
from starlette.concurrency import run_in_threadpool

from longplay import clock
from longplay.access import answers, ark
from longplay.access.context import Context, context
from longplay.access.oai import formats, index, requests
from longplay.access.oai.formats import FORMATS, XSI, Element, Links, fit
from longplay.access.oai.index import Index, Record
from longplay.access.oai.requests import Listing, ProtocolError
from longplay.catalogue import ids
from longplay.errors import InputError
from longplay.workflows import kept

router = APIRouter()

OAI = "http://www.openarchives.org/OAI/2.0/"
SCHEMA = f"{OAI} http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd"
IDENTIFIER = "http://www.openarchives.org/OAI/2.0/oai-identifier"

PAGE = 100
"""Records in one answer."""

MAX_FORM = 10_000
"""Bytes of a request; the longest token has a few hundred."""

RETRY_SECONDS = 10
"""When to come again, where the index is being made for the first time."""

NAMES = {
    "access": "By who may hear it",
    "source": "By where it came from",
    "stage": "What was released, by stage",
}


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider of one archive, as it is asked at `base`."""

    here: Context
    base: str
    host: str
    key: bytes

    def identifier(self, recording: int) -> str:
        """A record's identifier: http://www.openarchives.org/OAI/2.0/guidelines-oai-identifier.htm"""
        return f"oai:{self.host}:{ids.text('rec', recording)}"

    def recording(self, identifier: str) -> int:
        """The recording of an identifier. Raises ProtocolError."""
        before = f"oai:{self.host}:"
        try:
            if identifier.startswith(before):
                prefix, key = ids.parse(identifier.removeprefix(before))
                if prefix == "rec":
                    return key
        except InputError:
            pass
        raise ProtocolError("idDoesNotExist", "this repository has no such record")

    def links(self, record: Record, said: dict[str, object]) -> Links:
        """Where a recording is found."""
        name = ids.text("rec", record.recording)
        root = self.base.removesuffix("/oai")
        stream = f"{root}/api/recordings/{name}/stream" if said.get("access") == "open" else None
        named = ark.of_archive(self.here, record.recording)
        return Links(f"{root}/recordings/{name}", stream, named)


@router.api_route("/oai", methods=["GET", "POST"], response_class=Response)
async def answer(request: Request) -> Response:
    """An OAI-PMH request, in the query or as a form."""
    text = request.url.query
    if request.method == "POST":
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM:
                return answers.refuse(413, "too-large", "the request is too long")
        text = body.decode("utf-8", "replace")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        pairs = [("verb", "")]
    return await run_in_threadpool(_answer, request, pairs)


def _answer(request: Request, pairs: Sequence[tuple[str, str]]) -> Response:
    here = context(request)
    known = _index(here)
    if not known.refresh():
        later = {"Retry-After": str(RETRY_SECONDS)}
        found = answers.refuse(503, "busy", "the index is being made; come again")
        found.headers.update(later)
        return found
    provider = _provider(request, here)
    root = etree.Element(f"{{{OAI}}}OAI-PMH", nsmap={None: OAI, "xsi": XSI})
    root.set(f"{{{XSI}}}schemaLocation", SCHEMA)
    _add(root, "responseDate", clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
    asked = etree.SubElement(root, f"{{{OAI}}}request")
    asked.text = fit(provider.base)
    try:
        verb = requests.verb(pairs)
        arguments = requests.arguments(verb, pairs)
        for name, value in {"verb": verb, **arguments}.items():
            asked.set(name, fit(value))
        with known.read() as connection:
            root.append(_VERBS[verb](provider, connection, arguments))
    except ProtocolError as error:
        if error.code in ("badVerb", "badArgument"):
            asked.attrib.clear()
        element = _add(root, "error", error.words)
        element.set("code", error.code)
    data = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return Response(data, media_type="text/xml; charset=utf-8")


def _index(here: Context) -> Index:
    if here.oai is None:
        here.oai = Index(here.archive)
    return here.oai


def _provider(request: Request, here: Context) -> Provider:
    address = here.archive.settings.sharing.address.rstrip("/")
    base = f"{address or str(request.base_url).rstrip('/')}/oai"
    host = urlsplit(address).hostname or ""
    # A name with a dot that leads nowhere, where nobody has said which leads here.
    host = host if "." in host else f"{here.archive.settings.name}.invalid"
    return Provider(here, base, host, here.people.secrets.derived("harvests"))


def _identify(provider: Provider, connection: index.Connection, _: dict[str, str]) -> Element:
    settings = provider.here.archive.settings
    found = etree.Element(f"{{{OAI}}}Identify")
    for name, value in (
        ("repositoryName", settings.name),
        ("baseURL", provider.base),
        ("protocolVersion", "2.0"),
        ("adminEmail", settings.serving.email or f"postmaster@{provider.host}"),
        ("earliestDatestamp", index.earliest(connection)),
        ("deletedRecord", "persistent"),
        ("granularity", "YYYY-MM-DDThh:mm:ssZ"),
    ):
        _add(found, name, value)
    scheme = etree.SubElement(
        etree.SubElement(found, f"{{{OAI}}}description"),
        f"{{{IDENTIFIER}}}oai-identifier",
        nsmap={None: IDENTIFIER, "xsi": XSI},
    )
    scheme.set(f"{{{XSI}}}schemaLocation", f"{IDENTIFIER} {IDENTIFIER}.xsd")
    sample = provider.identifier(0)
    for name, value in (
        ("scheme", "oai"),
        ("repositoryIdentifier", provider.host),
        ("delimiter", ":"),
        ("sampleIdentifier", sample),
    ):
        etree.SubElement(scheme, f"{{{IDENTIFIER}}}{name}").text = value
    return found


def _formats(provider: Provider, connection: index.Connection, asked: dict[str, str]) -> Element:
    if "identifier" in asked:
        _record_of(provider, connection, asked["identifier"])
    found = etree.Element(f"{{{OAI}}}ListMetadataFormats")
    for prefix, one in FORMATS.items():
        element = etree.SubElement(found, f"{{{OAI}}}metadataFormat")
        _add(element, "metadataPrefix", prefix)
        _add(element, "schema", one.schema)
        _add(element, "metadataNamespace", one.namespace)
    return found


def _sets(_: Provider, connection: index.Connection, asked: dict[str, str]) -> Element:
    if "resumptionToken" in asked:
        raise ProtocolError("badResumptionToken", "the list of sets has one page")
    found = etree.Element(f"{{{OAI}}}ListSets")
    for name in sorted({*NAMES, *index.sets(connection)}):
        element = etree.SubElement(found, f"{{{OAI}}}set")
        _add(element, "setSpec", name)
        kind, colon, which = name.partition(":")
        _add(element, "setName", f"{NAMES.get(kind, kind)}{colon} {which}".strip())
    return found


def _get(provider: Provider, connection: index.Connection, asked: dict[str, str]) -> Element:
    record = _record_of(provider, connection, asked["identifier"])
    (record,) = _as_permitted(provider, [record])
    found = etree.Element(f"{{{OAI}}}GetRecord")
    found.append(_record(provider, record, asked["metadataPrefix"]))
    return found


def _record_of(provider: Provider, connection: index.Connection, identifier: str) -> Record:
    record = index.find(connection, provider.recording(identifier))
    if record is None:
        raise ProtocolError("idDoesNotExist", "this repository has no such record")
    return record


def _list(
    verb: str, provider: Provider, connection: index.Connection, asked: dict[str, str]
) -> Element:
    now = clock.now().timestamp()
    if "resumptionToken" in asked:
        place = requests.listing(asked["resumptionToken"], verb, provider.key, now)
    else:
        place = _begin(verb, connection, asked)
    rows = index.records(connection, place.after, place.last, place.of, PAGE + 1)
    if not rows and not place.told:
        raise ProtocolError("noRecordsMatch", "nothing changed then, or nothing is in that set")
    shown, more = rows[:PAGE], len(rows) > PAGE
    found = etree.Element(f"{{{OAI}}}{verb}")
    for record in _as_permitted(provider, shown):
        if verb == "ListRecords":
            found.append(_record(provider, record, place.prefix))
        else:
            found.append(_header(provider, record))
    if more or place.told:
        element = etree.SubElement(found, f"{{{OAI}}}resumptionToken", cursor=str(place.told))
        if more:
            until = int(now) + requests.TOKEN_SECONDS
            following = replace(
                place, after=shown[-1].place, told=place.told + len(shown), until=until
            )
            element.text = requests.token(following, provider.key)
            ends = clock.now().fromtimestamp(until, clock.now().tzinfo)
            element.set("expirationDate", ends.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return found


def _begin(verb: str, connection: index.Connection, asked: dict[str, str]) -> Listing:
    first, last = index.span(connection, *requests.times(asked))
    name = asked.get("set", "")
    after = (first - 1, 2**63 - 1)
    return Listing(verb, asked["metadataPrefix"], name, after, last, 0, 0)


def _as_permitted(provider: Provider, records: list[Record]) -> list[Record]:
    """The records as the gate has them at this moment: what it withholds since the index was
    written is told of as deleted."""
    here = provider.here
    live = [one.recording for one in records if not one.deleted]
    objects = kept.kept(here.archive, here.standing(), live)
    told = {one.recording for one in objects if one.described}
    return [replace(one, deleted=one.deleted or one.recording not in told) for one in records]


def _record(provider: Provider, record: Record, prefix: str) -> Element:
    found = etree.Element(f"{{{OAI}}}record")
    found.append(_header(provider, record))
    if not record.deleted:
        said = formats.facts(record.facts)
        metadata = etree.SubElement(found, f"{{{OAI}}}metadata")
        metadata.append(FORMATS[prefix].make(said, provider.links(record, said)))
    return found


def _header(provider: Provider, record: Record) -> Element:
    found = etree.Element(f"{{{OAI}}}header")
    if record.deleted:
        found.set("status", "deleted")
    _add(found, "identifier", provider.identifier(record.recording))
    _add(found, "datestamp", record.time)
    for name in record.sets:
        _add(found, "setSpec", name)
    return found


def _add(parent: Element, name: str, text: str) -> Element:
    element = etree.SubElement(parent, f"{{{OAI}}}{name}")
    element.text = fit(text)
    return element


def _identifiers(
    provider: Provider, connection: index.Connection, asked: dict[str, str]
) -> Element:
    return _list("ListIdentifiers", provider, connection, asked)


def _records(provider: Provider, connection: index.Connection, asked: dict[str, str]) -> Element:
    return _list("ListRecords", provider, connection, asked)


_VERBS = {
    "Identify": _identify,
    "ListMetadataFormats": _formats,
    "ListSets": _sets,
    "GetRecord": _get,
    "ListIdentifiers": _identifiers,
    "ListRecords": _records,
}
