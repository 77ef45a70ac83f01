"""A TEST CA for certificates of the JPKI application, the same in every run: its key is of the pool, its dates fixed."""

from __future__ import annotations

import datetime
import ipaddress

from asn1crypto.core import UTF8String
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jukicard.applets.jpki.layout import Usage
from jukicard.testing.rsakeys import pool
from tests.support.chains import key_usage

CA_NAME = "TEST JPKI CA"
_SERVER_KEY, _CA_KEY = pool()[2:4]
_START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_END = datetime.datetime(2049, 12, 31, tzinfo=datetime.UTC)
_ITEMS = {1: "見本 花子", 3: "2", 4: "319900101", 5: "見本県見本市中央1-2-3"}
_ITEM_ARC = "1.2.392.200149.8.5.5"
_SUBJECTS = {Usage.SIGNATURE: "20260101099201001S", Usage.AUTHENTICATION: "20260101099201001A"}
_SERIALS = {Usage.SIGNATURE: 1001, Usage.AUTHENTICATION: 1002}


def _name(common_name: str) -> x509.Name:
    organisation = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "TEST JPKI of jukicard")
    country = x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "JP")
    return x509.Name([country, organisation, x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _builder(subject: str, key: rsa.RSAPublicKey, serial: int) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(CA_NAME)).public_key(key)
    return builder.serial_number(serial).not_valid_before(_START).not_valid_after(_END)


def _signed(builder: x509.CertificateBuilder) -> bytes:
    return builder.sign(_CA_KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def ca_certificate() -> bytes:
    """The CA's own certificate (DER)."""
    builder = _builder(CA_NAME, _CA_KEY.public_key(), 1)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return _signed(builder.add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True))


def certificate(usage: Usage, key: rsa.RSAPublicKey) -> bytes:
    """A holder's certificate (DER) for a key; that of the signature key names the holder as the real one does."""
    builder = _builder(_SUBJECTS[usage], key, _SERIALS[usage])
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    if usage is Usage.SIGNATURE:
        names = [
            x509.OtherName(x509.ObjectIdentifier(f"{_ITEM_ARC}.{number}"), UTF8String(text).dump())
            for number, text in _ITEMS.items()
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _signed(builder.add_extension(key_usage("digital_signature", "content_commitment"), critical=True))
    return _signed(builder.add_extension(key_usage("digital_signature"), critical=True))


def server() -> tuple[bytes, bytes]:
    """Key and certificate (PEM) of a TLS server on 127.0.0.1."""
    builder = _builder("127.0.0.1", _SERVER_KEY.public_key(), 2000)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    key = _SERVER_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key, as_pem(_signed(builder))


def as_pem(der: bytes) -> bytes:
    """A certificate as a PEM file has it."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
