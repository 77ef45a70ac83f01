"""The host's view of a JPKI application: of this project's cards, and of real My Number and Juki cards.

What a holder's software does (the first half) uses the commands of the real application only.  What follows belongs to
personalisation and the counter, in an SCP03 session with the keys of the application's domain.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric import rsa

from jukicard.applets.gp.client import ALL, LONG, ApplicationClient
from jukicard.applets.jpki import layout
from jukicard.applets.jpki.layout import CREDENTIALS, Form, Usage
from jukicard.applets.jpki.records import RecordError, TokenInfo, encode_presence, parse_presence
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.iso7816.errors import CardStatusError, MalformedResponse
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import TlvError, parse_tlvs

_HEADER_SIZE, _CHUNK = 4, 256
_CURRENT = 0x80


class JpkiClient(ApplicationClient):
    """The JPKI application.  A key of either usage works after its own password, until the application is selected
    again.
    """

    def __init__(self, connection: CardConnection) -> None:
        super().__init__(connection, layout.JPKI_AID)

    def select(self) -> bytes:
        """Select the application, in the clear, without asking for an answer.  What was verified counts no more."""
        self.connection = self.base
        return self.command(CommandAPDU(0x00, 0xA4, 0x04, 0x0C, bytes(self.aid)), f"SELECT {self.aid}").data

    def has(self, fid: int) -> bool:
        """Return whether there is an EF with that identifier; it is current then."""
        response = send(self.connection, _select_file(fid))
        if response.sw is StatusWord.FILE_NOT_FOUND:
            return False
        if response.sw is not StatusWord.OK:
            raise CardStatusError(response.sw, f"SELECT EF {fid:04X}")
        return True

    def token_info(self) -> TokenInfo:
        """Read EF 0006, free to read."""
        content = self._read(layout.EF_TOKEN, layout.TOKEN_SIZE)
        try:
            return TokenInfo.parse(content)
        except RecordError as error:
            raise MalformedResponse(str(error)) from None

    def usages(self) -> frozenset[Usage]:
        """Read from EF 0008, free to read, which certificates the card has."""
        content = self._read(layout.EF_PRESENCE, layout.PRESENCE_SIZE)
        try:
            return parse_presence(content)
        except RecordError as error:
            raise MalformedResponse(str(error)) from None

    def certificate(self, usage: Usage) -> bytes:
        """Read a certificate (DER); that of the signature key needs its password verified (CardStatusError 6982)."""
        return self._certificate(CREDENTIALS[usage].certificate)

    def ca_certificate(self, usage: Usage) -> bytes:
        """Read the certificate of the CA that issued it (DER), free to read."""
        return self._certificate(CREDENTIALS[usage].ca_certificate)

    def tries(self, usage: Usage) -> int:
        """Return the tries left of a password, at no cost; 0 where it is blocked."""
        self._select_file(CREDENTIALS[usage].password)
        sw = send(self.connection, CommandAPDU(0x00, 0x20, 0x00, _CURRENT)).sw
        if sw.tries_left is None:
            raise CardStatusError(sw, "query of the password's tries")
        return sw.tries_left

    def verify(self, usage: Usage, password: bytes) -> None:
        """Prove a password; `PasswordWrong` tells the tries left, `PasswordBlocked` that there are none."""
        self._select_file(CREDENTIALS[usage].password)
        self.verify_internal(_CURRENT, password)

    def change_password(self, usage: Usage, new: bytes) -> None:
        """Set a password anew after it was verified; it has to be verified again then."""
        self._select_file(CREDENTIALS[usage].password)
        self.command(CommandAPDU(0x00, 0x24, 0x01, _CURRENT, new), "CHANGE REFERENCE DATA")

    def sign(self, usage: Usage, data: bytes, form: Form = Form.VERBATIM) -> bytes:
        """Have data signed (256 bytes), with the password verified: by default a DigestInfo that the host made."""
        self._select_file(CREDENTIALS[usage].key)
        command = CommandAPDU(0x80, 0x2A, form, _CURRENT, data, ALL)
        signature = self.command(command, "COMPUTE DIGITAL SIGNATURE").data
        if len(signature) != layout.SIGNATURE_SIZE:
            raise MalformedResponse(f"COMPUTE DIGITAL SIGNATURE: {len(signature)} bytes, not {layout.SIGNATURE_SIZE}")
        return signature

    # --- in an SCP03 session, at the counter

    def generate_key(self, usage: Usage) -> rsa.RSAPublicKey:
        """Let the card generate a key pair, once, in personalisation."""
        template = bytes((0xB6, 3, 0x84, 1, CREDENTIALS[usage].key_reference))
        command = CommandAPDU(0x00, 0x47, 0x80, 0x00, template, LONG)
        answer = self.command(command, "GENERATE ASYMMETRIC KEY PAIR").data
        try:
            (public,) = parse_tlvs(answer)
            values = {tlv.tag: int.from_bytes(tlv.value) for tlv in public.children}
            return rsa.RSAPublicNumbers(values[0x82], values[0x81]).public_key()
        except (TlvError, ValueError, KeyError):
            raise MalformedResponse("GENERATE ASYMMETRIC KEY PAIR: no RSA key in the answer") from None

    def sign_as_owner(self, usage: Usage, message: bytes) -> bytes:
        """Have a message signed (RSASSA-PKCS1-v1_5 with SHA-256), in personalisation, when there is no password yet."""
        command = CommandAPDU(0x80, 0x2A, Form.HASHED, CREDENTIALS[usage].key_reference, message, LONG)
        return self.command(command, "COMPUTE DIGITAL SIGNATURE").data

    def write_certificates(self, usage: Usage, certificate: bytes, ca_certificate: bytes) -> None:
        """Write a certificate and that of its CA (DER), in personalisation.

        Where the profile has no key of that usage, both are the other usage's CA certificate.
        """
        credential = CREDENTIALS[usage]
        self._write(credential.certificate, certificate)
        self._write(credential.ca_certificate, ca_certificate)

    def write_token(self, token: TokenInfo, usages: Iterable[Usage]) -> None:
        """Write EF 0006 and EF 0008, in personalisation."""
        self._write(layout.EF_TOKEN, token.encode())
        self._write(layout.EF_PRESENCE, encode_presence(usages))

    def set_password(self, usage: Usage, password: bytes) -> None:
        """Set the first password, in personalisation."""
        reference = CREDENTIALS[usage].password_reference
        self.command(CommandAPDU(0x00, 0x24, 0x01, reference, password), "setting the password")

    def reset_password(self, usage: Usage, password: bytes) -> None:
        """Set a new password and give back all tries, for who has the domain's keys."""
        reference = CREDENTIALS[usage].password_reference
        self.command(CommandAPDU(0x00, 0x2C, 0x02, reference, password), "RESET RETRY COUNTER")

    def activate(self) -> None:
        """Close personalisation."""
        self.command(CommandAPDU(0x00, 0x44, 0x00, 0x00), "ACTIVATE")

    def _select_file(self, fid: int) -> None:
        self.command(_select_file(fid), f"SELECT EF {fid:04X}")

    def _read(self, fid: int, size: int) -> bytes:
        """Read the first `size` bytes of an EF, or all that there are."""
        self._select_file(fid)
        return self._read_on(b"", size, f"reading EF {fid:04X}")

    def _read_on(self, content: bytes, size: int, what: str) -> bytes:
        while len(content) < size:
            p1, p2 = divmod(len(content), 256)
            part = self.command(CommandAPDU(0x00, 0xB0, p1, p2, ne=min(_CHUNK, size - len(content))), what).data
            if not part:
                break
            content += part
        return content

    def _certificate(self, fid: int) -> bytes:
        """Read a certificate: its header says how long it is, and what fills up the EF behind it is not asked for."""
        header = self._read(fid, _HEADER_SIZE)
        what = f"reading EF {fid:04X}"
        if len(header) != _HEADER_SIZE or header[:2] != b"\x30\x82":
            raise MalformedResponse(f"{what}: there is no certificate in it")
        size = _HEADER_SIZE + int.from_bytes(header[2:])
        certificate = self._read_on(header, size, what)
        if len(certificate) != size:
            raise MalformedResponse(f"{what}: the certificate is cut off after {len(certificate)} bytes")
        return certificate

    def _write(self, sfi: int, content: bytes) -> None:
        self.command(CommandAPDU(0x00, 0xD6, 0x80 | sfi, 0x00, content), f"writing EF {sfi:04X}")


def _select_file(fid: int) -> CommandAPDU:
    return CommandAPDU(0x00, 0xA4, 0x02, 0x0C, fid.to_bytes(2))
