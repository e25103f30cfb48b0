"""The manifest of a batch: which messages it has, and their checksums.

An empty file does as well (clause 8.1): then nothing is compared.
"""

from __future__ import annotations

import hashlib
import os

from lxml import etree

from longplay.capture.sources.ddex import elements
from longplay.capture.sources.ddex.contents import Graveness, Problem
from longplay.files import escape

MAX_BYTES = 4 * 1024 * 1024
"""Of one manifest, which takes many times as much memory: ten thousand messages."""


def check(root: bytes, folder: bytes, name: bytes) -> list[Problem]:
    """What a batch lacks of what its manifest tells; nothing where all is there."""
    place = folder + b"/" + name
    where = escape(place)
    told: list[Problem] = []

    def note(what: str, remedy: str, grave: Graveness) -> None:
        told.append(Problem(where, what, remedy, grave))

    try:
        descriptor = os.open(root + b"/" + place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as source:
            data = source.read(MAX_BYTES + 1)
    except OSError as error:
        note(f"cannot be read: {error.strerror}", "", "message")
        return told
    if len(data) > MAX_BYTES:
        note(f"is longer than {MAX_BYTES:,} bytes", "send several batches", "message")
        return told
    if not data.strip():
        return told
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True,
        remove_pis=True,
    )  # fmt: skip
    try:
        manifest = etree.fromstring(data, parser)
    except (etree.LxmlError, ValueError):
        note("is no XML", "send a ManifestMessage, or an empty file", "message")
        return told
    elements.localise(manifest)
    listed = manifest.findall("MessageInBatch")
    count = elements.first(manifest, "NumberOfMessages")
    if count.isdigit() and int(count) != len(listed):
        note(f"tells of {count[:9]} messages and names {len(listed):,}", "correct it", "note")
    for one in listed:
        missing = _compare(root, folder, one)
        if missing:
            note(*missing, "message")
    return told


def _compare(root: bytes, folder: bytes, listed: elements.Element) -> tuple[str, str] | None:
    """What is wrong with one message of a batch, and what to do."""
    named = elements.first(listed, "URL")
    shown = repr(named[:120])
    parts = [part for part in os.fsencode(named).split(b"/") if part not in (b"", b".")]
    if b".." in parts or not parts:
        return f"names a message {shown} outside its batch", "correct its URL"
    own = folder.rpartition(b"/")[2]
    if own in parts:  # named from the root of the server
        parts = parts[parts.index(own) + 1 :]
    path = b"/".join([root, folder, *parts])
    proof, wrong = elements.checksum(listed)
    if wrong:
        return f"has for {shown} a HashSum {wrong}", "correct it, or leave it out"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as source:
            algorithm, _, digest = proof.partition(":")
            same = not proof or hashlib.file_digest(source, algorithm).hexdigest() == digest
    except OSError:
        return f"names {shown}, which is not in the batch", "send it, or correct its URL"
    return None if same else (
        f"has another checksum for {shown} than the file", "send the batch again"
    )  # fmt: skip
