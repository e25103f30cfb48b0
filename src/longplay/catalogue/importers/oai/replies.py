"""What an OAI-PMH server replies: a page of records, an error, the token of the next page.

Read as a stream, without document types, entities or network. Replies that only have bad bytes or
control characters in them are read without these; what is not well-formed even so is refused.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from lxml import etree

from longplay.errors import InputError

Element: TypeAlias = Any
"""lxml's elements come without types of their own here."""

OAI = "{http://www.openarchives.org/OAI/2.0/}"

MAX_FACT = 10_000
"""Letters of a text of OAI-PMH's own: tokens are the longest of them."""

_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
_ENCODED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")


@dataclass(frozen=True, slots=True)
class Header:
    """Which record it is, when it last changed, and whether its server has deleted it."""

    identifier: str
    datestamp: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `facts` are the first texts of OAI-PMH's own elements, by name; `error` is the
    code of an error (empty: none); `token` asks for the next page (empty: this was the last);
    `size` is `completeListSize`."""

    facts: dict[str, str]
    error: str
    token: str
    size: int | None


Row = TypeVar("Row")
Make = Callable[[Header, Element | None], Row]


def read(data: bytes, where: str, make: Make[Row]) -> tuple[Reply, list[Row]]:
    """Read a reply, and what `make` makes of each record's header and metadata (None: it has none;
    the element is gone afterwards). Raises InputError for what is no reply of OAI-PMH 2.0."""
    try:
        return _read(data, where, make)
    except etree.XMLSyntaxError as error:
        problem = f"is not well-formed XML: {error.msg}"
    mended = _mended(data)
    if mended == data:
        raise InputError(problem, where=where)
    try:
        return _read(mended, where, make)
    except etree.XMLSyntaxError as error:
        raise InputError(f"is not well-formed XML: {error.msg}", where=where) from error


def _read(data: bytes, where: str, make: Make[Row]) -> tuple[Reply, list[Row]]:
    facts: dict[str, str] = {}
    rows: list[Row] = []
    size, root = None, None
    events = etree.iterparse(
        io.BytesIO(data),
        events=("start", "end"),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    for event, element in events:
        if root is None:
            root = element
            _require(root, where)
        if event != "end":
            continue
        tag = element.tag
        if tag == OAI + "record":
            rows.append(make(*_record(element)))
            element.clear()
        elif tag == OAI + "resumptionToken":
            size = _count(element.get("completeListSize"))
        elif tag == OAI + "error":
            facts["code"] = element.get("code") or "undefined"
        if tag.startswith(OAI) and not len(element):
            facts.setdefault(tag.removeprefix(OAI), _text(element)[:MAX_FACT])
    token = facts.get("resumptionToken", "")
    return Reply(facts, facts.get("code", ""), token, size), rows


def _require(root: Element, where: str) -> None:
    if root.getroottree().docinfo.doctype:
        raise InputError("has a document type, which OAI-PMH has not", where=where)
    if root.tag != OAI + "OAI-PMH":
        raise InputError(
            f"is no reply of OAI-PMH 2.0 but <{etree.QName(root).localname}>",
            where=where,
            hint="name the repository's base URL for OAI-PMH",
        )


def _record(record: Element) -> tuple[Header, Element | None]:
    header = record.find(OAI + "header")
    identifier = datestamp = ""
    deleted = False
    if header is not None:
        identifier = _text(header.find(OAI + "identifier"))
        datestamp = _text(header.find(OAI + "datestamp"))
        deleted = header.get("status") == "deleted"
    return Header(identifier, datestamp, deleted), record.find(OAI + "metadata")


def _text(element: Element | None) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _count(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if re.fullmatch(r"[0-9]{1,15}", stripped) else None


def _mended(data: bytes) -> bytes:
    """The reply without what XML cannot hold; other encodings than UTF-8 stay as they are."""
    encoding = _ENCODED.match(data)
    if encoding and encoding[1].lower() not in (b"utf-8", b"utf8"):
        return data
    text = _ILLEGAL.sub("", data.decode("utf-8", errors="replace"))
    return _REFERENCE.sub(_kept, text).encode()


def _kept(reference: re.Match[str]) -> str:
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    legal = code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE
    return reference[0] if legal or 0x10000 <= code <= 0x10FFFF else ""
