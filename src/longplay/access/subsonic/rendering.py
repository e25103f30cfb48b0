"""One tree, two languages. What JSON writes as an object, XML writes as an element.

A value of an object is an attribute; an object in it is a child element; a list is its elements one
after the other, of the same name. What JSON calls `value` is an element's text, as the schema has
it for genres, lyrics and their lines. https://opensubsonic.netlify.app/docs/api-reference/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from longplay import __version__
from longplay.access.answers import Bare
from longplay.access.subsonic.failures import CallError

Tree = Mapping[str, Any]
"""An answer: names and, below them, texts, numbers, truth, lists and trees."""

VERSION = "1.16.1"
"""The version of the API that is spoken."""

NAMESPACE = "http://subsonic.org/restapi"

MEDIA_TYPES = {
    "xml": "text/xml; charset=utf-8",
    "json": "application/json",
    "jsonp": "application/javascript; charset=utf-8",
}

_CONTENT_TYPES = {form: (b"content-type", kind.encode()) for form, kind in MEDIA_TYPES.items()}

ENVELOPE = {
    "status": "ok",
    "version": VERSION,
    "type": "longplay",
    "serverVersion": __version__,
    "openSubsonic": True,
}

_ATTRIBUTE_VALUE = frozenset({"cueLine"})
"""Elements that have their `value` as an attribute like any other."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may contain, in whatever way it is written."""

_SPECIAL = re.compile('[&<>"\t\n\r]|' + _NO_XML.pattern)
_ESCAPES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}


def succeed(tree: Tree) -> Tree:
    """The whole answer of a call that worked."""
    return {"subsonic-response": {**ENVELOPE, **tree}}


def fail(error: CallError, help_url: str = "") -> Tree:
    """The whole answer of a call that did not."""
    told: dict[str, Any] = {"code": int(error.code), "message": error.message}
    if help_url:
        told["helpUrl"] = help_url
    return {"subsonic-response": {**ENVELOPE, "status": "failed", "error": told}}


def answer(body: bytes, form: str, status: int = 200) -> Bare:
    """What is written in a form, as it is sent."""
    length = (b"content-length", b"%d" % len(body))
    return Bare(status, [_CONTENT_TYPES[form], length], body)


def render(answer: Tree, form: str, callback: str | None = None) -> bytes:
    """A whole answer as bytes of `form`: xml, json, or jsonp."""
    if form == "xml":
        return xml(answer)
    return called(json(answer), form, callback)


def called(written: bytes, form: str, callback: str | None) -> bytes:
    """What is written as JSON, or as XML, in the call of a function where `form` is jsonp."""
    if form != "jsonp":
        return written
    # The comment keeps what other programs make of the first bytes from meaning anything.
    return b"/**/%b(%b);" % ((callback or "callback").encode(), written)


def json(value: Tree | str) -> bytes:
    """A tree, or a text in one, as JSON."""
    return orjson.dumps(value)


def xml(answer: Tree) -> bytes:
    """A tree with one root as an XML document."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    for name, value in answer.items():
        _element(name, {"xmlns": NAMESPACE, **value}, out)
    return "".join(out).encode()


def fragment(name: str, tree: Tree) -> bytes:
    """One element as XML, without a document around it."""
    out: list[str] = []
    _element(name, tree, out)
    return "".join(out).encode()


def escape(text: str) -> str:
    """Text as it stands in an attribute or an element."""
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), text)


def _element(name: str, tree: Tree, out: list[str]) -> None:
    out.append(f"<{name}")
    inside: list[tuple[str, Any]] = []
    text = ""
    for key, value in tree.items():
        if isinstance(value, Mapping) or _is_list(value):
            inside.append((key, value))
        elif key == "value" and name not in _ATTRIBUTE_VALUE:
            text = _scalar(value)
        elif value is not None:
            out.append(f' {key}="{_scalar(value)}"')
    if not inside and not text:
        out.append("/>")
        return
    out.append(f">{text}")
    for key, value in inside:
        for one in value if _is_list(value) else (value,):
            if isinstance(one, Mapping):
                _element(key, one, out)
            else:
                out.append(f"<{key}>{_scalar(one)}</{key}>")
    out.append(f"</{name}>")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _scalar(value: Any) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    return escape(value) if isinstance(value, str) else str(value)
