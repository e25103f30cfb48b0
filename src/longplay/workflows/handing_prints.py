"""`fingerprint export` and `check`: fingerprints that travel, and a corpus compared with them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from longplay import clock, engine
from longplay.archive import Archive
from longplay.audio import fingerprint
from longplay.files import durable
from longplay.identify import iscc, matching, prints
from longplay.identify.matching import Passage
from longplay.identify.prints import Likeness
from longplay.ledger import queries
from longplay.model import ObjectKey
from longplay.settings import Limits
from longplay.vault import evidence
from longplay.workflows import hearing
from longplay.workflows.hearing import Way
from longplay.workflows.identifying import Names

Progress = Callable[[int, int, str], None]

AT_ONCE = 500
"""Objects whose names are looked up at once."""


def export(archive: Archive, path: Path) -> int:
    """Write the fingerprints of all sound that is held as a list; how many there are."""
    with archive.ledger.read() as connection:
        held = {key for key, _ in queries.audio_objects(connection)}
        names = queries.evidence_names(connection, "sounds")
    found: dict[ObjectKey, bytes] = {}
    columns = ["root", "size", "fingerprint"]
    for batch in evidence.read(archive.evidence_files.fetch(names), columns):
        for row in batch.to_pylist():
            key = ObjectKey(row["root"], row["size"])
            if key in held and row["fingerprint"]:
                found[key] = row["fingerprint"]
    with durable(path) as out:
        out.write(prints.header(len(found), clock.timestamp()).encode() + b"\n")
        for line in prints.written(_entries(archive, found)):
            out.write(line)
    return len(found)


def _entries(archive: Archive, found: dict[ObjectKey, bytes]) -> Iterator[dict[str, Any]]:
    known = Names(archive)
    keys = sorted(found)
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        whole = [Passage(key, 0, 0, 0, 0, 1.0, matching.AS_IT_IS) for key in some]
        for one in known.matches(whole):
            key = next(key for key in some if key.hex == one.object)
            items = prints.items_of(found[key])
            yield {
                "object": one.object,
                "recording": one.recording,
                "isrc": one.isrc,
                "title": one.title,
                "artists": list(one.artists),
                "rights": list(one.rights),
                "rights_holders": list(one.rights_holders),
                "tdm_reserved": one.tdm_reserved,
                "seconds": round(len(items) * prints.ITEM_SECONDS, 1),
                "iscc": iscc.audio_code(items),
                "chromaprint": fingerprint.compress(items),
            }


def check(
    listing: Path, where: Path, *, workers: int | None = None, progress: Progress
) -> dict[str, Any]:
    """Compare a corpus (a folder, a list, shards) with a list of fingerprints; no archive is
    needed. Raises InputError."""
    entries = prints.read(listing)
    lookup = prints.Lookup([one.pop("items") for one in entries])
    way = Way(
        Limits(), workers or engine.default_workers(), Path(tempfile.gettempdir()), chromaprint=True
    )
    matches: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    heard, ignored = 0, 0
    for one in hearing.entries(where, way):
        if one.heard:
            heard += 1
            found = lookup.like(prints.items_of(one.heard.chromaprint))
            matches += [_match(one.name, like, entries[like.number]) for like in found]
        elif one.why:
            refused.append({"file": one.name, "why": one.why})
        else:
            ignored += not one.part
        progress(heard + len(refused), heard + len(refused), "files")
    matches.sort(key=lambda one: (one["file"], one["differing"]))
    return {
        "list": len(entries),
        "files": heard + len(refused),
        "matches": matches,
        "unreadable": sorted(refused, key=lambda one: one["file"]),
        "ignored": ignored,
    }


def _match(file: str, like: Likeness, entry: dict[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in entry.items() if name != "chromaprint"}
    facts = {name: value for name, value in asdict(like).items() if name != "number"}
    return {"file": file, **facts, **said}
