"""Pictures in the sizes that are asked for; what is hostile, withdrawn or closed is none."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image

from longplay.access.library import covers
from longplay.access.library.covers import picture
from longplay.access.listener import ANONYMOUS
from longplay.ledger import tables
from longplay.rights.claims import Step
from longplay.rights.statements import Act
from longplay.workflows import claims
from longplay.workflows.claims import Request
from tests.access.library.conftest import GUEST, MEMBER, Shelf, png


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_a_cover_comes_in_the_size_above(still: Shelf) -> None:
    track = still.view().search("cocoon 1.1").tracks[0]
    assert track.cover is not None
    for asked, size in ((1, (64, 43)), (64, (64, 43)), (65, (128, 85)), (None, (300, 200)),
                        (99_999, (300, 200)), (-3, (300, 200))):  # fmt: skip
        found = picture(still.here, GUEST, track.cover, asked)
        assert found is not None
        image = opened(found.data)
        assert (image.format, image.size, found.media_type) == ("JPEG", size, "image/jpeg")
        assert image.getpixel((5, 5))[0] > 240  # type: ignore[index]
    same = {picture(still.here, GUEST, one, 64) for one in (track.id, track.album_id, track.cover)}
    assert len(same) == 1
    assert picture(still.here, GUEST, track.artists[0][0], 64) is not None


def test_a_picture_for_members_is_not_shown_to_others(still: Shelf) -> None:
    album = next(one for one in still.view().albums("newest") if one.title == "A Mix")
    assert album.cover is not None
    assert picture(still.here, MEMBER, album.id) is not None
    for identity in (album.id, album.cover):
        assert picture(still.here, GUEST, identity) is None
        assert picture(still.here, ANONYMOUS, identity) is None
    guests = still.view(GUEST).album(album.id)
    assert guests is not None
    assert guests.cover is None


@pytest.mark.parametrize(
    "identity",
    [
        "",
        "co-",
        "co-zz",
        "co-" + "0" * 64,
        "co-../../../etc/passwd",
        "../cover.png",
        "al\x00",
        "fo-x",
    ],
)
def test_what_names_no_picture_is_none(still: Shelf, identity: str) -> None:
    assert picture(still.here, MEMBER, identity) is None


def test_sound_is_no_picture(still: Shelf) -> None:
    track = still.view().search("cocoon 1.1").tracks[0]
    for _ in range(2):
        assert picture(still.here, MEMBER, f"co-{track.root.hex()}") is None


def test_a_withdrawn_picture_is_gone_though_it_was_kept_ready(shelf: Shelf) -> None:
    track = shelf.view().search("cocoon 1.1").tracks[0]
    assert picture(shelf.here, MEMBER, track.cover or "") is not None
    archive = shelf.here.archive
    request = Request("A", "a@b.example", "mine", objects=(f"obj{(track.cover or '')[3:]}",))
    claims.decide(archive, claims.add(archive, request).id, Step.UPHOLD, "shown")
    assert picture(shelf.here, MEMBER, track.cover or "") is None
    assert picture(shelf.here, MEMBER, track.id) is None


def withdraw(shelf: Shelf, **named: tuple[str, ...]) -> None:
    archive = shelf.here.archive
    request = Request("A", "a@b.example", "mine", **named)  # type: ignore[arg-type]
    claims.decide(archive, claims.add(archive, request).id, Step.UPHOLD, "shown")


def permits(shelf: Shelf, cover: str) -> bool:
    return shelf.here.permits(bytes.fromhex(cover.removeprefix("co-")), Act.STREAM, signed_in=True)


def test_a_picture_beside_music_that_nobody_hears_is_not_shown(still: Shelf) -> None:
    h, o = tables.holdings.c, tables.objects.c
    query = sa.select(h.root).join(tables.objects, o.number == h.object)
    with still.here.archive.ledger.read() as connection:
        asked = query.where(h.source == "strict", o.kind == "image")
        cover = f"co-{connection.scalars(asked).one().hex()}"
    assert permits(still, cover)  # its source is open, and the file beside it is not
    for listener in (MEMBER, GUEST, ANONYMOUS):
        assert picture(still.here, listener, cover) is None


def test_a_picture_beside_music_goes_with_the_last_of_it(shelf: Shelf) -> None:
    album = next(one for one in shelf.view().albums("newest") if one.title == "A Mix")
    tracks, cover = shelf.view().tracks_of_album(album.id), album.cover or ""
    withdraw(shelf, recordings=tuple(one.recording or "" for one in tracks[1:]))
    assert picture(shelf.here, MEMBER, cover) is not None
    withdraw(shelf, recordings=(tracks[0].recording or "",))
    assert permits(shelf, cover)
    for identity in (cover, album.id):
        assert picture(shelf.here, MEMBER, identity) is None


def test_a_picture_beside_music_goes_when_it_is_claimed(shelf: Shelf) -> None:
    album = next(one for one in shelf.view().albums("newest") if one.title == "A Mix")
    assert picture(shelf.here, MEMBER, album.id) is not None
    withdraw(shelf, objects=(f"obj{(album.cover or '')[3:]}",))
    assert picture(shelf.here, MEMBER, album.id) is None


def test_a_picture_that_was_cut_short_is_made_again(shelf: Shelf) -> None:
    track = shelf.view().search("cocoon 1.1").tracks[0]
    first = picture(shelf.here, MEMBER, track.id, 64)
    assert first is not None
    (kept,) = (shelf.longplay.archive / "cache" / "covers").glob("*/*-64.jpg")
    kept.write_bytes(first.data[:100])
    assert picture(shelf.here, MEMBER, track.id, 64) == first


def bomb() -> bytes:
    """A PNG of 60,000 by 60,000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return len(data).to_bytes(4, "big") + whole + zlib.crc32(whole).to_bytes(4, "big")

    head = (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


HOSTILE = {
    "nothing": b"",
    "text": b"<svg onload=alert(1)>",
    "bomb": bomb(),
    "cut": png("red")[:60],
    "gif": b"GIF89a" + b"\xff" * 50,
    "tiff": b"II*\x00" + bytes(200),
    "webp": b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(20),
    "jpeg": b"\xff\xd8\xff\xe0" + b"\x00" * 64,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pictures_are_none(data: bytes) -> None:
    assert covers.shrink(data, 64) is None


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_all_modes_of_pictures_become_jpeg(mode: str, form: str) -> None:
    out = io.BytesIO()
    picture = Image.new(mode, (90, 30))
    try:
        picture.save(out, form)
    except (OSError, ValueError):  # JPEG has no transparency, and so on
        out.seek(0)
        picture.convert("RGB").save(out, form)
    found = covers.shrink(out.getvalue(), 64)
    assert found is not None
    assert (opened(found).mode, opened(found).size) == ("RGB", (64, 21))


def test_the_oldest_pictures_go_when_there_are_too_many(tmp_path: Path) -> None:
    folder = tmp_path / "ab"
    folder.mkdir()
    for number in range(10):
        path = folder / f"{number}.jpg"
        path.write_bytes(bytes(100))
        os.utime(path, (number, number))
    covers.sweep(tmp_path, 350)
    assert sorted(path.name for path in folder.iterdir()) == ["7.jpg", "8.jpg", "9.jpg"]


def test_a_picture_whose_exif_is_cut_off_is_none() -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG", exif=b"Exif\0\0II*\0")
    assert covers.shrink(out.getvalue(), 64) is None
