"""What an archive holds, without times, order and the log's hashes: for telling two apart."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

LEFT_OUT = {
    "object": {"number", "batch", "checked", "access"},
    "holding": {"object", "batch", "folder"},
    "manifestation": {"object", "derived_from"},
    "embedded": {"object", "picture"},
    "quarantine": {"time"},
    "evidence_file": {"name", "bytes", "sha256", "rows"},
    "plan": {"time"},
    "release": {"time"},
    "lease": {"holder", "granter", "expires"},
}
TABLES = (
    *("object", "holding", "manifestation", "embedded", "rights_statement", "quarantine"),
    *("plan", "lease", "release", "meta", "evidence_file"),
)

BY_NAME = {
    "object": "SELECT * FROM object WHERE size IS NOT NULL",
    "holding": "SELECT holding.*, root, folder.path, source.name FROM holding"
    " JOIN object ON object.number = object JOIN folder ON folder.number = folder"
    " JOIN source ON source.number = source",
    "manifestation": "SELECT manifestation.*, object.root, original.root AS made_of"
    " FROM manifestation JOIN object ON object.number = object"
    " LEFT JOIN object AS original ON original.number = derived_from",
    "embedded": "SELECT embedded.*, object.root, inside.root AS inside FROM embedded"
    " JOIN object ON object.number = object JOIN object AS inside ON inside.number = picture",
}
"""Tables that name objects by numbers, which are given in the order of capture: with the roots."""

TIME = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z")
"""When something was read or done, as it stands inside texts."""


def rows(archive: Path, table: str) -> list[tuple[Any, ...]]:
    """A ledger table's rows, sorted, without what may differ."""
    with sqlite3.connect(archive / "ledger.sqlite3") as ledger:
        cursor = ledger.execute(BY_NAME.get(table, f"SELECT * FROM {table}"))
        names = [column[0] for column in cursor.description]
        keep = [at for at, name in enumerate(names) if name not in LEFT_OUT.get(table, set())]
        found = sorted((tuple(timeless(row[at]) for at in keep) for row in cursor), key=repr)
    ledger.close()
    return found


def timeless(value: Any) -> Any:
    """The value with the times in it taken out, and with what depends on them."""
    return told(value.encode()).decode() if isinstance(value, str) else value


METADATA = re.compile(rb'\{[^{}]*"kind": "metadata"[^{}]*\}')
FILES = re.compile(rb'"files": \[[^\]]*\]')
DIGEST = re.compile(rb'"(sha256|datePublished|citeAs)": "[^"]*"')
"""What depends on times in texts: the torrent of the metadata, and the digests of manifests."""


def told(data: bytes) -> bytes:
    """A text without times."""
    for pattern in (METADATA, FILES, DIGEST, TIME):
        data = pattern.sub(b"TIME", data)
    return data


def evidence(archive: Path) -> dict[str, list[str]]:
    """All evidence rows of captures by kind, without batches and times."""
    found: dict[str, list[str]] = {}
    for path in sorted((archive / "evidence").iterdir()):
        kind = path.name.partition("-")[0]
        for row in pq.read_table(path).to_pylist() if kind not in ("log", "standing") else ():
            facts = {key: row[key] for key in row if key not in ("batch", "time", "ordinal")}
            found.setdefault(kind, []).append(repr(facts))
    return {kind: sorted(texts) for kind, texts in found.items()}


def files(archive: Path, folder: str) -> dict[str, str]:
    """Every file below a folder of the archive with its digest."""
    return {
        str(path.relative_to(archive)): digest(path)
        for path in sorted((archive / folder).rglob("*"))
        if path.is_file() and not path.name.startswith("listens-")  # can be made again
    }


def digest(path: Path) -> str:
    """A file's SHA-256; of a release's texts, which tell when rights were read, without times. Keys
    are random, and a feed has a new number after each attempt: what it offers is compared."""
    if path.name.startswith("keys.json") or path.suffix in (".minisig", ".rss"):
        return "signed"
    if re.search(r"-m\d+\.torrent$", path.name):
        return "the torrent of such texts"
    data = path.read_bytes()
    if path.name == "feed.json":
        said = json.loads(data)
        for release in said["releases"]:
            release["volumes"] = [one for one in release["volumes"] if one["kind"] != "metadata"]
            release["files"] = [one["path"] for one in release["files"]]
        data = json.dumps([said[name] for name in ("releases", "tombstones", "sharing")]).encode()
    return hashlib.sha256(told(data) if path.suffix in (".jsonl", ".json") else data).hexdigest()


def state(archive: Path) -> dict[str, Any]:
    """Everything that must be equal after an undisturbed run and after one cut short."""
    return {
        **{table: rows(archive, table) for table in TABLES},
        "evidence": evidence(archive),
        "objects": files(archive, "objects"),
        "releases": files(archive, "releases"),
        "plans": files(archive, "plans"),
        "quarantine folder": files(archive, "quarantine"),
        "top": sorted(path.name for path in archive.iterdir()),
        "catalogue": sorted(files(archive, "catalogue")),
    }


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The parts in which two states differ, short enough to read."""
    return {
        name: (str(one[name])[:2000], str(other[name])[:2000])
        for name in one
        if one[name] != other[name]
    }
