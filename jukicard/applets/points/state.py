"""A purse on the chip as the commands see it: what its files say, and what its key signs."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.points import layout
from jukicard.applets.points.records import Held, Member, Purse, Received
from jukicard.card.commands import Guarded
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.scp11 import KeyAgreementError, decode_point
from jukicard.securechannel.signatures import is_signed_by, sign


def purse_file(cmd: CommandAPDU, ctx: Context) -> Guarded:
    """Return EF.PURSE, which has the rules of the commands on the purse."""
    return ctx.files.by_fid(layout.EF_PURSE)


class PurseState:
    """One application's files; 6985 while it has not been personalised."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._files = ctx.files
        self.member = Member.parse(self._files.by_fid(layout.EF_MEMBER).content)
        if not any(self.member.number):
            raise refused("the purse has no member yet")
        self.centre = decode_point(self._files.by_fid(layout.EF_CENTRE).content)
        self.purse = Purse.parse(self._files.by_fid(layout.EF_PURSE).content)
        self.held = Held.parse(self._files.by_fid(layout.EF_PAYMENT).content)
        self.received = Received.parse_all(self._files.by_fid(layout.EF_RECEIVED).content)

    @property
    def room(self) -> int:
        """How many points the purse can still take: those held for a payment may come back."""
        return self.purse.limit - self.purse.balance - (self.held.amount if self.held else 0)

    @property
    def finished(self) -> int:
        """The number of the last payment of which nothing is awaited any more."""
        return self.purse.paid - (self.held is not None)

    def sign(self, message: bytes) -> bytes:
        """Return the card's signature, 64 bytes; the same for the same message."""
        return sign(self._ctx.key_pairs.by_reference(layout.KEY).private_key(), message)

    def write(self, purse: Purse) -> None:
        """Replace balance and counts."""
        self.purse = purse
        self._files.by_fid(layout.EF_PURSE).write(purse.encode())

    def hold(self, held: Held | None) -> None:
        """Replace the payment under way."""
        self.held = held
        self._files.by_fid(layout.EF_PAYMENT).write(held.encode() if held else Held.NONE)

    def remember(self, received: list[Received]) -> None:
        """Replace the payments that were accepted and not confirmed; 6A84 for more than there is room for."""
        if len(received) > layout.MAX_RECEIVED:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "too many payments are not confirmed")
        self.received = received
        self._files.by_fid(layout.EF_RECEIVED).write(Received.encode_all(received))

    def other(self, encoded: bytes) -> tuple[Member, ec.EllipticCurvePublicKey]:
        """Return another member and its key; 6A80 for whom the centre did not sign, or for this card itself."""
        member = Member.parse(encoded)
        if member.number == self.member.number or not is_signed_by(self.centre, member.signature, member.message):
            raise not_genuine("not another member of this centre")
        try:
            return member, decode_point(member.point)
        except KeyAgreementError as error:
            raise not_genuine(str(error)) from None


def check_signature(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> None:
    """Refuse (6A80) a message that is not the key's."""
    if not is_signed_by(key, signature, message):
        raise not_genuine("the signature is wrong")


def not_genuine(reason: str) -> CardError:
    """Return the refusal (6A80) of a message that nobody entitled has signed, or of another shape."""
    return CardError(StatusWord.INCORRECT_DATA, reason)


def refused(reason: str) -> CardError:
    """Return the refusal (6985) of what cannot be done in the purse's state."""
    return CardError(StatusWord.CONDITIONS_NOT_SATISFIED, reason)
