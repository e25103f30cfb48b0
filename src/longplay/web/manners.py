"""Who we say we are, and how long a server asks us to wait."""

from __future__ import annotations

import email.utils
import re
from datetime import datetime
from importlib.metadata import version

AGENT = "longplay"
"""The name by which the rules of a robots.txt are for us."""

RETRIED = (408, 425, 429)
"""Answers below 500 after which the same request may succeed (RFC 9110, 8470, 6585)."""


def user_agent(contact: str = "") -> str:
    """What every request says of us; `contact` is where those who run the archive are reached."""
    return f"Longplay/{version('longplay')}" + (f" (+{contact})" if contact else "")


def may_succeed_later(status: int) -> bool:
    """Whether an answer says that the server is busy or broken, not that it refuses."""
    return status in RETRIED or status >= 500


def retry_after(text: str, now: datetime) -> float | None:
    """Seconds that `Retry-After` asks to wait (RFC 9110, 10.2.3: seconds, or a date); None where
    it says nothing."""
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text):
        return float(min(int(text[:12]), 10**9))
    moment = http_date(text)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """A date of a header, in UTC; None for what is none."""
    try:
        moment = email.utils.parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else None
