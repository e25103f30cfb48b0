"""Deals of DDEX messages: what they let an archive do, never more than they say."""

from __future__ import annotations

from datetime import date

import pytest
from lxml import etree

from longplay.rights.ddex import Deal, Permission, permissions, read_deals, standing
from longplay.rights.territories import TERRITORIES

FREE = "<CommercialModelType>FreeOfChargeModel</CommercialModelType>"
STREAM = "<Usage><UseType>OnDemandStream</UseType></Usage>"
RELEASE = '<UseType Namespace="longplay" UserDefinedValue="Release">UserDefined</UseType>'
WORLD = "<TerritoryCode>Worldwide</TerritoryCode>"
TAKEN = "<TakeDown>true</TakeDown>"
TODAY = date(2026, 6, 1)


def days(first: str = "", last: str = "", kind: str = "Date") -> str:
    start = f"<Start{kind}>{first}</Start{kind}>" if first else ""
    end = f"<End{kind}>{last}</End{kind}>" if last else ""
    return f"<ValidityPeriod>{start}{end}</ValidityPeriod>"


def read(*terms: str, effective: str = "") -> list[Deal]:
    deals = "".join(f"<Deal><DealTerms>{one}</DealTerms></Deal>" for one in terms)
    about = "<DealReleaseReference>R0</DealReleaseReference>"
    return read_deals(etree.fromstring(f"<ReleaseDeal>{about}{deals}{effective}</ReleaseDeal>"))


def permitted(*terms: str, effective: str = "") -> list[Permission]:
    return permissions(read(*terms, effective=effective))


@pytest.mark.parametrize(
    ("terms", "uses"),
    [
        (FREE + STREAM + WORLD, ("stream",)),
        (FREE + "<UseType>PermanentDownload</UseType>" + STREAM + WORLD, ("download", "stream")),
        (FREE + RELEASE + WORLD, ("release",)),
        (FREE + RELEASE.replace("longplay", "PADPIDA1") + WORLD, ("describe",)),
        (FREE + RELEASE.replace("Release", "Burn") + WORLD, ("describe",)),
        (FREE + "<UseType>NonInteractiveStream</UseType>" + WORLD, ("describe",)),
        (FREE.replace("FreeOfCharge", "Subscription") + STREAM + WORLD, ("describe",)),
        (FREE + FREE.replace("FreeOfCharge", "PayAsYouGo") + STREAM + WORLD, ("describe",)),
        (STREAM + WORLD, ("describe",)),
        (FREE + STREAM, ("describe",)),
        (FREE + STREAM + "<TerritoryCode>2113</TerritoryCode>", ("describe",)),
        (FREE + STREAM + WORLD + TAKEN, ("describe",)),
        (FREE + STREAM + WORLD + "<TakeDown>false</TakeDown>", ("stream",)),
        (FREE + STREAM + WORLD + "<AllDealsCancelled>true</AllDealsCancelled>", ("describe",)),
        (FREE + STREAM + WORLD + days(last="soon"), ("describe",)),
        (FREE + STREAM + WORLD + "<IsPreOrderDeal>true</IsPreOrderDeal>", ("describe",)),
        (FREE + STREAM + WORLD + "<PriceInformation/>", ("describe",)),
        (FREE + STREAM + WORLD + "<DistributionChannel/>", ("describe",)),
        (FREE + STREAM + WORLD + "<NumberOfUsages>1</NumberOfUsages>", ("describe",)),
        (FREE + WORLD + "<Usage><UseType>Stream</UseType><TechnicalInstantiation/></Usage>",
         ("describe",)),
    ],
)  # fmt: skip
def test_only_what_is_free_and_understood_permits(terms: str, uses: tuple[str, ...]) -> None:
    (found,) = permitted(terms)
    assert found.uses == uses


def test_a_deal_about_clips_or_some_files_alone_permits_nothing() -> None:
    for beside in ("<ResourceUsage/>", "<DealTechnicalResourceDetailsReferenceList/>"):
        text = (
            "<ReleaseDeal><DealReleaseReference>R0</DealReleaseReference><Deal><DealTerms>"
            f"{FREE}{STREAM}{WORLD}</DealTerms>{beside}</Deal></ReleaseDeal>"
        )
        (found,) = permissions(read_deals(etree.fromstring(text)))
        assert found.uses == ("describe",)


def test_borders_and_days() -> None:
    period = days("2026-01-01T10:00:00", "2026-12-31T10:00:00Z", "DateTime")
    two = "<TerritoryCode>DE</TerritoryCode><TerritoryCode>AT</TerritoryCode>"
    (found,) = permitted(FREE + STREAM + two + period)
    assert (found.territories, found.start, found.end) == (("AT", "DE"), "2026-01-02", "2026-12-30")
    (found,) = permitted(FREE + STREAM + WORLD + days("2026-01-01", "2026-12-31"))
    assert (found.territories, found.start, found.end) == ((), "2026-01-01", "2026-12-31")
    but = "<ExcludedTerritoryCode>US</ExcludedTerritoryCode>"
    (found,) = permitted(FREE + STREAM + but)
    assert set(found.territories) == TERRITORIES - {"US"}
    effective = "<EffectiveDate>2027-05-01</EffectiveDate>"
    (found,) = permitted(FREE + STREAM + WORLD + days("2026-01-01"), effective=effective)
    assert found.start == "2027-05-01"
    (found,) = permitted(FREE + STREAM + WORLD + days("0001-01-01T00:00:00", kind="DateTime"))
    assert found.start == "0001-01-02"
    (found,) = permitted(FREE + STREAM + WORLD + days("9999-12-31T00:00:00", kind="DateTime"))
    assert found.start == "9999-12-31"


GOOD = "<EffectiveDate>2026-01-01</EffectiveDate>"


@pytest.mark.parametrize(
    ("period", "effective"),
    [
        (days(last="soon") + days(last="2027-01-01"), ""),
        (days(last="2027-01-01") + days(last="soon"), ""),
        (days("soon") + days("2026-01-01"), ""),
        (days("2026-01-01") + days("soon"), ""),
        (days("soon"), GOOD),
        (days("2026-01-01"), "<EffectiveDate>soon</EffectiveDate>"),
        ("", "<EffectiveDate/>"),
        ("", GOOD + "<EffectiveDate>2026-13-01</EffectiveDate>"),
    ],
)
def test_a_date_that_cannot_be_read_permits_nothing(period: str, effective: str) -> None:
    (found,) = permitted(FREE + STREAM + WORLD + period, effective=effective)
    assert found.uses == ("describe",)


def test_of_several_dates_the_narrower_ones_count() -> None:
    (found,) = permitted(
        FREE + STREAM + WORLD + days("2026-01-01", "2027-01-01") + days("2026-02-01", "2026-12-01"),
        effective=GOOD + "<EffectiveDate>2026-03-01</EffectiveDate>",
    )
    assert (found.start, found.end) == ("2026-03-01", "2026-12-01")


@pytest.mark.parametrize(
    ("period", "effective", "end"),
    [
        (days("2027-03-01") + days("2027-02-01"), "", "2027-01-31"),
        (days("2027-03-01") + days(last="2028-01-01"), "", None),
        (days("2027-03-01") + days("soon"), "", None),
        (days("soon"), "<EffectiveDate>2027-03-01</EffectiveDate>", None),
        ("", "<EffectiveDate>soon</EffectiveDate>", None),
        ("", "<EffectiveDate>2027-03-01</EffectiveDate>", "2027-02-28"),
        (days("0001-01-01"), "", None),
        (days("0001-01-02"), "", "0001-01-01"),
    ],
)
def test_a_take_down_begins_as_early_as_it_may(
    period: str, effective: str, end: str | None
) -> None:
    deal = read(FREE + STREAM + WORLD)
    taken = read(WORLD + TAKEN + period, effective=effective)
    (found,) = permissions([*deal, *taken])
    assert (found.uses, found.end) == ((("stream",), end) if end else (("describe",), ""))
    assert standing([*deal, *taken], TODAY) is (end is not None and end > "2026")


def test_deals_of_several_countries_are_one_permission() -> None:
    here = [FREE + STREAM + f"<TerritoryCode>{code}</TerritoryCode>" for code in ("FR", "DE")]
    (found,) = permitted(*here)
    assert (found.uses, found.territories) == (("stream",), ("DE", "FR"))
    (found,) = permitted(*here, FREE + STREAM + WORLD)
    assert found.territories == ()
    later = here[0] + days("2027-01-01")
    assert [(one.start, one.territories) for one in permitted(*here, later)] == [
        ("", ("DE", "FR")),
        ("2027-01-01", ("FR",)),
    ]


def test_a_take_down_takes_from_the_deals_beside_it() -> None:
    deal = FREE + STREAM + WORLD
    (found,) = permitted(deal, "<TerritoryCode>DE</TerritoryCode>" + TAKEN)
    assert set(found.territories) == TERRITORIES - {"DE"}
    (found,) = permitted(deal, WORLD + TAKEN)
    assert found.uses == ("describe",)
    (found,) = permitted(deal, WORLD + TAKEN + days("2027-03-01T08:00:00Z", kind="DateTime"))
    assert (found.uses, found.end) == (("stream",), "2027-02-28")
    (found,) = permitted(
        FREE + STREAM + "<TerritoryCode>DE</TerritoryCode>",
        "<TerritoryCode>DE</TerritoryCode>" + TAKEN,
    )
    assert found.uses == ("describe",)


@pytest.mark.parametrize(
    ("terms", "stands"),
    [
        ([], False),
        ([FREE + STREAM + WORLD], True),
        ([FREE.replace("FreeOfCharge", "Subscription") + STREAM + WORLD], True),
        ([WORLD + days("2026-01-01", "2026-05-31")], False),
        ([WORLD + days("2026-01-01", "2026-06-01")], True),
        ([WORLD + days("2026-01-01", "2026-06-01T09:00:00Z", "DateTime")], True),
        ([WORLD + days("2027-01-01")], True),
        ([WORLD + days("2026-01-01", "2026-05-31") + days("2027-01-01")], True),
        ([WORLD + days("2026-01-01", "2026-05-31"), WORLD], True),
        ([WORLD + days(last="soon")], True),
        ([WORLD + TAKEN], False),
        ([WORLD, WORLD + TAKEN], False),
        ([WORLD, WORLD + TAKEN + days("2026-06-01")], False),
        ([WORLD, WORLD + TAKEN + days("2026-06-02")], True),
        ([WORLD, "<TerritoryCode>DE</TerritoryCode>" + TAKEN], True),
    ],
)  # fmt: skip
def test_what_stands_and_what_is_taken_down(terms: list[str], stands: bool) -> None:
    assert standing(read(*terms), TODAY) is stands
