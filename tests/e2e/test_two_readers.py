"""Two readers at once on a real pcscd: the operator's card in one, the citizen's in the other."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from jukicard.card.store import MemoryStore
from jukicard.issuer.ledger.rules import Status
from tests.support.desk import Desk, private_file
from tests.support.inserted import inserted
from tests.support.issued import Offices, Stage, new_card
from tests.support.operators import PASSWORD, Bureau, make_operator
from tests.support.pcscd import PrivatePcscd

ROLES = {1: "administrator", 2: "administrator", 3: "clerk"}


def test_a_clerk_hands_a_card_over(offices: Offices, tmp_path: Path) -> None:
    office = offices.at(Stage.AWAITING_HANDOVER, tmp_path)
    bureau = Bureau(office.home, {})
    for number, role in ROLES.items():
        make_operator(bureau, number, role)
    bureau.authority.close()
    desk = Desk.at(offices, Stage.AWAITING_HANDOVER, tmp_path / "desk")  # for its files of passwords
    desk.home = office.home
    private_file(desk.folder / "operator.txt", PASSWORD + "\n")
    citizens = new_card(MemoryStore(office.cells))
    with PrivatePcscd(2) as pcscd, ExitStack() as stack:
        stack.enter_context(inserted(pcscd, citizens, 0))
        clerks = stack.enter_context(inserted(pcscd, new_card(MemoryStore(bureau.cells[3])), 1))
        readers = [f"pcsc:{name}" for name in pcscd.reader_names]
        handover = ["handover", "--reader", readers[0], *desk.authority, *desk.holder]
        operator = ["--operator-password-file", str(desk.folder / "operator.txt"), "--operator-reader"]
        # Without an operator, with the citizen's card in the operator's place, and then as it should be.
        assert "--operator-reader" in desk.facts(*handover, code=1)["error"]["message"]
        assert "no operator's card" in desk.facts(*handover, *operator, readers[0], code=1)["error"]["message"]
        assert desk.facts(*handover, *operator, readers[1])["status"] == Status.ACTIVE
        clerks.remove()
        suspend = ["card", "suspend", desk.serial, *desk.authority, *operator, readers[1]]
        assert desk.facts(*suspend, code=3)["error"]["code"] == 3


@pytest.fixture(autouse=True)
def _no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUKI_READER", raising=False)
