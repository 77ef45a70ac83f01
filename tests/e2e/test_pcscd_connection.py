"""Our PC/SC connection and our vpcd host, with a real private pcscd between them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from jukicard.iso7816.errors import CardRemoved, NoCard, NoReader, ProtocolLimit, ReaderBusy
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.pcsc import (
    AmbiguousReaderError,
    CardResetError,
    ReaderState,
    list_readers,
    open_pcsc,
    reader_states,
)
from jukicard.reader.recording import Recorder, play
from jukicard.reader.vpcd import SETTLE_SECONDS, VpcdDisconnectedError
from tests.support.inserted import InsertedCard, inserted, wait_until
from tests.support.null_card import ATR, COUNT, SELECT_ISD, NullCard
from tests.support.pcscd import PrivatePcscd

SECOND_CLIENT = """
import sys
from jukicard.reader.pcsc import open_pcsc
connection = open_pcsc(sys.argv[1])
with connection.transaction():
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def pcscd() -> Iterator[PrivatePcscd]:
    with PrivatePcscd(2) as pcscd:
        yield pcscd


@pytest.fixture
def chip() -> NullCard:
    return NullCard()


@pytest.fixture
def card(pcscd: PrivatePcscd, chip: NullCard) -> Iterator[InsertedCard]:
    with inserted(pcscd, chip) as card:
        yield card


def test_readers_and_cards_are_listed(pcscd: PrivatePcscd, card: InsertedCard) -> None:
    assert set(pcscd.reader_names) <= set(list_readers())
    assert ReaderState(card.reader_name, ATR) in reader_states()
    assert ReaderState(pcscd.reader_names[1], None) in reader_states()
    with pytest.raises(AmbiguousReaderError, match="Virtual PCD 1"):
        open_pcsc("Virtual PCD")
    with pytest.raises(NoCard, match="no card in the reader"):
        open_pcsc(pcscd.reader_names[1])


def test_commands_pass_up_to_the_longest(card: InsertedCard) -> None:
    with contextlib.closing(open_pcsc(card.reader_name)) as connection:
        assert (connection.atr, connection.protocol) == (ATR, 1)
        assert connection.transmit(SELECT_ISD) == b"\x90\x00"
        longest = bytes.fromhex("80EE000000FFF8") + bytes(range(256)) * 255 + bytes(248)
        assert connection.transmit(longest) == longest[7:] + b"\x90\x00"
        with pytest.raises(ProtocolLimit):
            connection.transmit(longest + b"\x00")
        widest = bytes.fromhex("00B0000000") + connection.limits.max_response.to_bytes(2, "big")
        assert len(connection.transmit(widest)) == connection.limits.max_response + 2


def test_a_command_does_not_wait_for_delayed_acknowledgements(card: InsertedCard) -> None:
    # Without TCP_QUICKACK each takes 44 ms, and these 200 some 9 s; with it, 0.02 s.
    with contextlib.closing(open_pcsc(card.reader_name)) as connection, connection.transaction():
        start = time.monotonic()
        for _ in range(200):
            connection.transmit(SELECT_ISD)
        assert time.monotonic() - start < 2


def test_reset_clears_the_chip_and_keeps_the_transaction(card: InsertedCard, chip: NullCard) -> None:
    with contextlib.closing(open_pcsc(card.reader_name)) as connection, connection.transaction():
        assert connection.transmit(COUNT) == b"\x01\x90\x00"
        chip.events.clear()
        connection.reset()
        assert chip.events == ["reset"]
        assert connection.transmit(COUNT) == b"\x01\x90\x00"
        with pytest.raises(ReaderBusy):
            open_pcsc(card.reader_name, busy_seconds=0.2)


def test_close_leaves_nothing_of_the_session(card: InsertedCard) -> None:
    with contextlib.closing(open_pcsc(card.reader_name)) as connection:
        connection.transmit(COUNT)
    with contextlib.closing(open_pcsc(card.reader_name)) as connection:
        assert connection.transmit(COUNT) == b"\x01\x90\x00"


def test_two_chips_stand_in_two_readers(pcscd: PrivatePcscd, card: InsertedCard) -> None:
    with (
        inserted(pcscd, NullCard(hooks={0xEC: lambda _: b"\x77\x90\x00"}), 1) as other,
        contextlib.closing(open_pcsc(card.reader_name)) as first,
        contextlib.closing(open_pcsc(other.reader_name)) as second,
        first.transaction(),
        second.transaction(),
    ):
        assert first.transmit(COUNT) == b"\x01\x90\x00"
        assert second.transmit(COUNT) == b"\x77\x90\x00"


def test_the_card_is_pulled_and_inserted_ten_times(card: InsertedCard, chip: NullCard) -> None:
    for _round in range(10):
        with contextlib.closing(open_pcsc(card.reader_name)) as connection:
            assert connection.transmit(COUNT) == b"\x01\x90\x00"
            card.remove()
            assert not chip.powered
            with pytest.raises(CardRemoved):
                connection.transmit(COUNT)
        with pytest.raises(NoCard):
            open_pcsc(card.reader_name)
        card.insert()


def test_a_connection_never_continues_with_the_next_card(card: InsertedCard) -> None:
    with contextlib.closing(open_pcsc(card.reader_name)) as connection:
        connection.transmit(COUNT)
        card.remove()
        card.insert()
        for use in (lambda: connection.transmit(COUNT), connection.reset):
            with pytest.raises(CardRemoved):
                use()


def test_a_card_pulled_in_mid_command_is_a_removed_card(card: InsertedCard, chip: NullCard) -> None:
    answering = threading.Event()

    def pull(_command: bytes) -> bytes:
        # The connection breaks under the driver while it waits for the answer.
        answering.set()
        raise ConnectionAbortedError

    chip.hooks[0x84] = pull
    with contextlib.closing(open_pcsc(card.reader_name)) as connection:
        start = time.monotonic()
        with pytest.raises(CardRemoved):
            connection.transmit(bytes.fromhex("0084000008"))
        assert answering.is_set()
        with pytest.raises(CardRemoved):
            connection.transmit(COUNT)
        assert time.monotonic() - start < 5
    wait_until(lambda: not chip.powered, "the power to go")


def test_a_card_back_at_once_after_its_sudden_death_is_noticed(pcscd: PrivatePcscd) -> None:
    def die(_command: bytes) -> bytes:
        raise ConnectionAbortedError

    chip = NullCard(hooks={0x84: die})
    with inserted(pcscd, chip, settle_seconds=0) as card:
        with contextlib.closing(open_pcsc(card.reader_name)) as connection, pytest.raises(CardRemoved):
            connection.transmit(bytes.fromhex("0084000008"))
        wait_until(lambda: card.failure is not None, "the host to end")
        card.failure = None
        card.insert()
        wait_until(lambda: answers(card), "the card to answer")
    time.sleep(SETTLE_SECONDS)  # the slot's rest, which this host did not wait for


def answers(card: InsertedCard) -> bool:
    try:
        with contextlib.closing(open_pcsc(card.reader_name)) as connection:
            return connection.transmit(COUNT) == b"\x01\x90\x00"
    except (NoCard, CardRemoved):
        return False


def test_a_second_program_makes_the_reader_busy_and_then_free(card: InsertedCard) -> None:
    with contextlib.closing(open_pcsc(card.reader_name, busy_seconds=0.3)) as connection:
        connection.transmit(COUNT)
        with second_client(card) as other:
            start = time.monotonic()
            with pytest.raises(ReaderBusy):
                connection.transmit(COUNT)
            with pytest.raises(ReaderBusy):
                open_pcsc(card.reader_name, busy_seconds=0.3)
            assert time.monotonic() - start < 3
            other.communicate("done\n", timeout=10)
        with contextlib.closing(open_pcsc(card.reader_name)) as again:
            assert again.transmit(COUNT)[1:] == b"\x90\x00"


def test_a_second_program_that_dies_frees_the_reader(card: InsertedCard) -> None:
    with second_client(card) as other:
        other.kill()
        other.wait(10)
        with contextlib.closing(open_pcsc(card.reader_name)) as connection:
            assert connection.transmit(COUNT) == b"\x01\x90\x00"


def test_a_reset_by_another_program_is_told(card: InsertedCard) -> None:
    with (
        contextlib.closing(open_pcsc(card.reader_name)) as one,
        contextlib.closing(open_pcsc(card.reader_name)) as other,
    ):
        one.transmit(COUNT)
        other.reset()
        with pytest.raises(CardResetError):
            one.transmit(COUNT)
        assert one.transmit(COUNT) == b"\x01\x90\x00"


def test_a_dialogue_is_the_same_in_process_and_through_pcscd(card: InsertedCard) -> None:
    recorder = Recorder(EmulatorConnection(NullCard()))
    recorder.reset()
    for command in (SELECT_ISD, COUNT, bytes.fromhex("00A4040002 3F00"), bytes.fromhex("0084000000")):
        recorder.transmit(command)
    with contextlib.closing(open_pcsc(card.reader_name)) as connection:
        play(recorder.dialogue(), connection)


def test_pcscd_ends_under_its_clients() -> None:
    with PrivatePcscd() as pcscd, inserted(pcscd, NullCard(), settle_seconds=0) as card:
        with contextlib.closing(open_pcsc(card.reader_name)) as connection:
            pcscd.terminate()
            for _ in range(2):
                with pytest.raises(NoReader, match="service is gone"):
                    connection.transmit(COUNT)
        wait_until(lambda: card.failure is not None, "the host to notice")
        assert isinstance(card.failure, VpcdDisconnectedError)
        with pytest.raises(NoReader, match="does not answer"):
            list_readers()


def test_without_a_service_the_message_names_it() -> None:
    code = "from jukicard.reader.pcsc import list_readers; list_readers()"
    environment = {**os.environ, "PCSCLITE_CSOCK_NAME": "/nowhere/pcscd.comm"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "NoReader: the PC/SC service pcscd does not answer at /nowhere/pcscd.comm" in done.stderr


@contextlib.contextmanager
def second_client(card: InsertedCard) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a transaction until it reads a line."""
    with subprocess.Popen(
        [sys.executable, "-c", SECOND_CLIENT, card.reader_name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=card.pcscd.environment,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()
