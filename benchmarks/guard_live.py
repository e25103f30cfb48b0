"""The guard beside a service that runs: `python -m benchmarks.guard_live`.

An archive is served by four workers to 200 simulated listeners and 20 scrapers, each with an
account and an API key of its own: first without a guard, then with `longplay guard run` beside it.
Everything is asked for over HTTP, half of the scrapers through OpenSubsonic and half through the
JSON API. Minutes of it are run, at the speed of the clock. Listeners, and scrapers that take days
to be noticed, have their days before in the access log: slow scrapers are run from the track on by
which the guard, asked beforehand, would decide (`guard_live_traffic`). Scrapers that take seconds
begin with nothing. The library's sound is zeros, 4 MB a track.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.access_library import SOURCE, make
from benchmarks.guard import LOG as PEOPLE
from benchmarks.guard_live_traffic import Account, Charts, charts, listeners, scrapers, write_past
from benchmarks.guard_traffic import Kit, lengths, people
from benchmarks.served import BY, HOST, free_port, running, serve
from longplay.access.log import FILE
from longplay.access.people import accounts
from longplay.access.people.opening import open_people
from longplay.archive import Archive, open_archive
from longplay.guard import record
from longplay.guard import running as guarding
from longplay.guard.baseline import Baseline
from longplay.guard.judging import Accounts
from longplay.guard.record import Act
from longplay.guard.watching import load as load_state
from longplay.ledger.record import replace_statements
from longplay.model import ObjectKey, Statement

PIECE = 128 * 1024
"""Bytes of a range, as players ask for them."""

RATE = 20_000
"""Bytes a second that a listener takes: the library's 160 kbit/s."""

GIVE_UP = 3
"""Refusals after which a scraper takes its account for lost."""

AGAIN_SECONDS = 2.0
"""What it waits after one."""

LOOK_SECONDS = 0.05
"""How often it is looked whether the guard has decided something."""


@dataclass
class Got:
    """What one account met: when tracks were had and when it was refused, in seconds since
    the clients began, and how."""

    tracks: list[float] = field(default_factory=list)
    bytes: list[tuple[float, int]] = field(default_factory=list)
    refusals: list[tuple[float, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)


class Connection:
    """One that stays open; an answer's bytes are counted as they come."""

    def __init__(self, port: int, key: str, began: float, got: Got, *, rest: bool) -> None:
        self._port, self._key, self._began, self._got, self._rest = port, key, began, got, rest
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def sound(self, track: str, first: int = 0, size: int = 0) -> bool:
        """Ask for a track, or for a range of it; whether it came."""
        wanted = f"Range: bytes={first}-{first + size - 1}\r\n" if size else ""
        if self._rest:
            path = f"/rest/stream?id={track}&apiKey={self._key}&v=1.16.1&c=live&f=json"
        else:
            path, wanted = f"/api/recordings/{track}/stream", self._proof() + wanted
        return await self.ask(path, wanted, sound=True)

    def _proof(self) -> str:
        return f"Authorization: Bearer {self._key}\r\n"

    async def ask(self, path: str, headers: str = "", *, sound: bool = False) -> bool:
        """Whether the answer is what was asked for."""
        got = self._got
        if self._ends is not None and self._ends[0].at_eof():
            self.close()  # by the server: nothing was asked for a long time
        try:
            if self._ends is None:
                self._ends = await asyncio.open_connection(HOST, self._port, limit=2**20)
            reader, writer = self._ends
            asked = time.monotonic()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
            async with asyncio.timeout(30):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            got.first_bytes.append(time.monotonic() - asked)
            status = head.split(" ", 2)[1]
            left = int(head.split("content-length: ")[1].split("\r\n")[0])
            if sound and "content-type: audio" in head:
                while left:
                    data = await reader.read(min(left, 2**18))
                    if not data:
                        raise ConnectionError("ended early")
                    left -= len(data)
                    got.bytes.append((time.monotonic() - self._began, len(data)))
                return True
            body = await reader.readexactly(left)
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError) as error:
            got.errors.append(repr(error)[:200])
            self.close()
            return False
        if not sound and status == "200":
            return True
        code = body.partition(b'"code":')[2].partition(b",")[0].decode().strip(' "}')
        got.refusals.append((time.monotonic() - self._began, f"{status} {code}"))
        return False

    def close(self) -> None:
        """Let go of it."""
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None


async def listen(one: Account, line: Connection, until: float, got: Got) -> None:
    """Track after track by ranges, at the pace of music; one in four is skipped soon."""
    chance = random.Random()
    await asyncio.sleep(chance.random() * PIECE / RATE)
    while time.monotonic() < until:
        await line.ask(
            f"/rest/getAlbumList2?type=random&size=20&apiKey={line._key}&v=1.16.1&c=live&f=json"
        )
        track, at = chance.choice(one.tracks), 0
        end = chance.randrange(1, 3) * PIECE if chance.random() < 0.25 else 4_000_000
        while at < end and time.monotonic() < until:
            asked = time.monotonic()
            if not await line.sound(track, at, PIECE):
                break
            at += PIECE
            await asyncio.sleep(max(0.0, PIECE / RATE - (time.monotonic() - asked)))
        if at >= end:
            got.tracks.append(time.monotonic())
    line.close()


async def copy(one: Account, line: Connection, began: float, until: float, got: Got) -> None:
    """One track after the other, by the account's list and gaps."""
    for at, track in enumerate(one.tracks):
        asked = time.monotonic()
        if asked >= until or len(got.refusals) >= GIVE_UP:
            break
        if await line.sound(track):
            got.tracks.append(time.monotonic() - began)
            pause = one.gaps[min(at, len(one.gaps) - 1)]
        else:
            pause = AGAIN_SECONDS
        rest = min(pause - (time.monotonic() - asked), until - time.monotonic())
        await asyncio.sleep(max(rest, 0.0))
    line.close()


def acted_on(archive: Path) -> dict[str, Any]:
    """What the guard decided that has consequences."""
    found = record.load(record.path_of(archive)).decisions
    return {who: made for who, made in found.items() if made.act is not Act.OBSERVE}


async def everybody(
    port: int, keys: list[str], some: list[Account], seconds: float, archive: Path
) -> tuple[list[Got], dict[str, tuple[float, Any]]]:
    """All of them at once; and what the guard decided, and when that was seen."""
    began = time.monotonic()
    until, all_got = began + seconds, [Got() for _ in some]
    tasks = []
    for number, (one, key, got) in enumerate(zip(some, keys, all_got, strict=True)):
        line = Connection(port, key, began, got, rest=number % 2 == 0)
        work = copy(one, line, began, until, got) if one.copies else listen(one, line, until, got)
        tasks.append(asyncio.create_task(work))
    seen: dict[str, tuple[float, Any]] = {}
    while time.monotonic() < until:
        for who, made in acted_on(archive).items():
            seen.setdefault(who, (time.monotonic() - began, made))
        await asyncio.sleep(LOOK_SECONDS)
    _, late = await asyncio.wait(tasks, timeout=5)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return all_got, seen


def prepared(folder: Path, tracks: int, many: int) -> tuple[Archive, list[str]]:
    """A library whose sound is there, and the API keys of its accounts, the first of which has the
    number 1. One that was made for as many is used again."""
    known = folder / f"keys-{tracks}-{many}.json"
    if known.exists():
        shutil.rmtree(folder / "archive" / record.FOLDER, ignore_errors=True)
        return open_archive(folder / "archive"), json.loads(known.read_text())
    shutil.rmtree(folder, ignore_errors=True)
    archive = make(folder / "archive", tracks)
    with archive.ledger.write() as connection:
        replace_statements(connection, SOURCE, [Statement(f"source:{SOURCE}", BY, "made up")])
        rows = connection.exec_driver_sql("SELECT root, size, suffix FROM object").all()
    for root, size, suffix in rows:
        path = archive.store.local(ObjectKey(root, size), suffix)
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
    with open_people(archive) as persons:
        added = [accounts.add(persons, f"ear{at}", "member") for at in range(many)]
    assert [one.account.id for one in added] == list(range(1, many + 1))
    keys = [one.api_key for one in added]
    known.write_text(json.dumps(keys))
    return archive, keys


def cpu_seconds(process: int) -> float:
    """What a process used of the CPU."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def guarded(archive: Path, lines: int, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The guard's process, from when it has read the days before."""
    command = [sys.executable, "-m", "longplay", "guard", "run", "--archive", str(archive)]
    with said.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    picture = archive / record.FOLDER / guarding.PICTURE
    try:
        while not picture.exists() or json.loads(picture.read_text())["events"] < lines:
            if process.poll() is not None:
                raise SystemExit(said.read_text())
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def logged(archive: Path) -> int:
    """Lines of the access log."""
    return sum(path.read_bytes().count(b"\n") for path in archive.glob(f"{FILE}*"))


def percentiles(some: list[Got]) -> dict[str, float]:
    """Of the milliseconds to the first byte."""
    found = np.array([first for got in some for first in got.first_bytes] or [0.0]) * 1000
    return {f"p{at}": round(float(np.percentile(found, at)), 1) for at in (50, 95, 99, 100)}


def of_listeners(some: list[Account], all_got: list[Got]) -> dict[str, Any]:
    """How listeners fared."""
    theirs = [got for one, got in zip(some, all_got, strict=True) if not one.copies]
    return {
        "listeners": len(theirs),
        "answers": sum(len(got.first_bytes) for got in theirs),
        "refused": sum(bool(got.refusals) for got in theirs),
        "errors": sum(len(got.errors) for got in theirs),
        "kinds": Counter(error for got in theirs for error in got.errors).most_common(3),
        "first_byte_ms": percentiles(theirs),
    }


def of_scraper(
    number: int, one: Account, got: Got, seen: dict[str, tuple[float, Any]], early: set[str]
) -> dict[str, Any]:
    """How one scraper fared. Times are seconds since the clients began; `tracks` is all that it got
    in its days before and now. Who was decided about in the days before got no more than by then:
    there was no guard to stop it, so those tracks are left out."""
    who = f"account:{number}"
    past = len(np.unique(one.past["track"]))
    found = seen.get(who)
    told: dict[str, Any] = {"kind": one.kind, "before": past, "now": len(got.tracks)}
    told["tracks"] = past + len(got.tracks)
    if found is not None:
        at, made = found
        if who in early:
            told["tracks"] = made.tracks + len(got.tracks)
        told |= {"decided_s": round(at, 1), "probability": round(made.probability, 3)}
        told |= {"tracks_judged": made.tracks, "why": made.reasons[0]}
        judged = made.tracks - past
        if who not in early and 0 < judged <= len(got.tracks):
            told["decided_after_that_track_s"] = round(at - got.tracks[judged - 1], 1)
        told["tracks_after"] = sum(when > at for when in got.tracks)
        later = [size for when, size in got.bytes if when > at]
        told["MB_after"] = round(sum(later) / 1e6, 1)
    if got.refusals:
        when, how = got.refusals[0]
        told |= {"refused_s": round(when, 1), "how": how}
        if found is not None and who not in early:
            told["refused_after_decision_s"] = round(when - found[0], 2)
    if got.errors:
        told["errors"] = got.errors[:2]
    return told


def run(options: Any) -> Iterator[tuple[str, Any]]:
    """The figures, as they come."""
    crowd = people(PEOPLE)
    kit = Kit(crowd, lengths(crowd), np.random.default_rng(options.seed))
    held: Charts = charts(options.tracks)
    many = options.listeners + 20
    folder: Path = options.folder.resolve()
    archive, keys = prepared(folder, options.tracks, many)
    archive.ledger.close()
    some = [*listeners(held, kit, options.listeners)]
    settings = archive.folder / "longplay.toml"
    before = settings.read_text().partition("\n[guard]")[0]
    settings.write_text(f'{before}\n[guard]\nact = "{options.act}"\n')
    for name, copying, seconds in (
        ("listeners alone, no guard", False, options.off),
        ("with scrapers, no guard", True, options.off),
        ("with scrapers and guard", True, options.seconds),
    ):
        port, guard = free_port(), name.endswith("and guard")
        for old in archive.folder.glob(f"{FILE}*"):
            old.unlink()
        now = [*some, *(scrapers(held, kit) if copying else ())]
        if not guard:
            with running(serve(archive.folder, port, options.workers), port):
                warmed(port, keys[0])
                got, _ = asyncio.run(
                    everybody(port, keys[: len(now)], now, seconds, archive.folder)
                )
            yield name, of_listeners(now, got)
            taken = [
                len(one.tracks) for account, one in zip(now, got, strict=True) if account.copies
            ]
            yield "scrapers took", taken
            continue
        yield from with_guard(archive.folder, port, keys, now, held, options)


def warmed(port: int, key: str) -> None:
    """Wait until the library is read: that is not what is measured."""
    got = Got()
    line = Connection(port, key, time.monotonic(), got, rest=True)
    path = f"/rest/getAlbumList2?type=random&size=20&apiKey={key}&v=1.16.1&c=live&f=json"

    async def ask() -> None:
        for _ in range(600):
            if await line.ask(path):
                break
            await asyncio.sleep(0.1)
        line.close()

    for _ in range(12):
        asyncio.run(ask())


def with_guard(
    archive: Path, port: int, keys: list[str], now: list[Account], held: Charts, options: Any
) -> Iterator[tuple[str, Any]]:
    """The same, watched over."""
    lines = write_past(archive / FILE, now, held)
    with guarded(archive, lines, archive.parent / "guard.out") as guard:
        before = cpu_seconds(guard.pid)
        early = {*acted_on(archive)}
        with running(serve(archive, port, options.workers), port):
            warmed(port, keys[0])
            started, begun = cpu_seconds(guard.pid), logged(archive)
            got, seen = asyncio.run(everybody(port, keys, now, options.seconds, archive))
            used, written = cpu_seconds(guard.pid) - started, logged(archive) - begun
    requests = sum(len(one.first_bytes) for one in got)
    yield "with scrapers and guard", of_listeners(now, got)
    first = options.listeners + 1
    fates = [
        of_scraper(number, one, mine, seen, early)
        for number, (one, mine) in enumerate(zip(now, got, strict=True), 1)
        if one.copies
    ]
    for fate in fates:
        yield "scraper", fate
    listening = {f"account:{number}" for number in range(1, first)}
    yield (
        "decided",
        {
            "scrapers": sum(f"account:{at}" in seen for at in range(first, len(now) + 1)),
            "of": len(fates),
            "refused": sum("refused_s" in fate for fate in fates),
            "listeners_decided_about": sorted(listening & {*seen}),
            "decided_from_the_days_before": sorted(early),
        },
    )
    state = load_state(archive / record.FOLDER / record.STATE, Baseline(), 200_000).accounts
    size = sum(getattr(state, name).nbytes for name in Accounts.__slots__)
    yield (
        "guard",
        {
            "lines_before": lines,
            "cpu_s_for_them": round(before, 1),
            "lines_now": written,
            "requests_now": requests,
            "cpu_s_now": round(used, 2),
            "cpu_ms_a_second": round(used / options.seconds * 1000, 1),
            "cpu_us_a_request": round(used / max(requests, 1) * 1e6),
            "state_bytes_an_account": round(size / max(len(state), 1)),
        },
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/longplay-guard-live"))
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--tracks", type=int, default=6000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=215, help="with the guard")
    parser.add_argument("--off", type=float, default=20, help="seconds of each part without it")
    parser.add_argument("--act", default="disable", choices=["slow", "cap", "hold", "disable"])
    parser.add_argument("--seed", type=int, default=17)
    for name, value in run(parser.parse_args()):
        print(f"{name:28} {json.dumps(value)}", flush=True)


if __name__ == "__main__":
    main()
