"""From bytes to numbers, compiled: hashes, decimal numbers, and the three ways logs write times.

Bytes are reached by places without a sign: for others the compiled code would ask at each byte
whether it is counted from the end.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled

Bytes = npt.NDArray[np.uint8]

NO_TIME = -(2**62)
"""What `time_of` answers for bytes that are no time."""

LATEST = 7_258_118_400
"""2200-01-01: whoever writes a later time knows no time."""

FIRST_MS = 100_000_000_000
"""Numbers from here on count milliseconds (as seconds they would lie after the year 5000)."""

MOST_DIGITS = 18
"""Decimal digits that 64 bits with a sign hold for certain."""


@compiled
def word_of(data: Bytes, start: int, count: int) -> np.uint64:
    """The first eight of so many bytes, or all of them, as a number (the first is the lowest)."""
    word = np.uint64(0)
    if count < 8:
        for at in range(count):
            word |= np.uint64(data[np.uint64(start + at)]) << np.uint64(8 * at)
        return word
    for at in range(8):  # of a fixed length: one step of the machine
        word |= np.uint64(data[np.uint64(start + at)]) << np.uint64(8 * at)
    return word


@compiled
def hash_of(data: Bytes, start: int, end: int, key: np.uint64) -> np.uint64:
    """64 bits that depend on every byte and on the key (multiply and fold, eight bytes a step)."""
    value = key ^ (np.uint64(end - start) * np.uint64(0x9E3779B97F4A7C15))
    at = start
    while at < end:
        word = word_of(data, at, end - at)
        value = (value ^ word) * np.uint64(0xFF51AFD7ED558CCD)
        value ^= value >> np.uint64(32)
        at += 8
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    value ^= value >> np.uint64(29)
    value *= np.uint64(0x9E3779B97F4A7C15)
    return value ^ (value >> np.uint64(32))


@compiled
def digits(data: Bytes, start: int, end: int) -> int:
    """The decimal number that these bytes are, or -1."""
    if start >= end or end - start > MOST_DIGITS:
        return -1
    value = 0
    for at in range(start, end):
        digit = numba.int64(data[np.uint64(at)]) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@compiled
def number_of(data: Bytes, start: int, end: int) -> int:
    """A number without its fraction; -1 for one below zero and for what is none."""
    for at in range(start, end):
        if data[np.uint64(at)] == 46:  # "."
            return digits(data, start, at)
    return digits(data, start, end)


@compiled
def ending_number(data: Bytes, start: int, end: int) -> int:
    """The number that an id ends with, or -1: `track-00812` gives 812."""
    at = end
    while at > start and 48 <= data[np.uint64(at - 1)] <= 57:
        at -= 1
    return digits(data, at, end)


@compiled
def days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar."""
    year -= 1 if month <= 2 else 0
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@compiled
def moment(
    year: int, month: int, day: int, hour: int, minute: int, second: int, offset: int
) -> int:
    """Seconds since 1970, or NO_TIME for what no calendar has. `offset` is in seconds."""
    if not (1 <= month <= 12 and 1 <= day <= 31 and 0 <= hour <= 23):
        return NO_TIME
    if not (0 <= minute <= 59 and 0 <= second <= 60 and 1900 <= year <= 2199):
        return NO_TIME
    return days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset


@compiled
def offset_of(data: Bytes, start: int, end: int) -> int:
    """Seconds that a time zone `+hh:mm` or `-hhmm` is ahead of UTC; 0 for anything else."""
    if end - start < 5 or data[start] not in (43, 45):
        return 0
    hour = digits(data, start + 1, start + 3)
    minute = digits(data, end - 2, end)
    if hour < 0 or minute < 0:
        return 0
    ahead = hour * 3600 + minute * 60
    return ahead if data[start] == 43 else -ahead


@compiled
def iso_time(data: Bytes, start: int, end: int) -> int:
    """ISO 8601 (RFC 3339), `2026-11-29T01:02:03.5+01:00`; without a zone it is UTC."""
    if end - start < 19 or data[start + 4] != 45 or data[start + 13] != 58:
        return NO_TIME
    zone = start + 19
    while zone < end and (data[zone] == 46 or 48 <= data[zone] <= 57):
        zone += 1
    return moment(
        digits(data, start, start + 4),
        digits(data, start + 5, start + 7),
        digits(data, start + 8, start + 10),
        digits(data, start + 11, start + 13),
        digits(data, start + 14, start + 16),
        digits(data, start + 17, start + 19),
        offset_of(data, zone, end),
    )


@compiled
def month_of(data: Bytes, start: int) -> int:
    """The month that three letters name, or 0."""
    names = b"JanFebMarAprMayJunJulAugSepOctNovDec"
    for month in range(12):
        same = True
        for at in range(3):
            if data[start + at] != names[3 * month + at]:
                same = False
        if same:
            return month + 1
    return 0


@compiled
def log_time(data: Bytes, start: int, end: int) -> int:
    """The Common Log Format's `10/Oct/2000:13:55:36 -0700`."""
    if end - start < 20 or data[start + 2] != 47 or data[start + 11] != 58:
        return NO_TIME
    return moment(
        digits(data, start + 7, start + 11),
        month_of(data, start + 3),
        digits(data, start, start + 2),
        digits(data, start + 12, start + 14),
        digits(data, start + 15, start + 17),
        digits(data, start + 18, start + 20),
        offset_of(data, start + 21, end),
    )


@compiled
def time_of(data: Bytes, start: int, end: int) -> int:
    """Seconds since 1970 from seconds, milli- or microseconds, ISO 8601, or the log format."""
    seconds = number_of(data, start, end)
    if seconds < 0:
        seconds = iso_time(data, start, end)
    elif seconds >= FIRST_MS * 1000:
        seconds //= 1_000_000
    elif seconds >= FIRST_MS:
        seconds //= 1000
    if seconds == NO_TIME:
        seconds = log_time(data, start, end)
    return seconds if seconds <= LATEST else NO_TIME
