"""Countries by their ISO 3166-1 alpha-2 codes, as rights statements name them."""

from __future__ import annotations

from longplay.errors import RightsError

_ROWS = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH
ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT
HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS
LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI
NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG
SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG
UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
TERRITORIES = frozenset(_ROWS.split())
"""The 249 codes in force."""

_WORLD = frozenset({"WORLD", "WORLDWIDE", "001"})


def read_territories(text: str, where: str) -> tuple[str, ...]:
    """Codes separated by spaces, commas or semicolons; empty for the world. Raises RightsError."""
    codes = text.upper().replace(",", " ").replace(";", " ").split()
    if len(codes) == 1 and codes[0] in _WORLD:
        return ()
    strange = [code for code in codes if code not in TERRITORIES]
    if strange:
        raise RightsError(
            f"{strange[0]!r} is no territory",
            where=where,
            hint="use ISO 3166-1 codes such as DE FR, or leave it empty for the world",
        )
    return tuple(sorted(set(codes)))
