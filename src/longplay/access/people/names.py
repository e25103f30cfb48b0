"""Names of accounts: what one may be, and when two would look alike.

A name is kept in Unicode's form NFKC; two are the same when they are so without case. Letters of
scripts that look alike do not stand in one name: with a Cyrillic `а` in it, `admin` is refused.
"""

from __future__ import annotations

import re
import unicodedata

from longplay.errors import UsageError

LONGEST = 64
"""Characters of a name."""

MARKS = frozenset("._-@+' ")
"""What may stand in a name beside letters and digits."""

_EAST = frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
"""Scripts that are written together, and do not look alike."""


def clean(name: str) -> str:
    """A name as it is kept. Raises UsageError for one that cannot be a name."""
    if len(name) > 4 * LONGEST:
        raise _error(f"is longer than {LONGEST} characters")
    found = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", name)).strip()
    if not found:
        raise _error("is empty")
    if len(found) > LONGEST:
        raise _error(f"is longer than {LONGEST} characters")
    for letter in found:
        if letter not in MARKS and unicodedata.category(letter)[0] not in "LNM":
            raise _error(f"has U+{ord(letter):04X} in it")
    if unicodedata.category(found[0])[0] not in "LN":
        raise _error("begins with no letter or digit")
    scripts = {_script(letter) for letter in found if unicodedata.category(letter)[0] == "L"}
    if len(scripts) > 1 and not scripts <= _EAST:
        raise _error("mixes letters of scripts that look alike")
    return found


def key(name: str) -> str:
    """What two names that look alike have in common; of any text, however long or strange."""
    folded = unicodedata.normalize("NFKC", name[: 4 * LONGEST]).casefold()
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", folded)).strip()


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").partition(" ")[0]


def _error(why: str) -> UsageError:
    return UsageError(f"a name that {why} is no name of an account", hint="choose another")
