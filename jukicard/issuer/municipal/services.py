"""The municipal services that an issuing machine can put on a card."""

from __future__ import annotations

from dataclasses import dataclass

from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.applets.library import layout as library
from jukicard.applets.points import layout as points
from jukicard.applets.vending import layout as vending
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import ApplicationRight, Limits
from jukicard.issuer.errors import RuleRefused


@dataclass(frozen=True, slots=True)
class Service:
    """A municipal service: its name on the command line, its title, its number in the AID, the module in ROM, and the
    reference of its key pair, if it has one.  What it is personalised with is in `servicedata`.

    It is approved for a `purpose` of the ordinance, with these `limits`.
    """

    name: str
    title: str
    number: int
    module: AID
    purpose: str
    limits: Limits
    key: int | None = None

    def aid(self, city_code: str) -> AID:
        """Return the AID of its instance in a municipality's domain."""
        return municipal_service_aid(city_code, self.number)


_STORAGE = 16384
"""Bytes that each service may store: more than any of them needs."""
_BOTH = ApplicationRight.CONTACT | ApplicationRight.CONTACTLESS
_FILES = _BOTH | ApplicationRight.FILES | ApplicationRight.PASSWORDS
_SIGNING = _FILES | ApplicationRight.SIGN

LIBRARY = Service(
    "library",
    "library card (図書館サービス)",
    library.SERVICE_NUMBER,
    library.MODULE,
    "library",
    Limits(_STORAGE, 0, _FILES),
)
VENDING = Service(
    "vending",
    "certificate vending (証明書自動交付)",
    vending.SERVICE_NUMBER,
    vending.MODULE,
    "certificates",
    Limits(_STORAGE, 0, _SIGNING),
    vending.KEY,
)
POINTS = Service(
    "points",
    "community points (地域ポイント)",
    points.SERVICE_NUMBER,
    points.MODULE,
    "points",
    Limits(_STORAGE, 0, _SIGNING | ApplicationRight.VERIFY),
    points.KEY,
)
SERVICES = (LIBRARY, VENDING, POINTS)


def services_named(names: tuple[str, ...]) -> tuple[Service, ...]:
    """Return the services of those names, each once.  RuleRefused for one that does not exist."""
    known = {service.name: service for service in SERVICES}
    for name in names:
        if name not in known:
            raise RuleRefused(f"there is no municipal service {name!r}; there are: {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names))
