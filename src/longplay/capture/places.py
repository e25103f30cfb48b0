"""Where a capture writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from longplay.ledger.database import Ledger
from longplay.vault.store import FolderStore


@dataclass(frozen=True, slots=True)
class Places:
    """The parts of an archive that a capture fills."""

    ledger: Ledger
    store: FolderStore
    evidence: Path
    quarantine: Path
