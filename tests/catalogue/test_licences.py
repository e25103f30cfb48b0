"""Licences of metadata: spellings, what leaves under each, and what is owed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.catalogue import licences, schema
from longplay.catalogue.licences import CC0, CC_BY_NC_SA_3, Permission
from longplay.errors import UsageError

BY_4 = "https://creativecommons.org/licenses/by/4.0/"
ODBL = "https://opendatacommons.org/licenses/odbl/1-0/"


@pytest.mark.parametrize(
    ("written", "uri"),
    [
        ("CC0", CC0),
        ("CC0-1.0", CC0),
        ("cc zero", CC0),
        ("http://creativecommons.org/publicdomain/zero/1.0", CC0),
        ("CC BY 4.0", BY_4),
        ("CC-BY-4.0", BY_4),
        ("Creative Commons Attribution 4.0 International License", BY_4),
        ("https://www.creativecommons.org/licenses/by/4.0/deed.de", BY_4),
        ("https://creativecommons.org/licenses/by/4.0/legalcode", BY_4),
        ("<https://creativecommons.org/licenses/by/4.0/>", BY_4),
        ("CC BY-NC-SA 3.0", CC_BY_NC_SA_3),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 3.0 Unported", CC_BY_NC_SA_3),
        ("ODbL-1.0", ODBL),
        ("MIT", "https://spdx.org/licenses/MIT"),
        ("https://opensource.org/licenses/MIT", "https://spdx.org/licenses/MIT"),
        ("Apache License 2.0", "https://spdx.org/licenses/Apache-2.0"),
    ],
)
def test_a_licence_is_known_in_every_spelling(written: str, uri: str) -> None:
    assert licences.normalise(written) == uri
    assert licences.normalise(uri) == uri


@pytest.mark.parametrize(
    ("licence", "permission"),
    [
        (None, Permission.LOCAL),
        ("", Permission.LOCAL),
        ("All rights reserved", Permission.LOCAL),
        ("CC BY", Permission.LOCAL),
        ("CC BY 9.0", Permission.LOCAL),
        ("CC0 and CC BY 4.0", Permission.LOCAL),
        ("not CC0", Permission.LOCAL),
        ("CC BY-ND 4.0", Permission.LOCAL),
        ("CC BY-NC-ND 4.0", Permission.LOCAL),
        ("GPL-3.0", Permission.LOCAL),
        ("https://example.org/creativecommons.org/licenses/by/4.0/", Permission.LOCAL),
        ("CC BY-NC-SA 4.0", Permission.NON_COMMERCIAL),
        ("CC0", Permission.SHARE),
        ("CC BY-SA 4.0", Permission.SHARE),
    ],
)
def test_what_is_not_clearly_permitted_stays_here(
    licence: str | None, permission: Permission
) -> None:
    assert licences.permits(licence) is permission


def test_musicbrainz_leaves_without_its_tags_unless_for_non_commercial_use() -> None:
    layer = licences.stated(None, "musicbrainz")
    open_to_all = licences.exportable_columns(layer, "musicbrainz")["tracks"]
    assert open_to_all == set(schema.LAYER["tracks"]) - {"genres"}
    for_study = licences.exportable_columns(layer, "musicbrainz", commercial=False)["tracks"]
    assert for_study == set(schema.LAYER["tracks"])
    assert [each.covers for each in licences.attributions("mb", layer, "musicbrainz")] == [
        "tracks.genres"
    ]


def test_an_exception_never_opens_what_the_layer_closes() -> None:
    assert licences.exportable_columns("all rights reserved", "musicbrainz") == {}
    closed = licences.licence_of("all rights reserved", "musicbrainz", "tracks", "genres")
    assert licences.permits(closed) is Permission.LOCAL


@pytest.mark.parametrize("form", ["table", "tags", "listens", "oai", "musicbrainz"])
def test_offers_rejects_and_listens_never_leave(form: str) -> None:
    found = licences.exportable_columns(CC0, form, commercial=False)
    assert not {"offers", "rejects", "rights", "listens"} & set(found)


def test_a_source_of_no_known_licence_exports_nothing() -> None:
    assert licences.stated(None, "table") is None
    assert licences.exportable_columns(None, "table") == {}
    assert licences.attributions("songs", None, "table") == ()


def test_the_stated_licence_comes_first_and_is_checked() -> None:
    assert licences.stated("CC BY 4.0", "discogs") == BY_4
    assert licences.stated("Our own terms", "table") == "Our own terms"
    (owed,) = licences.attributions("songs", "CC BY-SA 4.0", "table")
    assert (owed.source, owed.name, owed.share_alike) == ("songs", "CC BY-SA 4.0", True)
    for bad in ("", "  ", "x" * 501, "two\nlines"):
        with pytest.raises(UsageError, match="is no licence"):
            licences.stated(bad, "table")


@given(st.text(max_size=600))
def test_any_text_is_safe_and_normal_forms_stay(text: str) -> None:
    once = licences.normalise(text)
    assert licences.normalise(once) == once
