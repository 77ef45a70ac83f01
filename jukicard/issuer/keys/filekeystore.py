"""A key store in one encrypted file, opened by the authority's password.

The file is JSON (mode 0600, replaced whole at each change):

* `format`, `version`: "jukicard key store", 1;
* `kdf`: scrypt's `n`, `r`, `p` and `salt` (hex). It derives 64 bytes from the password (NFC, UTF-8): the
sealing key and
  the verifying key;
* `verifier`: HMAC-SHA256 by the verifying key over a constant, hex: tells a wrong password from a damaged
file;
* `nonce`, `sealed`: AES-256-GCM of the keys (hex, base64), with all of the above as associated data;
* `digest`: SHA-256 of all other members: accidental damage is named as such whatever the password.

Sealed inside: a JSON object from label to kind, secret (hex) and whether it may be exported. The secret of an EC key is
its scalar, of an RSA key its PKCS #8 DER.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from jukicard.issuer.errors import (
    HomeDamaged,
    KeyExists,
    KeyMissing,
    KeyMisuse,
    KeyStoreDamaged,
    KeyStoreError,
    WrongAuthorityPassword,
)
from jukicard.issuer.files import one_writer, read_private, write_atomically
from jukicard.issuer.keys.keystore import (
    MASTER_KEY_SIZE,
    RSA_BITS,
    RSA_EXPONENT,
    Diversification,
    KeyDescription,
    KeyKind,
    KeyUse,
    Randomness,
    WrappedKey,
    check_label,
    check_value,
    diversify,
    public_fingerprint,
    wrap,
)
from jukicard.securechannel.kdf import MacKey
from jukicard.securechannel.scp03 import SessionKeys, derive_session_keys

_FORMAT = "jukicard key store"
_VERSION = 1
_SCRYPT_N = 1 << 15  # about 0.1 s and 32 MiB
_SCRYPT_R = 8
_SCRYPT_P = 1
_ACCEPTED_SCRYPT_N = tuple(1 << bits for bits in range(14, 21))
_SALT_SIZE = 16
_NONCE_SIZE = 12
_VERIFIED = b"jukicard key store: this is the right password"
_MASTER = "master"
_MAC = "mac"
_SIGN_RSA = "sign-rsa"
_KINDS = {
    KeyUse.SIGN.value: KeyKind.SIGN,
    KeyUse.AGREE.value: KeyKind.AGREE,
    _SIGN_RSA: KeyKind.SIGN_RSA,
    _MASTER: KeyKind.MASTER,
    _MAC: KeyKind.MAC,
}
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_EC_SEED_SIZE = 40  # 64 bits more than the order, so that the remainder is even enough (FIPS 186-5, A.2.1)


@dataclass(frozen=True, slots=True)
class _Key:
    kind: str
    secret: bytes = field(repr=False)
    exportable: bool = False


@dataclass(frozen=True, slots=True)
class _Lock:
    """What stands between the file and its keys: the header as stored, and the key from the password."""

    header: Mapping[str, Any]
    sealing_key: bytes = field(repr=False)

    @property
    def associated_data(self) -> bytes:
        return _canonical(self.header)


class FileKeyStore:
    """KeyStore (and PrivateKeyExport) on an encrypted file. Made by `create` or `open`.

    Several processes may use one file: each change reads it afresh under a lock. EC keys come from the
    randomness given, and signatures are deterministic (RFC 6979), so that fixed randomness gives identical
    bytes throughout; RSA keys alone come from OpenSSL's own.
    """

    def __init__(self, path: Path, lock: _Lock, keys: dict[str, _Key], random: Randomness) -> None:
        self._path = path
        self._lock = lock
        self._keys = keys
        self._random = random
        self._set_up: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._set_up_rsa: dict[str, rsa.RSAPrivateKey] = {}
        self._masters: dict[str, MacKey] = {}

    @classmethod
    def create(cls, path: Path, password: str, random: Randomness = os.urandom) -> FileKeyStore:
        """Make an empty key store. Raises KeyStoreError if the file exists or the password is empty."""
        if path.exists():
            raise KeyStoreError(f"{path} exists already")
        if not password:
            raise KeyStoreError("the authority's password must not be empty")
        salt = random(_SALT_SIZE).hex()
        kdf = {"name": "scrypt", "n": _SCRYPT_N, "r": _SCRYPT_R, "p": _SCRYPT_P, "salt": salt}
        sealing_key, verifier = _derive(password, kdf)
        header = {"format": _FORMAT, "version": _VERSION, "kdf": kdf, "verifier": verifier.hex()}
        store = cls(path, _Lock(header, sealing_key), {}, random)
        store._write()
        return store

    @classmethod
    def open(cls, path: Path, password: str, random: Randomness = os.urandom) -> FileKeyStore:
        """Open a key store. Raises WrongAuthorityPassword, KeyStoreDamaged, or KeyStoreError."""
        members = _read_members(path)
        header = {name: members[name] for name in ("format", "version", "kdf", "verifier")}
        sealing_key, verifier = _derive(password, header["kdf"])
        if not hmac.compare_digest(verifier, bytes.fromhex(header["verifier"])):
            raise WrongAuthorityPassword("that is not the authority's password")
        lock = _Lock(header, sealing_key)
        return cls(path, lock, _unseal(members, lock), random)

    def __repr__(self) -> str:
        return f"FileKeyStore({str(self._path)!r}, {len(self._keys)} keys)"

    def labels(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted(self._keys))

    def describe(self, label: str) -> KeyDescription:
        """What anybody may know of a key."""
        secret = self._secret(label, *_KINDS)
        kind = _KINDS[self._keys[label].kind]
        if kind is KeyKind.MASTER:
            fingerprint = check_value(MacKey(secret).mac, kind)
        elif kind is KeyKind.MAC:
            fingerprint = check_value(lambda message: self.mac(label, message), kind)
        elif kind is KeyKind.SIGN_RSA:
            fingerprint = public_fingerprint(self.rsa_public_key(label))
        else:
            fingerprint = public_fingerprint(self.public_key(label))
        return KeyDescription(label, kind, fingerprint)

    def place(self) -> Mapping[str, str]:
        """What the keys are in."""
        return {"key store": f"encrypted file {self._path.name}"}

    def create_ec(self, label: str, use: KeyUse, *, exportable: bool = False) -> ec.EllipticCurvePublicKey:
        """Make a P-256 key pair (FIPS 186-5, A.2.1) and return its public key."""
        scalar = int.from_bytes(self._random(_EC_SEED_SIZE), "big") % (_P256_ORDER - 1) + 1
        self._add(label, _Key(use.value, scalar.to_bytes(32, "big"), exportable))
        return self.public_key(label)

    def create_rsa(self, label: str) -> rsa.RSAPublicKey:
        """Make an RSA-2048 signing key and return its public key."""
        private = rsa.generate_private_key(RSA_EXPONENT, RSA_BITS)
        secret = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._add(label, _Key(_SIGN_RSA, secret))
        return private.public_key()

    def create_master(self, label: str) -> None:
        """Make an AES-256 master key."""
        self._add(label, _Key(_MASTER, self._random(MASTER_KEY_SIZE)))

    def create_mac_key(self, label: str) -> None:
        """Make a 32-byte key for `mac`."""
        self._add(label, _Key(_MAC, self._random(32)))

    def public_key(self, label: str) -> ec.EllipticCurvePublicKey:
        """The public key of an EC key pair."""
        return self._private(label, KeyUse.SIGN, KeyUse.AGREE).public_key()

    def sign(self, label: str, data: bytes) -> bytes:
        """Sign with ECDSA and SHA-256, deterministically (RFC 6979): a DER signature."""
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        return self._private(label, KeyUse.SIGN).sign(data, algorithm)

    def rsa_public_key(self, label: str) -> rsa.RSAPublicKey:
        """The public key of an RSA signing key."""
        return self._rsa_private(label).public_key()

    def sign_rsa(self, label: str, data: bytes) -> bytes:
        """Sign with RSASSA-PKCS1-v1_5 and SHA-256: 256 bytes."""
        return self._rsa_private(label).sign(data, padding.PKCS1v15(), hashes.SHA256())

    def agree(self, label: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Agree by ECDH: the shared X coordinate, 32 bytes. KeyMisuse for a peer on another curve."""
        private = self._private(label, KeyUse.AGREE)
        if not isinstance(peer.curve, ec.SECP256R1):
            raise KeyMisuse("the other side's key is not on P-256")
        return private.exchange(ec.ECDH(), peer)

    def mac(self, label: str, data: bytes) -> bytes:
        """HMAC-SHA256, 32 bytes."""
        return hmac.digest(self._secret(label, _MAC), data, "sha256")

    def derive_session(self, label: str, diversification: Diversification, context: bytes) -> SessionKeys:
        """Session keys of an SCP03 session with one card."""
        return derive_session_keys(diversify(self._master(label), diversification), context)

    def wrap_card_keys(
        self, label: str, diversification: Diversification, dek: bytes
    ) -> tuple[WrappedKey, WrappedKey, WrappedKey]:
        """The card's own ENC, MAC and DEK for PUT KEY, encrypted under the DEK it has now."""
        return wrap(diversify(self._master(label), diversification), dek)

    def export_private_pem(self, label: str) -> bytes:
        """The private key as PEM (PKCS #8, not encrypted), if it was made exportable; else KeyMisuse."""
        private = self._private(label, KeyUse.SIGN, KeyUse.AGREE)
        if not self._keys[label].exportable:
            raise KeyMisuse(f"the key {label!r} never leaves the key store")
        return private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def _secret(self, label: str, *kinds: str) -> bytes:
        key = self._keys.get(label)
        if key is None:
            raise KeyMissing(f"there is no key {label!r}")
        if key.kind not in kinds:
            raise KeyMisuse(f"the key {label!r} is for something else: {key.kind}")
        return key.secret

    def _private(self, label: str, *uses: KeyUse) -> ec.EllipticCurvePrivateKey:
        scalar = self._secret(label, *uses)
        key = self._set_up.get(label)
        if key is None:
            key = self._set_up[label] = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
        return key

    def _rsa_private(self, label: str) -> rsa.RSAPrivateKey:
        secret = self._secret(label, _SIGN_RSA)
        key = self._set_up_rsa.get(label)
        if key is None:
            loaded = serialization.load_der_private_key(secret, password=None)
            assert isinstance(loaded, rsa.RSAPrivateKey)  # noqa: S101 - the seal says that it is as it was written
            key = self._set_up_rsa[label] = loaded
        return key

    def _master(self, label: str) -> MacKey:
        secret = self._secret(label, _MASTER)
        key = self._masters.get(label)
        if key is None:
            key = self._masters[label] = MacKey(secret)
        return key

    def _add(self, label: str, key: _Key) -> None:
        check_label(label)
        with one_writer(self._path):
            self._keys = _unseal(_read_members(self._path), self._lock)
            self._set_up, self._set_up_rsa, self._masters = {}, {}, {}
            if label in self._keys:
                raise KeyExists(f"there is a key {label!r} already")
            self._keys[label] = key
            self._write()

    def _write(self) -> None:
        content = {
            label: {"kind": key.kind, "secret": key.secret.hex(), "exportable": key.exportable}
            for label, key in sorted(self._keys.items())
        }
        nonce = self._random(_NONCE_SIZE)
        lock = self._lock
        sealed = AESGCM(lock.sealing_key).encrypt(nonce, _canonical(content), lock.associated_data)
        members = {**lock.header, "nonce": nonce.hex(), "sealed": base64.b64encode(sealed).decode()}
        members["digest"] = _digest(members)
        write_atomically(self._path, json.dumps(members, indent=1).encode() + b"\n")


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(members: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical({k: v for k, v in members.items() if k != "digest"})).hexdigest()


def _derive(password: str, kdf: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The sealing key, and what the verifier must be."""
    scrypt = Scrypt(bytes.fromhex(kdf["salt"]), 64, n=kdf["n"], r=kdf["r"], p=kdf["p"])
    derived = scrypt.derive(unicodedata.normalize("NFC", password).encode())
    return derived[:32], hmac.digest(derived[32:], _VERIFIED, "sha256")


def _read_members(path: Path) -> dict[str, Any]:
    """The file's members: whole, of this format, and with scrypt parameters that exhaust no machine."""
    try:
        content = read_private(path)
    except HomeDamaged as error:
        raise KeyStoreError(str(error)) from error
    try:
        members = json.loads(content)
        whole = members["digest"] == _digest(members)
        kdf = members["kdf"]
        bytes.fromhex(kdf["salt"] + members["verifier"] + members["nonce"])
        fits = kdf["n"] in _ACCEPTED_SCRYPT_N and (kdf["r"], kdf["p"]) == (_SCRYPT_R, _SCRYPT_P)
        known = (members["format"], members["version"], kdf["name"]) == (_FORMAT, _VERSION, "scrypt")
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = fits = known = False
    if not (whole and fits and known):
        raise KeyStoreDamaged(f"{path} is damaged, or no key store of this version")
    return members  # type: ignore[no-any-return]  # checked member by member


def _unseal(members: Mapping[str, Any], lock: _Lock) -> dict[str, _Key]:
    try:
        sealed = base64.b64decode(members["sealed"], validate=True)
        nonce = bytes.fromhex(members["nonce"])
        plain = AESGCM(lock.sealing_key).decrypt(nonce, sealed, lock.associated_data)
    except (InvalidTag, KeyError, ValueError, TypeError):
        raise KeyStoreDamaged("the key file was edited: its seal does not fit") from None
    return {
        label: _Key(entry["kind"], bytes.fromhex(entry["secret"]), entry["exportable"])
        for label, entry in json.loads(plain).items()
    }
