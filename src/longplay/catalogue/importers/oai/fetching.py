"""One request at a time, politely: pauses, retries as the server asks, bounded answers, and no
address inside the own network unless that is allowed.

The name is resolved here and the connection goes to the very address that was checked, so a name
cannot point elsewhere between the check and the request.
"""

from __future__ import annotations

import email.utils
import ipaddress
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from types import TracebackType
from typing import Self

import httpx

from longplay import clock
from longplay.errors import InputError

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

MAX_ADDRESSES = 4
"""Addresses of one name that are tried; names rarely have more than one of each kind."""

MAX_REDIRECTS = 5
RETRIED = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which the same request may succeed. OAI-PMH servers use 503 to slow down."""

Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Manners:
    """How to ask: the least pause between requests and before a first retry, in seconds, and
    whether addresses of the own machine and network may be asked."""

    pause: float = 1.0
    retry: float = FIRST_RETRY_SECONDS
    allow_private: bool = False
    sleep: Sleep = time.sleep


@dataclass(slots=True)
class Client:
    """Fetches pages by GET. Close it, or use it in a `with`."""

    manners: Manners = field(default_factory=Manners)
    _last: float | None = None
    _client: httpx.Client = field(
        default_factory=lambda: httpx.Client(
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=False,  # a proxy would connect to addresses that were not checked
            headers={
                "User-Agent": f"longplay/{version('longplay')} (OAI-PMH harvester)",
                "Accept": "text/xml, application/xml;q=0.9, */*;q=0.1",
                "Accept-Encoding": "gzip, identity",
            },
        )
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

    def find(self, url: str) -> bytes | None:
        """The body of a page, None where the server says that it has none. Raises InputError."""
        try:
            return self._get(url, lambda _body: None)
        except _RefusedError as refused:
            if 400 <= refused.status < 500:
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
            except (httpx.HTTPError, httpx.InvalidURL) as error:
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
            where=_shown(url),
            hint="run the same command again later: it goes on from there",
        )

    def _once(self, url: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            self._pace()
            found = self._ask(httpx.URL(url))
            if isinstance(found, bytes):
                return found
            url = found
        raise _RefusedError(f"redirects more than {MAX_REDIRECTS} times")

    def _pace(self) -> None:
        """Wait until the pause since the last request is over."""
        if self._last is not None:
            left = self._last + self.manners.pause - clock.monotonic()
            if left > 0:
                self.manners.sleep(left)
        self._last = clock.monotonic()

    def _ask(self, url: httpx.URL) -> bytes | str:
        """One request: the body, or the address that it redirects to."""
        reply = self._connected(url)
        try:
            if reply.is_redirect:
                return _redirected(url, reply.headers.get("location", ""))
            if reply.status_code in RETRIED:
                raise _BusyError(f"answers {reply.status_code}", _retry_after(reply))
            if reply.status_code != 200:
                raise _RefusedError(
                    f"answers {reply.status_code} {reply.reason_phrase}".strip(),
                    status=reply.status_code,
                )
            return _body(reply)
        finally:
            reply.close()
            self._last = clock.monotonic()

    def _connected(self, url: httpx.URL) -> httpx.Response:
        """The beginning of a reply, from the first address that can be reached."""
        *others, last = resolve(url, allow_private=self.manners.allow_private)[:MAX_ADDRESSES]
        for address in others:
            try:
                return self._sent(url, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return self._sent(url, last)

    def _sent(self, url: httpx.URL, address: str) -> httpx.Response:
        request = self._client.build_request(
            "GET",
            url.copy_with(host=address),
            headers={"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.host} if url.scheme == "https" else {},
        )
        return self._client.send(request, stream=True)


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
        return InputError(self.problem, where=_shown(url), hint=self.hint)


def resolve(url: httpx.URL, *, allow_private: bool) -> list[str]:
    """The addresses to connect to for this URL. Raises for one that must not be asked."""
    if url.scheme not in ("http", "https") or not url.host:
        raise _RefusedError("is no web address")
    if url.userinfo:
        raise _RefusedError("carries a password", "harvests are for what is public")
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"{url.host} has no address ({error})") from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not allow_private and not all(_public(each) for each in addresses):
        raise _RefusedError(
            f"{url.host} lies in a private network", "allow it explicitly if that is meant"
        )
    return addresses


def _public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_global and not parsed.is_multicast)


def _redirected(url: httpx.URL, location: str) -> str:
    try:
        target = url.join(location)
    except httpx.InvalidURL as error:
        raise _RefusedError("redirects to what is no address") from error
    if not location or target.scheme not in ("http", "https"):
        raise _RefusedError("redirects to what is no web address")
    if url.scheme == "https" and target.scheme != "https":
        raise _RefusedError("redirects from https to http")
    return str(target)


def _retry_after(reply: httpx.Response) -> float | None:
    """Seconds that the server asks to wait (RFC 9110, 10.2.3: seconds, or a date)."""
    text = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+", text):
        return float(min(int(text[:12]), 10**9))
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(text) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return None


def _body(reply: httpx.Response) -> bytes:
    started, body = clock.monotonic(), bytearray()
    for piece in reply.iter_bytes(65536):
        body += piece
        if len(body) > MAX_REPLY_BYTES:
            raise _RefusedError(f"sends more than {MAX_REPLY_BYTES} bytes", "ask for a smaller set")
        if clock.monotonic() - started > MAX_REPLY_SECONDS:
            raise httpx.ReadTimeout(f"takes more than {MAX_REPLY_SECONDS:.0f} s for one reply")
    return bytes(body)


def _shown(url: str) -> str:
    return url if len(url) <= 300 else f"{url[:299]}…"
