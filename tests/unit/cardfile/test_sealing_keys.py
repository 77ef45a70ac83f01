"""Every key and number of a card file's cryptography, computed a second time with other code."""

from __future__ import annotations

import hmac
from hashlib import blake2b

import pytest

from jukicard.reader.cardfile.sealing import (
    EXPORT_MARK,
    Sealer,
    Unsealable,
    derive_storage_key,
    is_exported,
    new_exported_id,
)

KEY = bytes(range(32))
CARD_ID = b"card"
PLACE = (7).to_bytes(8) + (9).to_bytes(8)


def keys() -> bytes:
    """HKDF-SHA-256 (RFC 5869) by hand: 112 bytes."""
    secret = hmac.digest(b"jukicard card file", KEY, "sha256")
    blocks, block = b"", b""
    for number in range(1, 5):
        block = hmac.digest(secret, block + b"\x00\x01" + CARD_ID + bytes((number,)), "sha256")
        blocks += block
    return blocks[:112]


def sealer() -> Sealer:
    return Sealer(KEY, CARD_ID, bytes)


def test_the_keys_stand_one_after_the_other() -> None:
    assert sealer().check == keys()[96:]
    assert len(sealer().check) == 16


def test_a_nonce_depends_on_chance_place_and_text() -> None:
    seed = bytes(16) + PLACE + b"\x04namecontent"
    nonce = blake2b(seed, key=keys()[32:64], digest_size=12, person=b"jukicard nonce").digest()
    assert sealer().seal(7, 9, "name", b"content")[0][:12] == nonce


def test_a_fingerprint_is_of_place_nonce_and_tag() -> None:
    box, fingerprint = sealer().seal(7, 9, "name", b"content")
    told = PLACE + box[:12] + box[-16:]
    expected = blake2b(told, key=keys()[64:96], digest_size=32, person=b"jukicard cell").digest()
    assert fingerprint == int.from_bytes(expected)
    assert sealer().open(7, 9, box) == ("name", b"content", fingerprint)


@pytest.mark.parametrize("in_use", [False, True])
def test_a_root_is_of_the_card_its_commits_its_mark_and_its_cells(in_use: bool) -> None:
    told = b"\x00\x01\x04card" + (9).to_bytes(8) + bytes((in_use,)) + (5).to_bytes(32)
    expected = blake2b(told, key=keys()[64:96], digest_size=32, person=b"jukicard root").digest()
    assert sealer().root(9, in_use, 5) == expected


def test_sums_go_round_at_two_to_the_256() -> None:
    root = sealer().root(9, True, 5)
    assert root == sealer().root(9, True, (1 << 256) + 5) == sealer().root(9, True, 5 - (1 << 256))
    assert root != sealer().root(9, True, (1 << 255) + 5)


def test_the_longest_name_and_the_shortest_content() -> None:
    for name, content in (("n" * 200, b""), ("n", b"c" * 70_000)):
        box, fingerprint = sealer().seal(1, 1, name, content)
        assert sealer().open(1, 1, box) == (name, content, fingerprint)


@pytest.mark.parametrize("length", [0, 11, 12, 27, 28])
def test_what_is_too_short_for_a_box_does_not_open(length: int) -> None:
    with pytest.raises(Unsealable):
        sealer().open(1, 1, bytes(length))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_storage_key_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(bytes(length), CARD_ID, bytes)


def test_a_salt_of_16_bytes_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jukicard.reader.cardfile.sealing._SCRYPT_N", 2)
    assert len(derive_storage_key("secret", bytes(16))) == 32


def test_an_exported_identifier_is_the_mark_and_16_bytes_of_chance() -> None:
    identifier = new_exported_id(lambda count: b"\xa5" * count)
    assert identifier == EXPORT_MARK + b"\xa5" * 16
    assert is_exported(identifier)
    assert not is_exported(b"\xa5" + identifier)
    assert not is_exported(b"a card of tests")
