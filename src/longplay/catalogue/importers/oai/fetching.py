"""One request at a time, politely: pauses, retries as the server asks, bounded answers, and no
address inside the own network unless that is allowed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

from longplay import clock
from longplay.errors import InputError, SourceError
from longplay.web import addresses, manners
from longplay.web.connecting import Transport

MAX_REPLY_BYTES = 64 * 2**20
"""A longer reply is refused: servers send some hundred records a page, rarely more than 5 MB."""

MAX_REPLY_SECONDS = 300.0
"""A reply that takes longer is given up: a drip of bytes must not hold a harvest for ever."""

TIMEOUT = httpx.Timeout(connect=15.0, read=60.0, write=30.0, pool=15.0)
"""Seconds: large repositories take most of a minute to find a first page."""

ATTEMPTS = 5
"""Times that a page is asked for before the harvest stops (and can go on later)."""

FIRST_RETRY_SECONDS = 2.0
"""Doubled at each retry where the server does not say how long to wait."""

MAX_WAIT_SECONDS = 600.0
"""A server that asks for a longer wait ends the harvest for now; the next run goes on."""

MAX_REDIRECTS = 5

Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Manners:
    """How to ask: the least pause between requests and before a first retry, in seconds; whether
    addresses of the own machine and network may be asked; whether the server's robots.txt is kept
    to; and where those who run the server reach us."""

    pause: float = 1.0
    retry: float = FIRST_RETRY_SECONDS
    allow_private: bool = False
    robots: bool = True
    contact: str = ""
    sleep: Sleep = time.sleep


@dataclass(slots=True)
class Client:
    """Fetches pages by GET. Close it, or use it in a `with`."""

    manners: Manners = field(default_factory=Manners)
    _last: float | None = None
    _delay: float = 0.0
    _transport: Transport = field(init=False)
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._transport = Transport(allow_private=self.manners.allow_private)
        self._client = httpx.Client(
            transport=self._transport,
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=False,  # a proxy would connect to addresses that were not checked
            headers={
                "User-Agent": manners.user_agent(self.manners.contact),
                "Accept": "text/xml, application/xml;q=0.9, */*;q=0.1",
                "Accept-Encoding": "gzip, identity",
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def slow_down(self, seconds: float) -> None:
        """Let so many seconds at least lie between two requests from now on."""
        self._delay = seconds

    def find(self, url: str) -> bytes | None:
        """The body of a page, None where the server says that it has none, or leads to where
        nothing may be asked for. Raises InputError where it cannot be had now."""
        try:
            return self._get(url, lambda _body: None)
        except _RefusedError as refused:
            if refused.status != 200:
                return None
            raise refused.told(url) from None

    def get(self, url: str, check: Callable[[bytes], None]) -> bytes:
        """The body of a page, which `check` found good (it raises InputError where not).

        Tries again when the server is busy or gone, and when the reply is no good. Raises
        InputError when it stays so, and at once for what no retry can change.
        """
        try:
            return self._get(url, check)
        except _RefusedError as refused:
            raise refused.told(url) from None

    def _get(self, url: str, check: Callable[[bytes], None]) -> bytes:
        wait = self.manners.retry
        for attempt in range(1, ATTEMPTS + 1):
            try:
                body = self._once(url)
                check(body)
                return body
            except _BusyError as busy:
                problem, asked = busy.problem, busy.wait
            except SourceError as refused:
                raise _RefusedError(refused.message, refused.hint) from refused
            except httpx.HTTPError as error:
                problem, asked = f"{type(error).__name__}: {error}".rstrip(": "), None
            except InputError as error:
                problem, asked = error.message, None
            if asked is not None and asked > MAX_WAIT_SECONDS:
                problem = f"{problem}; it asks for {asked:.0f} s of patience"
                break
            if attempt < ATTEMPTS:
                self.manners.sleep(wait if asked is None else asked)
                wait *= 2
        raise InputError(
            problem,
            where=addresses.shown(url),
            hint="run the same command again later: it goes on from there",
        )

    def _once(self, text: str) -> bytes:
        url = addresses.parsed(text)
        for _ in range(MAX_REDIRECTS + 1):
            self._pace()
            found = self._ask(url)
            if isinstance(found, bytes):
                return found
            url = found
        raise _RefusedError(f"redirects more than {MAX_REDIRECTS} times")

    def _pace(self) -> None:
        """Wait until the pause since the last request is over."""
        if self._last is not None:
            pause = max(self.manners.pause, self._delay)
            left = self._last + pause - clock.monotonic()
            if left > 0:
                self.manners.sleep(left)
        self._last = clock.monotonic()

    def _ask(self, url: httpx.URL) -> bytes | httpx.URL:
        """One request: the body, or the address that it redirects to."""
        with self._transport.within(MAX_REPLY_SECONDS):
            return self._answered(url)

    def _answered(self, url: httpx.URL) -> bytes | httpx.URL:
        reply = self._client.send(self._client.build_request("GET", url), stream=True)
        try:
            if reply.is_redirect:
                return addresses.redirected(url, reply.headers.get("location", ""))
            if manners.may_succeed_later(reply.status_code):
                # OAI-PMH servers use 503 to slow down.
                asked = manners.retry_after(reply.headers.get("retry-after", ""), clock.now())
                raise _BusyError(f"answers {reply.status_code}", asked)
            if reply.status_code != 200:
                raise _RefusedError(
                    f"answers {reply.status_code} {reply.reason_phrase}".strip(),
                    status=reply.status_code,
                )
            return _body(reply)
        finally:
            reply.close()
            self._last = clock.monotonic()


class _BusyError(Exception):
    """The server wants to be asked later: in `wait` seconds, if it says so."""

    def __init__(self, problem: str, wait: float | None) -> None:
        super().__init__(problem)
        self.problem, self.wait = problem, wait


class _RefusedError(Exception):
    """Nothing that a retry could change; `status` where it is the server's answer."""

    def __init__(self, problem: str, hint: str = "check the address", status: int = 0) -> None:
        super().__init__(problem)
        self.problem, self.hint, self.status = problem, hint, status

    def told(self, url: str) -> InputError:
        """It as it is told to people."""
        return InputError(self.problem, where=addresses.shown(url), hint=self.hint)


def _body(reply: httpx.Response) -> bytes:
    body = bytearray()
    for piece in reply.iter_bytes(65536):
        body += piece
        if len(body) > MAX_REPLY_BYTES:
            raise _RefusedError(
                f"sends more than {MAX_REPLY_BYTES} bytes", "ask for a smaller set", status=200
            )
    return bytes(body)
