"""A key store in a PKCS#11 token (OASIS PKCS #11 2.40), through python-pkcs11.

Master keys, signing keys, terminals' keys and the digest key are made in the token with CKA_SENSITIVE and without
CKA_EXTRACTABLE, and are used there:

* signatures: CKM_ECDSA over the SHA-256 of the data, CKM_SHA256_RSA_PKCS over the data;
* derivation of one card's keys: each block's CMAC is CKM_AES_CMAC; what it derives, unique to the card, comes out;
* agreement: CKM_ECDH1_DERIVE without a KDF; the shared secret comes out, unique to the session;
* digests: CKM_SHA256_HMAC.

A key's CKA_LABEL is NAMESPACE/LABEL. A pair is made under a provisional label and renamed, the private key last: one
whose making was interrupted is not there, and the next that makes it sweeps it away.

A session that was lost (the token pulled out, the library restarted, the process forked) is opened again, with the
PIN that opened it first; the operation is then done once more. Not for several threads at a time.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import KDF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from jukicard.issuer.errors import (
    KeyExists,
    KeyMissing,
    KeyMisuse,
    KeyStoreError,
    TokenMissing,
    WrongPin,
)
from jukicard.issuer.files import one_writer
from jukicard.issuer.keys.keystore import (
    MASTER_KEY_SIZE,
    RSA_BITS,
    Diversification,
    KeyDescription,
    KeyKind,
    KeyUse,
    WrappedKey,
    check_label,
    check_value,
    diversify_by,
    public_fingerprint,
    wrap,
)
from jukicard.issuer.keys.pkcs11library import Key, Library, Login, check_present, named, reason, serial
from jukicard.issuer.keys.places import Token
from jukicard.securechannel.scp03 import SessionKeys, StaticKeys, derive_session_keys

T = TypeVar("T")

_SECRET_BITS = 8 * MASTER_KEY_SIZE
_POINT_SIZE = 65
_PROVISIONAL = "?"
"""Ends the label of a pair in the making; no label of ours has it."""

_KEPT = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
"""What makes a key one that never leaves."""
_RELEASED = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
"""What lets the token hand out a secret of one session with one card."""

_USES = {KeyUse.SIGN: MechanismFlag.SIGN | MechanismFlag.VERIFY, KeyUse.AGREE: MechanismFlag.DERIVE}


class Pkcs11KeyStore:
    """KeyStore in a token, made by `open`. It hands out no keys: what is made exportable is a key like any other."""

    def __init__(self, token: Token, namespace: str, pin: str, lock: Path) -> None:
        self._token = token
        self._namespace = namespace
        self._pin = pin
        self._lock = lock

    @classmethod
    def open(cls, token: Token, namespace: str, pin: str, *, lock: Path) -> Pkcs11KeyStore:
        """Log in to a token. `lock`: the file beside which a lock lets one process at a time log in or make keys.

        Raises TokenMissing (with the tokens there are), WrongPin, PinLocked, KeyStoreError.
        """
        store = cls(token, namespace, pin, lock)
        try:
            store._login()
        except TokenMissing:
            there = ", ".join(map(named, Library.at(token.library).tokens())) or "none"
            raise TokenMissing(f"there is no {token}; initialised tokens there are: {there}") from None
        return store

    def __repr__(self) -> str:
        return f"Pkcs11KeyStore({self._token}, {self._namespace!r})"

    def labels(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return self._do(self._labels)

    def describe(self, label: str) -> KeyDescription:
        """What anybody may know of a key."""

        def work(login: Login) -> KeyDescription:
            key = self._key(login, label, *KeyKind)
            if key.public is not None:
                return KeyDescription(label, key.kind, public_fingerprint(key.public))
            return KeyDescription(label, key.kind, check_value(key.mac, key.kind))

        return self._do(work)

    def place(self) -> Mapping[str, str]:
        """What the keys are in."""

        def work(login: Login) -> Mapping[str, str]:
            token = login.session.token
            return {
                "key store": "PKCS#11 token",
                "library": self._token.library,
                "library version": Library.at(self._token.library).version(),
                "token label": token.label,
                "token serial": serial(token),
                "token model": f"{token.manufacturer_id.strip()} {token.model.strip()}",
                "namespace of the keys' labels": self._namespace,
            }

        return self._do(work)

    def create_ec(self, label: str, use: KeyUse, *, exportable: bool = False) -> ec.EllipticCurvePublicKey:
        """Make a P-256 key pair and return its public key."""

        def pair(session: Any, settings: Mapping[str, Any]) -> tuple[Any, Any]:
            curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
            domain = session.create_domain_parameters(KeyType.EC, curve, local=True)
            return domain.generate_keypair(capabilities=_USES[use], **settings)  # type: ignore[no-any-return]

        self._create_pair(label, pair)
        return self.public_key(label)

    def create_rsa(self, label: str) -> rsa.RSAPublicKey:
        """Make an RSA-2048 signing key (public exponent 65537, PKCS#11's default) and return its public key."""

        def pair(session: Any, settings: Mapping[str, Any]) -> tuple[Any, Any]:
            return session.generate_keypair(  # type: ignore[no-any-return]
                KeyType.RSA, RSA_BITS, capabilities=_USES[KeyUse.SIGN], **settings
            )

        self._create_pair(label, pair)
        return self.rsa_public_key(label)

    def create_master(self, label: str) -> None:
        """Make an AES-256 master key."""
        self._create(label, lambda session, name: _generate(session, name, KeyType.AES, Mechanism.AES_KEY_GEN))

    def create_mac_key(self, label: str) -> None:
        """Make a 32-byte key for `mac`."""
        generation = Mechanism.GENERIC_SECRET_KEY_GEN
        self._create(label, lambda session, name: _generate(session, name, KeyType.GENERIC_SECRET, generation))

    def public_key(self, label: str) -> ec.EllipticCurvePublicKey:
        """The public key of an EC key pair."""
        public = self._do(lambda login: self._key(login, label, KeyKind.SIGN, KeyKind.AGREE).public)
        assert isinstance(public, ec.EllipticCurvePublicKey)  # noqa: S101 - every EC pair that is found has one
        return public

    def rsa_public_key(self, label: str) -> rsa.RSAPublicKey:
        """The public key of an RSA signing key."""
        public = self._do(lambda login: self._key(login, label, KeyKind.SIGN_RSA).public)
        assert isinstance(public, rsa.RSAPublicKey)  # noqa: S101 - every RSA pair that is found has one
        return public

    def sign_rsa(self, label: str, data: bytes) -> bytes:
        """Sign with RSASSA-PKCS1-v1_5 and SHA-256: 256 bytes."""

        def work(login: Login) -> bytes:
            handle = self._key(login, label, KeyKind.SIGN_RSA).handle
            return bytes(handle.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))

        return self._do(work)

    def sign(self, label: str, data: bytes) -> bytes:
        """Sign with ECDSA and SHA-256, with randomness of the token: a DER signature."""
        digest = sha256(data).digest()
        signature = self._do(
            lambda login: self._key(login, label, KeyKind.SIGN).handle.sign(digest, mechanism=Mechanism.ECDSA)
        )
        half = len(signature) // 2
        return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))

    def agree(self, label: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Agree by ECDH: the shared X coordinate, 32 bytes. KeyMisuse for a peer on another curve."""

        def work(login: Login) -> bytes:
            private = self._key(login, label, KeyKind.AGREE).handle
            if not isinstance(peer.curve, ec.SECP256R1):
                raise KeyMisuse("the other side's key is not on P-256")
            point = peer.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            derivation = (KDF.NULL, None, point)
            shared = private.derive_key(
                KeyType.GENERIC_SECRET, _SECRET_BITS, mechanism_param=derivation, capabilities=0, template=_RELEASED
            )
            try:
                return bytes(shared[Attribute.VALUE])
            finally:
                shared.destroy()

        return self._do(work)

    def mac(self, label: str, data: bytes) -> bytes:
        """HMAC-SHA256, 32 bytes."""
        return self._do(lambda login: self._key(login, label, KeyKind.MAC).mac(data))

    def derive_session(self, label: str, diversification: Diversification, context: bytes) -> SessionKeys:
        """Session keys of an SCP03 session with one card."""
        return derive_session_keys(self._card_keys(label, diversification), context)

    def wrap_card_keys(
        self, label: str, diversification: Diversification, dek: bytes
    ) -> tuple[WrappedKey, WrappedKey, WrappedKey]:
        """The card's own ENC, MAC and DEK for PUT KEY, encrypted under the DEK it has now."""
        return wrap(self._card_keys(label, diversification), dek)

    def destroy_all(self) -> None:
        """Destroy all keys of the namespace, for whoever gives up what he was making."""

        def work(login: Login) -> None:
            login.keys.clear()
            for item in list(login.session.get_objects()):
                if _label(item).startswith(self._namespace + "/"):
                    item.destroy()

        self._do(work)

    def _card_keys(self, label: str, diversification: Diversification) -> StaticKeys:
        return self._do(lambda login: diversify_by(self._key(login, label, KeyKind.MASTER).mac, diversification))

    def _do(self, work: Callable[[Login], T]) -> T:
        """Do something in a session, and once more in a new one if that was lost.  KeyStoreError, TokenMissing."""
        try:
            return work(self._login())
        except pkcs11.PKCS11Error:  # which of them a lost session gives, each library decides for itself
            Library.at(self._token.library).restart()
        try:
            return work(self._login())
        except pkcs11.PKCS11Error as error:
            raise KeyStoreError(f"{self._token} does not do it: {reason(error)}") from error

    def _login(self) -> Login:
        library = Library.at(self._token.library)
        login = library.logins.get(self._token.serial)
        if login is None:
            with one_writer(self._lock), suppress(TokenMissing):  # SoftHSM rewrites a token's file at each login
                token = library.find(self._token)
                if token is not None:
                    return library.login(token, self._pin)
            raise TokenMissing(f"{self._token} is gone: put it back, then resume")
        if not hmac.compare_digest(login.pin.encode(), self._pin.encode()):
            raise WrongPin(f"that is not the PIN of {self._token}")
        return login

    def _labels(self, login: Login) -> tuple[str, ...]:
        check_present(login.session)
        own = self._namespace + "/"
        kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.SECRET_KEY)
        found = [_label(item) for kind in kinds for item in login.session.get_objects({Attribute.CLASS: kind})]
        ours = (name.removeprefix(own) for name in found if name.startswith(own))
        return tuple(sorted(name for name in ours if not name.endswith(_PROVISIONAL)))

    def _create(self, label: str, make: Callable[[Any, str], None]) -> None:
        """Make a key under a label that is free, after sweeping away what an interrupted making of it has left."""
        name = f"{self._namespace}/{check_label(label)}"

        def work(login: Login) -> None:
            with one_writer(self._lock):
                present = _objects(login.session, name)
                if present.keys() - {ObjectClass.PUBLIC_KEY}:
                    raise KeyExists(f"there is a key {label!r} already")
                for item in (*present.values(), *_objects(login.session, name + _PROVISIONAL).values()):
                    item.destroy()
                make(login.session, name)

        self._do(work)

    def _create_pair(self, label: str, pair: Callable[[Any, Mapping[str, Any]], tuple[Any, Any]]) -> None:
        """Make a key pair by what generates it in a session from the settings that all pairs have."""

        def make(session: Any, name: str) -> None:
            settings = {"label": name + _PROVISIONAL, "store": True, "private_template": _KEPT}
            for half in pair(session, settings):
                half[Attribute.LABEL] = name

        self._create(label, make)

    def _key(self, login: Login, label: str, *kinds: KeyKind) -> Key:
        """Find a key. KeyMissing, KeyMisuse, KeyStoreError for half a pair."""
        name = f"{self._namespace}/{label}"
        if name not in login.keys:
            found = _objects(login.session, name)
            if not found.keys() - {ObjectClass.PUBLIC_KEY}:
                check_present(login.session)
                raise KeyMissing(f"there is no key {label!r}")
            login.keys[name] = _read_key(label, found)
        key = login.keys[name]
        if key.kind not in kinds:
            raise KeyMisuse(f"the key {label!r} is for something else: {key.kind}")
        return key


def _generate(session: Any, name: str, key_type: KeyType, mechanism: Mechanism) -> None:
    session.generate_key(
        key_type,
        _SECRET_BITS,
        label=name,
        store=True,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        mechanism=mechanism,
        template=_KEPT,
    )


def _objects(session: Any, name: str) -> dict[ObjectClass, Any]:
    return {item[Attribute.CLASS]: item for item in session.get_objects({Attribute.LABEL: name})}


def _read_key(label: str, found: Mapping[ObjectClass, Any]) -> Key:
    secret = found.get(ObjectClass.SECRET_KEY)
    if secret is not None:
        return Key(KeyKind.MASTER if secret[Attribute.KEY_TYPE] is KeyType.AES else KeyKind.MAC, secret)
    private, public = found[ObjectClass.PRIVATE_KEY], found.get(ObjectClass.PUBLIC_KEY)
    if public is None:
        raise KeyStoreError(f"the key {label!r} has no public half in the token, which it was made with")
    if private[Attribute.KEY_TYPE] is KeyType.RSA:
        modulus, exponent = (int.from_bytes(public[name]) for name in (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT))
        return Key(KeyKind.SIGN_RSA, private, rsa.RSAPublicNumbers(exponent, modulus).public_key())
    point = bytes(public[Attribute.EC_POINT])[-_POINT_SIZE:]  # a DER octet string; of some tokens the bare point
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    return Key(KeyKind.AGREE if private[Attribute.DERIVE] else KeyKind.SIGN, private, key)


def _label(item: Any) -> str:
    try:
        return str(item[Attribute.LABEL])
    except pkcs11.AttributeTypeInvalid:  # an object of somebody else's, without one
        return ""
