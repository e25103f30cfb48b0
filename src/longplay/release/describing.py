"""What a release says of itself for other programs and for people, beside its own tables.

- RO-Crate 1.1: https://www.researchobject.org/ro-crate/specification/1.1/
- Croissant 1.0: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
- TDMRep: https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/
- the attributions that sources of metadata ask for, in words

Pure: values in, documents out. The date is that of the log entry that the cut was judged by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from longplay.release.document import File, Volume
from longplay.release.tables import MANIFEST, MEMBERS, METADATA

WEB_SEEDS = "/seed/"
"""Where a served archive answers for the files of torrents."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Credit:
    """A source that facts about the music came from, and what it asks for, in words. `licence` is
    an address, empty for the released files' own tags, which go with the files."""

    source: str
    licence: str
    words: str


@dataclass(frozen=True, slots=True)
class About:
    """What all releases of a cut have in common: the archive's name, the day (ISO) of the newest
    entry of its log, and the sources of what is told of the music."""

    archive: str
    day: str
    credits: tuple[Credit, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """One release: `volumes` of music and art, `files` of tables, `statements` with how many
    objects each is for, and `reserved`: torrent's name and path of what is reserved from mining."""

    name: str
    stage: int
    number: int
    objects: int
    bytes: int
    share_of_listens: float
    volumes: tuple[Volume, ...]
    files: tuple[File, ...]
    statements: Mapping[str, int]
    reserved: Sequence[tuple[str, str]]


_TABLES = {
    MANIFEST: ("application/jsonl", "Every file of the release: what it is, where, and why."),
    METADATA: ("application/vnd.apache.parquet", "The recordings of the release."),
    MEMBERS: ("application/vnd.apache.parquet", "Which object lies in which volume."),
}

_FIELDS = {
    "recording": ("sc:Text", "the archive's id of the recording"),
    "title": ("sc:Text", "title of the track"),
    "artists": ("sc:Text", "names of the artists"),
    "album": ("sc:Text", "title of the album"),
    "album_artist": ("sc:Text", "name of the album's artist"),
    "disc_number": ("sc:Integer", "number of the disc"),
    "track_number": ("sc:Integer", "number of the track on its disc"),
    "isrc": ("sc:Text", "International Standard Recording Code"),
    "release_date": ("sc:Text", "date of release, as exact as it is known"),
    "duration_ms": ("sc:Integer", "length in milliseconds"),
    "size": ("sc:Integer", "bytes of the file"),
}
"""The fields of the metadata that Croissant has types for; roots are bytes."""


def attribution(about: About, facts: Facts) -> str:
    """Who is to be named, for people."""
    lines = [
        f"{_title(about, facts)}: what is owed to whom.",
        "",
        "Each recording is named with its artists in manifest.jsonl, beside the statement that it",
        "may be shared under and where that was read. Statements, and files under each:",
        "",
        *(f"  {uri}: {count}" for uri, count in sorted(facts.statements.items())),
        "",
        "What is told of the recordings (titles, names, numbers, codes, dates) comes from:",
        "",
        *(f"  {credit.source}: {credit.words}" for credit in about.credits),
    ]
    if not about.credits:
        lines.append("  nobody: no source permits that it is handed on")
    return "\n".join(lines) + "\n"


def mining(facts: Facts) -> list[Document]:
    """`tdmrep.json`: what is reserved from text and data mining, by the path that a served archive
    has it under; all else of the release is not."""
    rules: list[Document] = [
        {"location": f"{WEB_SEEDS}{quote(f'{torrent}/{path}')}", "tdm-reservation": 1}
        for torrent, path in facts.reserved
    ]
    names = sorted({_folder(volume) for volume in facts.volumes})
    rules += [{"location": f"{WEB_SEEDS}{name}/*", "tdm-reservation": 0} for name in names]
    return [*rules, {"location": f"/releases/{facts.name}/*", "tdm-reservation": 0}]


def crate(about: About, facts: Facts, names: Iterable[str]) -> Document:
    """`ro-crate-metadata.json`; `names` are the release's files beside the tables."""
    files = [_crate_file(file) for file in facts.files]
    files += [{"@id": name, "@type": "File", "name": name} for name in names]
    volumes = [
        {
            "@id": volume.magnet,
            "@type": "File",
            "name": volume.name,
            "description": f"{volume.objects:,} files of {volume.kind}, as a torrent.",
            "contentSize": str(volume.bytes),
            "encodingFormat": "application/x-bittorrent",
        }
        for volume in facts.volumes
    ]
    licences = _licences(about, facts)
    publisher = {"@id": "#archive", "@type": "Organization", "name": about.archive}
    parts = [{"@id": one["@id"]} for one in (*files, *volumes)]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "identifier": facts.name,
        "name": _title(about, facts),
        "description": _description(about, facts),
        "datePublished": about.day,
        "license": [{"@id": uri} for uri in licences],
        "publisher": {"@id": "#archive"},
        "hasPart": parts,
    }
    head = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    named = [{"@id": uri, "@type": "CreativeWork", "name": uri} for uri in licences]
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [head, root, publisher, *named, *files, *volumes],
    }


def croissant(about: About, facts: Facts) -> Document:
    """`croissant.json`: the tables, and the fields of the metadata."""
    tables = [file for file in facts.files if file.path in (MANIFEST, METADATA)]
    return {
        "@context": _CROISSANT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": _title(about, facts),
        "description": _description(about, facts),
        "citeAs": f"{_title(about, facts)}, {about.day}",
        "creator": {"@type": "sc:Organization", "name": about.archive},
        "datePublished": about.day,
        "license": _licences(about, facts),
        "url": next((one.magnet for one in facts.volumes), "about:blank"),
        "version": f"{facts.stage}.{facts.number}.0",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file.path,
                "name": file.path,
                "description": _TABLES[file.path][1],
                "contentUrl": file.path,
                "contentSize": f"{file.bytes} B",
                "encodingFormat": _CROISSANT_FORMATS[file.path],
                "sha256": file.sha256,
            }
            for file in tables
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "recordings",
                "name": "recordings",
                "description": _TABLES[METADATA][1],
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"recordings/{name}",
                        "name": name,
                        "description": words,
                        "dataType": kind,
                        **({"repeated": True} if name == "artists" else {}),
                        "source": {"fileObject": {"@id": METADATA}, "extract": {"column": name}},
                    }
                    for name, (kind, words) in _FIELDS.items()
                ],
            }
        ],
    }


def _title(about: About, facts: Facts) -> str:
    return f"{about.archive} {facts.name}"


def _description(about: About, facts: Facts) -> str:
    return (
        f"Stage {facts.stage} of the music that the archive {about.archive} hands on:"
        f" {facts.objects:,} files, {facts.bytes:,} bytes, {facts.share_of_listens:.2%} of all"
        " listens that its catalogue counts. The files themselves are in the torrents."
    )


def _licences(about: About, facts: Facts) -> list[str]:
    """The statements of the files, and the licences of what is told of them."""
    return sorted({*facts.statements, *(one.licence for one in about.credits if one.licence)})


def _crate_file(file: File) -> Document:
    media_type, words = _TABLES[file.path]
    return {
        "@id": file.path,
        "@type": "File",
        "name": file.path,
        "description": words,
        "contentSize": str(file.bytes),
        "encodingFormat": media_type,
        "sha256": file.sha256,
    }


def _folder(volume: Volume) -> str:
    """The name that a volume's torrent has, whatever its edition."""
    return volume.name.rpartition("-r")[0] if volume.supersedes else volume.name


_CROISSANT_FORMATS = {
    MANIFEST: "application/jsonlines",
    METADATA: "application/x-parquet",
}

_CROISSANT: Document = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification gives, word for word: its library compares."""
