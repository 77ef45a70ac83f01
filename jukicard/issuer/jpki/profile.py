"""What certificates of the public personal authentication (公的個人認証, JPKI) say: names, identifiers, terms.

Facts are marked in docs/jpki-ca.md; what nobody published is decided here. The two kinds of certificates come from two
CAs, which differ in name and key only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from jukicard.applets.jpki import layout
from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.records.expiry import last_day

JAPAN: Final = timezone(timedelta(hours=9))
"""The certificates' days are Japan's."""
CA_YEARS: Final = 20
"""How long a CA's own certificate is valid: twice a card's life, so that no certificate outlives its CA."""
ORGANIZATION: Final = "JPKI"
POLICY_ARC: Final = "1.2.392.200149.8.5.1"
YEARS: Final = {layout.Profile.JUKI: 3, layout.Profile.MYNUMBER: 5}
"""How long the certificates of a card's profile are valid at most."""
DISTRIBUTION_POINTS: Final = "CRL Distribution Points"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a kind of certificate says.

    `unit` names its CA (the first organizationalUnitName), `policy` is the policy that we certify under; a certificate
    may be verified with any policy at or below one of `policy_arcs`. `key_usage` are names of RFC 5280's bits.
    `has_attributes`: the resident's four items and the municipality stand in it.
    """

    usage: Usage
    unit: str
    policy: str
    policy_arcs: tuple[str, ...]
    key_usage: frozenset[str]
    has_attributes: bool


PROFILES: Final[Mapping[Usage, Profile]] = {
    Usage.SIGNATURE: Profile(
        usage=Usage.SIGNATURE,
        unit="JPKI for digital signature",
        policy=f"{POLICY_ARC}.1.20",
        policy_arcs=(f"{POLICY_ARC}.1", f"{POLICY_ARC}.0"),
        key_usage=frozenset({"digital_signature", "non_repudiation"}),
        has_attributes=True,
    ),
    Usage.AUTHENTICATION: Profile(
        usage=Usage.AUTHENTICATION,
        unit="JPKI for user authentication",
        policy=f"{POLICY_ARC}.3.30",
        policy_arcs=(f"{POLICY_ARC}.3",),
        key_usage=frozenset({"digital_signature"}),
        has_attributes=False,
    ),
}


def first_moment(day: date) -> datetime:
    """The first second of a day in Japan, in UTC."""
    return datetime.combine(day, time(), JAPAN).astimezone(UTC)


def last_moment(day: date) -> datetime:
    """The last second of a day in Japan, in UTC."""
    return datetime.combine(day, time(23, 59, 59), JAPAN).astimezone(UTC)


def governor(city_code: str) -> str:
    """The name (organizationalUnitName) of a TEST governor, whose CA it is: by the prefecture of a city code."""
    return f"TEST Governor of Prefecture {city_code[:2]}"


def certificate_ends(profile: layout.Profile, first_day: date, card_expires: date) -> date:
    """Return the last valid day of certificates for a card of that profile: never after the card's own."""
    return min(last_day(first_day, YEARS[profile]), card_expires)
