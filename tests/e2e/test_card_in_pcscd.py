"""The real chip stands in a reader of a real pcscd: issued, handed over, authenticated, pulled out, shared."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jukicard.card.card import ATR
from jukicard.card.store import MemoryStore
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, CardRemoved, CardStatusError, HostError, PasswordWrong
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.ledger.rules import Event, Status
from jukicard.issuer.line.cardkeys import key_sets
from jukicard.issuer.line.plan import issuing_plan
from jukicard.issuer.municipal.services import LIBRARY
from jukicard.reader.cardfile import CardFile
from jukicard.reader.chip import Interface
from jukicard.reader.chips import CardFileChip, create_chip
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.pcsc import CardResetError, open_pcsc
from jukicard.reader.recording import Dialogue, Exchange, Recorder
from jukicard.testing.chips import PulledChip
from tests.support.inserted import InsertedCard, inserted, wait_until
from tests.support.issued import CITY, PASSWORD, WRONG_PASSWORD, Office, blank_cells, new_card
from tests.support.pcscd import PrivatePcscd, find_tool

STEPS = tuple(operation.name for operation in issuing_plan(key_sets(CITY.code), (LIBRARY,)))


def run(card: InsertedCard, *command: str) -> subprocess.CompletedProcess[str]:
    environment = card.pcscd.environment
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def connected(card: InsertedCard) -> Iterator[CardConnection]:
    with closing(open_pcsc(card.reader_name)) as connection:
        yield connection


def insert_again(card: InsertedCard) -> None:
    """Put a card in again whose host has ended under it."""
    wait_until(lambda: card.failure is not None, "the host to end")
    card.failure = None
    card.insert()


# --- third-party programs


@pytest.mark.parametrize("interface", list(Interface), ids=lambda interface: interface.value)
def test_other_programs_know_the_card(real_pcscd: PrivatePcscd, active: Office, interface: Interface) -> None:
    with inserted(real_pcscd, new_card(MemoryStore(active.cells)), interface=interface) as card:
        done = run(card, find_tool("opensc-tool", "opensc"), "-r", "0", "-a")
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == ATR[interface].hex(":")
        done = run(card, find_tool("pcsc_scan", "pcsc-tools"), "-t", "2")
        assert "JUKICARD" in done.stdout
        done = run(card, find_tool("opensc-tool", "opensc"), "-r", "0", "-n")  # probes foreign applications
        assert done.returncode == 0, done.stderr
        with connected(card) as connection:
            assert active.authenticate(connection).password_ok


# --- the whole life of a card, on a blank chip in a card file


def test_a_blank_chip_in_the_reader_becomes_an_active_card(
    real_pcscd: PrivatePcscd, blank: Office, tmp_path: Path
) -> None:
    key = blank.authority.storage_key
    path = tmp_path / "card.juki"
    create_chip(path, key, 12345)
    chip = CardFileChip(path, key)
    with closing(chip), inserted(real_pcscd, chip.card) as card:
        with connected(card) as connection:
            done: list[str] = []
            state = blank.issue(connection, report=lambda operation: done.append(operation.name))
            assert (state.status, tuple(done)) == (Status.AWAITING_HANDOVER, STEPS)
        with connected(card) as connection:
            assert blank.hand_over(connection).status is Status.ACTIVE
        with connected(card) as connection:
            with pytest.raises(PasswordWrong) as wrong:
                blank.authenticate(connection, WRONG_PASSWORD)
            assert wrong.value.tries_left == 2
        with connected(card) as connection:
            result = blank.authenticate(connection)
            assert result.resident_code == blank.record.resident_code
    with CardFile.open(path, key) as store:  # all of it is in the file
        blank.cells = store.snapshot()
    with blank.emulator() as emulated:
        assert blank.authenticate(emulated).resident_code == blank.record.resident_code


def test_the_card_is_pulled_and_inserted_ten_times(real_pcscd: PrivatePcscd, active: Office) -> None:
    card_chip = new_card(MemoryStore(active.cells))
    with inserted(real_pcscd, card_chip) as card:
        for number in range(10):
            with connected(card) as connection:
                dialogue = active.dialogue(connection, seed=("round", number))
                dialogue.prove_card()
                dialogue.open_channel()
                dialogue.check_card()
                dialogue.check_usable()
                dialogue.verify_password(PASSWORD)
                assert dialogue.read_code() == active.record.resident_code
                card.remove()
                with pytest.raises(CardRemoved):
                    dialogue.read_code()
            card.insert()
            with connected(card) as connection:  # nothing of the session has survived
                again = active.dialogue(connection, seed=("after", number)).client
                again.select()
                with pytest.raises(HostError):
                    again.resident_code()


PULLS = {  # step of the plan: instruction in which the card is pulled, and whether it still carries it out
    "issuer-keys": (0xD8, "after"),
    "municipal-channel-a": (0xF1, "after"),
    "authentication-key": (0x47, "after"),
    "data": (0xD6, "before"),
    "close": (0x44, "after"),
}


def test_a_card_pulled_in_mid_issue_is_resumed(real_pcscd: PrivatePcscd, blank: Office) -> None:
    step = ""
    left = dict(PULLS)

    def pull(number: int, command: bytes) -> str | None:
        if step not in left or command[1] != left[step][0]:
            return None
        return left.pop(step)[1]

    def began(name: str) -> None:
        nonlocal step
        step = name

    with inserted(real_pcscd, PulledChip(new_card(MemoryStore(blank.cells)), pull)) as card:
        for number in range(len(PULLS)):
            with connected(card) as connection, pytest.raises(CardRemoved):
                blank.issue(connection, ("issue", number), lambda operation: began(operation.name))
            assert blank.card_state.pending == step
            assert blank.card_state.status is not Status.SPOILT
            insert_again(card)
        assert not left
        with connected(card) as connection:
            state = blank.issue(connection, "the end")
        assert (state.status, state.steps_done) == (Status.AWAITING_HANDOVER, STEPS)
        with connected(card) as connection:
            blank.hand_over(connection)
        with connected(card) as connection:
            assert blank.authenticate(connection).resident_code == blank.record.resident_code
    events = [entry.event for entry in blank.authority.ledger.entries(state.serial)]
    assert events.count(Event.STEP_DONE) == len(STEPS)
    assert events.count(Event.STEP_STARTED) == len(STEPS) + len(PULLS)
    for once in (Event.ORDERED, Event.BOUND, Event.READ_BACK, Event.CLOSED, Event.MATCHED, Event.HANDED_OVER):
        assert events.count(once) == 1
    blank.authority.ledger.verify()


def test_another_card_in_the_reader_is_not_taken_for_the_one_begun(real_pcscd: PrivatePcscd, blank: Office) -> None:
    def pull(number: int, command: bytes) -> str | None:
        return "before" if command[1] == 0x44 else None

    with (
        inserted(real_pcscd, PulledChip(new_card(MemoryStore(blank.cells)), pull)) as card,
        connected(card) as connection,
        pytest.raises(CardRemoved),
    ):
        blank.issue(connection)
    other = MemoryStore(blank_cells(778))
    before = other.snapshot()
    with (
        inserted(real_pcscd, new_card(other)) as card,
        connected(card) as connection,
        pytest.raises(RuleRefused, match="begun on another chip"),
    ):
        blank.issue(connection)
    assert other.snapshot() == before
    assert blank.card_state.pending == "close"


# --- the same bytes whatever the reader


def recorded(office: Office, connection: CardConnection) -> Dialogue:
    recorder = Recorder(connection)
    assert office.authenticate(recorder).resident_code == office.record.resident_code
    return recorder.dialogue()


def test_an_authentication_has_the_same_bytes_on_pcsc_and_on_the_emulator(
    real_pcscd: PrivatePcscd, active: Office
) -> None:
    stores = [MemoryStore(active.cells) for _ in range(3)]
    with closing(EmulatorConnection(new_card(stores[0]))) as connection:
        emulated = recorded(active, connection)
    with inserted(real_pcscd, new_card(stores[1])) as card, connected(card) as connection:
        through_pcscd = recorded(active, connection)
    assert through_pcscd == emulated
    assert stores[0].snapshot() == stores[1].snapshot()
    commands = [step.command for step in emulated.steps if isinstance(step, Exchange)]
    assert len(commands) >= 10
    assert {command[1] for command in commands} >= {0xA4, 0xB0, 0x88, 0xCA, 0x2A, 0x82, 0x20}
    with closing(EmulatorConnection(new_card(stores[2], seed="another chip"))) as connection:
        assert recorded(active, connection) != emulated  # so the comparison can fail


# --- shared with another program


def test_a_second_client_waits_while_a_dialogue_holds_the_card(real_pcscd: PrivatePcscd, active: Office) -> None:
    tool = find_tool("opensc-tool", "opensc")
    select = ("-r", "0", "-c", "default", "-s", "00A4040000")
    with inserted(real_pcscd, new_card(MemoryStore(active.cells))) as card, connected(card) as connection:
        for number in range(3):
            with connection.transaction():
                dialogue = active.dialogue(connection, seed=("shared", number))
                dialogue.prove_card()
                other = subprocess.Popen(
                    [tool, *select], env=card.pcscd.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
                )
                dialogue.open_channel()
                time.sleep(0.2)  # the other program is at the reader by now, and waits
                dialogue.check_card()
                dialogue.verify_password(PASSWORD)
                assert dialogue.read_code() == active.record.resident_code
                assert other.poll() is None
            output, errors = other.communicate(timeout=30)
            assert b"SW1=0x90, SW2=0x00" in output, errors


def test_a_second_client_between_two_commands_ends_the_session_and_no_more(
    real_pcscd: PrivatePcscd, active: Office
) -> None:
    """Without a transaction the other program's SELECT ends our session: a named error, and a clean second attempt."""
    tool = find_tool("opensc-tool", "opensc")
    with inserted(real_pcscd, new_card(MemoryStore(active.cells))) as card, connected(card) as connection:
        dialogue = active.dialogue(connection)
        dialogue.prove_card()
        dialogue.open_channel()
        dialogue.check_card()
        run(card, tool, "-r", "0", "-c", "default", "-s", "00A4040000")
        with pytest.raises((AuthenticationFailed, CardResetError, CardStatusError)):
            dialogue.verify_password(PASSWORD)
        assert not dialogue.result.password_ok
        dialogue.client.select()
        assert dialogue.client.password_tries(0x81) == 3
        assert active.authenticate(connection, seed="again").resident_code == active.record.resident_code
