"""An OCFL 1.1 storage root: one OCFL object for each object, a new version when facts change.

https://ocfl.io/1.1/spec/. Layout: community extension 0003, which puts an object's id into its
folder's name. The bytes are copied once, into `v1`; what is told of them (PREMIS, METS) gets a new
version when it has changed since. Nothing that an earlier version wrote is touched.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from longplay.errors import InputError, ReleaseError
from longplay.files import TEMPORARY, read_bounded, sync_folder, write_durably
from longplay.release.packages import copying, folder, mets, names, premis
from longplay.release.packages.folder import STAGING
from longplay.release.packages.item import URN, Item
from longplay.release.packages.written import Written

FORMAT = "ocfl"

ROOT_DECLARATION = ("0=ocfl_1.1", b"ocfl_1.1\n")
OBJECT_DECLARATION = ("0=ocfl_object_1.1", b"ocfl_object_1.1\n")
TYPE = "https://ocfl.io/1.1/spec/#inventory"

LAYOUT = "0003-hash-and-id-n-tuple-storage-layout"
LAYOUT_FACTS = {
    "extensionName": LAYOUT,
    "digestAlgorithm": "sha256",
    "tupleSize": 2,
    "numberOfTuples": 2,
}
"""Two folders of two digits: 65,536, so that a million objects make no million folders above."""

INVENTORY, SIDECAR = "inventory.json", "inventory.json.sha512"

INVENTORY_BYTES = 16 * 2**20
"""Bytes that an inventory may have: some ten thousand versions of two documents."""


class StorageRoot:
    """An OCFL storage root that is being filled; objects are `put` from several threads."""

    format = FORMAT

    def __init__(self, place: Path, software: str, archive: str, time: str) -> None:
        self.place = place
        self.software = software
        self.address = f"{URN}archive:{archive}"
        self.time = time

    def begin(self) -> None:
        """Lay the storage root out."""
        facts = self.place / "extensions" / LAYOUT
        folder.make(facts)
        folder.sweep_temporaries(facts)
        _write_json(facts / "config.json", LAYOUT_FACTS)
        words = "SHA-256 of the object's id in two folders of two digits, then the id itself"
        _write_json(self.place / "ocfl_layout.json", {"extension": LAYOUT, "description": words})
        name, declaration = ROOT_DECLARATION
        write_durably(self.place / name, declaration)

    def put(self, item: Item, opened: Callable[[], BinaryIO]) -> Written:
        """Write an object, or its next version where facts have changed. Raises
        IntegrityFoundError, StoreError; ReleaseError when what is there is no object of ours."""
        place = self.place / object_path(item.urn)
        if not place.exists():
            return self._first(item, place, opened)
        inventory = _inventory(place)
        digest = _digest_of(inventory, item)
        if digest is None:
            raise ReleaseError(
                "is no object that an export wrote", where=str(place), hint="name a new folder"
            )
        documents = self._documents(item, digest)
        state = _state(item, digest, documents)
        if inventory["versions"][inventory["head"]]["state"] == state:
            return Written((), False)
        self._next(place, inventory, documents, state)
        return Written((), True)

    def finish(self, belongs: folder.Roots) -> int:
        """Remove the objects that no longer belong there; their count."""
        return folder.sweep(self.place, belongs)

    def _first(self, item: Item, place: Path, opened: Callable[[], BinaryIO]) -> Written:
        staged = self.place / STAGING / item.key.hex
        content = staged / "v1" / "content"
        content.mkdir(parents=True)
        with opened() as source:
            digest = copying.copy(source, content / item.name, item.sha256)
        documents = self._documents(item, digest)
        for name, data in documents.items():
            copying.write(content / name, data)
        state = _state(item, digest, documents)
        inventory = {
            "id": item.urn,
            "type": TYPE,
            "digestAlgorithm": "sha512",
            "head": "v1",
            "manifest": {one: [f"v1/content/{name}" for name in at] for one, at in state.items()},
            "versions": {"v1": self._version(item.archive, state)},
            "fixity": {"sha256": {item.sha256.hex(): [f"v1/content/{item.name}"]}},
        }
        name, declaration = OBJECT_DECLARATION
        copying.write(staged / name, declaration)
        for where in (staged / "v1", staged):
            for name, data in _signed(inventory).items():
                copying.write(where / name, data)
        sync_folder(content)
        sync_folder(staged / "v1")
        folder.settle(staged, place)
        return Written((), True)

    def _next(
        self,
        place: Path,
        inventory: dict[str, Any],
        documents: dict[str, bytes],
        state: dict[str, list[str]],
    ) -> None:
        head = f"v{int(inventory['head'][1:]) + 1}"
        manifest = dict(inventory["manifest"])
        staged = self.place / STAGING / place.name
        content = staged / "content"
        content.mkdir(parents=True)
        for name, data in documents.items():
            digest = hashlib.sha512(data).hexdigest()
            if digest not in manifest:
                manifest[digest] = [f"{head}/content/{name}"]
                copying.write(content / name, data)
        if any(content.iterdir()):
            sync_folder(content)
        else:
            content.rmdir()
        archive = inventory["versions"]["v1"]["user"]["name"]
        inventory = inventory | {
            "head": head,
            "manifest": manifest,
            "versions": inventory["versions"] | {head: self._version(archive, state)},
        }
        for name, data in _signed(inventory).items():
            copying.write(staged / name, data)
        folder.settle(staged, place / head)
        # A reader between these two steps sees an inventory whose digest is another: it asks again.
        for name, data in _signed(inventory).items():
            write_durably(place / name, data)

    def _version(self, archive: str, state: dict[str, list[str]]) -> dict[str, Any]:
        return {
            "created": self.time,
            "message": f"exported by Longplay {self.software}",
            "user": {"name": archive, "address": self.address},
            "state": state,
        }

    def _documents(self, item: Item, digest: str) -> dict[str, bytes]:
        told = premis.render(item, self.software)
        about = mets.render(item, self.software, digest, told, hashlib.sha512(told).hexdigest())
        return {names.PREMIS: told, names.METS: about}


def object_path(identity: str) -> str:
    """Where an object lies below its storage root (extension 0003)."""
    digest = hashlib.sha256(identity.encode()).hexdigest()
    encoded = re.sub(rb"[^A-Za-z0-9_-]", lambda sign: b"%%%02x" % ord(sign[0]), identity.encode())
    return f"{digest[:2]}/{digest[2:4]}/{encoded.decode()}"


def _state(item: Item, digest: str, documents: dict[str, bytes]) -> dict[str, list[str]]:
    """The logical state of a version: digests with the names that have them."""
    state = {digest: [item.name]}
    for name, data in documents.items():
        state.setdefault(hashlib.sha512(data).hexdigest(), []).append(name)
    return state


def _digest_of(inventory: dict[str, Any], item: Item) -> str | None:
    """The SHA-512 of the object's own bytes, by the file that v1 has for them."""
    held = inventory["fixity"]["sha256"].get(item.sha256.hex(), [])
    return next((one for one, at in inventory["manifest"].items() if at == held), None)


def _inventory(place: Path) -> dict[str, Any]:
    """An object's inventory; what a run that was cut short left beside it is put in order."""
    try:
        data = read_bounded(place / INVENTORY, INVENTORY_BYTES)
        inventory: dict[str, Any] = json.loads(data)
        head = int(inventory["head"][1:])
    except (InputError, ValueError, KeyError, TypeError) as error:
        raise ReleaseError(
            "is no OCFL object that an export wrote", where=str(place), hint="name a new folder"
        ) from error
    shutil.rmtree(place / f"v{head + 1}", ignore_errors=True)
    for stray in place.glob(f"inventory.json*{TEMPORARY}"):
        stray.unlink()
    signature, sidecar = _signed_bytes(data), place / SIDECAR
    if not sidecar.exists() or sidecar.read_bytes() != signature:
        write_durably(sidecar, signature)
    return inventory


def _signed(inventory: dict[str, Any]) -> dict[str, bytes]:
    """An inventory and its sidecar, as files."""
    data = json.dumps(inventory, ensure_ascii=False, indent=1).encode() + b"\n"
    return {INVENTORY: data, SIDECAR: _signed_bytes(data)}


def _signed_bytes(data: bytes) -> bytes:
    return f"{hashlib.sha512(data).hexdigest()} {INVENTORY}\n".encode()


def _write_json(path: Path, document: object) -> None:
    write_durably(path, json.dumps(document, indent=1).encode() + b"\n")
