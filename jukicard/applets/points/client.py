"""A terminal's view of a purse of community points: one method per command."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp.client import ALL, PasswordClient
from jukicard.applets.gp.layout import municipal_service_aid
from jukicard.applets.points import layout
from jukicard.applets.points.records import Held, Member, Order, PointsError, Purse, Received
from jukicard.applets.service.client import KeyPairClient
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, MalformedResponse
from jukicard.securechannel.scp11 import KeyAgreementError, decode_point
from jukicard.securechannel.signatures import SIGNATURE_SIZE, is_signed_by

R = TypeVar("R")

Signed = tuple[int, bytes]
"""A number of the card's, and its signature of the message that the number belongs to."""


class PointsClient(PasswordClient, KeyPairClient):
    """The purse of a municipality (`city_code`, 5 digits)."""

    def __init__(self, connection: CardConnection, city_code: str) -> None:
        super().__init__(connection, municipal_service_aid(city_code, layout.SERVICE_NUMBER))

    def member(self) -> Member:
        """Read who the card is, in a session.  The centre's signature is not verified here."""
        return self._parsed(Member.parse, layout.EF_MEMBER, Member.SIZE, "reading EF.MEMBER")

    def verified_member(self, centre: ec.EllipticCurvePublicKey) -> Member:
        """Read who the card is, and verify that the centre says so; AuthenticationFailed where it does not."""
        member = self.member()
        if not is_signed_by(centre, member.signature, member.message):
            raise AuthenticationFailed("membership", "the points centre has not signed it")
        return member

    def purse(self) -> Purse:
        """Read balance, limit and counts: a shop's terminal; or with the holder's password verified."""
        return self._parsed(Purse.parse, layout.EF_PURSE, Purse.SIZE, "reading EF.PURSE")

    def held(self) -> Held | None:
        """Read the payment under way, with the holder's password verified."""
        return self._parsed(Held.parse, layout.EF_PAYMENT, Held.SIZE, "reading EF.PAYMENT")

    def received(self) -> list[Received]:
        """Read the payments that were accepted and not confirmed, with the holder's password verified."""
        size = Received.SIZE * layout.MAX_RECEIVED
        return self._parsed(Received.parse_all, layout.EF_RECEIVED, size, "reading EF.RECEIVED")

    def carry_out(self, order: Order, signature: bytes, member: Member) -> int:
        """Credit or debit what the centre has signed, for a shop's terminal; a debit wants the holder's password.

        The balance then.  AuthenticationFailed where the receipt is not the card's.
        """
        command = CommandAPDU(0x80, layout.INS_ORDER, order.direction, 0x00, order.encode() + signature, ALL)
        balance, receipt = self._signed(command, "carrying out an order")
        try:
            genuine = is_signed_by(decode_point(member.point), receipt, order.receipt(member.number, balance))
        except KeyAgreementError:
            genuine = False
        if not genuine:
            raise AuthenticationFailed("receipt of an order", "the signature is not the card's")
        return balance

    def invite(self, payer: bytes, amount: int) -> Signed:
        """Payee: ask for an invitation of a payment; the number of its decision, signed."""
        command = CommandAPDU(0x80, layout.INS_INVITE, 0x00, 0x00, payer + amount.to_bytes(4), ALL)
        return self._signed(command, "inviting a payment")

    def pay(self, payee: Member, entry: int, amount: int, invitation: bytes) -> Signed:
        """Payer: begin a payment, with the holder's password verified; the voucher: its number, signed."""
        fields = payee.encode() + entry.to_bytes(4) + amount.to_bytes(4) + invitation
        return self._signed(CommandAPDU(0x80, layout.INS_PAY, 0x00, 0x00, fields, ALL), "paying")

    def voucher(self) -> Signed:
        """Payer: return the voucher of the payment under way again, with the holder's password verified."""
        return self._signed(CommandAPDU(0x80, layout.INS_PAY, 0x00, 0x00, b"", ALL), "asking for the voucher")

    def receive(self, payer: Member, voucher: Signed, held: Held, *, accept: bool = True) -> tuple[bool, bytes]:
        """Payee: accept or refuse a payment; whether it is accepted, signed."""
        number, signature = voucher
        numbers = b"".join(value.to_bytes(4) for value in (number, held.entry, held.amount))
        p1 = layout.ACCEPT if accept else layout.REFUSE
        fields = payer.encode() + numbers + signature
        answer = self.command(CommandAPDU(0x80, layout.INS_RECEIVE, p1, 0x00, fields, ALL), "receiving").data
        if len(answer) != 1 + SIGNATURE_SIZE or answer[0] > 1:
            raise MalformedResponse("receiving: a decision is one byte and a signature")
        return bool(answer[0]), answer[1:]

    def finish(self, decision: tuple[bool, bytes]) -> Signed:
        """Payer: take the payee's decision; up to which number payments are finished, signed."""
        accepted, signature = decision
        fields = bytes((accepted,)) + signature
        return self._signed(CommandAPDU(0x80, layout.INS_FINISH, 0x00, 0x00, fields, ALL), "finishing a payment")

    def finished(self) -> Signed:
        """Payer: say up to which number payments are finished, signed."""
        return self._signed(CommandAPDU(0x80, layout.INS_FINISH, 0x00, 0x00, b"", ALL), "asking what is finished")

    def confirm(self, payer: Member, finished: Signed) -> None:
        """Payee: take note of what the payer says that is finished."""
        number, signature = finished
        fields = payer.encode() + number.to_bytes(4) + signature
        self.command(CommandAPDU(0x80, layout.INS_CONFIRM, 0x00, 0x00, fields), "confirming a payment")

    def _signed(self, command: CommandAPDU, what: str) -> Signed:
        answer = self.command(command, what).data
        if len(answer) != 4 + SIGNATURE_SIZE:
            raise MalformedResponse(f"{what}: a number and a signature are 68 bytes")
        return int.from_bytes(answer[:4]), answer[4:]

    def _parsed(self, parse: Callable[[bytes], R], sfi: int, size: int, what: str) -> R:
        content = b""
        while len(content) < size:
            p1, p2 = (0x80 | sfi, 0) if not content else divmod(len(content), 256)
            part = self.command(CommandAPDU(0x00, 0xB0, p1, p2, ne=ALL), what).data
            if not part:
                raise MalformedResponse(f"{what}: the file is shorter than it should be")
            content += part
        try:
            return parse(content)
        except PointsError as error:
            raise MalformedResponse(f"{what}: {error}") from None
