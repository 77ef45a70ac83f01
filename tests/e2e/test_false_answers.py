"""Answers that one card alone would give: false certificates, replayed sessions, lists and texts without measure."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

import pytest

from jukicard.applets.gp.client import MAX_STATUS_ANSWERS, DomainClient, EncryptedKey
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, KID_SCP11A, TAG_CARD_NUMBER
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.library.client import LibraryClient
from jukicard.commands.cardinfo import public_facts
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import ApduLimits, CardConnection, ConnectionWrapper
from jukicard.iso7816.errors import AuthenticationFailed, MalformedResponse
from jukicard.iso7816.tlv import Tlv
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.counter.authentication import CardDialogue, authenticate
from jukicard.issuer.errors import CardSpoilt
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.line.personalise import chip_number
from jukicard.issuer.line.plan import CHANNEL_KVN
from jukicard.issuer.line.provers import card_channel_key, ephemeral_key
from jukicard.securechannel.certificates import LeafUsage, verify_chain
from jukicard.securechannel.host import StaticKeyring, open_scp03
from jukicard.securechannel.scp03 import TRANSPORT_KEYS
from tests.support.chains import leaf, private_key
from tests.support.foreign_cards import ISD, Applications, ForeignCard, globalplatform
from tests.support.hostile_card import HostileCard
from tests.support.issued import TODAY, Office

OK = b"\x90\x00"
OTHER = "799201000000002"
Chain = tuple[bytes, ...]


# --- false certificates


class ShowsCertificates(ConnectionWrapper):
    """A card that shows other certificates than its own, and remembers what it was sent."""

    def __init__(self, inner: CardConnection, authentication: Chain | None, channel: Chain | None) -> None:
        super().__init__(inner)
        self.commands: list[CommandAPDU] = []
        self._file = None if authentication is None else b"".join(authentication).ljust(2048, b"\0")
        self._channel = None if channel is None else Tlv(0xBF21, b"".join(channel)).encode()

    def transmit(self, command: bytes) -> bytes:
        asked = CommandAPDU.parse(command)
        self.commands.append(asked)
        if self._file is not None and asked.ins == 0xB0 and asked.cla == 0:
            start = 0 if asked.p1 & 0x80 else asked.p1 << 8 | asked.p2
            return self._file[start : start + 256] + OK
        if self._channel is not None and command[:4] == b"\x80\xca\xbf\x21":
            return self._channel + OK
        return self.inner.transmit(command)


@dataclass
class Genuine:
    """An active card, its office, and what certificates can be made from."""

    office: Office
    connection: CardConnection

    def __post_init__(self) -> None:
        client = JukiClient(standard(self.connection))
        client.select()
        self.authentication = client.authentication_certificates()
        self.channel = client.certificates(KID_SCP11A, CHANNEL_KVN)
        anchor = self.office.authority.anchor(Area.JUKI)
        usages = (LeafUsage.DIGITAL_SIGNATURE, LeafUsage.KEY_AGREEMENT)
        self.keys = [
            verify_chain(anchor, chain, today=None, usage=usage).public_key
            for chain, usage in zip((self.authentication, self.channel), usages, strict=True)
        ]

    def certified(self, serial: str, last_day: dt.date) -> tuple[Chain, Chain]:
        """The card's own keys, certified by its own city under other facts."""
        authority, state = self.office.authority, self.office.card_state
        leaves = (
            authority.certify_card(Area.JUKI, profile, serial, key, not_before=state.issued_on, not_after=last_day)
            for profile, key in zip((x.CARD_AUTHENTICATION, x.CARD_CHANNEL), self.keys, strict=True)
        )
        authentication, channel = ((*authority.card_authorities(Area.JUKI), der) for der in leaves)
        return authentication, channel


@pytest.fixture
def genuine(active: Office) -> Iterator[Genuine]:
    with active.emulator() as connection:
        yield Genuine(active, connection)


def _self_signed(genuine: Genuine) -> Chain:
    key = private_key(77)
    return (leaf("Juki card 799201000000001", "Juki card 799201000000001", key, usage="digital_signature").signed(key),)


FALSE: Mapping[str, tuple[Callable[[Genuine], tuple[Chain | None, Chain | None]], str, str]] = {
    "none": (lambda g: ((), None), "card certificate", "the chain is empty"),
    "no channel certificates": (lambda g: (None, ()), "card certificate", "the chain is empty"),
    "self-signed": (lambda g: (_self_signed(g), None), "card certificate", "the signature is wrong"),
    "below the card's own CA, self-signed": (
        lambda g: ((g.authentication[0], *_self_signed(g)), None),
        "card certificate",
        "the signature is wrong",
    ),
    "a CA's alone": (
        lambda g: (g.authentication[:1], None),
        "card certificate",
        "the last certificate is an authority",
    ),
    "in the wrong order": (lambda g: (g.authentication[::-1], None), "card certificate", "the signature is wrong"),
    "the leaf without its CA": (lambda g: (g.authentication[1:], None), "card certificate", "the signature is wrong"),
    "its CA twice": (
        lambda g: (g.authentication[:1] * 2 + g.authentication, None),
        "card certificate",
        "the signature is wrong",
    ),
    "a terminal's": (
        lambda g: (None, tuple(g.office.authority.terminal_key("counter").certificates)),
        "card certificate",
        "a terminal's, not a card's",
    ),
    "the channel key's for the authentication key": (
        lambda g: (g.channel, None),
        "card certificate",
        "the key usage does not fit",
    ),
    "the authentication key's for the channel key": (
        lambda g: (None, g.authentication),
        "card certificate",
        "the key usage does not fit",
    ),
    "another card's authentication certificates": (
        lambda g: (g.certified(OTHER, g.office.card_state.expires)[0], None),
        "card certificate",
        "the channel key is another card's",
    ),
    "another card's channel certificates": (
        lambda g: (None, g.certified(OTHER, g.office.card_state.expires)[1]),
        "card certificate",
        "the channel key is another card's",
    ),
    "another card's, both": (
        lambda g: g.certified(OTHER, g.office.card_state.expires),
        "card data",
        "serial or city are not those of the card's certificate",
    ),
    "of the same card, with another last day": (
        lambda g: g.certified("799201000000001", TODAY),
        "card data",
        "its expiry is not that of the card's certificate",
    ),
}


@pytest.mark.parametrize("what", FALSE)
def test_false_certificates_are_found_out_before_the_password_is_asked_for(genuine: Genuine, what: str) -> None:
    make, step, reason = FALSE[what]
    card = ShowsCertificates(genuine.connection, *make(genuine))
    dialogue = CardDialogue(genuine.office.authority, card, os.urandom, today=TODAY)

    def ask() -> str:
        raise AssertionError("the password was asked for")

    with pytest.raises(AuthenticationFailed, match=reason) as caught:
        authenticate(dialogue, ask)
    assert caught.value.step == step
    assert not [command for command in card.commands if command.ins in (0x20, 0x24, 0x2C)]
    assert dialogue.result.resident_code is None


def test_an_expired_certificate_proves_no_card_that_is_to_be_used(genuine: Genuine) -> None:
    card = ShowsCertificates(genuine.connection, *genuine.certified("799201000000001", TODAY))
    client = JukiClient(standard(card))
    client.select()
    card_channel_key(client, genuine.office.authority, today=TODAY)
    with pytest.raises(AuthenticationFailed, match="expired"):
        card_channel_key(client, genuine.office.authority, today=TODAY + dt.timedelta(days=1))


@pytest.mark.parametrize("key", ["authentication", "channel"])
def test_a_chip_that_shows_another_cards_certificates_in_issuing_is_spoilt(
    blank: Office, genuine: Genuine, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Such a chip lies within its own secure channel, so it is the client's answer that is exchanged here."""

    def certified(profile: x.Profile) -> Chain:
        authority, day = blank.authority, TODAY + dt.timedelta(days=3000)
        number = {x.CARD_AUTHENTICATION: 0, x.CARD_CHANNEL: 1}[profile]
        der = authority.certify_card(Area.JUKI, profile, OTHER, genuine.keys[number], not_before=TODAY, not_after=day)
        return (*authority.card_authorities(Area.JUKI), der)

    if key == "authentication":
        chain = certified(x.CARD_AUTHENTICATION)
        monkeypatch.setattr(JukiClient, "authentication_certificates", lambda client: chain)
    else:
        chain = certified(x.CARD_CHANNEL)
        monkeypatch.setattr(JukiClient, "certificates", lambda client, kid, kvn: chain)
    with blank.emulator() as connection, pytest.raises(CardSpoilt, match="another card's"):
        blank.issue(connection)
    assert blank.card_state.status is Status.SPOILT


# --- replays


class Replays(ConnectionWrapper):
    """Answers as in a session that was recorded, whatever it is asked."""

    def __init__(self, recorded: HostileCard) -> None:
        super().__init__(recorded.inner)
        self.answers = iter(recorded.truths)
        self.commands: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(command)
        return next(self.answers)


def test_a_recorded_authentication_is_worth_nothing_in_another_one(active: Office) -> None:
    with active.emulator() as connection:
        recorded = HostileCard(connection)
        assert active.authenticate(recorded, seed="recorded").password_ok
        again = Replays(recorded)
        with pytest.raises(AuthenticationFailed) as caught:
            active.authenticate(again, seed="another")
        assert caught.value.step == "card authentication"
        assert active.authenticate(Replays(recorded), seed="recorded").password_ok, (
            "the same challenges: the same again"
        )


def test_a_recorded_key_agreement_opens_no_channel(active: Office) -> None:
    terminal = active.authority.terminal_key("counter")
    with active.emulator() as connection:
        recorded = HostileCard(connection)
        for card, random in ((recorded, lambda n: b"\x01" * n), (Replays(recorded), lambda n: b"\x02" * n)):
            client = JukiClient(standard(card))
            client.select()
            key = card_channel_key(client, active.authority, today=TODAY).public_key
            if card is recorded:
                client.open_scp11a(terminal, key, ephemeral_key(random))
                continue
            with pytest.raises(AuthenticationFailed) as caught:
                client.open_scp11a(terminal, key, ephemeral_key(random))
            assert caught.value.step == "receipt"


def test_a_recorded_scp03_handshake_opens_no_channel_and_no_try_is_asked_of_the_card(blank: Office) -> None:
    keyring = StaticKeyring(TRANSPORT_KEYS)
    with blank.emulator() as connection:
        recorded = HostileCard(connection)
        open_scp03(recorded, keyring, host_challenge=bytes(8))
    again = Replays(recorded)
    with pytest.raises(AuthenticationFailed) as caught:
        open_scp03(again, keyring, host_challenge=bytes(7) + b"\x01")
    assert caught.value.step == "card cryptogram"
    assert [command[1] for command in again.commands] == [0x50]


def test_every_challenge_of_ours_is_a_fresh_one(blank: Office) -> None:
    """SCP03's host challenge, SCP11's ephemeral key, and what the card's key signs: none is ever used twice."""
    numbers = count()
    with blank.emulator() as connection:
        card = HostileCard(connection)
        blank.issue(card)
        blank.hand_over(card)
        for _ in range(3):
            blank.authenticate(card, seed=next(numbers))
    challenges = [command for command in card.commands if command[:2] == b"\x80\x50" or command[:2] == b"\x00\x88"]
    agreements = [command for command in card.commands if command[:2] == b"\x80\x82" and b"\x5f\x49" in command]
    assert (len(challenges), len(agreements)) >= (10, 5)
    assert len(set(challenges)) == len(challenges)
    assert len(set(agreements)) == len(agreements)


# --- lists, texts and numbers without measure


def answering(*answers: str) -> ForeignCard:
    """A card that gives these answers in turn, and the last one for ever."""
    left = list(answers)
    return ForeignCard("3B00", lambda command: bytes.fromhex(left.pop(0) if len(left) > 1 else left[0]))


@pytest.mark.parametrize("answer", ["", "BF2100" * 2, "E000", "BF2101", "BF21013030", "BF2184FFFFFFFF", "00"])
def test_certificates_that_are_none_are_malformed(answer: str) -> None:
    with pytest.raises(MalformedResponse):
        DomainClient(answering(answer + "9000"), ISSUER_DOMAIN_AID).certificates(0x11, 1)


@pytest.mark.parametrize("answer", ["", "BF2100", "E003C00101", "E0", "E002C000", "C0020101"])
def test_key_information_that_is_none_is_malformed(answer: str) -> None:
    with pytest.raises(MalformedResponse):
        DomainClient(answering(answer + "9000"), ISSUER_DOMAIN_AID).key_references()


@pytest.mark.parametrize("answer", ["E3", "E3054F03A00000", "4F00", "E38180", "E30A4F05A0000000019F7000", "FF" * 20])
def test_a_status_that_is_none_is_malformed(answer: str) -> None:
    with pytest.raises(MalformedResponse):
        DomainClient(answering(answer + "9000"), ISSUER_DOMAIN_AID).status(0x40)


LOAD_FILE = "E3{:02X}4F05F0000000019F700101CE020001{}"


@pytest.mark.parametrize("answer", ["E3", LOAD_FILE.format(16, ""), LOAD_FILE.format(18, "CC00"), "4F00", "FF" * 20])
def test_a_list_of_load_files_that_is_none_is_malformed(answer: str) -> None:
    with pytest.raises(MalformedResponse):
        DomainClient(answering(answer + "9000"), ISSUER_DOMAIN_AID).load_files()


@pytest.mark.parametrize("answer", ["", "BF6200" * 2, "BF6203820180", "BF620382011B", "BF62028201", "BF6101"])
def test_purposes_that_are_none_are_malformed(answer: str) -> None:
    with pytest.raises(MalformedResponse):
        DomainClient(answering(answer + "9000"), ISSUER_DOMAIN_AID).purposes()


@pytest.mark.parametrize("answer", ["01", "0100", "20" + "00" * 32, "FF" * 10, "1A10" + "00" * 25])
def test_a_confirmation_that_is_none_is_malformed(answer: str) -> None:
    domain = DomainClient(answering(answer + "9000"), ISSUER_DOMAIN_AID)
    for change in (
        lambda: domain.install(ISSUER_DOMAIN_AID, ISSUER_DOMAIN_AID),
        lambda: domain.load(b"C4"),
        lambda: domain.extradite(ISSUER_DOMAIN_AID, ISSUER_DOMAIN_AID),
        lambda: domain.delete(ISSUER_DOMAIN_AID),
    ):
        with pytest.raises(MalformedResponse):
            change()


@pytest.mark.parametrize("answer", ["", "01", "01ABCDEE", "02ABCDEF", "01ABCDEF00"])
def test_a_check_value_that_is_another_is_malformed(answer: str) -> None:
    key = EncryptedKey(16, bytes(16), bytes.fromhex("ABCDEF"))
    with pytest.raises(MalformedResponse):
        DomainClient(answering(answer + "9000"), ISSUER_DOMAIN_AID).put_aes_key(0x22, 1, key)


def test_a_status_list_without_end_is_given_up() -> None:
    card = answering("E3134F08A0000001510000009F700107C503000000" + "6310")
    with pytest.raises(MalformedResponse, match="did not end"):
        DomainClient(card, ISSUER_DOMAIN_AID).status(0x40)
    assert len(card.commands) == MAX_STATUS_ANSWERS


@pytest.mark.parametrize("stored", ["", "4500", "45084A55", "450100", "4581FF" + "00" * 255, "45" + "0900" + "00" * 8])
def test_a_chip_number_that_is_none_is_malformed(stored: str) -> None:
    card = ForeignCard("3B00", Applications({ISD: ("", {TAG_CARD_NUMBER: stored}, {})}))
    with pytest.raises(MalformedResponse):
        chip_number(card)


@pytest.mark.parametrize("number", [b"", b"123", b"\xff" * 10, "１２３".encode() + b"4", b"12345678901"])
def test_a_patrons_number_that_is_none_is_malformed(number: bytes) -> None:
    with pytest.raises(MalformedResponse):
        LibraryClient(answering(number.hex() + "9000"), "99201").patron_number()


def test_a_version_without_measure_is_no_version() -> None:
    """65,000 bytes of one number: neither time nor an error."""
    oid = Tlv(0x06, bytes.fromhex("2A864886FC6B02") + b"\xff" * 60_000 + b"\x01")
    inner = Tlv.build(0x73, Tlv.build(0x60, oid))
    card = globalplatform()
    card.respond.extended = True  # type: ignore[attr-defined]
    card.respond.applications[ISD][1][0x66] = Tlv.build(0x66, inner).encode().hex()  # type: ignore[attr-defined]
    assert public_facts(card)["globalplatform"] is None


def test_a_directory_without_end_is_read_in_measure() -> None:
    card = globalplatform()
    inner = card.respond

    def respond(command: CommandAPDU) -> bytes:
        if command.ins == 0xA4 and command.p1 == 0:
            return OK
        return bytes(65_536) + OK if command.ins == 0xB0 else inner(command)

    card.respond, card.limits = respond, ApduLimits.EXTENDED
    assert public_facts(card)["applications"] == []
    assert sum(command.ins == 0xB0 for command in card.commands) <= 32


def test_what_a_card_calls_itself_cannot_command_the_terminal() -> None:
    """Control characters of either kind, and those that turn the direction of writing round."""
    label = "\x1b[2J\x1b]0;title\x07\x9b31mLib\u202erary".encode()
    entry = Tlv.build(0x61, Tlv(0x4F, bytes.fromhex("F001020304")), Tlv(0x50, label)).encode()
    card = globalplatform()
    inner = card.respond

    def respond(command: CommandAPDU) -> bytes:
        if command.ins == 0xA4 and command.p1 == 0:
            return OK
        if command.ins == 0xB0:
            return entry + OK if (command.p1, command.p2) == (0, 0) else b"\x6b\x00"
        return inner(command)

    card.respond = respond
    (found,) = public_facts(card)["applications"]  # type: ignore[misc]
    assert found["label"].isprintable()
    assert found["label"].endswith("rary")
    assert all(character.isprintable() for character in json.dumps(found, ensure_ascii=False))
