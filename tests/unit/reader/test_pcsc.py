"""The PC/SC connection against a scripted stand-in for pyscard; the real thing is in tests/e2e."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from types import ModuleType
from typing import Any

import pytest

from jukicard.iso7816.connection import ApduLimits, CardConnection
from jukicard.iso7816.errors import (
    CardRemoved,
    NoCard,
    NoReader,
    ProtocolLimit,
    ReaderBusy,
    TransportError,
)
from jukicard.reader import pcsc_codes
from jukicard.reader.pcsc import (
    EXTENDED_LIMITS,
    AmbiguousReaderError,
    CardResetError,
    ReaderState,
    list_readers,
    open_pcsc,
    reader_states,
)
from tests.support.null_card import ATR, COUNT, SELECT_ISD

READER = "ACME Reader 00 00"
T0, T1 = 1, 2


class Scard(ModuleType):
    """pyscard's flat functions over one card, recording. `codes`: return codes to come, by call."""

    SCARD_SCOPE_USER, SCARD_SHARE_SHARED, SCARD_STATE_UNAWARE, SCARD_STATE_PRESENT = 0, 2, 0, 32
    SCARD_LEAVE_CARD, SCARD_RESET_CARD, SCARD_UNPOWER_CARD = 0, 1, 2
    SCARD_PCI_T0, SCARD_PCI_T1 = 100, 101

    def __init__(self, names: tuple[str, ...] = (READER,), protocol: int = T1) -> None:
        super().__init__("smartcard.scard")
        self.names = list(names)
        self.protocol = protocol
        self.codes: dict[str, list[int]] = {}
        self.calls: list[str] = []
        self.sent: list[tuple[int, bytes]] = []
        self.response = [0x90, 0x00]
        self.gate = threading.Event()  # closed: BeginTransaction waits, as for another program
        self.gate.set()

    def _code(self, name: str) -> int:
        self.calls.append(name)
        codes = self.codes.get(name)
        return codes.pop(0) if codes else 0

    def SCardEstablishContext(self, _scope: int) -> tuple[int, int]:  # noqa: N802
        return self._code("establish"), 7

    def SCardReleaseContext(self, _context: int) -> int:  # noqa: N802
        return self._code("release")

    def SCardListReaders(self, _context: int, _groups: list[str]) -> tuple[int, list[str]]:  # noqa: N802
        return self._code("list"), self.names

    def SCardGetStatusChange(self, _context: int, _timeout: int, asked: Any) -> tuple[int, Any]:  # noqa: N802
        answers = [(name, 32 if i == 0 else 16, list(ATR) if i == 0 else []) for i, (name, _) in enumerate(asked)]
        return self._code("states"), answers

    def SCardConnect(self, _context: int, _name: str, _mode: int, _mask: int) -> tuple[int, int, int]:  # noqa: N802
        return self._code("connect"), 9, self.protocol

    def SCardBeginTransaction(self, _card: int) -> int:  # noqa: N802
        self.gate.wait(10)
        return self._code("begin")

    def SCardEndTransaction(self, _card: int, disposition: int) -> int:  # noqa: N802
        return self._code(f"end {disposition}")

    def SCardReconnect(self, _card: int, _mode: int, _mask: int, how: int) -> tuple[int, int]:  # noqa: N802
        return self._code(f"reconnect {how}"), self.protocol

    def SCardStatus(self, _card: int) -> tuple[int, str, int, int, list[int]]:  # noqa: N802
        return self._code("status"), READER, 0, self.protocol, list(ATR)

    def SCardTransmit(self, _card: int, pci: int, command: list[int]) -> tuple[int, list[int]]:  # noqa: N802
        code = self._code("transmit")
        self.sent.append((pci, bytes(command)))
        return code, [] if code else self.response

    def SCardDisconnect(self, _card: int, disposition: int) -> int:  # noqa: N802
        return self._code(f"disconnect {disposition}")

    def SCardGetErrorMessage(self, code: int) -> str:  # noqa: N802
        return f"message {code:08X}"


@pytest.fixture
def scard(monkeypatch: pytest.MonkeyPatch) -> Scard:
    return install(monkeypatch, Scard())


def install(monkeypatch: pytest.MonkeyPatch, scard: Scard) -> Scard:
    monkeypatch.setitem(sys.modules, "smartcard.scard", scard)
    return scard


def test_a_command_outside_a_transaction_is_one_by_itself(scard: Scard) -> None:
    connection = open_pcsc("ACME")
    assert isinstance(connection, CardConnection)
    assert (connection.atr, connection.limits, connection.protocol) == (ATR, EXTENDED_LIMITS, 1)
    scard.calls.clear()
    assert connection.transmit(SELECT_ISD) == b"\x90\x00"
    assert scard.calls == ["begin", "transmit", "end 0"]
    assert scard.sent == [(Scard.SCARD_PCI_T1, SELECT_ISD)]


def test_transactions_nest_and_end_after_an_error(scard: Scard) -> None:
    connection = open_pcsc("ACME")
    scard.calls.clear()

    def fail_in_a_transaction() -> None:
        with connection.transaction():
            with connection.transaction():
                connection.transmit(COUNT)
            connection.reset()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_a_transaction()
    assert scard.calls == ["begin", "transmit", "reconnect 1", "status", "end 0"]


def test_close_resets_the_card_and_ends_an_open_transaction(scard: Scard) -> None:
    connection = open_pcsc("ACME")
    transaction = connection.transaction()
    transaction.__enter__()
    scard.calls.clear()
    connection.close()
    connection.close()
    assert scard.calls == ["end 0", "disconnect 1", "release"]
    with pytest.raises(TransportError, match="closed"):
        connection.transmit(COUNT)


def test_t0_means_short_apdus(monkeypatch: pytest.MonkeyPatch) -> None:
    scard = install(monkeypatch, Scard(protocol=T0))
    connection = open_pcsc("ACME", limits=ApduLimits.EXTENDED)
    assert (connection.protocol, connection.limits) == (0, ApduLimits.SHORT)
    with pytest.raises(ProtocolLimit, match="no extended-length"):
        connection.transmit(bytes.fromhex("00B00000000010"))
    connection.transmit(bytes.fromhex("00B0000000"))
    assert scard.sent == [(Scard.SCARD_PCI_T0, bytes.fromhex("00B0000000"))]


@pytest.mark.parametrize("length", [0, 1, 3, 262])
def test_commands_that_cannot_be_carried_are_not_sent(scard: Scard, length: int) -> None:
    connection = open_pcsc("ACME", limits=ApduLimits.SHORT)
    with pytest.raises(ProtocolLimit):
        connection.transmit(bytes(length))
    assert scard.sent == []


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (0x8010000C, NoCard, "no card in the reader"),
        (0x80100069, NoCard, "no card in the reader"),
        (0x80100066, NoCard, "does not answer"),
        (0x8010000B, ReaderBusy, "another program"),
        (0x80100009, NoReader, "reader is gone"),
        (0x8010001D, NoReader, "service is gone"),
        (0x8010000F, ProtocolLimit, "neither"),
        (0x80100004, TransportError, "message 80100004 .0x80100004"),
        (0x8010000C - (1 << 32), NoCard, "no card"),  # some platforms give negative numbers
    ],
)
def test_refused_connections_have_their_own_errors(
    scard: Scard, code: int, error: type[TransportError], words: str
) -> None:
    scard.codes["connect"] = [code]
    with pytest.raises(error, match=words) as caught:
        open_pcsc("ACME")
    assert caught.type is error
    assert scard.calls[-1] == "release"


@pytest.mark.parametrize("code", [0x80100016, 0x80100069, 0x8010000C, 0x80100067])
def test_a_removed_card_ends_the_connection(scard: Scard, code: int) -> None:
    connection = open_pcsc("ACME")
    scard.codes["transmit"] = [code]
    with pytest.raises(CardRemoved):
        connection.transmit(COUNT)
    for use in (lambda: connection.transmit(COUNT), connection.reset, connection.transaction().__enter__):
        with pytest.raises(CardRemoved):
            use()
    assert len(scard.sent) == 1


def test_an_empty_answer_is_a_removed_card(scard: Scard) -> None:
    connection = open_pcsc("ACME")
    scard.response = []
    with pytest.raises(CardRemoved):
        connection.transmit(COUNT)


def test_a_reset_by_others_before_any_use_costs_nothing(scard: Scard) -> None:
    connection = open_pcsc("ACME")
    scard.codes["begin"] = [0x80100068]
    assert connection.transmit(COUNT) == b"\x90\x00"


def test_a_reset_by_others_in_mid_session_is_told_once(scard: Scard) -> None:
    connection = open_pcsc("ACME")
    connection.transmit(COUNT)
    scard.codes["begin"] = [0x80100068]
    with pytest.raises(CardResetError):
        connection.transmit(COUNT)
    assert len(scard.sent) == 1
    assert connection.transmit(COUNT) == b"\x90\x00"


def test_a_reset_is_not_disturbed_by_a_program_that_resets_the_card_again_and_again(scard: Scard) -> None:
    connection = open_pcsc("")
    connection.transmit(SELECT_ISD)
    scard.codes["begin"] = [0x80100068] * 5
    connection.reset()
    assert connection.transmit(SELECT_ISD) == b"\x90\x00"
    connection.transmit(SELECT_ISD)
    scard.codes["begin"] = [0x80100068] * 1000
    with pytest.raises(CardResetError):
        connection.reset()


@pytest.mark.parametrize("code", [0x80100068, 0x8010000F])
def test_a_reset_while_a_command_is_sent(scard: Scard, code: int) -> None:
    """pcscd resets the card for a program that has died, and meanwhile says that the card has another protocol."""
    connection = open_pcsc("ACME")
    scard.codes["transmit"] = [code]
    assert connection.transmit(COUNT) == b"\x90\x00"  # nothing was lost
    scard.codes["transmit"] = [code]
    with pytest.raises(CardResetError):
        connection.transmit(COUNT)
    assert connection.transmit(COUNT) == b"\x90\x00"


def test_a_held_card_is_busy_after_a_bounded_wait_and_is_given_back_later(scard: Scard) -> None:
    connection = open_pcsc("ACME", busy_seconds=0.1)
    scard.calls.clear()
    scard.gate.clear()
    start = time.monotonic()
    with pytest.raises(ReaderBusy):
        connection.transmit(COUNT)
    assert time.monotonic() - start < 2
    with pytest.raises(ReaderBusy, match="given up"):
        connection.transmit(COUNT)
    connection.close()
    scard.gate.set()
    for _ in range(500):
        if "release" in scard.calls:
            break
        time.sleep(0.01)
    assert scard.calls == ["begin", "end 0", "disconnect 0", "release"]
    assert scard.sent == []


def test_an_exclusive_user_makes_the_reader_busy(scard: Scard) -> None:
    connection = open_pcsc("ACME")
    scard.codes["begin"] = [0x8010000B]
    with pytest.raises(ReaderBusy, match="exclusively"):
        connection.transmit(COUNT)


def test_readers_and_their_cards_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    scard = install(monkeypatch, Scard(("A", "B")))
    assert list_readers() == ("A", "B")
    assert reader_states() == (ReaderState("A", ATR), ReaderState("B", None))
    scard.codes["list"] = [0x8010002E, 0x8010002E]
    assert list_readers() == ()
    assert reader_states() == ()


@pytest.mark.parametrize(
    ("names", "part", "chosen"),
    [
        (("ACME 1", "Other"), "ACME", "ACME 1"),
        (("ACME 1", "ACME 10"), "ACME 1", "ACME 1"),  # a whole name wins over a part of one
        (("ACME 1",), "", "ACME 1"),
    ],
)
def test_a_reader_is_chosen(monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], part: str, chosen: str) -> None:
    install(monkeypatch, Scard(names))
    assert open_pcsc(part).reader == chosen


@pytest.mark.parametrize(
    ("names", "part", "error", "words"),
    [
        (("A 1", "A 2", "B"), "A", AmbiguousReaderError, r"2 readers.*'A 1', 'A 2'$"),
        (("A 1", "B"), "", AmbiguousReaderError, r"there are 2 readers; name one of: 'A 1', 'B'"),
        (("A 1", "B"), "a", NoReader, r"no reader's name contains 'a'; there are: 'A 1', 'B'"),
        ((), "A", NoReader, "no reader is connected"),
    ],
)
def test_no_reader_is_chosen_by_chance(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], part: str, error: type[NoReader], words: str
) -> None:
    install(monkeypatch, Scard(names))
    with pytest.raises(error, match=words) as caught:
        open_pcsc(part)
    assert caught.type is error


def test_without_pyscard_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard.scard", None)
    with pytest.raises(NoReader, match=r"pyscard is not installed: pip install 'jukicard\[pcsc\]'"):
        list_readers()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pcsclite is Linux's PC/SC")
class TestMissingService:
    @pytest.fixture(autouse=True)
    def refused(self, scard: Scard) -> None:
        scard.codes["establish"] = [0x8010001D]

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def absent(_name: str) -> None:
            raise OSError("cannot open shared object file")

        monkeypatch.setattr(pcsc_codes.ctypes, "CDLL", absent)
        with pytest.raises(NoReader, match=r"libpcsclite\.so\.1 is not installed: apt install libpcsclite1"):
            list_readers()

    def test_without_the_service(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pcsc_codes.ctypes, "CDLL", lambda _name: None)
        monkeypatch.setattr(pcsc_codes.shutil, "which", lambda _name, path: None)
        with pytest.raises(NoReader, match="pcscd is not installed: apt install pcscd"):
            list_readers()

    def test_with_the_service_stopped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pcsc_codes.ctypes, "CDLL", lambda _name: None)
        monkeypatch.setattr(pcsc_codes.shutil, "which", lambda _name, path: "/usr/sbin/pcscd")
        monkeypatch.setenv("PCSCLITE_CSOCK_NAME", "/nowhere/pcscd.comm")
        with pytest.raises(NoReader, match=r"does not answer at /nowhere/pcscd\.comm .*start it"):
            list_readers()


def test_pyscard_is_loaded_when_a_reader_is_asked_for_and_not_before() -> None:
    code = "import sys, jukicard.reader.pcsc; sys.exit('smartcard' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=dict(os.environ))
