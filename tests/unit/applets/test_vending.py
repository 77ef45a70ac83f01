"""Certificate vending: who may have what issued, types with lives of their own, the audit and the signed statement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from jukicard.applets.vending.client import VendingClient
from jukicard.applets.vending.layout import MAX_AUDIT, PASSWORD
from jukicard.applets.vending.records import CertificateType, Issue, Request, VendingError
from jukicard.iso7816.errors import AuthenticationFailed, CardStatusError
from jukicard.securechannel.scp11 import decode_point, encode_point
from tests.support import chips, services
from tests.support.chips import Chip, say
from tests.support.services import PIN, REQUEST, TYPES, kiosk, vending_client

AN_HOUR_LATER = replace(REQUEST, challenge=bytes(range(1, 17)))


def key(chip: Chip):
    """The public key of the card's vending service, read by its owner."""
    chip.select(services.VENDING)
    owner = chip.scp03(chips.CITY_KEYS)
    return decode_point(say(owner, 0, 0x47, 0x81, 0, bytes.fromhex("B603840182"), 256, sw=0x9000).data[5:])


def refused(sw: int, action: Callable[..., object], *values: object) -> None:
    with pytest.raises(CardStatusError) as caught:
        action(*values)
    assert caught.value.sw == sw


def ready() -> tuple[Chip, VendingClient, object]:
    chip = services.chip()
    public = key(chip)
    return chip, vending_client(chip, kiosk(), pin=PIN), public


def test_an_issue_is_counted_written_down_and_signed() -> None:
    _, client, public = ready()
    issue, signature = client.issue(REQUEST, public)
    assert issue == Issue(1, REQUEST)
    assert client.types() == [replace(TYPES[0], left=2), *TYPES[1:]]
    assert client.issues() == [issue]
    client.check_statement(issue, signature, public)
    for other in (replace(issue, number=2), Issue(1, replace(REQUEST, type=2)), Issue(1, AN_HOUR_LATER)):
        with pytest.raises(AuthenticationFailed):
            client.check_statement(other, signature, public)
    second, _ = client.issue(AN_HOUR_LATER, public)
    assert client.issues() == [second, issue]


def test_the_same_request_again_is_the_same_issue() -> None:
    chip, client, public = ready()
    first = client.issue(REQUEST, public)
    assert client.issue(REQUEST, public) == first
    again = vending_client(chip, kiosk(), pin=PIN)
    assert again.issue(REQUEST, public) == first
    assert [one.left for one in again.types()] == [2, 1, 5]
    assert len(again.issues()) == 1


def test_one_type_is_blocked_while_the_others_are_issued() -> None:
    chip, client, public = ready()
    refused(0x6985, client.issue, replace(REQUEST, type=3), public)
    refused(0x6A83, client.issue, replace(REQUEST, type=9), public)
    client.issue(replace(REQUEST, type=2), public)
    refused(0x6985, client.issue, replace(AN_HOUR_LATER, type=2), public)  # none left
    office = vending_client(chip, chips.service_terminal())
    office.set_type(1, usable=False)
    office.set_type(3, usable=True, left=1)
    office.add_type(CertificateType(0x40, 2))
    refused(0x6A89, office.add_type, CertificateType(2, 2))
    client = vending_client(chip, kiosk(), pin=PIN)
    refused(0x6985, client.issue, REQUEST, public)
    client.issue(replace(REQUEST, type=3), public)
    client.issue(replace(REQUEST, type=0x40), public)
    assert [(one.number, one.left, one.usable) for one in client.types()] == [
        (1, 3, False),
        (2, 0, True),
        (3, 0, True),
        (0x40, 1, True),
    ]


def test_only_the_offices_terminal_changes_types_and_none_becomes_another() -> None:
    chip, client, _ = ready()
    refused(0x6982, client.set_type, 1)
    refused(0x6982, client.add_type, CertificateType(9, 9))
    office = vending_client(chip, chips.service_terminal())
    say(office.connection, 0, 0xDC, 1, 0x0C, CertificateType(7, 3).encode(), sw=0x6985)
    say(office.connection, 0, 0xDC, 1, 0x0C, b"\x01\x02\x00\x03", sw=0x6A80)
    say(office.connection, 0, 0xDC, 1, 0x14, Issue(1, REQUEST).encode(), sw=0x6982)
    refused(0x6982, office.issue, REQUEST, None)


@pytest.mark.parametrize("terminal", [chips.service_terminal(), services.shop(), services.nobody(), kiosk("99202")])
def test_only_a_kiosk_of_this_municipality_has_certificates_issued(terminal: object) -> None:
    chip = services.chip()
    client = vending_client(chip, terminal, pin=PIN)  # type: ignore[arg-type]
    refused(0x6982, client.issue, REQUEST, None)


def test_a_kiosk_needs_the_holders_password() -> None:
    chip = services.chip()
    client = vending_client(chip, kiosk())
    refused(0x6982, client.issue, REQUEST, None)
    refused(0x6982, client.issues)
    refused(0x63C2, client.verify, PASSWORD, b"1111")
    refused(0x6982, client.issue, REQUEST, None)
    client.types()


def test_the_password_has_four_to_eight_digits() -> None:
    chip = services.chip()
    office = vending_client(chip, chips.service_terminal())
    for value in (b"123", b"123456789", b"12a4"):
        refused(0x6A80, office.reset_password, PASSWORD, value)
    office.reset_password(PASSWORD, b"87654321")
    client = vending_client(chip, kiosk(), pin=b"87654321")
    client.change_password(PASSWORD, b"87654321", b"12345678")
    refused(0x6982, client.reset_password, PASSWORD, b"1234")


def test_the_card_knows_what_day_it_is_not() -> None:
    _, client, public = ready()
    refused(0x6A80, client.issue, replace(REQUEST, day="20240531"), public)  # the estimate is 20240601
    client.issue(replace(REQUEST, day="20240601"), public)


def test_the_audit_keeps_the_last_issues() -> None:
    chip, client, public = ready()
    vending_client(chip, chips.service_terminal()).set_type(1, left=100)
    client = vending_client(chip, kiosk(), pin=PIN)
    for number in range(MAX_AUDIT + 3):
        client.issue(replace(REQUEST, challenge=bytes(15) + bytes((number,))), public)
    assert [one.number for one in client.issues()] == list(range(MAX_AUDIT + 3, 3, -1))


@pytest.mark.parametrize(
    "data",
    [b"\x00" + REQUEST.encode()[1:], REQUEST.encode()[:1] + b"\x2a" * 4 + REQUEST.encode()[5:], REQUEST.encode()[:-1]],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(VendingError):
        Request.parse(data)
    _, client, _ = ready()
    assert say(client.connection, 0x80, 0x40, 0, 0, data, 256).sw in (0x6A80, 0x6700)


def test_personalisation_is_repeatable_until_something_was_issued() -> None:
    chip, _, public = ready()

    def personalise(block: bytes) -> int:
        chip.select(chips.CITY_DOMAIN)
        session = chip.scp03(chips.CITY_KEYS)
        name = bytes(services.VENDING)
        say(session, 0x80, 0xE6, 0x20, 0, b"\0\0" + bytes((len(name),)) + name + b"\0\0\0", sw=0x9000)
        return say(session, 0x80, 0xE2, 0x90, 0, block).sw

    assert personalise(services.vending_block()) == 0x9000
    for wrong in (b"", b"\xc0\x00", b"\xc0\x00\xc0\x00", services.vending_block(bytes(2049))):
        assert personalise(wrong or b"\x00") == 0x6A80
    twice = bytes.fromhex("BF2100C008") + TYPES[0].encode() * 2
    assert personalise(twice) == 0x6A80
    vending_client(chip, kiosk(), pin=PIN).issue(REQUEST, public)
    assert personalise(services.vending_block()) == 0x6985


def test_the_key_is_made_once_by_the_owner_and_its_certificates_are_read_in_a_session() -> None:
    chip = services.chip()
    chip.select(services.VENDING)
    owner = chip.scp03(chips.CITY_KEYS)
    say(owner, 0, 0x47, 0x80, 0, bytes.fromhex("B603840182"), 256, sw=0x6985)
    client = vending_client(chip, kiosk())
    assert client.key_certificates() == (b"\x30\x03abc",)
    say(client.connection, 0, 0x47, 0x81, 0, bytes.fromhex("B603840182"), 256, sw=0x6982)
    assert encode_point(key(chip))[0] == 0x04
