"""The emulator: a CardConnection to a chip in this process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from jukicard.iso7816.connection import ApduLimits
from jukicard.iso7816.errors import TransportError
from jukicard.reader.chip import Chip, Interface


class EmulatorConnection:
    """A CardConnection to a chip object: no reader, no limits beyond ISO/IEC 7816-4's extended length."""

    def __init__(self, card: Chip, interface: Interface = Interface.CONTACT) -> None:
        """Apply power to the chip through that interface; `close` takes it away."""
        self._card = card
        self._lock = threading.RLock()
        self._open = True
        self._atr = card.power_on(interface)

    @property
    def atr(self) -> bytes:
        """The answer to the last power-on or reset."""
        return self._atr

    @property
    def limits(self) -> ApduLimits:
        """Extended length."""
        return ApduLimits.EXTENDED

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection; TransportError after `close`."""
        with self._lock:
            self._check_open()
            return self._card.transmit(command)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep this process's other threads away from the connection; nobody else can reach the chip."""
        with self._lock:
            self._check_open()
            yield

    def reset(self) -> None:
        """See CardConnection."""
        with self._lock:
            self._check_open()
            self._atr = self._card.reset()

    def close(self) -> None:
        """Take the power away; closing twice does no harm."""
        with self._lock:
            if self._open:
                self._open = False
                self._card.power_off()

    def _check_open(self) -> None:
        if not self._open:
            raise TransportError("the connection to the emulated card is closed")
