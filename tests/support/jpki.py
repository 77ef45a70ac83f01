"""CAs of the JPKI and certificates below them, by the issuer's own code; and forgeries, by another library."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.authority.certificates import to_pem
from jukicard.issuer.jpki import certificates as c
from jukicard.issuer.jpki.attributes import ResidentAttributes, encode_birth, substitute
from jukicard.issuer.jpki.profile import PROFILES
from jukicard.issuer.jpki.register import IssuedCertificate, Revocation, certificate_number
from jukicard.issuer.jpki.request import certification_request
from jukicard.issuer.keys.filekeystore import FileKeyStore
from jukicard.issuer.ledger.details import RevocationReason
from tests.support.chips import randomness

FIRST, LAST = dt.date(2026, 11, 21), dt.date(2029, 11, 20)
NOW = dt.datetime(2026, 11, 22, 3, 4, 5, tzinfo=dt.UTC)
CITY_CODE, CITY_NAME = "99201", "見本市"
CARD = "799201000000001"
SIGNATURE, AUTHENTICATION = Usage.SIGNATURE, Usage.AUTHENTICATION
ATTRIBUTES = ResidentAttributes(
    *substitute("見本　太郎"), "1", encode_birth(dt.date(1965, 4, 3)), *substitute("架空県見本市中央町１番２号")
)


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """A key of that name: the same in one test process."""
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class TestCa:
    """A CA with a key store of its own, and what it issues."""

    __test__ = False
    signer: c.CaSigner
    usage: Usage

    @property
    def certificate(self) -> bytes:
        return self.signer.certificate

    def issue(
        self, holder: str = "holder", first: dt.date = FIRST, last: dt.date = LAST, seed: object = "leaf"
    ) -> bytes:
        profile = PROFILES[self.usage]
        attributes = ATTRIBUTES if profile.has_attributes else None
        request = c.EndRequest(profile, rsa_key(holder).public_key(), first, last, CITY_NAME, attributes)
        return c.issue(self.signer, request, randomness(seed))


def make_ca(folder: Path, name: str = "ca", usage: Usage = SIGNATURE, today: dt.date = FIRST) -> TestCa:
    """A CA; `name` is its key's. Two of one usage have one distinguished name."""
    keys = FileKeyStore.create(folder / f"{name}.json", "correct horse", randomness(name))
    keys.create_rsa(name)
    certificate = c.self_signed(keys, name, PROFILES[usage], CITY_CODE, today, randomness((name, "ca")))
    return TestCa(c.CaSigner(keys, name, certificate), usage)


def entered(certificate: bytes, revocation: Revocation | None = None) -> IssuedCertificate:
    """A certificate as the register has it."""
    number = certificate_number(x509.load_der_x509_certificate(certificate).serial_number)
    return IssuedCertificate(number, CARD, SIGNATURE, FIRST, LAST, revocation)


def revoked(reason: RevocationReason, at: dt.datetime = NOW) -> Revocation:
    return Revocation(at, reason)


def card_signer(holder: str) -> Callable[[bytes], bytes]:
    """What a card does with a DigestInfo: PKCS #1 v1.5 without another hash."""

    def sign(digest_info: bytes) -> bytes:
        assert len(digest_info) == 51
        return rsa_key(holder).sign(digest_info[-32:], padding.PKCS1v15(), utils.Prehashed(SHA256()))

    return sign


@dataclass
class Forger:
    """Builds a certificate like a genuine one, from what is changed about it, and signs it with a key of choice."""

    model: bytes
    key: rsa.RSAPrivateKey
    digest: HashAlgorithm = field(default_factory=SHA256)

    def forge(
        self,
        *,
        issuer: x509.Name | None = None,
        public_key: rsa.RSAPublicKey | None = None,
        serial: int | None = None,
        without: Iterable[type[x509.ExtensionType]] = (),
        with_: Iterable[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        model = x509.load_der_x509_certificate(self.model)
        builder = (
            x509.CertificateBuilder()
            .subject_name(model.subject)
            .issuer_name(issuer or model.issuer)
            .public_key(public_key or model.public_key())
            .serial_number(serial or model.serial_number)
            .not_valid_before(model.not_valid_before_utc)
            .not_valid_after(model.not_valid_after_utc)
        )
        added = tuple(with_)
        dropped = (*without, *(type(value) for value, _ in added))
        for extension in model.extensions:
            if not isinstance(extension.value, dropped):
                builder = builder.add_extension(extension.value, extension.critical)
        for value, critical in added:
            builder = builder.add_extension(value, critical)
        return builder.sign(self.key, self.digest).public_bytes(Encoding.DER)


def write_pem(path: Path, *certificates: bytes) -> Path:
    path.write_bytes(to_pem(certificates))
    return path


def openssl(*arguments: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run openssl; what it says on both outputs is in `stdout`."""
    return subprocess.run(
        ["openssl", *map(str, arguments)],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )


def request_of(key: rsa.RSAPrivateKey) -> bytes:
    """A certification request for a key, as a card makes one."""
    return certification_request(key.public_key(), lambda message: key.sign(message, padding.PKCS1v15(), SHA256()))
