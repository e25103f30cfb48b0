"""A harvest: page after page, each kept on disk before the token of the next one is.

`harvests/<source>/000001.xml.zst` … are the replies as they came; `state.json` says how many of
them count and what comes next, and is replaced after each page. So a harvest that is killed goes
on where it was, and a finished one asks only for what has changed since.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pyarrow as pa

from longplay import files
from longplay.catalogue.importers.oai import replies, robots
from longplay.catalogue.importers.oai.fetching import Client, Manners
from longplay.catalogue.importers.oai.replies import Header, Reply
from longplay.errors import ArchiveError, InputError, UsageError

HARVESTS = "harvests"
STATE = "state.json"
LOCK = "harvest.lock"

MAX_STATE_BYTES = 64 * 1024
MAX_TOKEN = 8192
"""Letters of a resumption token; it goes into a URL, and servers take no longer ones."""

MAX_RESTARTS = 5
"""Lists that may be begun again in one run, before the harvest stops."""

MAX_IDLE = 20
"""Pages in a row without a record, or with the token that asked for them, before the server is
taken to go round in circles."""

SPARE_BYTES = 256 * 2**20
"""What stays free on the disk: a server that never ends must not fill it."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class State:
    """Where a harvest stands.

    `url`, `prefix`, `set` and `since` are what was asked for at first. `window` is the `from` of
    the list that is being read, and `begun` when its server began it; `token` asks for the next
    page, and `restarts` counts how often this run lost it. `records` were received in all;
    `declared` is the server's own count of the whole.
    """

    url: str
    prefix: str
    set: str | None
    since: str | None
    by_day: bool = True
    pages: int = 0
    records: int = 0
    declared: int | None = None
    window: str | None = None
    begun: str = ""
    token: str = ""
    done: bool = False
    restarts: int = 0
    idle: int = 0


def folder_of(catalogue: Path, source: str) -> Path:
    """Where the harvest of a source lies."""
    return catalogue / HARVESTS / source


def page_path(folder: Path, number: int) -> Path:
    """The file of one page, from 1."""
    return folder / f"{number:06d}.xml.zst"


def page(folder: Path, number: int) -> bytes:
    """One page as it came. Raises ArchiveError when it is missing or damaged."""
    path = page_path(folder, number)
    try:
        with pa.input_stream(str(path), compression="zstd") as stream:
            return bytes(stream.read())
    except OSError as error:
        raise ArchiveError(
            "a page of the harvest is missing or damaged", where=str(path), hint="harvest afresh"
        ) from error


def load(folder: Path) -> State | None:
    """The state of a harvest, None where there is none. Raises ArchiveError."""
    path = folder / STATE
    if not path.exists():
        return None
    try:
        found = json.loads(files.read_bounded(path, MAX_STATE_BYTES))
        # Older versions kept more.
        return State(
            **{each.name: found[each.name] for each in fields(State) if each.name in found}
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ArchiveError(
            "the harvest's state is damaged", where=str(path), hint="harvest afresh"
        ) from error


def harvest(
    folder: Path, wanted: State, manners: Manners, progress: Progress, *, fresh: bool = False
) -> State:
    """Bring the harvest in `folder` to its end; returns its state then.

    Goes on with what is there, if it was of the same thing (else UsageError), or begins. Raises
    InputError when the server stops answering sensibly; what came until then is kept.
    """
    check(wanted)
    with files.writer_lock(folder / LOCK, "harvest"):
        files.sweep(folder, set(), pattern=f"*{files.TEMPORARY}")
        state = None if fresh else load(folder)
        with Client(manners) as client:
            if manners.robots:
                robots.require_allowed(client, wanted.url)
            state = _begin(folder, client, wanted) if state is None else _again(state, wanted)
            while not state.done:
                progress(state.records, state.declared or 0)
                state = _step(folder, client, state)
                files.write_json(folder / STATE, asdict(state))
    progress(state.records, state.declared or state.records)
    return state


def check(wanted: State) -> None:
    """Raise UsageError for what no repository can be asked for."""
    try:
        parts = urlsplit(wanted.url)
    except ValueError:  # such as half an IPv6 address
        parts = urlsplit("")
    if parts.scheme not in ("http", "https"):
        raise UsageError(
            "is no web address", where=wanted.url[:300], hint="name a base URL of OAI-PMH"
        )
    if parts.query or parts.fragment:
        raise UsageError(
            "is not a base URL", where=wanted.url[:300], hint="leave out what follows '?'"
        )
    moment = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?"
    if wanted.since and not re.fullmatch(moment, wanted.since):
        raise UsageError("is no date", where=wanted.since[:80], hint="write it as 2024-05-31")


def _begin(folder: Path, client: Client, wanted: State) -> State:
    """A new harvest: ask who is there, and forget the pages of an older one."""
    _, reply, _ = _ask(client, wanted.url, {"verb": "Identify"})
    granularity = reply.facts.get("granularity", "")
    if reply.error or "granularity" not in reply.facts:
        raise InputError(
            f"does not say who it is {reply.error}".rstrip(),
            where=wanted.url,
            hint="name the repository's base URL for OAI-PMH",
        )
    state = replace(wanted, by_day=len(granularity) <= len("YYYY-MM-DD"))
    state = replace(state, window=_stamp(state, wanted.since))
    files.write_json(folder / STATE, asdict(state))
    files.sweep(folder, set(), pattern="*.xml.zst")
    return state


def _again(state: State, wanted: State) -> State:
    """The next step of a harvest that is there: to its end, or for what has changed since."""
    asked = [(each.url, each.prefix, each.set, each.since) for each in (state, wanted)]
    if asked[0] != asked[1]:
        raise UsageError(
            "another harvest has this name: "
            + urlencode({"url": state.url, "prefix": state.prefix, "set": state.set or ""}),
            hint="give this one another --name, or harvest afresh",
        )
    if not state.done:
        return replace(state, restarts=0)
    window = _stamp(state, state.begun) or state.window
    return replace(state, done=False, window=window, token="", begun="", restarts=0)


def _stamp(state: State, moment: str | None) -> str | None:
    """A date as the server takes it."""
    if not moment or not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", moment):
        return None
    return moment[:10] if state.by_day else moment


def _step(folder: Path, client: Client, state: State) -> State:
    """Fetch one page, keep it, and say what comes next."""
    arguments = {"verb": "ListRecords"}
    if state.token:
        arguments["resumptionToken"] = state.token
    else:
        named = {"metadataPrefix": state.prefix, "set": state.set, "from": state.window}
        arguments |= {name: value for name, value in named.items() if value}
    body, reply, headers = _ask(client, state.url, arguments)
    if reply.error == "noRecordsMatch":
        return replace(state, done=True, token="", begun=state.begun or _date(reply))
    if reply.error == "badResumptionToken" and state.token:
        return _restarted(state)
    if reply.error:
        raise InputError(
            f"answers {reply.error}: {reply.facts.get('error', '')}".rstrip(": "),
            where=state.url,
            hint=_HINTS.get(reply.error, "does it take this set and format?"),
        )
    number = state.pages + 1
    files.require_free(folder, SPARE_BYTES)
    files.write_durably(page_path(folder, number), pa.compress(body, codec="zstd", asbytes=True))
    return _following(state, number, reply, headers)


_HINTS = {
    "cannotDisseminateFormat": "ask for another metadata prefix: oai_dc is always there",
    "noSetHierarchy": "it has no sets: leave the set out",
}


def _date(reply: Reply) -> str:
    """When the server replied, by its own clock."""
    return reply.facts.get("responseDate", "")


def _following(state: State, number: int, reply: Reply, headers: list[Header]) -> State:
    idle = 0 if headers and reply.token != state.token else state.idle + 1
    if idle > MAX_IDLE:
        raise InputError("goes round in circles", where=state.url, hint="harvest a smaller set")
    if len(reply.token) > MAX_TOKEN:
        raise InputError("sends a token that is far too long", where=state.url)
    whole = state.window == _stamp(state, state.since)
    declared = state.declared
    if whole and reply.size is not None:
        declared = max(reply.size, declared or 0)
    return replace(
        state,
        pages=number,
        records=state.records + len(headers),
        declared=declared,
        begun=state.begun or _date(reply),
        token=reply.token,
        done=not reply.token,
        idle=idle,
    )


def _restarted(state: State) -> State:
    """The server forgot its list, which is begun again: what comes twice counts once. Nothing says
    in which order a list comes, so that no part of it may be left out."""
    if state.restarts >= MAX_RESTARTS:
        raise InputError(
            "forgets its lists before they can be read", where=state.url, hint="try again later"
        )
    return replace(state, token="", restarts=state.restarts + 1, idle=0)


def _ask(client: Client, url: str, arguments: dict[str, str]) -> tuple[bytes, Reply, list[Header]]:
    """A reply as it came, what it says, and its records' headers."""
    found: list[tuple[Reply, list[Header]]] = []

    def check(body: bytes) -> None:
        found.append(replies.read(body, url, lambda header, _metadata: header))

    body = client.get(f"{url}?{urlencode(arguments)}", check)
    return body, *found[-1]
