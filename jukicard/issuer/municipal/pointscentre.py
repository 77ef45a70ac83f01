"""The municipality's points centre: it says which cards are members, and signs orders to credit and debit them."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.applets.points.layout import MEMBER_SIZE
from jukicard.applets.points.records import Member, Order
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.keys.keystore import KeyUse
from jukicard.securechannel.scp11 import encode_point
from jukicard.securechannel.signatures import from_der

KEY_LABEL = "points"


class PointsCentre:
    """The points centre of an authority; its key is made when it is first needed."""

    def __init__(self, authority: Authority) -> None:
        """Open it.  KeyStoreLocked without the authority's password."""
        self._authority = authority
        if KEY_LABEL not in authority.keys.labels():
            authority.keys.create_ec(KEY_LABEL, KeyUse.SIGN)

    @property
    def public_key(self) -> EllipticCurvePublicKey:
        """What the purses verify members and orders with."""
        return self._authority.keys.public_key(KEY_LABEL)

    def member_number(self, serial: str) -> bytes:
        """Return a card's number here, 8 bytes: the same at each asking, telling nothing of the card's serial."""
        return self._authority.pseudonym("points member", serial)[:MEMBER_SIZE]

    def admit(self, serial: str, key: EllipticCurvePublicKey) -> Member:
        """Sign that a card, with the key of its purse, is a member."""
        number, point = self.member_number(serial), encode_point(key)
        return Member(number, point, self._sign(Member.message_for(number, point)))

    def sign(self, order: Order, member: bytes) -> bytes:
        """Return the signature (64 bytes) of an order to a member's card."""
        return self._sign(order.message(member))

    def _sign(self, message: bytes) -> bytes:
        return from_der(self._authority.keys.sign(KEY_LABEL, message))
