"""Writing tags: Vorbis comments, ID3 and MP4 in the names that MusicBrainz Picard gives them.

The same tags always give the same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import BinaryIO, Literal

from mutagen import MutagenError, id3
from mutagen.flac import FLAC
from mutagen.flac import Picture as FlacPicture
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4Cover, MP4FreeForm
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from longplay.audio.tags.names import PICTURE_ROLES, carried_name
from longplay.errors import MediaError
from longplay.model import Picture, Tags

Form = Literal["flac", "vorbis", "opus", "mp3", "aac", "wav"]
"""Which file the tags go into; `aac` is MP4."""

FREE = "----:com.apple.iTunes:"


def write_tags(target: BinaryIO, form: Form, tags: Tags) -> None:
    """Replace the tags of the file open for reading and writing in `target`.

    Multiple values, identifiers, licences, © and ℗ lines and pictures are written; ReplayGain is
    not, because it was measured on other samples and Opus has its own scale (RFC 7845, 5.2.1).
    Raises MediaError when the file is not of that form.
    """
    target.seek(0)
    try:
        if form in ("flac", "vorbis", "opus"):
            _write_vorbis(target, form, tags)
        elif form == "aac":
            _write_mp4(target, tags)
        else:
            _write_id3(target, form, tags)
    except MutagenError as error:
        raise MediaError(f"tags cannot be written: {error}") from error


def vorbis_comments(tags: Tags) -> list[tuple[str, str]]:
    """The tags as Vorbis comments in a fixed order, names as Picard maps them."""
    return [
        *((name, value) for name, values in _fields(tags) for value in values if value),
        *_extras(tags),
    ]


def _fields(tags: Tags) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "TITLE", (tags.title,)
    yield "ARTIST", tags.artists
    yield "ALBUM", (tags.album,)
    yield "ALBUMARTIST", tags.album_artists
    yield "COMPOSER", tags.composers
    yield "TRACKNUMBER", (_number(tags.track_number),)
    yield "TRACKTOTAL", (_number(tags.track_total),)
    yield "DISCNUMBER", (_number(tags.disc_number),)
    yield "DISCTOTAL", (_number(tags.disc_total),)
    yield "DATE", (tags.date,)
    yield "GENRE", tags.genres
    yield "ISRC", tags.isrcs
    yield "MUSICBRAINZ_TRACKID", (tags.recording_mbid,)
    yield "MUSICBRAINZ_RELEASETRACKID", (tags.track_mbid,)
    yield "MUSICBRAINZ_ALBUMID", (tags.album_mbid,)
    yield "MUSICBRAINZ_ARTISTID", tags.artist_mbids
    yield "BARCODE", (tags.upc,)
    yield "LABEL", (tags.label,)
    yield "LICENSE", tags.licences
    yield "COPYRIGHT", tags.copyrights
    yield "COPYRIGHT", tuple(_with_sign(line) for line in tags.phonographic)


def _extras(tags: Tags) -> Iterator[tuple[str, str]]:
    """Tags that have no field of their own but a known name, such as the conductor or lyrics."""
    for key, value in tags.raw:
        name = carried_name(key)
        if name and value:
            yield name, value


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _with_sign(line: str) -> str:
    return line if "℗" in line or line.casefold().startswith("(p)") else f"℗ {line}"


def _write_vorbis(target: BinaryIO, form: Form, tags: Tags) -> None:
    kind = {"flac": FLAC, "vorbis": OggVorbis, "opus": OggOpus}[form]
    file = kind(target)
    if file.tags is None:
        file.add_tags()
    comments = list(vorbis_comments(tags))
    if form == "flac":
        file.clear_pictures()
        for picture in tags.pictures:
            file.add_picture(_flac_picture(picture))
    else:
        comments += [
            ("METADATA_BLOCK_PICTURE", base64.b64encode(_flac_picture(picture).write()).decode())
            for picture in tags.pictures
        ]
    file.tags[:] = comments
    target.seek(0)
    file.save(target)


def _flac_picture(picture: Picture) -> FlacPicture:
    block = FlacPicture()
    block.type = PICTURE_ROLES.index(picture.role) if picture.role in PICTURE_ROLES else 0
    block.mime = picture.mime
    block.desc = picture.description
    block.data = picture.data
    return block


def _write_id3(target: BinaryIO, form: Form, tags: Tags) -> None:
    file = MP3(target) if form == "mp3" else WAVE(target)
    if file.tags is None:
        file.add_tags()
    file.tags.clear()
    for frame in _id3_frames(tags):
        file.tags.add(frame)
    target.seek(0)
    file.save(target)


_ID3_TEXT = {
    "TITLE": id3.TIT2,
    "ARTIST": id3.TPE1,
    "ALBUM": id3.TALB,
    "ALBUMARTIST": id3.TPE2,
    "COMPOSER": id3.TCOM,
    "DATE": id3.TDRC,
    "GENRE": id3.TCON,
    "ISRC": id3.TSRC,
    "LABEL": id3.TPUB,
}
_ID3_FREE = {
    "MUSICBRAINZ_RELEASETRACKID": "MusicBrainz Release Track Id",
    "MUSICBRAINZ_ALBUMID": "MusicBrainz Album Id",
    "MUSICBRAINZ_ARTISTID": "MusicBrainz Artist Id",
    "BARCODE": "BARCODE",
}


def _id3_frames(tags: Tags) -> Iterator[id3.Frame]:
    utf8 = id3.Encoding.UTF8
    for name, values in _fields(tags):
        text = [value for value in values if value]
        if text and name in _ID3_TEXT:
            yield _ID3_TEXT[name](encoding=utf8, text=text)
        elif text and name in _ID3_FREE:
            yield id3.TXXX(encoding=utf8, desc=_ID3_FREE[name], text=text)
    for frame, number, total in (
        (id3.TRCK, tags.track_number, tags.track_total),
        (id3.TPOS, tags.disc_number, tags.disc_total),
    ):
        if number is not None:
            yield frame(encoding=utf8, text=[f"{number}/{total}" if total else str(number)])
    if tags.recording_mbid:
        yield id3.UFID(owner="http://musicbrainz.org", data=tags.recording_mbid.encode())
    if tags.copyrights:
        yield id3.TCOP(encoding=utf8, text=list(tags.copyrights))
    if tags.phonographic:
        yield id3.TPRO(encoding=utf8, text=list(tags.phonographic))
    links = [value for value in tags.licences if value.startswith(("http://", "https://"))]
    for link in links:
        yield id3.WCOP(url=link)
    words = [value for value in tags.licences if value not in links]
    if words:
        yield id3.TXXX(encoding=utf8, desc="LICENSE", text=words)
    for number, picture in enumerate(tags.pictures):
        yield id3.APIC(
            encoding=utf8,
            mime=picture.mime,
            type=PICTURE_ROLES.index(picture.role) if picture.role in PICTURE_ROLES else 0,
            # Two pictures of one description would replace each other; readers trim the spaces.
            desc=picture.description + " " * number,
            data=picture.data,
        )


_MP4_TEXT = {
    "TITLE": "\xa9nam",
    "ARTIST": "\xa9ART",
    "ALBUM": "\xa9alb",
    "ALBUMARTIST": "aART",
    "COMPOSER": "\xa9wrt",
    "DATE": "\xa9day",
    "GENRE": "\xa9gen",
}
_MP4_FREE = {
    "ISRC": "ISRC",
    "MUSICBRAINZ_TRACKID": "MusicBrainz Track Id",
    "MUSICBRAINZ_RELEASETRACKID": "MusicBrainz Release Track Id",
    "MUSICBRAINZ_ALBUMID": "MusicBrainz Album Id",
    "MUSICBRAINZ_ARTISTID": "MusicBrainz Artist Id",
    "BARCODE": "BARCODE",
    "LABEL": "LABEL",
    "LICENSE": "LICENSE",
}


def _write_mp4(target: BinaryIO, tags: Tags) -> None:
    file = MP4(target)
    if file.tags is None:
        file.add_tags()
    file.tags.clear()
    for name, values in _fields(tags):
        text = [value for value in values if value]
        if text and name in _MP4_TEXT:
            file.tags[_MP4_TEXT[name]] = text
        elif text and name in _MP4_FREE:
            file.tags[FREE + _MP4_FREE[name]] = [MP4FreeForm(value.encode()) for value in text]
    lines = [*tags.copyrights, *(_with_sign(line) for line in tags.phonographic)]
    if lines:
        file.tags["cprt"] = lines
    for key, number, total in (
        ("trkn", tags.track_number, tags.track_total),
        ("disk", tags.disc_number, tags.disc_total),
    ):
        if number is not None:
            file.tags[key] = [(number, total or 0)]
    covers = [
        MP4Cover(
            picture.data,
            MP4Cover.FORMAT_PNG if picture.mime == "image/png" else MP4Cover.FORMAT_JPEG,
        )
        for picture in tags.pictures
        if picture.mime in ("image/png", "image/jpeg")
    ]
    if covers:
        file.tags["covr"] = covers
    target.seek(0)
    file.save(target)
