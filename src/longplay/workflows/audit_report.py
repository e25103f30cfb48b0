"""The report of an audit: its document, its statement of method and error rates, its signature."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from longplay import archive as archives
from longplay import clock
from longplay.archive import Archive
from longplay.audio import landmarks
from longplay.errors import FeedError, UsageError
from longplay.files import write_durably
from longplay.identify import matching, report
from longplay.release import keys, minisign
from longplay.workflows.auditing import Audit
from longplay.workflows.identifying import Index
from longplay.workflows.testing_index import SelfTest

WRITERS = {".html": report.as_html, ".json": report.as_json, ".csv": report.as_csv}
SIGNATURE = ".minisig"


def check(path: Path) -> None:
    """Raise UsageError for a report in a format that is not written."""
    if path.suffix.lower() not in WRITERS:
        raise UsageError(
            f"a report is written as {', '.join(WRITERS)}",
            where=str(path),
            hint="change the suffix",
        )


def document(opened: Index, done: Audit, tested: SelfTest | None) -> dict[str, Any]:
    """The audit as `audit --json` prints it."""
    matches = [
        {"file": one.file, "file_s": round(one.seconds, 2), **asdict(one.match)}
        for one in done.matches
    ]
    found = {
        "corpus": done.corpus,
        "files": done.files,
        "hours": round(done.seconds / 3600, 4),
        "matched_files": done.matched_files,
        "matched_hours": round(done.matched_s / 3600, 4),
        "matches": matches,
        "unreadable": [{"file": name, "why": why} for name, why in done.unreadable],
        "ignored": done.ignored,
        "resumed": done.resumed,
        "statement": statement(opened, tested, done.thorough),
    }
    found["public_summary"] = report.public_summary(found)
    return found


def statement(opened: Index, tested: SelfTest | None, thorough: bool) -> dict[str, Any]:
    """By what method, with what index, with what errors."""
    return {
        "method": landmarks.METHOD,
        "asked": "thoroughly" if thorough else "quickly",
        "index": opened.version,
        "objects_indexed": sum(len(one) for one in opened.shards),
        "held_but_not_indexed": opened.lacking,
        "decoders": opened.decoders,
        "confidence_from": matching.CLEAR,
        "self_test": asdict(tested) if tested else None,
        "time": clock.timestamp(),
    }


def write(archive: Archive, path: Path, found: dict[str, Any]) -> str:
    """Write the report, and beside it a signature over its bytes by the archive's feed key. Returns
    why it could not be signed; nothing where it was."""
    data = WRITERS[path.suffix.lower()](found)
    write_durably(path, data)
    signature = path.with_name(path.name + SIGNATURE)
    signature.unlink(missing_ok=True)  # an old one would be over other bytes
    try:
        known = archives.make_keys(archive.folder, archive.settings)
        key = keys.load(archives.key_folder(archive.settings) / known.root.name / keys.FEED)
    except FeedError as error:
        return str(error)
    comment = f"longplay audit, index {found['statement']['index']}, {found['statement']['time']}"
    write_durably(signature, minisign.sign(key, data, comment).encode())
    return ""
