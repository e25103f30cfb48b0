"""`release check-webseeds`: whether the addresses that torrents name serve what they should."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from longplay import clock
from longplay.archive import Archive
from longplay.errors import ReleaseError
from longplay.release import probing
from longplay.release.probing import Piece, Prober
from longplay.release.seeding import Volume
from longplay.torrent import metainfo
from longplay.workflows import seeding

MOST_SILENT = 3
"""Volumes in a row for which a seed may be silent before it is asked no more."""

SEED_SECONDS = 600.0
"""Longest time for one seed; the seeds are asked beside each other."""

MOST_AT_ONCE = 8
"""Seeds that are asked beside each other."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A volume that a seed does not serve as it should."""

    volume: str
    path: str
    verdict: str
    why: str


@dataclass(frozen=True, slots=True)
class Seed:
    """What one web seed did: volumes it proved, troubles, and volumes it was not asked for."""

    seed: str
    good: int
    wrong: int
    silent: int
    not_asked: int
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """All web seeds. `empty` counts volumes with nothing in them that may be given out now."""

    volumes: int
    empty: int
    seeds: tuple[Seed, ...]

    @property
    def wrong(self) -> int:
        """Volumes of which some seed served wrong bytes."""
        return sum(seed.wrong for seed in self.seeds)

    @property
    def good(self) -> int:
        """Volumes that were proved, once for each seed."""
        return sum(seed.good for seed in self.seeds)


def check(
    archive: Archive,
    progress: Callable[[int, int, str], None],
    draw: Callable[[int], int] = secrets.randbelow,
) -> Checked:
    """Ask every web seed for one piece of each current volume, of a file that may be given out now.

    Which file and which piece, `draw` says: each check asks for others. Raises ReleaseError when no
    web seed is known, or nothing is released.
    """
    offers = seeding.offered(archive, seeding.Part())
    if not offers:
        raise ReleaseError("nothing is released", hint="cut a release first")
    seeds = list(dict.fromkeys(address for one in offers for address in one.web_seeds))
    if not seeds:
        raise ReleaseError(
            "no web seed is known",
            hint="name sharing.address or sharing.web_seeds in longplay.toml",
        )
    pieces = [(one.name, piece) for one in offers if (piece := _piece(one, draw))]
    done = Counter[str]()

    def ask(seed: str) -> Seed:
        def tell() -> None:
            done[seed] += 1
            progress(done.total(), len(seeds) * len(pieces), "pieces asked for")

        return _ask(seed, pieces, tell)

    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        found = tuple(pool.map(ask, seeds))
    return Checked(len(offers), len(offers) - len(pieces), found)


def _piece(offer: Volume, draw: Callable[[int], int]) -> Piece | None:
    """A piece of a file of a volume, or None where nothing of it may be given out."""
    torrent = metainfo.parse(offer.torrent.read_bytes())
    given = [
        file
        for file in torrent.files
        if file.size and offer.files.get("/".join(file.path)) is not None
    ]
    if not given:
        return None
    return probing.choose(torrent.name, given[draw(len(given))], torrent.piece_length, draw)


def _ask(seed: str, pieces: Sequence[tuple[str, Piece]], tell: Callable[[], None]) -> Seed:
    until = clock.monotonic() + SEED_SECONDS
    counts = Counter[str]()
    troubles = []
    silent = 0
    with Prober(seed) as prober:
        for volume, piece in pieces:
            if silent == MOST_SILENT or clock.monotonic() > until:
                break
            found = prober.ask(piece)
            tell()
            counts[found.verdict] += 1
            silent = silent + 1 if found.verdict == "silent" else 0
            if found.verdict != "good":
                path = "/".join(piece.file.path)
                troubles.append(Trouble(volume, path, found.verdict, found.why))
    return Seed(
        seed,
        counts["good"],
        counts["wrong"],
        counts["silent"],
        len(pieces) - counts.total(),
        tuple(troubles),
    )
