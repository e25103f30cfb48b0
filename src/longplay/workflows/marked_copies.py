"""Copies that are one recipient's: the secret by which they are marked, who got one, and tracing.

`recipients.json` in the archive names everybody who got a marked copy: sealed (AES-256-GCM) under a
key that follows from the secret, and signed with the feed key. Nothing else is kept of a copy. It
is written before a copy is, so no marked copy is ever out whose recipient is not in it.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from longplay import archive as archives
from longplay import clock, files
from longplay.archive import Archive
from longplay.errors import ArchiveError, UsageError
from longplay.files import read_bounded, write_json
from longplay.guard.canaries import dumps, tracing
from longplay.guard.canaries.code import Secret
from longplay.guard.canaries.marking import Marker
from longplay.guard.canaries.tracing import Traced
from longplay.release import keys, minisign

KEY = "canary.key"
"""The secret's file, among the archive's secret keys."""

RECIPIENTS = "recipients.json"
FORMAT, VERSION = "longplay-recipients", 1

MAX_BYTES = 64 * 2**20
"""Of the list: some hundred bytes a recipient, half a million of them."""

LONGEST_NAME = 200
"""Characters of a recipient's name."""

NONCE = 12
"""Bytes of AES-GCM's nonce."""

COPY, API = "copy", "key"
"""What somebody got: a copy of the catalogue, or pages of the API under a key of an account."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who got marked copies: how many, the first and the last time."""

    name: str
    copies: int
    first: str
    last: str


def secret(archive: Archive, *, make: bool) -> Secret:
    """What this archive's copies are marked by; made where there is none, if `make`, together with
    an empty list of recipients, by which a lost one is noticed; the feed key signs that. Raises
    ArchiveError, FeedError."""
    path = _folder(archive) / KEY
    listed = archive.folder / RECIPIENTS
    if not path.exists() and (listed.exists() or not make):
        raise _lost(path)
    found = Secret(
        files.secret(
            path, "the secret of marked copies", hint="bring it back from a backup of the keys"
        )
    )
    if make and not listed.exists():
        with _listing(archive):
            if not listed.exists():
                _write(archive, found, [])
    return found


def _listing(archive: Archive) -> AbstractContextManager[int]:
    # All workers of a server make the first one at once: they wait for each other.
    return files.turns(archive.folder / f"{RECIPIENTS}.lock")


def _lost(path: Path) -> ArchiveError:
    return ArchiveError(
        "the secret by which copies are marked is not at hand",
        where=str(path),
        hint="bring it back from a backup of the keys; without it nothing can be traced",
    )


def _folder(archive: Archive) -> Path:
    known = archives.make_keys(archive.folder, archive.settings)
    return archives.key_folder(archive.settings) / known.root.name


def for_recipient(archive: Archive, name: str) -> Marker:
    """The marker of a recipient of copies, who is in the list from now on. Raises UsageError,
    ArchiveError, FeedError when the feed key is not at hand."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(
            f"a recipient is named by 1 to {LONGEST_NAME} printable characters",
            where=repr(name[:LONGEST_NAME]),
        )
    found = secret(archive, make=True)
    now = clock.timestamp()
    with _listing(archive):
        listed = {one.name: one for one in recipients(archive)}
        one = listed.get(name, Recipient(name, 0, now, now))
        listed[name] = replace(one, copies=one.copies + 1, last=now)
        _write(archive, found, list(listed.values()))
    return Marker.of(found, f"{COPY}\0{name}")


def for_account(archive: Archive, account: int) -> Marker:
    """The marker of what an account gets through the API, by its number: a name may be given
    again."""
    return Marker.of(secret(archive, make=True), f"{API}\0{account}")


def recipients(archive: Archive) -> list[Recipient]:
    """Everybody who got a marked copy. Raises ArchiveError when the list cannot be read."""
    path = archive.folder / RECIPIENTS
    if not path.exists():
        return []
    found = secret(archive, make=False)
    try:
        said = json.loads(read_bounded(path, MAX_BYTES))
        if said["format"] != FORMAT or said["version"] > VERSION:
            raise ValueError("it is of a newer version")
        sealed = base64.b64decode(said["sealed"], validate=True)
        text = AESGCM(found.sealing()).decrypt(sealed[:NONCE], sealed[NONCE:], FORMAT.encode())
        return [Recipient(**one) for one in json.loads(text)]
    except (ValueError, KeyError, TypeError, InvalidTag, RecursionError) as error:
        raise ArchiveError(
            f"is no list of recipients that this archive sealed: {error or 'it was changed'}",
            where=str(path),
            hint="bring it back from a backup, with the secret keys of the same time",
        ) from error


def _write(archive: Archive, found: Secret, listed: list[Recipient]) -> None:
    key = keys.load(_folder(archive) / keys.FEED)
    nonce = secrets.token_bytes(NONCE)
    text = json.dumps([asdict(one) for one in listed], ensure_ascii=False).encode()
    sealed = nonce + AESGCM(found.sealing()).encrypt(nonce, text, FORMAT.encode())
    comment = f"longplay recipients, {len(listed)} of them, {clock.timestamp()}"
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "sealed": base64.b64encode(sealed).decode(),
        "signature": minisign.sign(key, sealed, comment),
    }
    write_json(archive.folder / RECIPIENTS, document)


def trace(archive: Archive, path: Path, accounts: Mapping[int, str]) -> Traced:
    """Whose copy a leaked file, or a folder of files, was made from: of everybody in the list, and
    of these accounts (numbers and names), which may have asked the API. Raises InputError,
    ArchiveError."""
    listed = recipients(archive)
    found = secret(archive, make=False)
    known = {f"{COPY}\0{one.name}": (COPY, one.name) for one in listed}
    known |= {f"{API}\0{number}": (API, name) for number, name in accounts.items()}
    told = tracing.trace(dumps.texts(path), found, known)
    return replace(told, named=tuple(_named(told, known)))


def _named(told: Traced, known: Mapping[str, tuple[str, str]]) -> Iterator[tracing.Named]:
    for one in told.named:
        kind, name = known[one.recipient]
        yield replace(one, recipient=name, kind=kind)
