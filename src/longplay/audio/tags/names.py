"""What tags are called in each container, and the one name that we know each by.

Names follow MusicBrainz Picard's tag mapping (https://picard-docs.musicbrainz.org, "Appendix B:
Tag Mapping"): every native key has one canonical name, spelt as a Vorbis comment. Mind that
MUSICBRAINZ_TRACKID is the recording and MUSICBRAINZ_RELEASETRACKID the track.
"""

from __future__ import annotations

import re

PICTURE_ROLES = (
    "other",
    "icon",
    "other icon",
    "front cover",
    "back cover",
    "leaflet",
    "media",
    "lead artist",
    "artist",
    "conductor",
    "band",
    "composer",
    "lyricist",
    "recording location",
    "during recording",
    "during performance",
    "screen capture",
    "fish",
    "illustration",
    "band logo",
    "publisher logo",
)
"""Picture types of ID3v2 APIC (4.14) and FLAC by number."""

_ID3 = {
    "TIT2": "TITLE",
    "TIT1": "GROUPING",
    "TIT3": "SUBTITLE",
    "TPE1": "ARTIST",
    "TPE2": "ALBUMARTIST",
    "TPE3": "CONDUCTOR",
    "TPE4": "REMIXER",
    "TALB": "ALBUM",
    "TCOM": "COMPOSER",
    "TEXT": "LYRICIST",
    "TRCK": "TRACKNUMBER",
    "TPOS": "DISCNUMBER",
    "TDRC": "DATE",
    "TDOR": "ORIGINALDATE",
    "TCON": "GENRE",
    "TSRC": "ISRC",
    "TPUB": "LABEL",
    "TCOP": "COPYRIGHT",
    "TPRO": "PHONOGRAPHIC",
    "WCOP": "LICENSE",
    "TLAN": "LANGUAGE",
    "TBPM": "BPM",
    "TKEY": "KEY",
    "TMED": "MEDIA",
    "TMOO": "MOOD",
    "TSOP": "ARTISTSORT",
    "TSO2": "ALBUMARTISTSORT",
    "TSOA": "ALBUMSORT",
    "TSOT": "TITLESORT",
    "TSOC": "COMPOSERSORT",
    "TSST": "DISCSUBTITLE",
    "TCMP": "COMPILATION",
    "TENC": "ENCODEDBY",
    "TSSE": "ENCODERSETTINGS",
    "COMM": "COMMENT",
    "USLT": "LYRICS",
    "WOAR": "WEBSITE",
    "UFID:http://musicbrainz.org": "MUSICBRAINZ_TRACKID",
}
_MP4 = {
    "\xa9nam": "TITLE",
    "\xa9ART": "ARTIST",
    "aART": "ALBUMARTIST",
    "\xa9alb": "ALBUM",
    "\xa9wrt": "COMPOSER",
    "\xa9day": "DATE",
    "\xa9gen": "GENRE",
    "gnre": "GENRE",
    "trkn": "TRACKNUMBER",
    "disk": "DISCNUMBER",
    "cprt": "COPYRIGHT",
    "\xa9cpy": "COPYRIGHT",
    "\xa9cmt": "COMMENT",
    "desc": "DESCRIPTION",
    "\xa9lyr": "LYRICS",
    "\xa9grp": "GROUPING",
    "\xa9wrk": "WORK",
    "\xa9mvn": "MOVEMENTNAME",
    "tmpo": "BPM",
    "cpil": "COMPILATION",
    "soar": "ARTISTSORT",
    "soaa": "ALBUMARTISTSORT",
    "soal": "ALBUMSORT",
    "sonm": "TITLESORT",
    "soco": "COMPOSERSORT",
    "\xa9too": "ENCODERSETTINGS",
}
_ASF = {
    "Title": "TITLE",
    "Author": "ARTIST",
    "WM/AlbumTitle": "ALBUM",
    "WM/AlbumArtist": "ALBUMARTIST",
    "WM/Composer": "COMPOSER",
    "WM/TrackNumber": "TRACKNUMBER",
    "WM/Track": "TRACKNUMBER",
    "WM/PartOfSet": "DISCNUMBER",
    "WM/Year": "DATE",
    "WM/Genre": "GENRE",
    "WM/ISRC": "ISRC",
    "WM/Barcode": "BARCODE",
    "WM/Publisher": "LABEL",
    "Copyright": "COPYRIGHT",
    "CopyrightURL": "LICENSE",
    "LICENSE": "LICENSE",
    "Description": "COMMENT",
    "WM/Conductor": "CONDUCTOR",
    "WM/Writer": "LYRICIST",
    "WM/Lyrics": "LYRICS",
    "WM/Language": "LANGUAGE",
    "WM/BeatsPerMinute": "BPM",
    "WM/Mood": "MOOD",
    "WM/ContentGroupDescription": "GROUPING",
    "WM/SubTitle": "SUBTITLE",
    "WM/EncodedBy": "ENCODEDBY",
}
_INFO = {
    "INFO:INAM": "TITLE",
    "INFO:IART": "ARTIST",
    "INFO:IPRD": "ALBUM",
    "INFO:ICRD": "DATE",
    "INFO:IGNR": "GENRE",
    "INFO:ITRK": "TRACKNUMBER",
    "INFO:IPRT": "TRACKNUMBER",
    "INFO:ICOP": "COPYRIGHT",
    "INFO:ICMT": "COMMENT",
    "INFO:IMUS": "COMPOSER",
    "INFO:ILNG": "LANGUAGE",
    "INFO:ISRF": "MEDIA",
    "INFO:ISFT": "ENCODERSETTINGS",
    "BEXT:Description": "DESCRIPTION",
    "BEXT:Originator": "ENCODEDBY",
    "BEXT:OriginationDate": "ORIGINATIONDATE",
    "AIFF:NAME": "TITLE",
    "AIFF:AUTH": "ARTIST",
    "AIFF:(c)": "COPYRIGHT",
    "AIFF:ANNO": "COMMENT",
}
_NATIVE = {**_ID3, **_MP4, **_ASF, **_INFO}

_FREE = {
    "TRACK": "TRACKNUMBER",
    "TRACKNUM": "TRACKNUMBER",
    "TOTALTRACKS": "TRACKTOTAL",
    "TRACKC": "TRACKTOTAL",
    "DISC": "DISCNUMBER",
    "DISK": "DISCNUMBER",
    "DISKNUMBER": "DISCNUMBER",
    "TOTALDISCS": "DISCTOTAL",
    "DISCC": "DISCTOTAL",
    "DISKTOTAL": "DISCTOTAL",
    "YEAR": "DATE",
    "DATERELEASED": "DATE",
    "ORIGINALYEAR": "ORIGINALDATE",
    "UPC": "BARCODE",
    "EAN": "BARCODE",
    "EANUPN": "BARCODE",
    "ORGANIZATION": "LABEL",
    "PUBLISHER": "LABEL",
    "LICENCE": "LICENSE",
    "WLICENSE": "LICENSE",
    "LICENSEURL": "LICENSE",
    "LICENSEURI": "LICENSE",
    "COPYRIGHTURL": "LICENSE",
    "WCOP": "LICENSE",
    "WEBSTATEMENT": "LICENSE",
    "PHONOGRAPHICCOPYRIGHT": "PHONOGRAPHIC",
    "PCOPYRIGHT": "PHONOGRAPHIC",
    "PLINE": "PHONOGRAPHIC",
    "CLINE": "COPYRIGHT",
    "MUSICBRAINZRECORDINGID": "MUSICBRAINZ_TRACKID",
    "MUSICBRAINZRELEASEID": "MUSICBRAINZ_ALBUMID",
    "UNSYNCEDLYRICS": "LYRICS",
    "TEMPO": "BPM",
    "MUSICALKEY": "KEY",
    "INITIALKEY": "KEY",
}

FIELDS = frozenset(
    {
        "TITLE",
        "ARTIST",
        "ARTISTS",
        "ALBUM",
        "ALBUMARTIST",
        "ALBUMARTISTS",
        "COMPOSER",
        "TRACKNUMBER",
        "TRACKTOTAL",
        "DISCNUMBER",
        "DISCTOTAL",
        "DATE",
        "GENRE",
        "ISRC",
        "MUSICBRAINZ_TRACKID",
        "MUSICBRAINZ_RELEASETRACKID",
        "MUSICBRAINZ_ALBUMID",
        "MUSICBRAINZ_ARTISTID",
        "BARCODE",
        "LABEL",
        "LICENSE",
        "COPYRIGHT",
        "PHONOGRAPHIC",
    }
)
"""Canonical names that fill a field of `model.Tags`."""

EXTRAS = frozenset(
    {
        "ACOUSTID_ID",
        "ALBUMARTISTSORT",
        "ALBUMSORT",
        "ARRANGER",
        "ARTISTSORT",
        "ASIN",
        "BPM",
        "CATALOGNUMBER",
        "COMMENT",
        "COMPILATION",
        "COMPOSERSORT",
        "CONDUCTOR",
        "CONTACT",
        "DESCRIPTION",
        "DISCSUBTITLE",
        "ENGINEER",
        "ENSEMBLE",
        "GROUPING",
        "KEY",
        "LANGUAGE",
        "LOCATION",
        "LYRICIST",
        "LYRICS",
        "MEDIA",
        "MIXER",
        "MOOD",
        "MOVEMENT",
        "MOVEMENTNAME",
        "MUSICBRAINZ_ALBUMARTISTID",
        "MUSICBRAINZ_DISCID",
        "MUSICBRAINZ_RELEASEGROUPID",
        "MUSICBRAINZ_WORKID",
        "ORIGINALDATE",
        "ORIGINATIONDATE",
        "PERFORMER",
        "PRODUCER",
        "RELEASECOUNTRY",
        "RELEASESTATUS",
        "RELEASETYPE",
        "REMIXER",
        "SCRIPT",
        "SUBTITLE",
        "TITLESORT",
        "VERSION",
        "WEBSITE",
        "WORK",
    }
)
"""Canonical names without a field that describe the music and so are carried to a new encoding."""

_SQUASHED = {re.sub("[^A-Z0-9]", "", name): name for name in FIELDS | EXTRAS}
_PREFIXES = ("TXXX:", "WXXX:", "----:", "MusicBrainz/", "WM/", "CONTAINER:", "IXML:")


def canonical(key: str) -> str:
    """The Vorbis spelling of a native key; unknown ones come back in capitals, as they are."""
    if key in _NATIVE:
        return _NATIVE[key]
    if key.startswith(("COMM:", "USLT:")):
        # Descriptions such as iTunNORM or "ID3v1 Comment" mark comments that are not for people.
        plain = key.split(":")[1] == ""
        return _ID3[key[:4]] if plain else key.upper()
    name = key
    for prefix in _PREFIXES:
        if key.startswith(prefix):
            name = f"MusicBrainz {key[12:]}" if prefix == "MusicBrainz/" else key[len(prefix) :]
    if key.startswith("----:"):
        name = key.rsplit(":", 1)[-1]
    squashed = re.sub("[^A-Z0-9]", "", name.upper())
    return _FREE.get(squashed) or _SQUASHED.get(squashed) or name.upper()


def carried_name(key: str) -> str:
    """The Vorbis comment that carries `key` to another encoding, empty if none should."""
    name = canonical(key)
    return name if name in EXTRAS else ""
