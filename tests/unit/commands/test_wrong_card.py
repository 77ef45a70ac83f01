"""The machine knows which chip is in the reader: one order's data never get onto another's, however swapped."""

from __future__ import annotations

from pathlib import Path

import pytest

from jukicard.card.ports import Interface
from jukicard.iso7816.errors import CardRemoved
from jukicard.issuer.keys.storagekey import load_storage_key
from jukicard.reader.chips import CardFileChip
from jukicard.reader.emulator import EmulatorConnection
from tests.support.desk import Desk
from tests.support.issued import AUTHORITY_PASSWORD, RECORD

TARO, HANAKO = str(RECORD), str(RECORD.with_name("hanako.json"))


def new_chip(desk: Desk, name: str) -> Path:
    path = desk.folder / name
    desk.facts("chip", "new", str(path))
    return path


def issue(desk: Desk, record: str, chip: Path) -> tuple[str, ...]:
    return ("issue", record, "--face", "A", "--reader", f"emulator:{chip}", *desk.authority)


def message(desk: Desk, *arguments: str, code: int = 1) -> str:
    return str(desk.facts(*arguments, code=code)["error"]["message"])


def interrupted(desk: Desk, record: str, chip: Path, after: int) -> None:
    """An issue whose card is pulled out after so many commands."""
    transmit, count = EmulatorConnection.transmit, 0

    def pulled(self: EmulatorConnection, command: bytes) -> bytes:
        nonlocal count
        count += 1
        if count > after:
            raise CardRemoved("pulled")
        return transmit(self, command)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmulatorConnection, "transmit", pulled)
        assert desk.run(*issue(desk, record, chip)).exit_code == 3


def test_two_interrupted_orders_are_finished_each_on_its_own_chip(blank: Desk) -> None:
    one, other = new_chip(blank, "one.juki"), new_chip(blank, "other.juki")
    interrupted(blank, TARO, one, 20)
    interrupted(blank, HANAKO, other, 30)
    before, chips = blank.ledger(), (one.read_bytes(), other.read_bytes())
    for record, wrong in ((TARO, other), (HANAKO, one)):
        assert "was begun on another chip; put that one into the reader" in message(blank, *issue(blank, record, wrong))
    assert (one.read_bytes(), other.read_bytes()) == chips
    assert blank.ledger() == before
    for number, (record, right) in enumerate(((TARO, one), (HANAKO, other)), 1):
        assert blank.facts(*issue(blank, record, right))["serial"] == f"79920100000000{number}"


# Before it is bound; as a session is opened; within one.
@pytest.mark.parametrize("after", [4, 10, 22, 25, 45, 46])
def test_a_chip_swapped_in_mid_issue_is_left_alone(active: Desk, after: int) -> None:
    """Somebody's active card gets into the place of the chip, and no reader tells: neither is spoilt, and the order is
    finished on the chip that was begun.
    """
    blank = new_chip(active, "blank.juki")
    victim = CardFileChip(active.card, load_storage_key(active.home / "storage.key"))
    victim.card.power_on(Interface.CONTACT)
    transmit, count = EmulatorConnection.transmit, 0

    def swapped(self: EmulatorConnection, command: bytes) -> bytes:
        nonlocal count
        count += 1
        return victim.card.transmit(command) if count > after else transmit(self, command)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmulatorConnection, "transmit", swapped)
        said = message(active, *issue(active, HANAKO, blank))
    victim.close()
    assert "blank" in said or "another chip in the reader now" in said
    active.facts("auth", "--reader", active.reader, *active.authority, *active.holder)
    assert active.facts(*issue(active, HANAKO, blank))["serial"] == "799201000000002"
    assert [card["status"] for card in active.facts("ledger", "list")["cards"]] == ["active", "awaiting-handover"]


def test_no_card_of_anybodys_is_issued_upon(active: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A finished one, a void one, one of another authority: nothing is entered, and the card is as it was."""
    before, chip = active.ledger(), active.card.read_bytes()
    assert "is card 799201000000001 (active)" in message(active, *issue(active, HANAKO, active.card))
    assert (active.ledger(), active.card.read_bytes()) == (before, chip)
    active.facts("card", "void", active.serial, "--cause", "returned", "--yes")
    assert "is card 799201000000001 (void)" in message(active, *issue(active, TARO, active.card))
    elsewhere = Desk(tmp_path_factory.mktemp("elsewhere"), active.folder / "elsewhere")
    (elsewhere.folder / "authority.txt").touch(0o600)
    (elsewhere.folder / "authority.txt").write_text(AUTHORITY_PASSWORD + "\n")
    elsewhere.facts("authority", "init", "--city-code", "99201", "--city-name", "見本市", *elsewhere.authority)
    key = ("--storage-key", str(active.home / "storage.key"))
    assert "not blank" in message(elsewhere, *issue(elsewhere, TARO, active.card), *key)
    assert elsewhere.ledger() == ()
