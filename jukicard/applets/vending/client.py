"""A kiosk's, and an office's, view of the vending service: one method per command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp.client import ALL, PasswordClient
from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.applets.service.client import KeyPairClient
from jukicard.applets.vending import layout
from jukicard.applets.vending.records import CertificateType, Issue, Request, VendingError
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.iso7816.errors import AuthenticationFailed, CardStatusError, MalformedResponse, check
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.signatures import SIGNATURE_SIZE, is_signed_by

R = TypeVar("R", CertificateType, Issue)

_TYPES, _AUDIT, _CERTIFICATES = 0x01 << 3, 0x02 << 3, 0x03


class VendingClient(PasswordClient, KeyPairClient):
    """The vending service of a municipality (`city_code`, 5 digits)."""

    def __init__(self, connection: CardConnection, city_code: str) -> None:
        super().__init__(connection, municipal_service_aid(city_code, layout.SERVICE_NUMBER))

    def key_certificates(self) -> tuple[bytes, ...]:
        """Return the certificates of the card's key (DER, leaf last), in a session."""
        return self.read_certificates(_CERTIFICATES, layout.CERTIFICATES_SIZE)

    def types(self) -> list[CertificateType]:
        """Read what types of certificates there are, for a kiosk or an office's terminal."""
        return self._records(_TYPES, CertificateType.SIZE, CertificateType.parse, "reading the types")

    def issues(self) -> list[Issue]:
        """Read what was issued, the newest first, with the holder's password verified."""
        return self._records(_AUDIT, Issue.SIZE, Issue.parse, "reading the issues")

    def add_type(self, new: CertificateType) -> None:
        """Let another type be issued, for an office's terminal."""
        self.command(CommandAPDU(0x00, 0xE2, 0x00, _TYPES, new.encode()), "adding a type")

    def set_type(self, number: int, *, usable: bool | None = None, left: int | None = None) -> CertificateType:
        """Block a type or let it be issued again, or say how many are left, for an office's terminal; return it."""
        for position, found in enumerate(self.types(), 1):
            if found.number == number:
                new = replace(
                    found,
                    usable=found.usable if usable is None else usable,
                    left=found.left if left is None else left,
                )
                self.command(CommandAPDU(0x00, 0xDC, position, _TYPES | 4, new.encode()), "updating a type")
                return new
        raise CardStatusError(StatusWord.RECORD_NOT_FOUND, "finding the type")

    def issue(self, request: Request, key: ec.EllipticCurvePublicKey) -> tuple[Issue, bytes]:
        """Have a certificate issued, for a kiosk, with the holder's password verified; the issue and its signature.

        AuthenticationFailed where the signature is not that of the card's certified key.
        """
        command = CommandAPDU(0x80, layout.INS_ISSUE, 0x00, 0x00, request.encode(), ALL)
        answer = self.command(command, "issuing a certificate").data
        if len(answer) != 4 + SIGNATURE_SIZE:
            raise MalformedResponse("issuing a certificate: a number and a signature are 68 bytes")
        issue, signature = Issue(int.from_bytes(answer[:4]), request), answer[4:]
        self.check_statement(issue, signature, key)
        return issue, signature

    def check_statement(self, issue: Issue, signature: bytes, key: ec.EllipticCurvePublicKey) -> None:
        """Verify a statement, as the kiosk's server does; AuthenticationFailed where it is not the key's."""
        if not is_signed_by(key, signature, issue.message(bytes(self.aid))):
            raise AuthenticationFailed("statement of an issue", "the signature is wrong")

    def _records(self, sfi: int, size: int, parse: Callable[[bytes], R], what: str) -> list[R]:
        response = send(self.connection, CommandAPDU(0x00, 0xB2, 0x01, sfi | 5, ne=ALL))
        if response.sw is StatusWord.RECORD_NOT_FOUND:
            return []
        records = check(response, what).data
        try:
            return [parse(records[start : start + size]) for start in range(0, len(records), size)]
        except VendingError as error:
            raise MalformedResponse(f"{what}: {error}") from None
