"""Signatures in minisign's format: https://jedisct1.github.io/minisign/ (Ed25519, RFC 8032).

Ours are prehashed (`ED`: BLAKE2b-512 of the data is signed); the older `Ed`, over the data itself,
is read, too. The trusted comment is covered by a second signature, which is always checked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from longplay.errors import FeedError

ID_BYTES, KEY_BYTES, SIGNATURE_BYTES = 8, 32, 64

MAX_BYTES = 8_192
"""A key or a signature is four short lines; more is something else."""

_PREHASHED, _PLAIN = b"ED", b"Ed"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key with its id, by which signatures say whose they are."""

    id: bytes
    key: bytes

    @property
    def name(self) -> str:
        """The id as minisign prints it, in lower case."""
        return self.id[::-1].hex()

    @property
    def line(self) -> str:
        """The one line that people hand on."""
        return base64.b64encode(_PLAIN + self.id + self.key).decode()

    def text(self) -> str:
        """As a file."""
        return f"untrusted comment: minisign public key {self.name.upper()}\n{self.line}\n"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A secret key. Its file is not encrypted: who can read it can sign."""

    id: bytes
    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return PublicKey(self.id, _private(self).public_key().public_bytes_raw())

    def text(self) -> str:
        """As a file, in the form that `minisign -W` writes."""
        pair = self.seed + self.public.key
        head = _PLAIN + bytes(2) + b"B2" + bytes(32 + 8 + 8)
        body = base64.b64encode(head + self.id + pair + bytes(32)).decode()
        return f"untrusted comment: minisign secret key {self.public.name.upper()}\n{body}\n"


def generate() -> SecretKey:
    """A new key."""
    return SecretKey(secrets.token_bytes(ID_BYTES), secrets.token_bytes(KEY_BYTES))


def read_secret(text: str, where: str) -> SecretKey:
    """A secret key from its file's text. Raises FeedError."""
    raw = _decode(_lines(text, where)[-1], where)
    if len(raw) != 158 or raw[:2] != _PLAIN or raw[4:6] != b"B2":
        raise FeedError("is no minisign secret key", where=where, hint="restore it from its copy")
    if raw[2:4] != bytes(2):
        raise FeedError("is encrypted", where=where, hint="write it again without a password")
    key = SecretKey(raw[54:62], raw[62:94])
    # minisign leaves the checksum of an unencrypted key empty; its other half tells damage as well.
    if key.public.key != raw[94:126]:
        raise FeedError("is damaged", where=where, hint="restore it from its copy")
    return key


def read_public(text: str, where: str) -> PublicKey:
    """A public key from its line, or its file's text. Raises FeedError."""
    raw = _decode(_lines(text, where)[-1], where)
    if len(raw) != 2 + ID_BYTES + KEY_BYTES or raw[:2] != _PLAIN:
        raise FeedError(
            "is no minisign public key", where=where, hint="it is one line that begins with RW"
        )
    return PublicKey(raw[2:10], raw[10:])


def sign(key: SecretKey, data: bytes, comment: str) -> str:
    """A signature file for `data`; `comment` is signed, too, and is one line."""
    private = _private(key)
    signature = private.sign(hashlib.blake2b(data).digest())
    whole = private.sign(signature + comment.encode())
    lines = (
        f"untrusted comment: signature from longplay key {key.public.name.upper()}",
        base64.b64encode(_PREHASHED + key.id + signature).decode(),
        f"trusted comment: {comment}",
        base64.b64encode(whole).decode(),
    )
    return "\n".join(lines) + "\n"


def verify(key: PublicKey, data: bytes, signature: str, where: str) -> str:
    """Check a signature file; returns its trusted comment. Raises FeedError."""
    lines = _lines(signature, where)
    if len(lines) != 4 or not lines[2].startswith("trusted comment: "):
        raise FeedError("is no minisign signature", where=where)
    raw, whole = _decode(lines[1], where), _decode(lines[3], where)
    if len(raw) != 2 + ID_BYTES + SIGNATURE_BYTES or raw[:2] not in (_PREHASHED, _PLAIN):
        raise FeedError("is no minisign signature", where=where)
    if raw[2:10] != key.id:
        raise FeedError(f"is by another key than {key.name}", where=where)
    comment = lines[2].removeprefix("trusted comment: ")
    signed = hashlib.blake2b(data).digest() if raw[:2] == _PREHASHED else data
    public = Ed25519PublicKey.from_public_bytes(key.key)
    try:
        public.verify(raw[10:], signed)
        public.verify(whole, raw[10:] + comment.encode())
    except InvalidSignature as error:
        raise FeedError("does not fit: the signature is wrong", where=where) from error
    return comment


def signer(signature: str, where: str) -> bytes:
    """The id of the key that a signature says it is by. Raises FeedError."""
    lines = _lines(signature, where)
    raw = _decode(lines[1], where) if len(lines) == 4 else b""
    if len(raw) != 2 + ID_BYTES + SIGNATURE_BYTES:
        raise FeedError("is no minisign signature", where=where)
    return raw[2:10]


def _private(key: SecretKey) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key.seed)


def _lines(text: str, where: str) -> list[str]:
    lines = text.strip("\r\n").split("\n")
    if len(text) > MAX_BYTES or not lines[0]:
        raise FeedError("is no key and no signature", where=where)
    return [line.rstrip("\r") for line in lines]


def _decode(line: str, where: str) -> bytes:
    """The bytes of a line; one text for them alone, so that no sign of it can be changed unseen."""
    try:
        raw = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FeedError("is not base64", where=where) from error
    if base64.b64encode(raw).decode() != line:
        raise FeedError("is not base64", where=where)
    return raw
