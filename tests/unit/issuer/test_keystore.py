"""The encrypted key file, and how card keys come from a master key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from jukicard.issuer.errors import (
    KeyExists,
    KeyMisuse,
    KeyStoreDamaged,
    KeyStoreError,
    WrongAuthorityPassword,
)
from jukicard.issuer.keys.filekeystore import FileKeyStore
from jukicard.issuer.keys.keystore import Diversification, KeyStore, KeyUse, PrivateKeyExport, diversify
from jukicard.securechannel.kdf import MacKey
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, derive_session_keys

PASSWORD = "a bureau's long password"
CARD = Diversification(bytes.fromhex("A000000151000000"), bytes(range(10)), 1)


def counting_randomness() -> Callable[[int], bytes]:
    state = [0]

    def random(size: int) -> bytes:
        state[0] += 1
        return hashlib.shake_256(state[0].to_bytes(4, "big")).digest(size)

    return random


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def store(path: Path) -> FileKeyStore:
    return FileKeyStore.create(path, PASSWORD, counting_randomness())


def test_it_is_the_port(store: FileKeyStore) -> None:
    port: KeyStore = store
    assert port.labels() == ()
    assert isinstance(store, PrivateKeyExport)


def test_keys_survive_and_the_file_is_private(store: FileKeyStore, path: Path) -> None:
    public = store.create_ec("ca", KeyUse.SIGN)
    store.create_master("master")
    again = FileKeyStore.open(path, PASSWORD)
    assert again.labels() == ("ca", "master")
    assert again.public_key("ca") == public
    assert again.derive_session("master", CARD, bytes(16)) == store.derive_session("master", CARD, bytes(16))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_wrong_password_and_damage_are_different_errors(store: FileKeyStore, path: Path) -> None:
    store.create_master("master")
    with pytest.raises(WrongAuthorityPassword) as caught:
        FileKeyStore.open(path, PASSWORD + "x")
    assert caught.value.exit_code == 4
    whole = path.read_bytes()
    for damaged in (
        whole[:-20],
        whole[: len(whole) // 2],
        b"",
        b"[]",
        b"null",
        whole.replace(b'"n": 32768', b'"n": 16384'),
    ):
        path.write_bytes(damaged)
        for password in (PASSWORD, "wrong"):
            with pytest.raises(KeyStoreDamaged) as caught_damage:
                FileKeyStore.open(path, password)
            assert caught_damage.value.exit_code == 6


def reseal(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Edit the file as one would who knows its format, digest included."""
    members = json.loads(path.read_bytes())
    change(members)
    del members["digest"]
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    path.write_text(json.dumps({**members, "digest": hashlib.sha256(canonical).hexdigest()}))


def test_each_bit_of_the_sealed_keys_counts(store: FileKeyStore, path: Path) -> None:
    store.create_master("master")

    def flip(members: dict[str, object]) -> None:
        sealed = bytearray(base64.b64decode(str(members["sealed"])))
        sealed[3] ^= 1
        members["sealed"] = base64.b64encode(sealed).decode()

    reseal(path, flip)
    with pytest.raises(KeyStoreDamaged, match="seal does not fit"):
        FileKeyStore.open(path, PASSWORD)


@pytest.mark.parametrize("n", [1 << 30, 32767, 2, "32768", True])
def test_foreign_scrypt_parameters_are_refused_before_they_cost_anything(
    store: FileKeyStore, path: Path, n: object
) -> None:
    def expensive(members: dict[str, object]) -> None:
        members["kdf"] = {**members["kdf"], "n": n}  # type: ignore[dict-item]

    reseal(path, expensive)
    with pytest.raises(KeyStoreDamaged):
        FileKeyStore.open(path, PASSWORD)


def test_missing_and_public_files(store: FileKeyStore, path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(KeyStoreError, match="must be private"):
        FileKeyStore.open(path, PASSWORD)
    path.unlink()
    with pytest.raises(KeyStoreError, match="cannot be read"):
        FileKeyStore.open(path, PASSWORD)


def test_creation_overwrites_nothing_and_wants_a_password(store: FileKeyStore, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(KeyStoreError, match="exists already"):
        FileKeyStore.create(path, "other")
    assert path.read_bytes() == before
    with pytest.raises(KeyStoreError, match="empty"):
        FileKeyStore.create(path.with_name("other"), "")


def test_only_what_was_made_exportable_is_handed_out(store: FileKeyStore) -> None:
    store.create_ec("signer", KeyUse.SIGN)
    store.create_master("master")
    for label in ("signer", "master"):
        with pytest.raises(KeyMisuse):
            store.export_private_pem(label)


def test_signatures_verify_and_are_deterministic(store: FileKeyStore) -> None:
    public = store.create_ec("ca", KeyUse.SIGN)
    signature = store.sign("ca", b"data")
    assert signature == store.sign("ca", b"data")
    public.verify(signature, b"data", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"other", ec.ECDSA(hashes.SHA256()))


def test_exported_key_is_the_key(store: FileKeyStore) -> None:
    public = store.create_ec("terminal", KeyUse.AGREE, exportable=True)
    private = serialization.load_pem_private_key(store.export_private_pem("terminal"), None)
    assert private.public_key() == public


def test_same_randomness_same_file(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        store = FileKeyStore.create(tmp_path / name, PASSWORD, counting_randomness())
        store.create_ec("ca", KeyUse.SIGN)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_real_randomness_makes_different_keys(tmp_path: Path) -> None:
    publics = {FileKeyStore.create(tmp_path / n, PASSWORD).create_ec("ca", KeyUse.SIGN).public_numbers() for n in "ab"}
    assert len(publics) == 2


def test_two_writers_lose_nothing(store: FileKeyStore, path: Path) -> None:
    other = FileKeyStore.open(path, PASSWORD)
    store.create_master("one")
    other.create_master("two")
    with pytest.raises(KeyExists):
        other.create_master("one")
    assert FileKeyStore.open(path, PASSWORD).labels() == ("one", "two")


def test_nothing_secret_in_representations_or_in_the_file(store: FileKeyStore, path: Path) -> None:
    store.create_ec("terminal", KeyUse.AGREE, exportable=True)
    private = serialization.load_pem_private_key(store.export_private_pem("terminal"), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    scalar = private.private_numbers().private_value.to_bytes(32, "big")
    shown = repr(store) + repr(vars(store)) + path.read_text()
    assert scalar.hex() not in shown
    assert repr(scalar) not in shown
    assert PASSWORD not in shown
    assert repr(store) == f"FileKeyStore({str(path)!r}, 1 keys)"


def expected_key(master: bytes, constant: int, card: Diversification) -> bytes:
    """The documented layout, written out."""
    result = b""
    for counter in (1, 2):
        mac = CMAC(AES(master))
        mac.update(bytes(11) + bytes((constant, 0x00, 0x01, 0x00, counter)))
        mac.update(bytes((card.key_version, len(card.domain))) + card.domain + card.card)
        result += mac.finalize()
    return result


def test_card_keys_follow_the_documented_derivation() -> None:
    master = bytes(range(32))
    keys = diversify(MacKey(master), CARD)
    assert keys.enc == expected_key(master, 0xC1, CARD)
    assert keys.mac == expected_key(master, 0xC2, CARD)
    assert keys.dek == expected_key(master, 0xC3, CARD)


def test_each_part_of_the_diversification_counts() -> None:
    master = bytes(32)
    others = (
        Diversification(CARD.domain + b"\x00", CARD.card, 1),
        Diversification(CARD.domain, CARD.card[::-1], 1),
        Diversification(CARD.domain, CARD.card, 2),
    )
    assert len({diversify(MacKey(master), d).enc for d in (CARD, *others)}) == 4


@pytest.mark.parametrize(
    ("domain", "card", "version"),
    [
        (bytes(4), bytes(10), 1),
        (bytes(17), bytes(10), 1),
        (bytes(8), bytes(9), 1),
        (bytes(8), bytes(10), 0x80),
    ],
)
def test_impossible_diversifications(domain: bytes, card: bytes, version: int) -> None:
    with pytest.raises(ValueError, match=r"AID|diversification|version"):
        Diversification(domain, card, version)


def test_wrapped_keys_open_with_the_dek_and_serve_the_session(store: FileKeyStore) -> None:
    store.create_master("master")
    wrapped = store.wrap_card_keys("master", CARD, TRANSPORT_KEYS.dek)
    plain = [Cipher(AES(TRANSPORT_KEYS.dek), CBC(bytes(16))).decryptor().update(w.cryptogram) for w in wrapped]
    for key, wrap in zip(plain, wrapped, strict=True):
        assert len(key) == 32
        assert wrap.kcv == Cipher(AES(key), ECB()).encryptor().update(b"\x01" * 16)[:3]
        assert key.hex() not in repr(wrap)
        assert wrap.cryptogram.hex() not in repr(wrap)
    session = store.derive_session("master", CARD, bytes(range(16)))
    assert session.dek is not None
    assert hmac.compare_digest(session.dek, plain[2])
    rebuilt = derive_session_keys(type(TRANSPORT_KEYS)(*plain), bytes(range(16)))
    assert rebuilt == session


KILLED_WRITER = """
import sys
from pathlib import Path
from jukicard.issuer.keys.filekeystore import FileKeyStore
store = FileKeyStore.open(Path(sys.argv[1]), sys.stdin.readline().strip())
for number in range(10000):
    store.create_master(f"key{number}")
    print(number, flush=True)
"""


def test_killed_in_mid_writes_it_opens_with_every_key_it_reported(store: FileKeyStore, path: Path) -> None:
    command = [sys.executable, "-c", KILLED_WRITER, os.fspath(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(PASSWORD + "\n")
        writer.stdin.flush()
        lines = [writer.stdout.readline() for _ in range(5)]
        writer.kill()
        lines += writer.stdout.readlines()
    reported = {f"key{int(line)}" for line in lines if line.endswith("\n")}
    assert len(reported) >= 5
    assert reported <= set(FileKeyStore.open(path, PASSWORD).labels())
