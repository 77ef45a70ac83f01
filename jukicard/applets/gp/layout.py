"""Security domains: names, tags, key identifiers (GlobalPlatform Card Specification 2.3.1, Amendments D and F)."""

from __future__ import annotations

from jukicard.iso7816.aid import AID

ISSUER_DOMAIN_AID = AID.from_hex("A0 00 00 01 51 00 00 00")
LOAD_FILE = AID.from_hex("F0 4A 55 4B 49 00")
"""The load file in ROM that holds the modules of this project."""
DOMAIN_MODULE = AID.from_hex("F0 4A 55 4B 49 00 00")
JUKI_DOMAIN_AID = AID.from_hex("F0 4A 55 4B 49 00 01")
MUNICIPAL_DOMAIN_PREFIX = bytes.fromhex("F04A554B4902")
MUNICIPAL_SERVICE_PREFIX = bytes.fromhex("F04A554B4903")
MUNICIPAL_CODE_PREFIX = bytes.fromhex("F04A554B4905")

KID_SCP03 = 0x01
KID_TERMINAL_ANCHOR = 0x10
KID_SCP11A = 0x11
KID_SCP11B = 0x13
KID_APPROVAL = 0x20
"""The municipality's public key: it verifies DAP blocks and approvals."""
KID_TOKEN = 0x21
"""The public key that verifies tokens of delegated management."""
KID_RECEIPT = 0x22
"""The AES key that makes receipts of delegated management."""
TRANSPORT_KVN = 0xFF
"""Key version of the public test keys that a blank chip is delivered with."""

TAG_ISSUER_NUMBER = 0x42
TAG_CARD_NUMBER = 0x45
TAG_RECOGNITION = 0x66
TAG_KEY_INFORMATION = 0xE0
TAG_SEQUENCE_COUNTER = 0xC1
TAG_PRODUCTION = 0x9F7F
TAG_CITY_CODE = 0xF0
TAG_EXPIRES = 0xF2
TAG_CITY_KEY_REFERENCE = 0xF7
TAG_CONTACT_ATR = 0x5F51
"""The last four are the real card family's: municipality (5 digits), expiry (YYYYMMDD), a key's reference (16 bytes),
and the answer to reset of the contacts without its first byte.
"""
TAG_CERTIFICATES = 0xBF21
TAG_TERMINAL_CA_IDENTIFIERS = 0xFF33
TAG_CARD_CA_IDENTIFIERS = 0xFF34
TAG_CONTROL_REFERENCE = 0xA6
TAG_KEY_REFERENCE = 0x83
TAG_ALLOW_LIST = 0x70
TAG_CERTIFICATE_SERIAL = 0x93
TAG_CA_KIND = 0x80
TAG_DATE_ESTIMATE = 0x5F25
"""Effective date (ISO/IEC 7816-6), here YYYYMMDD as four BCD bytes: the date estimate of a trust anchor."""

KEY_TYPE_AES = 0x88
KEY_TYPE_EC_PUBLIC = 0xB0
KEY_TYPE_EC_PRIVATE = 0xB1
KEY_TYPE_EC_PARAMETERS = 0xF0
CURVE_P256 = 0x00


def city_bcd(city_code: str) -> bytes:
    """Return a municipality code (5 digits) as three BCD bytes, padded with F."""
    if len(city_code) != 5 or not (city_code.isascii() and city_code.isdigit()):
        raise ValueError("a municipality code has 5 digits")
    return bytes.fromhex(city_code + "F")


def municipal_domain_aid(city_code: str) -> AID:
    """Return the AID of a municipality's security domain; `city_code` has 5 digits."""
    return AID(MUNICIPAL_DOMAIN_PREFIX + city_bcd(city_code))


def municipal_service_aid(city_code: str, service: int) -> AID:
    """Return the AID of a municipal service; `service` is 1-65535."""
    return AID(MUNICIPAL_SERVICE_PREFIX + city_bcd(city_code) + service.to_bytes(2))


def municipal_code_aid(city_code: str, service: int) -> AID:
    """Return the AID of the load file with a municipal service's code; its modules have one byte more."""
    return AID(MUNICIPAL_CODE_PREFIX + city_bcd(city_code) + service.to_bytes(2))


def city_of(domain: AID) -> str | None:
    """Return the municipality code in the AID of a municipal domain, or None for any other domain."""
    name = bytes(domain)
    if not name.startswith(MUNICIPAL_DOMAIN_PREFIX) or len(name) != 9:
        return None
    return name[6:].hex()[:5]
