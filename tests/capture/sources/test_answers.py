"""What a host's answers are taken for: the file, the rest of it, or a lie."""

from __future__ import annotations

import pytest

from longplay.errors import SourceError, UnavailableError
from tests.capture.sources.asking import SONG, Asking
from tests.capture.sources.host import CHANGED, Host, answering, cut_after, raw


def test_a_file_comes_with_its_size_state_and_date(host: Host, asking: Asking) -> None:
    with asking.open(host) as stream:
        assert (stream.start, stream.size) == (0, len(SONG))
        assert stream.version == host.etag("/a.flac")
        assert stream.mtime_ns == 1_717_236_000 * 10**9
        assert b"".join(stream.chunks) == SONG
    assert host.paths() == ["/a.flac"]
    assert all(agent.startswith("Longplay/") for agent in host.agents)


@pytest.mark.parametrize(
    ("said", "mtime_ns"),
    [
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Thu, 01 Jan 1000 00:00:00 GMT", None),
        ("Sat, 31 Dec 2261 23:59:59 GMT", 9_214_646_399 * 10**9),
        ("Mon, 01 Jan 1900 00:00:00 GMT", -2_208_988_800 * 10**9),
        ("yesterday", None),
    ],
)
def test_a_date_is_one_that_tables_hold_or_none(
    host: Host, asking: Asking, said: str, mtime_ns: int | None
) -> None:
    host.faults = [answering(200, SONG, Last_Modified=said)]
    with asking.open(host) as stream:
        assert stream.mtime_ns == mtime_ns


def test_a_host_is_told_whom_to_write_to(host: Host) -> None:
    asking = Asking(contact="mailto:archive@example.org")
    asking.all(host)
    assert all(each.endswith(" (+mailto:archive@example.org)") for each in host.agents)


def test_a_state_without_a_strong_etag_is_told_by_its_date(host: Host, asking: Asking) -> None:
    host.etags = False
    host.headers = {"ETag": 'W/"weak"'}
    with asking.open(host) as stream:
        assert stream.version == CHANGED
    fields = f'Date: {CHANGED}\r\nLast-Modified: {CHANGED}\r\nETag: W/"weak"\r\n'.encode()
    host.faults = [raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + fields + b"\r\nx")]
    with asking.open(host) as stream:
        assert stream.version == 'W/"weak"', "it may change again within that second"


# Resuming


@pytest.mark.parametrize("etags", [True, False])
def test_a_broken_transfer_goes_on_where_it_was(host: Host, asking: Asking, etags: bool) -> None:
    host.etags = etags
    host.faults = [cut_after(100_000)]
    got, version = asking.got_until_the_break(host)
    assert got == SONG[: len(got)]
    assert 0 < len(got) <= 100_000

    with asking.open(host, start=len(got), version=version) as stream:
        assert (stream.start, stream.size, stream.version) == (len(got), len(SONG), version)
        assert got + b"".join(stream.chunks) == SONG
    assert host.asked[-1][1:] == (f"bytes={len(got)}-", version)


def test_a_file_that_has_changed_begins_anew(host: Host, asking: Asking) -> None:
    host.faults = [cut_after(100_000)]
    got, version = asking.got_until_the_break(host)
    host.files["/a.flac"] = SONG[::-1]

    with asking.open(host, start=len(got), version=version) as stream:
        assert stream.start == 0
        assert stream.version == host.etag("/a.flac") != version
        assert b"".join(stream.chunks) == SONG[::-1]


@pytest.mark.parametrize("version", ["", 'W/"weak"', '"é"', "yesterday", '"a"\r\nX: y'])
def test_without_a_proof_of_its_state_a_file_begins_anew(
    host: Host, asking: Asking, version: str
) -> None:
    with asking.open(host, start=1000, version=version) as stream:
        assert stream.start == 0
        assert b"".join(stream.chunks) == SONG
    assert host.asked[-1][1:] == (None, None)


REST = SONG[1000:]
SIZE = len(SONG)
MISFITS = {
    "of elsewhere": (206, {"Content-Range": f"bytes 999-{SIZE - 1}/{SIZE}"}, SONG[999:]),
    "of less": (206, {"Content-Range": f"bytes 1000-2000/{SIZE}"}, SONG[1000:2001]),
    "of more": (206, {"Content-Range": f"bytes 1000-{SIZE}/{SIZE}"}, REST + b"x"),
    "of another length": (206, {"Content-Range": f"bytes 1000-{SIZE - 1}/{SIZE}"}, REST[1:]),
    "of nothing said": (206, {}, REST),
    "of nonsense": (206, {"Content-Range": "bytes lots"}, REST),
    "of several": (206, {"Content-Type": "multipart/byteranges; boundary=x"}, b"--x"),
    "of another state": (
        206,
        {"Content-Range": f"bytes 1000-{SIZE - 1}/{SIZE}", "ETag": '"other"'},
        REST,
    ),
    "of no satisfaction": (416, {}, b""),
    "of a shorter file": (416, {"Content-Range": "bytes */900"}, b""),
    "of a file as long in another state": (
        416,
        {"Content-Range": "bytes */1000", "ETag": '"other"'},
        b"",
    ),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_an_answer_that_is_not_the_rest_is_refused_and_all_is_asked_for(
    host: Host, asking: Asking, kind: str
) -> None:
    status, headers, body = MISFITS[kind]
    host.faults = [answering(status, body, **headers)]
    with asking.open(host, start=1000, version=host.etag("/a.flac")) as stream:
        assert stream.start == 0
        assert b"".join(stream.chunks) == SONG
    assert host.paths() == ["/a.flac"] * 2


def test_when_all_is_here_nothing_more_is_sent(host: Host, asking: Asking) -> None:
    with asking.open(host, start=SIZE, version=host.etag("/a.flac")) as stream:
        assert (stream.start, stream.size, list(stream.chunks)) == (SIZE, SIZE, [])
    assert host.paths() == ["/a.flac"]


def test_a_part_that_nobody_asked_for_is_no_file(host: Host, asking: Asking) -> None:
    host.faults = [answering(206, REST, Content_Range=f"bytes 1000-{SIZE - 1}/{SIZE}")]
    with pytest.raises(SourceError, match="answers with a part of the file"):
        asking.all(host)


# A host that lies


def test_less_than_was_announced_is_a_break(host: Host, asking: Asking) -> None:
    host.faults = [answering(200, SONG, Content_Length=str(SIZE + 1000))]
    with pytest.raises(UnavailableError, match=f"broke off after {SIZE:,} bytes"):
        asking.all(host)


def test_no_more_is_read_than_was_announced(host: Host, asking: Asking) -> None:
    host.faults = [answering(200, SONG, Content_Length="1000")]
    assert asking.all(host) == SONG[:1000]
    assert asking.all(host) == SONG, "what was left over is no answer to the next request"


@pytest.mark.parametrize(
    ("announced", "words"),
    [(True, "has 640,004 bytes, more than 0.0001 GB"), (False, "sends more than 100,000 bytes")],
)
def test_a_file_that_is_too_large_is_not_read(host: Host, announced: bool, words: str) -> None:
    asking = Asking(file_gb=0.0001)
    if not announced:
        host.faults = [raw(b"HTTP/1.1 200 OK\r\n\r\n" + SONG)]
    with pytest.raises(SourceError, match=words):
        asking.all(host)


def test_a_length_is_not_asked_of_every_host(host: Host, asking: Asking) -> None:
    body = b"%x\r\n" % SIZE + SONG + b"\r\n0\r\n\r\n"
    host.faults = [raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)]
    with asking.open(host) as stream:
        assert stream.size is None
        assert b"".join(stream.chunks) == SONG


PAGES = {
    "by its type": (SONG, {"Content-Type": "text/html; charset=utf-8"}),
    "by its type in capitals": (SONG, {"Content-Type": "TEXT/HTML"}),
    "by its first bytes": (b"<!DOCTYPE HTML><p>Gone", {"Content-Type": "audio/flac"}),
    "after a mark and a space": (b"\xef\xbb\xbf \n<html><p>Gone", {}),
    "after a comment": (b"<!-- x --><html lang=en>" + SONG, {}),
    "as XML": (b'<?xml version="1.0"?><!doctype html><html/>', {}),
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_web_page_with_status_200_is_no_sound(host: Host, asking: Asking, kind: str) -> None:
    body, headers = PAGES[kind]
    host.faults = [answering(200, body, **headers)] * 2
    with pytest.raises(SourceError, match="the host sent a web page instead of sound"):
        asking.all(host)
    with asking.client.open(asking.wanted(host), sound=False) as stream:
        assert b"".join(stream.chunks) == body, "where a page may be meant, it is one"


@pytest.mark.parametrize("body", [b"", b"<", b"a", b"<RIFF" + SONG])
def test_what_is_no_page_passes(host: Host, asking: Asking, body: bytes) -> None:
    host.files["/a.flac"] = body
    assert asking.all(host) == body


def test_what_is_encoded_against_our_wish_is_refused(host: Host, asking: Asking) -> None:
    host.faults = [answering(200, b"\x1f\x8b", Content_Encoding="gzip")]
    with pytest.raises(SourceError, match="sends it as gzip, though it was asked for"):
        asking.all(host)


def test_cookies_are_not_kept(host: Host, asking: Asking) -> None:
    host.headers = {"Set-Cookie": "who=you; Path=/"}
    asking.all(host)
    assert not asking.client._client.cookies
