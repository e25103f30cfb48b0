"""Uploads in parts that nobody will finish: a worker that died leaves them, and the server keeps
their parts, unseen and paid for. obstore cannot list them, so S3 is asked here by its own protocol.

Requests are signed by AWS Signature Version 4, with the credentials of the environment:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

import httpx
from lxml import etree

from longplay import clock
from longplay.errors import StoreError
from longplay.vault.bucket import SCHEME

ABANDONED = timedelta(days=1)
"""Age after which an upload is taken for abandoned: no file of ours takes so long."""

WAIT_SECONDS = 30.0

MAX_ANSWER_BYTES = 8 * 2**20
"""A page has at most 1,000 uploads, of some 500 bytes each."""

OURS = frozenset({"objects", "evidence", "quarantine", "plans", "releases", "incoming"})
"""Where an archive keeps something below its prefix. Others may keep theirs beside it."""

NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished upload: the path in the bucket that it would get, the server's name for it,
    when it was begun, and how long ago that is."""

    path: str
    id: str
    begun: datetime
    age: timedelta


def unfinished(location: str, *, older: timedelta = ABANDONED) -> list[Upload]:
    """The uploads in parts of the archive at `s3://bucket/prefix` that were begun longer ago than
    `older`, and neither finished nor aborted. Raises StoreError when the server does not say."""
    with _Client(location) as client:
        return [one for one in client.uploads() if one.age > older]


def abort(location: str, uploads: Sequence[Upload]) -> None:
    """Abort uploads; one that is gone already is no error. Raises StoreError."""
    with _Client(location) as client:
        for one in uploads:
            client.ask("DELETE", one.path, {"uploadId": one.id}, missing_is_fine=True)


@dataclass(frozen=True, slots=True)
class _Login:
    endpoint: str
    region: str
    key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)


def _login() -> _Login:
    """The credentials of the environment. Raises StoreError where it has none."""
    get = os.environ.get
    region = get("AWS_REGION") or get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = get("AWS_ENDPOINT_URL_S3") or get("AWS_ENDPOINT_URL") or get("AWS_ENDPOINT")
    key, secret = get("AWS_ACCESS_KEY_ID", ""), get("AWS_SECRET_ACCESS_KEY", "")
    if not key or not secret:
        raise StoreError(
            "unfinished uploads cannot be asked for without an access key",
            where="AWS_ACCESS_KEY_ID",
            hint="set it and AWS_SECRET_ACCESS_KEY in the environment",
        )
    endpoint = endpoint or f"https://s3.{region}.amazonaws.com"
    return _Login(endpoint.rstrip("/"), region, key, secret, get("AWS_SESSION_TOKEN", ""))


class _Client:
    """Requests about one bucket."""

    def __init__(self, location: str) -> None:
        self._bucket, _, self._prefix = location.removeprefix(SCHEME).rstrip("/").partition("/")
        self._login = _login()
        # Requests name their host, and a proxy of the environment is none of the store's.
        self._http = httpx.Client(timeout=WAIT_SECONDS, trust_env=False)

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def uploads(self) -> Iterator[Upload]:
        """All of ours that are unfinished, page by page."""
        prefix = f"{self._prefix}/" if self._prefix else ""
        marker: dict[str, str] = {}
        while True:
            document = _parse(self.ask("GET", "", {"uploads": "", "prefix": prefix} | marker))
            for one in document.iterfind("Upload"):
                try:
                    begun = datetime.fromisoformat(one.findtext("Initiated", ""))
                    age = clock.now() - begun
                except (ValueError, TypeError) as error:
                    raise self._refused(f"tells no time: {error}") from error
                path = one.findtext("Key", "")
                if path.removeprefix(prefix).partition("/")[0] in OURS:
                    yield Upload(path, one.findtext("UploadId", ""), begun, age)
            if document.findtext("IsTruncated", "false") != "true":
                return
            following = {
                "key-marker": document.findtext("NextKeyMarker", ""),
                "upload-id-marker": document.findtext("NextUploadIdMarker", ""),
            }
            if following == marker:
                return  # a server that stands still would never end
            marker = following

    def ask(
        self, method: str, path: str, query: Mapping[str, str], *, missing_is_fine: bool = False
    ) -> bytes:
        """The body of the answer to a signed request. Raises StoreError."""
        place = f"/{self._bucket}/{path}" if path else f"/{self._bucket}"
        try:
            answer = self._send(method, place, query)
        except httpx.HTTPError as error:
            raise self._refused(f"does not answer: {error}") from error
        if answer[0] == httpx.codes.NOT_FOUND and missing_is_fine:
            return b""
        if not httpx.codes.is_success(answer[0]):
            raise self._refused(f"answers {answer[0]}")
        return answer[1]

    def _send(self, method: str, place: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        pairs = sorted((quote(key, safe=""), quote(value, safe="")) for key, value in query.items())
        text = "&".join(f"{key}={value}" for key, value in pairs)
        base = urlsplit(self._login.endpoint)
        path = f"{base.path}{quote(place, safe='/')}"
        headers = _signed(self._login, method, base.netloc, path, text)
        url = f"{base.scheme}://{base.netloc}{path}?{text}"
        with self._http.stream(method, url, headers=headers) as answer:
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise self._refused("says more than it should")
            return answer.status_code, body

    def _refused(self, why: str) -> StoreError:
        return StoreError(
            f"unfinished uploads are not known: the server {why}",
            where=f"{SCHEME}{self._bucket}",
            hint="check its address, and its credentials in the environment",
        )


def _signed(login: _Login, method: str, host: str, path: str, query: str) -> dict[str, str]:
    """The headers of a request without a body."""
    time = clock.now().strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": host, "x-amz-content-sha256": NOTHING, "x-amz-date": time}
    if login.token:
        headers["x-amz-security-token"] = login.token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join((method, path, query, lines, names, NOTHING))
    scope = f"{time[:8]}/{login.region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{login.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(("AWS4-HMAC-SHA256", time, scope, digest))
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={login.key}/{scope}, SignedHeaders={names},"
        f" Signature={signature}"
    )
    return headers


def _parse(body: bytes) -> etree._Element:
    """An answer's document, its elements without their name space."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        document = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise StoreError(f"unfinished uploads are not known: {error}") from error
    for element in document.iter(etree.Element):
        element.tag = etree.QName(element).localname
    return document
