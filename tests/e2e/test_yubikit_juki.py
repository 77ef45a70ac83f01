"""Unmodified yubikit speaks with the Juki application of an issued card, over SCP11a and SCP11b."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from yubikit.core import TRANSPORT, Tlv, Version
from yubikit.core.smartcard import ApduError, SmartCardConnection, SmartCardProtocol
from yubikit.core.smartcard.scp import KeyRef, Scp11KeyParams, ScpKid

from jukicard.applets.gp.layout import JUKI_DOMAIN_AID
from jukicard.applets.juki.layout import JUKI_AID
from jukicard.applets.juki.records import CardData
from jukicard.card.store import MemoryStore
from jukicard.reader.chip import Interface
from jukicard.securechannel.authorization import Right, Role
from tests.support.chains import authority, leaf, private_key
from tests.support.inserted import inserted
from tests.support.issued import PASSWORD, TODAY, Office, new_card
from tests.support.pcscd import PrivatePcscd
from tests.support.yubikit_host import InProcess, through_pcsc

KEY_11A, KEY_11B, ANCHOR = KeyRef(ScpKid.SCP11a, 0x01), KeyRef(ScpKid.SCP11b, 0x01), KeyRef(0x10, 0x01)
VERIFY, EF_CODE, EF_CARD, EF_STATUS = (0, 0x20, 0, 0x81), (0, 0xB0, 0x81, 0), (0, 0xB0, 0x86, 0), (0, 0xB0, 0x87, 0)


@pytest.fixture(params=["in process", "pcscd"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[TRANSPORT.USB, TRANSPORT.NFC], ids=["USB", "NFC"])
def connection(request: pytest.FixtureRequest, way: str, active: Office) -> Iterator[SmartCardConnection]:
    """The active card of the office, as yubikit reaches it."""
    transport: TRANSPORT = request.param
    chip = new_card(MemoryStore(active.cells))
    if way == "in process":
        yield InProcess(chip, transport)
        return
    pcscd: PrivatePcscd = request.getfixturevalue("real_pcscd")
    interface = Interface.CONTACT if transport is TRANSPORT.USB else Interface.CONTACTLESS
    with ExitStack() as stack:
        card = stack.enter_context(inserted(pcscd, chip, interface=interface))
        yield stack.enter_context(through_pcsc(card.reader_name, transport))


def protocol_of(connection: SmartCardConnection) -> SmartCardProtocol:
    protocol = SmartCardProtocol(connection)
    protocol.configure(Version(5, 7, 2))
    return protocol


def certified_key(protocol: SmartCardProtocol, reference: KeyRef, office: Office) -> ec.EllipticCurvePublicKey:
    """The card's key, from the certificates that the Juki domain gives out, verified by the test's own hand."""
    protocol.select(bytes(JUKI_DOMAIN_AID))
    stored = protocol.send_apdu(0, 0xCA, 0xBF, 0x21, Tlv(0xA6, Tlv(0x83, reference)))
    chain = [x509.load_der_x509_certificate(der) for der in Tlv.parse_list(stored)]
    above = x509.load_der_x509_certificate(office.authority.national_root)
    assert len(chain) == 2
    for certificate in chain:
        certificate.verify_directly_issued_by(above)
        above = certificate
    public = above.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return public


def exported_terminal(office: Office, name: str) -> tuple[ec.EllipticCurvePrivateKey, list[x509.Certificate]]:
    pem = office.authority.export_terminal(name, with_key=True)
    key = load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key, x509.load_pem_x509_certificates(pem[pem.index(b"-----BEGIN CERTIFICATE") :])


def open_scp11a(
    connection: SmartCardConnection,
    office: Office,
    terminal: tuple[ec.EllipticCurvePrivateKey, list[x509.Certificate]],
) -> SmartCardProtocol:
    protocol = protocol_of(connection)
    card_key = certified_key(protocol, KEY_11A, office)
    protocol.select(bytes(JUKI_AID))
    protocol.init_scp(Scp11KeyParams(KEY_11A, card_key, ANCHOR, *terminal))
    return protocol


def refusal(protocol: SmartCardProtocol, *command: int, data: bytes = b"") -> int:
    with pytest.raises(ApduError) as refused:
        protocol.send_apdu(*command, data)
    return int(refused.value.sw)


def test_the_counter_terminal_reads_the_card_over_scp11a(connection: SmartCardConnection, active: Office) -> None:
    protocol = open_scp11a(connection, active, exported_terminal(active, "counter"))
    data = CardData.parse(protocol.send_apdu(*EF_CARD))
    assert (data.serial, data.city_code) == (active.card_state.serial, "99201")
    assert protocol.send_apdu(*EF_STATUS)[0] == 2
    assert refusal(protocol, *EF_CODE) == 0x6982
    assert refusal(protocol, *VERIFY) == 0x63C3
    protocol.send_apdu(*VERIFY, PASSWORD.encode())
    assert protocol.send_apdu(*EF_CODE).decode() == active.code
    if isinstance(connection, InProcess):
        wire = b"".join(connection.sent)
        assert PASSWORD.encode() not in wire
        assert active.code.encode() not in wire
    # a new selection leaves nothing of the session
    protocol = protocol_of(connection)
    protocol.select(bytes(JUKI_AID))
    for command in (EF_CODE, EF_CARD, EF_STATUS):
        assert refusal(protocol, *command) == 0x6982


def test_a_terminal_without_the_right_gets_no_further(connection: SmartCardConnection, active: Office) -> None:
    active.authority.new_terminal("gate", Role.KIOSK, frozenset({Right.MOVE}), not_before=TODAY)
    protocol = open_scp11a(connection, active, exported_terminal(active, "gate"))
    CardData.parse(protocol.send_apdu(*EF_CARD))
    protocol.send_apdu(*VERIFY, PASSWORD.encode())
    assert refusal(protocol, *EF_CODE) == 0x6982


def test_a_foreign_terminal_is_refused(connection: SmartCardConnection, active: Office) -> None:
    root, key = private_key(601), private_key(602)
    foreign = [
        x509.load_der_x509_certificate(authority("CA", "Foreign Root", root).signed(root)),
        x509.load_der_x509_certificate(leaf("OCE", "CA", key).signed(root)),
    ]
    for terminal in (
        (key, foreign),
        (key, foreign[-1:]),
        exported_terminal(active, "municipal-service"),  # genuine, but of the municipality's own root
        (key, [exported_terminal(active, "counter")[1][0], foreign[-1]]),  # below a genuine CA that did not sign it
    ):
        with pytest.raises(ApduError) as refused:
            open_scp11a(connection, active, terminal)
        assert refused.value.sw == 0x6982


def test_scp11b_proves_the_card_and_gives_nobody_a_right(connection: SmartCardConnection, active: Office) -> None:
    protocol = protocol_of(connection)
    card_key = certified_key(protocol, KEY_11B, active)
    assert card_key != certified_key(protocol, KEY_11A, active)
    protocol.select(bytes(JUKI_AID))
    protocol.init_scp(Scp11KeyParams(KEY_11B, card_key))
    # inside the channel: what is free comes encrypted, and nothing more than that
    assert protocol.send_apdu(0, 0xB0, 0x82, 0)[:1] == b"\x30"
    for command in (EF_CARD, EF_STATUS, EF_CODE):
        assert refusal(protocol, *command) == 0x6982
    for _ in range(4):  # it cannot burn the holder's tries
        assert refusal(protocol, *VERIFY, data=b"0000") == 0x6982
    assert refusal(protocol, *VERIFY) == 0x63C3
