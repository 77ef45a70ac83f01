"""The dialogues of our hosts that a hostile card takes part in, and what must hold afterwards, whatever it said.

A `Flow` is one of them; a `Trial` is one run of it with one lie. `Trial.judge` asserts that

* the host came to an end, in bounded time, with success or with one of the documented errors;
* success is the truth: an honest reader finds on the chip what the host believes it has achieved, and nothing is
  entered as done that was not;
* no resident code was accepted but the true one;
* the password was asked for, and sent, only when whatever the host had relied on until then was true, and never in the
  clear; and none of its tries was burnt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.layout import PASSWORD as REFERENCE
from jukicard.applets.juki.records import CardState
from jukicard.applets.library import layout as library
from jukicard.applets.library.client import LibraryClient
from jukicard.applets.library.records import Loan, LoanState
from jukicard.card.store import MemoryStore
from jukicard.commands.errors import exit_code
from jukicard.iso7816.errors import HostError
from jukicard.iso7816.wrappers import T0Rules, standard
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import Description
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.counter.authentication import CardDialogue, authenticate
from jukicard.issuer.counter.handover import hand_over
from jukicard.issuer.counter.holderpassword import change_password, reset_password
from jukicard.issuer.counter.lifecycle import Change, change_card
from jukicard.issuer.errors import IssuerError
from jukicard.issuer.keys.keystore import KeyStore
from jukicard.issuer.ledger.rules import Event, Status
from jukicard.issuer.line.provers import card_channel_key, ephemeral_key
from jukicard.reader.emulator import EmulatorConnection
from jukicard.testing.readers import T0Reader
from jukicard.testing.seeds import randomness
from tests.support.hostile_card import EndlessError, Falsification, HostileCard
from tests.support.issued import CITY, PASSWORD, TODAY, Office, Offices, Stage, new_card

NEW = "3852"
LONGEST_SECONDS = 20.0
EXIT_CODES = frozenset({1, 3, 4, 5})
LOAN = Loan("9784000000000", "20261205", "0001")


class Hosts:
    """Offices of every stage, whose keys are opened once: a fresh one for every run of a flow."""

    def __init__(self, offices: Offices) -> None:
        self._offices = offices
        self._keys: KeyStore | None = None

    def trial(
        self,
        flow: Flow,
        folder: Path,
        falsification: Falsification | None = None,
        earlier: Sequence[bytes] = (),
    ) -> Trial:
        """Set up one run of a flow, with a home of its own below `folder`."""
        office = self._offices.at(flow.stage, folder)
        if self._keys is None:
            self._keys = office.authority.keys
        authority = Authority(office.home, Description.read(office.home), self._keys, randomness("authority"))
        office.__dict__["authority"] = authority
        store = MemoryStore(office.cells)
        reader = EmulatorConnection(new_card(store, strict=False))
        card = HostileCard(T0Reader(reader) if flow.t0 else reader, falsification, earlier)
        return Trial(flow, office, store, card)


@dataclass
class Trial:
    """One run of a flow, with one lie or none."""

    flow: Flow
    office: Office
    store: MemoryStore
    card: HostileCard
    asked_at: int | None = None
    error: BaseException | None = None
    seconds: float = 0.0
    dialogue: CardDialogue | None = None

    def ask(self) -> str:
        """The holder's password: remembered is when it was asked for."""
        self.asked_at = len(self.card.commands)
        return PASSWORD

    def begin(self) -> CardDialogue:
        random = randomness(("host", self.card.commands))
        connection = T0Rules(self.card) if self.flow.t0 else self.card
        self.dialogue = dialogue = CardDialogue(self.office.authority, connection, random, today=TODAY)
        return dialogue

    def honest(self) -> EmulatorConnection:
        """The same chip in an honest reader."""
        return EmulatorConnection(new_card(self.store, "honest"))

    def authenticates(self, password: str) -> None:
        with closing(self.honest()) as connection:
            result = self.office.authenticate(connection, password, "honest")
        assert result.resident_code is not None
        assert result.resident_code.reveal() == self.office.code

    def run(self) -> Trial:
        start = time.monotonic()
        try:
            self.flow.run(self)
        except EndlessError:
            raise
        except Exception as error:  # noqa: BLE001 - judged below
            self.error = error
        self.seconds = time.monotonic() - start
        return self

    def judge(self) -> None:
        assert self.seconds < LONGEST_SECONDS, f"it took {self.seconds:.0f} s"
        if self.error is None:
            self.flow.truly(self)
        else:
            assert isinstance(self.error, HostError | IssuerError), repr(self.error)
            assert exit_code(self.error) in EXIT_CODES, repr(self.error)
            if self.flow.done(self):
                self.flow.truly(self)
        self._judge_code()
        self._judge_password()

    def _judge_code(self) -> None:
        code = None if self.dialogue is None else self.dialogue.result.resident_code
        assert code is None or code.reveal() == self.office.code
        secrets = [self.office.code.encode()]
        if self.flow.password:
            secrets += [PASSWORD.encode(), NEW.encode()]
        assert not any(secret in command for secret in secrets for command in self.card.commands)

    def _judge_password(self) -> None:
        lie = self.card.falsification
        if self.asked_at is not None and self.card.told and lie is not None and lie.step <= self.asked_at:
            assert self.error is None, f"asked after {self.asked_at} commands; {self.error!r}"
        if self.flow.stage is Stage.ACTIVE:
            with closing(self.honest()) as connection:
                client = JukiClient(standard(connection))
                client.select()
                assert client.password_tries(REFERENCE) == 3


def _nothing(trial: Trial) -> None:
    """There is nothing more to be true."""


def _never(trial: Trial) -> bool:
    return False


@dataclass(frozen=True)
class Flow:
    """A host's dialogue: on which card, what it does, whether the books say that it is done, and the proof that it is.

    `password`: whether the holder's password plays a part.  `t0`: the card speaks T=0.
    """

    stage: Stage
    run: Callable[[Trial], object]
    truly: Callable[[Trial], object] = _nothing
    done: Callable[[Trial], bool] = _never
    password: bool = True
    t0: bool = False


def _authenticate(trial: Trial) -> None:
    authenticate(trial.begin(), trial.ask)


def _authenticated(trial: Trial) -> None:
    assert trial.dialogue is not None
    result = trial.dialogue.result
    assert result.password_ok
    assert result.resident_code is not None
    trial.authenticates(PASSWORD)


def _issue(trial: Trial) -> None:
    trial.office.issue(trial.card)


def _status(trial: Trial) -> Status | None:
    states = trial.office.authority.ledger.cards()
    return states[0].status if states else None


def _issued(trial: Trial) -> None:
    assert _status(trial) is Status.AWAITING_HANDOVER
    with closing(trial.honest()) as connection:
        trial.office.hand_over(connection)
    trial.authenticates(PASSWORD)


def _hand_over(trial: Trial) -> None:
    hand_over(trial.office.authority, trial.begin(), trial.ask, trial.office.clock)


def _change(trial: Trial) -> None:
    change_password(trial.begin(), trial.ask, lambda: NEW)


def _reset(trial: Trial) -> None:
    def new() -> str:
        trial.ask()
        return NEW

    reset_password(trial.office.authority, trial.begin(), new, trial.office.clock)


def _suspend(trial: Trial) -> None:
    office = trial.office
    dialogue = trial.begin()
    change_card(office.authority, office.card_state.serial, Change.SUSPEND, office.clock, dialogue=dialogue)


def _suspended(trial: Trial) -> None:
    with closing(trial.honest()) as connection:
        dialogue = trial.office.dialogue(connection, "honest")
        dialogue.prove_card()
        dialogue.open_channel()
        dialogue.check_card()
    assert dialogue.result.status is not None
    assert dialogue.result.status.state is CardState.SUSPENDED


def _suspension_done(trial: Trial) -> bool:
    state = trial.office.card_state
    return state.status is Status.SUSPENDED and not state.chip_behind


def _library(trial: Trial) -> None:
    authority = trial.office.authority
    client = LibraryClient(standard(trial.card), CITY.code)
    client.select()
    key = card_channel_key(client, authority, today=TODAY, area=Area.MUNICIPAL).public_key
    ephemeral = ephemeral_key(randomness("library"))
    client.open_scp11a(authority.terminal_key("municipal-service"), key, ephemeral)
    assert client.patron_number() == authority.patron_number(trial.office.card_state.serial)
    password = trial.ask().encode()
    client.set_initial_password(library.PASSWORD, password)
    client.verify(library.PASSWORD, password)
    client.lend(LOAN)
    assert client.loans() == [LOAN]
    client.take_back(1, LOAN)
    assert client.loans() == [replace(LOAN, state=LoanState.RETURNED)]


def _books_say(*events: Event) -> Callable[[Trial], bool]:
    return lambda trial: trial.office.authority.ledger.entries()[-1].event in events


FLOWS = {
    "authenticate": Flow(Stage.ACTIVE, _authenticate, _authenticated),
    "authenticate, over T=0": Flow(Stage.ACTIVE, _authenticate, _authenticated, t0=True),
    "issue": Flow(
        Stage.BLANK, _issue, _issued, lambda trial: _status(trial) is Status.AWAITING_HANDOVER, password=False
    ),
    "hand over": Flow(
        Stage.AWAITING_HANDOVER,
        _hand_over,
        lambda trial: trial.authenticates(PASSWORD),
        lambda trial: _status(trial) is Status.ACTIVE,
    ),
    "change the password": Flow(Stage.ACTIVE, _change, lambda trial: trial.authenticates(NEW)),
    "reset the password": Flow(
        Stage.ACTIVE, _reset, lambda trial: trial.authenticates(NEW), _books_say(Event.PASSWORD_RESET)
    ),
    "suspend": Flow(Stage.ACTIVE, _suspend, _suspended, _suspension_done, password=False),
    "library": Flow(Stage.ACTIVE, _library),
}
