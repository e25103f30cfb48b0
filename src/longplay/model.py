"""One thing at a time: the values that rooms hand to each other. Frozen, no I/O.

Above a page of rows, data travel as Arrow tables or NumPy columns instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

BLOCK = 16 * 1024
"""Bytes in one BEP 52 leaf: the smallest piece of an object that is proved or repaired alone."""


class Kind(StrEnum):
    """What an object is."""

    AUDIO = "audio"
    IMAGE = "image"
    DOCUMENT = "document"
    TEXT = "text"
    OTHER = "other"


class Role(StrEnum):
    """What an object is to the recording that it carries."""

    PRESERVATION = "preservation"
    OTHER_ENCODING = "other-encoding"
    DERIVATIVE = "derivative"
    PART = "part"


class Verdict(StrEnum):
    """What can be proved of a media file's bits."""

    WHOLE = "whole"
    DAMAGED = "damaged but plays"
    UNPLAYABLE = "unplayable"


class Action(StrEnum):
    """What a plan does with a recording."""

    ORIGINAL = "original"
    OPUS = "opus"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """An object's identity: BEP 52 merkle root and size. The root alone does not tell a 64-byte
    file from a 32 KiB one, because leaves and inner nodes are hashed alike."""

    root: bytes
    size: int

    @property
    def hex(self) -> str:
        """The root as lower-case hexadecimal, the object's name in the store."""
        return self.root.hex()


@dataclass(frozen=True, slots=True)
class ObjectHashes:
    """All digests of one object, computed in one pass over its bytes.

    `leaves` is the concatenated SHA-256 of each 16 KiB block (the last one short, not padded);
    `piece_layer` the BEP 52 layer for `piece_length` (empty where the file fits one piece);
    `v1_pieces` the SHA-1 of each piece as if the file were piece-aligned and followed by BEP 47
    padding; `v1_last_bare` the SHA-1 of the last piece without that padding.
    """

    root: bytes
    size: int
    sha256: bytes
    leaves: bytes
    piece_length: int
    piece_layer: bytes
    v1_pieces: bytes
    v1_last_bare: bytes

    @property
    def key(self) -> ObjectKey:
        """The identity that these digests prove."""
        return ObjectKey(self.root, self.size)


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What a container declares of its first audio stream. Rates in Hz and bit/s, times in ms."""

    container: str
    codec: str
    sample_rate: int
    channels: int
    bit_depth: int | None
    bit_rate: int | None
    declared_ms: int | None


@dataclass(frozen=True, slots=True)
class DecodeFacts:
    """What came out when the whole stream was decoded.

    `samples` counts per channel at the stream's rate; `gaps` counts jumps between the time stamps
    of neighbouring frames; `complaints` are FFmpeg's own warnings and errors, most frequent first;
    `pcm_md5` is the MD5 of the interleaved little-endian samples as FLAC defines it (FLAC only);
    `failure` is the exception that ended decoding early, if one did.
    """

    samples: int
    duration_ms: int
    frames: int
    gaps: int
    complaints: tuple[str, ...]
    pcm_md5: bytes | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class Integrity:
    """A verdict on a media file: what was proved (`proofs`) and what was found wrong (`findings`),
    both in words for people."""

    verdict: Verdict
    proofs: tuple[str, ...]
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loudness:
    """EBU R128: programme loudness (LUFS), loudness range (LU), peaks (dBTP and dBFS).

    Silence has no programme loudness and no peak: None.
    """

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None
    sample_peak_dbfs: float | None


@dataclass(frozen=True, slots=True)
class AudioDescription:
    """Everything measured about one audio file. `fingerprint` is the raw Chromaprint sequence as
    little-endian 32-bit words, empty where the sound is too short to have one; `landmarks` are
    those that the index of fingerprints has, as `audio.landmarks.kept` writes them."""

    stream: StreamFacts
    decoded: DecodeFacts
    integrity: Integrity
    loudness: Loudness
    fingerprint: bytes
    decoder: str
    landmarks: bytes
    landmark_method: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Embedded art: the bytes as they lie in the tags, with the type that the tags give them."""

    mime: str
    role: str
    description: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says about itself. Empty values mean that the file does not say.

    `licences` are licence texts or URIs, `copyrights` the © lines, `phonographic` the ℗ lines;
    `raw` keeps every tag as (key, value) in file order, longest values cut to the reader's limit.
    `cues` are marks inside the file as (start_ms, label), from WAV cue chunks or CUE sheets.
    """

    title: str = ""
    artists: tuple[str, ...] = ()
    album: str = ""
    album_artists: tuple[str, ...] = ()
    composers: tuple[str, ...] = ()
    track_number: int | None = None
    track_total: int | None = None
    disc_number: int | None = None
    disc_total: int | None = None
    date: str = ""
    genres: tuple[str, ...] = ()
    isrcs: tuple[str, ...] = ()
    recording_mbid: str = ""
    track_mbid: str = ""
    album_mbid: str = ""
    artist_mbids: tuple[str, ...] = ()
    upc: str = ""
    label: str = ""
    licences: tuple[str, ...] = ()
    copyrights: tuple[str, ...] = ()
    phonographic: tuple[str, ...] = ()
    replaygain: tuple[tuple[str, str], ...] = ()
    raw: tuple[tuple[str, str], ...] = ()
    cues: tuple[tuple[int, str], ...] = ()
    pictures: tuple[Picture, ...] = field(default=(), repr=False)
    container: str = ""
    duration_ms: int | None = None
    bit_rate: int | None = None
    lossless: bool | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """One rights statement about one subject (`source:NAME`, `al…`, `tr…`, `rec…`, `obj…`).

    `uri` is the canonical statement; `evidence` says where it was read, when, and the SHA-256 of
    the text. `start` and `end` are ISO dates or empty; `territories` are ISO 3166 codes, empty for
    the world; `uses` narrow what it permits, empty for all that the statement itself permits.
    """

    subject: str
    uri: str
    evidence: str
    start: str = ""
    end: str = ""
    territories: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """One file that a source offers, and what the source says of it.

    `path` names it within the source for good: a relative path, an address, a key. `size` is in
    bytes, `mtime_ns` in nanoseconds since 1970; None where the source does not say. `checksum` is
    `md5:`, `sha1:` or `sha256:` and lower-case hexadecimal, `version` whatever else tells one state
    of the file from the next (an ETag, say); both may be empty. `rights` are (field, text) as the
    source words them. `own_id` is the source's own name for the track, else its path; `beside` is,
    for what is no sound, the `path` of a sound file of the same album.
    """

    path: bytes
    kind: Kind = Kind.AUDIO
    size: int | None = None
    mtime_ns: int | None = None
    checksum: str = ""
    version: str = ""
    own_id: str = ""
    title: str = ""
    artists: tuple[str, ...] = ()
    album: str = ""
    album_id: str = ""
    album_artists: tuple[str, ...] = ()
    disc_number: int | None = None
    track_number: int | None = None
    duration_ms: int | None = None
    isrcs: tuple[str, ...] = ()
    upc: str = ""
    label: str = ""
    release_date: str = ""
    genres: tuple[str, ...] = ()
    popularity: float | None = None
    listens: float | None = None
    codec: str = ""
    bit_rate: int | None = None
    lossless: bool | None = None
    rights: tuple[tuple[str, str], ...] = ()
    beside: bytes = b""
