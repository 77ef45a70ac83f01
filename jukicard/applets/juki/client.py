"""A terminal's view of the Juki application: one method per command."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp.client import ALL, PasswordClient
from jukicard.applets.juki import layout
from jukicard.applets.juki.records import CardData, CardStatus, RecordError, authentication_message
from jukicard.applets.service.client import KeyPairClient
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.iso7816.errors import AuthenticationFailed, MalformedResponse, check
from jukicard.securechannel.signatures import is_signed_by

R = TypeVar("R", CardData, CardStatus)


class JukiClient(PasswordClient, KeyPairClient):
    """The Juki application (住基AP).  `password` arguments are the holder's 4 digits as ASCII."""

    def __init__(self, connection: CardConnection) -> None:
        super().__init__(connection, layout.JUKI_AID)

    def authentication_certificates(self) -> tuple[bytes, ...]:
        """Return the certificates of the authentication key (DER, leaf last), which anybody may read."""
        return self.read_certificates(0x02, layout.CERTIFICATES_SIZE)

    def card_data(self) -> CardData:
        """Read EF.CARD, in a session."""
        return _parsed(CardData.parse, self.read_file(0x06, CardData.SIZE, "reading EF.CARD"))

    def status(self) -> CardStatus:
        """Read EF.STATUS, in a session."""
        return _parsed(CardStatus.parse, self.read_file(0x07, CardStatus.SIZE, "reading EF.STATUS"))

    def resident_code(self) -> bytes:
        """Read the resident code (11 ASCII digits): right `identify`, password verified, encrypted session."""
        return self.read_file(0x01, layout.CODE_SIZE, "reading the resident code")

    def matches(self, resident_code: bytes) -> bool:
        """Compare a resident code with the card's, for a terminal with the right `match`; a miss costs one of few
        tries.
        """
        command = CommandAPDU(0x00, 0x33, 0x81, 0x00, resident_code)
        response = send(self.connection, command)
        if response.sw.tries_left is not None:
            return False
        check(response, "COMPARE")
        return True

    def authenticate_card(self, challenge: bytes, key: ec.EllipticCurvePublicKey) -> None:
        """Make the card sign a fresh challenge (16 bytes or more) with its authentication key, or raise."""
        command = CommandAPDU(0x00, 0x88, 0x00, layout.AUTHENTICATION_KEY, challenge, ALL)
        signature = self.command(command, "INTERNAL AUTHENTICATE").data
        if len(signature) != layout.SIGNATURE_SIZE:
            raise MalformedResponse("INTERNAL AUTHENTICATE: a signature has 64 bytes")
        if not is_signed_by(key, signature, authentication_message(challenge)):
            raise AuthenticationFailed("card authentication", "the card has not the key of its certificate")

    def generate_authentication_key(self) -> ec.EllipticCurvePublicKey:
        """Let the card generate its authentication key, in personalisation, once; or return the one that it has
        generated.
        """
        return self.generate_key_pair(layout.AUTHENTICATION_KEY)

    def write(self, sfi: int, content: bytes, what: str) -> None:
        """Write a file from its start, in personalisation."""
        self.command(CommandAPDU(0x00, 0xD6, 0x80 | sfi, 0x00, content), f"writing {what}")

    def activate(self) -> None:
        """Close personalisation; or resume a suspended card, for a terminal with the right `resume`."""
        self.command(CommandAPDU(0x00, 0x44, 0x00, 0x00), "ACTIVATE")

    def suspend(self) -> None:
        """Suspend an active card, for a terminal with the right `suspend`."""
        self.command(CommandAPDU(0x00, 0x04, 0x00, 0x00), "DEACTIVATE")

    def void(self) -> None:
        """Make the card void for good, for a terminal with the right `void`."""
        self.command(CommandAPDU(0x00, 0xE6, 0x00, 0x00), "TERMINATE")

    def move(self, city_code: str) -> None:
        """Enter the municipality that takes the card over, for a terminal with the right `move`."""
        p1, p2 = layout.MOVE_TAG.to_bytes(2)
        self.command(CommandAPDU(0x00, 0xDA, p1, p2, city_code.encode()), "entering the new municipality")


def _parsed(parse: Callable[[bytes], R], content: bytes) -> R:
    try:
        return parse(content)
    except RecordError as error:
        raise MalformedResponse(str(error)) from None
