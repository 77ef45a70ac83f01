"""The rows of the folder: files, records, data objects, passwords and keys that its owner makes."""

from __future__ import annotations

from jukicard.applets.folder.applet import FolderApplet
from jukicard.applets.folder.client import df, ef, record_ef
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.tlv import Tlv
from tests.powercuts import cards
from tests.powercuts.registry import Sending, row
from tests.powercuts.rows_applets import NEW_PASSWORD, verify
from tests.support import chips, folders
from tests.support.chips import PASSWORD, WRONG_PASSWORD, Chip
from tests.support.folders import ANYTHING, COUNTED, KEY, NOTICE, OPEN

ACTIVATE, DEACTIVATE, TERMINATE_EF, TERMINATE_DF, CREATE, DELETE = 0x44, 0x04, 0xE8, 0xE6, 0xE0, 0xE4
NEW_FILE = 0x0100


def plain(chip: Chip, ins: int, p1: int, p2: int, data: bytes = b"") -> Sending:
    """A command of anybody."""
    return folders.client(chip).connection, CommandAPDU(0x00, ins, p1, p2, data)


def owner(chip: Chip, ins: int, p1: int, p2: int, data: bytes = b"", ne: int | None = None) -> Sending:
    """A command of the owner."""
    return folders.owner(chip).connection, CommandAPDU(0x00, ins, p1, p2, data, ne)


def on_file(chip: Chip, ins: int, fid: int) -> Sending:
    """A command of the owner on a file of the application's own DF."""
    return owner(chip, ins, 0x00, 0x00, fid.to_bytes(2))


def put(chip: Chip, data: bytes) -> Sending:
    """PUT DATA of a password or key."""
    return owner(chip, 0xDB, 0x3F, 0xFF, data)


def prove(chip: Chip, key: bytes) -> Sending:
    """EXTERNAL AUTHENTICATE with the key that is counted."""
    connection = folders.client(chip).connection
    proof = folders.proof(folders.challenge(connection), key=key)
    return connection, CommandAPDU(0x00, 0x82, 0x00, KEY, proof)


# --- transparent files


@row(FolderApplet, "UPDATE BINARY", on=cards.with_a_folder)
def writes_a_notice(chip: Chip) -> Sending:
    return owner(chip, 0xD6, 0x80 | NOTICE, 0, b"another notice")


@row(FolderApplet, "UPDATE BINARY", on=cards.with_a_folder)
def writes_what_a_password_guards(chip: Chip) -> Sending:
    connection = folders.client(chip).connection
    assert chips.verify(connection) == 0x9000
    return connection, CommandAPDU(0x00, 0xD6, 0x80 | folders.PRIVATE, 0, b"written in plain")


@row(FolderApplet, "UPDATE BINARY (offset objects)", on=cards.with_a_folder)
def writes_from_an_offset_on(chip: Chip) -> Sending:
    return owner(chip, 0xD7, 0, NOTICE, Tlv(0x54, b"\x09").encode() + Tlv(0x53, b"offset").encode())


@row(FolderApplet, "ERASE BINARY", on=cards.with_a_folder)
def erases_to_the_end(chip: Chip) -> Sending:
    return owner(chip, 0x0E, 0x80 | NOTICE, 9)


@row(FolderApplet, "ERASE BINARY (offset objects)", on=cards.with_a_folder)
def erases_between_two_offsets(chip: Chip) -> Sending:
    return owner(chip, 0x0F, 0, NOTICE, Tlv(0x54, b"\x09").encode() + Tlv(0x54, b"\x0f").encode())


@row(FolderApplet, "COMPARE BINARY", on=cards.with_a_folder)
def matches_a_counted_file(chip: Chip) -> Sending:
    return plain(chip, 0x33, 0x80 | COUNTED, 0, b"1234")


@row(FolderApplet, "COMPARE BINARY", on=cards.the_last_try_of_a_folder)
def matches_a_counted_file_at_the_last_try(chip: Chip) -> Sending:
    return plain(chip, 0x33, 0x80 | COUNTED, 0, b"1234")


@row(FolderApplet, "COMPARE BINARY", on=cards.with_a_folder, sw=0x63C1)
def misses_a_counted_file(chip: Chip) -> Sending:
    return plain(chip, 0x33, 0x80 | COUNTED, 0, b"5678")


# --- records


@row(FolderApplet, "APPEND RECORD", on=cards.with_a_folder)
def adds_the_last_record(chip: Chip) -> Sending:
    return plain(chip, 0xE2, 0, cards.LINEAR << 3, b"\x03add")


@row(FolderApplet, "APPEND RECORD", on=cards.with_a_folder)
def writes_over_the_oldest_record(chip: Chip) -> Sending:
    return plain(chip, 0xE2, 0, cards.CYCLIC << 3, b"\x03add")


@row(FolderApplet, "UPDATE RECORD", on=cards.with_a_folder)
def replaces_a_record(chip: Chip) -> Sending:
    return plain(chip, 0xDC, 1, cards.LINEAR << 3 | 4, b"\x01upd")


# --- data objects


@row(FolderApplet, "PUT DATA", on=cards.with_a_folder)
def stores_an_object(chip: Chip) -> Sending:
    return plain(chip, 0xDA, 0, folders.FREE_TAG, b"anybody's")


@row(FolderApplet, "PUT DATA", on=cards.with_a_folder)
def replaces_an_object(chip: Chip) -> Sending:
    return owner(chip, 0xDA, folders.URL >> 8, folders.URL & 0xFF, b"https://a-longer-name.example/")


@row(FolderApplet, "PUT DATA", on=cards.with_a_folder)
def removes_an_object(chip: Chip) -> Sending:
    return owner(chip, 0xDA, folders.URL >> 8, folders.URL & 0xFF)


# --- passwords


@row(FolderApplet, "VERIFY", on=cards.with_a_folder)
def right_folder_password(chip: Chip) -> Sending:
    return folders.client(chip).connection, verify(PASSWORD)


@row(FolderApplet, "VERIFY", on=cards.with_a_folder, sw=0x63C1)
def wrong_folder_password(chip: Chip) -> Sending:
    return folders.client(chip).connection, verify(WRONG_PASSWORD)


@row(FolderApplet, "CHANGE REFERENCE DATA", on=cards.with_a_folder)
def right_old_folder_password(chip: Chip) -> Sending:
    return plain(chip, 0x24, 0, folders.PASSWORD, PASSWORD + NEW_PASSWORD)


@row(FolderApplet, "CHANGE REFERENCE DATA", on=cards.with_a_folder, sw=0x63C1)
def wrong_old_folder_password(chip: Chip) -> Sending:
    return plain(chip, 0x24, 0, folders.PASSWORD, WRONG_PASSWORD + NEW_PASSWORD)


@row(FolderApplet, "CHANGE REFERENCE DATA (new only)", on=cards.with_a_folder)
def sets_a_folder_password(chip: Chip) -> Sending:
    return owner(chip, 0x24, 1, folders.PASSWORD, NEW_PASSWORD)


@row(FolderApplet, "RESET RETRY COUNTER", on=cards.the_last_try_of_a_folder)
def with_a_new_folder_password(chip: Chip) -> Sending:
    return owner(chip, 0x2C, 2, cards.OWNERS_PASSWORD, NEW_PASSWORD)


@row(FolderApplet, "RESET RETRY COUNTER", on=cards.the_last_try_of_a_folder)
def with_the_folder_password_kept(chip: Chip) -> Sending:
    return owner(chip, 0x2C, 3, cards.OWNERS_PASSWORD)


@row(FolderApplet, "PUT DATA (password, key)", on=cards.with_a_folder)
def makes_a_password(chip: Chip) -> Sending:
    template = Tlv.build(0xA4, Tlv(0x83, b"\x83"), Tlv(0x95, b"\x08"))
    rules = Tlv(0xAB, folders.rules((0x20, folders.ALWAYS)).encode())
    return put(chip, Tlv.build(0x62, template, Tlv(0x80, bytes((4, 8, 3))), rules).encode())


# --- keys


@row(FolderApplet, "PUT DATA (password, key)", on=cards.the_last_try_of_a_folder)
def replaces_a_key_and_gives_back_its_tries(chip: Chip) -> Sending:
    return put(chip, folders.import_of(0xA4, 0x83, KEY, bytes(range(16, 32))))


@row(FolderApplet, "PUT DATA (password, key)", on=cards.with_a_folder)
def puts_in_a_private_key(chip: Chip) -> Sending:
    return put(chip, folders.import_of(0xB6, 0x84, cards.NEW_KEY_PAIR, bytes(range(2, 34))))


@row(FolderApplet, "GENERATE ASYMMETRIC KEY PAIR", on=cards.with_a_folder)
def for_signatures(chip: Chip) -> Sending:
    return owner(chip, 0x47, 0x80, 0, bytes((0xB6, 0x03, 0x84, 0x01, cards.NEW_KEY_PAIR)), 256)


@row(FolderApplet, "EXTERNAL AUTHENTICATE", on=cards.with_a_folder)
def right_key(chip: Chip) -> Sending:
    return prove(chip, folders.KEY_VALUE)


@row(FolderApplet, "EXTERNAL AUTHENTICATE", on=cards.the_last_try_of_a_folder)
def right_key_at_the_last_try(chip: Chip) -> Sending:
    return prove(chip, folders.KEY_VALUE)


@row(FolderApplet, "EXTERNAL AUTHENTICATE", on=cards.with_a_folder, sw=0x63C1)
def wrong_key(chip: Chip) -> Sending:
    return prove(chip, bytes(16))


@row(FolderApplet, "EXTERNAL AUTHENTICATE", on=cards.the_last_try_of_a_folder, sw=0x63C0)
def wrong_key_at_the_last_try(chip: Chip) -> Sending:
    return prove(chip, bytes(16))


# --- the life of files


@row(FolderApplet, "CREATE FILE", on=cards.with_a_folder)
def of_several_pages(chip: Chip) -> Sending:
    return owner(chip, CREATE, 0, 0, ef(NEW_FILE, 9000, ANYTHING, sfi=20).encode())


@row(FolderApplet, "CREATE FILE", on=cards.with_a_folder)
def of_records(chip: Chip) -> Sending:
    return owner(chip, CREATE, 0, 0, record_ef(NEW_FILE, 0x02, 8, 10, ANYTHING, sfi=20).encode())


@row(FolderApplet, "CREATE FILE", on=cards.with_a_folder)
def a_directory_in_another(chip: Chip) -> Sending:
    folder = folders.owner(chip)
    folder.select_path(*folders.NEST[:2])
    return folder.connection, CommandAPDU(0x00, CREATE, 0, 0, df(NEW_FILE, folders.rules()).encode())


@row(FolderApplet, "DELETE FILE", on=cards.with_a_folder)
def an_elementary_file(chip: Chip) -> Sending:
    return on_file(chip, DELETE, NOTICE)


@row(FolderApplet, "DELETE FILE", on=cards.with_a_folder)
def a_directory_with_all_that_is_in_it(chip: Chip) -> Sending:
    return on_file(chip, DELETE, folders.NEST[0])


@row(FolderApplet, "ACTIVATE FILE", on=cards.with_a_folder)
def one_that_is_being_made(chip: Chip) -> Sending:
    return on_file(chip, ACTIVATE, folders.UNFINISHED)


@row(FolderApplet, "ACTIVATE FILE", on=cards.with_a_deactivated_folder)
def the_folder_itself(chip: Chip) -> Sending:
    return owner(chip, ACTIVATE, 0, 0)


@row(FolderApplet, "DEACTIVATE FILE", on=cards.with_a_folder)
def an_active_one(chip: Chip) -> Sending:
    return on_file(chip, DEACTIVATE, OPEN)


@row(FolderApplet, "DEACTIVATE FILE", on=cards.with_a_folder)
def the_whole_folder(chip: Chip) -> Sending:
    return owner(chip, DEACTIVATE, 0, 0)


@row(FolderApplet, "TERMINATE EF", on=cards.with_a_folder)
def for_good(chip: Chip) -> Sending:
    return on_file(chip, TERMINATE_EF, OPEN)


@row(FolderApplet, "TERMINATE DF", on=cards.with_a_folder)
def a_directory(chip: Chip) -> Sending:
    return on_file(chip, TERMINATE_DF, folders.WORKBENCH)


@row(FolderApplet, "TERMINATE DF", on=cards.with_a_folder)
def the_folder_for_good(chip: Chip) -> Sending:
    return owner(chip, TERMINATE_DF, 0, 0)
