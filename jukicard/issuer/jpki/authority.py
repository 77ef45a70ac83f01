"""The two TEST CAs of an authority's home: for signature and for user authentication.

Each has an RSA key in the key store (`jpki-signature-ca`, `jpki-authentication-ca`) and a self-signed certificate in
`certificates/`; both are made when they are first needed, with a ceremony's record. Of the Juki era it is the
prefectural governor who certifies: here his part is played by the home, under a TEST name.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from asn1crypto import x509 as asn1  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.ceremony import Ceremony
from jukicard.issuer.authority.certificates import to_pem
from jukicard.issuer.authority.national import read_certificates
from jukicard.issuer.errors import HomeDamaged, RuleRefused
from jukicard.issuer.files import one_writer, write_atomically
from jukicard.issuer.jpki import certificates as x
from jukicard.issuer.jpki.attributes import ResidentAttributes
from jukicard.issuer.jpki.crl import build_crl
from jukicard.issuer.jpki.ocsp import respond
from jukicard.issuer.jpki.profile import PROFILES
from jukicard.issuer.jpki.register import IssuedCertificate, certificate_number, current_register
from jukicard.issuer.jpki.request import requested_key
from jukicard.issuer.jpki.revocation import Books
from jukicard.issuer.keys.keystore import Randomness, ensure_key

_PUBLIC_FILE = 0o644


class CertificateAuthority:
    """The CAs of one authority. `today` and `random` are for a CA's certificate, where it has to be made."""

    def __init__(self, authority: Authority, today: date, random: Randomness) -> None:
        self._authority = authority
        self._today = today
        self._random = random

    def ca_certificate(self, usage: Usage) -> bytes:
        """The CA's own certificate, DER, made if there is none yet.

        KeyStoreLocked if it has to be made and the keys are not open; HomeDamaged for a file that is not its.
        """
        path = ca_file(self._authority.home, usage)
        if not path.exists():
            with one_writer(path):
                if not path.exists():  # another process may have made it just now
                    self._make(path, usage)
        return read_ca(path)

    def issue(
        self,
        usage: Usage,
        request: bytes,
        attributes: ResidentAttributes,
        first_day: date,
        last_day: date,
    ) -> bytes:
        """Certify the key of a certification request (DER), made on a card; the books are to have it by
        `register.certified`.

        A certificate for user authentication says nothing of the attributes. CertificateProfileError for a request that
        is not signed with its key, for another kind of key, and for days that are not the CA's.
        """
        profile = PROFILES[usage]
        wanted = x.EndRequest(
            profile=profile,
            public_key=requested_key(request),
            first_day=first_day,
            last_day=last_day,
            city_name=self._authority.city.name,
            attributes=attributes if profile.has_attributes else None,
        )
        return x.issue(self._signer(usage), wanted, self._random)

    def crl(self, usage: Usage, now: datetime) -> bytes:
        """The CA's revocation list by what the books say now, DER."""
        return build_crl(self._signer(usage), self._issued(usage).values(), now)

    def ocsp_response(self, usage: Usage, request: bytes, now: datetime) -> bytes:
        """Answer an OCSP request (DER) about this CA's certificates by what the books say now, DER."""
        return respond(self._signer(usage), request, self._lookup(usage), now)

    def books(self, usage: Usage) -> Books:
        """What this CA knows of its own certificates, as a source of revocation for the verification."""
        return Books(self.ca_certificate(usage), self._lookup(usage))

    def _issued(self, usage: Usage) -> dict[str, IssuedCertificate]:
        """Its certificates by number, as the books have them now."""
        return {one.number: one for one in current_register(self._authority.ledger) if one.usage is usage}

    def _lookup(self, usage: Usage) -> Callable[[int], IssuedCertificate | None]:
        issued = self._issued(usage)
        return lambda number: issued.get(certificate_number(number))

    def _signer(self, usage: Usage) -> x.CaSigner:
        """RuleRefused if the file's certificate is of another key than the key store's."""
        certificate = self.ca_certificate(usage)
        key = self._authority.keys.rsa_public_key(ca_label(usage))
        own = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if asn1.Certificate.load(certificate).public_key.dump() != own:
            raise RuleRefused(f"the certificate of {ca_label(usage)} in this home is not about its key")
        return x.CaSigner(self._authority.keys, ca_label(usage), certificate)

    def _make(self, path: Path, usage: Usage) -> None:
        label, keys = ca_label(usage), self._authority.keys
        ensure_key(keys, label, keys.create_rsa)
        city = self._authority.city
        certificate = x.self_signed(keys, label, PROFILES[usage], city.code, self._today, self._random)
        title = f"the {PROFILES[usage].unit} CA of {city.name} ({city.code})"
        Ceremony.of(label, title, self._today, keys, (label,), {label: certificate}).write(self._authority.home)
        write_atomically(path, to_pem((certificate,)), _PUBLIC_FILE)


def ca_label(usage: Usage) -> str:
    """The label of a CA's key in the key store, and the name of its file."""
    return f"jpki-{usage}-ca"


def ca_file(home: Path, usage: Usage) -> Path:
    """Where a CA's certificate lies in a home."""
    return home / "certificates" / f"{ca_label(usage)}.pem"


def read_ca(path: Path) -> bytes:
    """The one certificate in a CA's file, DER. HomeDamaged for anything else."""
    certificate, *others = read_certificates(path)
    if others:
        raise HomeDamaged(f"{path} holds more than one certificate")
    return certificate
