"""What the guard remembers of an account: a row of numbers, a filter of tracks that it had, and a
sample of them, and which were the last; beside it half of its last address's hash. With what is
thought of the account 1,020 bytes (`judging.STATE_BYTES`), whatever it does.

The filter is a Bloom filter (Bloom 1970) of 4,096 bits and two hashes: it knows for certain that a
track is new, and takes a new one for a known one with the chance (share of set bits)². What is
counted as new is corrected by that chance; when 60 % of the bits are set (about 1,900 tracks) the
filter and the counts that rest on it begin anew.

The sample has the 28 tracks with the lowest hashes (k minimum values, Bar-Yossef et al. 2002). As
all accounts draw by the same hash, the overlap of two accounts can be told from their samples.

Of the last 8 tracks 16 bits of their hashes and the minute are kept: a play that is asked for in
several ranges is several lines, and what is continued within the hour is neither a new track nor
one that somebody came back to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled, inlined
from longplay.guard.events import MARKED, UNMARKED, UNTOLD

Numbers = npt.NDArray[np.float64]
"""One row an account, one of the columns below each."""

FILTER_WORDS = 64
FILTER_BITS = 64 * FILTER_WORDS
FULLEST = 0.6
"""Share of set bits at which a filter begins anew."""

SAMPLE = 28
"""Tracks in an account's sample."""

SAMPLED_SECONDS, LATEST_SAMPLED = 1800, 2**16 - 1
"""When a track of the sample was first taken is kept in half hours since the account began; what
was taken after 3.7 years counts as taken then."""

(
    FIRST,  # time of the first event
    LAST,  # latest time; time that runs backwards is read as standing still
    EVENTS,
    TAKEN,  # tracks taken, a repeat each time
    NEW,  # different tracks taken
    SINCE_TAKEN,  # the same two since the filter began
    SINCE_NEW,
    BITS,  # set bits of the filter
    AHEAD,  # seconds of music taken beyond what so many seconds can play
    AWAKE,  # since when there was no rest
    SKIPS,
    LOOKS,  # searches and pages
    LOOKING,  # the same, as a bucket that drains
    DOWNLOADS,  # downloads, as a bucket that drains
    WEIGHED,  # after how many events it was weighed last
    NUMBER,  # number of the track before
    STEP,  # the last step between numbers, and how often in a row it was the same
    STEPS,
    RISING,  # how often in a row numbers rose (below 0: fell)
    MONTH,  # new tracks of about the last 30 days, decaying
    ALONE,  # new tracks since the filter began that nobody else takes
    GAPS,  # steady gaps between tracks: how many, their mean and mean square, decaying
    GAP,
    GAP_SQUARE,
    QUARTERS,  # for each quarter of the day, tracks taken and new among them, decaying
) = range(25)

COLUMNS = QUARTERS + 8
"""Numbers that are kept of an account."""

UNDER_WAY = 8
"""Tracks that may be under way in an account at once."""

CONTINUED_MINUTES = 60
"""So long after its last line a track of those is still the same play."""

TAKEN_SECONDS = 30
"""From here on a track was heard and not only tried (what charts count as a play)."""

TAKEN_BYTES = 480_000
"""Thirty seconds at 128 kbit/s: whoever got that many bytes has taken a track."""

BYTES_PER_SECOND = 100_000
"""Bytes that a second of music has at most, as a rule (lossless, 800 kbit/s)."""

UNTOLD_SECONDS = 60
"""What a track is charged with whose seconds and bytes the log does not tell."""

STREAMS = 4.0
"""How many tracks an account may play at once (families share accounts)."""

REST = 3 * 3600
"""Seconds without an event, after the last track's end, that count as rest."""

DOWNLOADS_DAY = 100.0
"""Downloads a day that drain from the bucket."""

LOOKS_HOUR = 200.0
"""Searches and pages that drain from the bucket in an hour …"""

LOOKS_TRACK = 20.0
"""… and with every track that is played: who listens also looks."""

MONTH_SECONDS = 30 * 86400.0

QUARTER_MEMORY = 1 / 500
"""How much of a quarter's counts a track displaces: they cover its last five hundred or so."""

GAP_MEMORY = 1 / 50

LONGEST_GAP = 1800
"""Seconds between two tracks that may still be one session."""

LONGEST_CHARGE = 900
"""Seconds that one track is charged with at most: a mix of three hours is still one track."""


@inlined
def is_taken(event: Any) -> bool:
    """Whether an account has got a track by this event, and not only a few seconds of it."""
    if event.action >= 3:
        return False
    if event.mark != UNTOLD:
        return bool(event.mark == MARKED)
    if event.bytes >= TAKEN_BYTES or event.listened >= TAKEN_SECONDS:
        return True
    untold = event.listened < 0 and event.bytes < 0
    return bool(event.action == 2 or (event.action != 1 and untold))


@compiled
def remember(filters: npt.NDArray[np.uint64], row: int, track: np.uint64) -> tuple[bool, int]:
    """Set a track's two bits. Answers whether it is new for certain, and how many bits that set."""
    changed = 0
    for bit in (track & np.uint64(4095), (track >> np.uint64(12)) & np.uint64(4095)):
        word = bit >> np.uint64(6)
        mask = np.uint64(1) << (bit & np.uint64(63))
        if not filters[row, word] & mask:
            filters[row, word] |= mask
            changed += 1
    return changed > 0, changed


@compiled
def sample(
    samples: npt.NDArray[np.uint32], times: npt.NDArray[np.uint16], row: int, track: int, since: int
) -> None:
    """Keep a track among the lowest (they are sorted), and that it was first taken so many seconds
    after the account's first event."""
    low = np.uint32(track >> np.uint64(32))
    if low >= samples[row, SAMPLE - 1]:
        return
    place = SAMPLE - 1
    while place > 0 and samples[row, place - 1] >= low:
        place -= 1
    if samples[row, place] == low:
        return
    for later in range(SAMPLE - 1, place, -1):
        samples[row, later] = samples[row, later - 1]
        times[row, later] = times[row, later - 1]
    samples[row, place] = low
    times[row, place] = np.uint16(min(max(since, 0) // SAMPLED_SECONDS, LATEST_SAMPLED))


@compiled
def begin(numbers: Numbers, samples: npt.NDArray[np.uint32], row: int, time: int) -> None:
    """The state of an account that is met for the first time. Filters and times begin as zeros."""
    numbers[row, :] = 0.0
    numbers[row, FIRST] = numbers[row, LAST] = numbers[row, AWAKE] = time
    numbers[row, NUMBER] = -1.0
    samples[row, :] = np.uint32(0xFFFFFFFF)


@inlined
def is_of(one: np.uint32, track: np.uint64, minute: int) -> bool:
    """Whether a track that was kept is this one, and its last line within the hour."""
    passed = (minute - np.int64(one)) & 0xFFFF
    same = np.int64(one >> np.uint32(16)) == np.int64((track >> np.uint64(24)) & np.uint64(0xFFFF))
    return bool(same and passed <= CONTINUED_MINUTES)


@compiled
def continues(under_way: npt.NDArray[np.uint32], row: int, track: np.uint64, minute: int) -> bool:
    """Keep a track that is taken as the last one. Answers whether it was under way already."""
    place, known = UNDER_WAY - 1, False
    for at in range(UNDER_WAY):
        if is_of(under_way[row, at], track, minute):
            place, known = at, True
            break
    for later in range(place, 0, -1):
        under_way[row, later] = under_way[row, later - 1]
    name = np.int64((track >> np.uint64(24)) & np.uint64(0xFFFF))
    under_way[row, 0] = np.uint32((name << 16) | (minute & 0xFFFF))
    return known


@compiled
def step(
    numbers: Numbers,
    filters: npt.NDArray[np.uint64],
    samples: npt.NDArray[np.uint32],
    times: npt.NDArray[np.uint16],
    under_way: npt.NDArray[np.uint32],
    row: int,
    event: Any,
    others: int,
) -> bool:
    """Take an event into an account's state; `others` is how many other accounts take the track
    (-1: not known). Answers whether something changed that verdicts rest on."""
    n = numbers[row]
    now = max(np.float64(event.time), n[LAST])
    passed = now - n[LAST]
    n[EVENTS] += 1
    if passed > REST:
        n[AWAKE] = now
    n[AHEAD] = max(0.0, n[AHEAD] - passed * STREAMS)
    n[LOOKING] = max(0.0, n[LOOKING] - passed * (LOOKS_HOUR / 3600))
    n[DOWNLOADS] = max(0.0, n[DOWNLOADS] - passed * (DOWNLOADS_DAY / 86400))
    if passed > 0:
        n[MONTH] *= np.exp(-passed / MONTH_SECONDS)
    if event.action >= 3:
        n[LAST] = now
        n[LOOKS] += 1
        n[LOOKING] += 1
        return bool(n[LOOKING] > 1000)
    minute = int(now) // 60
    again = is_of(under_way[row, 0], event.track, minute)
    seconds = float(event.listened)
    if event.bytes >= 0:
        seconds = max(seconds, event.bytes / BYTES_PER_SECOND)
    if seconds < 0:
        seconds = UNTOLD_SECONDS if event.action == 0 else 0.0
    if event.action == 2:
        if event.mark != UNMARKED:  # in pieces it is one
            n[DOWNLOADS] += 1
    elif not again:  # a phone that retries on a bad network gets no more music by it
        n[AHEAD] += min(seconds, LONGEST_CHARGE)
    n[LOOKING] = max(0.0, n[LOOKING] - LOOKS_TRACK)
    if event.action == 1:
        n[SKIPS] += 1
    if not is_taken(event) or continues(under_way, row, event.track, minute):
        n[LAST] = now
        return bool(n[AHEAD] > 3600)
    _take(numbers, filters, samples, times, row, event, others, now, passed)
    n[LAST] = now
    return True


@compiled
def _take(
    numbers: Numbers,
    filters: npt.NDArray[np.uint64],
    samples: npt.NDArray[np.uint32],
    times: npt.NDArray[np.uint16],
    row: int,
    event: Any,
    others: int,
    now: float,
    passed: float,
) -> None:
    n = numbers[row]
    filled = n[BITS] / FILTER_BITS
    if filled > FULLEST:
        filters[row, :] = np.uint64(0)
        n[BITS] = n[SINCE_TAKEN] = n[SINCE_NEW] = n[ALONE] = 0.0
        n[QUARTERS:] = 0.0
        filled = 0.0
    new, bits = remember(filters, row, event.track)
    n[BITS] += bits
    gained = 0.0
    if new:
        gained = 1 / (1 - filled * filled)
        sample(samples, times, row, event.track, int(now - n[FIRST]))
    n[TAKEN] += 1
    n[NEW] += gained
    n[MONTH] += gained
    # A download fills a device; how much of that is natural, the bucket of downloads says.
    if event.action != 2:
        n[SINCE_TAKEN] += 1
        n[SINCE_NEW] += gained
        if others == 0:
            n[ALONE] += gained
        quarter = QUARTERS + 2 * (int(now) // 21600 % 4)
        for at, more in ((quarter, 1.0), (quarter + 1, gained)):
            n[at] = n[at] * (1 - QUARTER_MEMORY) + more
    if event.action != 2 and 0 < passed < LONGEST_GAP:
        share = max(GAP_MEMORY, 1 / (n[GAPS] + 1))
        n[GAPS] += 1
        n[GAP] += (passed - n[GAP]) * share
        n[GAP_SQUARE] += (passed * passed - n[GAP_SQUARE]) * share
    if event.number >= 0:
        _in_order(n, np.float64(event.number))


@compiled
def _in_order(n: npt.NDArray[np.float64], number: float) -> None:
    if n[NUMBER] >= 0 and number != n[NUMBER]:
        step_now = number - n[NUMBER]
        n[STEPS] = n[STEPS] + 1 if step_now == n[STEP] else 1.0
        n[STEP] = step_now
        if step_now > 0:
            n[RISING] = max(n[RISING], 0.0) + 1
        else:
            n[RISING] = min(n[RISING], 0.0) - 1
    n[NUMBER] = number
