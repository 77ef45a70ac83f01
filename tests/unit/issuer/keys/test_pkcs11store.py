"""The key store in a token: what never leaves, what is lost and comes back, which token it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from pkcs11 import Attribute, Mechanism, ObjectClass

from jukicard.issuer.errors import (
    KeyMissing,
    KeyStoreError,
    PinLocked,
    TokenMissing,
    WrongPin,
)
from jukicard.issuer.keys.keystore import Diversification, KeyUse, PrivateKeyExport
from jukicard.issuer.keys.pkcs11library import Library
from jukicard.issuer.keys.pkcs11store import Pkcs11KeyStore
from jukicard.issuer.keys.places import Token
from jukicard.securechannel.scp03 import TRANSPORT_KEYS
from tests.support.tokens import PIN, WRONG_PIN, library, tokens

CARD = Diversification(bytes.fromhex("A000000151000000"), bytes(range(10)), 1)
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def token() -> Token:
    return tokens().new("bureau")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def store(token: Token, lock: Path) -> Iterator[Pkcs11KeyStore]:
    opened = Pkcs11KeyStore.open(token, "99201-ab", PIN, lock=lock)
    yield opened
    opened.destroy_all()


def raw(store: Pkcs11KeyStore) -> Any:
    """The session beneath."""
    return store._login().session


def full(store: Pkcs11KeyStore) -> None:
    store.create_ec("ca", KeyUse.SIGN)
    store.create_ec("terminal", KeyUse.AGREE, exportable=True)
    store.create_rsa("signer")
    store.create_master("master")
    store.create_mac_key("digest")


def test_no_key_ever_leaves(store: Pkcs11KeyStore) -> None:
    full(store)
    assert not isinstance(store, PrivateKeyExport)
    secret = [o for o in raw(store).get_objects() if o[Attribute.CLASS] is not ObjectClass.PUBLIC_KEY]
    assert len(secret) == 5
    for item in secret:
        sensitive = (Attribute.SENSITIVE, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE, Attribute.PRIVATE)
        assert all(item[name] for name in sensitive)
        assert not item[Attribute.EXTRACTABLE]
        is_rsa = item[Attribute.KEY_TYPE] is pkcs11.KeyType.RSA
        with pytest.raises(pkcs11.AttributeSensitive):
            item[Attribute.PRIVATE_EXPONENT if is_rsa else Attribute.VALUE]
        for loosened in ({Attribute.EXTRACTABLE: True}, {Attribute.SENSITIVE: False}):
            for name, value in loosened.items():
                with pytest.raises(pkcs11.PKCS11Error):
                    item[name] = value


def test_no_key_can_be_wrapped(store: Pkcs11KeyStore) -> None:
    full(store)
    wrapping = raw(store).generate_key(
        pkcs11.KeyType.AES, 256, capabilities=pkcs11.MechanismFlag.WRAP, template={Attribute.TOKEN: False}
    )
    secret = [
        o for o in raw(store).get_objects({Attribute.TOKEN: True}) if o[Attribute.CLASS] is not ObjectClass.PUBLIC_KEY
    ]
    assert len(secret) == 5
    for item in secret:
        with pytest.raises(pkcs11.PKCS11Error):
            wrapping.wrap_key(item, mechanism=Mechanism.AES_KEY_WRAP)


def test_nothing_of_a_session_stays_in_the_token(store: Pkcs11KeyStore) -> None:
    full(store)
    before = len(list(raw(store).get_objects()))
    store.agree("terminal", ec.derive_private_key(7, ec.SECP256R1()).public_key())
    store.derive_session("master", CARD, bytes(16))
    assert len(list(raw(store).get_objects())) == before


def test_the_derivation_is_the_documented_one(store: Pkcs11KeyStore) -> None:
    store.create_master("master")
    master = raw(store).get_key(label="99201-ab/master")
    wrapped = store.wrap_card_keys("master", CARD, TRANSPORT_KEYS.dek)
    for constant, key in zip((0xC1, 0xC2, 0xC3), wrapped, strict=True):
        blocks = (
            bytes(11) + bytes((constant, 0, 1, 0, i, 1, len(CARD.domain))) + CARD.domain + CARD.card for i in (1, 2)
        )
        expected = b"".join(master.sign(block, mechanism=Mechanism.AES_CMAC) for block in blocks)
        assert Cipher(AES(TRANSPORT_KEYS.dek), CBC(bytes(16))).decryptor().update(key.cryptogram) == expected


def test_namespaces_share_a_token(token: Token, store: Pkcs11KeyStore, lock: Path) -> None:
    store.create_master("master")
    other = Pkcs11KeyStore.open(token, "99201-cd", PIN, lock=lock)
    other.create_master("master")
    assert other.derive_session("master", CARD, bytes(16)) != store.derive_session("master", CARD, bytes(16))
    other.destroy_all()
    assert (other.labels(), store.labels()) == ((), ("master",))


def test_a_token_is_the_one_with_that_label_and_that_serial(token: Token, lock: Path) -> None:
    twin = tokens().new(token.label)
    assert twin.serial != token.serial
    with pytest.raises(TokenMissing) as caught:
        Pkcs11KeyStore.open(Token(token.library, "other", token.serial[::-1]), "x", PIN, lock=lock)
    assert caught.value.exit_code == 6
    assert token.serial in str(caught.value)
    assert twin.serial in str(caught.value)
    one, two = (Pkcs11KeyStore.open(which, "99201-ef", PIN, lock=lock) for which in (token, twin))
    two.create_master("master")
    assert (one.labels(), two.labels()) == ((), ("master",))


def test_a_library_that_is_not_there(lock: Path) -> None:
    with pytest.raises(TokenMissing, match=r"/nowhere/p11\.so"):
        Pkcs11KeyStore.open(Token("/nowhere/p11.so", "bureau", "1"), "x", PIN, lock=lock)


OPERATIONS: list[Callable[[Pkcs11KeyStore], object]] = [
    lambda store: store.labels(),
    lambda store: store.public_key("none"),
    lambda store: store.sign("ca", b"x"),
    lambda store: store.derive_session("master", CARD, bytes(16)),
    lambda store: store.mac("digest", b"x"),
    lambda store: store.describe("master"),
    lambda store: store.create_master("new"),
    lambda store: store.create_ec("new", KeyUse.SIGN),
]


def test_a_token_that_was_taken_out_is_told_and_taken_up_again(token: Token, store: Pkcs11KeyStore) -> None:
    full(store)
    expected = store.derive_session("master", CARD, bytes(16))
    with tokens().removed(token):
        for operation in OPERATIONS:
            with pytest.raises(TokenMissing, match="is gone: put it back, then resume") as caught:
                operation(store)
            assert caught.value.exit_code == 6
    with pytest.raises(KeyMissing):
        store.public_key("none")
    store.create_master("new")
    for operation in OPERATIONS[2:6]:
        operation(store)
    assert store.derive_session("master", CARD, bytes(16)) == expected


@pytest.mark.parametrize("number", [0, 2, 7])
def test_the_first_that_needs_the_token_takes_it_up_again(token: Token, store: Pkcs11KeyStore, number: int) -> None:
    full(store)
    with tokens().removed(token), pytest.raises(TokenMissing):
        store.sign("ca", b"x")
    OPERATIONS[number](store)


def test_a_pair_half_made_is_swept_away(store: Pkcs11KeyStore) -> None:
    """The process dies between the making of a pair and its two namings."""
    for namings in (0, 1):
        label = f"ca-{namings}"
        session = raw(store)
        domain = session.create_domain_parameters(
            pkcs11.KeyType.EC,
            {Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters("secp256r1")},
            local=True,
        )
        pair = domain.generate_keypair(label=f"99201-ab/{label}?", store=True)
        for half in pair[:namings]:
            half[Attribute.LABEL] = f"99201-ab/{label}"
        assert label not in store.labels()
        with pytest.raises(KeyMissing):
            store.public_key(label)
        public = store.create_ec(label, KeyUse.SIGN)
        assert store.public_key(label) == public
        assert len([o for o in session.get_objects() if label in o[Attribute.LABEL]]) == 2


def test_half_a_key_is_told_not_replaced(store: Pkcs11KeyStore) -> None:
    store.create_ec("ca", KeyUse.SIGN)
    raw(store).get_key(ObjectClass.PUBLIC_KEY, label="99201-ab/ca").destroy()
    Library.at(library()).restart()
    with pytest.raises(KeyStoreError, match="no public half"):
        store.public_key("ca")
    with pytest.raises(KeyStoreError, match="already"):
        store.create_ec("ca", KeyUse.SIGN)


def test_wrong_pins_are_counted_by_the_token_and_told(lock: Path) -> None:
    fresh = tokens().new("pins")
    with pytest.raises(WrongPin, match="not the first wrong one") as caught:
        Pkcs11KeyStore.open(fresh, "x", WRONG_PIN, lock=lock)
    assert caught.value.exit_code == 4
    assert WRONG_PIN not in str(caught.value)
    assert caught.value.__cause__ is None
    Pkcs11KeyStore.open(fresh, "x", PIN, lock=lock)
    with pytest.raises(WrongPin):  # although the process is logged in
        Pkcs11KeyStore.open(fresh, "x", WRONG_PIN, lock=lock)


class StubToken:
    """A token whose PIN has been tried too often, as SoftHSM's never are."""

    label, serial = "bureau", b"1234            "

    def __init__(self, error: type[pkcs11.PKCS11Error], flags: pkcs11.TokenFlag) -> None:
        self.error, self.flags = error, flags
        self.slot = self

    def get_token(self) -> StubToken:
        return self

    def open(self, **_: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (pkcs11.TokenFlag.USER_PIN_FINAL_TRY | pkcs11.TokenFlag.USER_PIN_COUNT_LOW, "one try is left"),
        (pkcs11.TokenFlag.USER_PIN_LOCKED, "it is locked now"),
        (pkcs11.TokenFlag(0), "1234\\)$"),
    ],
)
def test_the_tries_that_are_left_are_told(flags: pkcs11.TokenFlag, told: str) -> None:
    with pytest.raises(WrongPin, match=told):
        Library(library()).login(StubToken(pkcs11.PinIncorrect, flags), WRONG_PIN)  # type: ignore[arg-type]


def test_a_locked_pin_is_another_error() -> None:
    stub = StubToken(pkcs11.PinLocked, pkcs11.TokenFlag.USER_PIN_LOCKED)
    with pytest.raises(PinLocked, match="security officer") as caught:
        Library(library()).login(stub, PIN)  # type: ignore[arg-type]
    assert caught.value.exit_code == 5


FORKING = """
import os, sys
from pathlib import Path
from jukicard.issuer.keys.pkcs11store import Pkcs11KeyStore
from jukicard.issuer.keys.places import Token
from jukicard.issuer.keys.keystore import KeyUse
library, label, serial, lock = sys.argv[1:]
store = Pkcs11KeyStore.open(Token(library, label, serial), "fork", sys.stdin.read(), lock=Path(lock))
store.create_mac_key("digest")
ours = store._login().session
for child in range(3):
    if os.fork() == 0:
        done = store.mac("digest", b"x") and store._login().session is not ours
        store.create_ec(f"of-{child}", KeyUse.SIGN)
        os._exit(0 if done else 1)
codes = [os.wait()[1] for child in range(3)]
assert store._login().session is ours
print(codes, store.labels(), len(store.mac("digest", b"x")))
store.destroy_all()
"""


def test_each_process_has_a_session_of_its_own(token: Token, lock: Path) -> None:
    command = [sys.executable, "-c", FORKING, token.library, token.label, token.serial, str(lock)]
    environment = {**os.environ, **tokens().environment, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, input=PIN, capture_output=True, text=True, check=False)
    assert done.stdout == "[0, 0, 0] ('digest', 'of-0', 'of-1', 'of-2') 32\n", done.stderr
