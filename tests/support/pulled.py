"""A chip that is pulled out of its reader in the middle of a command."""

from __future__ import annotations

from collections.abc import Callable

from jukicard.reader.chip import Chip, Interface


class PulledChip:
    """A chip whose answers to the commands that `pull` chooses are lost, and the power with them.

    `pull` is given the number of the command since the chip was made (from 1) and the command; it returns "before" to
    pull the card before the chip sees the command, "after" to pull it when the chip has carried it out, or None.
    The VpcdHost above it ends then, as when its process dies; `InsertedCard.insert` puts the card in again.
    """

    def __init__(self, chip: Chip, pull: Callable[[int, bytes], str | None]) -> None:
        self._chip = chip
        self._pull = pull
        self.commands = 0
        self.pulls = 0

    def power_on(self, interface: Interface) -> bytes:
        return self._chip.power_on(interface)

    def reset(self) -> bytes:
        return self._chip.reset()

    def power_off(self) -> None:
        self._chip.power_off()

    def transmit(self, command: bytes) -> bytes:
        self.commands += 1
        when = self._pull(self.commands, command)
        if when == "before":
            self._lose()
        answer = self._chip.transmit(command)
        if when == "after":
            self._lose()
        return answer

    def _lose(self) -> None:
        self.pulls += 1
        raise ConnectionAbortedError
