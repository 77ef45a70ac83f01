"""`juki ledger reconcile` and `juki ledger statistics`: what the books add up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date

import click

from jukicard.commands.options import day_option, home_option, json_option
from jukicard.commands.session import Session, pass_session
from jukicard.commands.tables import print_json, print_table
from jukicard.issuer.counter.lifecycle import how_to_go_on
from jukicard.issuer.ledger.chain import UNATTENDED
from jukicard.issuer.ledger.details import Cause, Kind
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.reconcile import Difference, LastCount, Reconciliation, Tally, Why
from jukicard.issuer.ledger.reconcile import reconcile as add_up
from jukicard.issuer.ledger.statistics import NOT_GIVEN, Month, of_year
from jukicard.issuer.ledger.statistics import statistics as count_months

_NO_DELIVERY = "(none)"
_WORDS = {
    Why.IN_WORK: "the card is in work",
    Why.CANCELLED: "the card was cancelled, and its chip is not used again",
    Why.COUNT_SETTLED: "a count by hand differed, and the last one agrees",
    Why.COUNT_DIFFERS: "the count by hand differs",
    Why.UNKNOWN_CHIP: "the chip was bound, and is in no delivery",
    Why.BOUND_TWICE: "the chip was bound to a card before",
    Why.DISCARDED: "the chip was discarded, and is bound to a card",
    Why.OVERDRAWN: "more chips were used than received",
    Why.NUMBERS_DIFFER: "the delivery's numbers are not as many as its chips",
    Why.IMPOSSIBLE_ENTRY: "this cannot be",
}
_MOVEMENTS = ("received", "discarded", "bound", "issued", "spoilt", "cancelled")


@click.command
@day_option("--day", "As of the evening of that day, and only that day's movements.")
@click.option("--delivery", metavar="NAME", help="Only that delivery.")
@home_option
@json_option
@pass_session
def reconcile(session: Session, day: date | None, delivery: str | None, as_json: bool) -> int:
    """Reconcile the blanks: received = issued + spoilt + in stock, and explain every difference.

    By delivery, day and operator's card. Cards in work and chips of cancelled cards are explained, and said; exit code
    1 if something is left that the books cannot explain: a count by hand that differs, a chip that is in no delivery,
    or was bound before, or was discarded, more chips used than received.

    \b
    Examples:
      juki ledger reconcile
      juki ledger reconcile --day 2026-11-28 --delivery box-2026-1 --json
    """
    with session.authority(None) as authority:
        books = authority.ledger
        found = add_up(books.stream(), until=day)
        if delivery is not None:
            found = found.of(delivery)
        differences = [_difference(books, each) for each in found.differences]
    days = list(_days(found, day))
    if as_json:
        members = {"balanced": found.is_balanced, "deliveries": deliveries(found), "days": days}
        print_json({**members, "operators": _operators(found, day), "differences": differences})
    else:
        _print(found, days, _operators(found, day), differences)
    return 0 if found.is_balanced else 1


def deliveries(found: Reconciliation) -> list[dict[str, object]]:
    """Return what became of each delivery's chips; the delivery None has the chips that are in none."""
    return [
        {"delivery": name, **_sums(tally), **_count(found.counts.get(name or ""))}
        for name, tally in found.by_delivery().items()
    ]


def print_deliveries(found: Reconciliation) -> None:
    """Print the same as a table."""
    columns = ("delivery", "received", "issued", "spoilt", "cancelled", "discarded", "in work", "in stock", "counted")
    print_table(
        columns,
        (
            (
                line["delivery"] or _NO_DELIVERY,
                *(line[name.replace(" ", "_")] for name in columns[1:-1]),
                "" if line["counted"] is None else f"{line['counted']} ({line['counted_on']})",
            )
            for line in deliveries(found)
        ),
    )


def _sums(tally: Tally) -> dict[str, object]:
    return {
        "received": tally.received,
        "issued": tally.issued - tally.unmade,
        "spoilt": tally.spoilt,
        "cancelled": tally.cancelled,
        "discarded": tally.discarded,
        "in_work": tally.in_work,
        "in_stock": tally.in_stock if tally.received else 0,
    }


def _count(count: LastCount | None) -> dict[str, object]:
    if count is None:
        return {"counted": None, "counted_on": None, "in_stock_then": None}
    return {"counted": count.counted, "counted_on": count.day.isoformat(), "in_stock_then": count.by_the_books}


def _days(found: Reconciliation, wanted: date | None) -> Iterator[dict[str, object]]:
    """Yield each day's movements, with the stock and the cards in work at its beginning and end."""
    before = Tally()
    days = found.by_day()
    for day, tally in days.items() if wanted is None else {**days, wanted: days.get(wanted, Tally())}.items():
        after = before + tally
        if wanted in (None, day):
            stock = {"stock_before": before.in_stock, "stock_after": after.in_stock, "in_work_after": after.in_work}
            yield {"day": day.isoformat(), **_moved(tally), **stock}
        before = after


def _operators(found: Reconciliation, wanted: date | None) -> list[dict[str, object]]:
    lines = {line: tally for line, tally in found.lines.items() if wanted in (None, line.day)}
    chosen = Reconciliation(lines, {}, (), 0, ())
    return [{"operator": actor or UNATTENDED, **_moved(tally)} for actor, tally in chosen.by_operator().items()]


def _moved(tally: Tally) -> dict[str, object]:
    return {name: value for name, value in asdict(tally).items() if name in _MOVEMENTS}


def _difference(books: Ledger, found: Difference) -> dict[str, object]:
    card = None if found.serial is None else books.find(found.serial)
    return {
        "why": found.why.value,
        "explained": found.why.is_explained,
        "delivery": found.delivery,
        "entry": found.entry or None,
        "serial": found.serial,
        "chip": found.chip,
        "status": None if found.status is None else found.status.value,
        "by": found.by or None,
        "since_entry": found.since,
        "words": found.words,
        "next": how_to_go_on(card) if card is not None and found.why is Why.IN_WORK else None,
    }


def _print(
    found: Reconciliation,
    days: list[dict[str, object]],
    operators: list[dict[str, object]],
    differences: list[dict[str, object]],
) -> None:
    if not found.deliveries:
        click.echo("This home keeps no stock of blanks: `juki stock receive` enters a delivery.")
    print_deliveries(found)
    for lines in (days, operators):
        if lines:
            click.echo()
            print_table([name.replace("_", " ") for name in lines[0]], (line.values() for line in lines))
    click.echo()
    if found.before_stock:
        click.echo(f"{found.before_stock} chips were bound before the home kept stock.")
    for each in differences:
        click.echo(_in_words(each))
    unexplained = sum(not each["explained"] for each in differences)
    click.echo(f"Not balanced: {unexplained} not explained." if unexplained else "Balanced.")


def _in_words(each: Mapping[str, object]) -> str:
    where = [f"delivery {each['delivery']}"] if each["delivery"] else []
    where += [f"card {each['serial']}"] if each["serial"] else []
    where += [f"chip {each['chip']}"] if each["chip"] else []
    where += [f"entry {each['entry']}"] if each["entry"] else []
    text = f"{', '.join(where)}: {_WORDS[Why(str(each['why']))]}"
    if each["by"]:
        text += f" by {each['by']:+d}"
    if each["since_entry"]:
        text += f", since entry {each['since_entry']}"
    text += "".join(f" ({each[name]})" for name in ("status", "words") if each[name])
    return f"{text}. {each['next']}" if each["next"] else text


@click.command
@click.option("--year", type=click.IntRange(2003, 9999), help="Only that year.")
@home_option
@json_option
@pass_session
def statistics(session: Session, year: int | None, as_json: bool) -> None:
    """Count what a municipality publishes of its cards, month by month, without personal data.

    Applications by kind, refusals, cards issued by face, handed over, suspended, void by cause, spoilt, passwords
    reset, and the cards that are valid at the end of the month: handed over, not void and not expired. The month that
    is not over ends today.

    \b
    Examples:
      juki ledger statistics
      juki ledger statistics --year 2026 --json
    """
    with session.authority(None) as authority:
        months = count_months(authority.ledger.by_subject(), session.world.today)
    if year is not None:
        months = of_year(months, year)
    if as_json:
        print_json({"months": [{"month": name, **_month(month)} for name, month in months.items()]})
        return
    rows: dict[str, list[object]] = {}
    for month in months.values():
        for what, number in _flat(_month(month)):
            rows.setdefault(what, []).append(number)
    print_table(("", *months), ((what, *numbers) for what, numbers in rows.items()))


def _month(month: Month) -> dict[str, object]:
    """Return a month's numbers, with every kind, face and cause, whether there were any or not."""
    return {
        **asdict(month),
        "applications": {kind.value: month.applications[kind] for kind in Kind},
        "issued": {face: month.issued[face] for face in ("A", "B")},
        "void": {cause: month.void[cause] for cause in (*(each.value for each in Cause), NOT_GIVEN)},
    }


def _flat(month: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in month.items():
        words = name.replace("_", " ")
        if isinstance(value, Mapping):
            yield from ((f"{words}: {part}", number) for part, number in value.items())
        else:
            yield words, value
