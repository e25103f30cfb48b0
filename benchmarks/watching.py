"""Peak memory of a process with all its children, and peak of disk, sampled while it runs."""

import os
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 0.25
"""Seconds between two samples."""

SHARE_INTERVAL = 10.0
"""Seconds between two samples of what slows the process down."""


def descendants(root: int) -> list[int]:
    """The process and all its children's children."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [root]
    for process in found:
        found += parents.get(process, [])
    return found


def own_memory(process: int) -> int:
    """Bytes of a process's pages that are no file's. Cheap: the kernel keeps count."""
    return _sum(process, "status", ("RssAnon", "RssShmem"))


def shared_memory(process: int) -> int:
    """Bytes of a process: its share of all its pages, also of files (PSS). The kernel walks them
    all for it, and holds the process up meanwhile."""
    return _sum(process, "smaps_rollup", ("Pss",))


def _sum(process: int, file: str, wanted: tuple[str, ...]) -> int:
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:
        return 0
    pairs = (line.partition(":") for line in lines)
    return sum(int(rest.split()[0]) * 1024 for name, _, rest in pairs if name in wanted)


def occupied(folder: Path) -> int:
    """Bytes that the files of a folder take on its disk."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(base) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total


@dataclass
class Watch:
    """Samples a process tree, and the disk that holds `folders`, until it is stopped."""

    process: int
    folders: list[Path]
    pss: int = 0
    own: int = 0
    disk: int = 0
    disk_in_folders: int = 0
    samples: list[tuple[float, int, int]] = field(default_factory=list)

    def __enter__(self) -> "Watch":
        self._stop = threading.Event()
        self._started = self._next_share = time.monotonic()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            processes = descendants(self.process)
            own = sum(map(own_memory, processes))
            self.own = max(self.own, own)
            if time.monotonic() > self._next_share:
                self.pss = max(self.pss, sum(map(shared_memory, processes)))
                self._next_share = time.monotonic() + SHARE_INTERVAL
            self.disk = max(self.disk, shutil.disk_usage(self.folders[0]).used)
            held = sum(occupied(folder) for folder in self.folders)
            self.disk_in_folders = max(self.disk_in_folders, held)
            self.samples.append((round(time.monotonic() - self._started, 2), own, held))
