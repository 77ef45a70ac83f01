"""Chips with the JPKI application in the issuer's domain, personalised by plain SCP03, without the issuing machine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from jukicard.applets.jpki import layout
from jukicard.applets.jpki.client import JpkiClient
from jukicard.applets.jpki.layout import CREDENTIALS, PROFILES, Profile, Usage
from jukicard.applets.jpki.records import TokenInfo
from jukicard.iso7816.wrappers import standard
from jukicard.securechannel.host import SecureConnection, StaticKeyring
from jukicard.testing.seeds import randomness
from tests.support import chips
from tests.support.chips import Chip, say

JPKI = layout.JPKI_AID
SERIAL = "799201000000001"
PASSWORDS = {Usage.SIGNATURE: b"ABC123", Usage.AUTHENTICATION: b"1234"}
WRONG_PASSWORDS = {Usage.SIGNATURE: b"ABC124", Usage.AUTHENTICATION: b"1235"}
SIGN, LOGIN = Usage.SIGNATURE, Usage.AUTHENTICATION
SIGN_NAME = bytes((0xB6, 3, 0x84, 1, CREDENTIALS[SIGN].key_reference))


def placeholder(name: str) -> bytes:
    """What stands for a certificate where nobody reads it: it begins like one, and has another length."""
    body = randomness(("certificate", name))(300 + len(name))
    return b"\x30\x82" + len(body).to_bytes(2) + body


CERTIFICATES = {usage: (placeholder(f"{usage} leaf"), placeholder(f"{usage} ca")) for usage in Usage}


def client(chip: Chip) -> JpkiClient:
    """The application, selected."""
    opened = JpkiClient(standard(chip))
    opened.select()
    return opened


def personalising(chip: Chip) -> JpkiClient:
    """The application in an SCP03 session of the issuer's domain."""
    opened = client(chip)
    opened.open_scp03(StaticKeyring(chips.ISSUER_KEYS), randomness("jpki host")(8))
    return opened


def session(chip: Chip) -> SecureConnection:
    """The same for single commands."""
    assert chip.select(JPKI).sw == 0x9000
    return chip.scp03(chips.ISSUER_KEYS)


def verified(chip: Chip, usage: Usage = SIGN) -> JpkiClient:
    """The application with a password verified."""
    opened = client(chip)
    opened.verify(usage, PASSWORDS[usage])
    return opened


@lru_cache(maxsize=4)
def installed(profile: Profile = Profile.MYNUMBER) -> dict[str, bytes]:
    """An active chip's cells, with the JPKI application open and empty."""
    chip = chips.active().chip(("jpki", profile))
    chip.select(chips.ISSUER)
    fields = (bytes(chips.gp.LOAD_FILE), bytes(JPKI), bytes(JPKI), b"\0", bytes((0xC9, 1, profile)), b"")
    data = b"".join(bytes((len(part),)) + part for part in fields)
    say(chip.scp03(chips.ISSUER_KEYS), 0x80, 0xE6, 0x0C, 0x00, data, 256, sw=0x9000)
    return chip.cells


@lru_cache(maxsize=4)
def written(profile: Profile = Profile.MYNUMBER) -> dict[str, bytes]:
    """All of it is written, and it is still open."""
    chip = Chip(installed(profile), ("jpki data", profile))
    opened = personalising(chip)
    usages = PROFILES[profile]
    opened.write_token(TokenInfo.of(profile, SERIAL), usages)
    for usage in Usage:
        leaf, ca = CERTIFICATES[usage] if usage in usages else (CERTIFICATES[SIGN][1],) * 2
        opened.write_certificates(usage, leaf, ca)
    for usage in usages:
        opened.generate_key(usage)
        opened.set_password(usage, PASSWORDS[usage])
    return chip.cells


@lru_cache(maxsize=1)
def nearly_written() -> dict[str, bytes]:
    """All of it but the second key and its password."""
    credential = CREDENTIALS[LOGIN]
    missing = f"k/{credential.key_reference:02x}/v", *(f"p/{credential.password_reference:02x}/{part}" for part in "vt")
    return {cell: content for cell, content in written().items() if not cell.endswith(missing)}


@lru_cache(maxsize=4)
def active(profile: Profile = Profile.MYNUMBER) -> dict[str, bytes]:
    """Personalisation is closed."""
    chip = Chip(written(profile), ("jpki closing", profile))
    personalising(chip).activate()
    return chip.cells


def like_a_juki_card() -> dict[str, bytes]:
    """Active, with the signature key alone."""
    return active(Profile.JUKI)


@lru_cache(maxsize=1)
def a_try_fewer() -> dict[str, bytes]:
    """Active; a try of the signature password was used up."""
    return _after_misses(1)


@lru_cache(maxsize=1)
def the_last_try() -> dict[str, bytes]:
    """Active; one try of the signature password is left."""
    return _after_misses(CREDENTIALS[SIGN].tries - 1)


@lru_cache(maxsize=1)
def blocked() -> dict[str, bytes]:
    """Active; the signature password is blocked."""
    return _after_misses(CREDENTIALS[SIGN].tries)


def _after_misses(count: int) -> dict[str, bytes]:
    chip = Chip(active(), "jpki misses")
    client(chip)
    for _ in range(count):
        say(chip, 0x00, 0x20, 0x00, CREDENTIALS[SIGN].password_reference, WRONG_PASSWORDS[SIGN])
    return chip.cells


def tries(cells: Mapping[str, bytes]) -> dict[Usage, int]:
    """The tries left, as a chip with those cells tells them."""
    opened = client(Chip(cells, "jpki tries"))
    return {usage: opened.tries(usage) for usage in Usage}
