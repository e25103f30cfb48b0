"""A capture from web servers that limit, fail and break off: bytes fetched against bytes needed.

What: some hundred files of real sound, tagged so that no two are equal, behind nginx on three
loopback addresses (three hosts), captured by `longplay capture` through the command line. Every
host allows so many requests a second (more get 429), answers some with 503 and `Retry-After`, hangs
up on some, and loses its worker process every few seconds, which breaks off whatever is being sent;
the third host is down for the first seconds. One file is listed with a wrong checksum, one is not
there, one is a web page with status 200. From nginx's own log: bytes sent, requests in the fullest
second, connections at a time, per host, beside what the source was told to keep to.

    python -m benchmarks.http_capture [--files 200] [--audio FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mutagen

from benchmarks.data import AUDIO

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
PER_SECOND, CONNECTIONS = 8, 2
LARGEST = 2_000_000
"""Bytes of the files taken: many requests matter here, not long ones."""

SPEED = 4_000_000
"""Bytes a second that nginx gives one connection."""

DOWN_SECONDS, KILL_SECONDS = 20.0, 4.0

CONF = """
daemon off; worker_processes 1; pid {folder}/pid-{host}; error_log /dev/null crit;
events {{ worker_connections 64; }}
http {{
    log_format facts '$msec $request_time $status $body_bytes_sent $request_uri';
    access_log {folder}/{host}.log facts;
    types {{ audio/ogg ogg opus; audio/flac flac; audio/mpeg mp3; text/html html; }}
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    limit_req_zone $server_port zone=requests:1m rate={rate}r/s;
    limit_req_status 429;
    split_clients "$request_id" $fault {{ 3% busy; 3% hang; * ""; }}
    server {{
        listen {host}:{port};
        root {folder}/www;
        limit_rate {speed};
        limit_req zone=requests burst=4 nodelay;
        location = /robots.txt {{ return 404; }}
        location = /page.ogg {{ default_type text/html; return 200 "<html>Please log in</html>"; }}
        location / {{
            if ($fault = busy) {{ add_header Retry-After 1 always; return 503; }}
            if ($fault = hang) {{ return 444; }}
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Request:
    start: float
    end: float
    status: int
    bytes: int
    path: str


def make_files(audio: Path, folder: Path, count: int) -> list[Path]:
    """Real files, each with a comment of its own, so that all objects differ."""
    kinds = (".ogg", ".opus", ".flac", ".mp3")
    found = [p for p in sorted(audio.iterdir()) if p.suffix in kinds]
    found = [
        p for p in found if p.stat().st_size <= LARGEST and p.name.split("__")[0] != "flactest"
    ]
    made = []
    for number in range(count):
        source = found[number % len(found)]
        target = folder / f"{number:04}{source.suffix}"
        shutil.copyfile(source, target)
        tagged = mutagen.File(target, easy=True)
        tagged["title"] = f"Number {number}"
        tagged.save()
        made.append(target)
    return made


def write_list(path: Path, files: list[Path], port: int) -> None:
    with path.open("w") as out:
        rows = csv.writer(out)
        rows.writerow(["url", "artist", "title", "bytes", "checksum", "listens", "rights"])
        for number, file in enumerate(files):
            data = file.read_bytes()
            digest = hashlib.sha256(data).hexdigest() if number else "0" * 64
            url = f"http://{HOSTS[number % 3]}:{port}/{file.name}"
            row = ["Ann", f"Number {number}", len(data), digest, len(files) - number, "CC0"]
            rows.writerow([url, *row])
        for name in ("missing.ogg", "page.ogg"):
            rows.writerow([f"http://{HOSTS[0]}:{port}/{name}", "Ann", name, "", "", 1, "CC0"])


@contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    """nginx on each host; the last one comes late. A worker is killed now and then."""
    ended = threading.Event()
    running: list[subprocess.Popen[bytes]] = []
    for host in HOSTS:
        conf = CONF.format(
            folder=folder, host=host, port=port, rate=PER_SECOND, speed=SPEED
        )  # fmt: skip
        (folder / f"{host}.conf").write_text(conf)

    def start(host: str) -> None:
        command = ["nginx", "-p", str(folder), "-c", str(folder / f"{host}.conf")]
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))

    def disturb() -> None:
        begun, at = time.monotonic(), 0
        while not ended.wait(KILL_SECONDS / len(HOSTS)):
            if len(running) < len(HOSTS) and time.monotonic() - begun > DOWN_SECONDS:
                start(HOSTS[2])
            master = running[at % len(running)].pid
            at += 1
            children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
            for child in children:
                os.kill(int(child), signal.SIGKILL)

    start(HOSTS[0])
    start(HOSTS[1])
    thread = threading.Thread(target=disturb, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for process in running:
            process.terminate()
            process.wait(10)


def requests(log: Path) -> list[Request]:
    found = []
    for line in log.read_text().splitlines():
        end, took, status, size, path = line.split(" ", 4)
        moment = float(end)
        found.append(Request(moment - float(took), moment, int(status), int(size), path))
    return found


def fullest_second(starts: list[float]) -> int:
    """The most requests that began within any second."""
    starts = sorted(starts)
    first = most = 0
    for last, start in enumerate(starts):
        while start - starts[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def most_at_once(found: list[Request]) -> int:
    edges = sorted([(one.start, 1) for one in found] + [(one.end, -1) for one in found])
    count = most = 0
    for _, step in edges:
        count += step
        most = max(most, count)
    return most


def run(*words: object, archive: Path) -> dict[str, object]:
    environment = {**os.environ, "LONGPLAY_ARCHIVE": str(archive)}
    done = subprocess.run(
        [sys.executable, "-m", "longplay", *map(str, words), "--json"],
        stdout=subprocess.PIPE, text=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(done.stdout)
    return dict(json.loads(done.stdout)) if done.stdout.startswith("{") else {}


def measure(folder: Path, audio: Path, count: int) -> None:
    www = folder / "www"
    www.mkdir(mode=0o755)
    folder.chmod(0o755)
    files = make_files(audio, www, count)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    write_list(folder / "list.csv", files, port)
    archive = folder / "archive"
    run("init", archive, archive=archive)
    limits = ["--private", "--per-second", PER_SECOND, "--connections", CONNECTIONS]
    run("source", "add", "web", "http", folder / "list.csv", "--rights", "personal", *limits,
        archive=archive)  # fmt: skip
    run("source", "refresh", archive=archive)
    run("plan", archive=archive)
    totals: Counter[str] = Counter()
    runs, started = 0, time.monotonic()
    with serving(folder, port):
        while runs < 10:
            found = run("capture", archive=archive)
            runs += 1
            totals.update({k: v for k, v in found.items() if isinstance(v, int)})
            if not found["failed"]:
                break
    wall = time.monotonic() - started
    report(folder, files, totals, found, runs, wall)


def report(
    folder: Path,
    files: list[Path],
    totals: Counter[str],
    last: dict[str, object],
    runs: int,
    wall: float,
) -> None:
    needed = sum(file.stat().st_size for file in files)
    logs = {host: requests(folder / f"{host}.log") for host in HOSTS}
    sent = sum(one.bytes for found in logs.values() for one in found if one.status in (200, 206))
    print(f"{len(files)} files, {needed / 1e6:.1f} MB, on three hosts; {runs} runs, {wall:.1f} s")
    print(f"  ends with {last['captured']} captured and {last['already_held']} held before,"
          f" {last['quarantined']} quarantined, {last['failed']} failed")  # fmt: skip
    print(
        f"  bytes needed {needed:,}; told by nginx as sent {sent:,} ({sent / needed:.3f} of them)"
    )
    print(f"  our own count: fetched {totals['fetched']:,} ({totals['fetched'] / needed:.3f}),"
          f" again {totals['again']:,}, hashed a second time {totals['rehashed']:,}")  # fmt: skip
    for host, found in logs.items():
        kinds = Counter(one.status for one in found)
        words = ", ".join(f"{status}: {count}" for status, count in sorted(kinds.items()))
        fullest = fullest_second([one.start for one in found])
        print(f"  {host}: {len(found)} requests ({words}); fullest second {fullest} of"
              f" {PER_SECOND} allowed, {most_at_once(found)} at once of {CONNECTIONS}")  # fmt: skip
    by_path: dict[str, int] = defaultdict(int)
    for found in logs.values():
        for one in found:
            by_path[one.path] += one.status in (200, 206)
    print(f"  answers with bytes per file: {sum(by_path.values()) / len(files):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--audio", type=Path, default=AUDIO)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="longplay-bench-") as folder:
        measure(Path(folder), options.audio, options.files)


if __name__ == "__main__":
    main()
