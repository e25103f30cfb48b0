"""`fingerprint export` and `check`: fingerprints that travel, and a corpus compared with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from longplay import clock, engine
from longplay.archive import Archive
from longplay.audio import fingerprint
from longplay.engine import Failure
from longplay.files import durable, escape
from longplay.identify import corpus, iscc, matching, prints
from longplay.identify.corpus import Refused
from longplay.identify.listening import Sound, listen
from longplay.identify.matching import Passage
from longplay.ledger import queries
from longplay.model import ObjectKey
from longplay.settings import Limits
from longplay.vault import evidence
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
    """Compare plain sound files with a list; no archive is needed. Raises InputError."""
    entries = prints.read(listing)
    lookup = prints.Lookup([one.pop("items") for one in entries])
    limits = Limits()
    refused: list[dict[str, str]] = []

    def sounds() -> Iterator[Sound]:
        for path in corpus.files(where):
            if isinstance(path, Refused):
                refused.append({"file": path.name, "why": path.why})
            elif corpus.is_shard(path):
                refused.append({"file": str(path), "why": "is a shard: `longplay audit` reads it"})
            elif corpus.is_plain_sound(path):
                yield Sound(escape(bytes(path)), path, limits, chromaprint=True)

    outcomes = engine.run(
        listen,
        sounds(),
        workers=workers or engine.default_workers(),
        seconds=lambda one: limits.file_seconds + limits.file_seconds_per_mb * one.size / 2**20,
        memory_mb=limits.worker_memory_mb,
    )
    matches = []
    count = 0
    for count, (sound, heard) in enumerate(outcomes, 1):
        progress(count, count, "files")
        if isinstance(heard, Failure):
            refused.append({"file": sound.name, "why": heard.reason})
            continue
        for one in lookup.like(prints.items_of(heard.chromaprint)):
            said = {name: value for name, value in entries[one.number].items()
                    if name != "chromaprint"}  # fmt: skip
            facts = {name: value for name, value in asdict(one).items() if name != "number"}
            matches.append({"file": sound.name, **facts, **said})
    matches.sort(key=lambda one: (one["file"], one["differing"]))
    return {
        "list": len(entries),
        "files": count + len(refused),
        "matches": matches,
        "unreadable": sorted(refused, key=lambda one: one["file"]),
    }
