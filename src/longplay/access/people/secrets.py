"""The secret that cookies are signed with and app passwords are sealed with.

It lies among the archive's secret keys, outside of the archive: who copies the archive's folder has
no session and no app password. Without it people log in again and make new app passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from longplay.files import secret

FILE = "people.key"

NONCE = 12
"""Bytes of AES-GCM's nonce."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys derived from the one secret, each for one purpose."""

    master: bytes

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose."""
        return hmac.digest(self.master, purpose.encode(), hashlib.sha256)

    def seal(self, text: str, bound_to: str) -> bytes:
        """Encrypt (AES-256-GCM); it opens only together with what it is bound to."""
        nonce = secrets.token_bytes(NONCE)
        cipher = AESGCM(self.derived("app passwords"))
        return nonce + cipher.encrypt(nonce, text.encode(), bound_to.encode())

    def opened(self, sealed: bytes, bound_to: str) -> str | None:
        """What was sealed; None where it was sealed with another secret, or changed."""
        cipher = AESGCM(self.derived("app passwords"))
        try:
            data = cipher.decrypt(sealed[:NONCE], sealed[NONCE:], bound_to.encode())
        except (InvalidTag, ValueError):
            return None
        return data.decode()


def load(folder: Path) -> Secrets:
    """The secret in a folder of secret keys; made if there is none. Raises ArchiveError."""
    hint = "bring it back from a backup, or remove it: sessions and app passwords end"
    return Secrets(secret(folder / FILE, "the secret of the accounts", hint=hint))
