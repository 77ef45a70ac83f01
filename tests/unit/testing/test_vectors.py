"""The vectors: what is checked in is what the chip does today, and an implementation that is not ours agrees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from yubikit.core import Tlv
from yubikit.core.smartcard import scp as yubikit

from jukicard.testing.vectors import SESSIONS, encoded, main

FOLDER = Path(__file__).parents[3] / "docs" / "vectors"


def vector(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def private(pair: dict[str, str]) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(pair["private"], 16), ec.SECP256R1())


@pytest.mark.parametrize("name", SESSIONS)
def test_the_chip_does_what_the_files_say(name: str) -> None:
    """After a change of the protocol on purpose: python -m jukicard.testing.vectors NAME docs/vectors/NAME.json."""
    assert encoded(SESSIONS[name]()) == (FOLDER / f"{name}.json").read_text(encoding="utf-8")


class Replay:
    """The card of a vector, as yubikit talks to it: what it sends must be what the vector has."""

    def __init__(self, exchanges: list[dict[str, str]]) -> None:
        self.exchanges = [(bytes.fromhex(e["command"]), bytes.fromhex(e["response"])) for e in exchanges]

    def send_apdu(self, cla: int, ins: int, p1: int, p2: int, data: bytes) -> bytes:
        command, response = self.exchanges.pop(0)
        assert command[:4] == bytes((cla, ins, p1, p2))
        lc = command[4:5] if command[4] else command[4:7]
        assert int.from_bytes(lc) == len(data)
        assert command[4 + len(lc) :][: len(data)] == data
        assert response[-2:] == b"\x90\x00"
        return response[:-2]


def check_messages(state: yubikit.ScpState, messages: list[dict[str, Any]]) -> None:
    """Protect and open every message with yubikit's state, whose counter is one ahead."""
    for message in messages:
        plain, command = bytes.fromhex(message["plain_command"]), bytes.fromhex(message["protected_command"])
        assert state._enc_counter == message["encryption_counter"]
        extended = command[4] == 0
        data = b""
        if len(plain) > 5 and not extended:
            data = state.encrypt(plain[5 : 5 + plain[4]])
        else:
            state._enc_counter += 1  # yubikit would encrypt nothing into a block of padding; we send nothing
        lc = (len(data) + 8).to_bytes(3 if extended else 1)
        header = bytes((plain[0] | 0x04, *plain[1:4])) + lc
        mac = state.mac(header + data)
        assert command.startswith(header + data + mac), message["name"]
        assert state._mac_chain == bytes.fromhex(message["mac_chaining_value"])
        response, expected = (bytes.fromhex(message[f"{kind}_response"]) for kind in ("protected", "plain"))
        sealed = state.unmac(response[:-2], int.from_bytes(response[-2:])) if len(response) > 2 else b""
        assert (state.decrypt(sealed) if sealed else b"") + response[-2:] == expected, message["name"]


def test_yubikit_agrees_on_scp11a(monkeypatch: pytest.MonkeyPatch) -> None:
    found = vector("scp11a")
    keys, agreement = found["static_keys"], found["key_agreement"]
    certificates = {name: bytes.fromhex(der) for name, der in found["certificates"].items()}
    chain = [x509.load_der_x509_certificate(certificates[name]) for name in ("terminal-ca", "terminal")]
    monkeypatch.setattr(yubikit.ec, "generate_private_key", lambda curve: private(agreement["host_ephemeral"]))
    card_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(keys["card"]["public"]))
    parameters = yubikit.Scp11KeyParams(
        yubikit.KeyRef(int(keys["card"]["kid"], 16), int(keys["card"]["kvn"], 16)),
        card_key,
        yubikit.KeyRef(int(keys["anchor"]["kid"], 16), int(keys["anchor"]["kvn"], 16)),
        private(keys["terminal"]),
        chain,
    )
    replay = Replay(found["handshake"][2:])
    state = yubikit.ScpState.scp11_init(replay.send_apdu, parameters)
    assert not replay.exchanges
    assert state._mac_chain.hex().upper() == agreement["receipt"]
    assert [key.hex().upper() for key in state._keys] == list(found["session_keys"].values())
    check_messages(state, found["messages"])


def test_yubikit_agrees_on_scp03() -> None:
    found = vector("scp03")
    keys, derivation = found["static_keys"], found["derivation"]
    static = yubikit.StaticKeys(*(bytes.fromhex(keys[name]) for name in ("enc", "mac", "dek")))
    parameters = yubikit.Scp03KeyParams(yubikit.KeyRef(yubikit.ScpKid.SCP03, int(keys["kvn"], 16)), static)
    replay = Replay(found["handshake"][1:2])
    challenge = bytes.fromhex(derivation["host_challenge"])
    state, cryptogram = yubikit.ScpState.scp03_init(replay.send_apdu, parameters, host_challenge=challenge)
    assert cryptogram.hex().upper() == derivation["host_cryptogram"]
    authenticate = bytes.fromhex(found["handshake"][2]["command"])
    assert authenticate == authenticate[:5] + cryptogram + state.mac(authenticate[:5] + cryptogram)
    assert state._mac_chain.hex().upper() == derivation["mac_chaining_value"]
    assert [key.hex().upper() for key in state._keys[:3]] == list(found["session_keys"].values())[:3]
    check_messages(state, found["messages"])


def test_shared_secrets_follow_from_either_ends_keys() -> None:
    found = vector("scp11a")
    keys, agreement = found["static_keys"], found["key_agreement"]
    host, card = private(agreement["host_ephemeral"]), private(agreement["card_ephemeral"])
    for one, other in ((host, card), (card, host)):
        assert one.exchange(ec.ECDH(), other.public_key()).hex().upper() == agreement["shared_ephemeral"]
    terminal, chip = private(keys["terminal"]), private(keys["card"])
    for one, other in ((terminal, chip), (chip, terminal)):
        assert one.exchange(ec.ECDH(), other.public_key()).hex().upper() == agreement["shared_static"]


def test_the_certificates_in_the_handshake_are_those_listed_and_verify() -> None:
    found = vector("scp11a")
    certificates = {name: bytes.fromhex(der) for name, der in found["certificates"].items()}
    for name, issuer in (("terminal-ca", "root"), ("terminal", "terminal-ca"), ("card-channel", "card-ca")):
        loaded, above = (x509.load_der_x509_certificate(certificates[key]) for key in (name, issuer))
        loaded.verify_directly_issued_by(above)
    stored = Tlv.unpack(0xBF21, bytes.fromhex(found["handshake"][1]["response"])[:-2])
    assert stored == certificates["card-ca"] + certificates["card-channel"]


def test_every_kind_of_answer_is_there() -> None:
    answers = {message["plain_response"][-4:] for message in vector("scp11a")["messages"]}
    assert {"9000", "63C3", "63C2", "6982"} <= answers
    assert all(message["plain_response"][-4:] in ("9000", "6A88") for message in vector("scp03")["messages"])


def test_a_changed_vector_is_noticed() -> None:
    found = vector("scp03")
    keys = found["static_keys"]
    session = yubikit.SessionKeys(*(bytes.fromhex(key) for key in found["session_keys"].values()))
    assert keys["enc"] != found["session_keys"]["s_enc"]
    message = dict(found["messages"][0])
    message["protected_response"] = "00" + message["protected_response"][2:]
    chain = bytes.fromhex(found["derivation"]["mac_chaining_value"])
    with pytest.raises(yubikit.BadResponseError):
        check_messages(yubikit.ScpState(session, chain), [message])


def test_the_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "out.json"
    subprocess.run([sys.executable, "-m", "jukicard.testing.vectors", str(path)], check=True, timeout=60)
    assert path.read_bytes() == (FOLDER / "scp11a.json").read_bytes()
    assert main(["scp99", str(path)]) == main([]) == main(["scp03", "a", "b"]) == 2
    assert "usage:" in capsys.readouterr().err
