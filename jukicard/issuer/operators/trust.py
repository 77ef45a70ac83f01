"""Whose signatures in the books count: the authority's seal, and the operators' cards that it has certified."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.applets.operator.records import is_operator_serial
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.seals import seal_key
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import HomeDamaged
from jukicard.issuer.ledger.group import AUTHORITY
from jukicard.issuer.line.provers import certified
from jukicard.issuer.operators.register import Operators
from jukicard.securechannel.certificates import LeafUsage


class HomeTrust:
    """From a signer in the books to its public key, by the certificates in an authority's home; None for one that it
    does not know.

    An operator's must be those of an operator of this municipality, of this serial, and go back to the national root.
    What a card signed before it was revoked, or was no longer valid, stays what it was.
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._operators = Operators(authority)
        self._known: dict[str, EllipticCurvePublicKey | None] = {}

    def __call__(self, signer: str) -> EllipticCurvePublicKey | None:
        """Return the signer's key. HomeDamaged for certificates that cannot be read, or are not this home's."""
        if signer not in self._known:
            self._known[signer] = self._seal() if signer == AUTHORITY else self._operator(signer)
        return self._known[signer]

    def _seal(self) -> EllipticCurvePublicKey | None:
        return seal_key(self._authority.home, self._authority.anchor(Area.MUNICIPAL))

    def _operator(self, serial: str) -> EllipticCurvePublicKey | None:
        operator = self._operators.find(serial) if is_operator_serial(serial) else None
        if operator is None:
            return None
        chain, usage = operator.certificates, LeafUsage.DIGITAL_SIGNATURE
        try:
            key = certified(self._authority, Area.JUKI, chain, usage, operator.not_after)
        except AuthenticationFailed as error:
            raise HomeDamaged(f"the certificates of operator {serial} are not this home's: {error}") from error
        if key.city_code != self._authority.city.code:
            raise HomeDamaged(f"the certificates of operator {serial} are another municipality's")
        return key.public_key
