"""Files from web servers, politely, and out of no private network.

Asks for one file at a time on one connection, goes on where a transfer broke off, follows
redirects by hand, keeps to robots.txt, waits as it is asked to, and reads nothing without a limit.
How many files are fetched from a host at a time, and how often files are, is kept by whoever calls
(`limit`); no two requests of one client follow each other faster either, whatever they are for.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeVar

import httpx

from longplay import clock
from longplay.capture.sources import Limit, Stream, Wanted, answers
from longplay.capture.sources.answers import Head
from longplay.capture.sources.pacing import Pace
from longplay.capture.sources.rulebook import Rulebook
from longplay.errors import SourceError, UnavailableError
from longplay.settings import Politeness
from longplay.web import addresses, manners, robots
from longplay.web.connecting import Transport

RETRIES = 4
"""Times that a request is made again before the file is put off."""

FIRST_RETRY_SECONDS = 1.0
"""Doubled at each retry, and made longer or shorter by chance, so that many do not come at once."""

MAX_WAIT_SECONDS = 30.0
"""A host that asks for a longer wait is left for now, so that it holds up nobody."""

CONNECT_SECONDS = 20.0
MAX_REDIRECTS = 5
HEAD_BYTES = 512
"""First bytes of a file by which a web page is told from sound."""

GB = 10**9
HOUR = 3600.0

Result = TypeVar("Result")
Pause = Callable[[float], None]


class PoliteClient:
    """Fetches from any number of hosts; threads may share one. `pause` waits out so many seconds
    (tests replace it)."""

    def __init__(self, politeness: Politeness, *, pause: Pause | None = None) -> None:
        self._manners = politeness
        self._pause = pause or self._wait
        self._closed = threading.Event()
        self._transport = Transport(allow_private=politeness.private)
        patience = politeness.patience_seconds
        self._client = httpx.Client(
            transport=self._transport,
            timeout=httpx.Timeout(patience, connect=min(patience, CONNECT_SECONDS)),
            follow_redirects=False,
            trust_env=False,  # a proxy would connect to addresses that were not checked
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={
                "User-Agent": manners.user_agent(politeness.contact),
                "Accept": "*/*",
                "Accept-Encoding": "identity",
            },
        )
        self._rules = Rulebook(self._fetch_rules)
        self._pace = Pace()

    def limit(self, address: str) -> Limit:
        """What may be asked of the host of this address, as far as its rules are known by now."""
        return self._limit(addresses.parsed(address))

    def _limit(self, url: httpx.URL) -> Limit:
        rules = self._rules.known(_origin(url))
        delay = rules.delay if rules is not None and self._manners.robots else 0.0
        rate = self._manners.per_second
        if not delay:
            return Limit(addresses.host_of(url), self._manners.connections, rate)
        return Limit(addresses.host_of(url), 1, min(rate, 1 / delay))

    @contextmanager
    def open(self, wanted: Wanted, *, sound: bool) -> Iterator[Stream]:
        """Open the file at the address `wanted.path`, for as long as the context lasts; `sound`
        says that it must be no web page. As `Source.open`."""
        started = clock.monotonic()
        address = wanted.path.decode("utf-8", "replace")
        answer, head = self._opened(address, wanted)
        try:
            with _placed(address):
                self._check(answer, head, sound=sound)
            until = started + self._manners.file_hours * HOUR
            chunks = self._chunks(answer, head, address, until, wanted.size or 0)
            if sound and head.start == 0:
                chunks = _sound_only(chunks, address)
            yield Stream(head.start, head.size, head.version, head.mtime_ns, chunks)
        finally:
            answer.close()

    def read(self, address: str, most: int, *, method: str = "GET") -> bytes:
        """The whole of a small document of at most `most` bytes. Raises as `open` does."""
        return self._tried(address, lambda: self._body(address, most, method))

    def wait(self, seconds: float) -> None:
        """Let time pass, until `close`. Raises UnavailableError then."""
        if seconds > 0:
            self._pause(seconds)

    def close(self) -> None:
        """Break off what is under way, in all threads, and give back the connections."""
        self._closed.set()
        self._transport.cut()
        self._client.close()

    # One file

    def _opened(self, address: str, wanted: Wanted) -> tuple[httpx.Response, Head]:
        more = answers.continuing(wanted)
        answer = self._tried(address, lambda: self._asked(address, more))
        try:
            with _placed(address):
                head = answers.judge(answer.status_code, answer.headers, wanted, ranged=bool(more))
        except SourceError:
            answer.close()
            raise
        if head is not None:
            return answer, head
        answer.close()
        return self._opened(address, replace(wanted, start=0))

    def _check(self, answer: httpx.Response, head: Head, *, sound: bool) -> None:
        if sound and not head.ended and answers.is_page(answer.headers):
            raise SourceError("the host sent a web page instead of sound")
        most = self._manners.file_gb
        if (head.size or 0) > most * GB:
            raise SourceError(
                f"has {head.size:,} bytes, more than {most:g} GB",
                hint="raise politeness.file_gb of the source if that is right",
            )

    def _chunks(
        self, answer: httpx.Response, head: Head, address: str, until: float, least: int
    ) -> Iterator[bytes]:
        """The bytes as they come, within the limits of size and time. An answer that ends with its
        connection says of no length; then fewer than `least`, which were listed, are a break."""
        if head.ended:
            return
        count, where = head.start, addresses.shown(address)
        most = int(self._manners.file_gb * GB)
        try:
            for piece in answer.iter_raw():
                count += len(piece)
                if count > (most if head.size is None else head.size):
                    raise SourceError(
                        f"sends more than {most if head.size is None else head.size:,} bytes",
                        where=where,
                    )
                if clock.monotonic() > until:
                    raise SourceError(
                        f"takes more than {self._manners.file_hours:g} hours",
                        where=where,
                        hint="raise politeness.file_hours of the source if its host is just slow",
                    )
                yield piece
        except httpx.HTTPError as error:
            raise self._broken(error, count, address) from error
        if count < (least if head.size is None else head.size):
            raise self._broken(None, count, address)

    def _broken(self, error: httpx.HTTPError | None, count: int, address: str) -> UnavailableError:
        what = "broke off"
        if isinstance(error, httpx.TimeoutException):
            what = f"gave nothing for {self._manners.patience_seconds:g} s"
        return UnavailableError(f"{what} after {count:,} bytes", where=addresses.shown(address))

    # Requests

    def _tried(self, address: str, once: Callable[[], Result]) -> Result:
        """What `once` gives, tried again while the host is busy or out of reach."""
        for attempt in range(RETRIES + 1):
            try:
                return once()
            except httpx.HTTPError as error:
                problem, asked = self._problem(error), None
            except _LaterError as later:
                problem, asked = later.problem, later.seconds
            if attempt == RETRIES or (asked or 0) > MAX_WAIT_SECONDS:
                break
            self._pause(_backoff(attempt) if asked is None else asked)
        raise UnavailableError(problem, where=addresses.shown(address), seconds=asked)

    def _problem(self, error: httpx.HTTPError) -> str:
        if isinstance(error, httpx.ReadTimeout):
            return f"gave no answer for {self._manners.patience_seconds:g} s"
        return f"{type(error).__name__}: {error}".rstrip(": ")[:300]

    def _asked(
        self, address: str, more: dict[str, str], method: str = "GET", *, ruled: bool = True
    ) -> httpx.Response:
        """The first answer that is no redirect. Whoever asks closes it."""
        with _placed(address):
            url = addresses.parsed(address)
            for _ in range(MAX_REDIRECTS + 1):
                if ruled and self._manners.robots:
                    self._rules.require(_origin(url), str(url))
                self.wait(self._pace.turn(self._limit(url)))
                with self._transport.within(self._manners.patience_seconds):
                    request = self._client.build_request(method, url, headers=more)
                    answer = self._client.send(request, stream=True)
                status, said = answer.status_code, answer.headers
                if not answer.is_redirect and not manners.may_succeed_later(status):
                    return answer
                answer.close()
                if not answer.is_redirect:
                    asked = manners.retry_after(said.get("retry-after", ""), clock.now())
                    raise _LaterError(f"answers {status}", asked)
                url = addresses.redirected(url, said.get("location", ""))
            raise SourceError(f"redirects more than {MAX_REDIRECTS} times")

    def _body(self, address: str, most: int, method: str) -> bytes:
        answer = self._asked(address, {}, method)
        try:
            with _placed(address):
                answers.judge(answer.status_code, answer.headers, Wanted(b""), ranged=False)
                body = self._bounded(answer, most)
                if len(body) > most:
                    raise SourceError(f"sends more than {most:,} bytes")
                return body
        finally:
            answer.close()

    def _bounded(self, answer: httpx.Response, most: int) -> bytes:
        """The body, or its first bytes: a few more than `most`."""
        body = bytearray()
        with self._transport.within(self._manners.patience_seconds):
            for piece in answer.iter_raw():
                body += piece
                if len(body) > most:
                    break
        return bytes(body)

    def _fetch_rules(self, origin: str) -> robots.Rules:
        """The rules of a host: none where it says that it has none, or leads to where nothing may
        be asked for (RFC 9309, 2.3.1.2 and 2.3.1.3). Raises UnavailableError where they cannot be
        had: then nothing may be asked (2.3.1.4)."""
        address = f"{origin}/robots.txt"

        def once() -> robots.Rules:
            answer = self._asked(address, {}, ruled=False)
            try:
                if answer.status_code != 200:
                    return robots.Rules()
                encoding = answers.encoding_of(answer.headers)
                return robots.read(self._bounded(answer, robots.MAX_BYTES), encoding)
            finally:
                answer.close()

        try:
            return self._tried(address, once)
        except UnavailableError:
            raise
        except SourceError:
            return robots.Rules()

    def _wait(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise UnavailableError("was stopped")


class _LaterError(Exception):
    """The host wants to be asked later: in `seconds`, if it says so."""

    def __init__(self, problem: str, seconds: float | None) -> None:
        super().__init__(problem)
        self.problem, self.seconds = problem, seconds


@contextmanager
def _placed(address: str) -> Iterator[None]:
    """Name the address that was asked for in a SourceError that does not name it."""
    try:
        yield
    except UnavailableError:
        raise
    except SourceError as error:
        where = addresses.shown(address)
        if error.where in ("", where):
            raise SourceError(error.message, where=where, hint=error.hint) from error
        raise SourceError(
            f"{error.where}: {error.message}", where=where, hint=error.hint
        ) from error


def _backoff(attempt: int) -> float:
    return FIRST_RETRY_SECONDS * 2.0**attempt * random.uniform(0.5, 1.5)


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{addresses.host_of(url)}"


def _sound_only(chunks: Iterator[bytes], address: str) -> Iterator[bytes]:
    """The same bytes, unless the first of them are those of a web page."""
    held = b""
    for chunk in chunks:
        held += chunk
        if len(held) >= HEAD_BYTES:
            break
    if answers.begins_page(held[:HEAD_BYTES]):
        raise SourceError(
            "the host sent a web page instead of sound", where=addresses.shown(address)
        )
    if held:
        yield held
    yield from chunks
