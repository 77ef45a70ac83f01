"""Whose signatures in the books count: the authority's seal, and the operators' cards that its home has certified."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.issuer.authority.national import read_certificates
from jukicard.issuer.authority.seals import seal_key
from jukicard.issuer.errors import HomeDamaged
from jukicard.issuer.ledger.group import AUTHORITY

OPERATORS, REVOKED = "operators", "revoked"
_SERIAL = re.compile(r"[0-9]{15}")


class HomeTrust:
    """From a signer in the books to its public key, by the certificates in a home; None for one that it does not know.

    The certificates of an operator's card are in `operators/SERIAL.pem`, or `operators/revoked/SERIAL.pem`, the leaf
    last, and go back to the home's national root. A revoked card's signatures from before stay what they were.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._known: dict[str, EllipticCurvePublicKey | None] = {}

    def __call__(self, signer: str) -> EllipticCurvePublicKey | None:
        """Return the signer's key. HomeDamaged for certificates that cannot be read, or are not this home's."""
        if signer not in self._known:
            self._known[signer] = seal_key(self._home) if signer == AUTHORITY else self._operator_key(signer)
        return self._known[signer]

    def _operator_key(self, serial: str) -> EllipticCurvePublicKey | None:
        if not _SERIAL.fullmatch(serial):
            return None
        places = (self._home / OPERATORS, self._home / OPERATORS / REVOKED)
        path = next((place / f"{serial}.pem" for place in places if (place / f"{serial}.pem").exists()), None)
        if path is None:
            return None
        root = read_certificates(self._home / "certificates" / "national-root.pem")[0]
        chain = [x509.load_der_x509_certificate(each) for each in (root, *read_certificates(path))]
        try:
            for above, below in itertools.pairwise(chain):
                below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise HomeDamaged(f"{path}: the certificates do not go back to this home's national root") from error
        key = chain[-1].public_key()
        return key if isinstance(key, EllipticCurvePublicKey) else None
