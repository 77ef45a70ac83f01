"""A chip standing in a private pcscd's virtual reader."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from jukicard.card.ports import Interface
from jukicard.reader.chip import Chip
from jukicard.reader.pcsc import reader_states
from jukicard.reader.vpcd import SETTLE_SECONDS, VpcdHost
from jukicard.testing.pcscd import PrivatePcscd

PATIENCE_SECONDS = 10.0


class InsertedCard:
    """The card in the reader: `remove` pulls it out, `insert` puts it back."""

    def __init__(self, pcscd: PrivatePcscd, host: VpcdHost, reader_name: str) -> None:
        self.reader_name = reader_name
        self._pcscd = pcscd
        self._host = host
        self._thread: threading.Thread | None = None
        self.failure: BaseException | None = None

    @property
    def pcscd(self) -> PrivatePcscd:
        """The pcscd whose reader it is."""
        return self._pcscd

    def insert(self) -> None:
        """Put the card in, also after it was pulled, and wait until pcscd has noticed it. Needs `pcscd.use_here()`."""
        self.failure = None
        self._thread = threading.Thread(target=self._run, name="card", daemon=True)
        self._thread.start()
        wait_until(self.present, "pcscd to notice the card")

    def remove(self) -> None:
        """Pull the card and wait until the slot has settled."""
        if self._thread is not None:
            self._host.stop()
            self._thread.join(PATIENCE_SECONDS)
            if self._thread.is_alive():
                raise AssertionError("the card could not be pulled")
            self._thread = None

    def pull(self) -> None:
        """Pull the card without waiting: for hooks that run inside the card's own thread."""
        self._host.stop()

    def present(self) -> bool:
        """Whether pcscd sees a card in the reader."""
        if self.failure is not None:
            raise self.failure
        return any(state.name == self.reader_name and state.atr for state in reader_states())

    def _run(self) -> None:
        try:
            self._host.run()
        except BaseException as error:  # noqa: BLE001 - shown to the waiting test
            self.failure = error


@contextlib.contextmanager
def inserted(
    pcscd: PrivatePcscd,
    chip: Chip,
    reader: int = 0,
    *,
    interface: Interface = Interface.CONTACT,
    settle_seconds: float = SETTLE_SECONDS,
) -> Iterator[InsertedCard]:
    """The chip in that reader for the length of the block; this process's PC/SC clients see it."""
    host = VpcdHost(chip, interface, port=pcscd.ports[reader], settle_seconds=settle_seconds)
    card = InsertedCard(pcscd, host, pcscd.reader_names[reader])
    with pcscd.use_here():
        try:
            card.insert()
            yield card
        finally:
            card.remove()
            host.close()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for the condition to hold; AssertionError naming it when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)
