"""The feed as RSS 2.0 for torrent clients: an item for each volume of the current releases."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import format_datetime
from xml.etree import ElementTree

from longplay.release.feed import Feed

_CONTROLS = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def rss(feed: Feed, address: str) -> bytes:
    """The document. `address` is where the archive is served; without one the items have magnet
    links in place of addresses of torrents."""
    base = f"{address.rstrip('/')}/releases/" if address else ""
    top = ElementTree.Element("rss", version="2.0")
    channel = ElementTree.SubElement(top, "channel")
    issued = format_datetime(datetime.fromisoformat(feed.issued))
    _add(channel, "title", f"{feed.name}: releases")
    _add(channel, "link", address or f"urn:longplay:{feed.archive}")
    _add(channel, "description", f"What the archive {feed.name} hands on, as torrents.")
    _add(channel, "lastBuildDate", issued)
    for release in feed.current:
        for volume in release.volumes:
            item = ElementTree.SubElement(channel, "item")
            place = f"{base}{volume.torrent}" if base else volume.magnet
            _add(item, "title", f"{volume.name} (stage {release.stage}, {volume.kind})")
            _add(item, "link", place)
            _add(item, "description",
                 f"{volume.objects:,} files, {volume.bytes:,} bytes")  # fmt: skip
            # Clients take a new guid for a new item: an unchanged volume must keep its own.
            guid = ElementTree.SubElement(item, "guid", isPermaLink="false")
            guid.text = volume.info_hash_v2
            ElementTree.SubElement(item, "enclosure", url=place, type="application/x-bittorrent",
                                   length=str(volume.torrent_bytes))  # fmt: skip
    ElementTree.indent(top, " ")
    document: bytes = ElementTree.tostring(top, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = _CONTROLS.sub("", text)
