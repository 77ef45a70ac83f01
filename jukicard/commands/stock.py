"""`juki stock …`: the blank chips, as they are delivered, counted and discarded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.commands.attendance import office_options
from jukicard.commands.options import home_option, json_option, print_facts, words
from jukicard.commands.reconciling import deliveries, print_deliveries
from jukicard.commands.session import Session, pass_session
from jukicard.commands.tables import print_json
from jukicard.issuer.authority.permissions import DISCARD_STOCK, KEEP_STOCK
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.ledger import stock
from jukicard.issuer.ledger.reconcile import reconcile
from jukicard.issuer.ledger.stock import ChipNumbers, ChipRange

if TYPE_CHECKING:
    from jukicard.issuer.ledger.stock import Delivery

chips_file_option = click.option(
    "--chips",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the chips' numbers: one, or FIRST-LAST, a line.",
)
first_option = click.option("--first", metavar="NUMBER", help="The lowest number, 16 digits.")
last_option = click.option("--last", metavar="NUMBER", help="The highest number, 16 digits.")


@click.command
@click.argument("name")
@first_option
@last_option
@chips_file_option
@office_options(KEEP_STOCK)
@home_option
@json_option
@pass_session
def receive(
    session: Session, name: str, first: str | None, last: str | None, chips: Path | None, as_json: bool
) -> None:
    """Enter a delivery of blank chips into the books.

    NAME is the delivery's: up to 40 lower-case letters, digits and hyphens. A chip's number is its card image number,
    16 digits, as `juki card info` shows it; a delivery has them from --first to --last, or as a file lists them. From
    the first delivery on, only chips that are in stock become cards.

    \b
    Examples:
      juki stock receive box-2026-1 --first 0000000000001000 --last 0000000000001999
      juki stock receive box-2026-2 --chips delivered.txt
    """
    numbers = _numbers(first, last, chips)
    with session.office() as authority:
        delivery = stock.receive(authority.ledger, name, numbers, session.world.now())
    _print(delivery, as_json=as_json)


@click.command
@click.argument("name")
@click.argument("number", metavar="COUNT", type=click.IntRange(0, stock.LARGEST))
@office_options(KEEP_STOCK)
@home_option
@json_option
@pass_session
def count(session: Session, name: str, number: int, as_json: bool) -> None:
    """Enter how many blanks of a delivery were counted by hand.

    COUNT are those that lie in stock, without the ones discarded, and without chips of cards that are begun. `juki
    ledger reconcile` holds it against the books.

    \b
    Example:
      juki stock count box-2026-1 940
    """
    with session.office() as authority:
        stock.count(authority.ledger, name, number, session.world.now())
        found = reconcile(authority.ledger.stream()).counts[name]
    facts = {"delivery": name, "counted": found.counted, "in_stock": found.by_the_books}
    print_facts(facts, as_json=as_json)
    if found.counted != found.by_the_books:
        click.echo("The books have another number: juki ledger reconcile says what is known of it.", err=True)


@click.command
@click.argument("name")
@first_option
@last_option
@chips_file_option
@click.option(
    "--reason", required=True, metavar="WORDS", callback=words, help="Why, in a few plain words; never a name."
)
@office_options(DISCARD_STOCK)
@home_option
@json_option
@pass_session
def discard(
    session: Session, name: str, first: str | None, last: str | None, chips: Path | None, reason: str, as_json: bool
) -> None:
    """Enter that blanks of a delivery were discarded, for example damaged ones, or are lost.

    They are in stock no more, and never become cards. A chip that is a card, or was to become one, is none of them:
    `juki card void` gives a card up.

    \b
    Example:
      juki stock discard box-2026-1 --first 0000000000001007 --last 0000000000001007 --reason "bent"
    """
    numbers = _numbers(first, last, chips)
    with session.office() as authority:
        delivery = stock.discard(authority.ledger, name, numbers, reason, session.world.now())
    _print(delivery, as_json=as_json)


@click.command("list")
@home_option
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the deliveries, and what became of their chips.

    By the books: received, issued (finished cards, handed over or not), spoilt, cancelled after the chip was bound,
    discarded, in work, in stock; and the last count by hand.

    \b
    Example:
      juki stock list --json
    """
    with session.authority(None) as authority:
        found = reconcile(authority.ledger.stream())
    if as_json:
        print_json({"deliveries": [line for line in deliveries(found) if line["delivery"] is not None]})
    elif found.deliveries:
        print_deliveries(found)
    else:
        click.echo("No deliveries.")


def _numbers(first: str | None, last: str | None, chips: Path | None) -> ChipNumbers:
    if chips is not None and first is None and last is None:
        return _from_file(chips)
    if chips is not None or first is None or last is None:
        raise click.UsageError("give --first and --last, or --chips FILE")
    return ChipNumbers([ChipRange(first, last)])


def _from_file(path: Path) -> ChipNumbers:
    """Read numbers and ranges, a line each. RuleRefused, with the line's number for one that is neither."""
    ranges = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            first, _, last = line.strip().partition("-")
            if not first:
                continue
            try:
                ranges.append(ChipRange(first, last or first))
            except RuleRefused:
                raise RuleRefused(f"{path}, line {number}: neither a chip's number (16 digits) nor a range") from None
    return ChipNumbers(ranges)


def _print(delivery: Delivery, *, as_json: bool) -> None:
    facts = {
        "delivery": delivery.name,
        "received": delivery.count,
        "chips": list(map(str, delivery.chips)),
        "discarded": list(map(str, delivery.discarded)),
    }
    print_facts(facts, as_json=as_json)
