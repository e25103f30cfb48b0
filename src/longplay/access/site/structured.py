"""Music in the words of https://schema.org, as JSON-LD for machines that read pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_UNSAFE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
"""Signs that end a script or begin markup; JSON may write any sign as its number."""


def within_script(document: Mapping[str, Any]) -> str:
    """A document as it may stand between script tags, whatever its strings say."""
    return json.dumps(document, ensure_ascii=False).translate(_UNSAFE)


def thing(kind: str, url: str, **properties: Any) -> dict[str, Any]:
    """A thing of schema.org, without the properties that say nothing."""
    known = {name: value for name, value in properties.items() if value not in (None, "", [], ())}
    return {"@context": "https://schema.org", "@type": kind, "@id": url, "url": url} | known


def within(kind: str, **properties: Any) -> dict[str, Any]:
    """A thing inside another."""
    known = {name: value for name, value in properties.items() if value not in (None, "", [], ())}
    return {"@type": kind} | known


def duration(milliseconds: int | None) -> str | None:
    """ISO 8601: PT3M7S."""
    if not milliseconds:
        return None
    seconds = round(milliseconds / 1000)
    return f"PT{seconds // 60}M{seconds % 60}S"
