"""Copies that are one recipient's: the secret by which they are marked, who got one, and tracing.

`recipients.json` in the archive names everybody who got a marked copy: sealed (AES-256-GCM) under a
key that follows from the secret, and signed with the feed key. Nothing else is kept of a copy. It
is written before a copy is, so no marked copy is ever out whose recipient is not in it.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from longplay import archive as archives
from longplay import clock
from longplay.archive import Archive
from longplay.errors import ArchiveError, UsageError
from longplay.files import make_secret, read_bounded, write_json, writer_lock
from longplay.guard.canaries import dumps, tracing
from longplay.guard.canaries.code import SECRET_BYTES, Secret
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
    """What this archive's copies are marked by; made where there is none, if `make`. Raises
    ArchiveError."""
    path = _folder(archive) / KEY
    try:
        if not path.exists():
            if not make or (archive.folder / RECIPIENTS).exists():
                raise _lost(path)
            make_secret(path)
        text = read_bounded(path, 1000).decode("ascii", "replace").strip()
    except OSError as error:
        raise ArchiveError(
            f"the secret of marked copies cannot be kept: {error.strerror}",
            where=str(path),
            hint="name a folder that can be written as `keys` in the settings",
        ) from error
    if not re.fullmatch(rf"[0-9a-f]{{{2 * SECRET_BYTES}}}", text):
        raise ArchiveError(
            "is no secret of marked copies",
            where=str(path),
            hint="bring it back from a backup of the keys",
        )
    return Secret(bytes.fromhex(text))


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
    with writer_lock(archive.folder / f"{RECIPIENTS}.lock", "list of recipients"):
        listed = {one.name: one for one in recipients(archive)}
        one = listed.get(name, Recipient(name, 0, now, now))
        listed[name] = replace(one, copies=one.copies + 1, last=now)
        _write(archive, found, list(listed.values()))
    return Marker.of(found, f"{COPY}\0{name}")


def for_account(archive: Archive, account: str) -> Marker:
    """The marker of what an account gets through the API."""
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


def trace(archive: Archive, path: Path, accounts: Iterable[str]) -> Traced:
    """Whose copy a leaked file, or a folder of files, was made from: of everybody in the list, and
    of these accounts, which may have asked the API. Raises InputError, ArchiveError."""
    listed = recipients(archive)
    found = secret(archive, make=False)
    names = [*(f"{COPY}\0{one.name}" for one in listed), *(f"{API}\0{one}" for one in accounts)]
    told = tracing.trace(dumps.texts(path), found, names)
    return replace(told, named=tuple(_named(told)))


def _named(told: Traced) -> Iterator[tracing.Named]:
    for one in told.named:
        kind, _, name = one.recipient.partition("\0")
        yield replace(one, recipient=name, kind=kind)
