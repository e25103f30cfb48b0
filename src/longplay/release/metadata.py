"""A release's own files: their digests, and the volume that hands the metadata on as a torrent.

These files were just written, so they are read once more; no object is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from longplay.files import write_durably
from longplay.model import BLOCK, ObjectHashes
from longplay.release import assembling, tables
from longplay.release.document import File, Release, Volume
from longplay.release.drafting import LETTERS, Draft
from longplay.torrent import hybrid
from longplay.torrent.merkle import ObjectHasher

ATTRIBUTION, MINING = "ATTRIBUTION.txt", "tdmrep.json"
CRATE, CROISSANT = "ro-crate-metadata.json", "croissant.json"

NAMES = (ATTRIBUTION, CROISSANT, tables.MANIFEST, tables.METADATA, CRATE, MINING)
"""What the volume holds. The members stand in the manifest, too, and `release.json` names the
torrent itself."""

MOST_PIECES = 2_000
"""Pieces that a metadata torrent aims below: some 100 kB of .torrent."""

LONGEST_PIECE = 4 * 2**20
"""Bytes of the longest piece, as of the largest objects."""

READ_BYTES = 2**20
"""Bytes of a file read at once."""


Digests = dict[str, tuple[File, ObjectHashes]]
"""Files of a release, by name."""


def digests(folder: Path, names: Iterable[str], length: int) -> Digests:
    """The hashes of these files, in pieces of `length` bytes."""
    found = {name: _hash(folder / name, length) for name in names}
    return {
        name: (File(name, one.size, one.sha256.hex()), one) for name, one in sorted(found.items())
    }


def piece_length(folder: Path, names: Iterable[str]) -> int:
    """The piece length for a torrent of these files, and of small ones beside them."""
    size = sum((folder / name).stat().st_size for name in names if name in NAMES)
    length = BLOCK
    while length < LONGEST_PIECE and size > MOST_PIECES * length:
        length *= 2
    return length


def write(
    folder: Path, release: Release, archive: str, before: Release | None, found: Digests
) -> Volume:
    """The metadata volume of a release in `folder`, which supersedes that of the one `before`."""
    name = f"{archive}-s{release.stage}-{LETTERS['metadata']}{release.sequence:04}"
    chosen = sorted((path, one) for path, (_, one) in found.items() if path in NAMES)
    with_bytes = [one for _, one in chosen if one.size]
    length = chosen[0][1].piece_length
    metainfo = hybrid.assemble(
        name,
        length,
        hybrid.Files(
            paths=[path.encode() for path, _ in chosen],
            sizes=[one.size for _, one in chosen],
            roots=[one.root for _, one in chosen],
            piece_layers=memoryview(b"".join(one.piece_layer for _, one in chosen)),
            v1_pieces=memoryview(b"".join(one.v1_pieces for _, one in chosen)),
            v1_last_bare=with_bytes[-1].v1_last_bare,
        ),
    )
    write_durably(folder / f"{name}.torrent", metainfo.data)
    last = before.metadata if before else None
    draft = Draft(
        name=name,
        folder=name,
        kind="metadata",
        number=release.sequence,
        rows=np.empty(0, np.int64),
        paths=pa.array([], pa.string()),
        supersedes=last.name if last else None,
    )
    return assembling.volume(draft, release.name, metainfo, length, objects=len(chosen))


def _hash(path: Path, piece_length: int) -> ObjectHashes:
    hasher = ObjectHasher(piece_length)
    with path.open("rb") as source:
        while data := source.read(READ_BYTES):
            hasher.update(data)
    return hasher.finish()
