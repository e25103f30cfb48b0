"""Changes of decisions, posted to other servers as they happen: docs/formats/guard.md

What is to be posted stands in the stream of decisions already; here is only kept, for each server,
which change it took last. So nothing is lost by a kill, and what a server took just before one is
posted again, under the same id. Each server has a thread of its own, which judging never waits for.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from longplay import clock, logs
from longplay.errors import ArchiveError, InputError, LongplayError
from longplay.files import read_bounded, write_json
from longplay.guard import exporting, signing, stream
from longplay.guard.stream import Change
from longplay.settings import Webhook
from longplay.web.addresses import parsed
from longplay.web.connecting import Transport
from longplay.web.manners import retry_after, user_agent

FOLDER = "webhooks"

WAITS = (1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
"""Seconds before a server is tried again, the last of them for ever."""

PATIENCE = timedelta(days=3)
"""A change older than this is given up when a server has failed …"""

ENOUGH = 3
"""… so many times in a row."""

ANSWER_SECONDS, CONNECT_SECONDS = 20.0, 10.0
"""How long an attempt may take to be answered."""

LOOK_SECONDS = 1.0
"""Between two looks at a stream that does not grow."""

END_SECONDS = 5.0
"""How long the end of the guard waits for a thread; what it was at is posted next time."""

ONCE_SECONDS = 60.0
"""How long a single look waits for servers."""

MOST_BYTES = 64 * 1024
"""Of the file about one server."""

LONGEST_PROBLEM = 300

MOST_REASONS = 10
"""The weightiest: messages are to be small (20 kB)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that is told, and the secret that is shared with it alone."""

    hook: Webhook
    secret: bytes


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of posting to one server: `last` is the id of the change it took, or that was given
    up, last ("": none yet); `problem` is what went wrong with the last attempt."""

    address: str
    last: str
    taken: int = 0
    given_up: int = 0
    lost: int = 0
    problem: str = ""
    time: str = ""


def path_of(folder: Path, address: str) -> Path:
    """The file about a server, below the guard's folder."""
    return folder / FOLDER / f"{digest(address)}.json"


def digest(address: str) -> str:
    """What files about a server are called."""
    return hashlib.blake2b(address.encode(), digest_size=12).hexdigest()


def load(folder: Path, address: str) -> Posted | None:
    """What is known of a server; None where it was not there when the guard ran last. Raises
    ArchiveError."""
    path = path_of(folder, address)
    try:
        return Posted(**json.loads(read_bounded(path, MOST_BYTES))) if path.exists() else None
    except (ValueError, TypeError, InputError) as error:
        raise ArchiveError(
            "does not tell what was posted",
            where=str(path),
            hint="delete it: what is decided from now on is posted",
        ) from error


def waiting(folder: Path, posted: Posted) -> list[Change]:
    """The changes that a server did not take yet, the oldest first."""
    every = list(stream.changes(folder))
    place = max((at for at, one in enumerate(every) if one.id == posted.last), default=None)
    if place is not None:
        return every[place + 1 :]
    # What it took last has gone meanwhile, and maybe more.
    began, number = _parts(posted.last)
    return [one for one in every if _parts(one.id)[0] != began or _parts(one.id)[1] > number]


def _parts(name: str) -> tuple[str, int]:
    began, _, number = name.rpartition("-")
    return began, int(number) if number.isascii() and number.isdigit() else 0


def message(change: Change, called: Callable[[str], str], *, known: bool) -> bytes:
    """The body that a change is posted as."""
    data = exporting.change_row(change, called, known=known)
    del data["id"], data["time"]
    data["reasons"] = data["reasons"][:MOST_REASONS]
    told = {"type": f"guard.{change.act}", "timestamp": change.time, "data": data}
    return json.dumps(told, separators=(",", ":")).encode()


class Poster:
    """Posts to one server. `called` are pseudonyms."""

    def __init__(self, folder: Path, endpoint: Endpoint, called: Callable[[str], str]) -> None:
        self._folder, self._endpoint = folder, endpoint
        self._known = endpoint.hook.names
        self._called: Callable[[str], str] = (lambda who: who) if self._known else called
        self._url = parsed(endpoint.hook.address)
        address = endpoint.hook.address
        found = load(folder, address)
        if found is None:  # what was decided before is not told
            every = [one.id for one in stream.changes(folder)]
            found = Posted(address, every[-1] if every else "")
            write_json(path_of(folder, address), asdict(found))
        self.posted = found
        self._failures = 0
        self._gone = False
        self._seen: object = None
        self._transport = Transport(allow_private=endpoint.hook.private)
        self._client = httpx.Client(
            transport=self._transport,
            follow_redirects=False,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            headers={"user-agent": user_agent(), "content-type": "application/json"},
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)

    def start(self) -> None:
        """Begin to post."""
        self._thread.start()

    def close(self) -> None:
        """Stop posting, whatever the server does."""
        self._stop.set()
        self._transport.cut()
        if self._thread.is_alive():
            self._thread.join(END_SECONDS)
        self._client.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                seconds = self.post()
            except (OSError, LongplayError) as error:  # a full disk, say: nothing of it is lost
                logs.event("webhook", logs.WARNING, problem=str(error))
                seconds = WAITS[2]
            self._stop.wait(seconds)

    def post(self, until: float = math.inf) -> float:
        """Post what waits, up to a failure, or to `until` on the monotonic clock. Answers how many
        seconds to wait before the next look. Raises OSError."""
        seen = _marks(self._folder)
        if self._gone or (seen == self._seen and not self._failures):
            return LOOK_SECONDS
        pending = waiting(self._folder, self.posted)
        if pending:
            self._count_lost(pending[0])
        else:  # all was taken, or given up
            self._failures = 0
        for change in pending:
            if self._stop.is_set() or clock.monotonic() > until:
                return 0.0
            problem, wish = self._attempt(change)
            if self._stop.is_set() and problem:  # cut off by us
                return 0.0
            if problem:
                return self._failed(pending, change, problem, wish)
            self._failures = 0
            self._note(last=change.id, taken=self.posted.taken + 1, problem="")
        self._seen = seen
        return LOOK_SECONDS

    def _attempt(self, change: Change) -> tuple[str, float]:
        """Post a change. Answers what is wrong ("": it was taken), and seconds that the server asks
        to wait."""
        body = message(change, self._called, known=self._known)
        now = clock.now()
        marks = signing.headers(self._endpoint.secret, change.id, int(now.timestamp()), body)
        try:
            with (
                self._transport.within(ANSWER_SECONDS),
                self._client.stream("POST", self._url, content=body, headers=marks) as answer,
            ):
                status, asked = answer.status_code, answer.headers.get("retry-after", "")
        except (httpx.HTTPError, LongplayError) as error:
            return str(error) or type(error).__name__, 0.0
        if 200 <= status < 300:
            return "", 0.0
        self._gone = status == httpx.codes.GONE
        more = "; redirects are not followed" if 300 <= status < 400 else ""
        return f"it answers {status}{more}", retry_after(asked, now) or 0.0

    def _failed(self, pending: list[Change], change: Change, problem: str, wish: float) -> float:
        """Note that an attempt failed, and give up what is too old. Answers seconds to wait."""
        problem = problem[:LONGEST_PROBLEM]
        logs.event("webhook failed", logs.WARNING, problem=problem, change=change.id)
        if self._gone:
            self._note(problem=f"{problem}: it is told nothing more until the guard starts anew")
            return LOOK_SECONDS
        wait = max(WAITS[min(self._failures, len(WAITS) - 1)], min(wish, WAITS[-1]))
        self._failures += 1
        before = clock.now() - PATIENCE
        rest = itertools.dropwhile(lambda one: one is not change, pending)
        old = list(itertools.takewhile(lambda one: _moment(one) < before, rest))
        if old and self._failures >= ENOUGH:
            given_up = self.posted.given_up + len(old)
            self._note(last=old[-1].id, given_up=given_up, problem=problem)
        else:
            self._note(problem=problem)
        return wait

    def _count_lost(self, first: Change) -> None:
        """Count what went before it was posted: the stream turned while a server was away."""
        (began, number), (last_began, last) = _parts(first.id), _parts(self.posted.last)
        if began == last_began and number > last + 1:
            lost = self.posted.lost + number - last - 1
            self._note(last=f"{began}-{number - 1}", lost=lost)

    def _note(self, **told: object) -> None:
        now = asdict(self.posted) | {"time": clock.timestamp()} | told
        write_json(path_of(self._folder, self.posted.address), now)
        self.posted = Posted(**now)


def _marks(folder: Path) -> object:
    """By which it is seen that the stream has grown."""
    try:
        facts = (folder / stream.FILE).stat()
    except FileNotFoundError:
        return ()
    return facts.st_ino, facts.st_size


def _moment(change: Change) -> datetime:
    try:
        return datetime.fromisoformat(change.time).astimezone(UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


@contextmanager
def started(
    folder: Path, endpoints: Sequence[Endpoint], called: Callable[[str], str], *, once: bool
) -> Iterator[None]:
    """Post changes to these servers while the block runs; `once`: when it ends, until each has
    taken what there is, or has failed. Raises SourceError for what is no web address."""
    posters = [Poster(folder, one, called) for one in endpoints]
    try:
        if not once:
            for one in posters:
                one.start()
        yield
        if once:
            until = clock.monotonic() + ONCE_SECONDS
            for one in posters:
                one.post(until)
    finally:
        for one in posters:
            one.close()
