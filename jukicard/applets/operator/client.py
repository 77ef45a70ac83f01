"""The host's view of an operator card: one method per command."""

from __future__ import annotations

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp.client import ALL, PasswordClient
from jukicard.applets.operator import layout
from jukicard.applets.operator.records import SERIAL_SIZE, OperatorState, is_operator_serial
from jukicard.applets.service.client import KeyPairClient
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, MalformedResponse
from jukicard.securechannel.signatures import is_signed_by


class OperatorClient(PasswordClient, KeyPairClient):
    """The operator application.  A password has 6 to 16 printable ASCII characters."""

    def __init__(self, connection: CardConnection) -> None:
        super().__init__(connection, layout.OPERATOR_AID)

    def signature_certificates(self) -> tuple[bytes, ...]:
        """Return the certificates of the signature key (DER, leaf last), which anybody may read."""
        return self.read_certificates(layout.EF_CERTIFICATES, layout.CERTIFICATES_SIZE)

    def serial(self) -> str:
        """Read the card's serial (15 digits), in a session."""
        serial = self.read_file(layout.EF_SERIAL, SERIAL_SIZE, "reading EF.SERIAL").decode("ascii", "replace")
        if not is_operator_serial(serial):
            raise MalformedResponse("EF.SERIAL: not an operator card's serial")
        return serial

    def status(self) -> OperatorState:
        """Read the card's state, in a session."""
        (state,) = self.read_file(layout.EF_STATUS, 1, "reading EF.STATUS")
        try:
            return OperatorState(state)
        except ValueError:
            raise MalformedResponse("EF.STATUS: an unknown state") from None

    def verify_password(self, password: str) -> None:
        """Log in, in a session; `PasswordWrong` tells the tries left, `PasswordBlocked` that there are none."""
        self.verify(layout.PASSWORD, password.encode())

    def set_password(self, password: str) -> None:
        """Set the first password, for a terminal with the right to; or a new one, once the old one is verified."""
        self.set_initial_password(layout.PASSWORD, password.encode())

    def sign(self, message: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
        """Have a message signed (r and s, 64 bytes), with the password verified.

        AuthenticationFailed where the signature is not that of the card's certified key.
        """
        command = CommandAPDU(0x00, 0x2A, 0x9E, 0x9A, sha256(message).digest(), ALL)
        signature = self.command(command, "COMPUTE DIGITAL SIGNATURE").data
        if not is_signed_by(key, signature, message):
            raise AuthenticationFailed("operator's signature", "the card has not the key of its certificate")
        return signature

    def write(self, sfi: int, content: bytes, what: str) -> None:
        """Write a file from its start, in personalisation."""
        self.command(CommandAPDU(0x00, 0xD6, 0x80 | sfi, 0x00, content), f"writing {what}")

    def activate(self) -> None:
        """Close personalisation."""
        self.command(CommandAPDU(0x00, 0x44, 0x00, 0x00), "ACTIVATE")

    def void(self) -> None:
        """Make the card void for good, for a terminal with the right `void`."""
        self.command(CommandAPDU(0x00, 0xE6, 0x00, 0x00), "TERMINATE")
