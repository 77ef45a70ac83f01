"""The command line with a real pcscd: a card's whole life, and the same bytes whatever the reader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from jukicard.cli import juki
from jukicard.commands.session import Session, World
from jukicard.iso7816.connection import CardConnection
from jukicard.issuer.keys.storagekey import load_storage_key
from jukicard.reader.chips import CardFileChip
from jukicard.reader.recording import Dialogue, Exchange, Recorder
from jukicard.reader.spec import ReaderSpec
from tests.support.chips import randomness
from tests.support.counter import Counter
from tests.support.desk import ENVIRONMENT, Desk
from tests.support.inserted import inserted
from tests.support.issued import Offices, Stage, clock
from tests.support.pcscd import PrivatePcscd


def test_a_blank_chip_in_the_reader_becomes_an_active_card(real_pcscd: PrivatePcscd, tmp_path: Path) -> None:
    counter = Counter(tmp_path, real_pcscd)
    counter.whole_life()
    by_command = {done.arguments[0]: json.loads(done.stdout) for done in counter.done if "--json" in done.arguments}
    issued, authenticated = by_command["issue"], by_command["auth"]
    assert issued["card"] == f"pcsc:{real_pcscd.reader_names[0]}"
    assert authenticated["serial"] == issued["serial"]
    assert authenticated["card_genuine"]
    assert authenticated["terminal_accepted"]
    assert authenticated["password_ok"]
    assert authenticated["status"] == "active"
    assert "VERIFY" in counter.trace.read_text()


class RecordedSession(Session):
    """A run of the command line whose dialogue with the card is kept."""

    __slots__ = ("dialogues",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.dialogues: list[Dialogue] = []

    @contextmanager
    def card(self, spec: ReaderSpec) -> Iterator[CardConnection]:
        with super().card(spec) as connection:
            recorder = Recorder(connection)
            try:
                yield recorder
            finally:
                self.dialogues.append(recorder.dialogue())


@pytest.mark.parametrize("chip_seed", ["chip", "another chip"])
def test_juki_auth_has_the_same_bytes_on_pcsc_and_on_the_emulator(
    real_pcscd: PrivatePcscd, offices: Offices, tmp_path: Path, chip_seed: str
) -> None:
    desk = Desk.at(offices, Stage.ACTIVE, tmp_path)
    copy = tmp_path / "copy.juki"
    shutil.copyfile(desk.card, copy)
    key = load_storage_key(desk.home / "storage.key")

    def auth(reader: str) -> Dialogue:
        session = RecordedSession(World(randomness("host"), randomness("chip"), clock()))
        arguments = ("auth", "--reader", reader, *desk.holder, *desk.authority, "--json")
        result = CliRunner().invoke(juki, arguments, env={**ENVIRONMENT, "JUKI_HOME": str(desk.home)}, obj=session)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["password_ok"]
        (dialogue,) = session.dialogues
        return dialogue

    with (
        closing(CardFileChip(copy, key, random=randomness(chip_seed))) as chip,
        inserted(real_pcscd, chip.card) as card,
    ):
        through_pcscd = auth(f"pcsc:{card.reader_name}")
    emulated = auth(desk.reader)
    assert sum(isinstance(step, Exchange) for step in emulated.steps) >= 10
    assert (through_pcscd == emulated) is (chip_seed == "chip")  # with another seed it differs: the test sees something
