"""Texts that may be spelled in two ways, and mean the same: the signs that carry a canary.

Each kind of sign has a form 0 and a form 1, whichever of them the catalogue has: all its signs in
a text take one form. Names compare equal in both (`catalogue.names` drops all of these signs), and
no letter, digit or order of words ever changes. What form a sign has is read without knowing the
text as it was; a text whose signs are mixed says nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

_LETTER = r"[^\W\d_]"

Count = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of sign: where it stands (`pattern`, one group), its two forms, and in which texts it
    may change. Brackets and quotes come in pairs, so their forms are two signs."""

    name: str
    pattern: re.Pattern[str]
    forms: tuple[str, str]
    fits: Count


def _always(_: str) -> bool:
    return True


def _one_bracket(text: str) -> bool:
    """Whether a text has one pair of brackets, closed as it was opened, and nothing like one."""
    opened = [sign for sign in text if sign in "([{<"]
    closed = [sign for sign in text if sign in ")]}>"]
    return (opened, closed) in ((["("], [")"]), (["["], ["]"]))


def _paired(text: str) -> bool:
    """Whether its quotes open and close, one pair."""
    found = [sign for sign in text if sign in '"“”„«»']
    return found in (['"', '"'], ["“", "”"])


KINDS = (
    Kind("apostrophe", re.compile(r"(?<=[^\W_])(['’])(?=[^\W_])"), ("'", "’"), _always),
    # Not before "feat": there a hyphen tells a guest from the title.
    Kind(
        "hyphen",
        re.compile(rf"(?<={_LETTER})([-‐])(?={_LETTER})(?![Ff](?:ea)?[Tt])"),
        ("-", "‐"),
        _always,
    ),
    Kind("dash", re.compile(r"(?<=[^\W_] )([-–])(?= [^\W_])"), ("-", "–"), _always),
    Kind("ellipsis", re.compile(r"(?<![.…])(\.\.\.|…)(?![.…])"), ("...", "…"), _always),
    Kind(
        "quotes",
        re.compile(r"(?<![^\W_])([\"“])[^\"”]*([\"”])(?![^\W_])"),
        ('""', "“”"),
        _paired,
    ),
    Kind(
        "brackets", re.compile(r"(?<=[^\W_] )([(\[])[^()\[\]]*([)\]])"), ("()", "[]"), _one_bracket
    ),
)
"""All kinds, in the order in which a text is respelled."""

BITS = dict[str, int]
"""The form of each kind of sign that a text has."""

LONGEST = 1000
"""Characters of a text that carries a canary; longer ones are no titles."""


def read(text: str) -> BITS:
    """The forms in which a text has its signs; kinds that it does not have, or has in both forms,
    are left out."""
    if len(text) > LONGEST or not _can(text):
        return {}
    found: BITS = {}
    for kind in KINDS:
        forms = {_form(kind, match) for match in _places(kind, text)}
        if len(forms) == 1 and -1 not in forms:
            found[kind.name] = forms.pop()
    return found


def spell(text: str, bits: BITS) -> str:
    """The text with its signs in these forms; kinds that are not named stay as they are."""
    for kind in KINDS:
        if kind.name in bits:
            text = _spelled(kind, text, bits[kind.name])
    return text


def same(text: str) -> str:
    """What all spellings of a text have in common, and copies that change case, or the space
    between words."""
    plain = spell(text, {kind.name: 0 for kind in KINDS})
    return " ".join(unicodedata.normalize("NFC", plain).casefold().split())


def _can(text: str) -> bool:
    return not text.isalnum() and any(sign.isalnum() for sign in text)


def _places(kind: Kind, text: str) -> list[re.Match[str]]:
    return list(kind.pattern.finditer(text)) if kind.fits(text) else []


def _form(kind: Kind, match: re.Match[str]) -> int:
    """The form of a sign, or of a pair of them; -1 for neither."""
    found = "".join(match.groups())
    return kind.forms.index(found) if found in kind.forms else -1


def _spelled(kind: Kind, text: str, form: int) -> str:
    wanted = kind.forms[form]
    made, last = [], 0
    for match in _places(kind, text):
        signs = wanted if len(match.groups()) == 2 else (wanted,)
        for at, sign in enumerate(signs, 1):
            start, end = match.span(at)
            made += [text[last:start], sign]
            last = end
    return "".join([*made, text[last:]])
