"""Which form a recipient's copy has at each place, and what a leaked copy says of whose it was.

A fingerprinting code (Boneh and Shaw 1998; Tardos 2008) in its short form (Nuida et al. 2009): at
each place form 1 is given with a chance of 21 % or 79 %, which of the two only the archive knows.
Whatever up to four recipients make of their copies, on average each of them agrees with it more
than by chance; the symmetric score (Skoric et al. 2008) adds that up.

Forms are drawn by AES under a recipient's own key, which HMAC derives from the archive's secret:
nothing is stored but the names of recipients. Of somebody who had nothing to do with a copy the
forms are independent of it. So how often such a one reaches a score is bounded (Chernoff), for any
copy whatever, by the very places that it has: no model of leaks is in that bound.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PLACE_BYTES = 16
"""One block of AES."""

CHANCES = (0.5 - 1 / 12**0.5, 0.5 + 1 / 12**0.5)
"""The chances of form 1: the zeros of the second Legendre polynomial, for four colluders."""

Places = npt.NDArray[np.uint8]
"""A row of PLACE_BYTES for each place."""

Forms = npt.NDArray[np.bool_]

_SLOPES = np.concatenate([np.linspace(0.005, 2.0, 400), np.linspace(2.0, 20.0, 100)])
"""Where the Chernoff bound is tried: any of them holds, the best is taken."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What all copies of an archive are marked by."""

    value: bytes = field(repr=False)

    def place(self, kind: str, text: str) -> bytes:
        """The place that a kind of sign in a text is, under a key that only the archive has."""
        key = _derived(self.value, b"places")
        said = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(said, key=key, digest_size=PLACE_BYTES).digest()

    def sealing(self) -> bytes:
        """The key under which the list of recipients is sealed."""
        return _derived(self.value, b"sealing")

    def recipient(self, name: str) -> bytes:
        """The key by which one recipient's forms are drawn."""
        return _derived(self.value, b"recipient\0" + name.encode("utf-8", "surrogatepass"))


def _derived(secret: bytes, what: bytes) -> bytes:
    return hmac.new(secret, b"longplay canaries 1\0" + what, hashlib.sha256).digest()


def places(found: Iterable[bytes]) -> Places:
    """Places as rows."""
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, PLACE_BYTES)


def forms(key: bytes, where: Places) -> Forms:
    """Which form a recipient's copy has at each place."""
    low = _drawn(key, where) >> np.uint64(32)
    wanted: Forms = low < (chances(where) * 2**32).astype(np.uint64)
    return wanted


def priorities(key: bytes, where: Places) -> npt.NDArray[np.uint64]:
    """The order in which a recipient's copy has rows that nothing else orders."""
    return _drawn(key, where)


def chances(where: Places) -> npt.NDArray[np.float64]:
    """The chance of form 1 at each place."""
    found: npt.NDArray[np.float64] = np.where(where[:, 0] & 1, *CHANCES)
    return found


def _drawn(key: bytes, where: Places) -> npt.NDArray[np.uint64]:
    # A block is used as what AES permutes, so ECB is what is meant: a function of place and key.
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # nosec B305
    blocks = np.frombuffer(cipher.update(where.tobytes()), "<u8")
    return blocks[::2].astype(np.uint64)


def score(read: Forms, own: Forms, chance: npt.NDArray[np.float64]) -> float:
    """How far forms that were read agree with a recipient's own, beyond chance."""
    gain, loss = _weights(read, chance)
    return float(np.where(read == own, gain, -loss).sum())


def bound(found: float, read: Forms, chance: npt.NDArray[np.float64]) -> float:
    """How likely at most somebody who had nothing to do with what was read scores this or more."""
    if found <= 0 or not len(read):
        return 1.0
    gain, loss = _weights(read, chance)
    agrees = np.where(read, chance, 1 - chance)
    # There are four kinds of places at most: what was read, times the two chances.
    kinds, counts = np.unique(np.stack([gain, loss, agrees]), axis=1, return_counts=True)
    gains, losses, agreeing = kinds[:, :, None]
    rises = np.log(agreeing * np.exp(_SLOPES * gains) + (1 - agreeing) * np.exp(-_SLOPES * losses))
    exponents = (counts[:, None] * rises).sum(0) - _SLOPES * found
    return float(np.exp(min(float(exponents.min()), 0.0)))


def _weights(
    read: Forms, chance: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What agreeing and not agreeing weigh at each place: on average nothing, with variance 1."""
    agrees = np.where(read, chance, 1 - chance)
    odds = np.sqrt((1 - agrees) / agrees)
    return odds, 1 / odds
