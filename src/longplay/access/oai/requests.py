"""What a harvester may ask: the six verbs with their arguments, and tokens by which lists go on."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime

from longplay.access.oai.formats import FORMATS
from longplay.access.oai.index import Place

TOKEN_SECONDS = 24 * 3600
"""How long a token is good for."""

MAX_TOKEN = 2_000
"""Characters of a token that are looked at."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "Identify": (),
    "ListMetadataFormats": (),
    "ListSets": (),
    "GetRecord": ("identifier", "metadataPrefix"),
    "ListIdentifiers": ("metadataPrefix",),
    "ListRecords": ("metadataPrefix",),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "ListMetadataFormats": ("identifier",),
    "ListIdentifiers": ("from", "until", "set"),
    "ListRecords": ("from", "until", "set"),
}
LISTS = ("ListSets", "ListIdentifiers", "ListRecords")
"""Verbs that `resumptionToken` goes on with, and stands alone at."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SECOND = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


class ProtocolError(Exception):
    """An error of the protocol: its code, and words for people."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


@dataclass(frozen=True, slots=True)
class Listing:
    """A list under way: what is asked for, after which place it goes on, up to which generation,
    how many came before, and when the token ends (seconds since 1970)."""

    verb: str
    prefix: str
    of: str
    after: Place
    last: int
    told: int
    until: int


def verb(pairs: Sequence[tuple[str, str]]) -> str:
    """The verb of a request. Raises ProtocolError."""
    verbs = [value for name, value in pairs if name == "verb"]
    if len(verbs) != 1 or verbs[0] not in REQUIRED:
        raise ProtocolError("badVerb", f"one verb of {', '.join(REQUIRED)} is needed")
    return verbs[0]


def arguments(what: str, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The arguments of a verb, each once. Raises ProtocolError."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name == "verb":
            continue
        if name in found:
            raise ProtocolError("badArgument", f"{name} stands there twice")
        found[name] = value
    if "resumptionToken" in found and what in LISTS:
        if len(found) > 1:
            raise ProtocolError("badArgument", "a resumptionToken stands alone")
        return found
    allowed = (*REQUIRED[what], *OPTIONAL.get(what, ()))
    for name in found:
        if name not in allowed:
            raise ProtocolError("badArgument", f"{what} has no argument {name[:40]}")
    for name in REQUIRED[what]:
        if name not in found:
            raise ProtocolError("badArgument", f"{what} needs {name}")
    if found.get("metadataPrefix", "oai_dc") not in FORMATS:
        known = ", ".join(FORMATS)
        raise ProtocolError("cannotDisseminateFormat", f"the formats are {known}")
    return found


def times(asked: dict[str, str]) -> tuple[str, str]:
    """`from` and `until` to the second, empty where they are open. Raises ProtocolError."""
    since, until = asked.get("from", ""), asked.get("until", "")
    for name, text in (("from", since), ("until", until)):
        if name in asked and not _is_time(text):
            raise ProtocolError("badArgument", f"{name} is no date of YYYY-MM-DD[Thh:mm:ssZ]")
    if since and until and len(since) != len(until):
        raise ProtocolError("badArgument", "from and until differ in their granularity")
    if since and until and since > until:
        raise ProtocolError("badArgument", "from is later than until")
    start = f"{since}T00:00:00Z" if _DAY.fullmatch(since) else since
    end = f"{until}T23:59:59Z" if _DAY.fullmatch(until) else until
    return start, end


def _is_time(text: str) -> bool:
    if not (_DAY.fullmatch(text) or _SECOND.fullmatch(text)) or not text.isascii():
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def token(listing: Listing, key: bytes) -> str:
    """A listing as a token, signed."""
    text = json.dumps(asdict(listing), separators=(",", ":")).encode()
    return _encode(hmac.digest(key, text, hashlib.sha256)[:16] + text)


def listing(text: str, what: str, key: bytes, now: float) -> Listing:
    """The listing that a token of this verb is. Raises ProtocolError."""
    wrong = ProtocolError("badResumptionToken", "it is none of ours, or no longer good")
    try:
        data = base64.urlsafe_b64decode(text[:MAX_TOKEN].encode("ascii") + b"==")
        sign, rest = data[:16], data[16:]
        if not hmac.compare_digest(sign, hmac.digest(key, rest, hashlib.sha256)[:16]):
            raise wrong
        known = json.loads(rest)
        found = Listing(**{one.name: known[one.name] for one in fields(Listing)})
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise wrong from error
    if found.verb != what or found.until < now:
        raise wrong
    generation, recording = found.after
    return replace(found, after=(generation, recording))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
