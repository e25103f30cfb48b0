"""An OAI-PMH repository on 127.0.0.1 that pages, and misbehaves as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

Answer = tuple[int, dict[str, str], bytes]
Fault = Callable[[dict[str, str]], Answer | None]
"""Answers a request in the repository's stead, or lets it (None)."""


def dc(title: str, *more: str, kind: str = "Sound") -> str:
    """Dublin Core of one item; `more` are further elements."""
    return (
        '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:dcterms="http://purl.org/dc/terms/">'
        f"<dc:title>{escape(title)}</dc:title><dc:type>{kind}</dc:type>{''.join(more)}</oai_dc:dc>"
    )


def real_items(data: Path) -> list[str]:
    """An archive of recorded speech (LACITO): qualified Dublin Core in a wrapper of its own."""
    text = (data / "formats" / "oai-pmh" / "lacito" / "metadata_others.xml").read_text()
    spaces = {
        "dc": "http://purl.org/dc/elements/1.1/",
        "dcterms": "http://purl.org/dc/terms/",
        "olac": "http://www.language-archives.org/OLAC/1.1/",
        "crdo": "http://crdo.risc.cnrs.fr/schemas/",
        "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    }
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in spaces.items())
    found = []
    for part in text.split("<crdo:item ")[1:]:
        whole = part[: part.rindex("</crdo:item>") + len("</crdo:item>")]
        found.append(f"<crdo:item {declared} {whole}")
    return found


@dataclass
class Repository:
    """Records by identifier: datestamp and metadata (None: deleted). Lists are in the order of
    their datestamps unless `shuffled`."""

    records: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    page: int = 10
    granularity: str = "YYYY-MM-DDThh:mm:ssZ"
    now: str = "2024-06-01T00:00:00Z"
    sizes: bool = True
    shuffled: bool = False
    faults: list[Fault] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    epoch: int = 0
    """Tokens of an earlier epoch have expired."""
    robots: Answer = (404, {}, b"")
    """What it answers when it is asked for its rules."""

    def put(self, number: int, metadata: str | None = "", stamp: str | None = None) -> str:
        identifier = f"oai:test:{number:04d}"
        if metadata == "":
            metadata = dc(f"Song {number}", f"<dc:creator>Singer {number % 7}</dc:creator>")
        default = f"2024-01-{1 + number // 60 % 28:02d}T00:00:{number % 60:02d}Z"
        self.records[identifier] = (stamp or default, metadata)
        return identifier

    def answer(self, arguments: dict[str, str]) -> Answer:
        self.asked.append(arguments)
        if self.faults and (given := self.faults.pop(0)(arguments)) is not None:
            return given
        if arguments.get("verb") == "Identify":
            body = (
                "<Identify><repositoryName>T</repositoryName>"
                f"<granularity>{self.granularity}</granularity></Identify>"
            )
        else:
            body = self._list(arguments)
        return 200, {"Content-Type": "text/xml"}, self.reply(body)

    def reply(self, body: str) -> bytes:
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
            f"<responseDate>{self.now}</responseDate>{body}</OAI-PMH>"
        ).encode()

    def _list(self, arguments: dict[str, str]) -> str:
        token, start, since = arguments.get("resumptionToken"), 0, arguments.get("from", "")
        if token:
            epoch, at, since = token.split("|")
            if int(epoch) != self.epoch:
                return '<error code="badResumptionToken">it is gone</error>'
            start = int(at)
        chosen = [(i, *r) for i, r in self.records.items() if r[0][: len(since)] >= since]
        chosen.sort(key=lambda r: r[0][::-1] if self.shuffled else (r[1], r[0]))
        if not chosen:
            return '<error code="noRecordsMatch"/>'
        end = start + self.page
        body = "".join(_record(*each) for each in chosen[start:end])
        size = f' completeListSize="{len(chosen)}"' if self.sizes else ""
        following = f"{self.epoch}|{end}|{since}" if end < len(chosen) else ""
        if following or token:
            body += f"<resumptionToken{size}>{following}</resumptionToken>"
        return f"<ListRecords>{body}</ListRecords>"


def _record(identifier: str, stamp: str, metadata: str | None) -> str:
    status = ' status="deleted"' if metadata is None else ""
    inside = f"<metadata>{metadata}</metadata>" if metadata is not None else ""
    return (
        f"<record><header{status}><identifier>{identifier}</identifier>"
        f"<datestamp>{stamp}</datestamp></header>{inside}</record>"
    )


@contextmanager
def serving(repository: Repository) -> Iterator[str]:
    """The repository's base URL, for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, keep_blank_values=True)
            if parts.path == "/robots.txt":
                status, headers, body = repository.robots
            else:
                status, headers, body = repository.answer({k: v[0] for k, v in query.items()})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", headers.get("Length", str(len(body))))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/oai"
        finally:
            server.shutdown()
            thread.join()
