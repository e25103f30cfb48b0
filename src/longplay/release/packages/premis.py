"""One object as a PREMIS 3 document: the file, what it carries, events, agents, rights.

Semantic units and their order: PREMIS Data Dictionary 3.0, https://www.loc.gov/standards/premis/v3/.
Nothing in it tells when it was written: the same facts give the same bytes.
"""

from __future__ import annotations

import hashlib
from typing import Any

from longplay.files import escape
from longplay.release.packages import xml
from longplay.release.packages.item import URN, Event, Granted, Item, Right

SCHEMA = "http://www.loc.gov/standards/premis/v3/premis.xsd"

VERSION = "3.0"

IDENTIFIER = "URI"
"""Type of all identifiers: those of objects, events, agents and statements are URIs of ours."""

OUR_AGENT = f"{URN}software"

_add = xml.Maker(xml.PREMIS)


def render(item: Item, software: str) -> bytes:
    """The document about one object; `software` is the version of Longplay that writes it."""
    prefixes = {"premis": xml.PREMIS, "xsi": xml.XSI}
    top = xml.root(xml.PREMIS, "premis", prefixes, SCHEMA)
    top.set("version", VERSION)
    events = [(_event_id(item, event), event) for event in item.events]
    rights = [(_right_id(item, right), right) for right in item.rights]
    decision = f"{item.urn}/rights/decision"
    _file(top, item, [name for name, _ in events], [*(name for name, _ in rights), decision])
    for one in item.carries:
        _entity(top, item, one.recording, one.title)
    for name, event in events:
        _event(top, item, name, event)
    _agents(top, item, software)
    statements = _add(top, "rights")
    for name, right in rights:
        _statement(statements, item, name, right)
    _decision(statements, item, decision)
    return xml.document(top)


def _identified(parent: Any, unit: str, value: str, *, role: str | None = None) -> None:
    """An identifier: `unit` with its type and value, and the role of what it links."""
    pair = _add(parent, unit)
    _add(pair, f"{unit}Type", IDENTIFIER)
    _add(pair, f"{unit}Value", value)
    if role:
        _add(pair, f"{unit.removesuffix('Identifier')}Role", role)


def _file(top: Any, item: Item, events: list[str], rights: list[str]) -> None:
    file = _add(top, "object")
    file.set(f"{{{xml.XSI}}}type", "premis:file")
    _identified(file, "objectIdentifier", item.urn)
    for origin in item.origins:
        name = _add(file, "objectIdentifier")
        _add(name, "objectIdentifierType", f"path in source {origin.source}")
        _add(name, "objectIdentifierValue", origin.path)
    for kind, value in item.properties:
        pair = _add(file, "significantProperties")
        _add(pair, "significantPropertiesType", kind)
        _add(pair, "significantPropertiesValue", value)
    facts = _add(file, "objectCharacteristics")
    _add(facts, "compositionLevel", 0)
    for algorithm, digest in (("SHA-256", item.sha256), ("BEP 52 merkle root", item.key.root)):
        fixity = _add(facts, "fixity")
        _add(fixity, "messageDigestAlgorithm", algorithm)
        _add(fixity, "messageDigest", digest.hex())
        _add(fixity, "messageDigestOriginator", "Longplay")
    _add(facts, "size", item.key.size)
    shape = _add(facts, "format")
    _add(_add(shape, "formatDesignation"), "formatName", item.media_type)
    if item.format:
        _add(shape, "formatNote", item.format)
    if item.origins:
        _add(file, "originalName", item.origins[0].path)
    for holder in item.inside:
        _related(file, "is part of", f"{URN}obj{holder.hex()}")
    for one in item.carries:
        _related(file, "represents", f"{URN}{one.recording}")
    for name in events:
        _identified(file, "linkingEventIdentifier", name)
    for name in rights:
        _identified(file, "linkingRightsStatementIdentifier", name)


def _entity(top: Any, item: Item, recording: str, title: str) -> None:
    """A recording: what listeners mean, of which the file is one manifestation."""
    entity = _add(top, "object")
    entity.set(f"{{{xml.XSI}}}type", "premis:intellectualEntity")
    _identified(entity, "objectIdentifier", f"{URN}{recording}")
    if title:
        _add(entity, "originalName", title)
    _related(entity, "is represented by", item.urn)


def _related(parent: Any, sort: str, other: str) -> None:
    relation = _add(parent, "relationship")
    _add(relation, "relationshipType", "structural")
    _add(relation, "relationshipSubType", sort)
    _identified(relation, "relatedObjectIdentifier", other)


def _event(top: Any, item: Item, name: str, event: Event) -> None:
    one = _add(top, "event")
    _identified(one, "eventIdentifier", name)
    _add(one, "eventType", event.type)
    _add(one, "eventDateTime", event.time)
    if event.detail:
        _add(_add(one, "eventDetailInformation"), "eventDetail", event.detail)
    if event.entry is not None:
        words = f"entry {event.entry} of the archive's log"
        _add(_add(one, "eventDetailInformation"), "eventDetail", words)
    if event.outcome:
        _add(_add(one, "eventOutcomeInformation"), "eventOutcome", event.outcome)
    _identified(one, "linkingAgentIdentifier", OUR_AGENT, role="executing program")
    if event.by:
        _identified(one, "linkingAgentIdentifier", _program_id(event.by), role="executing program")
    _identified(one, "linkingAgentIdentifier", _archive_id(item), role="implementer")
    _identified(one, "linkingObjectIdentifier", item.urn, role="source")


def _agents(top: Any, item: Item, software: str) -> None:
    own = _agent(top, OUR_AGENT, "Longplay", "software")
    _add(own, "agentVersion", software)
    _add(own, "agentNote", "the version that wrote this document; events do not tell theirs")
    for program in sorted({event.by for event in item.events if event.by}):
        _agent(top, _program_id(program), program, "software")
    _agent(top, _archive_id(item), item.archive, "organization")


def _agent(top: Any, identity: str, name: str, kind: str) -> Any:
    agent = _add(top, "agent")
    _identified(agent, "agentIdentifier", identity)
    _add(agent, "agentName", name)
    _add(agent, "agentType", kind)
    return agent


def _statement(parent: Any, item: Item, name: str, right: Right) -> None:
    one = _add(parent, "rightsStatement")
    _identified(one, "rightsStatementIdentifier", name)
    _add(one, "rightsBasis", right.basis)
    _BASES[right.basis](one, right)
    for granted in right.granted:
        _grant(one, granted, right)
    _identified(one, "linkingObjectIdentifier", item.urn)
    _identified(one, "linkingAgentIdentifier", _archive_id(item), role="implementer")


def _decision(parent: Any, item: Item, name: str) -> None:
    """What all statements and claims together permit: the archive's own answer."""
    one = _add(parent, "rightsStatement")
    _identified(one, "rightsStatementIdentifier", name)
    _add(one, "rightsBasis", "other")
    other = _add(one, "otherRightsInformation")
    _add(other, "otherRightsBasis", "decision of the archive")
    _add(other, "otherRightsNote", f"access class: {item.access}")
    for granted in item.granted:
        _grant(one, granted, None)
    _identified(one, "linkingObjectIdentifier", item.urn)
    _identified(one, "linkingAgentIdentifier", _archive_id(item), role="implementer")


def _grant(parent: Any, granted: Granted, right: Right | None) -> None:
    one = _add(parent, "rightsGranted")
    _add(one, "act", granted.act)
    _add(one, "restriction", granted.restriction)
    if right is not None:
        _dates(one, "termOfGrant", right)
    if granted.note:
        _add(one, "rightsGrantedNote", granted.note)


def _dates(parent: Any, unit: str, right: Right) -> None:
    """First and last day; `open` where there is none (EDTF, level 1)."""
    if right.start or right.end:
        term = _add(parent, unit)
        _add(term, "startDate", right.start or "unknown")
        _add(term, "endDate", right.end or "open")


def _documented(parent: Any, unit: str, right: Right) -> None:
    pair = _add(parent, f"{unit}DocumentationIdentifier")
    _add(pair, f"{unit}DocumentationIdentifierType", IDENTIFIER)
    _add(pair, f"{unit}DocumentationIdentifierValue", right.uri)
    _add(pair, f"{unit}DocumentationRole", "statement")


def _license(parent: Any, right: Right) -> None:
    facts = _add(parent, "licenseInformation")
    _documented(facts, "license", right)
    _add(facts, "licenseTerms", right.name)
    for note in _notes(right):
        _add(facts, "licenseNote", note)
    _dates(facts, "licenseApplicableDates", right)


def _copyright(parent: Any, right: Right) -> None:
    facts = _add(parent, "copyrightInformation")
    _add(facts, "copyrightStatus", _status(right.uri))
    _add(facts, "copyrightJurisdiction", " ".join(right.territories) or "unknown")
    for note in (right.name, *_notes(right)):
        _add(facts, "copyrightNote", note)
    _documented(facts, "copyright", right)
    _dates(facts, "copyrightApplicableDates", right)


def _statute(parent: Any, right: Right) -> None:
    facts = _add(parent, "statuteInformation")
    _add(facts, "statuteJurisdiction", " ".join(right.territories) or "unknown")
    _add(facts, "statuteCitation", right.name)
    for note in _notes(right):
        _add(facts, "statuteNote", note)
    _documented(facts, "statute", right)
    _dates(facts, "statuteApplicableDates", right)


def _other(parent: Any, right: Right) -> None:
    facts = _add(parent, "otherRightsInformation")
    _documented(facts, "otherRights", right)
    _add(facts, "otherRightsBasis", right.name)
    _dates(facts, "otherRightsApplicableDates", right)
    for note in _notes(right):
        _add(facts, "otherRightsNote", note)


_BASES = {"license": _license, "copyright": _copyright, "statute": _statute, "other": _other}


def _notes(right: Right) -> list[str]:
    where = f"holds in: {' '.join(right.territories)}" if right.territories else ""
    return [words for words in (right.evidence, where) if words]


def _status(uri: str) -> str:
    """Copyright status (in the Library of Congress's words) of a RightsStatements.org statement."""
    code = uri.rstrip("/").rpartition("/vocab/")[2].partition("/")[0]
    if code.startswith("InC"):
        return "copyrighted"
    return "public domain" if code.startswith("NoC") else "unknown"


def _event_id(item: Item, event: Event) -> str:
    words = "\n".join((event.type, event.time, event.outcome, event.detail))
    return f"{item.urn}/events/{_short(words)}"


def _right_id(item: Item, right: Right) -> str:
    words = "\n".join((right.uri, right.evidence, right.start, right.end, *right.territories))
    return f"{item.urn}/rights/{_short(words)}"


def _archive_id(item: Item) -> str:
    return f"{URN}archive:{escape(item.archive.encode())}"


def _program_id(program: str) -> str:
    return f"{URN}program:{_short(program)}"


def _short(words: str) -> str:
    """Eight bytes of a digest, in hexadecimal: they tell the parts of one object apart."""
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:16]
