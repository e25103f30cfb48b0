"""Files that lie, change, or are more than anybody would believe: each costs itself alone."""

from __future__ import annotations

import os
import struct
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from longplay.audio.encode import encode
from longplay.model import Tags
from tests.faults.checking import check, rows, use
from tests.system.conftest import RATE, Longplay, song, tone


def states(found: dict[tuple[str, bytes], str]) -> dict[str, str]:
    return {os.fsdecode(path): state for (_, path), state in found.items()}


@pytest.mark.long
def test_ten_hours_of_silence_cost_bounded_time(longplay: Longplay, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    ten_hours(music / "silence.flac")
    assert (music / "silence.flac").stat().st_size < 16 * 2**20
    done = longplay.json("keep", music)["capture"]
    assert (done["captured"] + done["quarantined"], done["failed"]) == (1, 0)
    state = states(check(longplay))["silence.flac"]
    assert state == "held" or "longer than" in state or "CPU seconds" in state


def ten_hours(path: Path) -> None:
    """Silence at 8 kHz, from one second of it: FLAC frames repeat but for their number and CRCs."""
    one = path.with_name("one.flac")
    encode(np.zeros((1, 8000 * 36), np.float32), 8000, one, "flac")
    data = one.read_bytes()
    one.unlink()
    start = 4
    while not data[start] & 0x80:
        start += 4 + int.from_bytes(data[start + 1 : start + 4])
    last = start + 4 + int.from_bytes(data[start + 1 : start + 4])
    info = bytearray(data[8:42])
    info[18:34] = bytes(16)  # no digest of the sound
    total = 10 * 3600 * 8000
    packed = int.from_bytes(info[10:18]) >> 36 << 36 | total
    info[10:18] = packed.to_bytes(8)
    block = struct.unpack(">H", info[2:4])[0]
    frame = first_frame(data[last:])
    with path.open("wb") as out:
        out.write(b"fLaC" + b"\x80" + (34).to_bytes(3) + bytes(info))
        for number in range(total // block):
            out.write(renumbered(frame, number))


def first_frame(data: bytes) -> bytes:
    """One whole frame, header to CRC-16."""
    sync = data[:2]
    end = data.find(sync, 4)
    while crc16(data[: end - 2]) != int.from_bytes(data[end - 2 : end]):
        end = data.find(sync, end + 1)
    return data[:end]


def renumbered(frame: bytes, number: int) -> bytes:
    """The frame under another number (RFC 9639, 9.1 and 9.3)."""
    head, body = frame[:4], frame[5 + 1 : -2]  # its own number 0 takes one byte, the CRC-8 another
    header = head + utf8(number)
    whole = header + bytes([crc8(header)]) + body
    return whole + crc16(whole).to_bytes(2)


def utf8(number: int) -> bytes:
    return chr(number).encode("utf-8", "surrogatepass")


def _table(width: int, polynomial: int) -> list[int]:
    top = 1 << (width - 1)
    found = []
    for byte in range(256):
        value = byte << (width - 8)
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value & top else 0)
        found.append(value & ((1 << width) - 1))
    return found


CRC8, CRC16 = _table(8, 0x07), _table(16, 0x8005)


def crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value = CRC8[value ^ byte]
    return value


def crc16(data: bytes) -> int:
    value = 0
    for byte in data:
        value = ((value << 8) ^ CRC16[(value >> 8) ^ byte]) & 0xFFFF
    return value


def test_an_ogg_file_that_claims_two_to_the_forty_samples(
    longplay: Longplay, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    path = song(music / "liar.ogg", "vorbis", seconds=1)
    data = bytearray(path.read_bytes())
    page = data.rfind(b"OggS")
    data[page + 6 : page + 14] = (2**40).to_bytes(8, "little")
    data[page + 22 : page + 26] = bytes(4)
    data[page + 22 : page + 26] = ogg_crc(bytes(data[page:])).to_bytes(4, "little")
    path.write_bytes(data)
    song(music / "honest.ogg", "vorbis", seconds=1, pitch=300)
    done = longplay.json("keep", music)["capture"]
    assert done["captured"] + done["quarantined"] == 2
    assert done["failed"] == 0
    assert states(check(longplay))["honest.ogg"] == "held"


def ogg_crc(page: bytes) -> int:
    """RFC 3533, 6: polynomial 0x04c11db7, nothing reflected."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        value &= 0xFFFFFFFF
    return value


def test_tags_of_fifty_megabytes(longplay: Longplay, tmp_path: Path) -> None:
    music = tmp_path / "music"
    plain = song(music / "plain.mp3", "mp3", seconds=1).read_bytes()
    frame = b"TXXX" + syncsafe(50 * 2**20) + b"\0\0" + b"\3words\0" + b"x" * (50 * 2**20 - 7)
    (music / "wordy.mp3").write_bytes(b"ID3\4\0\0" + syncsafe(len(frame)) + frame + plain)
    done = longplay.json("keep", music)["capture"]
    assert (done["captured"] + done["quarantined"], done["failed"]) == (2, 0)
    assert states(check(longplay))["wordy.mp3"] == "held"


def syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def test_names_in_broken_encodings(longplay: Longplay, tmp_path: Path) -> None:
    music = tmp_path / "music"
    names = [
        *(b"caf\xe9.flac", b"\xff\xfe.flac", b"a\nb.flac", b"\x1b[31mred.flac", b"tab\t.flac"),
        *("e\u0301.flac".encode(), b"\xed\xa0\x80.flac", b"-rf.flac", b" .flac"),
    ]
    plain = song(tmp_path / "one.flac", "flac", seconds=1)
    music.mkdir()
    for number, name in enumerate(names):
        path = music / os.fsdecode(name)
        path.write_bytes(plain.read_bytes() if number % 2 else b"")
        if not number % 2:
            song(path, "flac", seconds=1, pitch=200 + 10 * number)
    done = longplay.json("keep", music)["capture"]
    assert done["captured"] == len(names)
    assert set(check(longplay)) == {("music", name) for name in names}
    assert longplay.json("restore", tmp_path / "back")
    back = {
        os.fsencode(path.name): path.read_bytes() for path in (tmp_path / "back").rglob("*.flac")
    }
    assert back == {name: (music / os.fsdecode(name)).read_bytes() for name in names}


@pytest.mark.long
def test_a_file_that_changes_while_it_is_read(longplay: Longplay, tmp_path: Path) -> None:
    music = tmp_path / "music"
    for number in range(12):
        song(music / f"{number:02}.flac", "flac", seconds=20, pitch=200 + number)
    path = music / "05.flac"
    ended = threading.Event()

    def change() -> None:
        number = 0
        while not ended.wait(0.01):
            number += 1
            with path.open("r+b") as file:
                file.seek(5000 + number % 5000)
                file.write(os.urandom(64))

    longplay.run("init", longplay.archive)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        done = longplay.json("keep", music, expect=None)["capture"]
    finally:
        ended.set()
        thread.join()
    assert done["captured"] + done["quarantined"] + done["failed"] == 12
    due = list(rows(longplay).values()).count("due")
    assert due == done["failed"]
    check(longplay, due=due)
    time.sleep(0.01)
    song(path, "flac", seconds=2, pitch=500)
    done = longplay.json("keep", music)["capture"]
    assert (done["captured"], done["failed"]) == (1, 0)
    check(longplay)


@pytest.mark.long
def test_ten_thousand_files_that_are_the_same(longplay: Longplay, tmp_path: Path) -> None:
    music = tmp_path / "music"
    data = song(tmp_path / "one.flac", "flac", seconds=1, title="One", artists=("Ann",))
    for number in range(10_000):
        place = music / f"{number // 100:03}" / f"{number:05}.flac"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data.read_bytes())
    done = longplay.json("keep", music)["capture"]
    assert (done["captured"], done["failed"], done["quarantined"]) == (10_000, 0, 0)
    assert longplay.json("status")["objects"] == 1
    assert set(check(longplay).values()) == {"held"}


@pytest.mark.long
def test_a_header_that_asks_for_gigabytes(longplay: Longplay, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    # A picture of 8 GB on paper, and channels that no decoder has room for.
    hungry = bytearray(song(tmp_path / "x.flac", "flac", seconds=1).read_bytes())
    (music / "hungry.wav").write_bytes(
        b"RIFF"
        + struct.pack("<I", 2**32 - 9)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 2, 2**31 - 1, 2**32 - 1, 4, 16)
        + b"data"
        + struct.pack("<I", 2**32 - 45)
        + bytes(4096)
    )
    (music / "fine.flac").write_bytes(hungry)
    encode(tone(1, 300), RATE, music / "other.flac", "flac", Tags(title="Other"))
    done = longplay.json("keep", music)["capture"]
    assert (done["offered"], done["failed"]) == (3, 0)
    found = states(check(longplay))
    assert (found["fine.flac"], found["other.flac"]) == ("held", "held")


@pytest.mark.real
@pytest.mark.long
def test_a_disk_that_is_full(longplay: Longplay, tmp_path: Path, program: object) -> None:
    mount, umount = program("mount"), program("umount")  # type: ignore[operator]
    if os.geteuid():
        pytest.skip("only root may mount a small disk")
    music, disk = tmp_path / "music", tmp_path / "disk"
    for number in range(40):
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, (1, RATE * 4))
        path = music / f"{number:02}.flac"
        path.parent.mkdir(exist_ok=True)
        encode(samples.astype(np.float32), RATE, path, "flac", Tags(title=f"Noise {number}"))
    disk.mkdir()
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=6m", "none", str(disk)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        full = Longplay(disk / "archive")
        said = full.run("keep", music, expect=1)
        assert "space" in said.err.lower()
        assert "Traceback" not in said.err
        grown = subprocess.run([mount, "-o", "remount,size=200m", str(disk)], check=False)
        assert grown.returncode == 0
        done = full.json("keep", music)["capture"]
        assert (done["captured"] + done["already_held"], done["failed"]) == (40, 0)
        use(full, engine="")
        check(full)
    finally:
        subprocess.run([umount, str(disk)], check=False)
