"""One object's package as a METS document: what it is called, where its file and its PREMIS lie.

METS 1.12, https://www.loc.gov/standards/mets/. One small document for each object, never one for a
whole archive: that stops at about 50,000 files in the best-known system that reads it. The PREMIS
beside it is pointed to (`mdRef`) with its digest, as E-ARK's packages do, so that each fact stands
once.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from longplay.release.packages import names, xml
from longplay.release.packages.item import URN, Carried, Item

SCHEMA = "http://www.loc.gov/standards/mets/mets.xsd"

FILE = "file-1"

_DIGEST = re.compile(rb'<mets:file ID="file-1"[^>]* CHECKSUM="([0-9a-f]{128})"')

_add = xml.Maker(xml.METS)
_dc = xml.Maker(xml.DC)


def render(item: Item, software: str, sha512: str, premis: bytes, premis_sha512: str) -> bytes:
    """The document; digests are lower-case hexadecimal, `premis` is the document beside it."""
    prefixes = {"mets": xml.METS, "xlink": xml.XLINK, "xsi": xml.XSI, "dc": xml.DC}
    top = xml.root(xml.METS, "mets", prefixes, SCHEMA)
    top.set("OBJID", item.urn)
    top.set("TYPE", item.kind)
    _header(top, item, software)
    for number, one in enumerate(item.carries, 1):
        _described(top, f"dmd-{number}", one)
    _provenance(top, premis, premis_sha512)
    _files(top, item, sha512)
    _structure(top, item)
    return xml.document(top)


def digest_in(document: bytes) -> str | None:
    """The SHA-512 that a document written here has for the object's file."""
    found = _DIGEST.search(document)
    return found[1].decode() if found else None


def _header(top: Any, item: Item, software: str) -> None:
    header = _add(top, "metsHdr")
    program = _add(header, "agent", ROLE="CREATOR", TYPE="OTHER", OTHERTYPE="SOFTWARE")
    _add(program, "name", "Longplay")
    _add(program, "note", software)
    _add(_add(header, "agent", ROLE="CUSTODIAN", TYPE="ORGANIZATION"), "name", item.archive)


def _described(top: Any, identity: str, one: Carried) -> None:
    section = _add(top, "dmdSec", ID=identity)
    data = _add(_add(section, "mdWrap", MDTYPE="DC"), "xmlData")
    _dc(data, "identifier", f"{URN}{one.recording}")
    facts = [("title", one.title), *(("creator", name) for name in one.artists)]
    facts += [("relation", one.album), ("date", one.date)]
    facts += [("identifier", f"ISRC {one.isrc}" if one.isrc else "")]
    for name, value in facts:
        if value:
            _dc(data, name, value)
    _dc(data, "type", "Sound")


def _provenance(top: Any, premis: bytes, digest: str) -> None:
    section = _add(top, "amdSec", ID="amd-1")
    for unit, identity, kind in (
        ("rightsMD", "rights-1", "PREMIS:RIGHTS"),
        ("digiprovMD", "digiprov-1", "PREMIS"),
    ):
        pointer = _add(
            _add(section, unit, ID=identity),
            "mdRef",
            LOCTYPE="URL",
            MDTYPE=kind,
            MDTYPEVERSION="3.0",
            MIMETYPE="application/xml",
            SIZE=len(premis),
            CHECKSUM=digest,
            CHECKSUMTYPE="SHA-512",
        )
        _link(pointer, names.PREMIS)


def _files(top: Any, item: Item, sha512: str) -> None:
    use = item.carries[0].role if item.carries else item.kind
    group = _add(_add(top, "fileSec"), "fileGrp", USE=use)
    file = _add(
        group,
        "file",
        ID=FILE,
        MIMETYPE=item.media_type,
        SIZE=item.key.size,
        CHECKSUM=sha512,
        CHECKSUMTYPE="SHA-512",
        ADMID="amd-1",
        OWNERID=item.origins[0].path if item.origins else None,
    )
    _link(_add(file, "FLocat", LOCTYPE="URL"), item.name)


def _structure(top: Any, item: Item) -> None:
    whole = _add(_add(top, "structMap", TYPE="logical"), "div", TYPE="object", LABEL=item.name)
    _add(whole, "fptr", FILEID=FILE)
    for number, one in enumerate(item.carries, 1):
        part = _add(whole, "div", TYPE="recording", DMDID=f"dmd-{number}", LABEL=one.title or None)
        pointer = _add(part, "fptr", FILEID=FILE)
        if one.start_ms or one.end_ms is not None:
            del pointer.attrib["FILEID"]
            end = None if one.end_ms is None else _clock(one.end_ms)
            _add(pointer, "area", FILEID=FILE, BETYPE="TIME", BEGIN=_clock(one.start_ms), END=end)


def _link(element: Any, name: str) -> None:
    element.set(f"{{{xml.XLINK}}}type", "simple")
    element.set(f"{{{xml.XLINK}}}href", quote(name))


def _clock(ms: int) -> str:
    """HH:MM:SS.mmm, as `BETYPE="TIME"` has it."""
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
