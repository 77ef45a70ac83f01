"""Chips with the face-verification and the shared application in the issuer's domain, personalised by plain SCP03,
without the issuing machine.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from jukicard.applets.faceverification import layout
from jukicard.applets.faceverification.client import FaceVerificationClient
from jukicard.applets.faceverification.personalisation import Personalisation
from jukicard.applets.faceverification.records import BasicRecord, BirthRecord, FaceRecord
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.shared.layout import SHARED_AID
from jukicard.applets.shared.records import CardInformation
from jukicard.iso7816.wrappers import standard
from jukicard.securechannel.host import SecureConnection, StaticKeyring
from jukicard.testing.seeds import randomness
from tests.support import chips
from tests.support.chips import Chip, say

FACE, SHARED = layout.FACE_AID, SHARED_AID
POINT = b"\x04" + randomness("face point")(64)
SIGNATURE = randomness("face signature")(64)
CERTIFICATES = (b"\x30\x03\x02\x01\x01", b"\x30\x03\x02\x01\x02")
INFORMATION = CardInformation("799201000000001", chips.CITY, "20360331")
FACE_A = FaceRecord(POINT, "20360331", b"a picture of the name", signature=SIGNATURE)
FACE_B = replace(
    FACE_A, birth="19650403", sex="1", address=b"a picture of the address", photo=randomness("face photo")(900)
)
PERSONALISATION_A = Personalisation(FACE_A, BasicRecord("A", bytes(16), chips.CITY), CERTIFICATES)
PERSONALISATION_B = Personalisation(
    FACE_B,
    BasicRecord("B", bytes(16), chips.CITY),
    CERTIFICATES,
    BirthRecord("19650403", POINT, SIGNATURE),
    "400403",
)
NUMBER_A, NUMBER_B, BIRTH_NUMBER = b"20360331", b"20360331400403", b"400403"
WRONG_NUMBER_B = b"20360331400404"


def client(chip: Chip) -> FaceVerificationClient:
    """The application, selected."""
    opened = FaceVerificationClient(standard(chip))
    opened.select()
    return opened


def domain(chip: Chip) -> DomainClient:
    """The issuer's domain in an SCP03 session."""
    opened = DomainClient(standard(chip), chips.ISSUER)
    opened.select()
    opened.open_scp03(StaticKeyring(chips.ISSUER_KEYS), randomness("face host")(8))
    return opened


def session(chip: Chip) -> SecureConnection:
    """The application in a session with the keys of the issuer's domain."""
    assert chip.select(FACE).sw == 0x9000
    return chip.scp03(chips.ISSUER_KEYS)


@lru_cache(maxsize=1)
def installed() -> dict[str, bytes]:
    """An active chip's cells, with both applications, empty."""
    chip = chips.active().chip("face")
    opened = domain(chip)
    opened.install(FACE, FACE)
    opened.install(SHARED, SHARED)
    return chip.cells


@lru_cache(maxsize=1)
def face_a() -> dict[str, bytes]:
    """Both applications as on a card of face A."""
    return _personalised(PERSONALISATION_A)


@lru_cache(maxsize=1)
def face_b() -> dict[str, bytes]:
    """Both applications as on a card of face B."""
    return _personalised(PERSONALISATION_B)


@lru_cache(maxsize=1)
def a_try_fewer() -> dict[str, bytes]:
    """Face B; a try of the face's reference number was used up."""
    return _after_misses(1)


@lru_cache(maxsize=1)
def the_last_try() -> dict[str, bytes]:
    """Face B; one try is left."""
    return _after_misses(layout.TRIES - 1)


@lru_cache(maxsize=1)
def blocked() -> dict[str, bytes]:
    """Face B; the face's reference number is blocked."""
    return _after_misses(layout.TRIES)


def _personalised(what: Personalisation) -> dict[str, bytes]:
    chip = Chip(installed(), "face data")
    opened = domain(chip)
    opened.personalize(FACE)
    opened.store_data(what.encode())
    opened.personalize(SHARED)
    opened.store_data(INFORMATION.encode())
    return chip.cells


def _after_misses(count: int) -> dict[str, bytes]:
    chip = Chip(face_b(), "misses")
    client(chip)
    for left in range(layout.TRIES - 1, layout.TRIES - 1 - count, -1):
        say(chip, 0x00, 0x20, 0x00, layout.reference(layout.NUMBER_B), WRONG_NUMBER_B, sw=0x63C0 | left)
    return chip.cells
