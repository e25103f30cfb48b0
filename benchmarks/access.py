"""How fast an archive is served, beside others in the same run: `python -m benchmarks.access`.

A library of generated music is kept, released and served on loopback by one process; nginx (one
worker) has the same files, and Supysonic (one process of its recommended server, in a virtual
environment of its own) the same folder. wrk asks each in turn, round by round, so that whatever
else the machine does meets all of them; the ratio of a pair is the median of its rounds.

tcp_nopush is off in nginx: with it answers of 64 KiB wait 40 ms on loopback.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.served import BY, free_port, get, longplay, running, serve
from longplay.audio.encode import encode
from longplay.model import Tags
from longplay.release.tables import MEMBERS

RATE = 44_100
PEERS = ("supysonic==0.7.9", "gevent")
NAME, PASSWORD = "bench", "bench-word-41"
SIDE = 600
"""Pixels of a cover's sides."""

METADATA = 10.0
"""How many times as fast as Supysonic a call is to be."""

CALLS = {
    "search3": ("search3?query=piece", METADATA),
    "search3, two letters": ("search3?query=pi", METADATA),
    "getAlbumList2 byName": ("getAlbumList2?type=alphabeticalByName&size=50", METADATA),
    "getAlbumList2 newest": ("getAlbumList2?type=newest&size=50", METADATA),
    "getAlbumList2 random": ("getAlbumList2?type=random&size=50", METADATA),
    "getAlbumList2 byGenre": ("getAlbumList2?type=byGenre&genre=Noise&size=50", METADATA),
    "getArtists": ("getArtists?", METADATA),
    "getIndexes": ("getIndexes?", METADATA),
    "getArtist": ("getArtist?id={artist}", METADATA),
    "getAlbum": ("getAlbum?id={album}", METADATA),
    "getSong": ("getSong?id={song}", METADATA),
    "getRandomSongs": ("getRandomSongs?size=50", METADATA),
    "getSongsByGenre": ("getSongsByGenre?genre=Noise&count=50", METADATA),
    "getGenres": ("getGenres?", METADATA),
    "getMusicFolders": ("getMusicFolders?", METADATA),
    "getStarred2": ("getStarred2?", METADATA),
    "getPlaylists": ("getPlaylists?", METADATA),
    "getUser": ("getUser?username=bench", METADATA),
    "ping": ("ping?", METADATA),
    "getCoverArt": ("getCoverArt?id={cover}&size=200", 0.0),
    "stream": ("stream?id={song}", 0.0),
}
"""Calls of the Subsonic API, and their goals."""

LUA = """
local paths, size, length = {%(paths)s}, %(size)d, %(length)d
request = function()
  local first = math.random(0, size - length)
  local headers = {["Range"] = "bytes=" .. first .. "-" .. (first + length - 1)}
  return wrk.format("GET", paths[math.random(#paths)], headers)
end
"""

NGINX = """
worker_processes 1; pid %(folder)s/nginx.pid; error_log %(folder)s/nginx.err; daemon off;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush off; keepalive_requests 1000000000;
  client_body_temp_path %(folder)s/t1; proxy_temp_path %(folder)s/t2;
  fastcgi_temp_path %(folder)s/t3; uwsgi_temp_path %(folder)s/t4; scgi_temp_path %(folder)s/t5;
  server { listen 127.0.0.1:%(port)d; root %(root)s; }
}
"""


def make_music(folder: Path, albums: int) -> None:
    """Albums of five tracks each: noise, which no codec makes small."""
    chance = np.random.default_rng(5)
    for album in range(albums):
        for number in range(1, 6):
            path = folder / f"Artist {album % 40:02}" / f"Album {album:03}" / f"{number:02}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            seconds = 30 if not album else 1
            samples = chance.normal(0, 0.1, (2, RATE * seconds)).astype(np.float32)
            tags = Tags(
                title=f"Piece {album}.{number}", artists=(f"Artist {album % 40:02}",),
                album=f"Album {album:03}", track_number=number, genres=("Noise",),
            )  # fmt: skip
            encode(samples, RATE, path, "flac", tags)
        colours = chance.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        Image.fromarray(colours).save(path.with_name("cover.jpg"))


def wrk(address: str, seconds: int, *, script: Path | None = None, connections: int = 16) -> float:
    """Requests answered in a second. Raises ValueError where an answer is no success."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}"]
    command += ["-s", str(script)] if script else []
    said = subprocess.run([*command, address], check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said:
        raise ValueError(f"{address}: {said}")
    found = re.search(r"Requests/sec:\s+([0-9.]+)", said)
    assert found is not None
    return float(found[1])


def compare(
    name: str,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    rounds: int,
    peer: str,
    goal: float,
) -> dict[str, Any]:
    """Ours and theirs in turn, the order changing from round to round."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            b, a = theirs(), ours()
        else:
            a, b = ours(), theirs()
        pairs.append((a, b))
    ratio = statistics.median(a / b if b else 0.0 for a, b in pairs)
    row = {
        "what": name,
        "ours": round(statistics.median(a for a, _ in pairs)),
        "peer": peer,
        "theirs": round(statistics.median(b for _, b in pairs)),
        "ratio": round(ratio, 2) if ratio else "nothing was measured: more --seconds",
        "goal": goal,
    }
    print(json.dumps(row), flush=True)
    return row


def ranges(folder: Path, ours: int, theirs: int, archive: Path, options: Any) -> list[Any]:
    """Ranges of web seeds and of streams against nginx."""
    lines = [
        json.loads(line)
        for path in (archive / "releases").glob("s*/manifest.jsonl")
        for line in path.read_text().splitlines()
    ]
    big = [line for line in lines if line["size"] > 1_000_000][:5]
    size = min(line["size"] for line in big)
    volumes = {}
    for path in (archive / "releases").glob(f"s*/{MEMBERS}"):
        table = pq.read_table(path, columns=["root", "volume"])
        volumes |= dict(zip(table["root"].to_pylist(), table["volume"].to_pylist(), strict=True))
    seeds = [
        "/seed/" + urllib.parse.quote(f"{volumes[bytes.fromhex(line['root'])]}/{line['path']}")
        for line in big
    ]
    streams = [f"/api/recordings/{line['recording']}/stream" for line in big]
    objects = archive / "objects"
    files = [
        f"/{next(objects.glob('*/*/' + line['root'] + '*')).relative_to(objects)}" for line in big
    ]
    rows = []
    for name, paths, length, goal in (
        ("web seed, 64 KiB", seeds, 65_536, 0.6),
        ("web seed, 256 KiB", seeds, 262_144, 0.9),
        ("stream, 64 KiB", streams, 65_536, 0.0),
        ("stream, 256 KiB", streams, 262_144, 0.0),
    ):
        scripts = []
        for which, some in (("ours", paths), ("theirs", files)):
            scripts.append(folder / f"{which}.lua")
            quoted = ",".join(json.dumps(one) for one in some)
            scripts[-1].write_text(LUA % {"paths": quoted, "size": size, "length": length})
        rows.append(
            compare(
                name,
                lambda s=scripts[0]: wrk(f"http://127.0.0.1:{ours}/", options.seconds, script=s),
                lambda s=scripts[1]: wrk(f"http://127.0.0.1:{theirs}/", options.seconds, script=s),
                options.rounds,
                "nginx",
                goal,
            )
        )
    return rows


def some_ids(port: int, proof: str) -> dict[str, str]:
    """Ids of an artist, an album, a song and a cover, as a server names them."""

    def ask(call: str) -> Any:
        return json.loads(get(port, f"/rest/{call}&{proof}"))["subsonic-response"]

    album = ask("getAlbumList2?type=newest&size=1")["albumList2"]["album"][0]
    song = ask(f"getAlbum?id={album['id']}")["album"]["song"][0]
    cover = song.get("coverArt") or album["coverArt"]
    return {"artist": album["artistId"], "album": album["id"], "song": song["id"], "cover": cover}


def answers(port: int, path: str) -> bool:
    """Whether a call is answered, and not with an error."""
    try:
        data = get(port, path)
    except ValueError:
        return False
    return b'"failed"' not in data[:200]


def calls(port: int, peer: int, key: str, options: Any) -> list[Any]:
    """Calls of the Subsonic API against Supysonic."""
    mine = f"apiKey={key}&v=1.16.1&c=bench&f=json"
    other = f"u={NAME}&p={PASSWORD}&v=1.12.0&c=bench&f=json"
    ours, theirs = some_ids(port, mine), some_ids(peer, other)
    rows = []
    for name, (call, goal) in CALLS.items():
        separator = "" if call.endswith("?") else "&"
        a = f"/rest/{call.format(**ours)}{separator}{mine}"
        b = f"/rest/{call.format(**theirs)}{separator}{other}"
        if not answers(port, a) or not answers(peer, b):
            who = "Longplay" if answers(peer, b) else "Supysonic"
            rows.append({"what": name, "refused by": who})
            print(json.dumps(rows[-1]), flush=True)
            continue
        rows.append(
            compare(
                name,
                lambda a=a: wrk(f"http://127.0.0.1:{port}{a}", options.seconds, connections=8),
                lambda b=b: wrk(f"http://127.0.0.1:{peer}{b}", options.seconds, connections=8),
                options.rounds,
                "Supysonic",
                goal,
            )
        )
    return rows


def peer_folder(folder: Path, music: Path, venv: Path) -> tuple[Path, dict[str, str]]:
    """Supysonic, filled, and installed unless it is there already. Its folder of programs and its
    environment."""
    if not (venv / "bin/supysonic-server").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin/pip"), "install", "-q", *PEERS], check=True)
    home = folder / "home"
    settings = home / ".config" / "supysonic" / "supysonic.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        f"[base]\ndatabase_uri = sqlite:///{home}/supysonic.db\n"
        f"[webapp]\ncache_dir = {home}/cache\nlog_level = ERROR\n[daemon]\nrun_watcher = no\n"
    )
    environment = os.environ | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    for arguments in (
        ("user", "add", NAME, "-p", PASSWORD),
        ("folder", "add", "music", str(music)),
        ("folder", "scan", "-f", "music"),
    ):
        command = [str(venv / "bin/supysonic-cli"), *arguments]
        subprocess.run(command, check=True, env=environment, cwd=home, capture_output=True)
    return venv / "bin", environment


def own_pages(group: int) -> int:
    """Bytes of the largest process of a group that no other process shares (USS)."""
    most = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                lines = (entry / "smaps_rollup").read_text().splitlines()
                kib = [int(line.split()[1]) for line in lines if line.startswith("Private_")]
                most = max(most, sum(kib) * 1024)
        except OSError:
            continue
    return most


def prepared(folder: Path, albums: int) -> tuple[Path, Path, str]:
    """The music, the archive that holds it, released, and an API key to it."""
    shutil.rmtree(folder, ignore_errors=True)
    music, archive = folder / "music", folder / "archive"
    make_music(music, albums)
    subprocess.run([sys.executable, "-m", "longplay", "init", str(archive)], check=True)
    longplay(archive, "source", "add", "bench", "folder", str(music), "--rights", BY)
    longplay(archive, "catalogue", "import", str(music))
    longplay(archive, "plan")
    longplay(archive, "capture")
    longplay(archive, "release", "cut", "--share", "100%")
    account = ("account", "add", NAME, "--role", "member", "--password-stdin")
    return music, archive, longplay(archive, *account, said=f"{PASSWORD}\n")["api_key"]


def measured(options: Any) -> list[Any]:
    """All rows, with one server of ours."""
    folder: Path = options.folder.resolve()
    music, archive, key = prepared(folder, options.albums)
    port, rows = free_port(), []
    with ExitStack() as servers:
        server = servers.enter_context(running(serve(archive, port), port))
        get(port, "/search?q=some+wrods")  # it gets ready beside its first answers
        if not options.without_nginx:
            plain, file = free_port(), folder / "nginx.conf"
            objects = archive / "objects"
            file.write_text(NGINX % {"folder": folder, "port": plain, "root": objects})
            servers.enter_context(running(["nginx", "-c", str(file)], plain))
            rows += ranges(folder, port, plain, archive, options)
        if not options.without_supysonic:
            programs, environment = peer_folder(folder, music, options.supysonic.resolve())
            peer = free_port()
            other = [str(programs / "supysonic-server"), "-h", "127.0.0.1", "-p", str(peer)]
            servers.enter_context(running(other, peer, env=environment, cwd=folder / "home"))
            rows += calls(port, peer, key, options)
        rows.append({"what": "private memory, MB", "ours": own_pages(server.pid) // 10**6})
    (folder / "access.json").write_text(json.dumps(rows, indent=1))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print each row as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/longplay-access"))
    parser.add_argument("--supysonic", type=Path, default=Path("/tmp/longplay-supysonic"),
                        help="its virtual environment, made if it is not there")  # fmt: skip
    parser.add_argument("--albums", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-supysonic", action="store_true")
    parser.add_argument("--without-nginx", action="store_true")
    print(json.dumps(measured(parser.parse_args(arguments))[-1]))


if __name__ == "__main__":
    main()
