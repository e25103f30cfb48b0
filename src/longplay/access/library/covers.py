"""Pictures of tracks, albums and artists, in the few sizes that pages and clients ask for.

- The gate is asked for every picture, at every request, and for the music that it belongs to: who
  may hear nothing of an album sees no picture of it, whatever may be done with the folder in which
  it lay. What the gate refuses is not there.
- Nobody gets a stranger's bytes: each picture is decoded, made small, and written anew as JPEG.
- What is too large, or no picture, is found out once.
- What was made lies in `cache/covers/`, which may be removed at any time.
"""

from __future__ import annotations

import io
import secrets
import struct
import threading
import warnings
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PIL import Image, ImageOps

from longplay.access.library.shown import COVER
from longplay.errors import StoreError
from longplay.rights.gate import Shareable
from longplay.rights.statements import Act

if TYPE_CHECKING:
    from longplay.access.context import Context, Leave

SIZES = (64, 128, 256, 512, 800, 1200)
"""Pixels, of the longer side. What is asked for is rounded up to one of these."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MEDIA_TYPE = "image/jpeg"
QUALITY = 85

MAX_BYTES = 32 * 2**20
"""Of a picture's file; scans of booklets have some ten million."""

MAX_PIXELS = 25_000_000
"""Of a picture: 100 MB when it is decoded, one at a time. Larger ones are not shown."""

CACHE_BYTES = 512 * 2**20
"""Of pictures that are kept ready: some ten thousand covers in three sizes."""

MOST_ASKED = 100
"""Tracks with a picture that the gate is asked about: mostly it permits the first."""

SWEEP_EVERY = 256
"""Pictures made, on average, between two looks at how large the cache is."""

NOTHING = b"-"
"""What is kept of a file that no picture can be made of."""

END = b"\xff\xd9"
"""What a JPEG ends with: a file that was cut short is made again."""

_decoding = threading.Lock()
"""One at a time, for the memory that it takes."""


_fetching = threading.BoundedSemaphore(4)
"""Pictures that are fetched from other machines at a time, each with up to MAX_BYTES."""


class Hears(Protocol):
    """A listener, as far as the library needs to know one."""

    @property
    def signed_in(self) -> bool:
        """Whether restricted music may be heard."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's bytes. `tag` names them for ever, for ETags."""

    data: bytes
    media_type: str
    tag: str


def picture(
    here: Context, listener: Hears, identity: str, size: int | None = None
) -> Picture | None:
    """The picture of a cover, track, album, artist or recording by id, at most `size` pixels wide
    and high (at most 1200, if it is not said); None where there is none that this listener may
    see."""
    root = _root(here, listener, identity)
    if root is None or not _belongs(here, listener, root):
        return None
    leave = here.leave(root, Act.STREAM, signed_in=listener.signed_in)
    if leave is None or not isinstance(leave.answer, Shareable):
        return None
    side = next((one for one in SIZES if size and 0 < size <= one), SIZES[-1])
    kept = here.archive.folder / "cache" / "covers" / root.hex()[:2] / f"{root.hex()}-{side}.jpg"
    data = _kept(kept)
    if data is None:
        data = _made(here, leave, side, kept)
        if data is None:
            return None
    return None if data == NOTHING else Picture(data, MEDIA_TYPE, f"{root.hex()}-{side}")


def _root(here: Context, listener: Hears, identity: str) -> bytes | None:
    """The object that an id's picture is."""
    text = identity.strip().lower()
    cover: str | None = text
    if not text.startswith(COVER):
        view = here.library(listener)
        found = (
            view.track(text)
            or view.album(text)
            or view.artist(text)
            or next(iter(view.recording(text)), None)
        )
        cover = found.cover if found is not None else None
    try:
        root = bytes.fromhex((cover or "").removeprefix(COVER))
    except ValueError:
        return None
    return root if len(root) == 32 else None


def _belongs(here: Context, listener: Hears, root: bytes) -> bool:
    """Whether the gate lets the listener hear something of an album that a picture is of."""
    music = here.library(listener).with_picture(root)
    return any(
        here.permits(one, Act.STREAM, signed_in=listener.signed_in)
        for one in islice(music, MOST_ASKED)
    )


def _kept(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data if data == NOTHING or data.endswith(END) else None


def _keep(path: Path, data: bytes) -> None:
    """Keep a picture ready; a disk that is full costs time alone."""
    temporary = path.with_name(f"{secrets.token_hex(8)}.part")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    if secrets.randbelow(SWEEP_EVERY) == 0:
        sweep(path.parent.parent, CACHE_BYTES)


def sweep(folder: Path, most: int) -> None:
    """Remove the oldest pictures, and what was never whole, until `most` bytes are left."""
    found = []
    for path in folder.glob("*/*"):
        with suppress(OSError):
            facts = path.stat()
            found.append((facts.st_mtime_ns, facts.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most:
            return
        path.unlink(missing_ok=True)
        total -= size


def _made(here: Context, leave: Leave, side: int, kept: Path) -> bytes | None:
    """The picture of this size, or NOTHING, kept ready from now on; None when its file cannot be
    had now. What is fetched from elsewhere holds up no picture whose file is here."""
    source = here.source(leave)
    try:
        if leave.key.size > MAX_BYTES:
            return _shrunk(b"", side, kept)
        if isinstance(source, Path):
            with _decoding:
                return _kept(kept) or _shrunk(source.read_bytes(), side, kept)
        with _fetching:
            data = source(0, leave.key.size)
            with _decoding:
                return _kept(kept) or _shrunk(data, side, kept)
    except (OSError, StoreError):
        return None


def _shrunk(data: bytes, side: int, kept: Path) -> bytes:
    made = (shrink(data, side) if data else None) or NOTHING
    _keep(kept, made)
    return made


def shrink(data: bytes, side: int) -> bytes | None:
    """A picture as JPEG, no longer than `side` pixels either way; None for what is none, or has
    more than MAX_PIXELS."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            warnings.simplefilter("ignore")
            if image.width * image.height > MAX_PIXELS or not image.width or not image.height:
                return None
            image.draft("RGB", (side, side))
            small = ImageOps.exif_transpose(image)
            if small.mode in ("1", "P"):  # whose colours cannot be mixed
                small = small.convert("RGBA")
            small.thumbnail((side, side))
            out = io.BytesIO()
            _flat(small).save(out, "JPEG", quality=QUALITY, optimize=True)
            return out.getvalue()
    except (OSError, ValueError, ArithmeticError, SyntaxError, LookupError, TypeError, EOFError,
            struct.error):  # fmt: skip
        return None  # what Pillow raises for damaged files
    except Image.DecompressionBombError:
        return None


def _flat(image: Image.Image) -> Image.Image:
    """Without transparency: on white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        whole = image.convert("RGBA")
        ground = Image.new("RGBA", whole.size, "white")
        return Image.alpha_composite(ground, whole).convert("RGB")
    return image.convert("RGB")
