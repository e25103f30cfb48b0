"""Logs of any format become the same events; what is none is counted."""

from __future__ import annotations

import errno
import fcntl
import gzip
import json
import os
import termios
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader, RawIOBase
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.errors import InputError, UsageError
from longplay.guard.events import Events
from longplay.guard.following import Follower
from longplay.guard.reading import blocks
from longplay.guard.reading.mapping import wanted
from longplay.guard.reading.reader import Counts, read

TIME = 1_764_378_123  # 2025-11-29T01:02:03Z


def events(
    tmp_path: Path, log: bytes, *pairs: str, name: str = "log"
) -> tuple[Events, dict[int, bytes], Counts]:
    path = tmp_path / name
    path.write_bytes(log)
    counts = Counts()
    names: dict[int, bytes] = {}
    found = []
    for one in read(path, wanted(None, pairs), counts, key=7):
        names |= one.names
        found.append(one.events)
    return np.concatenate(found), names, counts


def line(**fields: object) -> bytes:
    return json.dumps({"time": TIME, "account": "ann", "track": "t-17"} | fields).encode() + b"\n"


def test_a_log_with_the_known_names_needs_no_map(tmp_path: Path) -> None:
    log = line(address="10.0.0.1", bytes=5_000_000, listened_s=180, action="download")
    found, names, counts = events(tmp_path, log)
    (one,) = found
    assert names == {int(one["account"]): b"ann"}
    assert (one["time"], one["number"], one["bytes"]) == (TIME, 17, 5_000_000)
    assert (one["listened"], one["action"]) == (180, 2)
    assert (counts.lines, counts.events, counts.no_event) == (1, 1, 0)


@pytest.mark.parametrize(
    "time",
    [
        TIME,
        str(TIME),
        TIME + 0.75,
        TIME * 1000,
        TIME * 1_000_000,
        "2025-11-29T01:02:03Z",
        "2025-11-29 01:02:03.123456",
        "2025-11-29T02:02:03.5+01:00",
        "2025-11-28T20:02:03-0500",
        "29/Nov/2025:02:02:03 +0100",
    ],
)
def test_times_are_read_as_services_write_them(tmp_path: Path, time: object) -> None:
    found, _, _ = events(tmp_path, line(time=time))
    assert found["time"].tolist() == [TIME]


@pytest.mark.parametrize(
    "wrong",
    [
        b"not json at all",
        b"{",
        b'{"time"}',
        b'{"time": }',
        b'{"time": 1764378123, "account": "ann", "track": "t1"',
        b'{"time": 1764378123, "account": "", "track": "t1"}',
        b'{"time": 1764378123, "account": "ann"}',
        b'{"time": 1764378123, "account": null, "track": "t1"}',
        b'{"time": 1764378123, "account": {"id": 1}, "track": "t1"}',
        b'{"account": "ann", "track": "t1"}',
        b'{"time": "yesterday", "account": "ann", "track": "t1"}',
        b'{"time": "2025-13-29T01:02:03Z", "account": "ann", "track": "t1"}',
        b'{"time": 99999999999999999999, "account": "ann", "track": "t1"}',
        b'{"time": -5, "account": "ann", "track": "t1"}',
        b"[1, 2, 3]",
        b"\xff\xfe\x00",
        b'{"time": 1764378123, "acc\\u006funt": "ann", "tr',
    ],
)
def test_a_line_that_is_no_event_is_counted_and_costs_itself_only(
    tmp_path: Path, wrong: bytes
) -> None:
    found, _, counts = events(tmp_path, line() + wrong + b"\n" + line(track="t2"))
    assert len(found) == 2
    assert (counts.lines, counts.no_event) == (3, 1)


def zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


def write_piecemeal(pipe: Path, data: bytes, first: int) -> None:
    """Write so many bytes, and the rest when they were read."""
    with pipe.open("wb", buffering=0) as out:
        out.write(data[:first])
        while any(fcntl.ioctl(out, termios.FIONREAD, bytes(4))):
            time.sleep(0.001)
        at = first
        while at < len(data):
            at += out.write(data[at:])


@pytest.mark.parametrize("first", [1, 2, 3, 10_000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_a_pipe_is_read_as_a_file_is(
    tmp_path: Path, pack: Callable[[bytes], bytes], first: int
) -> None:
    log = b"".join(line(track=f"t{at}") for at in range(20_000))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        written = pool.submit(write_piecemeal, pipe, pack(log), first)
        found = [one.events for one in read(pipe, {}, Counts(), key=7)]
        written.result()
    assert sum(map(len, found)) == 20_000


def test_a_log_that_cannot_be_read_is_closed() -> None:
    class Broken(RawIOBase):
        name = "access.log"

        def readable(self) -> bool:
            return True

        def readinto(self, _room: object) -> int:
            raise OSError(errno.EIO, "Input/output error")

    log = BufferedReader(Broken())
    with pytest.raises(InputError, match=r"access\.log: input/output error"):
        list(blocks.blocks(log, blocks.Damage()))
    assert log.closed


def test_escapes_nesting_and_unknown_fields_change_nothing(tmp_path: Path) -> None:
    plain = line(account="anna")
    escaped = plain.replace(b"anna", rb"\u0061nna")
    rich = line(account="anna", extra={"account": "x", "list": [1, {"track": "y"}, "}"]}, more=None)
    found, names, counts = events(tmp_path, plain + escaped + rich)
    assert counts.no_event == 0
    assert len(set(found["account"].tolist())) == 1
    assert len(set(found["track"].tolist())) == 1
    assert set(names.values()) == {b"anna"}


def test_broken_encodings_are_counted_and_read_byte_for_byte(tmp_path: Path) -> None:
    bad = line(account="bob").replace(b"bob", b"b\xff\xfeb")
    found, names, counts = events(tmp_path, line() + bad)
    assert len(found) == 2
    assert counts.bad_encoding == 1
    assert b"b\xff\xfeb" in names.values()


def test_a_map_reaches_into_nested_objects(tmp_path: Path) -> None:
    log = json.dumps({"at": TIME, "user": {"id": 5}, "item": {"song": "s9"}}).encode() + b"\n"
    found, names, _ = events(
        tmp_path, log * 2, "time=at", "account=user.id", "track=item.song", name="nested"
    )
    assert len(found) == 2
    assert set(names.values()) == {b"5"}
    assert found["number"].tolist() == [9, 9]


def test_a_table_is_read_by_its_header(tmp_path: Path) -> None:
    log = (
        b"account;time;track;bytes;note\r\n"
        b'ann;2025-11-29T01:02:03Z;"t;1";7;x\r\n'
        b'"an""n";1764378123;t2;;"say ""x"""\r\n'
        b'ann;1764378123;"t3\r\n'
        b"ann;1764378123\r\n"
    )
    found, names, counts = events(tmp_path, log)
    assert found["time"].tolist() == [TIME, TIME]
    assert found["bytes"].tolist() == [7, -1]
    assert set(names.values()) == {b"ann", b"an%22n"}
    assert (counts.lines, counts.no_event) == (4, 2)


COMBINED = (
    b'10.0.0.1 - ann [29/Nov/2025:01:02:03 +0000] "GET /stream/t17.mp3?x=1 HTTP/1.1" 200 99 '
    b'"-" "Player \\"1\\""\n'
    b'10.0.0.2 - - [29/Nov/2025:01:02:03 +0000] "GET /rest/stream?u=a&id=t18&c=b HTTP/1.1" 200 -\n'
)


def test_web_servers_logs_name_users_or_else_addresses(tmp_path: Path) -> None:
    found, names, counts = events(tmp_path, COMBINED)
    assert set(names.values()) == {b"ann", b"10.0.0.2"}
    assert found["bytes"].tolist() == [99, -1]
    assert counts.no_event == 0


def test_tracks_are_cut_out_of_urls(tmp_path: Path) -> None:
    by_prefix, _, counts = events(tmp_path, COMBINED, "track=request|/stream/")
    assert by_prefix["number"].tolist() == [17]
    assert counts.no_event == 1
    by_query, _, _ = events(tmp_path, COMBINED, "track=request|?id")
    assert by_query["number"].tolist() == [18]


def test_nginx_and_envoy_json_need_no_map(tmp_path: Path) -> None:
    nginx = (
        b'{"time_iso8601":"2025-11-29T01:02:03+00:00","remote_addr":"10.0.0.9","remote_user":"",'
        b'"request":"GET /a/t5 HTTP/2.0","status":"200","body_bytes_sent":"77"}\n'
    )
    found, names, counts = events(tmp_path, nginx, "account=remote_addr")
    assert (found["time"][0], found["bytes"][0], counts.no_event) == (TIME, 77, 0)
    envoy = (
        b'{"start_time":"2025-11-29T01:02:03.411Z","method":"GET","path":"/a/t5",'
        b'"bytes_sent":77,"downstream_remote_address":"10.0.0.9:4711"}\n'
    )
    found, names, _ = events(tmp_path, envoy, name="envoy")
    assert (found["time"][0], found["number"][0]) == (TIME, 5)
    assert set(names.values()) == {b"10.0.0.9:4711"}


def test_what_pages_are_made_of_is_only_looked_at(tmp_path: Path) -> None:
    log = COMBINED.replace(b"/stream/t17.mp3", b"/style/main.css")
    found, _, _ = events(tmp_path, log)
    assert found["action"].tolist() == [4, 0]


def test_compressed_logs_are_unpacked_and_damage_is_counted(tmp_path: Path) -> None:
    log = line() * 1000
    whole, _, _ = events(tmp_path, gzip.compress(log), name="log.gz")
    assert len(whole) == 1000
    broken = bytearray(gzip.compress(log + bytes(range(256)) * 4000, compresslevel=0))
    found, _, counts = events(tmp_path, bytes(broken[: len(broken) // 2]), name="cut.gz")
    assert counts.damage.broken_off == 1
    assert len(found) <= 1000


def test_a_line_without_end_is_dropped_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(blocks, "LONGEST_LINE", 5000)
    huge = b'{"time": 1, "x": "' + b"a" * 50_000 + b'"}\n'
    found, _, counts = events(
        tmp_path, line() + huge + line(track="t2") + huge + line() + huge[:-1]
    )
    assert len(found) == 3
    assert counts.damage.too_long == 3


@pytest.mark.parametrize("before", [0, 100, 600_000, blocks.BLOCK_BYTES - 1, blocks.BLOCK_BYTES])
@pytest.mark.parametrize("more", [0, 1, 20, 500_000, blocks.LONGEST_LINE])
def test_a_line_is_too_long_wherever_it_stands_for_a_scan_as_for_the_live_guard(
    tmp_path: Path, before: int, more: int
) -> None:
    long = b"x" * (blocks.LONGEST_LINE + more) + b"\n"
    beside = (b"a" * (before - 1) + b"\n" if before else b"", b"b\n")
    path = tmp_path / "log"
    path.write_bytes(long.join(beside))
    scanned, live = blocks.Damage(), Follower(path)
    expected = b"".join(beside) if more else long.join(beside)
    assert b"".join(blocks.blocks(path, scanned)) == expected
    assert b"".join(iter(live.read, b"")) == expected
    assert scanned.too_long == live.damage.too_long == (1 if more else 0)


def test_an_empty_log_has_no_events(tmp_path: Path) -> None:
    found, _, counts = events(tmp_path, b"")
    assert (len(found), counts.lines) == (0, 0)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=300))
def test_no_bytes_make_it_crash(junk: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        found, _, counts = events(Path(folder), line() + junk + b"\n" + line())
        assert len(found) >= 2
        assert counts.lines == counts.events + counts.no_event


def test_a_log_whose_fields_are_unknown_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no field of this log is known to tell the account") as it:
        events(tmp_path, b'{"time": 1, "who": "a", "track": "t"}\n')
    assert it.value.hint == "name it with --map account=NAME"
    with pytest.raises(InputError, match="no column 'who'"):
        events(tmp_path, b"time,account,track\n", "account=who")


@pytest.mark.parametrize("junk", [b"\x00\r\x01a\rb\n", b"a" * 200_000 + b"\n"])
def test_what_is_no_log_at_all_is_told_in_one_line(tmp_path: Path, junk: bytes) -> None:
    with pytest.raises(InputError, match="is no access log") as it:
        events(tmp_path, junk)
    assert it.value.where == str(tmp_path / "log")


def test_maps_are_judged_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'colour=x' maps no field"):
        wanted(None, ["colour=x"])
    file = tmp_path / "map.toml"
    file.write_text('account = "who"\n')
    assert wanted(file, ["track=song"]) == {"account": "who", "track": "song"}
    file.write_text("account = 3\n")
    with pytest.raises(InputError, match="'account' maps no field"):
        wanted(file, [])
    file.write_text("account = \n")
    with pytest.raises(InputError, match="not a map"):
        wanted(file, [])


def test_a_log_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or directory"):
        list(read(tmp_path / "none", {}, Counts()))


def test_where_a_line_names_nobody_its_address_stands(tmp_path: Path) -> None:
    log = line(account=7, address="192.0.2.1") + line(account=None, address="192.0.2.2") * 2
    found, names, _ = events(tmp_path, log)
    assert len(found) == 3
    assert set(names.values()) == {b"7", b"192.0.2.2"}
