"""ARKs: names of recordings that outlive addresses, e.g. `ark:99999/r100vn0g…`.

The form is that of https://datatracker.ietf.org/doc/draft-kunze-ark/: a number (NAAN) says whose
name it is, the name begins with a shoulder, and its last sign is a check character over number and
name (NOID: a prime number of signs, each weighted by its place), so that one wrong sign or two that
were swapped are seen before anything is looked up. A name is a recording's key in another dress:
nothing needs to be kept, and none is ever given twice.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from longplay.access import answers
from longplay.access.context import Context, context
from longplay.catalogue import describe, ids
from longplay.catalogue.search import showing
from longplay.catalogue.search.showing import Thing
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError
from longplay.workflows import kept

router = APIRouter()

ALPHABET = "0123456789bcdfghjkmnpqrstvwxz"
"""29 signs, none of which is taken for another one; without vowels no name is a word."""

SHOULDER = "r1"
"""What names of recordings begin with: letters up to the first digit, so that other kinds of things
can have names beside them."""

SIGNS = 14
"""Signs that hold a key of 64 bits."""

MOST_TEXT = 200
"""Characters of an address that are looked at."""

_INFLECTIONS = ("info", "?")
"""What stands after the `?` of who wants to be told about a name rather than to be led."""


def of(naan: str, recording: int) -> str:
    """The ARK of a recording's key."""
    signs, rest = "", recording
    for _ in range(SIGNS):
        rest, digit = divmod(rest, len(ALPHABET))
        signs = ALPHABET[digit] + signs
    name = SHOULDER + signs
    return f"ark:{naan}/{name}{check_character(f'{naan}/{name}')}"


def check_character(text: str) -> str:
    """NOID's check character of `NAAN/name`: signs outside the alphabet count nothing."""
    values = (ALPHABET.find(sign) for sign in text)
    total = sum(place * max(value, 0) for place, value in enumerate(values, 1))
    return ALPHABET[total % len(ALPHABET)]


def parse(naan: str, text: str) -> tuple[str, int]:
    """The number and the recording's key of an ARK that was asked for. Case, hyphens and a slash at
    the end mean nothing. Raises InputError, which says whether a sign was mistyped."""
    plain = re.sub(r"[-\u00ad\u2010-\u2015\s]", "", text[:MOST_TEXT].lower()).rstrip("/")
    where = f"ark:{naan}/{text}"[:MOST_TEXT]
    name, given = plain[:-1], plain[-1:]
    begins = len(SHOULDER)
    if len(name) != begins + SIGNS or not name.startswith(SHOULDER) or set(plain) - set(ALPHABET):
        raise InputError(
            "is no name that this archive gives",
            where=where,
            hint=f"they have {begins + SIGNS + 1} signs, and begin with {SHOULDER}",
        )
    if check_character(f"{naan}/{name}") != given:
        raise InputError(
            "is mistyped: its check character does not fit",
            where=where,
            hint="compare it with its source, sign by sign",
        )
    key = 0
    for sign in name[begins:]:
        key = key * len(ALPHABET) + ALPHABET.index(sign)
    if key >= 1 << 64:
        raise InputError("is no name that this archive gives", where=where)
    return naan, key


def of_archive(here: Context, recording: int) -> str | None:
    """The ARK of a recording, where the settings say under which number this archive names."""
    naan = here.archive.settings.serving.naan
    return of(naan, recording) if naan else None


@router.get("/ark:/{naan}/{name:path}", response_class=Response)
@router.get("/ark:{naan}/{name:path}", response_class=Response)
def resolve(naan: str, name: str, request: Request) -> Response:
    """Where a name leads: to the recording's page; with `?info` what is known of it, as text."""
    here = context(request)
    own = here.archive.settings.serving.naan
    if not own or naan != own:
        return answers.refuse(404, "unknown", "this archive gives no names under that number")
    try:
        _, key = parse(naan, name)
        thing = showing.show(open_current(here.archive.catalogue), ids.text("rec", key)).found[0]
    except InputError as error:
        return answers.refuse(404, "unknown", str(error))
    if request.url.query in _INFLECTIONS:
        return PlainTextResponse(_about(here, of(naan, key), thing))
    return RedirectResponse(f"/recordings/{quote(ids.text('rec', key))}", 302)


def _about(here: Context, name: str, thing: Thing) -> str:
    """An Electronic Resource Citation: https://dublincore.org/groups/kernel/spec/, section 4."""
    said = {"title": "", "artists": "", "release_date": ""}
    _, key = ids.parse(thing.id)
    objects = kept.kept(here.archive, here.standing(), [key])
    withdrawn = key in kept.hidden(objects)
    if not withdrawn:
        permitted = describe.permitted(open_current(here.archive.catalogue))
        own = kept.own_tracks(here.archive, objects)
        for fact in thing.facts:
            told = fact.field in permitted.get(fact.source, ()) or fact.of in own
            if told and not said.get(fact.field, "-"):
                value = fact.value
                said[fact.field] = "; ".join(value) if isinstance(value, list) else str(value)
    stands = "permanent; the recording is withdrawn" if withdrawn else "permanent"
    unknown = "(:tba) withdrawn" if withdrawn else "(:unav)"
    lines = (
        ("who", said["artists"] or unknown),
        ("what", said["title"] or unknown),
        ("when", said["release_date"] or unknown),
        ("where", name),
        ("how", "(:mtype snd)"),
        ("support-what", stands),
        ("also", thing.id),
    )
    text = "\n".join(f"{label}: {_on_one_line(value)}" for label, value in lines)
    return f"erc:\n{text}\n"


def _on_one_line(value: str) -> str:
    """A value as ERC wants it: `|` and newlines end values there."""
    return " ".join(value.split()).replace("|", "%7c")
