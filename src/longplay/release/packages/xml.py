"""Building the XML of packages: namespaces, and text that XML may hold."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

PREMIS = "http://www.loc.gov/premis/v3"
METS = "http://www.loc.gov/METS/"
XLINK = "http://www.w3.org/1999/xlink"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
DC = "http://purl.org/dc/elements/1.1/"

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(value: object) -> str:
    """A value as text that XML 1.0 may hold; other signs become U+FFFD."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(value))


class Maker:
    """Makes elements of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def __call__(self, parent: Any, name: str, value: object = None, **attributes: object) -> Any:
        """Add an element with text (None: none) and attributes to `parent`; returns it."""
        element = etree.SubElement(parent, f"{{{self.namespace}}}{name}")
        if value is not None:
            element.text = text(value)
        for key, each in attributes.items():
            if each is not None:
                element.set(key, text(each))
        return element


def root(namespace: str, name: str, prefixes: dict[str, str], schema: str) -> Any:
    """A document's element, with the place of its schema as a hint for validators."""
    element = etree.Element(f"{{{namespace}}}{name}", nsmap=prefixes)
    element.set(f"{{{XSI}}}schemaLocation", f"{namespace} {schema}")
    return element


def document(element: Any) -> bytes:
    """The document as bytes, the same for the same content."""
    etree.indent(element, " ")
    data: bytes = etree.tostring(element, xml_declaration=True, encoding="UTF-8")
    return data + b"\n"
