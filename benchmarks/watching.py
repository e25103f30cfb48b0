"""Peak memory of a process with all its children, and peak of disk, sampled while it runs."""

import os
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 0.25
"""Seconds between two samples."""


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


def memory(process: int) -> tuple[int, int]:
    """Bytes of a process: its share of all pages (PSS), and of those that are no file's."""
    values = {"Pss": 0, "Pss_Anon": 0, "Pss_Shmem": 0}
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in values:
                values[name] = int(rest.split()[0]) * 1024
    except OSError:
        return 0, 0
    return values["Pss"], values["Pss_Anon"] + values["Pss_Shmem"]


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
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            shares = [memory(process) for process in descendants(self.process)]
            pss, own = sum(one for one, _ in shares), sum(one for _, one in shares)
            self.pss, self.own = max(self.pss, pss), max(self.own, own)
            self.disk = max(self.disk, shutil.disk_usage(self.folders[0]).used)
            held = sum(occupied(folder) for folder in self.folders)
            self.disk_in_folders = max(self.disk_in_folders, held)
            self.samples.append((round(time.monotonic() - self._started, 2), own, held))
