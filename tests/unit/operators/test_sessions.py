"""Logging in, what the certificate permits, signing, and every way in which a session ends."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.operator.client import OperatorClient
from jukicard.applets.operator.records import OperatorState
from jukicard.iso7816.errors import AuthenticationFailed, CardRemoved, PasswordBlocked, PasswordWrong
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.permissions import (
    FOUR_EYES,
    HAND_OVER,
    ISSUE,
    REVOKE_OPERATOR,
    ROLES,
)
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import HomeDamaged, OperatorNeeded, OperatorRefused, OperatorSessionEnded
from jukicard.issuer.ledger.chain import EntrySigner
from jukicard.issuer.operators.dialogue import open_as_terminal
from jukicard.issuer.operators.register import Operator, Operators
from jukicard.issuer.operators.session import FourEyes, login
from jukicard.testing.readers import PulledReader
from jukicard.testing.seeds import randomness
from tests.support.issued import CITY, TODAY, Offices, Stage
from tests.support.operators import PASSWORD, WRONG_PASSWORD, Bureau, make_bureau

CLERK = 3
MESSAGE = b"an entry"


def test_the_card_signs_for_whoever_is_logged_in(bureau: Bureau) -> None:
    with bureau.session(CLERK) as session:
        signer: EntrySigner = session
        signature = signer.sign(MESSAGE)
        assert signer.actor == f"6{CITY.code}000000003"
    entered = Operators(bureau.authority).operator(session.actor)
    entered.public_key.verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))
    assert entered.permissions == session.permissions == ROLES["clerk"]


def test_an_operator_may_do_what_the_certificate_permits_and_nothing_else(bureau: Bureau) -> None:
    with bureau.session(CLERK) as session:
        session.require(ISSUE)
        session.require(HAND_OVER)
        with pytest.raises(OperatorRefused, match="operators:execute"):
            session.require(REVOKE_OPERATOR)
    assert OperatorRefused("").exit_code == OperatorSessionEnded("").exit_code == OperatorNeeded("").exit_code == 1


def test_what_takes_two_takes_two_different_ones_who_both_may(bureau: Bureau) -> None:
    with bureau.session(1) as first, bureau.session(2) as second, bureau.session(CLERK) as clerk:
        for permission in sorted(FOUR_EYES & first.permissions):
            with pytest.raises(OperatorNeeded, match="two operators"):
                first.require(permission)
            FourEyes(first, second).require(permission)
            with pytest.raises(OperatorRefused):
                FourEyes(first, clerk).require(permission)
            with pytest.raises(OperatorRefused):
                FourEyes(clerk, first).require(permission)
        with pytest.raises(OperatorRefused, match="one operator"):
            FourEyes(first, first)
        both = FourEyes(first, second)
        first.operator.public_key.verify(both.sign(MESSAGE), MESSAGE, ec.ECDSA(hashes.SHA256()))
        assert both.actor == first.actor
        second.close()
        with pytest.raises(OperatorSessionEnded):
            both.sign(MESSAGE)


def test_a_wrong_password_costs_a_try_and_the_fifth_blocks(bureau: Bureau) -> None:
    with bureau.card(CLERK) as connection:
        for left in (4, 3, 2, 1, 0):
            with pytest.raises(PasswordWrong) as wrong:
                bureau.log_in(connection, WRONG_PASSWORD)
            assert wrong.value.tries_left == left
        with pytest.raises(PasswordBlocked):
            bureau.log_in(connection)


@pytest.mark.parametrize(
    ("steps", "over"), [([14], False), ([15], True), ([14] * 34, False), ([14] * 35, True)], ids=str
)
def test_a_session_ends_by_time(bureau: Bureau, steps: list[int], over: bool) -> None:
    """After 15 minutes without use, and after 8 hours in all."""
    with bureau.session(CLERK) as session:
        for minutes in steps[:-1]:
            bureau.clock.advance(minutes=minutes)
            session.use()
        bureau.clock.advance(minutes=steps[-1])
        if not over:
            session.require(ISSUE)
            return
        for use in (lambda: session.require(ISSUE), lambda: session.sign(MESSAGE), session.use):
            with pytest.raises(OperatorSessionEnded, match="log in again"):
                use()
        bureau.clock.advance(minutes=-1000)
        with pytest.raises(OperatorSessionEnded):  # what is over stays over
            session.use()


def test_a_closed_session_is_over(bureau: Bureau) -> None:
    with bureau.session(CLERK) as session:
        session.close()
        with pytest.raises(OperatorSessionEnded, match="closed"):
            session.sign(MESSAGE)


def test_a_card_that_leaves_ends_the_session_for_good(bureau: Bureau) -> None:
    with bureau.card(CLERK) as connection:
        reader = PulledReader(connection, 1000)
        session = login(bureau.authority, reader, randomness("login"), bureau.clock, lambda: PASSWORD)
        reader.at = reader.count + 1
        with pytest.raises(OperatorSessionEnded, match="the card is gone") as gone:
            session.sign(MESSAGE)
        assert isinstance(gone.value.__cause__, CardRemoved)
        reader.reset()
        with pytest.raises(OperatorSessionEnded):
            session.use()


def test_a_card_that_was_reset_signs_no_more(bureau: Bureau) -> None:
    with bureau.card(CLERK) as connection:
        session = bureau.log_in(connection)
        connection.reset()
        with pytest.raises((OperatorSessionEnded, AuthenticationFailed)):
            session.sign(MESSAGE)
        with pytest.raises(OperatorSessionEnded):
            session.use()


def _asked() -> str:
    pytest.fail("the password was asked for")


def test_a_revoked_card_is_refused_before_its_password_is_asked_for(bureau: Bureau) -> None:
    serial = f"6{CITY.code}000000003"
    Operators(bureau.authority).revoke(serial, today=TODAY)
    with bureau.card(CLERK) as connection, pytest.raises(OperatorRefused, match="revoked"):
        bureau.log_in(connection, ask=_asked)


def test_a_card_that_the_register_does_not_know_is_refused(bureau: Bureau) -> None:
    (bureau.home / "operators" / f"6{CITY.code}000000003.pem").unlink()
    with bureau.card(CLERK) as connection, pytest.raises(OperatorRefused, match="no operator's card"):
        bureau.log_in(connection, ask=_asked)


def test_another_card_under_the_same_serial_is_refused(bureau: Bureau) -> None:
    folder = bureau.home / "operators"
    shutil.copy(folder / f"6{CITY.code}000000003.pem", folder / f"6{CITY.code}000000004.pem")
    with bureau.card(4) as connection, pytest.raises(HomeDamaged, match="another operator's"):
        bureau.log_in(connection, ask=_asked)


def another_key(bureau: Bureau) -> Operator:
    """The clerk's serial and permissions, genuinely certified for a key that the clerk's card does not have."""
    clerk = Operators(bureau.authority).operator(f"6{CITY.code}000000003")
    key = ec.derive_private_key(1947, ec.SECP256R1()).public_key()
    subject = x.Subject.read(clerk.certificates[-1])
    request = x.Request(x.OPERATOR, subject, key, TODAY, TODAY, permissions=clerk.permissions)
    leaf = x.issue(bureau.authority.card_signer(Area.JUKI), request, randomness("another key"))
    certificates = (*bureau.authority.card_authorities(Area.JUKI), leaf)
    (bureau.home / "operators" / f"{clerk.serial}.pem").write_bytes(x.to_pem(certificates))
    return Operators(bureau.authority).operator(clerk.serial)


def test_a_card_with_other_certificates_than_the_register_is_refused(bureau: Bureau) -> None:
    assert another_key(bureau).counts_on(TODAY)
    with bureau.card(CLERK) as connection, pytest.raises(OperatorRefused, match="other certificates"):
        bureau.log_in(connection, ask=_asked)


def test_a_card_without_the_key_of_its_certificates_is_refused(bureau: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = another_key(bureau)

    def opened(*given: Any, **named: Any) -> Operator:
        open_as_terminal(*given, **named)
        return shown

    monkeypatch.setattr("jukicard.issuer.operators.session.open_as_terminal", opened)
    with bureau.card(CLERK) as connection, pytest.raises(AuthenticationFailed):
        bureau.log_in(connection)


def test_an_expired_card_is_refused(bureau: Bureau) -> None:
    bureau.clock.advance(days=6 * 365)
    with bureau.card(CLERK) as connection, pytest.raises(AuthenticationFailed, match="expired"):
        bureau.log_in(connection, ask=_asked)


def test_another_authoritys_operator_is_refused(bureau: Bureau, tmp_path: Path) -> None:
    other = make_bureau(tmp_path / "other", "another")
    with other.card(CLERK) as connection, pytest.raises(AuthenticationFailed):
        bureau.log_in(connection, ask=_asked)


def test_a_residents_card_is_no_operators(bureau: Bureau, tmp_path: Path) -> None:
    office = Offices(tmp_path / "offices").at(Stage.ACTIVE, tmp_path / "office")
    with office.emulator() as connection, pytest.raises(OperatorRefused, match="no operator's card"):
        bureau.log_in(connection, ask=_asked)
    office.close()


def test_the_operator_changes_the_password_to_one_of_any_length(bureau: Bureau) -> None:
    new = "sixteen letters!"
    with bureau.session(CLERK) as session:
        session.change_password(new)
        session.sign(MESSAGE)
    with bureau.card(CLERK) as connection:
        with pytest.raises(PasswordWrong):
            bureau.log_in(connection)
        bureau.log_in(connection, new)


def test_a_void_card_does_not_log_in(bureau: Bureau) -> None:
    with bureau.card(CLERK) as connection:
        client = OperatorClient(standard(connection))
        open_as_terminal(client, bureau.authority, randomness("void"), today=TODAY)
        client.void()
        assert client.status() is OperatorState.VOID
        with pytest.raises(OperatorRefused, match="void"):
            bureau.log_in(connection, ask=_asked)


def test_nothing_secret_shows(bureau: Bureau) -> None:
    with bureau.session(CLERK) as session:
        assert PASSWORD not in repr(session) + repr(replace(session.operator))
