"""Physical lines: chips come one after the other, and each decides what is done with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from jukicard.applets.catalogue import rom
from jukicard.applets.gp.manufacture import ChipIdentity, manufacture
from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.card.store import MemoryStore
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import CardRemoved
from jukicard.issuer.bureau.lines import LineCrew, LineSettings
from jukicard.issuer.bureau.preparing import begin
from jukicard.issuer.bureau.run import RunPlan, Tally, World
from jukicard.issuer.ledger.rules import Status
from jukicard.reader.emulator import EmulatorConnection
from jukicard.testing.seeds import randomness
from tests.support.bureau import NOW, Bureau, residents


class Chip:
    """A chip that lies on the desk; `pulled_at` is the command at which it is taken out the first time."""

    def __init__(self, number: int, pulled_at: int | None = None) -> None:
        self.store = MemoryStore()
        manufacture(self.store, ChipIdentity(number))
        self.number, self.pulled_at, self.commands = number, pulled_at, 0

    @contextmanager
    def inserted(self) -> Iterator[CardConnection]:
        card = Card(self.store, rom(), Ports(randomness(("chip", self.number, self.commands))))
        with closing(EmulatorConnection(card)) as connection:
            yield Pulled(connection, self)


class Pulled:
    def __init__(self, inner: CardConnection, chip: Chip) -> None:
        self.inner, self.chip = inner, chip

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def transmit(self, command: bytes) -> bytes:
        self.chip.commands += 1
        if self.chip.commands == self.chip.pulled_at:
            raise CardRemoved("the card was removed")
        return self.inner.transmit(command)


class Tray:
    """A reader into which somebody puts these chips in turn; whoever waits longer than that waits for the end."""

    def __init__(self, name: str, chips: list[Chip]) -> None:
        self.name, self.chips = name, list(chips)
        self.idle = threading.Event()

    def wait(self, is_over: Callable[[], bool]) -> AbstractContextManager[CardConnection] | None:
        if self.chips:
            return self.chips.pop(0).inserted()
        while not is_over():
            self.idle.wait(0.01)
        return None


def run(bureau: Bureau, plan: RunPlan, *trays: Tray, resume: bool = False) -> Tally:
    plan.out.mkdir(exist_ok=True)
    settings = LineSettings(
        bureau.authority, plan.out, randomness(("lines", resume)), lambda: NOW, bureau.warnings.append
    )
    world = World(lambda: NOW, lambda seconds: None, warn=bureau.warnings.append)
    with LineCrew(settings, trays) as crew:
        return begin(bureau.authority, plan, crew, world, randomness("run"), resume=resume).execute()


def plan_for(bureau: Bureau, count: int) -> RunPlan:
    plan = bureau.plan(residents(count), group=1)
    return RunPlan(plan.name, plan.records, plan.rules, plan.out, group_size=1, own_blanks=False)


def test_two_readers_share_the_orders(bureau: Bureau, tmp_path: Path) -> None:
    plan = plan_for(bureau, 4)
    chips = [Chip(number) for number in (11, 12, 13, 14)]
    assert run(bureau, plan, Tray("one", chips[:2]), Tray("other", chips[2:])) == Tally(4, issued=4)
    cards = bureau.authority.ledger.cards(Status.AWAITING_HANDOVER)
    assert {state.chip for state in cards} == {f"{number:016d}" for number in (11, 12, 13, 14)}
    assert bureau.authority.ledger.verify()


def test_a_card_that_is_pulled_is_finished_when_it_comes_back(bureau: Bureau) -> None:
    plan = plan_for(bureau, 2)
    pulled = Chip(11, pulled_at=30)
    assert run(bureau, plan, Tray("one", [pulled, Chip(12), pulled])) == Tally(2, issued=2)
    first, second = bureau.authority.ledger.cards()
    assert (first.chip, second.chip) == (f"{11:016d}", f"{12:016d}")
    assert any("put the card in again" in warning for warning in bureau.warnings)


def test_other_cards_are_refused_and_named(bureau: Bureau) -> None:
    plan = plan_for(bureau, 2)
    done = Chip(11)
    assert run(bureau, plan, Tray("one", [done, done, Chip(12)])) == Tally(2, issued=2)
    assert any("for no card of this run" in warning for warning in bureau.warnings)
    states = bureau.authority.ledger.cards()
    assert len(states) == len({state.chip for state in states}) == 2


@pytest.mark.parametrize("own", [True, False])
def test_a_run_is_resumed_as_it_was_begun(bureau: Bureau, own: bool) -> None:
    plan = plan_for(bureau, 1)
    if own:
        bureau.run(bureau.plan(residents(1)), bureau.crew())
        with pytest.raises(Exception, match="on its own chips"):
            run(bureau, plan, Tray("one", [Chip(11)]), resume=True)
    else:
        run(bureau, plan, Tray("one", [Chip(11)]))
        with pytest.raises(Exception, match="on chips in readers"):
            bureau.run(bureau.plan(residents(1)), bureau.crew(), resume=True)
