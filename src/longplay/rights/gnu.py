"""GNU licences, as files name them: `GPL`, `GPLv3`, `GPL-2+`, `GNU LGPL 2.1 or later`, addresses.

They are known by their SPDX ids, and open nothing: they ask for the source to be handed on, and
what the source of a recording is, is disputed (docs/decisions/0010).
"""

from __future__ import annotations

import re

SPDX = "https://spdx.org/licenses/"

VERSIONS = {
    "GPL": ("1.0", "2.0", "3.0"),
    "LGPL": ("2.0", "2.1", "3.0"),
    "AGPL": ("1.0", "3.0"),
    "GFDL": ("1.1", "1.2", "1.3"),
}
_NAMES = {
    "GPL": "GNU General Public License",
    "LGPL": "GNU Lesser General Public License",
    "AGPL": "GNU Affero General Public License",
    "GFDL": "GNU Free Documentation License",
}
_WORDS = {
    "general public": "GPL",
    "lesser general public": "LGPL",
    "library general public": "LGPL",
    "affero general public": "AGPL",
    "free documentation": "GFDL",
    "fdl": "GFDL",
}
_NAME = re.compile(
    r"(?:the )?(?:gnu[ -])?"
    r"(?:([la]?gpl|g?fdl)|((?:lesser |library |affero )?general public|free documentation)"
    r" licen[sc]e)"
    r"(?:[ ,-]*(?:v|ver\.?|version)?[ .]?(\d(?:\.\d)?)(?:\.0)?)?"
    r"(?:[ ,-]*(\+|or[ -](?:any )?(?:later|newer)(?: versions?)?|only))?"
)
_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?gnu\.org/(?:licenses|copyleft)/(?:old-licenses/)?([la]?gpl|fdl)"
    r"(?:-(\d\.\d))?(?:(?:\.[a-z-]+)?\.(?:html|txt))?/?"
)
_ID = re.compile(r"(?:https?://spdx\.org/licenses/)?([la]?gpl|gfdl)-(\d\.\d)-(only|or-later)")


def names() -> dict[str, str]:
    """The name of each licence by its URI."""
    return {
        f"{SPDX}{kind}-{version}-{reach}": f"{_NAMES[kind]} {version} {reach.replace('-', ' ')}"
        for kind, versions in VERSIONS.items()
        for version in versions
        for reach in ("only", "or-later")
    }


def read(text: str) -> str | None:
    """The URI of the licence that `text` (in lower case) names, if it names nothing else.

    Without a version any version is meant, as these licences say themselves.
    """
    if found := _ID.fullmatch(text):
        return _uri(found[1], found[2], found[3])
    if found := _ADDRESS.fullmatch(text):
        return _uri(found[1], found[2], "only")
    if found := _NAME.fullmatch(text):
        later = "or-later" if found[4] not in (None, "only") else "only"
        return _uri(found[1] or found[2], found[3], later)
    return None


def _uri(word: str, version: str | None, reach: str) -> str | None:
    kind = _WORDS.get(word, word.upper())
    if version is None:
        return f"{SPDX}{kind}-{VERSIONS[kind][0]}-or-later"
    version = version if "." in version else f"{version}.0"
    return f"{SPDX}{kind}-{version}-{reach}" if version in VERSIONS[kind] else None
