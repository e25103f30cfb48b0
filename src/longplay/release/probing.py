"""Asking a web seed (BEP 19) for one piece, and proving it: bounded in bytes and in time.

A seed is taken at its word by nobody. What it answers is a `Finding`: `good`, `wrong` (it serves
what is not the file), or `silent` (it does not serve it at all, or is not there).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import httpx

from longplay.errors import TorrentError
from longplay.torrent.merkle import ObjectHasher
from longplay.torrent.metainfo import File

CONTACT_SECONDS = 5.0
"""Longest wait for a connection, and between two reads."""

ANSWER_SECONDS = 30.0
"""Longest time for one file, however steadily its seed drips: a piece of 4 MiB at 140 kB/s."""

Verdict = Literal["good", "wrong", "silent"]


@dataclass(frozen=True, slots=True)
class Piece:
    """What a seed is asked for: one piece of a file of a torrent."""

    torrent: str
    file: File
    piece_length: int
    index: int

    @property
    def start(self) -> int:
        """Where it begins in the file."""
        return self.index * self.piece_length

    @property
    def length(self) -> int:
        """Its bytes."""
        return min(self.piece_length, self.file.size - self.start)

    def address(self, seed: str) -> str:
        """Where a seed should have the file."""
        path = "/".join((self.torrent, *self.file.path))
        return f"{seed.rstrip('/')}/{quote(path)}"

    def proves(self, data: bytes) -> bool:
        """Whether these bytes are the piece, by the SHA-256 tree of the torrent (BEP 52)."""
        hasher = ObjectHasher(self.piece_length)
        hasher.update(data)
        root = hasher.finish().root
        if not self.file.piece_layer:
            return root == self.file.root
        return root == self.file.piece_layer[32 * self.index : 32 * self.index + 32]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a seed did when it was asked for a piece, in words."""

    verdict: Verdict
    why: str = ""


def choose(torrent: str, file: File, piece_length: int, draw: Callable[[int], int]) -> Piece:
    """A piece of a file with bytes; `draw(n)` gives a number below n. Of a file of several pieces
    it is a whole one: their hashes are those of whole subtrees."""
    if not file.size:
        raise TorrentError("has no bytes to prove", where="/".join(file.path))
    return Piece(torrent, file, piece_length, draw(max(1, file.size // piece_length)))


class Prober:
    """Asks one seed. Use it as a context manager.

    It follows no redirection and takes nothing compressed. A seed that keeps it waiting longer than
    `ANSWER_SECONDS`, however it does that, loses its connection.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._web = _client()

    def __enter__(self) -> Prober:
        return self

    def __exit__(self, *_: object) -> None:
        self._web.close()

    def ask(self, piece: Piece) -> Finding:
        """Ask for the file's head and for one piece of it."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._web.close()

        watch = threading.Timer(ANSWER_SECONDS, give_up)
        watch.daemon = True
        watch.start()
        try:
            address = piece.address(self._seed)
            return _head(self._web, address, piece) or _range(self._web, address, piece)
        except httpx.TimeoutException:
            return Finding("silent", f"no answer within {CONTACT_SECONDS:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:
            if late.is_set():
                return Finding("silent", f"gave no whole answer within {ANSWER_SECONDS:.0f} s")
            return Finding("silent", str(error) or type(error).__name__)
        finally:
            watch.cancel()
            if late.is_set():
                self._web = _client()


def _client() -> httpx.Client:
    return httpx.Client(
        timeout=httpx.Timeout(CONTACT_SECONDS),
        follow_redirects=False,
        headers={"User-Agent": "Longplay", "Accept-Encoding": "identity"},
    )


def _head(web: httpx.Client, address: str, piece: Piece) -> Finding | None:
    """What is wrong by the answer to a HEAD, if anything is."""
    with web.stream("HEAD", address) as answer:
        refused = _refused(answer, {200})
        if refused:
            return refused
        told = answer.headers.get("content-length")
    if told is not None and told != str(piece.file.size):
        return Finding("wrong", f"says the file has {told[:20]} bytes, not {piece.file.size}")
    return None


def _range(web: httpx.Client, address: str, piece: Piece) -> Finding:
    """What the piece that was asked for turns out to be."""
    last = piece.start + piece.length - 1
    with web.stream("GET", address, headers={"Range": f"bytes={piece.start}-{last}"}) as answer:
        whole = piece.length == piece.file.size
        refused = _refused(answer, {200, 206} if whole else {206})
        if refused:
            return refused
        if answer.status_code == 206:
            told = answer.headers.get("content-range", "")
            if not re.fullmatch(
                rf"bytes {piece.start}-{last}/({piece.file.size}|\*)", told.strip()
            ):
                return Finding("wrong", f"answers with another range: {told[:60]!r}")
        data = _read(answer, piece.length)
    if len(data) < piece.length:
        return Finding("wrong", f"gives {len(data)} bytes where {piece.length} were asked for")
    if len(data) > piece.length:
        return Finding("wrong", f"gives more than the {piece.length} bytes asked for")
    if not piece.proves(data):
        return Finding("wrong", f"piece {piece.index} is not what the torrent says")
    return Finding("good")


def _refused(answer: httpx.Response, expected: set[int]) -> Finding | None:
    status = answer.status_code
    if status in expected:
        return None
    if answer.is_redirect:
        target = answer.headers.get("location", "")[:200]
        return Finding("silent", f"redirects to {target!r}: name the address that answers")
    if status == 200:
        return Finding("silent", "serves no ranges: it answers with the whole file")
    return Finding("silent", f"answers {status} {answer.reason_phrase[:40]}".rstrip())


def _read(answer: httpx.Response, most: int) -> bytes:
    """At most one read more than `most` bytes of an answer."""
    data = bytearray()
    for part in answer.iter_raw():
        data += part
        if len(data) > most:
            break
    return bytes(data)
