"""Chips that are awkward in a real reader: one that is pulled in the middle of a command, a slow one."""

from __future__ import annotations

import time
from collections.abc import Callable

from jukicard.reader.chip import Chip, Interface


class _ChipWrapper:
    """A chip that hands everything to the one inside."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip

    def power_on(self, interface: Interface) -> bytes:
        """See Chip."""
        return self._chip.power_on(interface)

    def reset(self) -> bytes:
        """See Chip."""
        return self._chip.reset()

    def power_off(self) -> None:
        """See Chip."""
        self._chip.power_off()

    def transmit(self, command: bytes) -> bytes:
        """See Chip."""
        return self._chip.transmit(command)


class SlowChip(_ChipWrapper):
    """A chip that takes `delay` seconds longer for each command; `sleep` waits that long."""

    def __init__(self, chip: Chip, delay: float, sleep: Callable[[float], None] = time.sleep) -> None:
        super().__init__(chip)
        self.delay = delay
        self._sleep = sleep

    def transmit(self, command: bytes) -> bytes:
        """See Chip."""
        self._sleep(self.delay)
        return super().transmit(command)


class PulledChip(_ChipWrapper):
    """A chip whose answers to the commands that `pull` chooses are lost, and the power with them.

    `pull` is given the number of the command since the chip was made (from 1) and the command; it returns "before" to
    pull the card before the chip sees the command, "after" to pull it when the chip has carried it out, or None.
    The VpcdHost above it ends then, as when its process dies; `InsertedCard.insert` puts the card in again.
    """

    def __init__(self, chip: Chip, pull: Callable[[int, bytes], str | None]) -> None:
        super().__init__(chip)
        self._pull = pull
        self.commands = 0
        self.pulls = 0

    @classmethod
    def at(cls, chip: Chip, number: int, *, executed: bool = False) -> PulledChip:
        """A chip that is pulled during command `number` alone, counted from 1; see `executed` in PulledReader."""
        when = "after" if executed else "before"
        return cls(chip, lambda current, command: when if current == number else None)

    def transmit(self, command: bytes) -> bytes:
        """See Chip, and the class."""
        self.commands += 1
        when = self._pull(self.commands, command)
        if when == "before":
            self._lose()
        answer = super().transmit(command)
        if when == "after":
            self._lose()
        return answer

    def _lose(self) -> None:
        self.pulls += 1
        raise ConnectionAbortedError
