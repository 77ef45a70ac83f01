"""The key that signs what cards hold of their faces, and its certificate under the card CA.

Both are made when the first card needs them; a new generation of the card CA has a new key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.authority import Authority, certificate_file
from jukicard.issuer.authority.generations import Rotated, versioned
from jukicard.issuer.authority.national import read_certificates
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.files import write_atomically
from jukicard.issuer.keys.keystore import KeyStore, KeyUse, Randomness, ensure_key
from jukicard.securechannel.certificates import CertificateError, LeafUsage, verify_chain
from jukicard.securechannel.signatures import from_der

FACE_SIGNING = "face-signing"
_COMMON_NAME = "Face Records"
_PUBLIC_FILE = 0o644
KEY_ID_SIZE = 16


@dataclass(frozen=True, slots=True)
class FaceSigner:
    """What signs faces: `certificates` from below the national root down to the key's own (DER)."""

    certificates: tuple[bytes, ...]
    public_key: EllipticCurvePublicKey
    _keys: KeyStore = field(repr=False)
    _label: str = field(repr=False)

    @property
    def key_id(self) -> bytes:
        """The key's identifier, 16 bytes: the beginning of that in its certificate."""
        return x.key_identifier(self.public_key)[:KEY_ID_SIZE]

    def sign(self, message: bytes) -> bytes:
        """Return the signature (ECDSA with SHA-256; r and s, 64 bytes)."""
        return from_der(self._keys.sign(self._label, message))


def face_signer(authority: Authority, random: Randomness) -> FaceSigner:
    """Return what signs the faces of cards that are made now.  KeyStoreLocked without the authority's keys."""
    above = authority.card_signer(Area.JUKI)
    generation = authority.description.generations.of(Rotated.CARD_CA)
    keys, label = above.keys, versioned(FACE_SIGNING, generation)
    path = certificate_file(authority.home, FACE_SIGNING, generation)
    ensure_key(keys, label, lambda name: keys.create_ec(name, KeyUse.SIGN))
    public_key = keys.public_key(label)
    if not path.exists():
        if above.certificate is None:
            raise ValueError("the card CA's certificate is needed")
        first, last = x.first_valid_day(above.certificate), x.last_valid_day(above.certificate)
        subject = x.Subject(f"TEST {authority.city.name} {_COMMON_NAME}", authority.city.name, authority.city.code)
        request = x.Request(x.FACE_SIGNING, subject, public_key, first, last)
        write_atomically(path, x.to_pem((x.issue(above, request, random),)), _PUBLIC_FILE)
    leaf = read_certificates(path)[-1]
    return FaceSigner((*authority.card_authorities(Area.JUKI), leaf), public_key, keys, label)


@dataclass(frozen=True, slots=True)
class CertifiedSigner:
    """A key that signs faces, as its certificates have it, and the municipality (5 digits) that it is of."""

    public_key: EllipticCurvePublicKey
    city_code: str


def certified_signer(national: EllipticCurvePublicKey, chain: tuple[bytes, ...], today: date) -> CertifiedSigner:
    """Verify the certificates of a key that signs faces under the national root; CertificateError says what is wrong.

    No key of a card, a terminal or an operator will do, though it stands under the same CA.
    """
    verified = verify_chain(national, chain, today=int(f"{today:%Y%m%d}"), usage=LeafUsage.DIGITAL_SIGNATURE)
    try:
        subjects = [x.Subject.read(certificate) for certificate in chain]
    except CertificateProfileError as error:
        raise CertificateError(str(error)) from error
    leaf = subjects[-1]
    if leaf.serial is not None or verified.authorization is not None or not leaf.common_name.endswith(_COMMON_NAME):
        raise CertificateError("it is not the certificate of a key that signs faces")
    if leaf.city_code is None or any(subject.city_code != leaf.city_code for subject in subjects):
        raise CertificateError("it was issued by another municipality than it names")
    return CertifiedSigner(verified.public_key, leaf.city_code)
