"""Torrents from stored hashes: each draft becomes a .torrent file and a volume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from longplay.files import write_durably
from longplay.release import hashes
from longplay.release.document import Volume
from longplay.release.drafting import Draft, Held
from longplay.torrent import hybrid, merkle

Job = tuple[Draft, str, Path]
"""A volume to be written, the name of its release, and the folder that it comes into."""


def write(held: Held, jobs: Sequence[Job], files: Sequence[Path], scratch: Path) -> list[Volume]:
    """Assemble each volume's torrent from the hashes in files of evidence, which are read once.
    While one is written and synced, the next is made. Raises ReleaseError, StoreError."""
    volumes: list[Volume] = []
    windows = list(_windows(held, jobs))
    wanted = [held.wanted(np.concatenate([draft.rows for draft, _, _ in jobs])) for jobs in windows]
    with ThreadPoolExecutor(1) as writer:
        pending: Future[Any] = writer.submit(int)
        for window, gathered in zip(
            windows, hashes.gather(wanted, files, scratch) if windows else (), strict=True
        ):
            start = 0
            for draft, release, folder in window:
                metainfo = _assemble(held, draft, gathered, start)
                start += len(draft.rows)
                pending.result()
                pending = writer.submit(
                    write_durably, folder / f"{draft.name}.torrent", metainfo.data
                )
                piece_length = int(held.piece_lengths[draft.rows[0]])
                volumes.append(volume(draft, release, metainfo, piece_length, len(draft.rows)))
        pending.result()
    return volumes


def volume(
    draft: Draft, release: str, metainfo: hybrid.Metainfo, piece_length: int, objects: int
) -> Volume:
    """What is said of a torrent that was made."""
    magnet_v2, magnet = hybrid.magnets(metainfo, draft.folder)
    return Volume(
        name=draft.name,
        number=draft.number,
        release=release,
        torrent=f"{release}/{draft.name}.torrent",
        info_hash_v1=metainfo.info_hash_v1.hex(),
        info_hash_v2=metainfo.info_hash_v2.hex(),
        magnet_v2=magnet_v2,
        magnet=magnet,
        objects=objects,
        bytes=metainfo.bytes,
        padding=metainfo.padding,
        piece_length=piece_length,
        supersedes=draft.supersedes,
        kind=draft.kind,
    )


def _windows(held: Held, jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Volumes whose hashes are gathered at once."""
    window: list[Job] = []
    total = 0
    for job in jobs:
        weight = int(hashes.weights(held.wanted(job[0].rows)).sum())
        if window and total + weight > hashes.WINDOW_BYTES:
            yield window
            window, total = [], 0
        window.append(job)
        total += weight
    if window:
        yield window


def _assemble(held: Held, draft: Draft, gathered: hashes.Gathered, start: int) -> hybrid.Metainfo:
    stop = start + len(draft.rows)
    sizes = held.sizes[draft.rows]
    roots = held.roots[draft.rows].tobytes()
    with_bytes = np.flatnonzero(sizes)
    files = hybrid.Files(
        paths=draft.paths.cast(pa.binary()).to_pylist(),
        sizes=sizes.tolist(),
        roots=[roots[at : at + merkle.DIGEST] for at in range(0, len(roots), merkle.DIGEST)],
        piece_layers=gathered.piece_layers(start, stop),
        v1_pieces=gathered.v1_pieces(start, stop),
        v1_last_bare=gathered.last_bare(start + int(with_bytes[-1])) if len(with_bytes) else b"",
    )
    return hybrid.assemble(draft.folder, int(held.piece_lengths[draft.rows[0]]), files)
