"""Whole flows between a terminal and a card, each written so that it goes on from wherever it was interrupted.

Issuing and handover, in which the authority's books take part, are in `tests.powercuts.offices`.
"""

from __future__ import annotations

from jukicard.applets.folder import layout as folder
from jukicard.applets.folder.client import df, ef, record_ef
from jukicard.applets.juki import layout as juki
from jukicard.applets.juki.records import CardState, CardStatus
from jukicard.applets.library import layout as library
from jukicard.iso7816.aid import AID
from jukicard.iso7816.errors import CardStatusError
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.host import SecureConnection
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, StaticKeys
from tests.powercuts import cards
from tests.powercuts.registry import flow
from tests.powercuts.rows_applets import NEW_PASSWORD, personalising
from tests.powercuts.rows_gp import NEW_KEYS, domain
from tests.support import chips, folders
from tests.support.chips import PASSWORD, WRONG_PASSWORD, Chip, juki_session, say

OK, REFUSED, BLOCKED, UNSUITABLE, IN_USE, UNKNOWN = 0x9000, 0x6982, 0x6983, 0x6985, 0x6A80, 0x6A88
NOT_FOUND, FULL, TAKEN = 0x6A82, 0x6A84, 0x6A89
DIRECTORY = 0x0100


# --- passwords


def _has_the_new_password(chip: Chip) -> None:
    assert chips.verify(juki_session(chip), NEW_PASSWORD) == OK


@flow("change of password", on=cards.active, done=_has_the_new_password)
def change_of_password(chip: Chip) -> None:
    """Whoever does not know whether it was changed tries the old password first, at the cost of a try.

    Two cuts and one such guess may use up all three; then the counter resets the password.
    """
    session = juki_session(chip)
    changed = say(session, 0, 0x24, 0, juki.PASSWORD, PASSWORD + NEW_PASSWORD).sw == OK
    if not changed and chips.verify(session, NEW_PASSWORD) != OK:
        say(session, 0, 0x20, 0, juki.PASSWORD, sw=0x63C0)
        counter = juki_session(chip, Right.RESET_PASSWORD)
        say(counter, 0, 0x2C, 0x02, juki.PASSWORD, NEW_PASSWORD, sw=OK)


def _is_blocked(chip: Chip) -> None:
    session = juki_session(chip)
    assert say(session, 0, 0x20, 0, juki.PASSWORD).sw == 0x63C0
    assert chips.verify(session) == BLOCKED


@flow("wrong passwords until the card is blocked", on=cards.active, done=_is_blocked)
def blocking(chip: Chip) -> None:
    session = juki_session(chip)
    tries = say(session, 0, 0x20, 0, juki.PASSWORD).sw & 0x0F
    for left in reversed(range(tries)):
        assert chips.verify(session, WRONG_PASSWORD) == 0x63C0 | left
    assert chips.verify(session) == BLOCKED


# --- keys


def _rekey(chip: Chip, aid: AID, old: StaticKeys, replaces: int, kvn: int) -> None:
    """PUT KEY of version `kvn`, unless the domain knows it; then a session under the new keys."""
    chip.select(aid)
    try:
        chip.scp03(NEW_KEYS, kvn=kvn)
    except CardStatusError as refused:
        if refused.sw != UNKNOWN:
            raise
        chips.put_key_set(chip.scp03(old), NEW_KEYS, old.dek, replaces, kvn)
        chip.scp03(NEW_KEYS, kvn=kvn)


def _has_new_keys(aid: AID) -> object:
    def done(chip: Chip) -> None:
        chip.select(aid)
        chip.scp03(NEW_KEYS)

    return done


@flow("PUT KEY, replacing the transport keys", on=cards.blank, done=_has_new_keys(chips.ISSUER))
def first_keys_of_the_card(chip: Chip) -> None:
    _rekey(chip, chips.ISSUER, TRANSPORT_KEYS, 0, 1)


@flow("PUT KEY, first of a domain", on=cards.half_installed, done=_has_new_keys(cards.EMPTY_DOMAIN))
def first_keys_of_a_domain(chip: Chip) -> None:
    _rekey(chip, cards.EMPTY_DOMAIN, chips.ISSUER_KEYS, 0, 2)


@flow("PUT KEY, replacing", on=cards.active, done=_has_new_keys(chips.CITY_DOMAIN))
def new_keys_of_a_domain(chip: Chip) -> None:
    _rekey(chip, chips.CITY_DOMAIN, chips.CITY_KEYS, chips.KVN, 2)


# --- applications


def _second_library_works(chip: Chip) -> None:
    assert chip.select(cards.SECOND_LIBRARY).sw == OK
    session = chip.scp11a(chips.service_terminal(), chips.active().city_11a)
    assert say(session, 0, 0xB0, 0x81, 0, ne=256).data == chips.PATRON
    assert chips.verify(session) == OK


@flow("installation of an application", on=cards.active, done=_second_library_works)
def installation(chip: Chip) -> None:
    """INSTALL, personalise, set the password."""
    session = domain(chip)
    data = chips.install_data(library.MODULE, cards.SECOND_LIBRARY)
    assert say(session, 0x80, 0xE6, 0x0C, 0, data, 256).sw in (OK, IN_USE)
    name = bytes(cards.SECOND_LIBRARY)
    say(session, 0x80, 0xE6, 0x20, 0, b"\0\0" + bytes((len(name),)) + name + b"\0\0\0", sw=OK)
    say(session, 0x80, 0xE2, 0x90, 0, chips.PATRON, sw=OK)
    chip.select(cards.SECOND_LIBRARY)
    terminal = chip.scp11a(chips.service_terminal(), chips.active().city_11a)
    say(terminal, 0, 0x24, 0x01, library.PASSWORD, PASSWORD, sw=OK)


def _library_is_gone(chip: Chip) -> None:
    assert chip.select(chips.LIBRARY).sw == 0x6A82
    _only_as_many_applications_as(4, chip)


def _only_as_many_applications_as(count: int, chip: Chip) -> None:
    assert len({cell.split("/")[1] for cell in chip.cells if cell.startswith("a/")}) == count, "cells were left behind"


@flow("deletion of an application", on=cards.with_a_loan, done=_library_is_gone)
def deletion(chip: Chip) -> None:
    _delete(domain(chip), chips.LIBRARY)


def _delete(session: SecureConnection, aid: AID) -> None:
    assert say(session, 0x80, 0xE4, 0, 0, Tlv(0x4F, bytes(aid)).encode()).sw in (OK, UNKNOWN)


# --- a folder


def _folder_is_gone(chip: Chip) -> None:
    assert chip.select(folders.FOLDER).sw == NOT_FOUND
    _only_as_many_applications_as(5, chip)


@flow("installation and deletion of a folder", on=cards.active, done=_folder_is_gone)
def folder_comes_and_goes(chip: Chip) -> None:
    """Whoever finds it deleted begins again."""
    data = chips.install_data(folder.MODULE, folders.FOLDER)
    assert say(domain(chip), 0x80, 0xE6, 0x0C, 0, data, 256).sw in (OK, IN_USE)
    owner = folders.owner(chip)
    assert say(owner.connection, 0, 0xE0, data=ef(0x0001, 600, folders.READABLE, sfi=1).encode()).sw in (OK, TAKEN)
    owner.update(b"a notice", sfi=1)
    _delete(domain(chip), folders.FOLDER)


def _folder_is_as_it_was(chip: Chip) -> None:
    before = cards.with_a_folder()
    area = next(cell[:7] for cell in before if cell.endswith("/q"))

    def inside(cells: cards.Cells) -> cards.Cells:
        return {cell: content for cell, content in cells.items() if cell.startswith(area)}

    assert inside(chip.cells) == inside(before)


@flow("files of a folder are created, filled and deleted", on=cards.with_a_folder, done=_folder_is_as_it_was)
def files_come_and_go(chip: Chip) -> None:
    """A DF with a file of bytes and a file of records in it; no trace of them is left, not in the quota either."""
    owner = folders.owner(chip)

    def create(parameters: Tlv) -> None:
        assert say(owner.connection, 0, 0xE0, data=parameters.encode()).sw in (OK, TAKEN)

    create(df(DIRECTORY, folders.ANYTHING))
    owner.select_path(DIRECTORY)
    create(ef(0x0001, 5000, folders.ANYTHING, sfi=1))
    owner.update(b"content", sfi=1)
    create(record_ef(0x0002, 0x02, 4, 1, folders.ANYTHING, sfi=2))
    assert say(owner.connection, 0, 0xE2, 0, 2 << 3, b"\x01one").sw in (OK, FULL)
    assert owner.record(1, sfi=2) == b"\x01one"
    assert say(owner.connection, 0, 0xE4, data=b"\0\1", sw=OK)
    owner.select_path()
    owner.delete(DIRECTORY)


# --- the card's life


def _is(state: CardState) -> object:
    def done(chip: Chip) -> None:
        answer = say(personalising(chip), 0, 0xB0, 0x80 | 0x07, 0, ne=256, sw=OK)
        assert CardStatus.parse(answer.data).state is state

    return done


@flow("personalisation of the Juki application", on=cards.in_personalisation, done=_is(CardState.DELIVERED_LOCKED))
def personalisation(chip: Chip) -> None:
    session = personalising(chip)
    if say(session, 0, 0xD6, 0x81, 0, chips.CODE).sw == REFUSED:
        return  # it is closed
    say(session, 0, 0xD6, 0x86, 0, chips.CARD_DATA, sw=OK)
    say(session, 0, 0xD6, 0x82, 0, b"certificates", sw=OK)
    assert say(session, 0, 0x47, 0x80, 0, bytes.fromhex("B603840182"), 256).sw in (OK, UNSUITABLE)
    say(session, 0, 0x47, 0x81, 0, bytes.fromhex("B603840182"), 256, sw=OK)
    say(session, 0, 0x44, sw=OK)


@flow("suspension", on=cards.active, done=_is(CardState.SUSPENDED))
def suspension(chip: Chip) -> None:
    assert say(juki_session(chip, Right.SUSPEND), 0, 0x04).sw in (OK, UNSUITABLE)


@flow("resumption", on=cards.suspended, done=_is(CardState.ACTIVE))
def resumption(chip: Chip) -> None:
    assert say(juki_session(chip, Right.RESUME), 0, 0x44).sw in (OK, UNSUITABLE)
