"""The cryptography that the card's side of each flow cannot do without, alone: what its time is held against.

Each list is the calls of `cryptography` that the standard's steps come to, with inputs of the sizes that occur, and
every key set up once in a flow (a CMAC that is used again is copied, which is cheaper). The randomness, the reading of
certificates into a parsed object with its key, and the encoding and decoding of points count, being calls of that
library; TLV, tables, rules, cells, and everything that is looked at *in* a certificate do not. `counted` in the tests
compares the lists with what a card really calls, so that nothing stands here that the card does not do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
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


def _mac(keyed: CMAC, message: bytes) -> bytes:
    mac = keyed.copy()
    mac.update(message)
    return mac.finalize()


def _derive(keyed: CMAC, size: int) -> bytes:
    return b"".join(_mac(keyed, _DERIVATION) for _ in range(-(-size // _BLOCK)))[:size]


class Channel:
    """A session's protection, S-ENC, S-MAC and S-RMAC set up once."""

    def __init__(self, enc: bytes, command_mac: CMAC, rmac: bytes) -> None:
        cipher = Cipher(AES(enc), CBC(bytes(_BLOCK)))
        self._command_mac = command_mac
        self._response_mac = CMAC(AES(rmac))
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()

    def exchange(self, command: int, response: int) -> None:
        """C-MAC, C-ENC, R-ENC, R-MAC for so many plain bytes each way (0: nothing to encrypt), ICVs included."""
        sealed = b""
        if command:
            self._encryptor.update(bytes(_BLOCK))
            sealed = self._decryptor.update(bytes(_BLOCK + _padded(command)))[_BLOCK:]
        bytes_eq(_mac(self._command_mac, bytes(_BLOCK + 5) + sealed), bytes(_BLOCK))
        sealed = b""
        if response:
            sealed = self._encryptor.update(bytes(_BLOCK + _padded(response)))[_BLOCK:]
        _mac(self._response_mac, bytes(_BLOCK + 2) + sealed)


def _padded(size: int) -> int:
    return (size // _BLOCK + 1) * _BLOCK


def scp03_session(enc: bytes, mac: bytes) -> Channel:
    """INITIALIZE UPDATE and EXTERNAL AUTHENTICATE (Amendment D): challenge, three keys, two cryptograms, one C-MAC."""
    static_enc, static_mac = CMAC(AES(enc)), CMAC(AES(mac))
    _mac(static_enc, _DERIVATION)
    s_enc, s_mac, s_rmac = _derive(static_enc, len(enc)), _derive(static_mac, len(mac)), _derive(static_mac, len(mac))
    command_mac = CMAC(AES(s_mac))
    _mac(command_mac, _DERIVATION)
    expected = _mac(command_mac, _DERIVATION)
    bytes_eq(expected[:8], expected[:8])
    channel = Channel(s_enc, command_mac, s_rmac)
    _mac(command_mac, bytes(_BLOCK + 13))
    return channel


def private_key(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    """A key pair from its stored scalar."""
    return ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1())


def fresh_key() -> ec.EllipticCurvePrivateKey:
    """An ephemeral key from the randomness port, as FIPS 186-5 A.2.1 has it."""
    return ec.derive_private_key(int.from_bytes(os.urandom(40)) % (_ORDER - 1) + 1, ec.SECP256R1())


def scp11a_session(anchor: bytes, chain: Sequence[bytes], static: bytes, host_point: bytes) -> Channel:
    """The terminal's certificates, then the key agreement (Amendment F): signatures, two ECDH, KDF, receipt."""
    above = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), anchor)
    for der in chain:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        above.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
        above = key
    host = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), host_point)
    ephemeral = fresh_key()
    secret = ephemeral.exchange(ec.ECDH(), host) + private_key(static).exchange(ec.ECDH(), above)
    derived = X963KDF(hashes.SHA256(), 80, b"\x3c\x88\x10").derive(secret)
    ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    _mac(CMAC(AES(derived[:16])), bytes(150))
    return Channel(derived[16:32], CMAC(AES(derived[32:48])), derived[48:64])


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
