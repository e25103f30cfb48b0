"""How pages say lengths, sizes, counts and days."""

from __future__ import annotations

from longplay.rights.statements import TERMS

UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def clock(milliseconds: int | None) -> str:
    """A length as players show it: 3:07, 1:02:03; nothing where it is not known."""
    if milliseconds is None:
        return ""
    seconds = round(milliseconds / 1000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def lasting(milliseconds: int | None) -> str:
    """A length in words: 47 min, 3 h 12 min, 12 days."""
    minutes = round((milliseconds or 0) / 60_000)
    if minutes < 60:
        return f"{minutes} min" if minutes else "under a minute"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440:,} days"


def size(number: float) -> str:
    """Bytes in words: 4.2 MB."""
    for unit in UNITS:
        if number < 1000 or unit == UNITS[-1]:
            break
        number /= 1000
    return f"{number:,.0f} {unit}" if unit == "bytes" or number >= 100 else f"{number:.1f} {unit}"


def day(time: str | None) -> str:
    """The day of an ISO 8601 time."""
    return (time or "")[:10]


def count(number: float | None) -> str:
    """A number as people read it."""
    return "" if number is None else f"{number:,.0f}"


def licence(uri: str) -> str:
    """What a statement is called; its address where we do not know it."""
    return TERMS[uri].name if uri in TERMS else uri


def plural(number: int, one: str, many: str = "") -> str:
    """`1 track`, `2 tracks`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
