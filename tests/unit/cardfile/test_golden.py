"""The card files of every schema load for ever, with their contents."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp.layout import KID_SCP11A
from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.layout import PASSWORD
from jukicard.iso7816.errors import PasswordWrong
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.certificates import from_pem
from jukicard.issuer.line.plan import CHANNEL_KVN
from jukicard.issuer.line.provers import ephemeral_key
from jukicard.reader.cardfile import (
    CardFile,
    CardFileDamaged,
    WrongPassphrase,
    WrongStorageKey,
    card_id_of,
    derive_storage_key,
    is_exported,
)
from jukicard.reader.cardfile.sealing import SCHEMA
from jukicard.reader.chips import open_emulator
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.recording import parse_dialogue, play
from jukicard.securechannel.certificates import verify_chain
from jukicard.securechannel.host import LocalTerminalKey
from tests.support.issued import new_card

GOLDEN = Path(__file__).parents[2] / "golden" / "cardfile"
DIALOGUES = Path(__file__).parents[2] / "conformance"
LATER = ("03-dir-and-atr",)
"""Dialogues about what cards have by now that were issued before: EF.DIR lists their applications."""
ACTIVE = sorted(
    path
    for path in DIALOGUES.glob("*.dialogue")
    if path.read_text().startswith("# Card: active.") and path.stem not in LATER
)


@pytest.fixture(params=range(1, SCHEMA + 1), ids=lambda schema: f"schema {schema}")
def schema(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.mark.parametrize("kind", ["closed", "killed"])
def test_loads_with_its_contents_and_lives_on(tmp_path: Path, schema: int, kind: str) -> None:
    about = json.loads((GOLDEN / f"schema-{schema}.json").read_text())
    key = bytes.fromhex(about["storage_key"])
    name = f"schema-{schema}.juki" if kind == "closed" else f"schema-{schema}-killed.juki"
    listed = about["closed"] | (about["killed"] if kind == "killed" else {})
    expected = {cell: bytes.fromhex(content) for cell, content in listed.items()}
    path = tmp_path / name
    for end in ("",) if kind == "closed" else ("", "-wal"):
        shutil.copy(GOLDEN / f"{name}{end}", f"{path}{end}")
    assert card_id_of(path) == bytes.fromhex(about["card_id"])
    with pytest.raises(WrongStorageKey):
        CardFile.open(path, key[::-1])
    with CardFile.open(path, key) as card:
        assert card.snapshot() == expected
        card.commit({"tries": b"\x07", "empty": None})
    with CardFile.open(path, key) as card:
        assert card.snapshot() == {cell: content for cell, content in expected.items() if cell != "empty"} | {
            "tries": b"\x07"
        }


def test_the_killed_one_needs_its_log(tmp_path: Path, schema: int) -> None:
    about = json.loads((GOLDEN / f"schema-{schema}.json").read_text())
    path = tmp_path / "card"
    shutil.copy(GOLDEN / f"schema-{schema}-killed.juki", path)
    with pytest.raises(CardFileDamaged, match="journal"):
        CardFile.open(path, bytes.fromhex(about["storage_key"]))


def test_an_exported_card_opens_with_its_passphrase(tmp_path: Path, schema: int) -> None:
    about = json.loads((GOLDEN / f"schema-{schema}.json").read_text())
    path = tmp_path / "exported.juki"
    shutil.copy(GOLDEN / f"schema-{schema}-exported.juki", path)
    assert is_exported(card_id_of(path))
    with pytest.raises(WrongPassphrase):
        CardFile.open(path, lambda card_id: derive_storage_key("another passphrase", card_id))
    with CardFile.open(path, lambda card_id: derive_storage_key(about["passphrase"], card_id)) as card:
        assert card.snapshot() == {cell: bytes.fromhex(content) for cell, content in about["closed"].items()}


# --- the issued card


@dataclass(frozen=True)
class Golden:
    """The golden active card of a schema, in a folder of this test, and what is known of it."""

    path: Path
    about: dict[str, Any]

    @property
    def key(self) -> bytes:
        return bytes.fromhex(self.about["storage_key"])

    def card(self) -> CardFile:
        return CardFile.open(self.path, self.key)


@pytest.fixture
def golden(tmp_path: Path, schema: int) -> Golden:
    name = f"schema-{schema}-active"
    path = Path(shutil.copy(GOLDEN / f"{name}.juki", tmp_path))
    return Golden(path, json.loads((GOLDEN / f"{name}.json").read_text()))


def test_the_issued_card_loads_with_its_contents(golden: Golden) -> None:
    with golden.card() as card:
        assert card.snapshot() == {cell: bytes.fromhex(content) for cell, content in golden.about["cells"].items()}


@pytest.mark.parametrize("dialogue", ACTIVE, ids=lambda path: path.stem)
def test_the_issued_card_answers_every_dialogue(golden: Golden, dialogue: Path) -> None:
    with golden.card() as card, closing(EmulatorConnection(new_card(card))) as connection:
        play(parse_dialogue(dialogue.read_text(), dialogue.name), connection)


def test_the_issued_cards_holder_goes_on_with_it(golden: Golden) -> None:
    """Its terminal, its password and its code, with the shipping card file and chip; it is closed and opened again."""
    about = golden.about
    pem = about["terminal"].encode()
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    terminal = LocalTerminalKey(key, from_pem(pem))
    root = x509.load_der_x509_certificate(bytes.fromhex(about["national_root"])).public_key()
    assert isinstance(root, ec.EllipticCurvePublicKey)
    for tries in (3, 2):
        with closing(open_emulator(golden.path, golden.key)) as connection:
            client = JukiClient(standard(connection))
            client.select()
            assert client.password_tries(PASSWORD) == tries
            chain = client.certificates(KID_SCP11A, CHANNEL_KVN)
            card_key = verify_chain(root, chain, today=None).public_key
            client.open_scp11a(terminal, card_key, ephemeral_key(os.urandom))
            assert client.card_data().serial == about["serial"]
            client.verify(PASSWORD, about["password"].encode())
            assert client.resident_code() == about["resident_code"].encode()
            with pytest.raises(PasswordWrong):
                client.verify(PASSWORD, b"0000")
