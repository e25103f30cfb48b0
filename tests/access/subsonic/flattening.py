"""JSON and XML answers brought into one form, to see that they say the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lxml import etree

NAMESPACE = "{http://subsonic.org/restapi}"

Facts = Counter[tuple[str, str]]
"""Where something stands, and what: paths of names, and texts; of things without a text, ""."""


def of_json(value: Any, path: str = "") -> Facts:
    """What a JSON answer says."""
    found: Facts = Counter()
    if isinstance(value, dict):
        found[path, "{}"] += bool(path)
        for name, below in value.items():
            is_text = name == "value" and not path.endswith("/cueLine")
            found += of_json(below, path if is_text else f"{path}/{name}")
    elif isinstance(value, list):
        for below in value:
            found += of_json(below, path)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        found[path, text] += text != ""
    return +found


def of_xml(data: bytes) -> Facts:
    """What an XML answer says."""
    root = etree.fromstring(data)
    assert root.tag == f"{NAMESPACE}subsonic-response"
    return +_of_element(root, "")


def _of_element(element: Any, above: str) -> Facts:
    path = f"{above}/{element.tag.removeprefix(NAMESPACE)}"
    found: Facts = Counter()
    if len(element) or element.attrib or not element.text:
        found[path, "{}"] += 1
    for name, text in element.attrib.items():
        found[f"{path}/{name}", text] += text != ""
    if element.text:
        found[path, element.text] += 1
    for below in element:
        found += _of_element(below, path)
    return found
