"""Purses of community points, and a terminal between them that loses power, commands and answers at will."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jukicard.applets.points.client import PointsClient
from jukicard.applets.points.records import Held, Member, Purse, Received
from jukicard.iso7816.connection import ApduLimits
from jukicard.iso7816.errors import CardRemoved
from tests.support import services
from tests.support.chips import Chip

Fault = Callable[[int], str | None]
"""From the number of a command, counted over all cards, to what becomes of it: None, or "before" (it does not reach the
card), "commit" (the card loses power as it commits), "after" (the card has done it, and its answer is lost).
"""


class Bench:
    """Cards by number, from 1, and the faults of whatever goes on between them."""

    def __init__(self, cards: int = 2) -> None:
        self.cells = {number: services.ready(number) for number in range(1, cards + 1)}
        self.commands = 0
        self.fault: Fault = lambda _: None
        self.chips: dict[int, Chip] = {}
        self.clients: dict[int, PointsClient] = {}
        self.power_on()

    def power_on(self) -> None:
        """All cards anew, with what they had durably stored, and the holder's password verified at each."""
        self.cells.update({number: chip.cells for number, chip in self.chips.items()})
        fault, self.fault = self.fault, lambda _: None
        for number, cells in self.cells.items():
            self.chips[number] = chip = Chip(cells, ("bench", number, self.commands))
            line = _Line(self, chip)
            self.clients[number] = services.points_client(line, services.shop(), number, services.PIN)
        self.fault, self.commands = fault, 0

    # what the cards hold, read behind their backs

    def content(self, number: int, fid: int) -> bytes:
        """The content of a file of the purse on that card."""
        cells = self.chips[number].store.snapshot()
        (own,) = (
            cell[:7]
            for cell, content in cells.items()
            if cell.endswith("f/0001/d") and content.startswith(services.member_number(number))
        )
        return cells[f"{own}f/{fid:04x}/d"]

    def member(self, number: int) -> Member:
        return Member.parse(self.content(number, 1))

    def purse(self, number: int) -> Purse:
        return Purse.parse(self.content(number, 3))

    def held(self, number: int) -> Held | None:
        return Held.parse(self.content(number, 4)) if any(self.content(number, 4)) else None

    def received(self, number: int) -> list[Received]:
        return Received.parse_all(self.content(number, 5).ljust(320, b"\0"))

    @property
    def balances(self) -> list[int]:
        return [self.purse(number).balance for number in self.cells]

    def in_flight(self, payer: int) -> int:
        """The points that a card holds, and that the payee has not credited."""
        held = self.held(payer)
        if held is None:
            return 0
        payee = next(number for number in self.cells if services.member_number(number) == held.payee)
        one = Received(services.member_number(payer), self.purse(payer).paid, held.entry, held.amount)
        return 0 if one in self.received(payee) else held.amount

    @property
    def total(self) -> int:
        """All points that there are."""
        return sum(self.balances) + sum(map(self.in_flight, self.cells))


class _Line:
    """A connection to one card, on which a fault strikes."""

    limits = ApduLimits.EXTENDED

    def __init__(self, bench: Bench, chip: Chip) -> None:
        self._bench, self._chip = bench, chip
        self.atr = chip.atr

    def transmit(self, command: bytes) -> bytes:
        number = self._bench.commands
        self._bench.commands += 1
        fault = self._bench.fault(number)
        if fault == "before":
            raise CardRemoved("lost before the card saw it")
        if fault == "commit":
            self._chip.store.cut = lambda _: True
        answer = self._chip.transmit(command)
        if fault:
            raise CardRemoved("the answer is lost")
        return answer

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def reset(self) -> None:
        self._chip.reset()

    def close(self) -> None:
        self._chip.close()
