"""`export bagit|ocfl|premis`: an archive's objects as packages that other archives read.

An export is brought to the archive's state: what is missing is written, what has changed is
written anew, what no longer belongs is removed. So a stopped one goes on when it is repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

from longplay import __version__, clock
from longplay.archive import Archive
from longplay.errors import IntegrityFoundError, ReleaseError, StoreError, UsageError
from longplay.files import durable, require_free
from longplay.ledger import claims, pages, queries
from longplay.release.packages import folder
from longplay.release.packages.bagit import Bag
from longplay.release.packages.folder import Purpose, Roots
from longplay.release.packages.item import Item
from longplay.release.packages.loose import Documents
from longplay.release.packages.ocfl import StorageRoot
from longplay.release.packages.written import Written
from longplay.rights.statements import Act
from longplay.workflows import rights
from longplay.workflows.package_facts import Gatherer, Judged

Format = Literal["bagit", "ocfl", "premis"]

THREADS = 8
"""Packages written at once: most of the time is waiting for the disk to have them."""

WINDOW = 64
"""Packages that are under way before the first of them is looked at."""


@dataclass(slots=True)
class Exported:
    """What an export did. `objects` and `bytes` are what it holds now; `damaged` and `missing` are
    objects that the store no longer has whole, `lost_evidence` files whose facts could not be told;
    `withheld` counts what `--open` left out."""

    directory: str
    format: Format
    objects: int = 0
    bytes: int = 0
    written: int = 0
    removed: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    damaged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    lost_evidence: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether all that is held could be exported, with all that is known of it."""
        return not (self.damaged or self.missing or self.lost_evidence)

    def document(self) -> dict[str, Any]:
        """As `export --json` prints it."""
        return {
            "directory": self.directory,
            "format": self.format,
            "objects": self.objects,
            "bytes": self.bytes,
            "written": self.written,
            "unchanged": self.objects - self.written,
            "removed": self.removed,
            "withheld": dict(sorted(self.withheld.items())),
            "damaged": self.damaged,
            "missing": self.missing,
            "lost_evidence": self.lost_evidence,
            "seconds": round(self.seconds, 3),
        }


def export(
    archive: Archive,
    place: Path,
    form: Format,
    *,
    only_open: bool,
    progress: Callable[[int, int, str], None],
) -> Exported:
    """Write every object of the archive, or with `only_open` what may be released, below `place`.

    Raises UsageError for a folder inside the archive or around it, ReleaseError for one that holds
    something else, LockedError.
    """
    started = clock.monotonic()
    _check_place(archive, place)
    rights.catch_up(archive)
    done = Exported(str(place), form)
    with archive.places.sharing(), archive.ledger.read() as connection:
        identity = pages.first_hash(connection).hex()
        count, size = queries.count_objects(connection)
        is_new = not place.exists() or not any(place.iterdir())
        with folder.claimed(place, Purpose(form, identity, only_open)):
            if is_new and form != "premis" and not only_open:
                require_free(place, size)
            target = _target(form, place, archive.settings.name, identity)
            target.begin()
            run = _Run(archive, target, done, lambda number: progress(number, count, "objects"))
            gatherer = Gatherer(archive, connection, only_open)
            done.lost_evidence = gatherer.lost_evidence
            run.write(gatherer.everything(), only_open)
    done.seconds = clock.monotonic() - started
    return done


Target = Bag | StorageRoot | Documents


def _target(form: Format, place: Path, name: str, identity: str) -> Target:
    if form == "bagit":
        return Bag(place, __version__, clock.timestamp()[:10], name)
    if form == "ocfl":
        return StorageRoot(place, __version__, identity, clock.timestamp())
    return Documents(place, __version__)


class _Run:
    """One run of an export: what is looked at, what belongs, what could not be had."""

    def __init__(
        self, archive: Archive, target: Target, done: Exported, progress: Callable[[int], None]
    ) -> None:
        self.archive = archive
        self.target = target
        self.done = done
        self.progress = progress
        self.belongs = Roots()
        self.seen = 0

    def write(self, judged: Iterator[list[Judged]], only_open: bool) -> None:
        """Write all packages, then remove what does not belong, then finish."""
        begun = self._newest_decision()
        with ExitStack() as stack:
            manifest = stack.enter_context(self._manifest())
            pool = stack.enter_context(ThreadPoolExecutor(THREADS))
            items = (one for page in judged for one in self._permitted(page, only_open))
            while window := list(islice(items, WINDOW)):
                for item, result in zip(window, pool.map(self._put, window), strict=True):
                    self._note(item, result, manifest)
            if only_open and self._newest_decision() != begun:
                raise ReleaseError("a claim was decided meanwhile", hint="run the command again")
        self.done.removed = self.target.finish(self.belongs)

    def _manifest(self) -> Any:
        """A bag's manifest, which gets its name when all is in it."""
        return durable(self.target.manifest()) if isinstance(self.target, Bag) else _nothing()

    def _permitted(self, page: Sequence[Judged], only_open: bool) -> Iterator[Item]:
        newest = self._newest_decision() if only_open else 0
        for one in page:
            self.seen += 1
            if one.refusal is not None:
                self.done.withheld[one.refusal.reason] += 1
                continue
            if only_open:
                if one.item.leave is None:
                    raise ReleaseError("has no leave to be released", where=one.item.id)
                one.item.leave.require(Act.RELEASE, newest)
            yield one.item
        self.progress(self.seen)

    def _newest_decision(self) -> int:
        with self.archive.ledger.read() as connection:
            return claims.position(connection)

    def _put(self, item: Item) -> Written | IntegrityFoundError | StoreError:
        def opened() -> BinaryIO:
            return self.archive.store.open(item.key, item.suffix)

        try:
            return self.target.put(item, opened)
        except (IntegrityFoundError, StoreError) as error:
            return error

    def _note(
        self,
        item: Item,
        result: Written | IntegrityFoundError | StoreError,
        manifest: IO[bytes] | None,
    ) -> None:
        if isinstance(result, Written):
            self.belongs.add(item.key.root)
            self.done.objects += 1
            self.done.bytes += item.key.size
            self.done.written += result.fresh
            if manifest is not None and isinstance(self.target, Bag):
                self.target.enlist(item, result, manifest)
        elif isinstance(result, IntegrityFoundError):
            self.done.damaged.append(item.key.hex)
        elif self._is_stored(item.key.root):
            self.done.missing.append(item.key.hex)

    def _is_stored(self, root: bytes) -> bool:
        """Whether the object should be there: it may have been forgotten since we began."""
        with self.archive.ledger.read() as connection:
            return pages.is_stored(connection, root)


@contextmanager
def _nothing() -> Iterator[None]:
    yield None


def _check_place(archive: Archive, place: Path) -> None:
    inner, outer = place.resolve(), archive.folder.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise UsageError(
            "an export and its archive cannot lie in each other",
            where=str(place),
            hint="name a folder elsewhere",
        )
