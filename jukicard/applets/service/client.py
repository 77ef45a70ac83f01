"""The host's view of an application that has a key pair of its own, made on the card."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp.client import ALL, ApplicationClient
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import send
from jukicard.iso7816.errors import CardStatusError, MalformedResponse, check
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs, take_one
from jukicard.securechannel.scp11 import KeyAgreementError, decode_point


class KeyPairClient(ApplicationClient):
    """GENERATE ASYMMETRIC KEY PAIR, in personalisation; the files, and the certificates in one of them."""

    def read_file(self, sfi: int, size: int, what: str) -> bytes:
        """Read the first `size` bytes of a file, as many at a time as the connection carries."""
        content = b""
        while len(content) < size:
            p1, p2 = (0x80 | sfi, 0) if not content else divmod(len(content), 256)
            response = send(self.connection, CommandAPDU(0x00, 0xB0, p1, p2, ne=max(ALL, size - len(content))))
            part = check(response, what, ok=(StatusWord.OK, StatusWord.END_OF_FILE)).data
            if not part:
                raise MalformedResponse(f"{what}: the file is shorter than it should be")
            content += part
        return content[:size]

    def read_certificates(self, sfi: int, size: int) -> tuple[bytes, ...]:
        """Read a file of certificates (DER, leaf last), which zeros fill up to its `size`."""
        content = self.read_file(sfi, size, "reading EF.CERTIFICATES")
        certificates = []
        try:
            while content and content[0] == 0x30:
                certificate, content = take_one(content)
                certificates.append(certificate.encode())
        except TlvError as error:
            raise MalformedResponse(f"EF.CERTIFICATES: {error}") from None
        return tuple(certificates)

    def generate_key_pair(self, reference: int) -> ec.EllipticCurvePublicKey:
        """Let the card generate a key pair, once; or return the public key of the one that it has generated."""
        try:
            return self._key_pair(0x80, reference)
        except CardStatusError as error:
            if error.sw is not StatusWord.CONDITIONS_NOT_SATISFIED:
                raise
            return self._key_pair(0x81, reference)

    def _key_pair(self, p1: int, reference: int) -> ec.EllipticCurvePublicKey:
        template = Tlv.build(0xB6, Tlv(0x84, bytes((reference,)))).encode()
        answer = self.command(CommandAPDU(0x00, 0x47, p1, 0x00, template, ALL), "GENERATE ASYMMETRIC KEY PAIR").data
        try:
            (public,) = parse_tlvs(answer)
            return decode_point(public.children[0].value)
        except (TlvError, KeyAgreementError, ValueError, IndexError):
            raise MalformedResponse("GENERATE ASYMMETRIC KEY PAIR: no public key in the answer") from None
