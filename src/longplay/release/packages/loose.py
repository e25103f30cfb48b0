"""PREMIS documents alone, one for each object: `ab/cd/obj….xml`. No object is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from longplay.errors import InputError
from longplay.files import durable, read_bounded
from longplay.release.packages import folder, premis
from longplay.release.packages.bagit import DOCUMENT_BYTES
from longplay.release.packages.item import Item
from longplay.release.packages.written import Written

FORMAT = "premis"


class Documents:
    """A folder of PREMIS documents that is being filled."""

    format = FORMAT

    def __init__(self, place: Path, software: str) -> None:
        self.place = place
        self.software = software

    def begin(self) -> None:
        """Nothing needs to be laid out."""

    def put(self, item: Item, _opened: Callable[[], BinaryIO]) -> Written:
        """Write an object's document, unless it is there and says the same."""
        digits = item.key.hex
        path = self.place / digits[:2] / digits[2:4] / f"{item.id}.xml"
        data = premis.render(item, self.software)
        if _is(path, data):
            return Written((), False)
        folder.make(path.parent)
        with durable(path) as out:
            out.write(data)
        return Written((), True)

    def finish(self, belongs: folder.Roots) -> int:
        """Remove the documents that no longer belong there; their count."""
        return folder.sweep(self.place, belongs)


def _is(path: Path, data: bytes) -> bool:
    try:
        return read_bounded(path, DOCUMENT_BYTES) == data
    except InputError:
        return False
