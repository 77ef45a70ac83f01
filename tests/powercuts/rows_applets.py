"""The rows of the applications: Juki, library, operator, JPKI."""

from __future__ import annotations

from jukicard.applets.faceverification import layout as faces
from jukicard.applets.faceverification.applet import FaceVerificationApplet
from jukicard.applets.jpki.applet import JpkiApplet
from jukicard.applets.jpki.layout import CREDENTIALS
from jukicard.applets.juki import layout as juki
from jukicard.applets.juki.applet import JukiApplet
from jukicard.applets.library import layout as library
from jukicard.applets.library.applet import LibraryApplet
from jukicard.applets.operator.applet import OperatorApplet
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.host import SecureConnection
from tests.powercuts import cards
from tests.powercuts.registry import Sending, row
from tests.support import chips, facechips, jpkichips, operatorchips
from tests.support.chips import PASSWORD, WRONG_PASSWORD, Chip, juki_session

NEW_PASSWORD = b"1357"
EXCHANGE, ONLY_NEW, RESET = (0x24, 0x00), (0x24, 0x01), (0x2C, 0x02)


def personalising(chip: Chip) -> SecureConnection:
    chip.select(chips.JUKI)
    return chip.scp03(chips.JUKI_KEYS)


def about_password(what: tuple[int, int], data: bytes = b"") -> CommandAPDU:
    """A command on the password, which has the same reference in both applications."""
    return CommandAPDU(0x00, what[0], what[1], juki.PASSWORD, data)


def verify(password: bytes) -> CommandAPDU:
    return about_password((0x20, 0x00), password)


def lender(chip: Chip) -> SecureConnection:
    """The library's terminal, with the holder's password verified."""
    session = chips.library_session(chip)
    chips.verify(session)
    return session


# --- passwords, which both have; Juki first


@row(JukiApplet, "VERIFY", on=cards.a_try_fewer)
def right_password(chip: Chip) -> Sending:
    return juki_session(chip), verify(PASSWORD)


@row(JukiApplet, "VERIFY", on=cards.active)
def right_password_and_all_tries(chip: Chip) -> Sending:
    return juki_session(chip), verify(PASSWORD)


@row(JukiApplet, "VERIFY", on=cards.the_last_try)
def right_password_at_the_last_try(chip: Chip) -> Sending:
    return juki_session(chip), verify(PASSWORD)


@row(JukiApplet, "VERIFY", on=cards.a_try_fewer, sw=0x63C1)
def wrong_password(chip: Chip) -> Sending:
    return juki_session(chip), verify(WRONG_PASSWORD)


@row(JukiApplet, "VERIFY", on=cards.the_last_try, sw=0x63C0)
def wrong_password_at_the_last_try(chip: Chip) -> Sending:
    return juki_session(chip), verify(WRONG_PASSWORD)


@row(JukiApplet, "CHANGE REFERENCE DATA", on=cards.a_try_fewer)
def right_old_password(chip: Chip) -> Sending:
    return juki_session(chip), about_password(EXCHANGE, PASSWORD + NEW_PASSWORD)


@row(JukiApplet, "CHANGE REFERENCE DATA", on=cards.a_try_fewer, sw=0x63C1)
def wrong_old_password(chip: Chip) -> Sending:
    return juki_session(chip), about_password(EXCHANGE, WRONG_PASSWORD + NEW_PASSWORD)


@row(JukiApplet, "CHANGE REFERENCE DATA (initial password)", on=cards.delivered)
def makes_the_card_active(chip: Chip) -> Sending:
    return juki_session(chip, Right.SET_INITIAL_PASSWORD), about_password(ONLY_NEW, PASSWORD)


@row(JukiApplet, "RESET RETRY COUNTER", on=cards.the_last_try)
def with_a_new_password(chip: Chip) -> Sending:
    return juki_session(chip, Right.RESET_PASSWORD), about_password(RESET, NEW_PASSWORD)


@row(JukiApplet, "RESET RETRY COUNTER", on=cards.the_last_try)
def with_the_password_kept(chip: Chip) -> Sending:
    return juki_session(chip, Right.RESET_PASSWORD), about_password((0x2C, 0x03))


@row(LibraryApplet, "VERIFY", on=cards.a_try_fewer)
def right_library_password(chip: Chip) -> Sending:
    return chips.library_session(chip), verify(PASSWORD)


@row(LibraryApplet, "VERIFY", on=cards.a_try_fewer, sw=0x63C1)
def wrong_library_password(chip: Chip) -> Sending:
    return chips.library_session(chip), verify(WRONG_PASSWORD)


@row(LibraryApplet, "CHANGE REFERENCE DATA", on=cards.a_try_fewer)
def right_old_library_password(chip: Chip) -> Sending:
    return chips.library_session(chip), about_password(EXCHANGE, PASSWORD + NEW_PASSWORD)


@row(LibraryApplet, "CHANGE REFERENCE DATA", on=cards.a_try_fewer, sw=0x63C1)
def wrong_old_library_password(chip: Chip) -> Sending:
    return chips.library_session(chip), about_password(EXCHANGE, WRONG_PASSWORD + NEW_PASSWORD)


@row(LibraryApplet, "CHANGE REFERENCE DATA (new only)", on=cards.a_try_fewer)
def at_the_counter(chip: Chip) -> Sending:
    return chips.library_session(chip), about_password(ONLY_NEW, NEW_PASSWORD)


@row(LibraryApplet, "RESET RETRY COUNTER", on=cards.the_last_try)
def with_a_new_library_password(chip: Chip) -> Sending:
    return chips.library_session(chip), about_password(RESET, NEW_PASSWORD)


# --- the Juki application's files, key and life


@row(JukiApplet, "COMPARE BINARY", on=cards.a_try_fewer)
def matches(chip: Chip) -> Sending:
    return juki_session(chip, Right.MATCH), CommandAPDU(0x00, 0x33, 0x81, 0x00, chips.CODE)


@row(JukiApplet, "COMPARE BINARY", on=cards.a_try_fewer, sw=0x63C3)
def misses(chip: Chip) -> Sending:
    return juki_session(chip, Right.MATCH), CommandAPDU(0x00, 0x33, 0x81, 0x00, b"99999999999")


@row(JukiApplet, "UPDATE BINARY", on=cards.in_personalisation)
def writes_the_resident_code(chip: Chip) -> Sending:
    return personalising(chip), CommandAPDU(0x00, 0xD6, 0x81, 0x00, chips.CODE)


@row(JukiApplet, "UPDATE BINARY", on=cards.in_personalisation)
def writes_over_several_pages(chip: Chip) -> Sending:
    return personalising(chip), CommandAPDU(0x00, 0xD6, 0x82, 0x00, bytes(range(1, 256)) * 8)


@row(JukiApplet, "UPDATE BINARY", on=cards.in_personalisation, sw=0x6A84)
def beyond_the_end(chip: Chip) -> Sending:
    return personalising(chip), CommandAPDU(0x00, 0xD6, 0x81, 0x01, chips.CODE)


@row(JukiApplet, "GENERATE ASYMMETRIC KEY PAIR", on=cards.in_personalisation)
def on_the_chip(chip: Chip) -> Sending:
    return personalising(chip), CommandAPDU(0x00, 0x47, 0x80, 0x00, bytes.fromhex("B603840182"), 256)


@row(JukiApplet, "ACTIVATE FILE (application)", on=cards.written)
def closes_personalisation(chip: Chip) -> Sending:
    return personalising(chip), CommandAPDU(0x00, 0x44, 0x00, 0x00)


@row(JukiApplet, "ACTIVATE FILE (application)", on=cards.suspended)
def resumes(chip: Chip) -> Sending:
    return juki_session(chip, Right.RESUME), CommandAPDU(0x00, 0x44, 0x00, 0x00)


@row(JukiApplet, "ACTIVATE FILE (application)", on=cards.in_personalisation, sw=0x6985)
def with_everything_missing(chip: Chip) -> Sending:
    return personalising(chip), CommandAPDU(0x00, 0x44, 0x00, 0x00)


@row(JukiApplet, "DEACTIVATE FILE (application)", on=cards.active)
def suspends(chip: Chip) -> Sending:
    return juki_session(chip, Right.SUSPEND), CommandAPDU(0x00, 0x04, 0x00, 0x00)


@row(JukiApplet, "TERMINATE DF (application)", on=cards.active)
def makes_it_void(chip: Chip) -> Sending:
    return juki_session(chip, Right.VOID), CommandAPDU(0x00, 0xE6, 0x00, 0x00)


@row(JukiApplet, "PUT DATA (new municipality)", on=cards.active)
def moves(chip: Chip) -> Sending:
    session = juki_session(chip, Right.MOVE, city=chips.OTHER_CITY)
    return session, CommandAPDU(0x00, 0xDA, 0x01, 0x07, chips.OTHER_CITY.encode())


# --- the library's files


@row(LibraryApplet, "APPEND RECORD", on=cards.active)
def lends(chip: Chip) -> Sending:
    return lender(chip), CommandAPDU(0x00, 0xE2, 0x00, library.EF_LOANS << 3, cards.LOAN)


@row(LibraryApplet, "UPDATE RECORD", on=cards.with_a_loan)
def takes_back(chip: Chip) -> Sending:
    session = chips.library_session(chip)
    return session, CommandAPDU(0x00, 0xDC, 0x01, library.EF_LOANS << 3 | 4, cards.LOAN[:-1] + b"R")


@row(LibraryApplet, "COMPARE BINARY", on=cards.active)
def which_nothing_counts(chip: Chip) -> Sending:
    return chips.library_session(chip), CommandAPDU(0x00, 0x33, 0x81, 0x00, chips.PATRON)


# --- an operator's card


@row(OperatorApplet, "UPDATE BINARY", on=operatorchips.in_personalisation)
def writes_the_serial(chip: Chip) -> Sending:
    return operatorchips.personalising(chip), CommandAPDU(0x00, 0xD6, 0x86, 0x00, operatorchips.SERIAL)


@row(OperatorApplet, "GENERATE ASYMMETRIC KEY PAIR", on=operatorchips.in_personalisation)
def for_signatures(chip: Chip) -> Sending:
    return operatorchips.personalising(chip), CommandAPDU(0x00, 0x47, 0x80, 0x00, operatorchips.KEY_NAME, 256)


@row(OperatorApplet, "ACTIVATE FILE (application)", on=operatorchips.written)
def closes_an_operators_card(chip: Chip) -> Sending:
    return operatorchips.personalising(chip), CommandAPDU(0x00, 0x44, 0x00, 0x00)


@row(OperatorApplet, "TERMINATE DF (application)", on=operatorchips.active)
def makes_an_operators_card_void(chip: Chip) -> Sending:
    return operatorchips.at_terminal(chip, Right.VOID), CommandAPDU(0x00, 0xE6, 0x00, 0x00)


@row(OperatorApplet, "CHANGE REFERENCE DATA (new only)", on=operatorchips.delivered)
def sets_the_operators_first_password(chip: Chip) -> Sending:
    session = operatorchips.at_terminal(chip, Right.SET_INITIAL_PASSWORD)
    return session, about_password(ONLY_NEW, operatorchips.PASSWORD)


@row(OperatorApplet, "CHANGE REFERENCE DATA (new only)", on=operatorchips.active)
def sets_another_with_the_old_one_verified(chip: Chip) -> Sending:
    return operatorchips.logged_in(chip), about_password(ONLY_NEW, b"a longer one ...")


@row(OperatorApplet, "CHANGE REFERENCE DATA", on=operatorchips.a_try_fewer)
def right_old_operators_password(chip: Chip) -> Sending:
    passwords = operatorchips.PASSWORD + operatorchips.WRONG_PASSWORD
    return operatorchips.at_terminal(chip), about_password(EXCHANGE, passwords)


@row(OperatorApplet, "CHANGE REFERENCE DATA", on=operatorchips.a_try_fewer, sw=0x63C3)
def wrong_old_operators_password(chip: Chip) -> Sending:
    return operatorchips.at_terminal(chip), about_password(EXCHANGE, operatorchips.WRONG_PASSWORD * 2)


@row(OperatorApplet, "VERIFY", on=operatorchips.a_try_fewer)
def right_operators_password(chip: Chip) -> Sending:
    return operatorchips.at_terminal(chip), verify(operatorchips.PASSWORD)


@row(OperatorApplet, "VERIFY", on=operatorchips.a_try_fewer, sw=0x63C3)
def wrong_operators_password(chip: Chip) -> Sending:
    return operatorchips.at_terminal(chip), verify(operatorchips.WRONG_PASSWORD)


@row(OperatorApplet, "RESET RETRY COUNTER", on=operatorchips.a_try_fewer)
def with_the_operators_password_kept(chip: Chip) -> Sending:
    return operatorchips.at_terminal(chip, Right.RESET_PASSWORD), about_password((0x2C, 0x03))


# --- JPKI


def about_sign_password(what: tuple[int, int], data: bytes = b"") -> CommandAPDU:
    return CommandAPDU(0x00, what[0], what[1], CREDENTIALS[jpkichips.SIGN].password_reference, data)


@row(JpkiApplet, "VERIFY (internal EF)", on=jpkichips.a_try_fewer)
def right_sign_password(chip: Chip) -> Sending:
    return jpkichips.client(chip).connection, about_sign_password((0x20, 0), jpkichips.PASSWORDS[jpkichips.SIGN])


@row(JpkiApplet, "VERIFY (internal EF)", on=jpkichips.the_last_try, sw=0x63C0)
def wrong_sign_password_at_the_last_try(chip: Chip) -> Sending:
    return jpkichips.client(chip).connection, about_sign_password((0x20, 0), jpkichips.WRONG_PASSWORDS[jpkichips.SIGN])


@row(JpkiApplet, "CHANGE REFERENCE DATA (internal EF)", on=jpkichips.a_try_fewer)
def another_sign_password(chip: Chip) -> Sending:
    return jpkichips.verified(chip).connection, about_sign_password(ONLY_NEW, b"NEW456")


@row(JpkiApplet, "RESET RETRY COUNTER", on=jpkichips.blocked)
def with_a_new_sign_password(chip: Chip) -> Sending:
    return jpkichips.session(chip), about_sign_password(RESET, b"NEW456")


@row(JpkiApplet, "UPDATE BINARY", on=jpkichips.installed)
def writes_a_certificate(chip: Chip) -> Sending:
    return jpkichips.session(chip), CommandAPDU(0x00, 0xD6, 0x81, 0x00, jpkichips.CERTIFICATES[jpkichips.SIGN][0])


@row(JpkiApplet, "GENERATE ASYMMETRIC KEY PAIR", on=jpkichips.installed)
def an_rsa_key(chip: Chip) -> Sending:
    return jpkichips.session(chip), CommandAPDU(0x00, 0x47, 0x80, 0x00, jpkichips.SIGN_NAME, 512)


@row(JpkiApplet, "ACTIVATE FILE (application)", on=jpkichips.written)
def closes_the_jpki_application(chip: Chip) -> Sending:
    return jpkichips.session(chip), CommandAPDU(0x00, 0x44, 0x00, 0x00)


# --- a card's face


def about_number(ins: int, p1: int = 0x00, data: bytes = b"") -> CommandAPDU:
    return CommandAPDU(0x00, ins, p1, faces.reference(faces.NUMBER_B), data)


@row(FaceVerificationApplet, "VERIFY (internal EF)", on=facechips.a_try_fewer)
def right_reference_number(chip: Chip) -> Sending:
    return facechips.client(chip).connection, about_number(0x20, data=facechips.NUMBER_B)


@row(FaceVerificationApplet, "VERIFY (internal EF)", on=facechips.the_last_try, sw=0x63C0)
def wrong_reference_number(chip: Chip) -> Sending:
    return facechips.client(chip).connection, about_number(0x20, data=facechips.WRONG_NUMBER_B)


@row(FaceVerificationApplet, "RESET RETRY COUNTER", on=facechips.blocked)
def unblocks_a_reference_number(chip: Chip) -> Sending:
    return facechips.session(chip), about_number(0x2C, 0x03)
