"""Cards with certificate vending and community points, personalised as the issuing machine does it."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.applets.points import layout as points
from jukicard.applets.points.client import PointsClient
from jukicard.applets.points.records import Member, Order
from jukicard.applets.service.client import KeyPairClient
from jukicard.applets.vending import layout as vending
from jukicard.applets.vending.client import VendingClient
from jukicard.applets.vending.records import CertificateType, Request
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.tlv import Tlv
from jukicard.iso7816.wrappers import standard
from jukicard.securechannel.authorization import Right, Role
from jukicard.securechannel.host import LocalTerminalKey, StaticKeyring
from jukicard.securechannel.scp11 import decode_point, encode_point
from jukicard.securechannel.signatures import from_der
from jukicard.testing.seeds import randomness
from tests.support import chips
from tests.support.chains import private_key
from tests.support.chips import Chip

VENDING = municipal_service_aid(chips.CITY, vending.SERVICE_NUMBER)
POINTS = municipal_service_aid(chips.CITY, points.SERVICE_NUMBER)
CENTRE, STRANGER = private_key(3101), private_key(3102)
LIMIT, BALANCE = 1000, 500
PIN = b"2580"
"""The holder's password at every service."""
ECDSA = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
REQUEST = Request(0x01, "20260701", "KIOSK001", bytes(range(16)))
TYPES = (CertificateType(1, 3), CertificateType(2, 1), CertificateType(3, 5, usable=False))


def member_number(number: int) -> bytes:
    """The member's number of the card of that number."""
    return b"member" + number.to_bytes(2)


def by_centre(message: bytes) -> bytes:
    """The points centre's signature."""
    return from_der(CENTRE.sign(message, ECDSA))


def signed(order: Order, number: int = 1) -> bytes:
    """The centre's signature of an order to the card of that number."""
    return by_centre(order.message(member_number(number)))


def kiosk(city: str = chips.CITY) -> LocalTerminalKey:
    """A kiosk."""
    return chips.terminal(Right.VENDING, city=city, root=chips.CITY_ROOT, role=Role.KIOSK)


def shop(city: str = chips.CITY) -> LocalTerminalKey:
    """A shop's terminal."""
    return chips.terminal(Right.POINTS, city=city, root=chips.CITY_ROOT, role=Role.MUNICIPAL_SERVICE)


def nobody() -> LocalTerminalKey:
    """A terminal under the municipality's root without any right."""
    return chips.terminal(city=chips.CITY, root=chips.CITY_ROOT, role=Role.MUNICIPAL_SERVICE)


def points_block(point: bytes, number: int, limit: int = LIMIT) -> bytes:
    """The block of STORE DATA for a purse."""
    name = member_number(number)
    member = Member(name, point, by_centre(Member.message_for(name, point)))
    return limit.to_bytes(4) + encode_point(CENTRE.public_key()) + member.encode()


def vending_block(certificate: bytes = b"\x30\x03abc") -> bytes:
    """The block of STORE DATA for certificate vending."""
    types = b"".join(one.encode() for one in TYPES)
    return Tlv(vending.TAG_CERTIFICATES, certificate).encode() + Tlv(vending.TAG_TYPES, types).encode()


@lru_cache(maxsize=4)
def installed(number: int = 1) -> dict[str, bytes]:
    """The cells of an active card, number 1 to 3, with both services installed and personalised, without passwords."""
    chip = chips.active(number).chip(("services", number))
    keys = StaticKeyring(chips.keys_of("city", number))
    take = randomness(("services", number))
    for aid, module, reference in ((VENDING, vending.MODULE, vending.KEY), (POINTS, points.MODULE, points.KEY)):
        domain = DomainClient(standard(chip), chips.CITY_DOMAIN)
        domain.select()
        domain.open_scp03(keys, take(8))
        domain.install(module, aid)
        owner = KeyPairClient(standard(chip), aid)
        owner.select()
        owner.open_scp03(keys, take(8))
        key = encode_point(owner.generate_key_pair(reference))
        domain.select()
        domain.open_scp03(keys, take(8))
        domain.personalize(aid)
        domain.store_data(vending_block() if aid == VENDING else points_block(key, number))
    return chip.cells


@lru_cache(maxsize=4)
def ready(number: int = 1) -> dict[str, bytes]:
    """The same with the holder's passwords, and `BALANCE` points."""
    chip = Chip(installed(number), ("ready", number))
    for client in (VendingClient(standard(chip), chips.CITY), PointsClient(standard(chip), chips.CITY)):
        open_as(client, chips.service_terminal(), number)
        client.set_initial_password(0x81, PIN)
    purse = points_client(chip, shop(), number)
    order = Order(points.CREDIT, 1, BALANCE, b"welcome.")
    purse.carry_out(order, signed(order, number), purse.member())
    return chip.cells


def chip(number: int = 1, seed: object = 1) -> Chip:
    """A ready card."""
    return Chip(ready(number), seed)


def open_as(client: VendingClient | PointsClient, terminal: LocalTerminalKey, number: int = 1) -> None:
    """Select the service on the card of that number, and open SCP11a as a terminal."""
    client.select()
    key = decode_point(chips.active(number).city_11a)
    client.open_scp11a(terminal, key, private_key(4000))


def vending_client(
    connection: CardConnection, terminal: LocalTerminalKey, number: int = 1, pin: bytes = b""
) -> VendingClient:
    """A client at certificate vending in a terminal's session, with the password verified if one is given."""
    client = VendingClient(standard(connection), chips.CITY)
    open_as(client, terminal, number)
    if pin:
        client.verify(vending.PASSWORD, pin)
    return client


def points_client(
    connection: CardConnection, terminal: LocalTerminalKey, number: int = 1, pin: bytes = b""
) -> PointsClient:
    """A client at the purse in a terminal's session, with the password verified if one is given."""
    client = PointsClient(standard(connection), chips.CITY)
    open_as(client, terminal, number)
    if pin:
        client.verify(points.PASSWORD, pin)
    return client
