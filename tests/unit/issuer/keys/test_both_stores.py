"""What every key store does, file or token."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from jukicard.issuer.errors import KeyExists, KeyMissing, KeyMisuse, KeyStoreError, WrongAuthorityPassword
from jukicard.issuer.keys.keystore import Diversification, KeyKind, KeyStore, KeyUse
from jukicard.issuer.keys.places import FilePlace, KeyPlace, TokenPlace
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, StaticKeys, derive_session_keys
from tests.support.chips import randomness
from tests.support.tokens import PIN, WRONG_PIN, tokens

CARD = Diversification(bytes.fromhex("A000000151000000"), bytes(range(10)), 1)

Open = Callable[[str], KeyStore]


@pytest.fixture(scope="module")
def token_place() -> KeyPlace:
    return TokenPlace(tokens().new("contract"), "contract")


@pytest.fixture(params=["file", "token"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the store again, from its secret; it was made with PIN."""
    place: KeyPlace = FilePlace()
    if request.param == "token":
        shared = request.getfixturevalue("token_place")
        place = TokenPlace(shared.token, sha256(str(tmp_path).encode()).hexdigest()[:8])
    place.create(tmp_path, PIN, randomness("keys"))
    return lambda secret: place.open(tmp_path, secret, randomness("opened"))


@pytest.fixture
def store(opened: Open) -> KeyStore:
    return opened(PIN)


def test_keys_survive(store: KeyStore, opened: Open) -> None:
    assert store.labels() == ()
    public = store.create_ec("ca", KeyUse.SIGN)
    rsa_public = store.create_rsa("jpki-ca")
    store.create_master("master")
    store.create_mac_key("digest")
    again = opened(PIN)
    assert again.labels() == ("ca", "digest", "jpki-ca", "master")
    assert again.rsa_public_key("jpki-ca") == rsa_public
    assert again.sign_rsa("jpki-ca", b"x") == store.sign_rsa("jpki-ca", b"x")
    assert again.public_key("ca") == public
    assert again.derive_session("master", CARD, bytes(16)) == store.derive_session("master", CARD, bytes(16))
    assert again.mac("digest", b"x") == store.mac("digest", b"x")


def test_a_wrong_secret_opens_nothing(opened: Open) -> None:
    with pytest.raises(WrongAuthorityPassword) as caught:
        opened(WRONG_PIN)
    assert caught.value.exit_code == 4
    assert WRONG_PIN not in str(caught.value)


def test_labels(store: KeyStore) -> None:
    store.create_ec("ca", KeyUse.SIGN)
    before = store.public_key("ca")
    for again in (
        store.create_master,
        store.create_mac_key,
        store.create_rsa,
        lambda label: store.create_ec(label, KeyUse.AGREE),
    ):
        with pytest.raises(KeyExists, match="'ca'"):
            again("ca")
    assert store.public_key("ca") == before
    with pytest.raises(KeyMissing, match="'cb'"):
        store.public_key("cb")
    for bad in ("", "CA", "a b", "x" * 65, "../x", "ca?"):
        with pytest.raises(KeyStoreError, match="label"):
            store.create_master(bad)


def test_each_key_does_only_what_it_is_for(store: KeyStore) -> None:
    peer = store.create_ec("signer", KeyUse.SIGN)
    store.create_ec("terminal", KeyUse.AGREE)
    store.create_master("master")
    store.create_mac_key("digest")
    store.create_rsa("rsa")
    for wrong in (
        lambda: store.sign("rsa", b"x"),
        lambda: store.public_key("rsa"),
        lambda: store.agree("rsa", peer),
        lambda: store.sign_rsa("signer", b"x"),
        lambda: store.sign_rsa("master", b"x"),
        lambda: store.rsa_public_key("terminal"),
        lambda: store.sign("terminal", b"x"),
        lambda: store.sign("master", b"x"),
        lambda: store.agree("signer", peer),
        lambda: store.mac("master", b"x"),
        lambda: store.derive_session("digest", CARD, bytes(16)),
        lambda: store.wrap_card_keys("signer", CARD, bytes(16)),
        lambda: store.public_key("master"),
        lambda: store.agree("terminal", ec.derive_private_key(5, ec.SECP384R1()).public_key()),
    ):
        with pytest.raises(KeyMisuse):
            wrong()


def test_signatures_verify(store: KeyStore) -> None:
    public = store.create_ec("ca", KeyUse.SIGN)
    for data in (b"data", bytes(5000)):
        signature = store.sign("ca", data)
        public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        with pytest.raises(InvalidSignature):
            public.verify(signature, data + b"x", ec.ECDSA(hashes.SHA256()))


def test_rsa_signatures_verify(store: KeyStore) -> None:
    public = store.create_rsa("ca")
    assert (public.key_size, public.public_numbers().e) == (2048, 65537)
    for data in (b"data", bytes(5000)):
        signature = store.sign_rsa("ca", data)
        assert len(signature) == 256
        public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        with pytest.raises(InvalidSignature):
            public.verify(signature, data + b"x", padding.PKCS1v15(), hashes.SHA256())


def test_agreement_meets_the_other_side(store: KeyStore) -> None:
    public = store.create_ec("terminal", KeyUse.AGREE)
    for scalar in range(1, 20):
        card = ec.derive_private_key(scalar, ec.SECP256R1())
        assert store.agree("terminal", card.public_key()) == card.exchange(ec.ECDH(), public)


def test_digests(store: KeyStore) -> None:
    store.create_mac_key("digest")
    store.create_mac_key("other")
    digests = {store.mac(label, data) for label in ("digest", "other") for data in (b"a", b"b", b"a")}
    assert {len(digest) for digest in digests} == {32}
    assert len(digests) == 4


def unwrapped(store: KeyStore, card: Diversification) -> tuple[bytes, ...]:
    wrapped = store.wrap_card_keys("master", card, TRANSPORT_KEYS.dek)
    keys = tuple(Cipher(AES(TRANSPORT_KEYS.dek), CBC(bytes(16))).decryptor().update(w.cryptogram) for w in wrapped)
    for key, wrap in zip(keys, wrapped, strict=True):
        assert wrap.kcv == Cipher(AES(key), ECB()).encryptor().update(b"\x01" * 16)[:3]
    return keys


def test_wrapped_keys_serve_the_session(store: KeyStore) -> None:
    store.create_master("master")
    keys = unwrapped(store, CARD)
    assert {len(key) for key in keys} == {32}
    assert len(set(keys)) == 3
    session = store.derive_session("master", CARD, bytes(range(16)))
    assert session == derive_session_keys(StaticKeys(*keys), bytes(range(16)))


def test_each_part_of_the_diversification_counts(store: KeyStore) -> None:
    store.create_master("master")
    others = (
        Diversification(CARD.domain + b"\x00", CARD.card, 1),
        Diversification(CARD.domain, CARD.card[::-1], 1),
        Diversification(CARD.domain, CARD.card, 2),
    )
    assert len({unwrapped(store, card) for card in (CARD, *others)}) == 4


def test_descriptions_tell_keys_apart_and_nothing_else(store: KeyStore) -> None:
    public = store.create_ec("ca", KeyUse.SIGN)
    store.create_ec("terminal", KeyUse.AGREE)
    rsa_public = store.create_rsa("signer")
    for label in ("master", "master:2"):
        store.create_master(label)
    for label in ("digest", "digest-2"):
        store.create_mac_key(label)
    described = [store.describe(label) for label in store.labels()]
    assert [key.label for key in described] == list(store.labels())
    kinds = {key.label: key.kind for key in described}
    assert (kinds["ca"], kinds["terminal"], kinds["signer"], kinds["master:2"], kinds["digest"]) == tuple(KeyKind)
    assert len({key.fingerprint for key in described}) == len(described)
    for label, key in (("ca", public), ("signer", rsa_public)):
        info = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        assert store.describe(label).fingerprint == sha256(info).hexdigest()
    assert {len(key.fingerprint) for key in described if key.kind in (KeyKind.MASTER, KeyKind.MAC)} == {10}
    with pytest.raises(KeyMissing):
        store.describe("none")
    assert all(isinstance(value, str) for value in store.place().values())


def test_nothing_secret_is_shown(store: KeyStore) -> None:
    assert PIN not in repr(store) + str(store.place())
