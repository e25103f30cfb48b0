"""Look-up files: what is found, and what damage does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from longplay.catalogue import lookup
from longplay.errors import ArchiveError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    hashes = np.sort(np.random.default_rng(5).integers(1, 2**64, 500, np.uint64))
    found = tmp_path / "tr.lookup"
    lookup.write(found, 500, [(hashes, np.arange(500, dtype=np.uint32))])
    return found


def test_every_entry_is_found(path: Path) -> None:
    hashes = np.sort(np.random.default_rng(5).integers(1, 2**64, 500, np.uint64))
    places, documents = lookup.Lookup.open(path).find(hashes)
    assert set(zip(range(500), range(500), strict=True)) <= set(
        zip(places.tolist(), documents.tolist(), strict=True)
    )


def test_no_damage_reads_outside_of_the_file(path: Path) -> None:
    whole = path.read_bytes()
    hashes = np.random.default_rng(5).integers(1, 2**64, 500, np.uint64)
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x7F]) + whole[at + 1 :])
        try:
            lookup.Lookup.open(path).find(hashes)
        except ArchiveError as error:
            assert "longplay rebuild" in str(error)
