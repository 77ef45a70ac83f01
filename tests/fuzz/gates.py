"""The way in to the rows of a domain's owner, as the reference model tells it; and where their changes may lie.

Imports nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.facts import Entry
from tests.fuzz.model import CARD_LOCKED, Call, Expectation, Model, area
from tests.fuzz.wire import refuse

SCP03 = 0x01


def supervision(model: Model, call: Call) -> None:
    """The domain's SCP03 session, with C-MAC."""
    session = call.session
    if session is None or session is not call.channel.session or not session.authenticated:
        refuse(0x6982)
    if session.kid != SCP03 or not session.level & 0x01:
        refuse(0x6982)


def gate(model: Model, call: Call) -> None:
    """The same, while the card is not locked."""
    supervision(model, call)
    if model.card_state == CARD_LOCKED:
        refuse(0x6985)


def management(
    *sws: int, above: bool = False, below: bool = False, keys: bool = False, receipts: bool = False
) -> Callable[..., Expectation]:
    """A row that only its gate and its limits are told of.

    Its changes lie in the registry (`above`), in the areas of applications and load files of the domain and of the
    next new one (`below`), in the domain's own cells of keys (`keys`), in the counter of `receipts` of one above it.
    """

    def rule(model: Model, call: Call) -> Expectation:
        gate(model, call)
        own = call.entry.instance
        areas = ["registry"] if above else []
        if keys:
            areas += [f"{area(own)}{kind}/" for kind in ("key", "seq", "crt", "alw", "ski", "day")]
        if below:
            inside = [one.instance for one in (*model.registry, *model.load_files) if one.domain == own != one.instance]
            areas += [area(instance) for instance in (*inside, int(model.cells["registry"][0]))]
        if receipts:
            areas += [area(domain) + "receipts" for domain in _domains_above(model, call.entry)]
        return Expectation(frozenset(sws), None, None if areas else {}, tuple(areas))

    return rule


def _domains_above(model: Model, entry: Entry) -> list[int]:
    found = []
    while entry.domain != entry.instance:
        entry = model.entry(entry.domain)
        found.append(entry.instance)
    return found
