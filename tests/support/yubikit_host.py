"""Yubico's yubikit as a host of our chip, unmodified: in process, and through PC/SC with its own connection class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from smartcard.System import readers
from ykman.pcsc import ScardSmartCardConnection
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import SmartCardConnection

from jukicard.reader.chip import Chip, Interface


class InProcess(SmartCardConnection):
    """A chip in this process, as yubikit sees it: USB means extended APDUs, NFC short ones and chaining."""

    def __init__(self, chip: Chip, transport: TRANSPORT) -> None:
        self._chip = chip
        self._transport = transport
        self.sent: list[bytes] = []
        chip.power_on(Interface.CONTACT if transport is TRANSPORT.USB else Interface.CONTACTLESS)

    @property
    def transport(self) -> TRANSPORT:
        return self._transport

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        self.sent.append(apdu)
        answer = self._chip.transmit(apdu)
        return answer[:-2], int.from_bytes(answer[-2:])

    def close(self) -> None:
        self._chip.power_off()


class ThroughPcsc(ScardSmartCardConnection):
    """Yubico's own PC/SC connection. It tells USB from NFC by the ATR of YubiKeys; for our ATRs the test says which."""

    def __init__(self, reader_name: str, transport: TRANSPORT) -> None:
        (reader,) = (reader for reader in readers() if reader.name == reader_name)
        super().__init__(reader.createConnection())
        self._transport = transport
        self.sent: list[bytes] = []

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        self.sent.append(apdu)
        data, sw = super().send_and_receive(apdu)
        return data, sw


@contextmanager
def through_pcsc(reader_name: str, transport: TRANSPORT) -> Iterator[SmartCardConnection]:
    """The card in that reader, as yubikit sees it."""
    with closing(ThroughPcsc(reader_name, transport)) as connection:
        yield connection
