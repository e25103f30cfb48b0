"""Reading statements: every spelling that real files have, and what must stay unknown."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.model import Statement
from longplay.rights.gate import Refusal, decide
from longplay.rights.reading import MAX_CHARACTERS, Unknown, read_statement
from longplay.rights.statements import TERMS, Act, Sort

NOW = datetime(2026, 11, 28, tzinfo=UTC)
CC = "https://creativecommons.org/"
BY3, BY4 = f"{CC}licenses/by/3.0/", f"{CC}licenses/by/4.0/"
SA3, SA4 = f"{CC}licenses/by-sa/3.0/", f"{CC}licenses/by-sa/4.0/"
CC0, PDM = f"{CC}publicdomain/zero/1.0/", f"{CC}publicdomain/mark/1.0/"
RS = "http://rightsstatements.org/vocab/"

KNOWN = {
    "CC BY 3.0": BY3,
    "cc-by-3.0": BY3,
    "CC_BY_3.0": BY3,
    "CC BY 3.0/": BY3,
    "CC-BY-3.0 (Kevin MacLeod, Galway)": BY3,
    "CC-BY-3.0-DE": f"{CC}licenses/by/3.0/de/",
    "CC BY 3.0 Germany": f"{CC}licenses/by/3.0/de/",
    "CC BY‑SA 4.0": SA4,
    "CC: BY-SA 3.0": SA3,
    "Creative Commons (BY-NC 3.0)": f"{CC}licenses/by-nc/3.0/",
    "Creative Commons Attribution 3.0 license": BY3,
    "Creative Commons License CC-BY 3.0": BY3,
    "Creative Commons Attribution-ShareAlike 4.0 International": SA4,
    "Creative Commons Attribution Sharealike v2": f"{CC}licenses/by-sa/2.0/",
    "Creative Commons Attribution-Noncommercial-No Derivative Works 3.0": (
        f"{CC}licenses/by-nc-nd/3.0/"
    ),
    "Attribution-NonCommercial-ShareAlike 3.0 Unported (CC BY-NC-SA 3.0)": (
        f"{CC}licenses/by-nc-sa/3.0/"
    ),
    "© X. Some rights reserved. CC BY-SA 4.0": SA4,
    "http://creativecommons.org/licenses/by-sa/3.0/": SA3,
    "HTTP://WWW.CREATIVECOMMONS.ORG/LICENSES/BY-SA/3.0": SA3,
    "https://creativecommons.org/licenses/by/3.0/legalcode": BY3,
    "https://creativecommons.org/licenses/by/4.0/deed.de": BY4,
    "https://creativecommons.org/licenses/by/3.0/de/deed.en": f"{CC}licenses/by/3.0/de/",
    "creativecommons.org/licenses/by/4.0": BY4,
    "http://creativecommons.org/licenses/by-nc-nd/1.0/": f"{CC}licenses/by-nd-nc/1.0/",
    "http://creativecommons.org/licenses/by-nd-nc/1.0/": f"{CC}licenses/by-nd-nc/1.0/",
    "Creative Commons Attribution: http://creativecommons.org/licenses/by/3.0/": BY3,
    '<a href="http://creativecommons.org/licenses/by/3.0/">CC BY 3.0</a>': BY3,
    "2004 X. Licensed to the public under https://creativecommons.org/licenses/by/4.0/"
    " verify at https://example.org/": BY4,
    "CC0": CC0,
    "Creative Commons Zero": CC0,
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": CC0,
    "http://creativecommons.org/publicdomain/zero/1.0/": CC0,
    "Public Domain Mark 1.0": PDM,
    "https://creativecommons.org/publicdomain/mark/1.0/deed.fr": PDM,
    "http://rightsstatements.org/vocab/InC-EDU/1.0/?language=en": f"{RS}InC-EDU/1.0/",
    "https://rightsstatements.org/page/nkc/1.0/": f"{RS}NKC/1.0/",
    "℗ 2004 X, all rights reserved": f"{RS}InC/1.0/",
    "personal": "longplay:personal",
    "longplay:agreement": "longplay:agreement",
    "Legal Deposit": "longplay:legal-deposit",
}

GPL = "https://spdx.org/licenses/GPL-"

GNU = {
    "GPL": f"{GPL}1.0-or-later",
    "GNU General Public License": f"{GPL}1.0-or-later",
    "gpl v2": f"{GPL}2.0-only",
    "GPL-2": f"{GPL}2.0-only",
    "GPL-2+": f"{GPL}2.0-or-later",
    "GPL-3.0+": f"{GPL}3.0-or-later",
    "GPLv3": f"{GPL}3.0-only",
    "GPL-2.0-or-later": f"{GPL}2.0-or-later",
    "GNU GPL version 2 or later": f"{GPL}2.0-or-later",
    "The GNU General Public License, version 3 or any later version": f"{GPL}3.0-or-later",
    "https://www.gnu.org/licenses/gpl.html": f"{GPL}1.0-or-later",
    "http://www.gnu.org/licenses/gpl-3.0.txt": f"{GPL}3.0-only",
    "http://www.gnu.org/licenses/old-licenses/gpl-2.0.en.html": f"{GPL}2.0-only",
    "LGPL-2.1+": "https://spdx.org/licenses/LGPL-2.1-or-later",
    "GNU Affero General Public License 3": "https://spdx.org/licenses/AGPL-3.0-only",
    "GFDL-1.3": "https://spdx.org/licenses/GFDL-1.3-only",
}

OURS = {
    "CreativeCommons BY 4.0": "unknown",
    "creative commons attribution 4.0": BY4,
    "CC-BY-SA v. 4.0 Intl.": SA4,
    "cc by-nc-nd 2.5 scotland": f"{CC}licenses/by-nc-nd/2.5/scotland/",
    "Licensed under CC BY-SA 3.0 Unported": SA3,
    "This work is licensed under a Creative Commons Attribution 3.0 Unported License.": BY3,
    "https://creativecommons.org/licenses/by/3.0/by/": "no-such",
    "https://creativecommons.org/licenses/by/3.0/am/": f"{CC}licenses/by/3.0/am/",
    "http://creativecommons.org/licenses/by-nc/2.5/": f"{CC}licenses/by-nc/2.5/",
    "http://artlibre.org/licence/lal/": "unknown",
    "GPL-4": "unknown",
    "GPL-2+-with-autoconf-exception": "unknown",
    "GPL-2 (Music); GFDL-1.3 for Data/Sounds": "unknown",
    "Freely available for non-commercial use": "unknown",
    "Public domain (US NPS)": "unknown",
    "Tous droits réservés": f"{RS}InC/1.0/",
    "(P) 2010 The copyright in this sound recording is owned by X under exclusive licence to Y": (
        "notice"
    ),
    "(C) 2012 X GbR This label copy information is protected. All rights reserved.(C) Y": (
        f"{RS}InC/1.0/"
    ),
}
"""Spellings from real tags, messages and repositories, and some that people might write."""

NOT_KNOWN = {
    "": "nothing",
    " \n": "nothing",
    "Aleksi Aubry-Carlson (C)2004": "notice",
    "(c) copyright Blender Foundation | durian.blender.org": "notice",
    "2004 Some Label": "notice",
    "public domain": "unknown",
    "creative commons": "unknown",
    "By 3.0": "unknown",
    "free for everybody": "unknown",
    "http://creativecommons.org/licenses/publicdomain/": "unknown",
    "http://creativecommons.org/licenses/sampling+/1.0/": "unknown",
    "http://evil.example/creativecommons.org/licenses/by/3.0/": "unknown",
    "http://creativecommons.org@evil.example/licenses/by/3.0/": "unknown",
    "CC BY": "ambiguous",
    "cc-by-sa": "ambiguous",
    "CC BY 2010 Somebody": "ambiguous",
    "http://creativecommons.org/licenses/by/": "ambiguous",
    "CC BY 3.0, CC BY-SA 4.0": "contradictory",
    "CC BY 3.0 and CC BY 4.0": "contradictory",
    "CC BY-SA http://creativecommons.org/licenses/by/3.0/": "contradictory",
    "not CC BY 3.0": "contradictory",
    "CC BY 3.0 not for broadcast": "contradictory",
    "CC BY 3.0 until 2020": "contradictory",
    "CC BY 3.0 nur für Schulen": "contradictory",
    "GPL-2+ / CC-BY-SA-3.0": "contradictory",
    "GPL-2+ (some tracks CC-BY-SA-4.0)": "contradictory",
    "http://creativecommons.org/licenses/by/3.0/ non-commercial use": "contradictory",
    "CC BY 4.0, no derivatives": "contradictory",
    "© 2004 All rights reserved, CC BY 3.0": "contradictory",
    "CC BY 3.0, in the public domain": "contradictory",
    "http://creativecommons.org/licenses/by/9.9/": "no-such",
    "http://creativecommons.org/licenses/by/2.1/": "no-such",
    "http://creativecommons.org/licenses/by/4.0/de/": "no-such",
    "http://creativecommons.org/licenses/byy/3.0/": "no-such",
    "http://creativecommons.org/licenses/by-nd-sa/3.0/": "no-such",
    "http://creativecommons.org.evil.example/licenses/by/3.0/": "no-such",
    "http://rightsstatements.org/vocab/InC-XX/1.0/": "no-such",
    "http://rightsstatements.org/vocab/InC/2.0/": "no-such",
    "CC BY 3.5": "no-such",
    "CC0 3.0": "no-such",
    "x" * (MAX_CHARACTERS + 1): "unknown",
}


@pytest.mark.parametrize(("text", "uri"), KNOWN.items())
def test_known_spellings(text: str, uri: str) -> None:
    assert read_statement(text) == uri


@pytest.mark.parametrize(("text", "uri"), GNU.items())
def test_software_licences_are_known_and_open_nothing(text: str, uri: str) -> None:
    assert read_statement(text) == uri
    assert TERMS[uri].everyone == {Act.DESCRIBE}
    for act in (Act.RELEASE, Act.STREAM, Act.DOWNLOAD):
        for beside in ([], [Statement("obj", BY4, "")]):
            answer = decide([Statement("obj", uri, ""), *beside], act, NOW, signed_in=True)
            assert isinstance(answer, Refusal)
            assert answer.reason == "software"


@pytest.mark.parametrize(("text", "expected"), OURS.items())
def test_spellings_of_real_files(text: str, expected: str) -> None:
    found = read_statement(text)
    assert (found if isinstance(found, str) else found.reason) == expected


@pytest.mark.parametrize(("text", "reason"), NOT_KNOWN.items())
def test_what_is_not_a_statement(text: str, reason: str) -> None:
    found = read_statement(text)
    assert isinstance(found, Unknown)
    assert found.reason == reason
    assert TERMS[found.uri].sort is Sort.CLOSED


@pytest.mark.parametrize("uri", [uri for uri in TERMS if TERMS[uri].sort is not Sort.CLOSED])
def test_every_canonical_uri_and_spdx_id_reads_as_itself(uri: str) -> None:
    assert read_statement(uri) == uri
    if uri.startswith("http"):
        assert read_statement(uri.replace("https:", "http:")) == uri
    if TERMS[uri].spdx:
        assert read_statement(TERMS[uri].spdx) == uri


def test_the_table_of_statements() -> None:
    assert len({terms.uri for terms in TERMS.values()}) == len(TERMS)
    assert sum(uri.startswith(RS) for uri in TERMS) == 12
    unported = [u for u in TERMS if u.startswith(f"{CC}licenses/") and u.count("/") == 6]
    assert len(unported) == 6 * 5


@given(st.text(max_size=200))
def test_any_text_gives_an_answer(text: str) -> None:
    found = read_statement(text)
    assert isinstance(found, Unknown) or found in TERMS


@given(st.sampled_from(["CC BY-NC 3.0", BY3, "CC0"]), st.text("abcdefg ,.;()", max_size=20))
def test_words_beside_a_licence_never_make_it_another(licence: str, words: str) -> None:
    found = read_statement(f"{words} {licence} {words}")
    # A country's code after the version names a port of the same licence.
    assert isinstance(found, Unknown) or found.startswith(str(read_statement(licence)))


@pytest.mark.real
def test_the_licences_of_the_real_tracks(data: Path) -> None:
    with (data / "audio" / "MANIFEST.tsv").open(newline="") as source:
        stated = {row["licence"] for row in csv.DictReader(source, delimiter="\t")}
    for text in stated - {"licence"}:
        found = read_statement(text)
        if text in ("GPL-2+", "GPL-3+"):
            assert str(found).startswith(GPL)
            continue
        gpl_or_bare = "GPL" in text or text.startswith("Public domain")
        assert isinstance(found, Unknown) == gpl_or_bare, (text, found)
