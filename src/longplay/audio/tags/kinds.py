"""What kind of thing a file is, by its first bytes and then its name, and what to call its copy."""

from __future__ import annotations

from longplay.audio.tags.pictures import image_mime
from longplay.model import Kind

HEAD = 512
"""Bytes of a file's start that are enough to tell."""

_TEXT = frozenset(
    b"cue log lrc txt nfo m3u m3u8 pls xspf wpl asx md md5 sha1 sha256 sfv ffp st5 accurip csv tsv "
    b"json jsonl xml html htm srt vtt ass toc rtf tex yaml yml toml ini url srt diz".split()
)
_DOCUMENT = frozenset(b"pdf epub djvu doc docx odt ods xls xlsx ppt pptx odp ps mobi cbz".split())
_IMAGE = frozenset(
    b"jpg jpeg jpe jfif png gif bmp webp tif tiff heic avif jxl svg ico psd xcf jp2".split()
)
_AUDIO = frozenset(
    b"mp3 mp2 mp1 m4a m4b mp4 aac ogg oga opus spx flac wav wave w64 rf64 bwf aif aiff aifc wma "
    b"asf ape mpc wv tta tak ofr ofs dsf dff ac3 eac3 dts amr awb 3gp 3g2 webm mka mkv caf au snd "
    b"alac mpga thd mlp ra rm ram voc".split()
)

_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/webp": ".webp",
    "image/tiff": ".tiff",
    "image/heic": ".heic",
    "image/avif": ".avif",
    "image/jxl": ".jxl",
    "image/svg+xml": ".svg",
    "application/pdf": ".pdf",
    "text/plain": ".txt",
    "audio/ogg": ".ogg",
    "audio/opus": ".opus",
    "audio/x-speex": ".spx",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/aac": ".aac",
    "audio/wav": ".wav",
    "audio/x-w64": ".w64",
    "audio/aiff": ".aiff",
    "audio/x-ms-wma": ".wma",
    "audio/x-ape": ".ape",
    "audio/x-musepack": ".mpc",
    "audio/x-wavpack": ".wv",
    "audio/x-tta": ".tta",
    "audio/x-tak": ".tak",
    "audio/x-optimfrog": ".ofr",
    "audio/x-dsf": ".dsf",
    "audio/x-dff": ".dff",
    "audio/ac3": ".ac3",
    "audio/amr": ".amr",
    "audio/x-matroska": ".mka",
    "audio/webm": ".webm",
    "audio/x-caf": ".caf",
    "audio/basic": ".au",
}

_MEDIA_TYPES = {suffix: mime for mime, suffix in _SUFFIXES.items()} | {
    ".mp2": "audio/mpeg",
    ".oga": "audio/ogg",
    ".eac3": "audio/eac3",
}

_AUDIO_MAGIC = (
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (8, b"WAVE", "audio/wav"),
    (0, b"riff\x2e\x91\xcf\x11", "audio/x-w64"),
    (8, b"AIFF", "audio/aiff"),
    (8, b"AIFC", "audio/aiff"),
    (0, bytes.fromhex("3026b2758e66cf11"), "audio/x-ms-wma"),
    (0, b"MAC ", "audio/x-ape"),
    (0, b"MPCK", "audio/x-musepack"),
    (0, b"MP+", "audio/x-musepack"),
    (0, b"wvpk", "audio/x-wavpack"),
    (0, b"TTA1", "audio/x-tta"),
    (0, b"tBaK", "audio/x-tak"),
    (0, b"OFR ", "audio/x-optimfrog"),
    (0, b"DSD \x1c", "audio/x-dsf"),
    (0, b"FRM8", "audio/x-dff"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"\x1a\x45\xdf\xa3", "audio/x-matroska"),
    (0, b"caff\x00\x01", "audio/x-caf"),
    (0, b".snd\x00\x00", "audio/basic"),
    (4, b"ftyp", "audio/mp4"),
    (4, b"moov", "audio/mp4"),
    (4, b"mdat", "audio/mp4"),
)
_UTF16 = b"\xff\xfe"
_DOCUMENT_MAGIC = (b"%PDF-", b"%!PS", b"AT&TFORM", b"{\\rtf", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


def mime_of(head: bytes) -> str:
    """The media type that a file's first bytes prove, empty if they prove none.

    A bare MPEG or AAC frame is only two bytes of proof; it counts when a header that can exist
    follows.
    """
    image = image_mime(head)
    if image:
        return image
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    for offset, magic, mime in _AUDIO_MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return _precise(mime, head)
    if len(head) >= 4 and head[0] == 0xFF:
        if head[1] & 0xF6 == 0xF0:
            return "audio/aac"
        if _is_mpeg(head):
            return "audio/mpeg"
    if head[:2] == b"\x0b\x77":
        return "audio/ac3"
    return ""


def _is_mpeg(head: bytes) -> bool:
    """Whether these bytes can be an MPEG audio header: no reserved value, and not UTF-16 text,
    whose byte order mark looks like one."""
    if head[:2] == _UTF16 and head[3:4] == head[5:6] == b"\x00":
        return False
    version, layer = head[1] & 0x18, head[1] & 0x06
    rate, frequency = head[2] >> 4, head[2] >> 2 & 3
    return (
        head[1] & 0xE0 == 0xE0 and version != 8 and bool(layer) and 0 < rate < 15 and frequency < 3
    )


def _precise(mime: str, head: bytes) -> str:
    if mime == "audio/ogg" and b"OpusHead" in head[:64]:
        return "audio/opus"
    if mime == "audio/ogg" and b"Speex   " in head[:64]:
        return "audio/x-speex"
    if mime == "audio/x-matroska" and b"webm" in head[:64]:
        return "audio/webm"
    if mime == "audio/wav" and head[:4] not in (b"RIFF", b"RF64", b"BW64"):
        return ""
    if mime == "audio/aiff" and head[:4] != b"FORM":
        return ""
    if mime == "audio/mp4" and head[8:12] in (b"avif", b"heic", b"mif1", b"heix"):
        return ""
    return mime


def kind_of(name: bytes, head: bytes) -> Kind:
    """What a file called `name` that starts with `head` (up to HEAD bytes) is.

    Bytes outrank the name. What proves nothing goes by its suffix, and text by having no controls.
    """
    suffix = _suffix(name)
    if suffix in _TEXT and head.startswith(_UTF16):
        return Kind.TEXT
    mime = mime_of(head)
    if mime:
        return Kind.IMAGE if mime.startswith("image/") else _audio_or_document(mime)
    if head.startswith(_DOCUMENT_MAGIC):
        return Kind.DOCUMENT
    readable = _is_text(head)
    if suffix in _TEXT and readable:
        return Kind.TEXT
    for kind, suffixes in (
        (Kind.AUDIO, _AUDIO),
        (Kind.IMAGE, _IMAGE),
        (Kind.DOCUMENT, _DOCUMENT),
    ):
        if suffix in suffixes:
            return kind
    return Kind.TEXT if readable and head else Kind.OTHER


def media_type_of(kind: Kind, suffix: str) -> str:
    """The MIME type of a stored object by the suffix that `suffix_of` gave it."""
    return _MEDIA_TYPES.get(
        suffix, "text/plain" if kind is Kind.TEXT else "application/octet-stream"
    )


def _audio_or_document(mime: str) -> Kind:
    return Kind.AUDIO if mime.startswith("audio/") else Kind.DOCUMENT


def _suffix(name: bytes) -> bytes:
    stem, dot, suffix = name.rsplit(b"/", 1)[-1].rpartition(b".")
    return suffix.lower() if dot and stem else b""


def _is_text(head: bytes) -> bool:
    if head.startswith((_UTF16, b"\xfe\xff")):
        return True
    controls = sum(byte < 32 and byte not in b"\t\n\r\x0c\x1a\x1b" for byte in head[:HEAD])
    return controls == 0


_CODEC_SUFFIXES = {
    "opus": ".opus",
    "vorbis": ".ogg",
    "speex": ".spx",
    "flac": ".flac",
    "mp3": ".mp3",
    "mp2": ".mp2",
}
_CONTAINER_SUFFIXES = {
    "ogg": ".ogg",
    "flac": ".flac",
    "mp3": ".mp3",
    "wav": ".wav",
    "rf64": ".wav",
    "w64": ".w64",
    "aiff": ".aiff",
    "asf": ".wma",
    "mp4": ".m4a",
    "mov": ".m4a",
    "m4a": ".m4a",
    "matroska": ".mka",
    "webm": ".webm",
    "ape": ".ape",
    "mpc": ".mpc",
    "mpc8": ".mpc",
    "wavpack": ".wv",
    "wv": ".wv",
    "tta": ".tta",
    "tak": ".tak",
    "optimfrog": ".ofr",
    "dsf": ".dsf",
    "dsdiff": ".dff",
    "iff": ".dff",
    "aac": ".aac",
    "ac3": ".ac3",
    "eac3": ".eac3",
    "amr": ".amr",
    "caf": ".caf",
    "au": ".au",
}


def suffix_of(kind: Kind, container: str = "", codec: str = "", *, head: bytes = b"") -> str:
    """The suffix, with its dot, that a stored object of that kind gets; `.bin` if none fits.

    `container` and `codec` are FFmpeg's names or those of `model.Tags`; several container names
    may stand with commas between them, as FFmpeg writes them.
    """
    mime = mime_of(head)
    if mime in _SUFFIXES:
        return _SUFFIXES[mime]
    names = container.split(",")
    if "ogg" in names or (not container and codec in _CODEC_SUFFIXES):
        return _CODEC_SUFFIXES.get(codec, ".ogg") if codec != "flac" or not container else ".oga"
    for name in names:
        if name in _CONTAINER_SUFFIXES:
            return _CONTAINER_SUFFIXES[name]
    return ".txt" if kind is Kind.TEXT else ".bin"
