"""The authority's seal on the books: a key of its own in the key store, and its certificate under the municipal root.

A home from before there were seals gets both when its books are first opened with its keys.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.description import City
from jukicard.issuer.authority.national import read_certificates
from jukicard.issuer.errors import CertificateProfileError, HomeDamaged
from jukicard.issuer.files import write_atomically
from jukicard.issuer.keys.keystore import KeyStore, KeyUse, Randomness, ensure_key
from jukicard.securechannel.certificates import CertificateError, LeafUsage, verify_chain

SEAL_KEY = "ledger-seal"
_PUBLIC_FILE = 0o644


def seal_file(home: Path) -> Path:
    """Return where the seal's certificate lies in a home."""
    return home / "certificates" / f"{SEAL_KEY}.pem"


def open_seal(home: Path, city: City, root: x.Signer, random: Randomness) -> Callable[[bytes], bytes]:
    """Return what seals the books; `root` is the municipal root, which certifies the seal's key where that is new."""
    keys: KeyStore = root.keys
    path = seal_file(home)
    ensure_key(keys, SEAL_KEY, lambda label: keys.create_ec(label, KeyUse.SIGN))
    if not path.exists():
        first, last = _validity(root)
        subject = x.Subject(f"TEST {city.name} Ledger Seal", city.name, city.code)
        request = x.Request(x.LEDGER_SEAL, subject, keys.public_key(SEAL_KEY), first, last)
        write_atomically(path, x.to_pem((x.issue(root, request, random),)), _PUBLIC_FILE)
    return lambda message: keys.sign(SEAL_KEY, message)


def seal_key(home: Path, root: EllipticCurvePublicKey) -> EllipticCurvePublicKey | None:
    """Return the public key that the home's certificate of the seal has, None if the books were never sealed.

    HomeDamaged for one that is not the seal's, directly below the municipal `root`.
    """
    path = seal_file(home)
    if not path.exists():
        return None
    (certificate, *others) = read_certificates(path)
    try:
        verified = verify_chain(root, (certificate,), today=None, usage=LeafUsage.DIGITAL_SIGNATURE)
        of_a_card = x.Subject.read(certificate).serial is not None
    except (CertificateError, CertificateProfileError) as error:
        raise HomeDamaged(f"{path}: the seal's certificate is not this home's: {error}") from error
    if of_a_card or others:
        raise HomeDamaged(f"{path} holds another certificate than the seal's")
    return verified.public_key


def _validity(root: x.Signer) -> tuple[date, date]:
    """The seal is as old as the root and ends with it."""
    if root.certificate is None:
        raise ValueError("the municipal root's certificate is needed")
    return x509.load_der_x509_certificate(root.certificate).not_valid_before_utc.date(), x.last_valid_day(
        root.certificate
    )
