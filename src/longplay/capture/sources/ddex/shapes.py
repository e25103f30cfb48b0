"""What ERN messages must have, as a table: the part of the published schemas that we rely on.

The schemas themselves are DDEX's (https://service.ddex.net). A row says how often a child stands in
a composite, in which versions, and what follows where it does not. Rows marked `grave` are about
what nothing can be done without: the composite is left out. The others are told, and the message is
read all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from longplay.capture.sources.ddex.elements import Element, first, name, text


@dataclass(frozen=True, slots=True)
class Row:
    """`children` are alternatives; together they stand from `least` to `most` times."""

    at: str
    children: tuple[str, ...]
    least: int
    most: int | None
    remedy: str
    versions: tuple[str, ...]
    grave: bool


@dataclass(frozen=True, slots=True)
class Breach:
    """A composite that does not have its shape: `count` children stand where a row says
    otherwise."""

    element: Element
    row: Row
    count: int

    @property
    def words(self) -> str:
        """What is wrong with it."""
        named = " or ".join(self.row.children)
        if self.count < self.row.least:
            return f"{called(self.element)} has no {named}"
        return f"{called(self.element)} has {self.count} of {named}, not {self.row.most}"


def _row(
    at: str, children: str, count: str, remedy: str, *, versions: tuple[str, ...],
    grave: bool = False,
) -> Row:  # fmt: skip
    least, _, most = count.partition("-")
    upper = None if most == "n" else int(most or least)
    return Row(at, tuple(children.split()), int(least), upper, remedy, versions, grave)


_ANY, _V3, _V4, _V43 = ("3", "4"), ("3",), ("4",), ("4.3",)

TABLE: tuple[Row, ...] = (
    _row("MessageHeader", "MessageId", "1", "give each message an id of its own", versions=_ANY),
    _row("MessageHeader", "MessageSender", "1", "name who sends it", versions=_ANY),
    _row("MessageHeader", "MessageRecipient", "1-n", "name who gets it", versions=_ANY),
    _row("MessageHeader", "MessageCreatedDateTime", "1",
         "say when it was made: the newest message about a release counts", versions=_ANY,
         grave=True),
    _row("MessageSender", "PartyId", "1-n", "give the sender's DPID", versions=_ANY),
    _row("SoundRecording", "ResourceReference", "1", "give it a reference such as A1",
         versions=_ANY, grave=True),
    _row("SoundRecording", "ReferenceTitle", "1", "give it a title", versions=_V3),
    _row("SoundRecording", "SoundRecordingDetailsByTerritory", "1-n",
         "say what holds worldwide", versions=_V3),
    _row("SoundRecording", "Duration", "1", "say how long it is, as PT3M25S", versions=_ANY),
    _row("SoundRecording", "Type", "1", "say MusicalWorkSoundRecording, or what it is",
         versions=_V4),
    _row("SoundRecording", "DisplayTitleText", "1-n", "give it a title", versions=_V4),
    _row("SoundRecording", "DisplayTitle", "1-n", "give its title in parts, too", versions=_V4),
    _row("SoundRecording", "DisplayArtistName", "1-n", "name the artists as they are shown",
         versions=_V4),
    _row("SoundRecording", "DisplayArtist", "1-n", "refer to the artists in the PartyList",
         versions=_V4),
    _row("SoundRecording", "SoundRecordingEdition", "1-n",
         "put ISRC and files into a SoundRecordingEdition", versions=_V43),
    _row("Image", "ResourceReference", "1", "give it a reference such as A2", versions=_ANY,
         grave=True),
    _row("Party", "PartyReference", "1", "give it a reference such as P1", versions=_V4,
         grave=True),
    _row("Party", "PartyName PartyId", "1-n", "give its name", versions=_V4),
    _row("Release", "ReleaseReference", "1-n", "give it a reference such as R0: deals refer to it",
         versions=_ANY),
    _row("Release", "ReleaseId", "1-n", "give it a GRid, an ICPN or a ProprietaryId",
         versions=_ANY, grave=True),
    _row("Release", "ReferenceTitle", "1", "give it a title", versions=_V3),
    _row("Release", "ReleaseDetailsByTerritory", "1-n", "say what holds worldwide", versions=_V3),
    _row("Release", "ReleaseResourceReferenceList ResourceOmissionReason", "1",
         "list the resources of the release", versions=_V3),
    _row("Release", "DisplayTitleText", "1-n", "give it a title", versions=_V4),
    _row("Release", "DisplayArtistName", "1-n", "name the artists as they are shown",
         versions=_V4),
    _row("Release", "ReleaseLabelReference", "1-n", "refer to the label in the PartyList",
         versions=_V4),
    _row("Release", "ResourceGroup", "1", "list the resources of the release", versions=_V4),
    _row("TrackRelease", "ReleaseReference", "1",
         "give it a reference such as R1: deals refer to it", versions=_V4),
    _row("TrackRelease", "ReleaseId", "1", "give it a GRid or a ProprietaryId", versions=_V4),
    _row("TrackRelease", "ReleaseResourceReference", "1", "refer to its recording",
         versions=_V4, grave=True),
    _row("ReleaseDeal", "DealReleaseReference", "1-n", "say which release it is about",
         versions=_ANY, grave=True),
    _row("ReleaseDeal", "Deal", "1-n",
         "leave the ReleaseDeal out to take a release down", versions=_ANY),
    _row("DealTerms", "TerritoryCode ExcludedTerritoryCode", "1-n",
         "say where it holds: without a territory it permits nothing here", versions=_ANY),
    _row("DealTerms", "ValidityPeriod", "1-n", "say from when it holds", versions=_ANY),
    _row("DealTerms", "Usage AllDealsCancelled TakeDown", "1-n", "say what may be done",
         versions=_V3),
    _row("File", "FileName URL", "1", "name the file", versions=_V3, grave=True),
    _row("File", "URI FileName URL", "1", "name the file by its URI", versions=_V4, grave=True),
    _row("PurgedRelease", "ReleaseId", "1",
         "name it by its GRid, ICPN or ProprietaryId: by a title nothing is purged",
         versions=_ANY, grave=True),
)  # fmt: skip

_ROWS: dict[str, list[Row]] = {}
for _one in TABLE:
    _ROWS.setdefault(_one.at, []).append(_one)

_REFERENCES = ("ResourceReference", "ReleaseReference", "PartyReference")
_IDENTIFIERS = ("ISRC", "GRid", "ICPN", "ProprietaryId", "CatalogNumber")


def breaches(composite: Element, version: str) -> Iterator[Breach]:
    """Where a composite and all within it do not have their shapes."""
    for element in composite.iter():
        for row in _ROWS.get(name(element), ()):
            if any(version == one or version.startswith(f"{one}.") for one in row.versions):
                count = sum(1 for it in element if name(it) in row.children and _said(it))
                if count < row.least or (row.most is not None and count > row.most):
                    yield Breach(element, row, count)


def _said(element: Element) -> bool:
    return bool(len(element)) or bool(text(element))


def called(element: Element) -> str:
    """A composite as an operator finds it: its name, and its reference or identifier."""
    reference = first(element, *_REFERENCES, "DealReleaseReference")
    if not reference:
        reference = first(element, *(f"{at}/{it}" for at in ("*", "*/*") for it in _IDENTIFIERS))
    return f"{name(element)} {reference[:60]}".strip()
