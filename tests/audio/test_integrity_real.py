"""Real files: the healthy ones are whole, and what is done to them is found."""

from __future__ import annotations

import io
import random
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from longplay.audio.decode import decode
from longplay.audio.integrity import Structure, examine, judge
from longplay.errors import MediaError
from longplay.model import Integrity, Verdict
from longplay.settings import Limits
from tests.audio.integrity_made import flac_frames, flipped

CUTS, FLIPS, ZEROS = 10, 20, 5
FEWER_FLIPS = 6  # where each flip that is not found costs decoding the file
ZEROED = 4096
CHECKED = ("Vorbis", "Opus", "Speex", "FLAC", "MP3")
"""Codecs whose files here carry a checksum over all sound."""
CHAINED = ("ADTS AAC", "AMR")
"""Streams that do not say how long they are: one that ends between two frames is a shorter one."""

Table = Counter[tuple[str, str]]


def verdict(data: bytes) -> Integrity:
    """What a capture would say of these bytes."""
    structure = examine(io.BytesIO(data), len(data))
    try:
        stream, decoded = decode(io.BytesIO(data), len(data), Limits(), lambda _: None)
    except MediaError:
        return judge(structure, None, None)
    return judge(structure, stream, decoded)


def detected(data: bytes) -> bool:
    """Whether damage is seen. Decoding is spared where the bytes alone tell: it adds findings and
    takes none away."""
    if examine(io.BytesIO(data), len(data)).findings:
        return True
    return verdict(data).verdict is not Verdict.WHOLE


def codec(path: Path) -> str:
    """A column of the table."""
    if path.suffix == ".ogg":
        return "Vorbis"
    if path.name.endswith("44100hz.m4a"):
        return "ALAC in MP4"
    names = {".opus": "Opus", ".spx": "Speex", ".flac": "FLAC", ".mp3": "MP3", ".m4a": "AAC in MP4"}
    others = {".aac": "ADTS AAC", ".amr": "AMR", ".webm": "Opus in WebM"}
    return names.get(path.suffix) or others[path.suffix]


def sound_begins(data: bytes) -> int:
    """Where tags that no checksum covers end."""
    if data[:4] == b"fLaC":
        return flac_frames(data)
    if data[:3] == b"ID3":
        return 10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9])
    return 0


def damage(path: Path, table: Table, flips: int = FLIPS) -> None:
    """Cut, flip and zero one file, and count what is found."""
    data = path.read_bytes()
    kind, begin = codec(path), sound_begins(data)
    chance = random.Random(path.name)  # the file's own name: the same damage every time
    for _ in range(CUTS):
        count(table, kind, "cuts", detected(data[: chance.randrange(1, len(data))]))
    for _ in range(flips):
        offset, bit = chance.randrange(len(data)), chance.randrange(8)
        found = detected(flipped(data, offset, bit))
        count(table, kind, "flips" if offset >= begin else "flips in tags", found)
    for _ in range(ZEROS):
        offset = chance.randrange(begin, len(data) - ZEROED)
        if any(data[offset : offset + ZEROED]):
            zeroed = data[:offset] + bytes(ZEROED) + data[offset + ZEROED :]
            count(table, kind, "zeros", detected(zeroed))


def count(table: Table, kind: str, what: str, found: bool) -> None:
    table[kind, what] += 1
    table[kind, f"{what} found"] += found


def show(table: Table) -> None:
    columns = ("cuts", "flips", "flips in tags", "zeros")
    print("\n" + "codec".ljust(14) + "".join(name.rjust(16) for name in columns))
    for kind in sorted({kind for kind, _ in table}):
        cells = [f"{table[kind, f'{name} found']}/{table[kind, name]}" for name in columns]
        print(kind.ljust(14) + "".join(cell.rjust(16) for cell in cells))


def meets_the_goal(table: Table) -> None:
    for kind in {kind for kind, _ in table}:
        share = table[kind, "cuts found"] / table[kind, "cuts"]
        assert share >= (0.9 if kind in CHAINED else 1), f"cuts in {kind}"
        assert table[kind, "zeros found"] == table[kind, "zeros"], f"zeros in {kind}"
        if kind in CHECKED:
            assert table[kind, "flips found"] >= 0.99 * table[kind, "flips"], f"flips in {kind}"


@cache
def tracks(data: Path) -> list[Path]:
    return sorted(path for path in (data / "audio").iterdir() if path.suffix != ".tsv")


@pytest.mark.real
def test_every_healthy_file_is_whole(data: Path) -> None:
    files = [path for path in tracks(data) if path.is_file()]
    assert len(files) == 75
    damaged = {path.name: verdict(path.read_bytes()) for path in files}
    wrong = {name: found for name, found in damaged.items() if found.verdict is not Verdict.WHOLE}
    assert not wrong
    assert all(found.proofs for found in damaged.values())


@pytest.mark.real
def test_damage_to_one_file_of_each_codec_is_found(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table: Table = Counter()
    smallest: dict[str, Path] = {}
    for path in tracks(data):
        known = smallest.setdefault(codec(path), path)
        if path.stat().st_size < known.stat().st_size:
            smallest[codec(path)] = path
    for path in smallest.values():
        damage(path, table, FLIPS if codec(path) in CHECKED else FEWER_FLIPS)
    with capsys.disabled():
        show(table)
    meets_the_goal(table)


@pytest.mark.real
@pytest.mark.long
def test_damage_to_every_file_is_found(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table: Table = Counter()
    for path in tracks(data):
        damage(path, table)
    with capsys.disabled():
        show(table)
    meets_the_goal(table)


@pytest.mark.real
def test_odd_and_broken_files_get_a_verdict(data: Path) -> None:
    verdicts: Counter[Verdict] = Counter()
    for path in sorted((data / "broken").rglob("*")):
        if path.is_file():
            verdicts[verdict(path.read_bytes()).verdict] += 1
    assert set(verdicts) == set(Verdict)


@pytest.mark.real
def test_the_faulty_flac_files_are_not_called_whole(data: Path) -> None:
    # 10 has a bad comment count and sound that is bit for bit the one its MD5 names.
    for path in sorted((data / "broken" / "flac-faulty").glob("*.flac")):
        whole = verdict(path.read_bytes()).verdict is Verdict.WHOLE
        assert whole == path.name.startswith("10"), path.name


@pytest.mark.real
def test_formats_with_checksums_of_their_own(data: Path) -> None:
    for name, checksum in (
        ("beets/full.ape", "Monkey's Audio MD5"),
        ("mutagen/empty.tta", "TTA CRC-32"),
        ("mutagen/empty.oggflac", "Ogg page CRC-32"),
    ):
        content = (data / "broken" / name).read_bytes()
        structure: Structure = examine(io.BytesIO(content), len(content))
        assert structure.checksum == checksum
        middle = len(content) // 2
        assert examine(io.BytesIO(flipped(content, middle)), len(content)).findings
