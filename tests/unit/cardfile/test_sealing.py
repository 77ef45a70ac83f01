"""The cryptography of card files, apart from any file."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jukicard.reader.cardfile import derive_storage_key
from jukicard.reader.cardfile.sealing import Sealer, Unsealable

KEY = bytes(range(32))


def sealer(key: bytes = KEY, card_id: bytes = b"card", chance: Callable[[int], bytes] = os.urandom) -> Sealer:
    return Sealer(key, card_id, chance)


def test_storage_keys_come_from_scrypt() -> None:
    """Against OpenSSL's scrypt by way of hashlib."""
    salt = b"sixteen bytes or more"
    expected = hashlib.scrypt("合言葉 pass".encode(), salt=salt, n=2**17, r=8, p=1, maxmem=2**28, dklen=32)
    assert derive_storage_key("合言葉 pass", salt) == expected


def test_a_passphrase_is_the_same_however_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jukicard.reader.cardfile.sealing._SCRYPT_N", 2)
    assert derive_storage_key("が", b"s" * 16) == derive_storage_key("か\u3099", b"s" * 16)
    assert derive_storage_key("が", b"s" * 16) != derive_storage_key("か", b"s" * 16)


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="salt"):
        derive_storage_key("secret", b"s" * 15)


def test_a_box_is_aes_256_gcm_as_documented() -> None:
    """By the document's words, with other code: HKDF by hand, then AES-GCM."""
    secret = hmac.digest(b"jukicard card file", KEY, "sha256")
    first_block = hmac.digest(secret, b"\x00\x01card" + b"\x01", "sha256")
    box, _ = sealer().seal(7, 9, "name", b"content")
    place = (7).to_bytes(8, "big") + (9).to_bytes(8, "big")
    plain = AESGCM(first_block).decrypt(box[:12], box[12:], b"\x00\x01\x04card" + place)
    assert plain == b"\x04namecontent"


def test_what_is_sealed_opens_only_in_its_place() -> None:
    box, fingerprint = sealer().seal(1, 2, "name", b"content")
    assert sealer().open(1, 2, box) == ("name", b"content", fingerprint)
    wrong = [
        lambda: sealer().open(2, 2, box),
        lambda: sealer().open(1, 3, box),
        lambda: sealer(card_id=b"other").open(1, 2, box),
        lambda: sealer(key=KEY[::-1]).open(1, 2, box),
        lambda: sealer().open(1, 2, box[:28]),
        lambda: sealer().open(1, 2, b""),
        *(lambda at=at: sealer().open(1, 2, box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :]) for at in range(len(box))),
    ]
    for act in wrong:
        with pytest.raises(Unsealable):
            act()


def test_a_randomness_that_repeats_itself_never_repeats_a_nonce_for_another_text() -> None:
    boxes = [
        sealer(chance=bytes).seal(number, version, name, content)[0]
        for number in (1, 2)
        for version in (1, 2)
        for name in ("a", "b")
        for content in (b"", b"x", b"y")
    ]
    assert len({box[:12] for box in boxes}) == len(boxes)
    assert sealer(chance=bytes).seal(1, 1, "a", b"x")[0] in boxes


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert len({sealer().seal(1, 1, "a", b"x")[0] for _ in range(20)}) == 20


def test_fingerprints_and_roots_depend_on_everything() -> None:
    one = sealer()
    places = ((1, 1), (2, 1), (1, 2), (1, 1))
    prints = [one.seal(number, version, "a", b"x")[1] for number, version in places]
    prints += [sealer(card_id=b"b").seal(1, 1, "a", b"x")[1], sealer(key=KEY[::-1]).seal(1, 1, "a", b"x")[1]]
    assert len(set(prints)) == len(prints)
    roots = [one.root(1, False, 5), one.root(2, False, 5), one.root(1, True, 5), one.root(1, False, 6)]
    roots += [sealer(card_id=b"b").root(1, False, 5), sealer(key=KEY[::-1]).root(1, False, 5)]
    assert len(set(roots)) == len(roots)
    assert len({sealer().check, sealer(card_id=b"b").check, sealer(key=KEY[::-1]).check}) == 3
