"""How a message to somebody's server is signed: Standard Webhooks 1.0.0, symmetric (`v1`).

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac

PREFIX = "whsec_"


def secret_text(secret: bytes) -> str:
    """A secret as receivers are told it."""
    return PREFIX + base64.b64encode(secret).decode()


def headers(secret: bytes, name: str, seconds: int, body: bytes) -> dict[str, str]:
    """What is sent with a message called `name` (which has no full stop in it), at a time in
    seconds since 1970: that of the attempt, so that an old message cannot be sent again."""
    signed = b".".join((name.encode(), str(seconds).encode(), body))
    mark = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": name,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{mark}",
    }
