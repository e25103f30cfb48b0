"""Two keys, as in TUF: a root key, meant to be kept offline, names the keys that sign feeds.

The root key's id is the archive's id for ever. `keys.json`, signed by the root key, lists the feed
keys that hold now; its version only grows, so that a lost or stolen feed key can be replaced.
docs/feed.md
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longplay.errors import FeedError
from longplay.files import read_bounded, write_durably
from longplay.release import minisign
from longplay.release.minisign import PublicKey, SecretKey

FORMAT = "longplay-keys"
ROOT, FEED = "root.key", "feed.key"
DOCUMENT, SIGNATURE = "keys.json", "keys.json.minisig"

MAX_KEYS_BYTES = 64 * 1024
"""A handful of keys of a hundred bytes each."""

MAX_KEYS = 100
"""Feed keys that hold at once; one or two do."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What `keys.json` says: the root key, and the feed keys that hold, in version `version`."""

    version: int
    root: PublicKey
    feed: tuple[PublicKey, ...]

    def document(self) -> bytes:
        """As the file that is signed."""
        said = {
            "format": FORMAT,
            "version": self.version,
            "root": self.root.line,
            "feed": [{"key": key.line} for key in self.feed],
        }
        return json.dumps(said, indent=1, sort_keys=True).encode() + b"\n"


def make(secret: Path, public: Path) -> Keys:
    """Make both keys of an archive, or finish making them: secret ones below `secret`, in a folder
    named by the root key, and what everybody may see in `public`."""
    public.mkdir(parents=True, exist_ok=True)
    if (public / SIGNATURE).exists():
        return read(public)
    root, feed = minisign.generate(), minisign.generate()
    folder = secret / root.public.name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, key in ((ROOT, root), (FEED, feed)):
        write_secret(folder / name, key)
    keys = Keys(1, root.public, (feed.public,))
    publish(keys, root, public)
    return keys


def write_secret(path: Path, key: SecretKey) -> None:
    """Write a secret key so that its owner alone can read it."""
    path.touch(mode=0o600)
    write_durably(path, key.text().encode())
    path.chmod(0o600)


def publish(keys: Keys, root: SecretKey, public: Path) -> None:
    """Write `keys.json` with the root key's signature."""
    data = keys.document()
    comment = f"longplay keys version {keys.version}"
    write_durably(public / DOCUMENT, data)
    write_durably(public / SIGNATURE, minisign.sign(root, data, comment).encode())


def rotate(secret: Path, public: Path) -> Keys:
    """Replace the feed key by a new one, which the root key names. Raises FeedError when the root
    key is not at hand."""
    known = read(public)
    folder = secret / known.root.name
    root = load(folder / ROOT)
    fresh = minisign.generate()
    keys = Keys(known.version + 1, known.root, (fresh.public,))
    write_secret(folder / FEED, fresh)
    publish(keys, root, public)
    return keys


def read(public: Path) -> Keys:
    """The keys that a folder publishes, checked. Raises FeedError, InputError."""
    data = read_bounded(public / DOCUMENT, MAX_KEYS_BYTES)
    signature = read_bounded(public / SIGNATURE, minisign.MAX_BYTES).decode(errors="replace")
    return parse(data, signature, str(public / DOCUMENT))


def load(path: Path) -> SecretKey:
    """A secret key. Raises FeedError when it is not at hand."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise FeedError(
            "the secret key is not at hand",
            where=str(path),
            hint="bring it there from where it is kept, or name its folder as `keys` in the"
            " settings",
        ) from error
    return minisign.read_secret(text, str(path))


def parse(data: bytes, signature: str, where: str) -> Keys:
    """What a `keys.json` says, if the root key that it names has signed it. Whether that is the
    right root key is for the caller to know. Raises FeedError."""
    try:
        said = json.loads(data)
        found = Keys(
            _version(said),
            minisign.read_public(said["root"], where),
            tuple(minisign.read_public(row["key"], where) for row in said["feed"][:MAX_KEYS]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FeedError("is no list of keys", where=where) from error
    minisign.verify(found.root, data, signature, f"{where}.minisig")
    return found


def _version(said: Any) -> int:
    version = said["version"]
    if said["format"] != FORMAT or type(version) is not int or not 0 < version < 2**53:
        raise ValueError("not a list of keys")
    return version
