"""The rows of certificate vending and community points."""

from __future__ import annotations

from collections.abc import Callable

from jukicard.applets.gp.client import PasswordClient
from jukicard.applets.points.applet import PointsApplet
from jukicard.applets.points.layout import CREDIT, DEBIT, INS_CONFIRM, INS_FINISH, INS_ORDER, INS_PAY, INS_RECEIVE
from jukicard.applets.points.records import Order
from jukicard.applets.vending.applet import VendingApplet
from jukicard.applets.vending.layout import INS_ISSUE
from jukicard.applets.vending.records import CertificateType
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.securechannel.host import LocalTerminalKey
from tests.powercuts import cards
from tests.powercuts.registry import Sending, row
from tests.support import chips, services
from tests.support.chips import Chip

_PIN, _NEW = services.PIN, b"1470"
_Opened = Callable[[Chip, LocalTerminalKey, bytes], PasswordClient]


def _vending(chip: Chip, terminal: LocalTerminalKey, pin: bytes = b"") -> PasswordClient:
    return services.vending_client(chip, terminal, pin=pin)


def _points(chip: Chip, terminal: LocalTerminalKey, pin: bytes = b"") -> PasswordClient:
    return services.points_client(chip, terminal, pin=pin)


# --- passwords and keys, which both have


def _of_passwords(applet: type, opened: _Opened) -> None:
    @row(applet, "VERIFY", on=cards.with_services)
    def verifies(chip: Chip) -> Sending:
        return opened(chip, services.nobody(), b"").connection, CommandAPDU(0x00, 0x20, 0x00, 0x81, _PIN)

    @row(applet, "VERIFY", on=cards.with_services, sw=0x63C2)
    def misses(chip: Chip) -> Sending:
        return opened(chip, services.nobody(), b"").connection, CommandAPDU(0x00, 0x20, 0x00, 0x81, b"9999")

    @row(applet, "CHANGE REFERENCE DATA", on=cards.with_services)
    def changes(chip: Chip) -> Sending:
        return opened(chip, services.nobody(), b"").connection, CommandAPDU(0x00, 0x24, 0x00, 0x81, _PIN + _NEW)

    @row(applet, "CHANGE REFERENCE DATA", on=cards.with_services, sw=0x63C2)
    def does_not_know_the_old_one(chip: Chip) -> Sending:
        return opened(chip, services.nobody(), b"").connection, CommandAPDU(0x00, 0x24, 0x00, 0x81, b"9999" + _NEW)

    @row(applet, "CHANGE REFERENCE DATA (new only)", on=cards.with_services)
    def sets_anew(chip: Chip) -> Sending:
        return opened(chip, chips.service_terminal(), b"").connection, CommandAPDU(0x00, 0x24, 0x01, 0x81, _NEW)

    @row(applet, "RESET RETRY COUNTER", on=cards.with_services)
    def resets(chip: Chip) -> Sending:
        return opened(chip, chips.service_terminal(), b"").connection, CommandAPDU(0x00, 0x2C, 0x02, 0x81, _NEW)


def _of_keys(applet: type, aid: AID) -> None:
    @row(applet, "GENERATE ASYMMETRIC KEY PAIR", on=cards.with_new_services)
    def generates(chip: Chip) -> Sending:
        chip.select(aid)
        return chip.scp03(chips.CITY_KEYS), CommandAPDU(0x00, 0x47, 0x80, 0x00, bytes.fromhex("B603840182"), 256)


_of_passwords(VendingApplet, _vending)
_of_passwords(PointsApplet, _points)
_of_keys(VendingApplet, cards.NEW_VENDING)
_of_keys(PointsApplet, cards.NEW_POINTS)


# --- certificate vending


@row(VendingApplet, "ISSUE CERTIFICATE", on=cards.with_services)
def issues(chip: Chip) -> Sending:
    client = _vending(chip, services.kiosk(), _PIN)
    return client.connection, CommandAPDU(0x80, INS_ISSUE, 0x00, 0x00, services.REQUEST.encode(), 256)


@row(VendingApplet, "UPDATE RECORD", on=cards.with_services)
def blocks(chip: Chip) -> Sending:
    new = CertificateType(1, 3, usable=False)
    return _vending(chip, chips.service_terminal()).connection, CommandAPDU(0x00, 0xDC, 0x01, 0x0C, new.encode())


@row(VendingApplet, "APPEND RECORD", on=cards.with_services)
def allows_another(chip: Chip) -> Sending:
    return _vending(chip, chips.service_terminal()).connection, CommandAPDU(
        0x00, 0xE2, 0x00, 0x08, CertificateType(9, 9).encode()
    )


# --- community points


@row(PointsApplet, "CARRY OUT ORDER", on=cards.with_services)
def credits_points(chip: Chip) -> Sending:
    return _order(chip, CREDIT)


@row(PointsApplet, "CARRY OUT ORDER", on=cards.with_services)
def debits_points(chip: Chip) -> Sending:
    return _order(chip, DEBIT)


def _order(chip: Chip, direction: int) -> Sending:
    order = Order(direction, 2, 40, b"a shop..")
    client = _points(chip, services.shop(), _PIN)
    return client.connection, CommandAPDU(
        0x80, INS_ORDER, direction, 0x00, order.encode() + services.signed(order), 256
    )


@row(PointsApplet, "PAY", on=cards.with_services)
def pays(chip: Chip) -> Sending:
    return _exchange(chip, INS_PAY, "pay")


@row(PointsApplet, "RECEIVE PAYMENT", on=cards.with_services)
def receives(chip: Chip) -> Sending:
    return _exchange(chip, INS_RECEIVE, "receive")


@row(PointsApplet, "RECEIVE PAYMENT", on=cards.with_services)
def refuses(chip: Chip) -> Sending:
    return _exchange(chip, INS_RECEIVE, "receive", p1=0x01)


@row(PointsApplet, "FINISH PAYMENT", on=cards.with_a_payment_under_way)
def finishes(chip: Chip) -> Sending:
    return _exchange(chip, INS_FINISH, "finish")


@row(PointsApplet, "CONFIRM PAYMENT", on=cards.with_a_payment_under_way)
def confirms(chip: Chip) -> Sending:
    return _exchange(chip, INS_CONFIRM, "confirm")


def _exchange(chip: Chip, ins: int, message: str, p1: int = 0x00) -> Sending:
    client = _points(chip, services.nobody(), _PIN)
    return client.connection, CommandAPDU(0x80, ins, p1, 0x00, cards.messages()[message], 256)
