"""A tally of a town hall's cards that is kept by hand, beside the books and without ever asking them.

Whoever does something at the counter notes it. In the evening `differences` holds the notes against what `juki ledger
list`, `reconcile` and `statistics` say (their JSON), to the last card.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MOVEMENTS = ("received", "discarded", "bound", "issued", "spoilt", "cancelled")
"""What becomes of blanks; `ledger reconcile` has the same names."""


@dataclass(frozen=True)
class Note:
    """So many of something happened, on a day, by somebody's hand; `of` says of which face, kind or cause."""

    day: dt.date
    operator: str
    what: str
    of: str
    number: int


@dataclass
class Notebook:
    """`standing` is what each card is now, `handed` which of them count as valid."""

    notes: list[Note] = field(default_factory=list)
    standing: dict[str, str] = field(default_factory=dict)
    valid: set[str] = field(default_factory=set)

    def note(self, day: dt.date, operator: str, what: str, of: str = "", number: int = 1) -> None:
        self.notes.append(Note(day, operator, what, of, number))

    def total(self, what: str, *, day: dt.date | None = None, operator: str | None = None, of: str = "") -> int:
        return sum(
            note.number
            for note in self.notes
            if note.what == what
            and (day is None or note.day == day)
            and (operator is None or note.operator == operator)
            and (not of or note.of == of)
        )

    @property
    def in_stock(self) -> int:
        return self.total("received") - self.total("discarded") - self.total("bound")

    @property
    def in_work(self) -> int:
        return self.total("bound") - self.total("issued") - self.total("spoilt")

    def by_kind(self, what: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for note in self.notes:
            if note.what == what:
                found[note.of] += note.number
        return found


def differences(notebook: Notebook, listed: Any, reconciled: Any, month: Any, day: dt.date) -> list[str]:
    """Return everything in which the books and the notes disagree: nothing, if both are right."""
    found = (
        *_cards(notebook, listed["cards"]),
        *_blanks(notebook, reconciled, day),
        *_month(notebook, month),
    )
    return [f"{what}: noted {noted!r}, in the books {said!r}" for what, noted, said in found if noted != said]


Compared = Iterator[tuple[str, object, object]]


def _cards(notebook: Notebook, cards: list[dict[str, Any]]) -> Compared:
    said = {card["serial"]: card["status"] for card in cards}
    for serial in sorted({*said, *notebook.standing}):
        yield f"card {serial}", notebook.standing.get(serial), said.get(serial)


def _blanks(notebook: Notebook, reconciled: Mapping[str, Any], day: dt.date) -> Compared:
    deliveries = reconciled["deliveries"]
    for what in ("received", "discarded", "issued", "spoilt", "cancelled"):
        yield f"{what} of all deliveries", notebook.total(what), sum(line[what] for line in deliveries)
    yield "in stock", notebook.in_stock, sum(line["in_stock"] for line in deliveries)
    yield "in work", notebook.in_work, sum(line["in_work"] for line in deliveries)
    (today,) = (line for line in reconciled["days"] if line["day"] == day.isoformat())
    for what in MOVEMENTS:
        yield f"{what} on {day}", notebook.total(what, day=day), today[what]
    yield "stock in the evening", notebook.in_stock, today["stock_after"]
    said = {line["operator"]: line for line in reconciled["operators"]}
    for operator in sorted({note.operator for note in notebook.notes if note.what in MOVEMENTS} | {*said}):
        for what in MOVEMENTS:
            line = said.get(operator, dict.fromkeys(MOVEMENTS, 0))
            yield f"{what} by {operator}", notebook.total(what, operator=operator), line[what]


def _month(notebook: Notebook, month: Mapping[str, Any]) -> Compared:
    for name, what in (("applications", "applied"), ("issued", "issued"), ("void", "voided")):
        noted = notebook.by_kind(what)
        for of, number in month[name].items():
            yield f"{name}: {of}", noted[of], number
    for name in ("refused", "handed_over", "suspended", "spoilt", "password_resets"):
        yield name, notebook.total(name), month[name]
    yield "valid", len(notebook.valid), month["valid"]
