"""Making operators' cards: certificates and their permissions, serials, interruption and resumption, the register."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509

from jukicard.applets.operator.records import operator_serial
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, CardRemoved
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority import permissions as p
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import CardSpoilt, CertificateProfileError, HomeDamaged, OperatorRefused, RuleRefused
from jukicard.issuer.line.cardkeys import key_sets
from jukicard.issuer.line.personalise import check_blank
from jukicard.issuer.operators.making import OperatorPersonaliser, order_operator
from jukicard.issuer.operators.plan import operator_plan
from jukicard.issuer.operators.register import Making, Operators, read_operator
from jukicard.securechannel.authorization import Right, Role, TerminalAuthorization
from jukicard.testing.readers import PulledReader
from jukicard.testing.seeds import randomness
from tests.support.issued import CITY, TODAY
from tests.support.operators import PASSWORD, Bureau, blank_operator_chip, make_operator

CLERK = p.ROLES["clerk"]
SERIAL = operator_serial(CITY.code, 5)


def making(bureau: Bureau, connection: CardConnection, chip: str | None = None) -> OperatorPersonaliser:
    order = order_operator(bureau.authority, CLERK, today=TODAY, chip=chip)
    return OperatorPersonaliser(bureau.authority, connection, order, randomness("making"), lambda: PASSWORD)


# --- permissions


@pytest.mark.parametrize("role", list(p.ROLES))
def test_permissions_are_coded_one_way(role: str) -> None:
    coded = p.encode_permissions(p.ROLES[role])
    assert p.decode_permissions(coded) == p.ROLES[role]
    for wrong in (b"", b"0\0", coded[:-1], coded + b"\0", coded.replace(b"\x03\x02\x05", b"\x03\x02\x04")):
        with pytest.raises(p.NoSuchPermissionError):
            p.decode_permissions(wrong)
    with pytest.raises(p.NoSuchPermissionError):
        p.encode_permissions(())


def test_every_permission_is_written_one_way() -> None:
    for function in p.Function:
        for kind in p.Kind:
            permission = p.Permission(function, kind)
            assert p.Permission.parse(str(permission)) == permission
    for wrong in ("", "orders", "orders:", "orders:EXECUTE", "orders:run", "cards:read", ":read"):
        with pytest.raises(p.NoSuchPermissionError, match="FUNCTION:KIND"):
            p.Permission.parse(wrong)


def test_nobody_who_makes_operators_issues_cards() -> None:
    assert not {p.ISSUE, p.HAND_OVER, p.CHANGE_CARD} & p.ROLES["administrator"]
    assert not {p.MAKE_OPERATOR, p.KEY_CEREMONY} & p.ROLES["supervisor"]


@pytest.mark.parametrize("profile", [x.CARD_AUTHENTICATION, x.CARD_CHANNEL, x.TERMINAL, x.CARD_CA], ids=range(4))
def test_no_other_certificate_carries_permissions(bureau: Bureau, profile: x.Profile) -> None:
    key = bureau.authority.terminal_key("counter").keys.public_key("terminal:counter")
    rights = TerminalAuthorization(Role.COUNTER, frozenset({Right.VOID}), CITY.code) if profile.terminal else None
    request = x.Request(profile, x.Subject("anybody"), key, TODAY, TODAY, rights, CLERK)
    with pytest.raises(CertificateProfileError, match="only an operator's"):
        x.issue(bureau.authority.card_signer(Area.JUKI), request, randomness("any"))
    with pytest.raises(CertificateProfileError, match="what the operator may do"):
        x.issue(
            bureau.authority.card_signer(Area.JUKI),
            x.Request(x.OPERATOR, x.Subject("anybody"), key, TODAY, TODAY),
            randomness("any"),
        )


def test_an_operators_certificate_is_below_the_card_ca(bureau: Bureau) -> None:
    above, leaf = Operators(bureau.authority).all()[0].certificates
    assert (above,) == bureau.authority.card_authorities(Area.JUKI)
    certificate = x509.load_der_x509_certificate(leaf)
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(above))
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    with pytest.raises(CertificateProfileError):
        read_operator((above,))


# --- making


def test_an_interrupted_making_goes_on_with_the_same_chip_wherever_it_was(bureau: Bureau) -> None:
    bureau.cells[5] = blank_operator_chip(5)
    order = order_operator(bureau.authority, CLERK, today=TODAY)
    done: set[int] = set()
    with bureau.card(5) as connection:
        for attempt in range(1, 200):
            reader = PulledReader(connection, 4 + 2 * attempt, executed=bool(attempt % 2))
            found = order if attempt == 1 else Operators(bureau.authority).unfinished()[0]
            done.add(len(found.steps_done))
            personaliser = OperatorPersonaliser(
                bureau.authority, reader, found, randomness(("making", attempt)), lambda: PASSWORD
            )
            try:
                operator = personaliser.run()
                break
            except CardRemoved:
                reader.reset()
        assert bureau.log_in(connection).actor == operator.serial == SERIAL
    assert len(done) > 4
    assert Operators(bureau.authority).unfinished() == ()


def test_the_same_chip_takes_its_order_up_again_and_no_other_chip(bureau: Bureau) -> None:
    bureau.cells[5], bureau.cells[6] = blank_operator_chip(5), blank_operator_chip(6)
    with bureau.card(5) as connection, pytest.raises(CardRemoved):
        making(bureau, PulledReader(connection, 20)).run()
    (begun,) = Operators(bureau.authority).unfinished()
    assert order_operator(bureau.authority, CLERK, today=TODAY, chip=begun.chip) == begun
    with pytest.raises(RuleRefused, match="other permissions"):
        order_operator(bureau.authority, p.ROLES["supervisor"], today=TODAY, chip=begun.chip)
    with bureau.card(6) as connection, pytest.raises(RuleRefused, match="another chip"):
        OperatorPersonaliser(bureau.authority, connection, begun, randomness("m"), lambda: PASSWORD).run()


def test_a_chip_that_deviates_is_spoilt_and_its_serial_is_never_used_again(bureau: Bureau) -> None:
    bureau.cells[5] = blank_operator_chip(5)
    with bureau.card(5) as connection:
        personaliser = making(bureau, connection)
        real = personaliser._check_certificates

        def deviate(*what: object) -> None:
            real(*what)  # type: ignore[arg-type]
            raise AuthenticationFailed("card certificate", "it deviates")

        personaliser._check_certificates = deviate  # type: ignore[method-assign]
        with pytest.raises(CardSpoilt, match=SERIAL):
            personaliser.run()
        assert connection.transmit(bytes.fromhex("80CA004500"))[-2:] == b"\x69\x85"  # the chip is terminated
    assert json.loads((bureau.home / "operators" / "orders" / f"{SERIAL}.json").read_text())["state"] == Making.SPOILT
    assert make_operator(bureau, 6).serial == operator_serial(CITY.code, 6)


def test_an_operators_card_is_no_blank_chip(bureau: Bureau) -> None:
    with bureau.card(1) as connection:
        with pytest.raises(RuleRefused, match="not blank"):
            check_blank(bureau.authority.ledger, connection)
        with pytest.raises(RuleRefused, match="not blank"):
            making(bureau, connection).run()


def test_the_plan_has_a_name_and_a_word_for_each_step() -> None:
    operations = operator_plan(key_sets(CITY.code))
    assert len({operation.name for operation in operations}) == len(operations)
    assert all(operation.describe() for operation in operations)


# --- the register


def test_a_revoked_operator_stays_in_the_register(bureau: Bureau) -> None:
    operators = Operators(bureau.authority)
    clerk = operators.revoke(operator_serial(CITY.code, 3), today=TODAY)
    assert clerk.revoked
    assert not clerk.counts_on(TODAY)
    assert operators.revoke(clerk.serial, today=TODAY) == clerk
    assert operators.find(clerk.serial) == clerk
    with pytest.raises(OperatorRefused, match="no operator's card"):
        operators.revoke(operator_serial(CITY.code, 77), today=TODAY)


def test_two_are_left_for_what_takes_two(bureau: Bureau) -> None:
    operators = Operators(bureau.authority)
    with pytest.raises(RuleRefused, match="fewer than two"):
        operators.revoke(operator_serial(CITY.code, 1), today=TODAY)
    make_operator(bureau, 5, "administrator")
    assert operators.revoke(operator_serial(CITY.code, 1), today=TODAY).revoked


@pytest.mark.parametrize("content", ["{}", "[]", "nonsense", '{"format": "jukicard operator order", "version": 2}'])
def test_a_damaged_order_is_told(bureau: Bureau, content: str) -> None:
    (bureau.home / "operators" / "orders" / f"{SERIAL}.json").write_text(content)
    with pytest.raises(HomeDamaged, match=SERIAL):
        Operators(bureau.authority).unfinished()


def test_a_damaged_certificate_is_told(bureau: Bureau) -> None:
    path: Path = bureau.home / "operators" / f"{operator_serial(CITY.code, 3)}.pem"
    path.write_bytes(x.to_pem(bureau.authority.card_authorities(Area.JUKI)))
    with pytest.raises(HomeDamaged, match="no operator's certificates"):
        Operators(bureau.authority).all()
