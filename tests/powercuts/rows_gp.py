"""The rows of the security domains."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp import layout as gp
from jukicard.applets.gp.applet import SecurityDomain
from jukicard.applets.library import layout as library
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.host import SecureConnection, StaticKeyring, open_scp03
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, StaticKeys, encrypt_sensitive
from jukicard.securechannel.scp11 import encode_point
from tests.powercuts import cards
from tests.powercuts.registry import Sending, row
from tests.support import chips
from tests.support.chains import private_key
from tests.support.chips import Chip

LATER = 20250101
NEW_KEYS = chips.static_keys("new")


def domain(chip: Chip, aid: AID = chips.CITY_DOMAIN, keys: StaticKeys = chips.CITY_KEYS) -> SecureConnection:
    chip.select(aid)
    return chip.scp03(keys)


def issuer(chip: Chip) -> SecureConnection:
    return domain(chip, chips.ISSUER, chips.ISSUER_KEYS)


def gp_command(ins: int, p1: int, p2: int, data: bytes) -> CommandAPDU:
    return CommandAPDU(0x80, ins, p1, p2, data, 256)


class _LastCommand(Exception):  # noqa: N818
    """A handshake has come to its last command."""

    def __init__(self, command: CommandAPDU) -> None:
        super().__init__()
        self.command = command


class _UntilLast(Chip):
    """Lets a handshake run up to EXTERNAL AUTHENTICATE."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip

    def transmit(self, command: bytes) -> bytes:
        parsed = CommandAPDU.parse(command)
        if parsed.ins == 0x82:
            raise _LastCommand(parsed)
        return self._chip.transmit(command)


def _last_of_handshake(chip: Chip, keys: StaticKeys) -> CommandAPDU:
    try:
        open_scp03(_UntilLast(chip), StaticKeyring(keys), host_challenge=bytes(8))
    except _LastCommand as last:
        return last.command
    raise AssertionError("the handshake has no EXTERNAL AUTHENTICATE")


@row(SecurityDomain, "INITIALIZE UPDATE", on=cards.blank)
def with_the_transport_keys(chip: Chip) -> Sending:
    return chip, gp_command(0x50, 0, 0, bytes(8))


@row(SecurityDomain, "INITIALIZE UPDATE", on=cards.active)
def through_an_application(chip: Chip) -> Sending:
    chip.select(chips.JUKI)
    return chip, gp_command(0x50, 0, 0, bytes(8))


@row(SecurityDomain, "EXTERNAL AUTHENTICATE", on=cards.active)
def ends_the_handshake(chip: Chip) -> Sending:
    chip.select(chips.CITY_DOMAIN)
    return chip, _last_of_handshake(chip, chips.CITY_KEYS)


@row(SecurityDomain, "EXTERNAL AUTHENTICATE", on=cards.active, sw=0x6988)
def damaged_on_its_way(chip: Chip) -> Sending:
    chip.select(chips.CITY_DOMAIN)
    last = _last_of_handshake(chip, chips.CITY_KEYS)
    return chip, CommandAPDU(
        last.cla, last.ins, last.p1, last.p2, last.data[:-1] + bytes((last.data[-1] ^ 1,)), last.ne
    )


@row(SecurityDomain, "PERFORM SECURITY OPERATION (verify certificate)", on=cards.active)
def moves_the_date_estimate(chip: Chip) -> Sending:
    chip.select(chips.JUKI)
    authority, leaf = chips.terminal(ca_start=LATER, start=LATER).certificates
    chips.say(chip, 0x80, 0x2A, chips.KVN, 0x80 | gp.KID_TERMINAL_ANCHOR, authority, sw=0x9000)
    return chip, gp_command(0x2A, chips.KVN, gp.KID_TERMINAL_ANCHOR, leaf)


@row(SecurityDomain, "PUT KEY (AES key set)", on=cards.blank)
def replaces_the_transport_keys(chip: Chip) -> Sending:
    session = chip.scp03(TRANSPORT_KEYS)
    return session, gp_command(0xD8, 0, 0x81, chips.key_set_data(1, chips.ISSUER_KEYS, TRANSPORT_KEYS.dek))


@row(SecurityDomain, "PUT KEY (AES key set)", on=cards.half_installed)
def first_of_its_domain(chip: Chip) -> Sending:
    session = domain(chip, cards.EMPTY_DOMAIN, chips.ISSUER_KEYS)
    return session, gp_command(0xD8, 0, 0x81, chips.key_set_data(1, NEW_KEYS, chips.ISSUER_KEYS.dek))


@row(SecurityDomain, "PUT KEY (AES key set)", on=cards.active)
def replaces_version_1_by_2(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xD8, 1, 0x81, chips.key_set_data(2, NEW_KEYS, chips.CITY_KEYS.dek))


@row(SecurityDomain, "PUT KEY (AES key set)", on=cards.active)
def replaces_version_1_by_1(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xD8, 1, 0x81, chips.key_set_data(1, NEW_KEYS, chips.CITY_KEYS.dek))


@row(SecurityDomain, "PUT KEY (AES key set)", on=cards.active, sw=0x6A80)
def whose_check_value_does_not_fit(chip: Chip) -> Sending:
    data = chips.key_set_data(1, NEW_KEYS, chips.CITY_KEYS.dek)
    return domain(chip), gp_command(0xD8, 1, 0x81, data[:-1] + bytes((data[-1] ^ 1,)))


def _anchor(kvn: int, key: ec.EllipticCurvePrivateKey) -> bytes:
    return bytes((kvn, gp.KEY_TYPE_EC_PUBLIC, 65)) + encode_point(key.public_key()) + b"\xf0\x01\0\0"


@row(SecurityDomain, "PUT KEY (EC key)", on=cards.active)
def adds_an_anchor(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xD8, 0, gp.KID_TERMINAL_ANCHOR, _anchor(2, private_key(3099)))


@row(SecurityDomain, "PUT KEY (EC key)", on=cards.active)
def replaces_an_anchor_and_its_date(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xD8, 1, gp.KID_TERMINAL_ANCHOR, _anchor(1, private_key(3099)))


@row(SecurityDomain, "PUT KEY (EC key)", on=cards.active)
def replaces_a_private_key(chip: Chip) -> Sending:
    scalar = private_key(3098).private_numbers().private_value.to_bytes(32)
    value = encrypt_sensitive(chips.CITY_KEYS.dek, scalar)
    data = bytes((1, gp.KEY_TYPE_EC_PRIVATE, len(value))) + value + b"\xf0\x01\0\0"
    return domain(chip), gp_command(0xD8, 1, gp.KID_SCP11A, data)


@row(SecurityDomain, "GENERATE EC KEY", on=cards.active)
def generates_anew(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xF1, 1, gp.KID_SCP11B, bytes((2, 0xF0, 0x01, 0x00)))


def _beside(kid: int, value: Tlv) -> bytes:
    reference = Tlv.build(gp.TAG_CONTROL_REFERENCE, Tlv(gp.TAG_KEY_REFERENCE, bytes((kid, chips.KVN))))
    return reference.encode() + value.encode()


@row(SecurityDomain, "STORE DATA", on=cards.active)
def sets_the_date_estimate(chip: Chip) -> Sending:
    date = Tlv(gp.TAG_DATE_ESTIMATE, bytes.fromhex(str(LATER)))
    return domain(chip), gp_command(0xE2, 0x90, 0, _beside(gp.KID_TERMINAL_ANCHOR, date))


@row(SecurityDomain, "STORE DATA", on=cards.active)
def stores_certificates(chip: Chip) -> Sending:
    chain = Tlv(gp.TAG_CERTIFICATES, b"".join(chips.terminal().certificates))
    return domain(chip), gp_command(0xE2, 0x90, 0, _beside(gp.KID_SCP11A, chain))


@row(SecurityDomain, "STORE DATA", on=cards.half_installed)
def personalises_an_application(chip: Chip) -> Sending:
    session = domain(chip)
    named = b"\0\0" + bytes((len(bytes(cards.SECOND_LIBRARY)),)) + bytes(cards.SECOND_LIBRARY) + b"\0\0\0"
    chips.say(session, 0x80, 0xE6, 0x20, 0x00, named, sw=0x9000)
    return session, gp_command(0xE2, 0x90, 0, b"0000099999")


@row(SecurityDomain, "DELETE", on=cards.with_a_loan)
def of_an_application_with_its_files(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xE4, 0, 0, Tlv(0x4F, bytes(chips.LIBRARY)).encode())


@row(SecurityDomain, "DELETE", on=cards.active)
def of_a_key_with_what_is_beside_it(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xE4, 0, 0, bytes((0xD0, 1, gp.KID_TERMINAL_ANCHOR)))


@row(SecurityDomain, "DELETE", on=cards.active)
def of_all_keys(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xE4, 0, 1, bytes((0xD2, 1, chips.KVN)))


@row(SecurityDomain, "DELETE", on=cards.active, sw=0x6985)
def of_the_last_key_set(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xE4, 0, 0, bytes((0xD2, 1, chips.KVN)))


@row(SecurityDomain, "INSTALL [for install (and make selectable)]", on=cards.active)
def of_an_application(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xE6, 0x0C, 0, chips.install_data(library.MODULE, cards.SECOND_LIBRARY))


@row(SecurityDomain, "INSTALL [for install (and make selectable)]", on=cards.blank)
def of_a_domain(chip: Chip) -> Sending:
    data = chips.install_data(gp.DOMAIN_MODULE, chips.CITY_DOMAIN, b"\xc0\x40\x00")
    return chip.scp03(TRANSPORT_KEYS), gp_command(0xE6, 0x0C, 0, data)


@row(SecurityDomain, "INSTALL [for install (and make selectable)]", on=cards.active, sw=0x6A80)
def under_a_name_that_is_taken(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xE6, 0x0C, 0, chips.install_data(library.MODULE, chips.LIBRARY))


@row(SecurityDomain, "INSTALL [for make selectable]", on=cards.half_installed)
def makes_it_selectable(chip: Chip) -> Sending:
    named = b"\0\0" + bytes((len(bytes(cards.SECOND_LIBRARY)),)) + bytes(cards.SECOND_LIBRARY) + b"\0\0\0"
    return domain(chip), gp_command(0xE6, 0x08, 0, named)


@row(SecurityDomain, "SET STATUS (application)", on=cards.active)
def locks_an_application(chip: Chip) -> Sending:
    return domain(chip), gp_command(0xF0, 0x40, 0x80, bytes(chips.LIBRARY))


@row(SecurityDomain, "SET STATUS (card)", on=cards.active)
def terminates_the_card(chip: Chip) -> Sending:
    return issuer(chip), gp_command(0xF0, 0x80, 0xFF, b"")


@row(SecurityDomain, "SET STATUS (card)", on=cards.blank)
def initialises_the_card(chip: Chip) -> Sending:
    return chip.scp03(TRANSPORT_KEYS), gp_command(0xF0, 0x80, 0x07, b"")
