"""Suspending, resuming and voiding a card: in the books first, and on its chip where that is at hand.

The books decide: `auth` refuses a card that they have as suspended or void whatever the chip says.  The entry of the
decision is also the intent to tell the chip; `Event.ON_CHIP` is the outcome.  In between, and for a card that is not at
hand, the books show the chip as behind; the same change, asked for again with the card at hand, is then only told to
the chip and noted.  So a change that was interrupted anywhere is finished by asking for it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jukicard.applets.juki.client import JukiClient
from jukicard.applets.juki.records import CardState as ChipState
from jukicard.iso7816.errors import HostError
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter.authentication import CardDialogue
from jukicard.issuer.errors import CardRefused, RuleRefused, WrongCard
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.details import Cause
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import MID_ISSUE, MOVE_STEP, PASSWORD_RESET_STEP, TRANSITIONS, Event, Status
from jukicard.securechannel.authorization import Right

Clock = Callable[[], datetime]

BEHIND = "The books have it, the chip has not followed yet: give the same command again with the card at hand."


class Change(StrEnum):
    """What an office decides about a card that was issued."""

    SUSPEND = "suspend"
    RESUME = "resume"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A change: its entry in the books, and on the chip the right, the states before and after, and the command."""

    event: Event
    right: Right
    chip_before: frozenset[ChipState]
    chip_after: ChipState
    tell: Callable[[JukiClient], None]
    done: str

    @property
    def target(self) -> Status | None:
        return TRANSITIONS[self.event].target


_RULES: Mapping[Change, _Rule] = {
    Change.SUSPEND: _Rule(
        Event.SUSPENDED,
        Right.SUSPEND,
        frozenset({ChipState.ACTIVE}),
        ChipState.SUSPENDED,
        JukiClient.suspend,
        "suspended",
    ),
    Change.RESUME: _Rule(
        Event.RESUMED, Right.RESUME, frozenset({ChipState.SUSPENDED}), ChipState.ACTIVE, JukiClient.activate, "resumed"
    ),
    Change.VOID: _Rule(
        Event.VOIDED,
        Right.VOID,
        frozenset({ChipState.DELIVERED_LOCKED, ChipState.ACTIVE, ChipState.SUSPENDED}),
        ChipState.VOID,
        JukiClient.void,
        "made void",
    ),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change has come to.

    `state` is the card in the books now, `entered` whether the books were changed just now (or had it already),
    `chip` the state that the chip at hand tells now, None if none was at hand.
    """

    state: CardState
    entered: bool
    chip: ChipState | None


def change_card(
    authority: Authority,
    serial: str,
    change: Change,
    clock: Clock,
    *,
    reason: str | None = None,
    cause: Cause | None = None,
    dialogue: CardDialogue | None = None,
) -> Outcome:
    """Carry out a change, or finish it; `dialogue` is with the card, if it is at hand.

    A card at hand must prove itself and be that serial's before the books are touched.  A card whose issue was never
    finished is given up by voiding it: cancelled, or spoilt once its chip was touched.  `cause` is the legal one why a
    card becomes void.  Raises RuleRefused where
    the table of transitions, CardRefused where the card at hand does not allow it, LedgerError for an unknown card.
    """
    ledger = authority.ledger
    before = ledger.card(serial)
    given = {"reason": reason, "cause": cause}
    details = {name: str(value) for name, value in given.items() if value is not None}
    if change is Change.VOID and before.status in MID_ISSUE - {Status.HANDING_OVER}:
        return _give_up(ledger, before, clock, details, at_hand=dialogue is not None)
    rule = _RULES[change]
    if before.status is not rule.target and before.status not in TRANSITIONS[rule.event].sources:
        raise RuleRefused(f"in the ledger card {serial} is {before.status}: it cannot be {rule.done}")
    if dialogue is None:
        return Outcome(*_enter(ledger, before, rule, clock, details), None)
    with dialogue.client.base.transaction():
        chip = _look(dialogue, serial, authority.city.code, rule)
        state, entered = _enter(ledger, before, rule, clock, details)
        try:
            chip = _tell(dialogue, chip, rule)
        except (HostError, CardRefused) as error:
            error.add_note(BEHIND)
            raise
        if state.chip_behind:
            state = ledger.append(serial, Event.ON_CHIP, clock())
    return Outcome(state, entered, chip)


def _look(dialogue: CardDialogue, serial: str, city_code: str, rule: _Rule) -> ChipState:
    """Make the card at hand prove itself, and return its state; refuse another card, or one that cannot follow."""
    dialogue.require(rule.right)
    dialogue.prove_card()
    dialogue.open_channel()
    dialogue.check_card()
    card, status = dialogue.result.card, dialogue.result.status
    if card is None or status is None:
        raise CardRefused("the card has not told what it is")
    if card.serial != serial:
        raise WrongCard(f"the card at hand is {card.serial}, not {serial}: nothing was done")
    if (status.moved_to or card.city_code) != city_code:
        raise CardRefused(f"card {serial} is {status.moved_to or card.city_code}'s now: nothing was done")
    if status.state is not rule.chip_after and status.state not in rule.chip_before:
        raise CardRefused(f"the chip is {status.state.label}: it cannot be {rule.done}; nothing was done")
    return status.state


def _enter(
    ledger: Ledger, before: CardState, rule: _Rule, clock: Clock, details: Mapping[str, str]
) -> tuple[CardState, bool]:
    """Enter the change, unless the books have it."""
    if before.status is rule.target:
        return before, False
    return ledger.append(before.serial, rule.event, clock(), details), True


def _tell(dialogue: CardDialogue, chip: ChipState, rule: _Rule) -> ChipState:
    """Let the chip follow, and return the state that it tells then."""
    if chip is not rule.chip_after:
        rule.tell(dialogue.client)
        chip = dialogue.client.status().state
    if chip is not rule.chip_after:
        raise CardRefused(f"the chip says that it is {chip.label}, although it took the command")
    return chip


def _give_up(ledger: Ledger, before: CardState, clock: Clock, details: Mapping[str, str], *, at_hand: bool) -> Outcome:
    """Close the order of a card that was never finished; its chip stays bound to it, and is never used again."""
    if at_hand:
        raise RuleRefused(
            f"card {before.serial} is {before.status}: its chip takes no such command, void it without it"
        )
    if before.status is Status.ORDERED:
        return Outcome(ledger.append(before.serial, Event.CANCELLED, clock(), details), True, None)
    spoilt = {"reason": "given up", **details}
    return Outcome(ledger.append(before.serial, Event.SPOILT, clock(), spoilt), True, None)


_NEXT_OF_APPLICATION: Mapping[Status, str] = {
    Status.APPLIED: "juki application examine {serial}",
    Status.EXAMINED: "juki application confirm {serial} --document KIND, or juki application enquire {serial}",
    Status.ENQUIRED: "juki application answer {serial}, when the letter comes back",
    Status.CONFIRMED: "juki issue --application {serial}",
}


def how_to_go_on(state: CardState) -> str | None:
    """Say which command finishes what was begun with a card, or None where nothing is open."""
    if state.status is Status.HANDING_OVER:
        return (
            "juki handover --reader R, with the same password, finishes the handover; "
            f"juki card void {state.serial} gives the card up"
        )
    if state.status in MID_ISSUE:
        again = f"--application {state.serial}" if "kind" in state.facts else "with the same record"
        return f"juki issue {again} goes on; juki card void {state.serial} gives the card up"
    if state.pending == PASSWORD_RESET_STEP:
        return "juki password reset --reader R finishes setting the new password"
    if state.pending == MOVE_STEP:
        return "juki card move --reader R, with the same days, tells the chip that it is this municipality's now"
    if state.status in _NEXT_OF_APPLICATION:
        return _NEXT_OF_APPLICATION[state.status].format(serial=state.serial)
    if state.chip_behind:
        verb = next(change for change, rule in _RULES.items() if rule.target is state.status)
        return f"juki card {verb} {state.serial} --reader R tells the chip, when the card is at hand"
    return None
