"""Vectors for implementers in other languages: whole secure channel sessions, with every intermediate value, as JSON.

    python -m jukicard.testing.vectors scp11a OUT.json
    python -m jukicard.testing.vectors scp03 OUT.json

All byte strings are upper-case hex. The sessions are the chip's own, with fixed randomness; docs/vectors holds them.
What is written has been checked against the bytes on the wire with the formulas of GlobalPlatform Amendment D and F,
step by step: a value that does not lead to the next one is an error here, not a vector.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from jukicard.applets.gp.layout import JUKI_DOMAIN_AID, KID_SCP11A, KID_TERMINAL_ANCHOR, TAG_DATE_ESTIMATE
from jukicard.applets.juki.layout import JUKI_AID, PASSWORD
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import send
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel import scp03, scp11
from jukicard.securechannel.host import SecureConnection, StaticKeyring, open_scp03, open_scp11a
from jukicard.securechannel.kdf import aes_cmac
from jukicard.securechannel.messages import MAC_SIZE
from jukicard.securechannel.scp03 import InitializeUpdateResponse, SessionKeys
from jukicard.testing.vectorcard import KEYS_KVN, KVN, STATIC_KEYS, WRONG_PASSWORD, Exchange, VectorCard
from jukicard.testing.vectorcard import PASSWORD as HOLDER_PASSWORD

Vector = Mapping[str, object]

_CHALLENGE = bytes(range(32))
_ANCHOR = Tlv.build(0xA6, Tlv(0x83, bytes((KID_TERMINAL_ANCHOR, KVN))))
_DATE = _ANCHOR.encode() + Tlv(TAG_DATE_ESTIMATE, bytes.fromhex("20260601")).encode()
_SCP11A_COMMANDS = (
    ("READ BINARY: EF.CARD", CommandAPDU(0x00, 0xB0, 0x86, 0x00, ne=256)),
    ("VERIFY, empty: how many tries are left (the answer is a warning: 63C3)", CommandAPDU(0x00, 0x20, 0x00, PASSWORD)),
    ("VERIFY, wrong (63C2)", CommandAPDU(0x00, 0x20, 0x00, PASSWORD, WRONG_PASSWORD)),
    ("READ BINARY: EF.CODE before the password (an error: 6982, bare)", CommandAPDU(0x00, 0xB0, 0x81, 0x00, ne=256)),
    ("VERIFY, right", CommandAPDU(0x00, 0x20, 0x00, PASSWORD, HOLDER_PASSWORD)),
    ("READ BINARY: EF.CODE", CommandAPDU(0x00, 0xB0, 0x81, 0x00, ne=256)),
    ("INTERNAL AUTHENTICATE with a challenge", CommandAPDU(0x00, 0x88, 0x00, 0x82, _CHALLENGE, 256)),
    ("READ BINARY: EF.CERTIFICATES, extended", CommandAPDU(0x00, 0xB0, 0x82, 0x00, ne=65536, extended=True)),
)
_SCP03_COMMANDS = (
    ("GET DATA: key information", CommandAPDU(0x80, 0xCA, 0x00, 0xE0, ne=256)),
    ("GET STATUS: applications", CommandAPDU(0x80, 0xF2, 0x40, 0x02, b"\x4f\x00", 256)),
    ("GET DATA: an object that is not there (an error: 6A88, bare)", CommandAPDU(0x80, 0xCA, 0x5F, 0x01, ne=256)),
    (
        "STORE DATA: the date estimate of the terminals' anchor",
        CommandAPDU(0x80, 0xE2, 0x90, 0x00, _DATE),
    ),
)


def scp11a() -> Vector:
    """Return an SCP11a session with the Juki application: static keys, handshake, key agreement, messages."""
    with VectorCard() as card:
        _select(card, JUKI_AID)
        reference = Tlv.build(0xA6, Tlv(0x83, bytes((KID_SCP11A, KVN)))).encode()
        send(card.wire, CommandAPDU(0x80, 0xCA, 0xBF, 0x21, reference, 65536, extended=True))
        ephemeral = card.ephemeral()
        secure = open_scp11a(
            card.wire,
            kvn=KVN,
            card_public_key=card.channel_key.public_key(),
            terminal=card.terminal,
            anchor_kvn=KVN,
            ephemeral=ephemeral,
        )
        handshake = _named(
            card, ("SELECT", "GET DATA: the card's certificates", "PSO: terminal CA", "PSO: terminal", "AUTHENTICATE")
        )
        agreement, keys, receipt = _agreement(card, ephemeral, card.draws.keys[-1])
        return {
            "title": "SCP11a with the Juki application: GlobalPlatform Amendment F, P-256, AES-128",
            "version": 1,
            "aid": _hex(bytes(JUKI_AID)),
            "static_keys": _static_keys(card),
            "certificates": {name: _hex(der) for name, der in card.authorities.certificates.items()},
            "handshake": handshake,
            "key_agreement": agreement,
            "session_keys": _session_keys(keys),
            "messages": _messages(card, secure, keys, receipt, _SCP11A_COMMANDS),
        }


def scp03_session() -> Vector:
    """Return an SCP03 session with the Juki domain: static keys, handshake, derivation, messages."""
    with VectorCard() as card:
        _select(card, JUKI_DOMAIN_AID)
        challenge = card.host_challenge()
        keyring = StaticKeyring(STATIC_KEYS)
        secure = open_scp03(card.wire, keyring, kvn=KEYS_KVN, host_challenge=challenge)
        handshake = _named(card, ("SELECT", "INITIALIZE UPDATE", "EXTERNAL AUTHENTICATE"))
        update = InitializeUpdateResponse.parse(card.wire.exchanges[1].response[:-2])
        context = challenge + update.challenge
        keys = scp03.derive_session_keys(STATIC_KEYS, context)
        _agree("card cryptogram", scp03.card_cryptogram(keys, context), update.cryptogram)
        authenticate = card.wire.exchanges[2].command
        chain = aes_cmac(keys.mac, bytes(16) + authenticate[:-MAC_SIZE])
        _agree("C-MAC of EXTERNAL AUTHENTICATE", chain[:MAC_SIZE], authenticate[-MAC_SIZE:])
        return {
            "title": "SCP03 with the Juki domain: GlobalPlatform Amendment D, AES-128, i = 70, level 33",
            "version": 1,
            "aid": _hex(bytes(JUKI_DOMAIN_AID)),
            "static_keys": {
                "kvn": f"{KEYS_KVN:02X}",
                **{name: _hex(getattr(STATIC_KEYS, name)) for name in ("enc", "mac", "dek")},
            },
            "handshake": handshake,
            "derivation": {
                "host_challenge": _hex(challenge),
                "card_challenge": _hex(update.challenge),
                "sequence_counter": f"{update.sequence:06X}",
                "context": _hex(context),
                "card_cryptogram": _hex(update.cryptogram),
                "host_cryptogram": _hex(scp03.host_cryptogram(keys, context)),
                "mac_chaining_value": _hex(chain),
            },
            "session_keys": _session_keys(keys),
            "messages": _messages(card, secure, keys, chain, _SCP03_COMMANDS),
        }


def encoded(vector: Vector) -> str:
    """Return a vector as its file has it."""
    return json.dumps(vector, ensure_ascii=False, indent=1) + "\n"


def _select(card: VectorCard, aid: AID) -> None:
    send(card.wire, CommandAPDU(0x00, 0xA4, 0x04, 0x00, bytes(aid), 256))


def _hex(data: bytes) -> str:
    return data.hex().upper()


def _agree(what: str, computed: bytes, seen: bytes) -> None:
    if computed != seen:
        raise ValueError(f"{what}: what was computed is not what is on the wire")


def _named(card: VectorCard, names: tuple[str, ...]) -> list[Vector]:
    exchanges = card.wire.exchanges
    if len(exchanges) != len(names):
        raise ValueError(f"{len(exchanges)} exchanges, and {len(names)} names for them")
    return [
        {"name": name, "command": _hex(exchange.command), "response": _hex(exchange.response)}
        for name, exchange in zip(names, exchanges, strict=True)
    ]


def _key_pair(key: ec.EllipticCurvePrivateKey) -> Vector:
    return {
        "private": f"{key.private_numbers().private_value:064X}",
        "public": _hex(scp11.encode_point(key.public_key())),
    }


def _static_keys(card: VectorCard) -> Vector:
    channel = {"kid": f"{KID_SCP11A:02X}", "kvn": f"{KVN:02X}", **_key_pair(card.channel_key)}
    anchor = {"kid": f"{KID_TERMINAL_ANCHOR:02X}", "kvn": f"{KVN:02X}"}
    keys = {name: _key_pair(key) for name, key in card.authorities.keys.items()}
    return {"card": channel, "anchor": anchor, **keys}


def _session_keys(keys: SessionKeys) -> Vector:
    parts = {"s_enc": keys.enc, "s_mac": keys.mac, "s_rmac": keys.rmac, "dek": keys.dek or b""}
    return {name: _hex(key) for name, key in parts.items()}


def _agreement(
    card: VectorCard, host: ec.EllipticCurvePrivateKey, chip: ec.EllipticCurvePrivateKey
) -> tuple[Vector, SessionKeys, bytes]:
    """Compute the key agreement from both ends' private keys, and compare it with what the chip answered."""
    exchange = card.wire.exchanges[-1]
    request = CommandAPDU.parse(exchange.command).data
    answer = scp11.KeyAgreementResponse.parse(exchange.response[:-2])
    _agree("the card's ephemeral key", scp11.encode_point(chip.public_key()), scp11.encode_point(answer.card_key))
    shared_ephemeral = host.exchange(ec.ECDH(), chip.public_key())
    shared_static = card.channel_key.exchange(ec.ECDH(), card.terminal.private_key.public_key())
    receipt_key, keys = scp11.session_keys(shared_ephemeral, shared_static)
    key_object = scp11.ephemeral_key_object(answer.card_key)
    receipt = scp11.receipt(receipt_key, request, key_object)
    _agree("receipt", receipt, answer.receipt)
    agreement: Vector = {
        "host_ephemeral": _key_pair(host),
        "card_ephemeral": _key_pair(chip),
        "shared_ephemeral": _hex(shared_ephemeral),
        "shared_static": _hex(shared_static),
        "shared_info": _hex(bytes((scp11.KEY_USAGE, scp11.KEY_TYPE, scp11.KEY_SIZE))),
        "receipt_key": _hex(receipt_key),
        "receipt_input": _hex(request + key_object),
        "receipt": _hex(receipt),
    }
    return agreement, keys, receipt


def _messages(
    card: VectorCard,
    secure: SecureConnection,
    keys: SessionKeys,
    chain: bytes,
    commands: tuple[tuple[str, CommandAPDU], ...],
) -> list[Vector]:
    """Send the commands through the channel, and say how each is made from the one before."""
    messages: list[Vector] = []
    for counter, (name, command) in enumerate(commands, start=1):
        plain = command.encode()
        answer = secure.transmit(plain)
        exchange = card.wire.exchanges[-1]
        protected, chain = _command(keys, command, counter, chain, exchange)
        response = _response(keys, counter, chain, exchange, answer)
        messages.append(
            {"name": name, "encryption_counter": counter, "plain_command": _hex(plain), **protected, **response}
        )
    return messages


def _command(
    keys: SessionKeys, plain: CommandAPDU, counter: int, chain: bytes, exchange: Exchange
) -> tuple[Vector, bytes]:
    """Return a command's intermediate values, and the MAC chaining value after it."""
    travelled = CommandAPDU.parse(exchange.command)
    sealed, mac = travelled.data[:-MAC_SIZE], travelled.data[-MAC_SIZE:]
    icv = _block(keys.enc, counter)
    _agree("encrypted data", _sealed(keys.enc, icv, plain.data) if plain.data else b"", sealed)
    length = 3 if travelled.extended or travelled.nc > 0xFF else 1
    mac_input = chain + exchange.command[: 4 + length] + sealed
    chain = aes_cmac(keys.mac, mac_input)
    _agree("C-MAC", chain[:MAC_SIZE], mac)
    return {
        "command_icv": _hex(icv),
        "encrypted_data": _hex(sealed),
        "command_mac_input": _hex(mac_input),
        "mac_chaining_value": _hex(chain),
        "protected_command": _hex(exchange.command),
    }, chain


def _response(keys: SessionKeys, counter: int, chain: bytes, exchange: Exchange, plain: bytes) -> Vector:
    """Return a response's intermediate values; an error (neither 9000, 62xx nor 63xx) has none, and travels bare."""
    values = {"protected_response": _hex(exchange.response), "plain_response": _hex(plain)}
    status = exchange.response[-2:]
    if status != b"\x90\x00" and status[0] not in (0x62, 0x63):
        _agree("a bare response", plain, exchange.response)
        return values
    body = ResponseAPDU.parse(exchange.response).data
    sealed, mac = body[:-MAC_SIZE], body[-MAC_SIZE:]
    icv = _block(keys.enc, 0x80 << 120 | counter)
    _agree("encrypted response", _sealed(keys.enc, icv, plain[:-2]) if len(plain) > 2 else b"", sealed)
    mac_input = chain + sealed + status
    _agree("R-MAC", aes_cmac(keys.rmac, mac_input)[:MAC_SIZE], mac)
    return {"response_icv": _hex(icv), "response_mac_input": _hex(mac_input), "response_mac": _hex(mac), **values}


def _block(key: bytes, counter: int) -> bytes:
    """Return the encrypted counter, which is the ICV (Amendment D 6.2.6)."""
    return Cipher(AES(key), ECB()).encryptor().update(counter.to_bytes(16))  # noqa: S305 - one block, so defined


def _sealed(key: bytes, icv: bytes, data: bytes) -> bytes:
    padded = data + b"\x80" + bytes(-(len(data) + 1) % 16)
    return Cipher(AES(key), CBC(icv)).encryptor().update(padded)


SESSIONS: Mapping[str, Callable[[], Vector]] = {"scp11a": scp11a, "scp03": scp03_session}


def main(arguments: list[str]) -> int:
    """Write a vector: the session's name and the file, or the file alone for SCP11a.  Return the exit code."""
    *names, path = arguments or [""]
    name = names[0] if names else "scp11a"
    if not path or len(names) > 1 or name not in SESSIONS:
        print(f"usage: python -m jukicard.testing.vectors [{'|'.join(SESSIONS)}] OUT.json", file=sys.stderr)
        return 2
    Path(path).write_text(encoded(SESSIONS[name]()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
