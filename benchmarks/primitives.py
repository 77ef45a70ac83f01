"""The cryptography that the card's side of each flow cannot do without, alone: what its time is held against.

Each list is the calls of `cryptography` that the standard's steps come to, with inputs of the sizes that occur. There
are two ways to add them up: each primitive with the set-up of its key, as it would be timed by itself (`KeyOfEach`), or
every key set up once in a flow, a CMAC that is used again being copied (`KeyOfAll`): less than that no implementation
on this library can do. The randomness and the encoding and decoding of points count, being calls of that library; TLV,
tables, rules, cells and certificates (which the card has read before) do not. A test compares the lists with what a
card really calls, so that nothing stands here that the card does not do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_BLOCK = 16
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_DERIVATION = bytes(48)
"""Label, constant, length, counter, and the two challenges or counter and AID: two to three blocks."""


class KeyOfAll:
    """An AES key that is set up once."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._keyed: CMAC | None = None
        self._ciphers: tuple[CipherContext, CipherContext] | None = None

    def set_up_mac(self) -> CMAC:
        """For CMACs."""
        if self._keyed is None:
            self._keyed = CMAC(AES(self._key))
        return self._keyed

    def set_up_ciphers(self) -> tuple[CipherContext, CipherContext]:
        """For CBC, both ways."""
        if self._ciphers is None:
            cipher = Cipher(AES(self._key), CBC(bytes(_BLOCK)))
            self._ciphers = cipher.encryptor(), cipher.decryptor()
        return self._ciphers

    def mac(self, message: bytes) -> bytes:
        """One CMAC."""
        mac = self.set_up_mac().copy()
        mac.update(message)
        return mac.finalize()

    def encrypt(self, blocks: bytes) -> bytes:
        """CBC of whole blocks."""
        return self.set_up_ciphers()[0].update(blocks)

    def decrypt(self, blocks: bytes) -> bytes:
        """The other way."""
        return self.set_up_ciphers()[1].update(blocks)

    def derive(self, size: int) -> bytes:
        """So many bytes of SP 800-108, a CMAC for each block."""
        return b"".join(self.mac(_DERIVATION) for _ in range(-(-size // _BLOCK)))[:size]


class KeyOfEach(KeyOfAll):
    """An AES key that is set up for each primitive."""

    def mac(self, message: bytes) -> bytes:
        """One CMAC."""
        mac = CMAC(AES(self._key))
        mac.update(message)
        return mac.finalize()

    def encrypt(self, blocks: bytes) -> bytes:
        """CBC of whole blocks."""
        return Cipher(AES(self._key), CBC(bytes(_BLOCK))).encryptor().update(blocks)

    def decrypt(self, blocks: bytes) -> bytes:
        """The other way."""
        return Cipher(AES(self._key), CBC(bytes(_BLOCK))).decryptor().update(blocks)


Keys = type[KeyOfAll]


class Channel:
    """A session's protection under S-ENC, S-MAC and S-RMAC."""

    def __init__(self, enc: KeyOfAll, command_mac: KeyOfAll, response_mac: KeyOfAll) -> None:
        self._enc = enc
        self._command_mac = command_mac
        self._response_mac = response_mac

    def exchange(self, command: int, response: int) -> None:
        """C-MAC, C-ENC, R-ENC, R-MAC for so many plain bytes each way (0: nothing to encrypt), ICVs included."""
        sealed = b""
        if command:
            self._enc.encrypt(bytes(_BLOCK))
            sealed = self._enc.decrypt(bytes(_BLOCK + _padded(command)))[_BLOCK:]
        bytes_eq(self._command_mac.mac(bytes(_BLOCK + 5) + sealed), bytes(_BLOCK))
        sealed = b""
        if response:
            sealed = self._enc.encrypt(bytes(_BLOCK + _padded(response)))[_BLOCK:]
        self._response_mac.mac(bytes(_BLOCK + 2) + sealed)


def _padded(size: int) -> int:
    return (size // _BLOCK + 1) * _BLOCK


def scp03_session(enc: bytes, mac: bytes, keys: Keys) -> Channel:
    """INITIALIZE UPDATE and EXTERNAL AUTHENTICATE (Amendment D): challenge, three keys, two cryptograms, one C-MAC; and
    the set-up of the session's keys.
    """
    static_enc, static_mac = keys(enc), keys(mac)
    static_enc.mac(_DERIVATION)
    s_enc, s_mac = keys(static_enc.derive(len(enc))), keys(static_mac.derive(len(mac)))
    s_rmac = keys(static_mac.derive(len(mac)))
    s_mac.mac(_DERIVATION)
    expected = s_mac.mac(_DERIVATION)
    bytes_eq(expected[:8], expected[:8])
    s_mac.mac(bytes(_BLOCK + 13))
    return _set_up(s_enc, s_mac, s_rmac)


def _set_up(s_enc: KeyOfAll, s_mac: KeyOfAll, s_rmac: KeyOfAll) -> Channel:
    s_enc.set_up_ciphers()
    s_mac.set_up_mac()
    s_rmac.set_up_mac()
    return Channel(s_enc, s_mac, s_rmac)


def private_key(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    """A key pair from its stored scalar."""
    return ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1())


def fresh_key() -> ec.EllipticCurvePrivateKey:
    """An ephemeral key from the randomness port, as FIPS 186-5 A.2.1 has it."""
    return ec.derive_private_key(int.from_bytes(os.urandom(40)) % (_ORDER - 1) + 1, ec.SECP256R1())


Shown = tuple[x509.Certificate, ec.EllipticCurvePublicKey]
"""A certificate that has been read, and the key in it."""


def read(der: bytes) -> Shown:
    """Read a certificate."""
    certificate = x509.load_der_x509_certificate(der)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return certificate, key


def scp11a_session(anchor: bytes, chain: Sequence[Shown], static: bytes, host_point: bytes, keys: Keys) -> Channel:
    """The terminal's certificates, then the key agreement (Amendment F): signatures, two ECDH, KDF, receipt."""
    above = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), anchor)
    for certificate, key in chain:
        above.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
        above = key
    host = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), host_point)
    ephemeral = fresh_key()
    secret = ephemeral.exchange(ec.ECDH(), host) + private_key(static).exchange(ec.ECDH(), above)
    derived = X963KDF(hashes.SHA256(), 80, b"\x3c\x88\x10").derive(secret)
    ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys(derived[:16]).mac(bytes(150))
    return _set_up(keys(derived[16:32]), keys(derived[32:48]), keys(derived[48:64]))


def signature(scalar: bytes) -> None:
    """INTERNAL AUTHENTICATE: the key set up, one deterministic ECDSA signature."""
    private_key(scalar).sign(bytes(64), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def holder_authentication(scalar: bytes, session: Callable[[], Channel], exchanges: Sequence[tuple[int, int]]) -> None:
    """Card authentication, the session, and the protected commands in it with so many plain bytes each way; the
    password's comparison is one of them.
    """
    signature(scalar)
    channel = session()
    for command, response in exchanges:
        channel.exchange(command, response)
    bytes_eq(b"0000", b"0000")
