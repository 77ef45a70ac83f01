"""The command line with a real pcscd: `juki serve` puts a card into its reader, the other commands find it there."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jukicard.card.ports import Interface
from jukicard.issuer.keys.storagekey import load_storage_key
from jukicard.reader.chips import CardFileChip
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.pcsc import PcscConnection
from tests.support.desk import Desk
from tests.support.inserted import inserted, wait_until
from tests.support.issued import PASSWORD, WRONG_PASSWORD, Offices, Stage
from tests.support.pcscd import PrivatePcscd
from tests.support.served import present, served

Exchanges = list[tuple[bytes, bytes]]


@pytest.fixture
def desk_at(offices: Offices, tmp_path: Path) -> Callable[[Stage, str], Desk]:
    return lambda stage, name: Desk.at(offices, stage, tmp_path / name)


def test_a_card_is_issued_handed_over_and_authenticated_in_the_reader(
    real_pcscd: PrivatePcscd, desk_at: Callable[[Stage, str], Desk]
) -> None:
    desk = desk_at(Stage.BLANK, "a")
    trace = desk.folder / "trace.txt"
    with served(real_pcscd, desk, "--trace", str(trace)) as process:
        readers = desk.facts("reader", "list")["readers"]
        assert {"atr": "3B E0 00 FF 81 31 FE 45 14", "name": real_pcscd.reader_names[0]}.items() <= readers[0].items()
        reader = ("--reader", readers[0]["reader"])
        issued = desk.facts("issue", desk.record, *reader, "--service", "library", *desk.authority)
        assert (issued["serial"], issued["card"]) == ("799201000000001", readers[0]["reader"])
        desk.facts("handover", *reader, *desk.authority, *desk.holder)
        assert desk.facts("auth", *reader, *desk.authority, *desk.wrong, code=4)["error"]["tries_left"] == 2
        shown = desk.facts("auth", *reader, *desk.authority, *desk.holder)
        assert (shown["serial"], shown["status"]) == ("799201000000001", "active")
        assert desk.facts("card", "info", *reader)["juki_application"]
        # The card file is the reader's as long as it stands there.
        assert desk.run("card", "info", "--reader", desk.reader).exit_code == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "removed" in process.communicate()[0]
        wait_until(lambda: not present(real_pcscd), "the reader to be empty")
        assert desk.run("auth", *reader, *desk.authority, *desk.holder).exit_code == 3
    assert desk.facts("auth", "--reader", desk.reader, *desk.authority, *desk.holder)["password_ok"]
    text = trace.read_text(encoding="utf-8")
    assert "VERIFY (secure messaging)" in text
    assert PASSWORD.encode().hex() not in text.replace(" ", "")
    assert WRONG_PASSWORD.encode().hex() not in text.replace(" ", "")


def test_the_card_is_removed_when_the_process_is_terminated(
    real_pcscd: PrivatePcscd, desk_at: Callable[[Stage, str], Desk]
) -> None:
    with served(real_pcscd, desk_at(Stage.BLANK, "a"), "--contactless") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        wait_until(lambda: not present(real_pcscd), "the reader to be empty")


def test_authentication_sends_the_same_bytes_in_a_reader_and_in_the_emulator(
    real_pcscd: PrivatePcscd, desk_at: Callable[[Stage, str], Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    emulated, standing = desk_at(Stage.ACTIVE, "a"), desk_at(Stage.ACTIVE, "b")

    in_emulator = recorded(monkeypatch, EmulatorConnection)
    emulated.facts("auth", "--reader", emulated.reader, *emulated.authority, *emulated.holder)

    standing.runs = 1
    random = standing.world.chip_random
    standing.runs = 0
    in_reader = recorded(monkeypatch, PcscConnection)
    key = load_storage_key(standing.home / "storage.key")
    with (
        closing(CardFileChip(standing.card, key, random=random)) as chip,
        inserted(real_pcscd, chip.card, interface=Interface.CONTACT) as card,
    ):
        standing.facts("auth", "--reader", f"pcsc:{card.reader_name}", *standing.authority, *standing.holder)

    assert len(in_emulator) > 8
    assert in_reader == in_emulator


def recorded(monkeypatch: pytest.MonkeyPatch, connection: type[EmulatorConnection | PcscConnection]) -> Exchanges:
    exchanges: Exchanges = []
    transmit = connection.transmit

    def recording(self: EmulatorConnection | PcscConnection, command: bytes) -> bytes:
        answer = transmit(self, command)  # type: ignore[arg-type]
        exchanges.append((command, answer))
        return answer

    monkeypatch.setattr(connection, "transmit", recording)
    return exchanges
