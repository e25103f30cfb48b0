"""`demo`: a small archive from music that Longplay itself makes; every step, start to end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longplay import clock
from longplay.archive import Archive, add_source, create, open_archive, set_sharing
from longplay.errors import ArchiveError
from longplay.planning import Plan
from longplay.rights.statements import PERSONAL
from longplay.settings import Source
from longplay.workflows import (
    capturing,
    importing,
    mirroring,
    planning,
    publishing,
    releasing,
    rights,
    verifying,
)
from longplay.workflows.demo_music import DemoMusic, write_demo_music
from longplay.workflows.mirroring import Mirrored
from longplay.workflows.releasing import Cut
from longplay.workflows.verifying import Verification

Say = Callable[[str], None]

Serve = Callable[[Path, int], AbstractContextManager[None]]
"""Serves the archive in a folder at a port of the loopback address, as long as its block runs."""

PICTURE = "plan.png"


@dataclass(frozen=True, slots=True)
class DemoStory:
    """What the demo made, step by step."""

    folder: Path
    music: DemoMusic
    imported: importing.ImportReport
    plan: Plan
    captured: capturing.Captured
    cut: Cut
    verified: Verification
    mirrored: Mirrored
    seconds: float

    @property
    def picture(self) -> Path:
        """The picture of the plan."""
        return self.folder / PICTURE

    def document(self) -> dict[str, Any]:
        """As `demo --json` prints it."""
        return {
            "archive": str(self.folder / "archive"),
            "import": self.imported.document(),
            "plan": self.plan.document(),
            "capture": self.captured.document(),
            "release": self.cut.document(),
            "verified": self.verified.checked,
            "mirror": self.mirrored.document(),
            "picture": str(self.picture),
            "seconds": round(self.seconds, 1),
        }

    def figures(self) -> list[tuple[str, object]]:
        """The demo's figures, for people."""
        totals = self.captured.totals
        return [
            ("files of music made", self.music.files),
            ("objects kept", f"{totals.captured} files, {totals.bytes / 1e6:.1f} MB"),
            ("quarantined", totals.quarantined),
            ("share of listens kept", f"{100 * self.captured.share_of_listens:.1f} %"),
            ("no plan could exceed", f"{100 * self.plan.bound:.1f} %"),
            ("share of listens released", f"{100 * self.cut.share_of_listens:.1f} %"),
            ("verified", f"{self.verified.checked} objects, every bit"),
            ("mirrored", f"{self.mirrored.objects} objects, each proved as it came"),
            ("seconds", round(self.seconds)),
            ("picture of the plan", self.picture),
            *(
                (f"torrent of {volume.kind}", self.cut.path(volume))
                for _, volumes in self.cut.fresh()
                for volume in volumes
            ),
            ("see and hear it", f"longplay serve --archive {self.folder / 'archive'}"),
        ]


def run_demo(folder: Path, *, workers: int | None, say: Say, serve: Serve, port: int) -> DemoStory:
    """Make the demo below `folder`. One that is there is gone through again.

    The mirror at its end gets what it keeps from `serve`, at `port` of the loopback address.
    """
    started = clock.monotonic()
    if folder.exists() and any(folder.iterdir()) and not (folder / "archive").is_dir():
        raise ArchiveError(
            "is not empty", where=str(folder), hint="name an empty or a new folder for the demo"
        )
    say("1. Music. Longplay plays some old tunes itself, so that nothing need be downloaded:")
    music = write_demo_music(folder)
    say(
        f"   {music.files} files, {music.seconds / 60:.0f} minutes, {music.bytes / 1e6:.0f} MB,"
        " six formats; among them copies, a damaged file and two that nobody may share."
    )
    place = folder / "archive"
    create(place, secrets=folder / "keys").ledger.close()
    source = Source(
        name="demo",
        kind="folder",
        location=str(music.music.resolve()),
        rights=PERSONAL,
        keep="all",
    )
    add_source(place, source)
    set_sharing(place, **ALONE, address=f"http://127.0.0.1:{port}")
    with open_archive(place) as archive:
        kept = _keep(archive, folder, music, workers, say)
        key = publishing.publish(archive).key
    mirrored = _mirror(folder, key, say, serve, port)
    return DemoStory(folder, music, *kept, mirrored, clock.monotonic() - started)


ALONE: dict[str, str | bool] = {"listen": "127.0.0.1:0", "dht": False}
"""The demo talks to nobody but itself."""


def _mirror(folder: Path, key: str, say: Say, serve: Serve, port: int) -> Mirrored:
    say("7. Hand on. A feed, signed, says what is released; a mirror takes it from there, trusts")
    say("   nothing that it has not proved, and is an archive itself:")
    place = folder / "mirror"
    create(place, secrets=folder / "keys").ledger.close()
    set_sharing(place, **ALONE)
    with serve(folder / "archive", port):
        feed = f"http://127.0.0.1:{port}/releases/feed.json"
        done = mirroring.mirror(place, mirroring.Options(feed, key=key), _quiet)
    say(f"   {done.objects} objects, {done.bytes / 1e6:.1f} MB are in the mirror now.")
    return done


def _keep(
    archive: Archive, folder: Path, music: DemoMusic, workers: int | None, say: Say
) -> tuple[importing.ImportReport, Plan, capturing.Captured, Cut, Verification]:
    rights.record_sources(archive)
    say("2. Catalogue. What exists, from the files' tags; what is listened to, from a table:")
    imported = _import(archive, music, workers)
    found = importing.stats(archive)
    say(f"   {found.recordings} recordings on {found.albums} albums, {music.recordings} on offer.")
    say("3. Plan. What to save first, most listened-to first:")
    plan = planning.plan_archive(archive, None, drawing=folder / PICTURE)
    say(f"   {plan.recordings} recordings, {plan.bytes / 1e6:.1f} MB, would keep "
        f"{100 * plan.share_of_listens:.1f} % of all listens.")  # fmt: skip
    say("4. Capture. Each file is decoded to its end, judged, measured, hashed and stored once:")
    captured = capturing.capture(archive, limit=None, workers=workers, progress=_quiet)
    totals = captured.totals
    say(f"   {totals.captured} captured, {totals.already_held} already held, "
        f"{totals.quarantined} quarantined; {totals.bytes / 1e6:.1f} MB.")  # fmt: skip
    say("5. Release. What may be shared, by stages, as torrents made from stored hashes alone:")
    cut = releasing.cut(archive, stage=None, share=None)
    withheld = ", ".join(f"{count} {reason}" for reason, count in cut.withheld.items())
    say(f"   {len(cut.releases)} releases, each with its metadata, art and audio.")
    say(f"   Kept here and not shared, pictures included: {withheld or 'nothing'}.")
    say("6. Verify. Every object is read again, and the log walked:")
    verified = verifying.verify(archive, progress=_quiet)
    say(f"   {verified.checked} objects: {'whole' if verified.sound else 'something is wrong'}.")
    return imported, plan, captured, cut, verified


def _import(archive: Archive, music: DemoMusic, workers: int | None) -> importing.ImportReport:
    table = importing.Request((str(music.popularity),), "table", name="popularity")
    importing.import_paths(archive, table, progress=_quiet)
    tags = importing.Request((str(music.music),), "tags", name="demo", workers=workers)
    return importing.import_paths(archive, tags, progress=_quiet)


def _quiet(_done: int, _total: int, _words: str) -> None:
    """The demo tells its steps in words."""
