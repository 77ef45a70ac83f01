"""Signatures and listings through OpenSC's PKCS #11 module, pcscd, vpcd: our card beside one that only signs.

    python -m benchmarks.jpki --null-card-at PORT    (one of the processes that it starts)

Two readers of one private pcscd, two processes: a card file with the JPKI application, served by `juki serve`, and a
null card on the very same host. It has the same certificates and signs with the same keys; it knows no rules, no
counters and no store, and takes any password. One client, this process, signs in turns with a session on each. A
signature is one selection and one signature; a program that heeds CKA_ALWAYS_AUTHENTICATE gives the signature key's
password again before each. Needs the packages of scripts/system-packages, and root or
unprivileged user namespaces.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import pkcs11
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks import cards
from benchmarks.measuring import WALL, Effort, Item, Measure, cost, in_turns, limit, repeat
from benchmarks.readers import NULL_CARD, running, serve_null_card, until_inserted
from jukicard.applets.jpki.layout import CREDENTIALS, JPKI_AID, Profile, Usage
from jukicard.reader.cardfile import CardFile
from jukicard.reader.chip import Interface
from jukicard.testing.rsakeys import pool
from tests.support import jpkica
from tests.support.jpkicards import OBJECT_IDS, PASSWORD_TEXTS, TOKEN_LABELS, cells, opensc_module
from tests.support.null_card import ATR
from tests.support.pcscd import PrivatePcscd, find_tool

_OF_THE_NULL_CARD = 1.3
_LISTING_MS = 100.0
_MESSAGE = b"a message to be signed"
_SIGNATURES = (
    ("signature key", Usage.SIGNATURE, None),
    ("signature key, its password before each", Usage.SIGNATURE, PASSWORD_TEXTS[Usage.SIGNATURE]),
    ("authentication key", Usage.AUTHENTICATION, None),
)


class SigningNullCard:
    """Answers what OpenSC wants to hear from a JPKI card with both keys; any password is right."""

    def __init__(self) -> None:
        self._keys: dict[int, rsa.RSAPrivateKey] = {}
        self._files: dict[int, bytes] = {}
        self._tries: dict[int, bytes] = {}
        self._current = 0
        for (usage, credential), key in zip(CREDENTIALS.items(), pool()[:2], strict=True):
            self._keys[credential.key] = key
            self._tries[credential.password] = bytes((0x63, 0xC0 | credential.tries))
            self._files[credential.certificate] = jpkica.certificate(usage, key.public_key())
            self._files[credential.ca_certificate] = jpkica.ca_certificate(usage)

    def power_on(self, _interface: Interface) -> bytes:
        """See Chip."""
        return ATR

    def reset(self) -> bytes:
        """See Chip."""
        return ATR

    def power_off(self) -> None:
        """See Chip."""

    def transmit(self, command: bytes) -> bytes:
        """See Chip."""
        ins, p1, p2 = command[1:4]
        if ins == 0xA4 and p1 == 0x02:
            self._current = int.from_bytes(command[5:7])
        elif ins == 0xA4:
            return b"\x90\x00" if command[5:15] == bytes(JPKI_AID) else b"\x6a\x82"
        elif ins == 0xB0:
            offset = p1 << 8 | p2
            return self._files[self._current][offset : offset + (command[4] or 256)] + b"\x90\x00"
        elif ins == 0x20:
            return b"\x90\x00" if len(command) > 4 else self._tries[self._current]
        elif ins == 0x2A:
            key = self._keys[self._current]
            return key.sign(command[5:-1], padding.PKCS1v15(), NoDigestInfo()) + b"\x90\x00"
        else:
            return b"\x6d\x00"
        return b"\x90\x00"


def run(effort: Effort) -> Iterator[Item]:
    """A signature with either key, held against the null card; the listing of a token's objects."""
    with contextlib.ExitStack() as stack:
        pcscd = stack.enter_context(PrivatePcscd(2))
        stack.enter_context(pcscd.use_here())
        settings = pcscd.home / "opensc.conf"
        settings.write_text("app default {\n}\n")
        os.environ["OPENSC_CONF"] = str(settings)
        _insert_ours(stack, pcscd)  # alone, since OpenSC looks at every card before it lists the objects of one
        yield limit("PKCS #11: a token's objects listed", _listings(pcscd, effort.runs), _LISTING_MS, "ms")
        _insert(stack, pcscd, 1, "benchmarks.jpki", NULL_CARD, str(pcscd.ports[1]))
        for what, usage, pin in _SIGNATURES:
            contenders: dict[str, Measure] = {}
            with contextlib.ExitStack() as sessions:
                for name, reader in zip(("ours", "null card"), pcscd.reader_names, strict=True):
                    contenders[name] = _signing(sessions, usage, reader, pin)
                times = in_turns(contenders, effort.rounds, effort.pcscd_seconds)
            title = f"PKCS #11: a signature with the {what}, of the null card's time"
            yield cost(title, times["ours"], times["null card"], _OF_THE_NULL_CARD, "null card")


def _signing(stack: contextlib.ExitStack, usage: Usage, reader: str, pin: str | None) -> Measure:
    """Signing in a session, logged in, with the card in that reader; with `pin` it is given again before each."""
    slots = pkcs11.lib(str(opensc_module())).get_slots(token_present=True)
    (slot,) = (
        slot for slot in slots if slot.slot_description == reader and slot.get_token().label == TOKEN_LABELS[usage]
    )
    session = stack.enter_context(slot.get_token().open(user_pin=PASSWORD_TEXTS[usage]))
    key = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, id=bytes((OBJECT_IDS[usage],)))
    expected = pool()[list(CREDENTIALS).index(usage)].sign(_MESSAGE, padding.PKCS1v15(), SHA256())
    sign = partial(key.sign, _MESSAGE, mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS, pin=pin)
    if sign() != expected:
        raise RuntimeError(f"{reader} signed something else")
    return repeat(sign, WALL)


def _listings(pcscd: PrivatePcscd, runs: int) -> list[float]:
    """Milliseconds from the start of `pkcs11-tool -O` to its end, for our card's first token."""
    command = [find_tool("pkcs11-tool", "opensc"), "--module", str(opensc_module()), "--slot-index", "0", "-O"]
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        done = subprocess.run(command, env=pcscd.environment, capture_output=True, check=True)
        times.append(1e3 * (time.perf_counter() - start))
        if b"Certificate Object" not in done.stdout:
            raise RuntimeError("nothing was listed")
    return times[1:]


def _insert_ours(stack: contextlib.ExitStack, pcscd: PrivatePcscd) -> None:
    office = stack.enter_context(cards.issued_office())
    card = office.home / "jpki.juki"
    CardFile.create(card, office.authority.storage_key, cells(Profile.MYNUMBER), card_id=b"benchmark").close()
    os.environ["JUKI_HOME"] = str(office.home)
    _insert(stack, pcscd, 0, "jukicard.cli", "serve", str(card), "--vpcd", f"127.0.0.1:{pcscd.ports[0]}")


def _insert(stack: contextlib.ExitStack, pcscd: PrivatePcscd, reader: int, module: str, *words: str) -> None:
    """Have a module of ours, in a process of its own, put a card into a reader."""
    environment = {**os.environ, "PYTHONPATH": str(cards.ROOT)}
    stack.enter_context(running((sys.executable, "-m", module, *words), environment))
    until_inserted(pcscd.reader_names[reader])


if __name__ == "__main__":
    serve_null_card(SigningNullCard())
